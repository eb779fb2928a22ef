"""Reading a run: clipped to what is committed, a piece at a time.

A complete file is read whole. An unfinished one is refused, or with `partial=True` clipped to whole
path groups: a group under way has paths whose ledger is not written yet. Series are never held
whole; `Series.units` yields one unit of work after the other (a few MB), `Series.read` any part of
it.

Nothing is believed unchecked: opening compares everything static with the manifest and the counters
with their record, and reading compares every unit, path group or result that it touches with its
checksum, once (files of format 1.0 have none). Whoever reads whole units reads every byte once.

A run that kept moments has no ledger. Its results tell of every channel: "moments.<channel>" and
"histogram.<channel>" over all paths, "sample.<channel>" of the first ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from thermohw.errors import StoreError
from thermohw.store.checksums import Checksums, Sealed, sealed
from thermohw.store.dimensions import is_placeholder
from thermohw.store.layout import Layout, Unit
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
from thermohw.store.state import require_state
from thermohw.store.statistics import Statistics

__all__ = ["HISTOGRAM", "MOMENTS", "PRODUCTS", "SAMPLE", "Entry", "RunReader", "Series"]

MOMENTS, HISTOGRAM, SAMPLE = "moments.", "histogram.", "sample."
"""What names of results begin with that tell of a channel whose paths were not kept."""

PRODUCTS = "comoments"
"""Result with the sums of products of deviations of all channels of one number a path."""


class Entry(NamedTuple):
    """One dataset of the file, for people: shape, unit, chunking, bytes on disk."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    unit: str
    chunks: tuple[int, ...] | None
    nbytes: int


class Series:
    """A stored time series.

    Attributes:
        step: step number of every frame, shape (frames,).
        time: seconds, shape (frames,).
        unit: unit of the values.
        shape: (frames, readable paths[, axis]).
    """

    def __init__(self, sealed: Sealed, layout: Layout, paths: int) -> None:
        data = sealed.data
        self.step = np.array(layout.steps, np.int64)
        self.time = np.array(layout.times, np.float64)
        self.unit = str(data.attrs["units"])
        self.shape = (data.shape[0], paths, *data.shape[2:])
        self._sealed = sealed
        self._layout = layout

    def read(
        self, frames: slice | int = slice(None), paths: slice | int = slice(None)
    ) -> np.ndarray:
        """Values of some frames and paths; without arguments the whole series."""
        key = (_clip(frames, self.shape[0]), _clip(paths, self.shape[1]))
        blocks = _parts(key[0], self._layout.block)
        units = (
            group * self._layout.blocks + block
            for group in _parts(key[1], self._layout.group)
            for block in blocks
        )
        with one_line(self._sealed.data.file.filename):
            return self._sealed.read(key, units)

    def units(self) -> Iterator[tuple[Unit, np.ndarray]]:
        """Yields (unit, its values of shape (frames, paths[, axis])) in the order of the run."""
        for index in range(self._layout.units):
            unit = self._layout.unit(index)
            if unit.paths.stop > self.shape[1]:
                return
            yield unit, self.read(unit.frames, unit.paths)


