"""How far samples are from the law they should follow, and how far right ones would be.

W1 in one dimension against a known law; W2 along random lines (sliced) in any dimension against as
many reference points. Distances between finite samples are never zero; the yardstick is what they
are when both sides have the same law:

    W1          int |B(F(x))| dx / sqrt(n), B a Brownian bridge, simulated
    sliced W2   random exchanges of the pooled points' labels

A squared distance is a weighted sum of chi-squares, nearly a gamma variable with the null's mean
and variance; its tail probability turned into a normal deviate is z.

Samples that something displaced by e on average are at most e farther from the law than the right
samples that they were displaced from (triangle inequality between the sampled laws), and those have
the null's distance: `Distance.beyond` is the z of a distance less e. It needs no second scatter for
displaced laws.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt

import numpy as np
from scipy.integrate import trapezoid
from scipy.stats import gamma, norm

__all__ = ["Distance", "line_distance", "sliced_distance", "sliced_square"]

_CALLED, _FARTHEST = 4.0, 40.0
_LINES, _EXCHANGES, _BRIDGES, _GRID = 64, 200, 2000, 601


@dataclass(frozen=True)
class Distance:
    """A distance, and what it is when the laws agree; model units.

    Attributes:
        name: "w1" or "sliced_w2".
        value: the distance.
        floor: its mean under the null.
        spread: its standard deviation under the null.
        square: mean of its square under the null.
        variance: of its square under the null.
        width: of the law.
        count: samples compared.
    """

    name: str
    value: float
    floor: float
    spread: float
    square: float
    variance: float
    width: float
    count: int

    @classmethod
    def against(
        cls, name: str, value: float, null: np.ndarray, *, width: float, count: int
    ) -> Distance:
        """Judge a value by draws of it under the null, shape (draws,)."""
        floor, spread = float(null.mean()), float(null.std(ddof=1))
        square, variance = float((null**2).mean()), float((null**2).var(ddof=1))
        return cls(name, value, floor, spread, square, variance, width, count)

    @property
    def z(self) -> float:
        """Normal deviate of the distance's tail probability."""
        return self.beyond(0.0)

    def beyond(self, displaced: float) -> float:
        """z of the distance where something displaced the samples by so much, model units."""
        value = max(self.value - displaced, 0.0)
        if not self.variance > 0.0:  # the law lies between two points of the grid: far beyond it
            return _FARTHEST if value > self.floor else 0.0
        shape, scale = self.square**2 / self.variance, self.variance / self.square
        tail = gamma.sf(value**2, shape, scale=scale)
        return min(float(norm.isf(tail)) if tail > 0.0 else _FARTHEST, _FARTHEST)

    @property
    def excess(self) -> float:
        """sqrt(value^2 - E floor^2), or 0."""
        return self._over(self.value)

    def called(self, displaced: float = 0.0) -> float:
        """The excess at which `beyond` is 4."""
        if not self.variance > 0.0:
            return 0.0
        shape, scale = self.square**2 / self.variance, self.variance / self.square
        return self._over(sqrt(float(gamma.isf(norm.sf(_CALLED), shape, scale=scale))) + displaced)

    def _over(self, value: float) -> float:
        return sqrt(max(value**2 - self.square, 0.0))

    @property
    def equivalent(self) -> float:
        """Independent samples of the right law that would be as far off; at most `count`."""
        return self.count * min(1.0, (self.floor / max(self.value, 1e-300)) ** 2)


def line_distance(x: np.ndarray, cdf: Callable[[np.ndarray], np.ndarray]) -> Distance:
    """W1 of samples to a law on the line.

    Args:
        x: samples, shape (n,).
        cdf: distribution function of the law, for arrays.
    """
    x, n = np.sort(x), len(x)
    levels, halfway = cdf(x), cdf(0.5 * (x[1:] + x[:-1]))
    step = np.arange(1, n) / n  # of the samples, between neighbours: Simpson's rule for the area
    ends = np.abs(step - levels[1:]) + np.abs(step - levels[:-1])
    between = (ends + 4.0 * np.abs(step - halfway)) / 6.0
    width = float(x.std())
    below = np.linspace(x[0] - 6.0 * width, x[0], _GRID)
    above = np.linspace(x[-1], x[-1] + 6.0 * width, _GRID)
    tails = trapezoid(cdf(below), below) + trapezoid(1.0 - cdf(above), above)
    value = float((between * np.diff(x)).sum() + tails)
    grid = np.linspace(x[0] - 0.5 * width, x[-1] + 0.5 * width, _GRID)
    f = np.append(np.clip(cdf(grid), 0.0, 1.0), 1.0)
    steps = np.sqrt(np.diff(f, prepend=0.0))
    walk = (np.random.default_rng(0).standard_normal((_BRIDGES, len(f))) * steps).cumsum(1)
    bridge = walk - f * walk[:, -1:]
    null = trapezoid(np.abs(bridge[:, :-1]), grid, axis=1) / sqrt(n)
    return Distance.against("w1", value, null, width=width, count=n)


def sliced_distance(x: np.ndarray, reference: np.ndarray) -> Distance:
    """Sliced W2 between samples and as many reference points, both of shape (n, d)."""
    n, d = x.shape
    assert reference.shape == (n, d), "as many reference points as samples"
    rng = np.random.default_rng(0)
    lines = _directions(d)
    a, b = x @ lines.T, reference @ lines.T
    pooled = np.concatenate([a, b])
    order = np.argsort(pooled, axis=0)
    ranked = np.take_along_axis(pooled, order, axis=0)
    null = np.empty(_EXCHANGES)
    for i in range(_EXCHANGES):
        first = np.zeros(2 * n, dtype=bool)
        first[rng.permutation(2 * n)[:n]] = True
        total = 0.0
        for j in range(len(lines)):  # a ranked column stays sorted under any choice of half
            chosen = first[order[:, j]]
            difference = ranked[chosen, j] - ranked[~chosen, j]
            total += float(difference @ difference)
        null[i] = sqrt(total / (n * len(lines)))
    width = sqrt(float(reference.var(0).mean()))
    value = sqrt(_square(a, b))
    return Distance.against("sliced_w2", value, null, width=width, count=n)


def sliced_square(x: np.ndarray, y: np.ndarray) -> float:
    """Squared sliced W2 between equally many points, shapes (n, d)."""
    lines = _directions(x.shape[1])
    return _square(x @ lines.T, y @ lines.T)


def _directions(d: int) -> np.ndarray:
    """Fixed random unit vectors, shape (lines, d); in one dimension the only one."""
    lines = np.random.default_rng(1).standard_normal((_LINES if d > 1 else 1, d))
    return lines / np.linalg.norm(lines, axis=1, keepdims=True)


def _square(a: np.ndarray, b: np.ndarray) -> float:
    """Mean over lines of the squared W2 of projections, shapes (n, lines)."""
    return float(((np.sort(a, axis=0) - np.sort(b, axis=0)) ** 2).mean())
