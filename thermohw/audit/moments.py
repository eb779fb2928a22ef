"""Means over paths, a chunk at a time.

Ledgers may hold 1e7 paths, so nothing here keeps them. Means and variances of chunks are merged
exactly (Chan, Golub and LeVeque 1979):

    delta = m_b - m_a,   m = m_a + delta n_b/n,   M2 = M2_a + M2_b + delta^2 n_a n_b/n
    M3 = M3_a + M3_b + delta^3 n_a n_b (n_a - n_b)/n^2 + 3 delta (n_a M2_b - n_b M2_a)/n

Averages of exponentials are `thermohw.books.theorems`'s.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import sqrt

import numpy as np

from thermohw.estimate import Estimate

__all__ = ["Moments"]


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
