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

import numpy as np
import torch
from torch import Tensor

from thermohw.likelihood import (
    Estimate,
    ExactTrace,
    Hutchinson,
    SampleEnsemble,
    Timeline,
    flow_nll,
    sweep,
)
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
    """Entropies of independent, equal pixels.

    Args:
        pixel: one of them, a law on a line.
        target: all of them.
        score: the true score of `pixel`.
        prior: "schedule" or "matched".
    """
    process, count = score.process, target.dim
    assert pixel.dim == 1 and pixel.entropy is not None
    law = process.prior(prior, pixel.mean, pixel.covariance)
    mean, covariance = process.propagate(pixel.mean, pixel.covariance, process.duration)
    spread = 0.5 * float(np.trace(np.linalg.solve(law.matrix, covariance)))
    cross = spread - float(law.log_prob(torch.as_tensor(mean)[None])[0])
    start, end = (score.entropy(t).value for t in (process.t_min, process.duration))
    x, weight = clean_pixel(pixel, process.transition(process.t_min)[1] ** 0.5)
    surprise = -float(weight @ score.log_prob(x, process.t_min))
    numbers = (
        pixel.entropy - pixel.log_volume,
        start,
        end,
        law.entropy,
        cross - end,
        surprise - start,
    )
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
    score: Score,
    true: ExactScore,
    target: Target,
    facts: KnownLaw,
    *,
    points: Tensor,
    streams: Callable[[str], torch.Generator],
    prior: str,
    probes: int,
    moments: int,
    tolerance: float,
) -> Paired:
    """The account of a score.

    Args:
        score: the network.
        true: the true score of the same process.
        target: the data.
        facts: from `known`.
        points: held-out images, shape (images, dim), model units.
        streams: name -> generator; the same name gives the same numbers again.
        prior: "schedule" or "matched".
        probes: Hutchinson probes per image of the network's divergence; 0 for exact ones.
        moments: quadrature times of the marginal integrals, one of the nested rule's counts.
        tolerance: of the flow solver, nats relative to 1 + |int trace|.
    """
    score = score if score.exact else SinglePrecision(score)
    process = score.process
    timeline = Timeline.of(process)
    reference = Reference(timeline, target.covariance, target.mean)
    trace = Hutchinson(probes, streams("probes")) if probes else ExactTrace()

    def swept(which: Score, how: ExactTrace | Hutchinson):  # noqa: ANN202
        return sweep(
            which,
            SampleEnsemble(process, points, streams("noise")),
            timeline,
            truth=true,
            trace=how,
            reference=reference,
            moments=moments,
            progress=silent,
        )

    law = process.prior(prior, target.mean, target.covariance)
    cross = SampleEnsemble(process, points, streams("noise")).cross_entropy(law)
    own, exact = swept(score, trace), swept(true, ExactTrace())
    flow = flow_nll(
        score,
        points,
        law,
        timeline=timeline,
        trace=trace,
        reference=reference,
        tolerance=tolerance,
        progress=silent,
    )
    t, n = own.trace - exact.trace, own.norm - exact.norm
    assert own.error is not None
    half_error = 0.5 * own.error
    a = flow.nll + true.log_prob(points, process.t_min)
    s, k1 = Estimate(facts.start, 0.0), Estimate(facts.mismatch, 0.0)
    offset, minus = Estimate(facts.offset, 0.0), Estimate(-facts.mismatch, 0.0)
    change = Estimate(facts.end - facts.start, 0.0)
    reference_end = Estimate(0.5 * (facts.prior - facts.end), 0.0)
    volume = timeline.log_volume(target.dim)
    fine, coarse = float(t.mean()), own.coarse[1] - exact.coarse[1]
    terms = {
        "nll.ode": estimate(a, s, offset),
        "nll.marginal": estimate(t, s, k1),
        "nll.sde_elbo": estimate(n + 2.0 * t, s, k1),
        "bound.lower": estimate(-0.5 * n, s),
        "bound.lower_reference": estimate(-0.5 * n, s, reference_end),
        "bound.gap": estimate(t + 0.5 * n, k1),
        "bound.ode_margin": estimate(a + 0.5 * n, offset),
        "bound.score_error": estimate(half_error),
        "bound.residual": estimate(t + 0.5 * n - half_error),
        "bound.path": estimate(a - t, minus),
        "bound.terminal_mismatch": estimate(flow.prior_term - cross),
        "bound.trajectory_drift": estimate(flow.trace - own.trace),
        "entropy.sigma_forward": estimate(n, change),
        "excess.ode": estimate(a, Estimate(facts.start + facts.offset - facts.clean, 0.0)),
        "excess.marginal": estimate(t, k1),
        "excess.elbo": estimate(n + 2.0 * t),
        "error.solver": Estimate(float(flow.solver_error.mean()), 0.0),
        "error.divergence": Estimate(
            float(flow.divergence_stderr.square().mean().sqrt()) / len(points) ** 0.5, 0.0
        ),
        "error.quadrature": Estimate(abs(fine - coarse), 0.0),
        "true.norm": estimate(exact.norm, Estimate(volume - change.value, 0.0)),
        "true.trace": estimate(exact.trace, Estimate(change.value - volume, 0.0)),
    }
    return Paired(terms, own.profile, exact.profile["ratio"])
