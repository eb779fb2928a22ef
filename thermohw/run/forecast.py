"""What a run is going to take, said while its first tile has only begun.

Bytes follow from the layout: those of the file, and those of channels that memory holds of every
path, twice: summing them up takes as much again at most. Seconds are what is left over the rate of
the half second after the first report, before which code may be compiled. One line on stderr, above
the bar, for a run of more than 10 s or 200 MB.
"""

from __future__ import annotations

import sys
from math import prod
from time import perf_counter
from typing import TYPE_CHECKING

from thermohw.units import engineering

if TYPE_CHECKING:
    from collections.abc import Callable

    from tqdm import tqdm

    from thermohw.store import Layout

__all__ = ["Forecast", "demands"]

_TIMED = 0.5  # seconds by which the rate is told
_LONG, _LARGE = 10.0, 200e6  # seconds and bytes of which something is said
_MOST = 2e9  # bytes beyond which a setting that helps is named


class Forecast:
    """Passes reports of progress on to the bar, and says once what is to come.

    Args:
        bar: of the run; its total and what it shows already are all the steps and those done.
        told: "1.2 GB in memory" and the like, and what to set where that is too much.
        least: bytes, the larger of memory and file.
        clock: seconds, for tests.
    """

    def __init__(
        self, bar: tqdm, told: str, least: float, clock: Callable[[], float] = perf_counter
    ) -> None:
        self._bar, self._told, self._bytes, self._clock = bar, told, least, clock
        self._total, self._done = float(bar.total), float(bar.n)
        self._begun, self._said = clock(), False
        self._first: tuple[float, float] | None = None

    def __call__(self, steps: int) -> None:
        """So many steps more are done."""
        self._bar.update(steps)
        if self._said:
            return
        self._done += steps
        passed = self._clock() - self._begun
        if self._first is None:
            self._first = (passed, self._done)
            return
        seconds, before = self._first
        if passed - seconds < _TIMED:
            return
        left = (self._total - self._done) * (passed - seconds) / (self._done - before)
        self._said = True
        if passed + left > _LONG or self._bytes > _LARGE:
            line = f"simulating takes about {engineering(passed + left, 's', 2)}, {self._told}"
            self._bar.write(line, file=sys.stderr)


def demands(layout: Layout, held: Callable[[str], bool], *, stored: bool) -> tuple[str, float]:
    """What a run needs, in words, and in bytes, the larger of memory and file.

    Args:
        layout: of the file, or of one that keeps the same.
        held: whether memory holds a channel of the ledger of every path.
        stored: whether there is a file.
    """
    numbers = sum(prod(layout.ledger_shape(c)) for c in layout.ledger if held(c.name))
    memory = 16.0 * numbers + 2.0 * layout.state_size
    series = sum(c.itemsize * prod(layout.series_shape(c)) for c in layout.series)
    told = f"{engineering(memory, 'B', 2)} in memory beside one tile"
    if not stored:
        return told + _help(memory, 0), memory
    told += f" and {engineering(layout.nbytes, 'B', 2)} in the file"
    most = max(memory, float(layout.nbytes))
    return told + _help(most, series), most


def _help(most: float, series: int) -> str:
    """Which setting helps where it is too much."""
    if most <= _MOST:
        return ""
    frames = ""
    if series > 0.5 * most:
        frames = (
            f"; {engineering(series, 'B', 2)} of it are frames: a larger store.every saves fewer"
        )
    return f"{frames}; store.keep = 'moments' keeps moments in place of paths, a few MB"