class RunReader:
    """A run file open for reading; use as a context manager.

    Attributes:
        path: the file.
        layout: what it holds.
        committed: units that are safe, of layout.units.
        finished: whether the run is complete.
        paths: paths that can be read: all of a finished run, whole groups of an unfinished one.
    """

    def __init__(self, file: h5py.File) -> None:
        self.path = Path(file.filename)
        self._file = file
        self.layout = read_layout(file)
        self.committed = counter(file, "/run/committed")
        finished = counter(file, "/run/finished", most=1)
        self.finished = bool(finished)
        self._sums = Checksums(file, self.layout) if checked(file) else None
        if self._sums is not None:
            self._sums.check_manifest()
            self.committed, self.finished = self._sums.counters(self.committed, finished)
        self._sealed: dict[str, Sealed] = {}
        groups = min(self.committed, self.layout.units) // self.layout.blocks
        self.paths = min(groups * self.layout.group, self.layout.paths)

    @classmethod
    def open(cls, path: str | Path, *, partial: bool = False) -> RunReader:
        """Opens a run.

        Args:
            path: the file.
            partial: accept an unfinished run and read its complete path groups.

        Raises:
            StoreError: not a run file, damaged, in use, or unfinished without `partial`.
        """
        file = open_file(Path(path), "r")
        try:
            with one_line(path):
                run = cls(file)
            if not (run.finished or partial):
                raise StoreError(
                    f"is unfinished ({run.committed} of {run.layout.units} units): "
                    "complete it with --resume",
                    where=str(path),
                )
            if run.committed != run.layout.units and not partial:
                raise StoreError(
                    f"/run/committed counts {run.committed} of {run.layout.units} units in a "
                    "finished run: damaged; copy the file again",
                    where=str(path),
                )
        except BaseException:
            file.close()
            raise
        return run

    @cached_property
    def parameters(self) -> dict[str, Any]:
        """The tree of parameters, verbatim."""
        with one_line(self.path):
            return read_tree(group(self._file, "/parameters"))

    @cached_property
    def provenance(self) -> dict[str, str]:
        """Versions, platform and time of creation."""
        with one_line(self.path):
            return read_tree(group(self._file, "/provenance"))

    @property
    def has_checksums(self) -> bool:
        """Whether the numbers carry checksums, which they do since format 1.1."""
        return self._sums is not None

    @property
    def spec_hash(self) -> str:
        """sha256 of the spec the run was made from."""
        with one_line(self.path):
            return str(dataset(self._file, "/parameters/spec").attrs["sha256"])

    @property
    def series_names(self) -> tuple[str, ...]:
        """Names of the series."""
        return tuple(c.name for c in self.layout.series)

    @property
    def ledger_names(self) -> tuple[str, ...]:
        """Names of the ledger channels."""
        return tuple(c.name for c in self.layout.ledger)

    @property
    def keeps_moments(self) -> bool:
        """Whether moments stand in place of the ledger."""
        return any(result.name.startswith(MOMENTS) for result in self.layout.results)

    @property
    def channel_names(self) -> tuple[str, ...]:
        """Names of the channels that every path had, whether each was kept or not."""
        if not self.keeps_moments:
            return self.ledger_names
        names = (result.name for result in self.layout.results)
        return tuple(name.removeprefix(SAMPLE) for name in names if name.startswith(SAMPLE))

    @property
    def statistics_names(self) -> tuple[str, ...]:
        """Names of what `statistics` tells of: the channels, and in a file that keeps moments sums
        of them, such as "heat.total".
        """
        if not self.keeps_moments:
            return self.ledger_names
        names = (result.name for result in self.layout.results)
        return tuple(name.removeprefix(MOMENTS) for name in names if name.startswith(MOMENTS))

    @property
    def result_names(self) -> tuple[str, ...]:
        """Names of the results written so far."""
        with one_line(self.path):
            written = np.asarray(dataset(self._file, "/run/written")[()])
        must = self._sums is not None and self.finished  # an older file may say no
        if written.dtype.kind not in "iu" or not np.isin(written, [1] if must else [0, 1]).all():
            raise StoreError(
                "/run/written denies results of a finished run, or is none: damaged; copy it again",
                where=str(self.path),
            )
        return tuple(r.name for r, done in zip(self.layout.results, written, strict=True) if done)

    @property
    def groups(self) -> Iterator[slice]:
        """The readable path groups, for whoever wants to stream the ledger."""
        step = self.layout.group
        return (slice(i, min(i + step, self.paths)) for i in range(0, self.paths, step))

    def series(self, name: str) -> Series:
        """A time series, read piece by piece."""
        with one_line(self.path):
            return Series(self.sealed("series", name), self.layout, self.paths)

    def ledger(self, name: str, paths: slice = slice(None)) -> np.ndarray:
        """A ledger channel, shape (paths[, axis]), float64."""
        key = _clip(paths, self.paths)
        with one_line(self.path):
            groups = _parts(key, self.layout.group)
            return self.sealed("ledger", name).read((key,), groups)

    def first(self, name: str, most: int | None = None) -> np.ndarray:
        """A channel of the first paths, at most so many, shape (paths[, axis]): of all of a run
        that keeps every path, else of those that it kept.
        """
        if not self.keeps_moments:
            return self.ledger(name, slice(most))
        return self.result(f"{SAMPLE}{name}")[:most]

    def statistics(self, name: str) -> Statistics:
        """Moments and histogram of a channel over all paths, stored or taken from the ledger."""
        if self.keeps_moments:
            table = self.result(f"{MOMENTS}{name}")
            found = Statistics(table.shape[:-1])
            found.table[...], found.cells[...] = table, self.result(f"{HISTOGRAM}{name}")
            return found
        channel = self.layout.ledger[self.layout.rows["ledger", name]]
        found = Statistics(self.layout.width(channel))
        for part in self.groups:
            found.add(self.ledger(name, part))
        return found

    def result(self, name: str) -> np.ndarray:
        """A result, in its declared shape."""
        assert name in self.result_names, f"result {name} was never written"
        with one_line(self.path):
            return np.asarray(self.sealed("results", name).read((), (0,)))

    def state(self, commit: int) -> dict[str, Any]:
        """The resume state behind the last commit, or behind the one before it."""
        with one_line(self.path):
            slot = np.asarray(dataset(self._file, f"/run/slot_{commit % 2}")[()])
            return require_state(slot.tobytes(), commit, str(self.path))

    def sealed(self, kind: str, name: str) -> Sealed:
        """What a run filled, of kind "series", "ledger" or "results", with its checksums."""
        place = f"/observables/{name}/value" if kind == "series" else f"/{kind}/{name}"
        if place not in self._sealed:
            data = declared(self._file, self.layout, kind, name)
            self._sealed[place] = sealed(data, self.layout, kind, name, self._sums)
        return self._sealed[place]

    def unit(self, place: str) -> str:
        """Unit of a dataset, such as "observables/voltage/value" or "ledger/heat"."""
        with one_line(self.path):
            return str(dataset(self._file, place).attrs["units"])

    def attributes(self, place: str) -> dict[str, Any]:
        """Attributes of a dataset, without those of HDF5's own making."""
        own = {"CLASS", "NAME", "DIMENSION_LIST", "REFERENCE_LIST", "unit"}
        with one_line(self.path):
            return {k: v for k, v in dataset(self._file, place).attrs.items() if k not in own}

    def tree(self) -> list[Entry]:
        """Every dataset of the file, in the order of its names."""
        entries: list[Entry] = []

        def visit(name: str, item: h5py.Group | h5py.Dataset) -> None:
            if isinstance(item, h5py.Dataset) and not is_placeholder(item):
                unit = str(item.attrs.get("units", ""))
                words = item.dtype.kind == "O"
                kind = "text" if words else str(item.dtype)
                size = sum(map(len, np.ravel(item[()]))) if words else item.id.get_storage_size()
                entries.append(Entry(f"/{name}", item.shape, kind, unit, item.chunks, size))

        with one_line(self.path):
            self._file.visititems(visit)
        return entries

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def __enter__(self) -> RunReader:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _clip(places: slice | int, readable: int) -> slice | int:
    if isinstance(places, slice):
        return slice(*places.indices(readable))
    if not -readable <= places < readable:
        raise IndexError(f"{places} of {readable}")
    return places % readable


def _parts(places: slice | int, size: int) -> range:
    """Numbers of the parts of `size` entries that a selection touches."""
    if not isinstance(places, slice):
        return range(places // size, places // size + 1)
    chosen = range(places.start, places.stop, places.step)
    return range(min(chosen) // size, max(chosen) // size + 1) if chosen else range(0)
