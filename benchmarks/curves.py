"""How the cost of `simulate()` grows: seconds against paths, ticks, nodes, modes of the score, bits
and workers, and the exponent of a power law fitted to the upper half of each curve (least squares
in logarithms). 1 is proportional; below 1, something is paid once.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable

import numpy as np

from benchmarks.clock import Row, once
from benchmarks.jobs import array, play, single
from thermohw.control import Protocol
from thermohw.run.lanes import usable_cores

__all__ = ["cost_curves"]

REPEAT = 3


def cost_curves() -> list[Row]:
    """One row for each curve; the figure is the exponent."""
    bits = (4, 8, 12, 16)
    cores = range(1, usable_cores() + 1)
    rows = [
        _curve("paths, of 1 node x 200", [4**k for k in range(5, 11)], lambda n: (single(), n)),
        _curve("ticks, of 16384 paths of 1 node", [25 * 4**k for k in range(5)],
               lambda n: (single(ticks=n), 16384)),
        _curve("nodes, of 4096 paths x 50", [4**k for k in range(5)],
               lambda n: (single(ticks=50, dim=n, device=array("rc64", 1, n)), 4096)),
        _curve("modes of the mixture, of 32768 paths of 1 node x 100", [2**k for k in range(1, 7)],
               lambda n: (single(n, ticks=100), 32768)),
        _curve("bits of both converters, of 65536 paths of 1 node x 100", list(bits),
               lambda n: (single(ticks=100, adc_bits=n, dac_bits=n), 65536)),
    ]  # fmt: skip
    if len(cores) > 1:
        name = "workers, of 1048576 paths of 1 node x 100; wall time"
        rows.append(_curve(name, list(cores),
                           lambda _: (single(ticks=100), 2**20), workers=True))  # fmt: skip
    return rows


def _curve(
    name: str,
    sizes: list[int],
    make: Callable[[int], tuple[Protocol, int]],
    workers: bool = False,
) -> Row:
    """Of a protocol and paths; where the size is the number of workers, wall time counts."""

    def timed(size: int) -> float:
        protocol, paths = make(size)
        spent = once(lambda: play(protocol, paths, workers=size if workers else 1))
        return spent.wall if workers else spent.cpu

    timed(sizes[0])
    seconds = []
    for size in sizes:
        seconds.append(statistics.median(timed(size) for _ in range(REPEAT)))
    upper = slice(len(sizes) // 2 - 1, None) if len(sizes) > 2 else slice(None)
    exponent = float(np.polyfit(np.log(sizes[upper]), np.log(seconds[upper]), 1)[0])
    told = ", ".join(f"{n}: {1e3 * s:.3g} ms" for n, s in zip(sizes, seconds, strict=True))
    return Row(f"simulate(): cost in {name}", "exponent of a power law", exponent, exponent,
               exponent, "", "call", told, REPEAT)  # fmt: skip
