r"""The account of a network against the true score at the same noised images.

Held-out images differ from one another far more than a good network differs from the true score:
with 256 images the mean of -ln p_0 alone is uncertain by sqrt(d/512) nats. But where the law is
known, the true score s* has a known account, so only differences need be sampled. With the same
images and the same noise, per image,

    t = (1/2) int g^2 (div s - div s*) dt,      n = (1/2) int g^2 (|s|^2 - |s*|^2) dt,
    e = (1/2) int g^2 |s - s*|^2 dt,            a = nll.ode(x0) + ln p_tmin(x0),

and S = S(t_min), H1 = S1 + K1 and `start` = -E ln p_tmin(x0) - S known by quadrature:

    nll.marginal = S + K1 + E t          B = S - E n / 2          U = S + K1 + E n + 2 E t
    gap          = K1 + E[t + n/2]       score error = E e / 2    residual = E[t + n/2 - e/2]
    nll.ode      = S + start + E a       path = E[a - t] - K1     Sigma = S1 - S + E n

`residual` is no tautology: it vanishes by Stein's identity for s - s*, which the samples have to
obey. `true.norm` and `true.trace` are the sampled integrals of s* less their known values: they
show what the pairing removes. `path` is what nll.ode - nll.marginal has beyond `start`; together
they are terminal mismatch plus trajectory drift, which are given too, without the pairing. For the
unpaired estimate of every term see `thermohw.likelihood.evaluate`. Values are nats per image, model
units.

The network is asked in single precision, its own, in which a convolution is ten times as fast; all
sums are float64. Its rounding, 1e-6 of a score, is worth less than 1e-4 nats an image.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from thermohw.estimate import Estimate
from thermohw.likelihood import ExactTrace, Hutchinson, SampleEnsemble, Timeline, flow_nll, sweep
from thermohw.likelihood.estimate import estimate
from thermohw.likelihood.progress import silent
from thermohw.likelihood.reference import Reference
from thermohw.score import ExactScore, Field, Score
from thermohw.target import Target


class _SingleField(Field):
    """A field asked in single precision."""

    def __init__(self, field: Field) -> None:
        self._field = field

    def __call__(self, x: Tensor) -> Tensor:
        """The score in the precision of x."""
        return self._field(x.float()).to(x.dtype)

    def with_divergence(self, x: Tensor) -> tuple[Tensor, Tensor]:
        score, divergence = self._field.with_divergence(x.float())
        return score.to(x.dtype), divergence.to(x.dtype)


class SinglePrecision(Score):
    """A score asked in single precision."""

    def __init__(self, base: Score) -> None:
        self.base, self.process, self.dim = base, base.process, base.dim
        self.narrowest, self.target = base.narrowest, base.target

    def at(self, t: float) -> Field:
        """The field of the base, in single precision."""
        return _SingleField(self.base.at(t))


@dataclass(frozen=True)
class KnownLaw:
    """What is known of the law and its prior, nats per image, model units.

    Attributes:
        clean: S(0).
        start: S(t_min).
        end: S1 = S(T).
        prior: entropy of the prior, S_pi.
        mismatch: K1 = KL(p_T || prior).
        offset: -E ln p_tmin(x0) - S(t_min) over clean images x0.
    """

    clean: float
    start: float
    end: float
    prior: float
    mismatch: float
    offset: float


@dataclass(frozen=True)
class Paired:
    """Terms of one score.

    Attributes:
        terms: name -> (value, standard error).
        profile: per-time arrays of the network's pass, see `thermohw.likelihood.Sweep`.
        true_ratio: exchange over intrinsic of the true score at the same noised images.
    """

    terms: dict[str, Estimate]
    profile: dict[str, np.ndarray]
    true_ratio: np.ndarray


def known(pixel: Target, target: Target, score: ExactScore, *, prior: str) -> KnownLaw:
    """Entropies of independent, equal pixels from one of them, a law on a line, and its score."""
    process, count = score.process, target.dim
    assert pixel.dim == 1 and pixel.entropy is not None
    law = process.prior(prior, pixel.mean, pixel.covariance)
    mean, covariance = process.propagate(pixel.mean, pixel.covariance, process.duration)
    spread = 0.5 * float(np.trace(np.linalg.solve(law.matrix, covariance)))
    cross = spread - float(law.log_prob(torch.as_tensor(mean)[None])[0])
    start, end = (score.entropy(t).value for t in (process.t_min, process.duration))
    x, weight = clean_pixel(pixel, process.transition(process.t_min)[1] ** 0.5)
    surprise = -float(weight @ score.log_prob(x, process.t_min))
    clean = pixel.entropy - pixel.log_volume
    numbers = (clean, start, end, law.entropy, cross - end, surprise - start)
    return KnownLaw(*(count * number for number in numbers))


def clean_pixel(pixel: Target, fine: float) -> tuple[Tensor, Tensor]:
    """Quadrature over a clean pixel, panels as narrow as the noise near edges: (n, 1) and (n,)."""
    nodes, weights = np.polynomial.legendre.leggauss(16)
    centre, deviation = float(pixel.mean[0]), float(pixel.covariance[0, 0]) ** 0.5
    box = pixel.kind == "uniform_pixels"
    if box:
        near = np.clip(fine * np.arange(0.0, 12.5, 0.5), 0.0, 0.5)
        edges = np.unique(np.concatenate([centre - 0.5 + near, centre + 0.5 - near]))
    else:
        edges = centre + deviation * np.arange(-12.0, 12.5, 0.5)
    half, middle = 0.5 * np.diff(edges)[:, None], 0.5 * (edges[1:] + edges[:-1])[:, None]
    x, weight = (middle + half * nodes).reshape(-1), (half * weights).reshape(-1)
    if not box:
        z = (x - centre) / deviation
        weight = weight * np.exp(-0.5 * z**2) / (deviation * (2.0 * np.pi) ** 0.5)
    return torch.as_tensor(x)[:, None], torch.as_tensor(weight / weight.sum())


def paired(
    score: Score, true: ExactScore, target: Target, facts: KnownLaw, *, points: Tensor,
    streams: Callable[[str], torch.Generator], prior: str, probes: int, moments: int,
    tolerance: float,
) -> Paired:  # fmt: skip
    """The account of a network beside the true score of its process, at held-out images of shape
    (images, dim), model units; a stream's name gives the same numbers again.
    """
    score = score if score.exact else SinglePrecision(score)
    process = score.process
    timeline = Timeline.of(process)
    reference = Reference(timeline, target.covariance, target.mean)
    trace = Hutchinson(probes, streams("probes")) if probes else ExactTrace()

    def swept(which: Score, how: ExactTrace | Hutchinson):  # noqa: ANN202
        cloud = SampleEnsemble(process, points, streams("noise"))
        rules: Any = {"truth": true, "reference": reference, "moments": moments}
        return sweep(which, cloud, timeline, trace=how, progress=silent, **rules)

    law = process.prior(prior, target.mean, target.covariance)
    cross = SampleEnsemble(process, points, streams("noise")).cross_entropy(law)
    own, exact = swept(score, trace), swept(true, ExactTrace())
    rules: Any = {"timeline": timeline, "trace": trace, "reference": reference}
    flow = flow_nll(score, points, law, tolerance=tolerance, progress=silent, **rules)
    t, n = own.trace - exact.trace, own.norm - exact.norm
    assert own.error is not None
    half_error = 0.5 * own.error
    a = flow.nll + true.log_prob(points, process.t_min)
    volume, grown = timeline.log_volume(target.dim), facts.end - facts.start
    coarse = float(t.mean()) - (own.coarse[1] - exact.coarse[1])
    probed = float(flow.divergence_stderr.square().mean().sqrt()) / len(points) ** 0.5

    def mean(values: Tensor | float, *known: float) -> Estimate:
        more = (Estimate(number, 0.0) for number in known)
        return estimate(values, *more) if isinstance(values, Tensor) else Estimate(values, 0.0)

    s, k1, offset = facts.start, facts.mismatch, facts.offset
    terms = {
        "nll.ode": mean(a, s, offset), "nll.marginal": mean(t, s, k1),
        "nll.sde_elbo": mean(n + 2.0 * t, s, k1), "bound.lower": mean(-0.5 * n, s),
        "bound.lower_reference": mean(-0.5 * n, s, 0.5 * (facts.prior - facts.end)),
        "bound.gap": mean(t + 0.5 * n, k1), "bound.ode_margin": mean(a + 0.5 * n, offset),
        "bound.score_error": mean(half_error), "bound.residual": mean(t + 0.5 * n - half_error),
        "bound.path": mean(a - t, -k1), "bound.terminal_mismatch": mean(flow.prior_term - cross),
        "bound.trajectory_drift": mean(flow.trace - own.trace),
        "entropy.sigma_forward": mean(n, grown), "excess.ode": mean(a, s + offset - facts.clean),
        "excess.marginal": mean(t, k1), "excess.elbo": mean(n + 2.0 * t),
        "error.solver": mean(float(flow.solver_error.mean())), "error.divergence": mean(probed),
        "error.quadrature": mean(abs(coarse)), "true.norm": mean(exact.norm, volume - grown),
        "true.trace": mean(exact.trace, grown - volume),
    }  # fmt: skip
    return Paired(terms, own.profile, exact.profile["ratio"])
