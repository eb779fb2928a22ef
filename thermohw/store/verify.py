"""Is this file what it says it is?

`verify` compares a run file with its own promises: every number that counts with its checksum, the
format version, every text, blob and array of the parameters with its sha256, every dataset with the
layout, the committed counter with the number of units, the resume state with its hash, and every
committed number with being finite. It reads a few MB at a time, so a file of any size needs no
more memory. It returns what it found, an empty list for a file in order; a file that cannot be
read, or of which a checksum says that it was changed, raises.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, product
from math import prod
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np

from thermohw.errors import StoreError
from thermohw.store.container import H5MD, expected
from thermohw.store.layout import CHUNK_BYTES, Channel
from thermohw.store.opening import dataset, one_line
from thermohw.store.parameters import wrong_hashes
from thermohw.store.reader import RunReader
from thermohw.store.state import unpack

__all__ = ["Finding", "verify"]


class Finding(NamedTuple):
    """Something in the file that is not as it should be."""

    where: str
    problem: str

    def __str__(self) -> str:
        return f"{self.where}: {self.problem}"


def verify(path: str | Path) -> list[Finding]:
    """Checks a run file against itself.

    Raises:
        StoreError: it cannot be opened as a run file (missing, foreign, truncated, in use), or
            differs from its checksums.
    """
    with RunReader.open(path, partial=True) as run, one_line(path):
        _checksums(run)
        return [Finding(*found) for check in _CHECKS for found in check(run)]


def _checksums(run: RunReader) -> None:
    """Every unit, path group and result, and the manifest; the counters were checked on opening."""
    layout, units = run.layout, min(run.committed, run.layout.units)
    counts = {"series": range(units), "ledger": range(units // layout.blocks)}
    names = run.result_names
    problems = []
    if run._sums is None:  # then nothing says that there are as many units
        return
    run._sums.check_manifest(anew=True)
    places = (
        (kind, c.name, n) for kind in counts for c in getattr(layout, kind) for n in counts[kind]
    )
    for kind, name, number in chain(places, (("results", name, 0) for name in names)):
        try:
            run.sealed(kind, name).check(number)
        except StoreError as error:
            problems.append(error)
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise StoreError(f"{problems[0].problem}{more}", where=problems[0].where)


Found = Iterator[tuple[str, str]]


def _format(run: RunReader) -> Found:
    head = run._file.get("h5md")
    version = None if not isinstance(head, h5py.Group) else head.attrs.get("version")
    if version is None or list(np.asarray(version)) != list(H5MD):
        yield "/h5md", f"version is {version}, not H5MD {H5MD[0]}.{H5MD[1]}"


def _hashes(run: RunReader) -> Found:
    for name in ("parameters", "provenance", "run"):
        group = run._file.get(name)
        if isinstance(group, h5py.Group):
            yield from wrong_hashes(group)
        else:
            yield f"/{name}", "is missing"
    if "spec" not in run.parameters:
        yield "/parameters/spec", "is missing: the run cannot be identified"


def _counter(run: RunReader) -> Found:
    units = run.layout.units
    if run.committed > units or (run.finished and run.committed != units):
        yield "/run/committed", f"counts {run.committed} of {units} units in a finished run"
    elif not run.finished:
        yield (
            "/run/committed",
            f"unfinished, {run.committed} of {units} units: complete it with --resume",
        )
        if run.committed:
            slot = f"/run/slot_{run.committed % 2}"
            if unpack(dataset(run._file, slot)[()].tobytes(), run.committed) is None:
                yield slot, "the resume state is damaged: the run cannot be resumed"
    if run.finished:
        for result in run.layout.results:
            if result.name not in run.result_names:
                yield f"/results/{result.name}", "was never written"


def _shapes(run: RunReader) -> Found:
    for place, shape, dtype, unit in expected(run.layout):
        item = run._file.get(place)
        if not isinstance(item, h5py.Dataset):
            yield place, "is missing"
            continue
        if item.shape != shape or item.dtype != np.dtype(dtype):
            yield place, f"is {item.dtype} {item.shape}, the layout says {dtype} {shape}"
        stored = [np.bytes_(item.attrs.get(key, b"")).decode() for key in ("unit", "units")]
        if stored != [unit, unit]:
            yield place, f"has unit {stored[0]!r}, units {stored[1]!r}, the layout says {unit!r}"
    for channel in run.layout.series:
        for name, values in (("step", run.layout.steps), ("time", run.layout.times)):
            item = run._file.get(f"/observables/{channel.name}/{name}")
            if isinstance(item, h5py.Dataset) and not np.array_equal(item[()], values):
                yield f"/observables/{channel.name}/{name}", "differs from the layout"


def _finite(run: RunReader) -> Found:
    layout = run.layout
    for channel in layout.series:
        place = f"/observables/{channel.name}/value"
        if (data := _whole(run, place, layout.series_shape(channel), channel)) is not None:
            yield from _not_finite(data, place, _committed(run, data), "frame, path")
    for channel in layout.ledger:
        place = f"/ledger/{channel.name}"
        if (data := _whole(run, place, layout.ledger_shape(channel), channel)) is not None:
            yield from _not_finite(data, place, _pieces(data, range(run.paths)), "path")
    for result in layout.results:
        place = f"/results/{result.name}"
        item = run._file.get(place)
        if (
            result.nan_ok
            or result.name not in run.result_names
            or not isinstance(item, h5py.Dataset)
        ):
            continue
        if (bad := np.argwhere(~np.isfinite(np.atleast_1d(item[()])))).size:
            yield place, f"{len(bad)} values are not finite, the first at {bad[0].tolist()}"


def _whole(
    run: RunReader, place: str, shape: tuple[int, ...], channel: Channel
) -> h5py.Dataset | None:
    item = run._file.get(place)
    if not isinstance(item, h5py.Dataset) or item.shape != shape:
        return None  # _shapes says so
    return item if np.dtype(channel.dtype).kind in "fc" else None


def _committed(run: RunReader, data: h5py.Dataset) -> Iterator[tuple[slice, ...]]:
    """All that a series has: whole groups, and what was begun of the next."""
    layout = run.layout
    groups, blocks = divmod(min(run.committed, layout.units), layout.blocks)
    first = min(groups * layout.group, layout.paths)
    yield from _pieces(data, range(layout.frames), range(first))
    begun = range(first, min(first + layout.group, layout.paths))
    yield from _pieces(data, range(min(blocks * layout.block, layout.frames)), begun)


def _pieces(data: h5py.Dataset, *ranges: range) -> Iterator[tuple[slice, ...]]:
    """A part of a dataset in whole chunks, as many together as make some MB: a file's own units,
    and its chunks, may be as small as it says.
    """
    steps = list(data.chunks or [1] * len(ranges))[: len(ranges)]
    rest = data.dtype.itemsize * prod(data.shape[len(ranges) :])
    for axis in reversed(range(len(ranges))):
        steps[axis] = max(steps[axis], 1) * max(1, CHUNK_BYTES // max(rest * prod(steps), 1))
        steps[axis] = min(steps[axis], max(len(ranges[axis]), 1))
    cut = [range(r.start, r.stop, step) for r, step in zip(ranges, steps, strict=True)]
    for starts in product(*cut):
        yield tuple(
            slice(start, min(start + step, r.stop))
            for start, step, r in zip(starts, steps, ranges, strict=True)
        )


def _not_finite(
    data: h5py.Dataset, place: str, parts: Iterator[tuple[slice, ...]], names: str
) -> Found:
    count, first = 0, None
    for part in parts:
        bad = np.argwhere(~np.isfinite(data[part]))
        if bad.size and first is None:
            first = [int(i) + s.start for i, s in zip(bad[0], part, strict=False)]
        count += len(bad)
    if count:
        yield place, f"{count} values are not finite, the first at ({names}) {first}"


_CHECKS = (_format, _hashes, _counter, _shapes, _finite)
