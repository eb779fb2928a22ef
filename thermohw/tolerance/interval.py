r"""How sure a fraction is: intervals of a binomial share.

k of n boards pass. With z the normal quantile of the confidence (1.96 for 95 %),

    Wilson (1927)           (p + z^2/2n +- z sqrt(p (1-p)/n + z^2/4n^2)) / (1 + z^2/n),   p = k/n
    Clopper-Pearson (1934)  quantiles of Beta(k, n-k+1) and Beta(k+1, n-k): never too narrow

Wilson's covers its confidence on average, Clopper and Pearson's always.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

from scipy.stats import beta, norm

__all__ = ["Fraction", "clopper_pearson", "wilson"]


def wilson(passed: int, count: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of passed/count."""
    z, p = float(norm.ppf(0.5 + 0.5 * confidence)), passed / count
    middle = p + z * z / (2.0 * count)
    half = z * sqrt(p * (1.0 - p) / count + z * z / (4.0 * count * count))
    scale = 1.0 + z * z / count
    low, high = (middle - half) / scale, (middle + half) / scale
    return (0.0 if passed == 0 else low), (1.0 if passed == count else high)


def clopper_pearson(passed: int, count: int, confidence: float = 0.95) -> tuple[float, float]:
    """The exact interval of passed/count."""
    rest = 0.5 * (1.0 - confidence)
    low = 0.0 if passed == 0 else float(beta.ppf(rest, passed, count - passed + 1))
    high = 1.0 if passed == count else float(beta.ppf(1.0 - rest, passed + 1, count - passed))
    return low, high


@dataclass(frozen=True)
class Fraction:
    """A share of boards.

    Attributes:
        passed: how many.
        count: of how many.
        value: passed/count.
        wilson: Wilson's interval.
        exact: Clopper and Pearson's.
        confidence: of both.
    """

    passed: int
    count: int
    value: float
    wilson: tuple[float, float]
    exact: tuple[float, float]
    confidence: float

    @classmethod
    def of(cls, passed: int, count: int, confidence: float = 0.95) -> Fraction:
        """The share with its intervals."""
        intervals = wilson(passed, count, confidence), clopper_pearson(passed, count, confidence)
        return cls(passed, count, passed / count, *intervals, confidence)

    def __str__(self) -> str:
        return (
            f"{self.passed} of {self.count} = {100 * self.value:.1f} % "
            f"({100 * self.confidence:g} %: {100 * self.wilson[0]:.1f} to "
            f"{100 * self.wilson[1]:.1f} %, exact {100 * self.exact[0]:.1f} to "
            f"{100 * self.exact[1]:.1f} %)"
        )
