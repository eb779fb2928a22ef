"""Timing two things in turn, so that a machine whose speed drifts still gives an honest ratio."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import NamedTuple

__all__ = ["Row", "alternate"]


class Row(NamedTuple):
    """One line of the table.

    Attributes:
        workload: what is measured, and against what.
        ratio: the figure of merit; larger is better.
        low: smallest ratio of the repetitions.
        high: largest.
        target: what the design asks for.
        detail: absolute figures, for the curious.
    """

    workload: str
    ratio: float
    low: float
    high: float
    target: str
    detail: str


def alternate(
    ours: Callable[[], float], theirs: Callable[[], float], *, repeat: int = 7
) -> tuple[float, float, float, float, float]:
    """Run both in turn after one warm-up each; each returns its rate.

    Returns:
        (median ratio ours/theirs, lowest, highest, median rate of ours, median rate of theirs).
    """
    ours(), theirs()
    pairs = [(ours(), theirs()) for _ in range(repeat)]
    ratios = [a / b for a, b in pairs]
    return (
        statistics.median(ratios),
        min(ratios),
        max(ratios),
        statistics.median(a for a, _ in pairs),
        statistics.median(b for _, b in pairs),
    )


def rate(work: float, call: Callable[[], object]) -> float:
    """Work per second of one call."""
    began = time.perf_counter()
    call()
    return work / (time.perf_counter() - began)
