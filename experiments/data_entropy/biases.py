r"""Biases of the three estimates of S0, free of the scatter of the estimates themselves.

One pass over noising evaluates a score s, and with it c_t s, at the same noised points as a partner
p whose integrals are known; every noise is used with both signs. In units of diffusion time,
ds = (g^2/2) dt, with V = int E[div f] dt and per point

    n = int (|s|^2 - |p|^2) ds,    c = int s_cond . (s - p) ds,    e = int |s - p|^2 ds,

the estimates are, N_p and C_p the partner's own int |p|^2 ds and int s_cond . p ds,

    E1 = S1 - V - N_p - n,    E3 = H1 - V + N_p + n - 2 (C_p + c),    E2 = E3 + H1 - S1.

Known law. The partner is the true score: E C_p = E N_p = S1 - S0 - V by Stein's identity, so that

    E1 - S0 = -E n,    E3 - S0 = K1 + E[n - 2 c],    E2 - S0 = 2 K1 + E[n - 2 c],

with K1 = E ln p_T - E ln prior over the points noised to T. What the score's error alone says they
should be is E e + 2 E[c - n], K1 + E e, 2 K1 + E e; the difference, E[n - 2 c - e], is twice the
correlation of s - p with s_cond - p and vanishes by Stein once more: the samples must obey it.
`truth` is E1 with the true score itself, less S0, without any pairing: zero, and its standard error
is the accuracy that so many points give an estimate.

Data. The partner is the Gaussian of the data's moments; given a point its integrals over the noise
are closed forms, and S1 is the Gaussian's. Estimates are given less their mean, and their mean.

All values are nats, model units; the prior is the Gaussian of p_T's moments.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor

from thermohw.experiments.shared.problems import Noised, noised_both_ways
from thermohw.likelihood import SampleEnsemble, Timeline
from thermohw.score import CalibratedScore, ExactScore, Score
from thermohw.target import GaussianMixture, Target, gaussian

Value = tuple[float, float]
Sums = dict[str, Tensor]


@torch.no_grad()
def biases(
    score: Score, target: Target, points: Tensor, generator: torch.Generator, *,
    tuned: CalibratedScore | None = None, times: int = 55,
) -> dict[str, Value]:  # fmt: skip
    """Biases of the estimates of a score of an isotropic process, and of the same score calibrated,
    over held-out points of shape (n, dim), model units, and so many times.

    Returns:
        name -> (value, standard error over points), nats. For "raw" and, with `tuned`,
        "calibrated": <kind>.E1, .E2, .E3 and, where the law is known, .E1.expected, .E2.expected,
        .E3.expected, .stein (E[n - 2 c - e]), and k1 and truth; where it is not, <kind>.middle.
    """
    process, known = score.process, target.kind != "digits"
    partner = target if known else gaussian(target.mean, covariance=target.covariance)
    smooth = isinstance(target, GaussianMixture)
    timeline = Timeline.of(process, target.narrowest if smooth else 0.0)
    noised = noised_both_ways(timeline, points, generator, times)
    sums = _integrals(score, tuned, partner.score(process), noised)
    if not known:
        return _from_gaussian(sums, target, points, timeline, times)
    end = SampleEnsemble(process, points, generator).draw(process.duration).x
    return _from_truth(sums, target.score(process), target, end, timeline)


def _integrals(
    score: Score, tuned: CalibratedScore | None, partner: ExactScore, noised: Iterable[Noised]
) -> Sums:
    """n, c and e of each kind, and the partner's own N, per point."""
    sums: Sums = {}
    for t, step, pair in noised:
        field, other = score.at(t), partner.at(t)
        kinds = {"raw": 1.0} | ({"calibrated": tuned.factor(t)} if tuned else {})
        for x, conditional in pair:
            s, p = field(x), other(x)
            products = (s * s, s * p, p * p, s * conditional, p * conditional)
            ss, sp, pp, sc, pc = (product.sum(1) for product in products)
            values = {"partner": pp}
            for kind, k in kinds.items():
                values[f"{kind}.n"] = k * k * ss - pp
                values[f"{kind}.c"] = k * sc - pc
                values[f"{kind}.e"] = k * k * ss - 2.0 * k * sp + pp
            for name, value in values.items():
                sums[name] = sums.get(name, 0.0) + step * value
    return sums


def _from_truth(
    sums: Sums, truth: ExactScore, target: Target, end: Tensor, timeline: Timeline
) -> dict[str, Value]:
    process = truth.process
    law = process.prior("matched", target.mean, target.covariance)
    mismatch = truth.log_prob(end, process.duration) - law.log_prob(end)
    entropies = [truth.entropy(t) for t in (process.t_min, process.duration)]
    change = entropies[1].value - entropies[0].value - timeline.log_volume(target.dim)
    lost = _mean(change - sums["partner"])
    found = {
        "k1": _mean(mismatch),
        "truth": (lost[0], math.hypot(lost[1], *(entropy.stderr for entropy in entropies))),
    }
    for kind in _kinds(sums):
        n, c, e = (sums[f"{kind}.{name}"] for name in "nce")
        found |= {
            f"{kind}.E1": _mean(-n), f"{kind}.E2": _mean(n - 2.0 * c + 2.0 * mismatch),
            f"{kind}.E3": _mean(n - 2.0 * c + mismatch),
            f"{kind}.E1.expected": _mean(e + 2.0 * (c - n)),
            f"{kind}.E2.expected": _mean(e + 2.0 * mismatch),
            f"{kind}.E3.expected": _mean(e + mismatch), f"{kind}.stein": _mean(n - 2.0 * c - e),
        }  # fmt: skip
    return found


def _from_gaussian(
    sums: Sums, target: Target, points: Tensor, timeline: Timeline, times: int
) -> dict[str, Value]:
    process, mean = timeline.process, torch.as_tensor(target.mean)
    values, vectors = torch.linalg.eigh(torch.as_tensor(target.covariance))
    turned = ((points - mean) @ vectors).square()
    norm, cross = torch.zeros(len(points), dtype=torch.float64), 0.0
    for u, weight in zip(*timeline.rule(times), strict=True):
        moment = timeline.at(float(u))
        decay, noise = (float(number) for number in process.transition(moment.time))
        inverse, step = 1.0 / (decay**2 * values + noise), float(weight) * moment.stretch
        norm += step * (decay**2 * turned @ inverse.square() + noise * inverse.square().sum())
        cross += step * float(inverse.sum())
    law = process.prior("matched", target.mean, target.covariance)
    h1 = SampleEnsemble(process, points, torch.Generator()).cross_entropy(law)
    volume, found = timeline.log_volume(target.dim), {}
    for kind in _kinds(sums):
        n, c = norm + sums[f"{kind}.n"], cross + sums[f"{kind}.c"]
        third = h1 - volume + n - 2.0 * c
        estimates = {"E1": law.entropy - volume - n, "E2": third + h1 - law.entropy, "E3": third}
        middle = torch.stack(list(estimates.values())).mean(0)
        found[f"{kind}.middle"] = _mean(middle)
        found |= {f"{kind}.{name}": _mean(value - middle) for name, value in estimates.items()}
    return found


def _kinds(sums: Sums) -> list[str]:
    return [name.removesuffix(".n") for name in sums if name.endswith(".n")]


def _mean(values: Tensor) -> Value:
    return float(values.mean()), float(values.std()) / math.sqrt(len(values))
