"""Means and exponential averages over paths, a chunk at a time.

Ledgers may hold 1e7 paths, so nothing here keeps them. Means and variances of chunks are merged
exactly (Chan, Golub and LeVeque 1979):

    delta = m_b - m_a,   m = m_a + delta n_b/n,   M2 = M2_a + M2_b + delta^2 n_a n_b/n
    M3 = M3_a + M3_b + delta^3 n_a n_b (n_a - n_b)/n^2 + 3 delta (n_a M2_b - n_b M2_a)/n

and <e^{-x}> is summed relative to the largest exponent seen so far, so that it neither overflows
nor depends on the order of chunks beyond rounding.

Whether such an average can be trusted is read off its weights w = e^{-x}. The effective sample
number (sum w)^2/sum w^2 counts the paths that carry it, but cannot see paths that should have
occurred and did not. The tail can: a generalised Pareto law is fitted to the 3 sqrt(n) largest
weights. Its index k below 1/2 means a finite variance and an honest error bar, up to 0.7 a slow but
usable average, beyond that none (Vehtari, Simpson, Gelman, Yao and Gabry, "Pareto smoothed
importance sampling", 2015; fit of Zhang and Stephens 2009).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import exp, sqrt

import numpy as np

from thermohw.estimate import Estimate

__all__ = ["ExponentialSum", "Moments"]


@dataclass
class Moments:
    """Running mean, squares and cubes of named columns, and of one reference column with each.

    Attributes:
        count: paths seen.
        mean: column -> mean.
        square: column -> sum of squared deviations.
        cube: column -> sum of cubed deviations, for the lean of the mean.
        mixed: column -> sum of products of its deviations with those of `reference`.
        reference: name of the column that `mixed` refers to.
    """

    reference: str
    count: int = 0
    mean: dict[str, float] = field(default_factory=dict)
    square: dict[str, float] = field(default_factory=dict)
    cube: dict[str, float] = field(default_factory=dict)
    mixed: dict[str, float] = field(default_factory=dict)

    def add(self, columns: dict[str, np.ndarray]) -> None:
        """Merge a chunk: every column of shape (chunk,), the same names each time."""
        size = len(columns[self.reference])
        total = self.count + size
        anchor = columns[self.reference] - columns[self.reference].mean()
        shifts = {
            name: float(values.mean()) - self.mean.get(name, 0.0)
            for name, values in columns.items()
        }
        weight = self.count * size / total
        for name, values in columns.items():
            with np.errstate(invalid="ignore"):  # infinite values: no deviation, nan says so
                shift, centred = shifts[name], values - values.mean()
            before = self.square.get(name, 0.0), self.cube.get(name, 0.0)
            own = float(centred @ centred), float((centred**2) @ centred)
            self.cube[name] = own[1]
            if self.count:
                lopsided = weight * (self.count - size) / total
                crossed = 3.0 * (self.count * own[0] - size * before[0]) / total
                self.cube[name] += before[1] + shift**3 * lopsided + shift * crossed
            for sums, product, jump in (
                (self.square, own[0], shift * shift),
                (self.mixed, centred @ anchor, shift * shifts[self.reference]),
            ):
                sums[name] = (
                    sums.get(name, 0.0) + float(product) + (jump * weight if self.count else 0.0)
                )
            self.mean[name] = self.mean.get(name, 0.0) + shift * size / total
        self.count = total

    def __contains__(self, name: str) -> bool:
        return name in self.mean

    def __getitem__(self, name: str) -> Estimate:
        """Mean of a column with its standard error (nan for a single path)."""
        return Estimate.from_sums(self.count, self.mean[name], self.square[name], self.cube[name])

    def variance(self, name: str) -> float:
        """Variance of a column."""
        return self.square[name] / max(self.count - 1, 1)

    def slope(self, name: str) -> Estimate:
        """Regression slope of the reference column on another one; zero where that one does not
        vary.
        """
        square, n = self.square[name], self.count
        if square == 0.0 or n < 3:
            return Estimate(0.0, 0.0)
        slope = self.mixed[name] / square
        left = max(self.square[self.reference] - slope * self.mixed[name], 0.0)
        return Estimate(slope, sqrt(left / (n - 2) / square))


@dataclass
class ExponentialSum:
    """Running <e^{-x}>.

    Attributes:
        keep: how many of the largest exponents to keep for the tail.
    """

    keep: int
    top: np.ndarray = field(default_factory=lambda: np.empty(0))
    count: int = 0
    shift: float = -float("inf")
    first: float = 0.0
    second: float = 0.0

    def add(self, values: np.ndarray) -> None:
        """Merge a chunk of x, shape (chunk,)."""
        top = max(self.shift, float((-values).max()))
        fade = exp(self.shift - top) if self.count else 0.0
        weights = np.exp(-values - top)
        self.first = self.first * fade + float(weights.sum())
        self.second = self.second * fade**2 + float((weights**2).sum())
        self.shift, self.count = top, self.count + len(values)
        pool = np.concatenate([self.top, -values])
        self.top = (
            np.partition(pool, len(pool) - self.keep)[-self.keep :]
            if len(pool) > self.keep
            else pool
        )

    @property
    def average(self) -> Estimate:
        """<e^{-x}> with the jackknife's standard error, which for a mean is the usual one."""
        n = self.count
        scale = exp(min(self.shift, 700.0))
        mean = self.first / n
        variance = max(self.second / n - mean**2, 0.0) / (n - 1) if n > 1 else float("nan")
        return Estimate(mean * scale, sqrt(variance) * scale)

    @property
    def effective(self) -> float:
        """(sum w)^2 / sum w^2, w = e^{-x}: how many paths carry the average."""
        return self.first**2 / self.second if self.second > 0.0 else 0.0

    @property
    def tail(self) -> float:
        """Index k of the tail of the weights; infinite with too few paths to tell."""
        count = min(self.count // 5, int(3.0 * sqrt(self.count)), self.keep - 1)
        if count < 10:
            return float("inf")
        ordered = np.sort(self.top)[-count - 1 :] - self.shift
        return _pareto_index(np.exp(ordered[1:]) - np.exp(ordered[0]))


def _pareto_index(excess: np.ndarray) -> float:
    """Index of a generalised Pareto law fitted to excesses over a threshold, ascending; drawn
    towards 1/2 with the weight of ten points.
    """
    n = len(excess)
    if not excess[0] < excess[-1]:
        return 0.0  # all weights alike: no tail
    excess = np.maximum(excess, 1e-300)
    grid = np.arange(1, 31 + int(sqrt(n))) - 0.5
    slopes = (
        1.0 / excess[-1]
        + (1.0 - np.sqrt((30 + int(sqrt(n))) / grid)) / 3.0 / excess[int(n / 4 + 0.5) - 1]
    )
    shapes = np.log1p(-slopes[:, None] * excess).mean(1)
    score = n * (np.log(-slopes / shapes) - shapes - 1.0)
    weights = np.exp(score - score.max())
    slope = float((slopes * weights).sum() / weights.sum())
    return (float(np.log1p(-slope * excess).mean()) * n + 5.0) / (n + 10.0)
