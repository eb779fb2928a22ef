"""The single node on two workers against one, wall time; every channel must be the same bits.

Beside it what the machine itself gains by a second thread, on the normal rate, which shares nothing
between threads but the processor.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from benchmarks.clock import Row, alternate, row
from benchmarks.jobs import normals, play, single
from thermohw.run.lanes import usable_cores

__all__ = ["two_against_one"]


def two_against_one() -> list[Row]:
    """65536 paths as in the first row, and enough for more than half a second."""
    if usable_cores() < 2:
        return []
    return [*(_row(paths, repeat) for paths, repeat in ((65536, 15), (2**20, 5))), _machine()]


def _machine() -> Row:
    count = 2**27
    with ThreadPoolExecutor(2) as pool:
        pairs = alternate(
            lambda: list(pool.map(normals, [count, count])),
            lambda: normals(count),
            repeat=5,
            work=(2.0, 1.0),
        )
    return row("torch normal_() in two threads", "in one, wall time", pairs.ratios("wall"), "",
               pairs.told(), unit="machine")  # fmt: skip


def _row(paths: int, repeat: int) -> Row:
    one, two = play(single(), paths, workers=1), play(single(), paths, workers=2)
    for name, values in one.channels.items():
        if not np.array_equal(values, two.channels[name], equal_nan=True):
            raise AssertionError(f"{name} of two workers is not that of one")
    del one, two
    spare = [single() for _ in range(repeat + 1)]
    pairs = alternate(
        lambda protocol: play(protocol, paths, workers=2),
        lambda: play(spare.pop(), paths, workers=1),
        prepare=single,
        repeat=repeat,
    )
    return row(f"simulate(workers=2): the first row, {paths} x 200",
               "workers=1, wall time; same bits", pairs.ratios("wall"), ">= 1.7",
               pairs.told())  # fmt: skip
