r"""A number with its standard error, and the one rule that turns a deviation into a verdict.

    z = (value - expected) / standard error, as a normal deviate

    |z| <= 3   holds        3 < |z| <= 4   explained (chance or bias; z is printed)
    |z| > 4    violated

Inequalities are one-sided: only the forbidden side counts. A right number has |z| > 3 by chance in
0.27 % of two-sided comparisons and |z| > 4 in 0.0063 %. "explained" is also the status of a
deviation whose cause has a measured size; "not-applicable" says what is missing for a verdict.

A standard error taken from n samples is itself uncertain, and the mean of skewed samples (heats,
log densities: sums of squares) leans: the ratio t of deviation and error is neither normal nor
Student's. With g the skewness of the MEAN (that of a sample over sqrt n), Johnson (1978) takes the
lean out by g/6 + (g/3) t^2; his parabola turns back, so that a deviation far on the leaning side
would be acquitted, and Hall's (1992) cubic, the same to that order and monotone, is used:

    t' = t + (g/3) t^2 + (g^2/27) t^3 + g/6,        z = the normal deviate as improbable as t' is
                                                    for Student's t

The variance of a sample variance is (2 + kappa)/n of its square, kappa the excess kurtosis, so that
Student's degrees of freedom are 2 n/(2 + kappa). Heats and log densities have 2 to 12; (n - 1)/2
degrees are taken, without which means of 30 chi-squares pass |z| = 4 six times too often (twice
with it; from 100 samples on the rate is the normal one).

Below `FEWEST` samples not even that can be trusted and no verdict is given. The power of a
comparison is the smallest deviation that it would have called violated: |z| = 4, on the side where
that takes more.

References:
    Johnson, J. Am. Stat. Assoc. 73, 536 (1978). Hall, J. R. Stat. Soc. B 54, 221 (1992).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

__all__ = [
    "EXPLAINED",
    "FEWEST",
    "HOLDS",
    "NOT_APPLICABLE",
    "VIOLATED",
    "Estimate",
    "called_of",
    "judge",
    "largest_of",
    "worst",
]

HOLDS, EXPLAINED, VIOLATED = "holds", "explained", "violated"
NOT_APPLICABLE = "not-applicable"
_SEVERITY = (NOT_APPLICABLE, HOLDS, EXPLAINED, VIOLATED)
_NOTED, _CALLED = 3.0, 4.0
_BEYOND = 1e9  # as far as a ratio is followed
_FARTHEST = 40.0  # beyond it a tail probability is no number any more

FEWEST = 30
"""Samples below which a mean earns no verdict."""


@dataclass(frozen=True)
class Estimate:
    """A number and its standard error; unpacks as (value, stderr).

    Attributes:
        value: the number.
        stderr: its standard error; 0 where it is exact to quadrature or closed form, nan where a
            single sample tells nothing of it.
        freedom: degrees of freedom that `stderr` was estimated with; infinite where it is known.
        lean: skewness of the estimate itself, that of a sample over sqrt(n).
    """

    value: float
    stderr: float
    freedom: float = math.inf
    lean: float = 0.0

    def __iter__(self) -> Iterator[float]:
        return iter((self.value, self.stderr))

    @classmethod
    def from_paths(cls, values: NDArray[Any]) -> Estimate:
        """The mean of independent samples, shape (n,), n >= 1."""
        values = np.asarray(values, dtype=np.float64)
        mean, n = float(values.mean()), values.size
        with np.errstate(invalid="ignore"):  # infinite values: no deviation, nan says so
            centred = values - mean
            square = centred * centred
        return cls.from_sums(n, mean, float(centred @ centred), float(centred @ square))

    @classmethod
    def from_sums(cls, n: int, mean: float, square: float, cube: float = 0.0) -> Estimate:
        """The same from the sums of squared and cubed deviations of n samples."""
        if n < 2:
            return cls(mean, math.nan, 0.0)
        spread = math.sqrt(square / n)
        lean = cube / n / spread**3 / math.sqrt(n) if spread > 0.0 else 0.0
        return cls(mean, math.sqrt(square / (n - 1) / n), 0.5 * (n - 1), lean)

    @classmethod
    def paired(cls, first: NDArray[Any], second: NDArray[Any]) -> Estimate:
        """The mean of first - second, samples that share their noise, both of shape (n,)."""
        return cls.from_paths(np.asarray(first, dtype=np.float64) - second)

    def __add__(self, other: Estimate | float) -> Estimate:
        """The sum with an independent estimate, or with an exact number."""
        if not isinstance(other, Estimate):
            return Estimate(self.value + other, self.stderr, self.freedom, self.lean)
        error = math.hypot(self.stderr, other.stderr)
        if not error > 0.0:
            return Estimate(self.value + other.value, error)
        shares = [(e.stderr / error, e) for e in (self, other)]
        # Welch and Satterthwaite's degrees of freedom; third cumulants of independent numbers add.
        loss = sum(share**4 / e.freedom for share, e in shares if e.freedom > 0.0)
        lean = sum(share**3 * e.lean for share, e in shares)
        freedom = 1.0 / loss if loss > 0.0 else math.inf
        return Estimate(self.value + other.value, error, freedom, lean)

    def __neg__(self) -> Estimate:
        return Estimate(-self.value, self.stderr, self.freedom, -self.lean)

    def __sub__(self, other: Estimate | float) -> Estimate:
        """The difference from an independent estimate, or from an exact number."""
        return self + (-other)

    def __mul__(self, factor: float) -> Estimate:
        """The same number in another unit."""
        sign = math.copysign(1.0, factor)
        return Estimate(
            self.value * factor, self.stderr * abs(factor), self.freedom, sign * self.lean
        )

    __rmul__ = __mul__

    def z(self, expected: float = 0.0) -> float:
        """The deviation as a normal deviate; nan without a standard error, +-inf where it is 0."""
        gap = self.value - expected
        if self.stderr == 0.0:
            return 0.0 if gap == 0.0 else math.copysign(math.inf, gap)
        return self._deviate(gap / self.stderr)

    def _deviate(self, t: float) -> float:
        """z of a ratio of deviation and error; see the module."""
        if math.isfinite(t):
            t = math.copysign(min(abs(t), _BEYOND), t)
        c = self.lean / 3.0
        t = t + c * t**2 + c**2 * t**3 / 3.0 + 0.5 * c
        if self.freedom == math.inf or not math.isfinite(t):
            return t
        tail = float(scipy.special.stdtr(max(self.freedom, 1.0), -abs(t)))
        size = -float(scipy.special.ndtri(tail)) if tail > 0.0 else _FARTHEST
        return math.copysign(min(size, _FARTHEST), t)

    def power(self, relation: str = "=", *, count: int = 1) -> float:
        """The smallest deviation that would have been called violated.

        Args:
            relation: as of `judge`; an inequality needs its own side only.
            count: comparisons of which it would have been the largest.
        """
        return self.reach(called_of(count), relation)

    def reach(self, z: float, relation: str = "=") -> float:
        """The deviation that has this z, z > 0, on the side where it takes more."""
        if self.stderr == 0.0 or not math.isfinite(self.stderr):
            return self.stderr
        sides = {"=": (-1.0, 1.0), ">=": (-1.0,), "<=": (1.0,)}[relation]
        return self.stderr * max(self._reach(side, z) for side in sides)

    def _reach(self, side: float, called: float) -> float:
        """Standard errors on one side that make |z| = called: bisection, z is monotone."""
        low, high = 0.0, called
        while side * self._deviate(side * high) < called:
            low, high = high, 2.0 * high
            if high > 1e6:
                return math.inf
        while high - low > 1e-3 * high:
            middle = 0.5 * (low + high)
            low, high = (low, middle) if side * self._deviate(side * middle) >= called else (
                middle, high)  # fmt: skip
        return high

    def text(self, form: str = ".5f") -> str:
        """Value and standard error in words, "0.12345 +- 0.00012"."""
        return f"{self.value:{form}} +- {self.stderr:{form.lstrip('+')}}"


def judge(z: float, *, relation: str = "=") -> str:
    """The status that a deviation earns; a z that is not a number is a violation.

    Args:
        z: (value - expected) / standard error.
        relation: "=" both sides count, ">=" only negative z, "<=" only positive z.
    """
    if math.isnan(z):
        return VIOLATED
    size = {"=": abs(z), ">=": -z, "<=": z}[relation]
    return HOLDS if size <= _NOTED else EXPLAINED if size <= _CALLED else VIOLATED


def largest_of(z: float, count: int) -> float:
    """The z of one comparison that is as improbable as this one is for the largest |z| of `count`.

    Independent comparisons; positively dependent ones make it conservative. Keeps the sign.
    """
    if not math.isfinite(z):
        return z
    single = min(2.0 * float(scipy.special.ndtr(-abs(z))), 1.0 - 1e-16)
    chance = -math.expm1(count * math.log1p(-single))
    return math.copysign(min(-float(scipy.special.ndtri(0.5 * chance)), _FARTHEST), z)


def called_of(*counts: int) -> float:
    """|z| of one comparison that makes it a violation as the largest of as many; of several counts,
    as the largest of the largest.
    """
    chance = 2.0 * float(scipy.special.ndtr(-_CALLED))
    for count in counts:
        chance = -math.expm1(math.log1p(-chance) / count)
    return -float(scipy.special.ndtri(0.5 * chance))


def worst(*statuses: str) -> str:
    """The most severe of several statuses."""
    return max(statuses, key=_SEVERITY.index)
