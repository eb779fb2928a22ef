"""Storing: what writing every eighth step, with checksums, costs a run, and how fast that is.

Calls in turn: the run stored, the run unstored, and the same bytes written by h5py alone - every
dataset of numbers in its shape, type and chunks, into the same folder - with no checksums, commits
or flushes between. Twins, which a file gets besides, are left out of the first row and in the
second; likelihoods have rows of their own.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from benchmarks.clock import Pairs, Row, Spent, once, row
from benchmarks.jobs import play, single

__all__ = ["stored_against_unstored"]

PATHS, TICKS, EVERY, REPEAT = 98304, 400, 8, 7


def stored_against_unstored() -> list[Row]:
    """The same call with and without a file; writing against h5py's."""
    with tempfile.TemporaryDirectory() as folder:
        place, spare = Path(folder), [single(ticks=TICKS) for _ in range(3 * REPEAT + 4)]

        def stored(twins: bool = False) -> None:
            (place / "run.h5").unlink(missing_ok=True)
            play(spare.pop(), PATHS, store=place / "run.h5", every=EVERY, test=0,
                 twins=twins)  # fmt: skip

        def unstored() -> None:
            play(spare.pop(), PATHS)

        stored()
        blocks = _blocks(place / "run.h5")
        size = sum(block.nbytes for block, _ in blocks)

        def raw() -> None:
            (place / "raw.h5").unlink(missing_ok=True)
            with h5py.File(place / "raw.h5", "w") as file:
                for i, (block, chunks) in enumerate(blocks):
                    file.create_dataset(str(i), data=block, chunks=chunks)

        calls = stored, unstored, raw, lambda: stored(twins=True)
        for call in calls:
            call()
        rounds = [[once(call) for call in calls] for _ in range(REPEAT)]
    with_file, without, by_h5py, with_twins = (list(spent) for spent in zip(*rounds, strict=True))
    workload = f"simulate(store=, every={EVERY}): the first row, {PATHS} x {TICKS}, checksums"
    return [
        _rates(workload, "the same call unstored, wall time", with_file, without, ">= 0.9"),
        _rates(workload + ", twins", "the same call unstored, wall time", with_twins, without, ""),
        _writing(with_file, without, by_h5py, size),
    ]


def _rates(name: str, against: str, ours: list[Spent], theirs: list[Spent], asked: str) -> Row:
    pairs = Pairs(ours, theirs, (1.0, 1.0))
    return row(name, against, pairs.ratios("wall"), asked, pairs.told())


def _writing(stored: list[Spent], unstored: list[Spent], raw: list[Spent], size: int) -> Row:
    """Seconds that the file takes are those of the run with it beyond those of the run without."""
    taken = [max(a.wall - b.wall, 1e-3) for a, b in zip(stored, unstored, strict=True)]
    ratios = [c.wall / extra for extra, c in zip(taken, raw, strict=True)]
    here, there = (size / 1e6 / float(np.median(s)) for s in (taken, [c.wall for c in raw]))
    return row("the file's share of that call", "h5py writing the same bytes, wall time", ratios,
               ">= 0.8", f"{size / 1e6:.0f} MB; {here:.0f} against {there:.0f} MB/s")  # fmt: skip


def _blocks(path: Path) -> list[tuple[np.ndarray, Any]]:
    """Every dataset of numbers larger than a page, and its chunks."""
    found = []

    def visit(_: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and item.dtype.kind in "fiu" and item.nbytes > 4096:
            found.append((item[()], item.chunks))

    with h5py.File(path) as file:
        file.visititems(visit)
    return found
