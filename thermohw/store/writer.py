"""Writing a run: unit after unit, each one safe once `commit` returns.

    with RunWriter.create("run.h5", layout, {"spec": text, ...}) as run:   # or RunWriter.resume
        while run.committed < run.layout.units:
            paths, frames = run.layout.unit(run.committed)
            run.write_series("voltage", frames, paths, volts)   # (frames, paths[, axis])
            run.write_ledger("heat", paths, joules)             # once the path group is complete
            run.commit({"generator": state})                    # where the next unit starts from
        run.write_result("nll", values)
        run.finish()

`commit` writes the checksums of the unit and the state into the older of two slots, flushes, writes
a checked record of the counters, flushes, then raises `committed` by one and flushes again.
Whatever a killed process left behind, the newest record therefore counts units that are whole, and
the slot `committed % 2` holds the state that follows them; the unit under way is simply done again.
(The promise is against the death of the process. Against a power cut nothing is promised: flushing
hands the bytes to the operating system, no more.)

Measured traps shape this file. A dataset reopened per block swallows "disk full" silently, so every
dataset stays open while writing; a failed flush ends the process (`reserve.leave`). libver "latest"
marks the file as open for writing and does not reopen after a kill, so the default is kept. The
chunk cache is off: units go from the caller's array to the file in one piece, or a few chunks at a
time while the next are simulated (`later`).
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Mapping
from math import prod
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from h5py import h5d, h5s  # pyright: ignore
from numpy.typing import ArrayLike

from thermohw.errors import StoreError
from thermohw.store.behind import Behind
from thermohw.store.checksums import Checksums, digest, raw, record, sealed
from thermohw.store.container import make
from thermohw.store.layout import Layout
from thermohw.store.opening import (
    checked,
    counter,
    dataset,
    declared,
    group,
    one_line,
    open_file,
    read_layout,
)
from thermohw.store.parameters import read_tree
from thermohw.store.provenance import changed
from thermohw.store.reserve import cause, leave
from thermohw.store.state import State, pack, require_state

__all__ = ["RunWriter"]

_WORTH = 2**20  # bytes of series in a unit that are worth a thread


class RunWriter:
    """The one writer of a run file; made by `create` or `resume`, used as a context manager.

    Attributes:
        path: the file.
        layout: what it holds.
        committed: units that are safe.
    """

    def __init__(self, file: h5py.File, layout: Layout) -> None:
        self.path = Path(file.filename)
        self.layout = layout
        self._file = file
        self._committed = dataset(file, "/run/committed")
        self._finished = dataset(file, "/run/finished")
        self._written = dataset(file, "/run/written")
        self._slots = [dataset(file, f"/run/slot_{i}") for i in (0, 1)]
        self._series, self._ledger, self._results = (
            {
                entry.name: declared(file, layout, kind, entry.name)
                for entry in getattr(layout, kind)
            }
            for kind in ("series", "ledger", "results")
        )
        # None in a file of format 1.0, which is continued as one.
        self._sums = Checksums(file, layout) if checked(file) else None
        paths, frames = layout.unit(0)
        row = sum(c.itemsize * prod(layout.width(c)) for c in layout.series)
        self._worth = row * (paths.stop * frames.stop) > _WORTH
        self.committed = counter(file, "/run/committed")
        self._done = bool(counter(file, "/run/finished", most=1))
        # (kind, channel, unit) written so far -> sha256; None where parts are missing or came out
        # of order. While they come in order: the sum of those so far, and where the next begins.
        self._filled: dict[tuple[str, str, int], bytes | None] = {}
        self._sums_so_far: dict[tuple[str, str, int], tuple[Any, int]] = {}
        self._behind = Behind()

    @classmethod
    def create(
        cls,
        path: str | Path,
        layout: Layout,
        parameters: Mapping[str, Any],
        *,
        author: str = "unknown",
    ) -> RunWriter:
        """Makes the file at its full size.

        Args:
            path: where; must not exist.
            layout: what the file holds.
            parameters: nested mapping of text, numbers, bytes, arrays. `parameters["spec"]` is the
                text that identifies the run: `resume` demands an equal one.
            author: the person responsible, for the H5MD header.

        Raises:
            StoreError: the path exists or cannot be made, or the disk is too small.
        """
        assert isinstance(parameters.get("spec"), str), "parameters need the text `spec`"
        make(Path(path), layout, parameters, author=author)
        return cls(open_file(Path(path), "r+", rdcc_nbytes=0), layout)

    @classmethod
    def resume(cls, path: str | Path, spec_hash: str) -> RunWriter:
        """Goes on with an unfinished run.

        Args:
            path: its file.
            spec_hash: `content_hash` of the spec the caller is about to run.

        Raises:
            StoreError: not a run file, in use, finished, of another spec, or its state is damaged.
        """
        path = Path(path)
        file = open_file(path, "r+", rdcc_nbytes=0)
        try:
            with one_line(path):
                layout = read_layout(file)
                run = cls(file, layout)
                if run._sums is not None:
                    run._sums.check_manifest()
                    found = run._sums.counters(run.committed, int(run._finished[()]))
                    run.committed, run._done = found
                stored = str(dataset(file, "/parameters/spec").attrs.get("sha256"))
                if stored != spec_hash:
                    raise StoreError(
                        f"was made from another spec (sha256 {stored[:12]}, now {spec_hash[:12]}): "
                        "resume it with its own spec and options, or choose another name",
                        where=str(path),
                    )
                if run._done:
                    raise StoreError("is complete: there is nothing to resume", where=str(path))
                run.state()
            if what := changed(read_tree(group(file, "/provenance"))):
                words = f"{path}: resumed elsewhere, not bit-identical ({what})"
                warnings.warn(words, stacklevel=2)
            if run.committed != run._committed[()]:  # killed between the record and the counter
                run._guard(lambda: run._committed.__setitem__((), run.committed))
                run._guard(file.flush)
        except BaseException:
            file.close()
            raise
        return run

    def state(self) -> dict[str, np.ndarray | bytes | int]:
        """The state given to the last commit; empty before the first one."""
        if self.committed == 0:
            return {}
        slot = self._slots[self.committed % 2][()].tobytes()
        return require_state(slot, self.committed, str(self.path))

    def write_series(
        self, name: str, frames: slice, paths: slice, values: ArrayLike, *, later: bool = False
    ) -> None:
        """Writes part of a series: values (frames, paths[, axis]) in the channel's unit.

        Args:
            name: of the series.
            frames: within one unit.
            paths: within the same.
            values: the numbers.
            later: by a thread, before the next commit at the latest; nobody may change `values`
                any more.
        """
        block = frames.indices(self.layout.frames)[0] // self.layout.block
        key = "series", name, self._ahead(name, paths, block)
        if later and self._worth:
            self._behind.do(lambda: self._write(key, self._series[name], (frames, paths), values))
        else:
            self._behind.wait()
            self._write(key, self._series[name], (frames, paths), values)

    def write_ledger(self, name: str, paths: slice, values: ArrayLike) -> None:
        """Writes part of a ledger channel: values (paths[, axis]) in the channel's unit."""
        unit = self._ahead(name, paths, self.layout.blocks - 1)
        self._write(("ledger", name, unit), self._ledger[name], (paths,), values)

    def write_result(self, name: str, values: ArrayLike) -> None:
        """Writes a whole result; no part of a commit, so written again after a resume."""
        array, sums = self._put(self._results[name], (), values), self._sums
        index = self.layout.rows["results", name]
        if sums is not None:
            found = digest(array)
            self._guard(lambda: sums.put("results", index, found))
            self._guard(self._file.flush)
        self._guard(lambda: self._written.__setitem__(index, 1))

    def commit(self, state: State | None = None) -> None:
        """Makes the unit under way safe, with the state from which the next one starts."""
        assert self.committed < self.layout.units, "every unit is committed already"
        self._behind.wait()
        number = self.committed + 1
        # A channel that somebody forgot would be zeros that look like data.
        due = {("series", name, self.committed) for name in self._series}
        if number % self.layout.blocks == 0:
            due |= {("ledger", name, self.committed) for name in self._ledger}
        missing = sorted(due - self._filled.keys())
        assert not missing, f"never written in this unit: {missing}"
        slot = pack(state or {}, number)
        assert len(slot) <= self.layout.state_size, f"the state takes {len(slot)} bytes"
        self._guard(lambda: self._commit(slot, number))
        for entry in due:
            del self._filled[entry]
        self._sums_so_far.clear()
        self.committed = number

    def ledger(self, name: str) -> np.ndarray:
        """A ledger channel of all committed groups, as it is stored, equal to its checksums."""
        groups = self.committed // self.layout.blocks
        whole = sealed(self._ledger[name], self.layout, "ledger", name, self._sums)
        paths = min(groups * self.layout.group, self.layout.paths)
        return whole.read((slice(0, paths),), range(groups))

    def finish(self) -> None:
        """Marks the run complete; every unit must be committed and every result written."""
        assert self.committed == self.layout.units, "units are missing"
        written = zip(self.layout.results, self._written[()], strict=True)
        missing = [result.name for result, done in written if not done]
        assert not missing, f"results never written: {missing}"
        # Flushed before and after for the same reason as in a commit.
        self._guard(self._file.flush)
        self._guard(lambda: self._record(self.committed, finished=True))
        self._guard(lambda: self._finished.__setitem__((), 1))
        self._guard(self._file.flush)

    def close(self) -> None:
        """Closes the file; what is committed stays, an unfinished run can be resumed."""
        self._behind.close()
        if self._file:
            self._guard(self._file.close)

    def __enter__(self) -> RunWriter:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _commit(self, slot: bytes, number: int) -> None:
        data = self._slots[number % 2]
        if self._sums is not None:
            self._sums.put("series", number - 1, *self._found("series", self._series, number - 1))
            if number % self.layout.blocks == 0:
                group = (number - 1) // self.layout.blocks
                self._sums.put("ledger", group, *self._found("ledger", self._ledger, number - 1))
        data[: len(slot)] = np.frombuffer(slot, np.uint8)
        self._file.flush()
        self._record(number)
        self._committed[()] = number
        self._file.flush()

    def _found(self, kind: str, channels: dict[str, h5py.Dataset], unit: int) -> list[bytes]:
        # The checksums of a unit, one a channel; what came in parts is read back.
        paths, frames = self.layout.unit(unit)
        region = (frames, paths) if kind == "series" else (paths,)
        return [self._filled[kind, n, unit] or digest(d[region]) for n, d in channels.items()]

    def _record(self, committed: int, *, finished: bool = False) -> None:
        # Flushed before the counter is raised, so that the counter is never ahead of it.
        if self._sums is not None:
            self._sums.put("record", (committed + finished) % 2, record(committed, finished))
            self._file.flush()

    def _write(
        self,
        key: tuple[str, str, int],
        data: h5py.Dataset,
        where: tuple[slice, ...],
        values: ArrayLike,
    ) -> None:
        kind, name, unit = key
        paths, frames = self.layout.unit(unit)
        region = (frames, paths) if kind == "series" else (paths,)
        ends = [s.indices(n)[:2] for s, n in zip(where, data.shape, strict=False)]
        assert all(e[1] <= s.stop for e, s in zip(ends, region, strict=True)), (
            f"{name}: these paths and frames reach into another unit"
        )
        array = self._put(data, where, values)
        self._filled[key] = None
        if self._sums is not None:
            self._filled[key] = self._sum(key, ends, region, array)

    def _sum(
        self,
        key: tuple[str, str, int],
        ends: list[tuple[int, int]],
        region: tuple[slice, ...],
        array: np.ndarray,
    ) -> bytes | None:
        """sha256 of a unit whose last part this is; parts follow each other along the first axis.

        Of the bytes in memory, not of what a disk gives back.
        """
        (start, stop), others = ends[0], ends[1:]
        total, follows = self._sums_so_far.pop(key, (None, None))
        if start == region[0].start:
            total = hashlib.sha256()
        elif start != follows:
            return None
        if others != [(s.start, s.stop) for s in region[1:]]:
            return None
        assert total is not None
        total.update(raw(array))
        if stop == region[0].stop:
            return total.digest()
        self._sums_so_far[key] = total, stop
        return None

    def _put(self, data: h5py.Dataset, where: tuple[slice, ...], values: ArrayLike) -> np.ndarray:
        """Writes values to a part of a dataset; returns them as they are in the file."""
        # Converted here: HDF5's own conversion goes through a small buffer and is several times
        # slower.
        array = np.ascontiguousarray(values, dtype=data.dtype)
        starts = tuple(s.indices(n)[0] for s, n in zip(where, data.shape, strict=False))
        shape = tuple(len(range(*s.indices(n))) for s, n in zip(where, data.shape, strict=False))
        shape += data.shape[len(where) :]
        assert np.shape(values) == shape, (
            f"{data.name}: values have shape {np.shape(values)}, not {shape}"
        )
        if 0 not in shape:
            place = (*starts, *(0 for _ in shape[len(starts) :]))
            self._guard(lambda: _lay(data.id, place, array.reshape(shape)))
        return array

    def _ahead(self, name: str, paths: slice, block: int) -> int:
        # The unit a write belongs to; never one that is committed.
        group = paths.indices(self.layout.paths)[0] // self.layout.group
        unit = group * self.layout.blocks + block
        assert unit >= self.committed, f"{name}: these paths and frames are committed already"
        return unit

    def _guard(self, write: Callable[[], object]) -> None:
        try:
            write()
        except (OSError, RuntimeError) as error:
            leave(
                f"{self.path}: writing failed ({cause(error)}); {self.committed} of "
                f"{self.layout.units} units are safe: free some space and continue with --resume"
            )


def _lay(data: h5d.DatasetID, place: tuple[int, ...], array: np.ndarray) -> None:
    """Writes an array in C order to its place in a dataset of the same type."""
    space = h5s.ALL
    if place and array.shape != data.shape:
        space = data.get_space()
        space.select_hyperslab(place, array.shape)
    data.write(h5s.create_simple(array.shape) if place else h5s.ALL, space, array)
