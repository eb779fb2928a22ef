"""Timing two calls in turn, so that a machine whose speed drifts still gives an honest ratio.

A pair is one call of each, one right after the other; a row's figure is the median over pairs of
the ratio within a pair. Processor time counts all threads of this process and nothing of others',
so that a busy machine disturbs it least; wall time stands beside it.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

__all__ = ["Pairs", "Row", "Spent", "alternate", "once", "row"]


class Row(NamedTuple):
    """One line of the table.

    Attributes:
        workload: the call that is measured.
        against: its yardstick.
        ratio: median of the figure of merit.
        low: smallest of the repetitions.
        high: largest.
        asked: ">= 1.0" or "<= 1.1", what the design asks for; empty where it asks nothing.
        unit: "call" for what a user calls, "part" for a part of it, "machine" for what no call of
            ours is in.
        detail: absolute figures.
        repeats: how many pairs.
    """

    workload: str
    against: str
    ratio: float
    low: float
    high: float
    asked: str
    unit: str
    detail: str
    repeats: int = 1

    @property
    def met(self) -> bool | None:
        """Whether the median is what was asked for; None where nothing was."""
        if not self.asked:
            return None
        sense, number = self.asked.split()
        return self.ratio >= float(number) if sense == ">=" else self.ratio <= float(number)


class Spent(NamedTuple):
    """Seconds of one call."""

    cpu: float
    wall: float


class Pairs(NamedTuple):
    """Seconds of calls in turn, and how much work each did."""

    ours: list[Spent]
    theirs: list[Spent]
    work: tuple[float, float]

    def ratios(self, by: str = "cpu") -> list[float]:
        """Rate of ours over that of theirs, pair by pair."""
        scale = self.work[0] / self.work[1]
        return [
            scale * getattr(b, by) / getattr(a, by)
            for a, b in zip(self.ours, self.theirs, strict=True)
        ]

    def median(self, which: str, by: str = "cpu") -> float:
        """Seconds of "ours" or "theirs"."""
        return statistics.median(getattr(spent, by) for spent in getattr(self, which))

    def told(self, noun: str = "", scale: float = 1.0) -> str:
        """Seconds of both, and rates in units of `scale` where work has a noun."""
        parts = [
            f"cpu {self.median('ours') * 1e3:.4g} against {self.median('theirs') * 1e3:.4g} ms",
            f"wall {self.median('ours', 'wall') * 1e3:.4g} against "
            f"{self.median('theirs', 'wall') * 1e3:.4g} ms",
        ]
        if noun:
            here = self.work[0] / self.median("ours") / scale
            there = self.work[1] / self.median("theirs") / scale
            parts.append(f"{here:.4g} against {there:.4g} {noun}/s")
        return "; ".join(parts)


def once(call: Callable[[], Any]) -> Spent:
    """Seconds of one call."""
    cpu, wall = time.process_time(), time.perf_counter()
    call()
    return Spent(time.process_time() - cpu, time.perf_counter() - wall)


def alternate(
    ours: Callable[..., Any],
    theirs: Callable[[], Any],
    *,
    prepare: Callable[[], Any] | None = None,
    repeat: int = 9,
    work: tuple[float, float] = (1.0, 1.0),
    clock: Callable[[Callable[[], Any]], Spent] = once,
) -> Pairs:
    """Run both in turn after one call of each that is not counted.

    Args:
        ours: what is measured.
        theirs: its yardstick.
        prepare: makes what `ours` is called with, each time anew, outside the clock.
        repeat: how many pairs.
        work: of a call of either, in the same unit.
        clock: says what a call took.
    """

    def timed() -> Spent:
        if prepare is None:
            return clock(ours)
        given = prepare()
        return clock(lambda: ours(given))

    timed(), clock(theirs)
    pairs = [(timed(), clock(theirs)) for _ in range(repeat)]
    return Pairs([a for a, _ in pairs], [b for _, b in pairs], work)


def row(
    workload: str,
    against: str,
    ratios: list[float],
    asked: str = "",
    detail: str = "",
    unit: str = "call",
) -> Row:
    """A line of the table from one ratio a repetition."""
    middle = statistics.median(ratios)
    return Row(workload, against, middle, min(ratios), max(ratios), asked, unit, detail,
               len(ratios))  # fmt: skip
