"""How far samples are from the law they should follow, and how far right ones would be.

W1 in one dimension against a known law; W2 along random lines (sliced) in any dimension against as
many reference points. Distances between finite samples are never zero; the yardstick is what they
are when both sides have the same law:

    W1          int |B(F(x))| dx / sqrt(n), B a Brownian bridge, simulated
    sliced W2   random exchanges of the pooled points' labels

A squared distance is a weighted sum of chi-squares, nearly a gamma variable with the null's mean
and variance; its tail probability turned into a normal deviate is z.

Samples of a law that lies e away are farther off. Squares add where the sampling noise is
independent of the displacement, and the noise s of the displacement itself comes in times 2 e:

    mean of the square  <=  null's + e^2          variance of it  <=  null's + (2 e s)^2

W1          s = width/sqrt(n): replacing one of n samples moves W1 by at most |x - x'|/n (Efron and
            Stein), however far the law is displaced
sliced W2   s = width sqrt(2/(n d)): the mean of 2 n points has 2 width^2/n a coordinate, of which a
            line sees a share 1/d

`Distance.beyond` is the z of a distance under that law, e its largest excuse.
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
        noise: standard error of a displacement, s of the module.
        width: of the law.
        count: samples compared.
    """

    name: str
    value: float
    floor: float
    spread: float
    square: float
    variance: float
    noise: float
    width: float
    count: int

    @classmethod
    def against(
        cls, name: str, value: float, null: np.ndarray, *, noise: float, width: float, count: int
    ) -> Distance:
        """Judge a value by draws of it under the null, shape (draws,)."""
        floor, spread = float(null.mean()), float(null.std(ddof=1))
        square, variance = float((null**2).mean()), float((null**2).var(ddof=1))
        return cls(name, value, floor, spread, square, variance, noise, width, count)

    @property
    def z(self) -> float:
        """Normal deviate of the distance's tail probability."""
        return self.beyond(0.0)

    def beyond(self, displaced: float) -> float:
        """z of the distance to a law that may lie so far away, model units."""
        law = self._law(displaced)
        if law is None:  # the law lies between two points of the grid: samples far beyond it
            return _FARTHEST if self.value > self.floor + displaced else 0.0
        tail = gamma.sf(self.value**2, *law)
        return min(float(norm.isf(tail)) if tail > 0.0 else _FARTHEST, _FARTHEST)

    @property
    def excess(self) -> float:
        """sqrt(value^2 - E floor^2), or 0."""
        return sqrt(max(self.value**2 - self.square, 0.0))

    def called(self, displaced: float = 0.0) -> float:
        """The excess at which `beyond` is 4."""
        law = self._law(displaced)
        if law is None:
            return displaced
        return sqrt(max(float(gamma.isf(norm.sf(_CALLED), *law)) - self.square, 0.0))

    def _law(self, displaced: float) -> tuple[float, float, float] | None:
        """Shape, place and scale of the gamma law of the squared distance; None without a null."""
        if not self.variance > 0.0:
            return None
        mean = self.square + displaced**2
        variance = self.variance + (2.0 * displaced * self.noise) ** 2
        return mean**2 / variance, 0.0, variance / mean

    @property
    def equivalent(self) -> float:
        """Independent samples of the right law that would be as far off; at most `count`."""
        return self.count * min(1.0, (self.floor / max(self.value, 1e-300)) ** 2)


def line_distance(
    x: np.ndarray, cdf: Callable[[np.ndarray], np.ndarray], width: float | None = None
) -> Distance:
    """W1 of samples to a law on the line.

    Args:
        x: samples, shape (n,).
        cdf: distribution function of the law, for arrays.
        width: standard deviation of the law; None takes that of the samples.
    """
    x, n = np.sort(x), len(x)
    levels, halfway = cdf(x), cdf(0.5 * (x[1:] + x[:-1]))
    step = np.arange(1, n) / n  # of the samples, between neighbours: Simpson's rule for the area
    ends = np.abs(step - levels[1:]) + np.abs(step - levels[:-1])
    between = (ends + 4.0 * np.abs(step - halfway)) / 6.0
    spread = float(x.std())
    below = np.linspace(x[0] - 6.0 * spread, x[0], _GRID)
    above = np.linspace(x[-1], x[-1] + 6.0 * spread, _GRID)
    tails = trapezoid(cdf(below), below) + trapezoid(1.0 - cdf(above), above)
    value = float((between * np.diff(x)).sum() + tails)
    grid = np.linspace(x[0] - 0.5 * spread, x[-1] + 0.5 * spread, _GRID)
    f = np.append(np.clip(cdf(grid), 0.0, 1.0), 1.0)
    steps = np.sqrt(np.diff(f, prepend=0.0))
    walk = (np.random.default_rng(0).standard_normal((_BRIDGES, len(f))) * steps).cumsum(1)
    bridge = walk - f * walk[:, -1:]
    null = trapezoid(np.abs(bridge[:, :-1]), grid, axis=1) / sqrt(n)
    known = spread if width is None else width
    return Distance.against("w1", value, null, noise=known / sqrt(n), width=known, count=n)


def sliced_distance(x: np.ndarray, reference: np.ndarray) -> Distance:
    """Sliced W2 between samples and as many reference points, both of shape (n, d)."""
    n, d = x.shape
    assert reference.shape == (n, d), "as many reference points as samples"
    rng = np.random.default_rng(0)
    lines = _directions(d)
    a, b = x @ lines.T, reference @ lines.T
    pooled = np.concatenate([a, b])
    order = np.ascontiguousarray(np.argsort(pooled, axis=0).T)  # a row a line: read in one stride
    ranked = np.take_along_axis(np.ascontiguousarray(pooled.T), order, axis=1)
    null = np.array([sqrt(_exchanged(ranked, order, rng)) for _ in range(_EXCHANGES)])
    width = sqrt(float(reference.var(0).mean()))
    value = sqrt(_square(a, b))
    noise = width * sqrt(2.0 / (n * d))
    return Distance.against("sliced_w2", value, null, noise=noise, width=width, count=n)


def _exchanged(ranked: np.ndarray, order: np.ndarray, rng: np.random.Generator) -> float:
    """Mean over lines of the squared W2 between random halves of the pooled points.

    Ranks that a mask picks are found as places and then taken, which costs a third of picking by
    the mask itself: its entries are random, and every one would be a branch foretold wrongly.

    Args:
        ranked: pooled projections in ascending order, shape (lines, 2 n).
        order: the points that they are of, shape (lines, 2 n).
        rng: draws the halves.
    """
    lines, points = ranked.shape
    half = points // 2
    first = np.zeros(points, dtype=bool)
    first[rng.permutation(points)[:half]] = True
    chosen = np.empty(points, dtype=bool)
    one, other = np.empty(half), np.empty(half)
    total = 0.0
    for row, places in zip(ranked, order, strict=True):
        # A ranked row stays sorted under any choice of half; "clip": no place is out of range.
        first.take(places, out=chosen, mode="clip")
        row.take(chosen.nonzero()[0], out=one, mode="clip")
        row.take((~chosen).nonzero()[0], out=other, mode="clip")
        one -= other
        total += float(one @ one)
    return total / (half * lines)


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
