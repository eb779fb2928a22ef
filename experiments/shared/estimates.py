"""Numbers with their errors in rows: the error stands under the number's name and a suffix."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from thermohw.estimate import Estimate


def pair(row: Mapping[str, Any], name: str, error: str = ".stderr") -> tuple[float, float]:
    """A number of a row and its standard error."""
    return float(row[name]), float(row[f"{name}{error}"])


def estimates(
    rows: Iterable[Mapping[str, Any]], name: str, error: str = ".stderr"
) -> list[Estimate]:
    """A number of every row."""
    return [Estimate(*pair(row, name, error)) for row in rows]


def mean_pair(
    rows: Iterable[Mapping[str, Any]], name: str, error: str = ".stderr"
) -> tuple[float, float]:
    """Means of a number and of its error: rows that share their points share their scatter."""
    value, stderr = np.array([pair(row, name, error) for row in rows]).T
    return float(value.mean()), float(stderr.mean())
