"""System entropy change dS = S(final) - S(start) of a run, by the best method its facts allow.

    exact laws          both ends known (exact score, exact control, start from p_T), and the
                        samples agree: -E ln p(x_N) within three standard errors of S(t_min)
    nearest neighbours  of the end states, in three dimensions or less
    cross-entropy       -E ln p(x_N) >= S(final) for any density p, the smallest of: the law of the
                        data where it is known, the model's own density by its probability flow, a
                        mixture fitted to other end states, the Gaussian with the samples' own
                        covariance

A cross-entropy is an upper bound of dS, so that only a negative slack computed with it says
anything. A data set noised to p_T has no known entropy; that of the noise alone bounds it from
below, and dS again from above. Nats; model units cancel in the difference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import hypot, inf, isfinite, log, pi, sqrt

import numpy as np
from scipy.special import digamma

from thermohw.audit.production import Density
from thermohw.audit.recorded import Recorded
from thermohw.books import nearest_neighbour_entropy
from thermohw.errors import InputError
from thermohw.estimate import FEWEST, Estimate

__all__ = ["SystemChange", "gaussian_entropy", "known_entropy", "law_entropy", "system_change"]

_NEIGHBOURS = 65_536  # end states used by the nearest-neighbour estimate
_LOW = 3


@dataclass(frozen=True)
class SystemChange:
    """dS of a run, nats.

    Attributes:
        value: S(final) - S(start), or an upper bound of it; None where not even that is known.
        stderr: its standard error.
        method: in words.
        upper: it is an upper bound.
        beside: other estimates of the same, by what they are.
    """

    value: float | None
    stderr: float
    method: str
    upper: bool = False
    beside: dict[str, Estimate] = field(default_factory=dict)

    @property
    def others(self) -> str:
        """What else is known of dS, in words."""
        listed = (
            f"{words} {found.text('.4g')}"
            for words, found in self.beside.items()
            if not self.method.startswith(words) and isfinite(found.value)
        )
        return "; ".join(listed)


def system_change(recorded: Recorded, densities: Sequence[Density] = ()) -> SystemChange:
    """The best that is known of dS; see the module.

    Args:
        recorded: the run.
        densities: of end states, evaluated already.
    """
    start, lower = recorded.start_entropy, False
    if start is None:
        start, lower = _noise_entropy(recorded), True
    crossed = _crossed(recorded, densities)
    final = _final(recorded, crossed)
    if final is None:
        return SystemChange(None, 0.0, "too few samples for the entropy of the end states")
    if not isfinite(final[0]):
        return SystemChange(None, 0.0, "the end states span no volume: no entropy is theirs")
    value, stderr, method, upper = final
    if lower:
        method += "; S(start) bounded from below by the entropy of its noise"
    beside = {words: found - start for words, found in crossed.items()}
    return SystemChange(value - start, stderr, method, upper or lower, beside)


def _noise_entropy(recorded: Recorded) -> float:
    """Entropy of the noise that the process has added by its end, a lower bound on that of any
    noised data.
    """
    process, dim = recorded.setting.process, recorded.setting.device.dim
    noise = process.transition(process.duration)[1]
    return gaussian_entropy(
        np.asarray(noise) * np.eye(dim) if np.ndim(noise) == 0 else np.asarray(noise)
    )


def gaussian_entropy(covariance: np.ndarray) -> float:
    """(1/2) ln det(2 pi e C) of a covariance of shape (d, d)."""
    return 0.5 * float(np.linalg.slogdet(2.0 * pi * np.e * covariance)[1])


def _crossed(recorded: Recorded, densities: Sequence[Density]) -> dict[str, Estimate]:
    """Upper bounds of S(final) in model units, by what they are."""
    x, dim, found = recorded.first, recorded.setting.device.dim, {}
    if "log_prob.end" in recorded.moments:
        found["cross-entropy to the data's law"] = -recorded.moments["log_prob.end"]
    for density in densities:
        if len(density.nll) >= FEWEST:
            found[f"cross-entropy to {density.words}"] = density.cross_entropy
    if len(x) >= 4 * dim:
        value = Estimate(*_largest_entropy(x))
        found["entropy of the Gaussian with the samples' covariance"] = value
    return found


def _final(
    recorded: Recorded, crossed: dict[str, Estimate]
) -> tuple[float, float, str, bool] | None:
    """S(final) in model units: value, standard error, method, whether it is an upper bound."""
    moments, x, dim = recorded.moments, recorded.first, recorded.setting.device.dim
    known = known_entropy(recorded) if "log_prob.end" in moments else None
    if known is not None:
        cross = -moments["log_prob.end"]
        z = Estimate(cross.value, hypot(cross.stderr, known.stderr)).z(known.value)
        if abs(z) <= 3.0:
            method = f"exact laws (-E ln p of the samples agrees, z = {z:+.2f})"
            return known.value, known.stderr, method, False
    if dim <= _LOW and len(x) >= 100:
        count = min(len(x), _NEIGHBOURS)
        entropy = nearest_neighbour_entropy(x[:count])
        return *entropy, f"nearest neighbours of {count} end states", False
    if not crossed:
        return None
    words = min(crossed, key=lambda name: crossed[name].value)
    value, stderr = crossed[words]
    return value, stderr, f"{words}, an upper bound", True


def known_entropy(recorded: Recorded) -> Estimate | None:
    """S(t_min), where the samples ought to have the data's own law there."""
    ought = recorded.exact and recorded.plan.nominal and recorded.simulate["start"] == "marginal"
    return law_entropy(recorded) if ought else None


def law_entropy(recorded: Recorded) -> Estimate | None:
    """S(t_min) of the data's law, where it is known."""
    truth = recorded.truth
    if truth is None:
        return None
    try:
        return truth.entropy(truth.process.t_min)
    except InputError:  # a law with edges at t = 0
        return None


def _largest_entropy(x: np.ndarray) -> tuple[float, float]:
    """Entropy of the Gaussian that shares the covariance of the samples, and its standard error.

    The log determinant of a sample covariance is biased low; for Gaussian samples by a known sum of
    digamma functions, which is taken out.
    """
    n, d = x.shape
    x = x[: max(4 * d, 2**22 // d)]
    n = len(x)
    centred = x - x.mean(0)
    covariance = centred.T @ centred / (n - 1)
    rounding = (np.finfo(float).eps * float(np.abs(x).max())) ** 2  # of the samples, as a variance
    if np.linalg.matrix_rank(covariance, hermitian=True) < d or covariance.max() <= 4.0 * rounding:
        return -inf, 0.0
    bias = float(digamma(0.5 * (n - 1 - np.arange(d))).sum()) - d * log(0.5 * (n - 1))
    influence = 0.5 * (centred * np.linalg.solve(covariance, centred.T).T).sum(1)
    return gaussian_entropy(covariance) - 0.5 * bias, float(influence.std(ddof=1) / sqrt(n))
