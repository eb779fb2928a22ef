r"""Memorisation: when a state belongs to one of n data points, and the weights that say so.

Collapse. With n data points noised to p_t, a state is held by one of them once what it tells of its
data point exceeds ln n. With h the entropy of the noise and S that of the noised LAW,

    S(t) - h(t) = ln n,      h = (d/2) ln(2 pi e noise),

the criterion s = s_sep of Biroli et al. (2024). One Gaussian of variance sigma^2 under OU:

    tC = (1/2) ln[1 + sigma^2/(n^{2/d} - 1)].

Random energies. Given x each data point y_i has the weight w_i ~ exp{-|x - decay y_i|^2/(2 noise)}.
For n = e^{alpha d} independent points the w_i are Boltzmann weights of a random-energy model. Its
condensation is seen in Y = sum w_i^2, whose inverse, the participation ratio, counts the points
that share a state:

    independent N(0, s^2) points, variance-exploding noise v:  v_c = s^2/(e^{2 alpha} - 1)
    energies x.y_i of a query |x|^2 = q d that has nothing to do with the points, beta = 1/v:
        normal, of variance q s^2 d (the random-energy model):   beta_c = sqrt(2 alpha/(q s^2))
        points on the sphere |y|^2 = s^2 d:                      beta_c = c/(1 - c^2)/sqrt(q s^2)
    with c^2 = 1 - e^{-2 alpha} the largest overlap among the points; the two agree as alpha -> 0
    (alpha = .1: .4472 and .5200). In both E Y -> max(0, 1 - beta_c/beta).

The limit is one of d -> infinity and is approached slowly; `random_energies` says what finite d
gives, with its error. For states made from the points themselves E sum w^2 = E w_own: both are the
chance that two copies of a state came from one point.

References:
    G. Biroli, T. Bonnaire, V. de Bortoli and M. Mezard, Nat. Commun. 15, 9957 (2024),
    https://arxiv.org/abs/2402.18491
    L. Ambrogioni, "The statistical thermodynamics of generative diffusion models", Entropy 27, 291
    (2025), https://arxiv.org/abs/2310.17467
    B. Derrida, "Random-energy model", Phys. Rev. B 24, 2613 (1981)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy

from thermohw.errors import InputError
from thermohw.estimate import FEWEST, Estimate
from thermohw.process import OU, Process
from thermohw.target import MixtureLaw
from thermohw.transitions.onset import Onset
from thermohw.transitions.two_humps import transition

__all__ = [
    "Participation",
    "boltzmann_weights",
    "collapse_time",
    "condensation_beta",
    "condensation_limit",
    "condensation_noise",
    "gaussian_collapse_time",
    "participation",
    "random_energies",
]

_AT_ONCE = 2**22  # weights held in memory
_MOST = 2**24  # random energies of one trial
_EARLIEST = 1e-12


@dataclass(frozen=True)
class Participation:
    """How many data points share a noised state.

    Attributes:
        overlap: E sum w_i^2, 1/n to 1.
        own: mean weight of the data point that the state was made from.
        points: n.
    """

    overlap: Estimate
    own: Estimate
    points: int

    @property
    def ratio(self) -> float:
        """Participation ratio 1/E sum w_i^2, 1 to n."""
        return 1.0 / self.overlap.value


def gaussian_collapse_time(count: float, dim: int, variance: float) -> float:
    """tC of n samples of N(0, variance) in `dim` coordinates, on the clock of OU.

    Args:
        count: n, more than one.
        dim: number of coordinates.
        variance: of every coordinate, model units.

    Raises:
        InputError: another range.
    """
    where = "transitions.collapse"
    if not (math.isfinite(count) and count > 1.0):
        problem = f"one data point holds every state from the start: n > 1, got {count!r}"
        raise InputError(problem, where=where)
    if not (dim >= 1 and math.isfinite(variance) and variance > 0.0):
        problem = f"expected a dimension and a positive variance, got {dim!r}, {variance!r}"
        raise InputError(problem, where=where)
    return 0.5 * math.log1p(variance / math.expm1(2.0 * math.log(count) / dim))


def collapse_time(law: MixtureLaw, count: float, process: Process | None = None) -> Onset:
    """tC of n samples of a mixture, by the exact entropy of the noised law.

    Args:
        law: p_0, model units; one whose entropies are known (`MixtureLaw.entropy`).
        count: n, more than one.
        process: an isotropic one. Default: OU.

    Returns:
        The time; None where states tell more than ln n throughout the process.

    Raises:
        InputError: n <= 1, a law without an exact entropy, or a process with matrices.
    """
    process = OU() if process is None else process
    if not (math.isfinite(count) and count > 1.0):
        problem = f"one data point holds every state from the start: n > 1, got {count!r}"
        raise InputError(problem, where="transitions.collapse")

    def excess(log_t: float) -> float:
        decay, noise = transition(math.exp(log_t), process)
        entropy = law.propagate(decay, noise).entropy()
        if entropy is None:
            size = f"{len(law.weights)} modes in {law.dim} coordinates"
            problem = f"a mixture of {size} has no exact entropy"
            raise InputError(problem, where="transitions.law")
        silent = 0.5 * law.dim * math.log(2.0 * math.pi * math.e * noise)
        return entropy - silent - math.log(count)

    words = f"a noised state tells ln n = {math.log(count):.6g} nats of its data point"
    early, late = math.log(_EARLIEST * process.duration), math.log(process.duration)
    end = excess(late)
    if end > 0.0:
        told = f"{words}: at the end of the process it still tells {end + math.log(count):.6g}"
        return Onset(None, told)
    if excess(early) <= 0.0:
        return Onset(None, f"{words}: only closer to the data than doubles can follow")
    root = float(scipy.optimize.brentq(excess, early, late, xtol=1e-13))
    return Onset(math.exp(root), words)


def condensation_noise(alpha: float, variance: float = 1.0) -> float:
    """v_c: noise below which e^{alpha d} independent N(0, variance) points are told apart.

    Raises:
        InputError: an alpha or a variance that is not positive.
    """
    _positive(alpha=alpha, variance=variance)
    return variance / math.expm1(2.0 * alpha)


def condensation_beta(
    alpha: float, query: float = 1.0, variance: float = 1.0, *, energies: str = "normal"
) -> float:
    """beta_c of e^{alpha d} points of norm^2 d variance and an independent query of norm^2 d query.

    Args:
        alpha: ln n/d.
        query: q.
        variance: s^2.
        energies: "normal" (the random-energy model) or "sphere" (points of exactly that norm).

    Raises:
        InputError: a number that is not positive, or other energies.
    """
    _positive(alpha=alpha, query=query, variance=variance)
    if _kind(energies) == "normal":
        slope = math.sqrt(2.0 * alpha)
    else:
        slope = math.sqrt(-math.expm1(-2.0 * alpha)) * math.exp(2.0 * alpha)
    return slope / math.sqrt(query * variance)


def condensation_limit(ratio: float) -> float:
    """E sum w^2 for d -> infinity at beta = ratio beta_c: max(0, 1 - 1/ratio).

    Raises:
        InputError: a ratio that is not positive.
    """
    _positive(ratio=ratio)
    return max(0.0, 1.0 - 1.0 / ratio)


def random_energies(
    dim: int, alpha: float, ratio: float, *, trials: int, generator: np.random.Generator,
    energies: str = "normal",
) -> Estimate:  # fmt: skip
    """E sum w^2 of n = e^{alpha d} points and an independent query at beta = ratio beta_c.

    Args:
        dim: number of coordinates d, at least 2.
        alpha: ln n/d; n is rounded.
        ratio: beta/beta_c, beta_c of the same energies.
        trials: independent sets of points, at least `thermohw.estimate.FEWEST`.
        generator: where the energies come from.
        energies: as of `condensation_beta`; on a sphere the angles are drawn from their exact law.

    Raises:
        InputError: too few trials for an error, fewer than two points or more than fit.
    """
    _positive(alpha=alpha, ratio=ratio)
    where = "transitions.random_energies"
    exponent = alpha * dim
    if dim < 2 or not math.log(2.0) <= exponent <= math.log(_MOST):
        problem = (
            f"expected 2 to {_MOST} points e^(alpha d) in 2 coordinates or more, "
            f"got e^{exponent:.3g} in {dim}"
        )
        raise InputError(problem, where=where)
    if trials < FEWEST:
        problem = f"{trials} trials are too few for a mean with an error: at least {FEWEST}"
        raise InputError(problem, where=where)
    count = round(math.exp(exponent))
    beta = ratio * condensation_beta(alpha, energies=energies)
    overlaps = np.empty(trials)
    for i in range(trials):
        along = generator.standard_normal(count)
        log_weights = beta * math.sqrt(dim) * along
        if energies == "sphere":
            across = generator.chisquare(dim - 1, count)
            log_weights *= np.sqrt(dim / (np.square(along) + across))
        weights = np.exp(log_weights - log_weights.max())
        overlaps[i] = np.square(weights).sum() / weights.sum() ** 2
    return Estimate.from_paths(overlaps)


def boltzmann_weights(rows: Any, x: Any, t: float, process: Process | None = None) -> np.ndarray:
    """w_i(x): the chance that a state x at model time t was made from row i, shape (m, n).

    Args:
        rows: data points, shape (n, d), model units.
        x: states, shape (m, d).
        t: model time, above 0.
        process: an isotropic one. Default: OU.

    Raises:
        InputError: shapes that do not fit, t <= 0 or a process with matrices.
    """
    rows, x = _table(rows, "transitions.rows"), _table(x, "transitions.x")
    if rows.shape[1] != x.shape[1]:
        problem = f"states of {x.shape[1]} coordinates, data of {rows.shape[1]}"
        raise InputError(problem, where="transitions.x")
    decay, noise = transition(t, process)
    if not noise > 0.0:
        problem = "without noise every state is its own data point: t must be above 0"
        raise InputError(problem, where="transitions.t")
    # |x|^2 is the same for all rows.
    log = (decay * (x @ rows.T) - 0.5 * decay**2 * np.square(rows).sum(1)) / noise
    return np.asarray(scipy.special.softmax(log, axis=1))


def participation(rows: Any, t: float, *, samples: int, generator: np.random.Generator,
                  process: Process | None = None) -> Participation:  # fmt: skip
    """How many of the data points share a state that was made from one of them.

    Args:
        rows: data points, shape (n, d), model units; n >= 2.
        t: model time, above 0.
        samples: noised states, at least `thermohw.estimate.FEWEST`; rows are taken in turn from a
            random order, all equally often up to one.
        generator: where rows and noise come from.
        process: an isotropic one. Default: OU.

    Returns:
        The overlap and the weight of the own data point, with standard errors for these data.

    Raises:
        InputError: too few samples or rows, or as of `boltzmann_weights`.
    """
    rows = _table(rows, "transitions.rows")
    if len(rows) < 2 or samples < FEWEST:
        problem = f"expected two rows or more and {FEWEST} samples, got {len(rows)} and {samples}"
        raise InputError(problem, where="transitions.participation")
    decay, noise = transition(t, process)
    which = np.resize(generator.permutation(len(rows)), samples)
    overlaps, own = np.empty(samples), np.empty(samples)
    several = max(1, _AT_ONCE // len(rows))
    for start in range(0, samples, several):
        part = which[start : start + several]
        z = generator.standard_normal((len(part), rows.shape[1]))
        states = decay * rows[part] + math.sqrt(noise) * z
        weights = boltzmann_weights(rows, states, t, process)
        overlaps[start : start + several] = np.square(weights).sum(1)
        own[start : start + several] = weights[np.arange(len(part)), part]
    return Participation(Estimate.from_paths(overlaps), Estimate.from_paths(own), len(rows))


def _table(value: Any, where: str) -> np.ndarray:
    """A finite float64 table of rows."""
    try:
        table = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError("expected a table of numbers", where=where) from None
    if table.ndim != 2 or not table.size or not np.isfinite(table).all():
        raise InputError(f"expected finite numbers of shape (n, d), got {table.shape}", where=where)
    return table


def _kind(energies: str) -> str:
    if energies not in ("normal", "sphere"):
        problem = f"energies are normal or sphere, got {energies!r}"
        raise InputError(problem, where="transitions.energies")
    return energies


def _positive(**numbers: float) -> None:
    for name, value in numbers.items():
        if not (math.isfinite(value) and value > 0.0):
            raise InputError(f"expected a positive number, got {value!r}",
                             where=f"transitions.{name}")  # fmt: skip
