"""Numbers with their errors: those of rows, and what several networks or z-scores say together.

In a row the error stands under the number's name and a suffix.

    mean over n seeds     standard error s/sqrt(n), 95 % interval +- t(97.5 %, n - 1) s/sqrt(n)
    largest of n z        as unlikely as one z' with P(Z > z') = n P(Z > max z), Z normal

The second is a bound (Bonferroni), whether or not the n are independent. Of m comparisons each
interval gives away 5 %/m, for the same reason.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
from scipy.stats import norm as normal_law
from scipy.stats import t as student

from thermohw.estimate import Estimate
from thermohw.study import Row


def pair(row: Row, name: str, error: str = ".stderr") -> tuple[float, float]:
    """A number of a row and its standard error."""
    return float(row[name]), float(row[f"{name}{error}"])


def estimates(rows: Iterable[Row], name: str, error: str = ".stderr") -> list[Estimate]:
    """A number of every row."""
    return [Estimate(*pair(row, name, error)) for row in rows]


def mean_pair(rows: Iterable[Row], name: str, error: str = ".stderr") -> tuple[float, float]:
    """Means of a number and of its error: rows that share their points share their scatter."""
    value, stderr = np.array([pair(row, name, error) for row in rows]).T
    return float(value.mean()), float(stderr.mean())


def mean_and_error(values: np.ndarray) -> tuple[float, float]:
    """Mean over networks, values of shape (networks,), and its standard error (NaN for one)."""
    mean, error = Estimate.from_paths(values)
    return mean, error


def reach(values: np.ndarray, comparisons: int = 1) -> float:
    """Half width of the 95 % interval of the mean of values (seeds,), the 5 % shared among the
    comparisons; infinite for a single seed.
    """
    n = len(values)
    if n < 2:
        return math.inf
    return float(student.ppf(1.0 - 0.025 / comparisons, n - 1)) * mean_and_error(values)[1]


def interval(values: np.ndarray) -> tuple[float, float, float]:
    """Mean and ends of its 95 % interval over seeds (infinite for one); values (seeds,)."""
    mean, half = float(values.mean()), reach(values)
    return mean, mean - half, mean + half


def family(zs: Sequence[float]) -> float:
    """The z of one number that is as unlikely as the largest of these; where both sides count, of
    their sizes.
    """
    largest = float(np.max(zs))
    if not math.isfinite(largest):
        return largest
    tail = min(0.5, len(zs) * float(normal_law.sf(largest)))
    return float(normal_law.isf(tail)) if tail > 0.0 else largest
