"""Reading a run: clipped to what is committed, a piece at a time.

A complete file is read whole. An unfinished one is refused, or with `partial=True` clipped to whole
path groups: a group under way has paths whose ledger is not written yet. Series are never held
whole; `Series.units` yields one unit of work after the other (a few MB), `Series.read` any part of
it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import h5py
import numpy as np

from thermohw.errors import StoreError
from thermohw.store.container import dataset, group, open_file, read_layout
from thermohw.store.dimensions import is_placeholder
from thermohw.store.layout import Layout, Unit
from thermohw.store.parameters import read_tree

__all__ = ["Entry", "RunReader", "Series"]


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

    def __init__(self, data: h5py.Dataset, layout: Layout, paths: int) -> None:
        self.step = np.array(layout.steps, np.int64)
        self.time = np.array(layout.times, np.float64)
        self.unit = str(data.attrs["units"])
        self.shape = (data.shape[0], paths, *data.shape[2:])
        self._data = data
        self._layout = layout

    def read(
        self, frames: slice | int = slice(None), paths: slice | int = slice(None)
    ) -> np.ndarray:
        """Values of some frames and paths; without arguments the whole series."""
        return self._data[frames, _clip(paths, self.shape[1])]

    def units(self) -> Iterator[tuple[Unit, np.ndarray]]:
        """Yields (unit, its values of shape (frames, paths[, axis])) in the order of the run."""
        for index in range(self._layout.units):
            unit = self._layout.unit(index)
            if unit.paths.stop > self.shape[1]:
                return
            yield unit, self._data[unit.frames, unit.paths]


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
        self.committed = int(dataset(file, "/run/committed")[()])
        self.finished = bool(dataset(file, "/run/finished")[()])
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
            run = cls(file)
            if not (run.finished or partial):
                raise StoreError(
                    f"is unfinished ({run.committed} of {run.layout.units} units): "
                    "complete it with --resume",
                    where=str(path),
                )
        except StoreError:
            file.close()
            raise
        except Exception as error:  # damaged metadata may make anything fail anywhere
            file.close()
            raise StoreError(
                f"is damaged ({error}): copy it again or run anew", where=str(path)
            ) from error
        return run

    @cached_property
    def parameters(self) -> dict[str, Any]:
        """The tree of parameters, verbatim."""
        return read_tree(group(self._file, "/parameters"))

    @cached_property
    def provenance(self) -> dict[str, str]:
        """Versions, platform and time of creation."""
        return read_tree(group(self._file, "/provenance"))

    @property
    def spec_hash(self) -> str:
        """sha256 of the spec the run was made from."""
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
    def result_names(self) -> tuple[str, ...]:
        """Names of the results written so far."""
        written = dataset(self._file, "/run/written")[()]
        return tuple(r.name for r, done in zip(self.layout.results, written, strict=True) if done)

    @property
    def groups(self) -> Iterator[slice]:
        """The readable path groups, for whoever wants to stream the ledger."""
        step = self.layout.group
        return (slice(i, min(i + step, self.paths)) for i in range(0, self.paths, step))

    def series(self, name: str) -> Series:
        """A time series, read piece by piece."""
        return Series(dataset(self._file, f"/observables/{name}/value"), self.layout, self.paths)

    def ledger(self, name: str, paths: slice = slice(None)) -> np.ndarray:
        """A ledger channel, shape (paths[, axis]), float64."""
        return dataset(self._file, f"/ledger/{name}")[_clip(paths, self.paths)]

    def result(self, name: str) -> np.ndarray:
        """A result, in its declared shape."""
        assert name in self.result_names, f"result {name} was never written"
        return np.asarray(dataset(self._file, f"/results/{name}")[()])

    def unit(self, place: str) -> str:
        """Unit of a dataset, such as "observables/voltage/value" or "ledger/heat"."""
        return str(dataset(self._file, place).attrs["units"])

    def attributes(self, place: str) -> dict[str, Any]:
        """Attributes of a dataset, without those of HDF5's own making."""
        own = {"CLASS", "NAME", "DIMENSION_LIST", "REFERENCE_LIST", "unit"}
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

        self._file.visititems(visit)
        return entries

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def __enter__(self) -> RunReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _clip(paths: slice | int, readable: int) -> slice | int:
    if isinstance(paths, slice):
        return slice(*paths.indices(readable))
    if not -readable <= paths < readable:
        raise IndexError(f"path {paths} of {readable}")
    return paths % readable
