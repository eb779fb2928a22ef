"""`simulate()` of one node against its noise alone.

The yardstick is torch's own normal generator, which fills one reused buffer of 32768 single
precision numbers as often as the run has ticks of tiles. The run keeps every default account of
every path: heat, work, energies, the residual of the first law, log-probabilities, states at both
ends, and pumping, which a run without imperfections keeps whatever its score.
"""

from __future__ import annotations

from benchmarks.clock import Row, alternate, row
from benchmarks.jobs import MILLION, normals, play, single

__all__ = ["against_normals"]

PATHS, TICKS = 65536, 200


def against_normals() -> list[Row]:
    """A Gaussian score, and a mixture of two modes with pumping; then runs of sixteen times as many
    paths, where what a call costs however few paths it has no longer counts."""
    asked = {1: ">= 1.0", 2: ">= 0.7"}
    rows = [_row(modes, PATHS, asked[modes], repeat=15) for modes in asked]
    return rows + [_row(modes, 16 * PATHS, "", repeat=5) for modes in asked]


def _row(modes: int, paths: int, asked: str, repeat: int) -> Row:
    work = float(paths * TICKS)
    pairs = alternate(
        lambda protocol: play(protocol, paths),
        lambda: normals(paths * TICKS),
        prepare=lambda: single(modes, ticks=TICKS),
        repeat=repeat,
        work=(work, work),
    )
    name = "exact Gaussian score" if modes == 1 else f"mixture of {modes} modes, pumping"
    return row(f"simulate(): rc1, emf, clocked, {name}, {paths} x {TICKS}",
               "torch normal_(), as many numbers", pairs.ratios(), asked,
               pairs.told("million path-ticks", MILLION))  # fmt: skip
