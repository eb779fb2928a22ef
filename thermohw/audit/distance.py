"""How far samples are from the law they should follow, and how far right ones would be.

W1 in one dimension against a known law; W2 along random lines (sliced) in any dimension against as
many reference points. Distances between finite samples are never zero; the yardstick is what they
are when both sides have the same law:

    W1          int |B(F(x))| dx / sqrt(n), B a Brownian bridge, simulated
    sliced W2   random exchanges of the pooled points' labels

A squared distance is a weighted sum of chi-squares, nearly a gamma variable with the null's mean
and variance; its tail probability turned into a normal deviate is z.
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
        z: normal deviate of its tail probability.
        excess: sqrt(value^2 - E floor^2), or 0.
        called: the excess at which z is 4.
        width: of the law.
        count: samples compared.
    """

    name: str
    value: float
    floor: float
    spread: float
    z: float
    excess: float
    called: float
    width: float
    count: int

    @classmethod
    def against(
        cls, name: str, value: float, null: np.ndarray, *, width: float, count: int
    ) -> Distance:
        """Judge a value by draws of it under the null, shape (draws,)."""
        mean, variance = float((null**2).mean()), float((null**2).var(ddof=1))
        floor, spread = float(null.mean()), float(null.std(ddof=1))
        if not variance > 0.0:  # the law lies between two points of the grid: samples far beyond it
            far = _FARTHEST if value > floor else 0.0
            return cls(name, value, floor, spread, far, value, 0.0, width, count)
        tail = gamma.sf(value**2, mean**2 / variance, scale=variance / mean)
        z = min(float(norm.isf(tail)) if tail > 0.0 else _FARTHEST, _FARTHEST)
        excess = sqrt(max(value**2 - mean, 0.0))
        far = gamma.isf(norm.sf(_CALLED), mean**2 / variance, scale=variance / mean)
        called = sqrt(max(float(far) - mean, 0.0))
        return cls(name, value, floor, spread, z, excess, called, width, count)

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
