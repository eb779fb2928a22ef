"""Every stored number has a checksum, written with the commit that makes the number count.

    /checksums/series     (U, series, 32)    sha256 of every unit of work of every series
    /checksums/ledger     (G, ledger, 32)    sha256 of every path group of every ledger channel
    /checksums/results    (R, 32)            sha256 of every result
    /checksums/record     (2, 48)            checked counters: committed, finished, their sha256
    /checksums/manifest   text               everything static, see `manifest`
    /checksums/skeleton   (32,)              sha256 of the same as bytes, see `skeleton`

All have their size from the beginning, so writing them moves no metadata and a kill loses nothing.
Records alternate: number c is in row c % 2 and is written after everything that it vouches for was
flushed, `committed` after the record was. A reader believes the newest record that is whole, and
`committed` beside it may only be the same or, after a kill between the two, one less. A flipped bit
in either is thus found or of no consequence.

What is checked: whatever is read, a unit at a time, once. What that protects against are accidents.
Whoever changes a file on purpose can compute its checksums again.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Iterable
from typing import Any

import h5py
import numpy as np

from thermohw.errors import StoreError
from thermohw.store.layout import Layout
from thermohw.store.manifest import DAMAGED, ORIGIN, difference, manifest, require_counted
from thermohw.store.skeleton import (
    SKELETON,
    filled,
    holes,
    known,
    measured,
    places,
    remember,
)

__all__ = ["DIGEST", "RECORD", "Checksums", "Sealed", "digest", "raw", "record", "sealed",
           "shapes"]  # fmt: skip

DIGEST, RECORD = 32, 48
_COUNTERS = struct.Struct("<QQ")
_PIECE = 2**24  # bytes read at a time where a unit is read only to be checked


def digest(values: np.ndarray) -> bytes:
    """sha256 of numbers in C order, little endian."""
    return hashlib.sha256(raw(values)).digest()


def record(committed: int, finished: bool) -> bytes:
    """A checked record of the counters."""
    counters = _COUNTERS.pack(committed, finished)
    return counters + hashlib.sha256(counters).digest()


def shapes(layout: Layout) -> dict[str, tuple[int, ...]]:
    """Names below /checksums of what a run fills, and their shapes; all are uint8."""
    return {
        "series": (layout.units, len(layout.series), DIGEST),
        "ledger": (layout.groups, len(layout.ledger), DIGEST),
        "results": (len(layout.results), DIGEST),
        "record": (2, RECORD),
    }


class Checksums:
    """The checksums of an open run file.

    Attributes:
        series: sha256 of the units, shape (units, series, 32), to be read and written.
        ledger: sha256 of the path groups, shape (groups, channels, 32).
        results: sha256 of the results, shape (results, 32).
        record: the two records of the counters.

    Raises:
        StoreError: they are not all there.
    """

    def __init__(self, file: h5py.File, layout: Layout) -> None:
        self._file, self._layout = file, layout
        parts = {name: self._part(name, shape) for name, shape in shapes(layout).items()}
        self.series, self.ledger = parts["series"], parts["ledger"]
        self.results, self.record = parts["results"], parts["record"]

    def put(self, part: str, row: int, *sums: bytes) -> None:
        """Writes a row of "series", "ledger" (one sum a channel), "results" or "record" (one)."""
        data = getattr(self, part)
        data[row] = np.frombuffer(b"".join(sums), np.uint8).reshape(data.shape[1:])

    def counters(self, committed: int, finished: int) -> tuple[int, bool]:
        """What is believed of `committed` and `finished` in /run.

        Raises:
            StoreError: they are not what the newest whole record allows.
        """
        rows = [bytes(row) for row in self.record[()]]
        pairs = [_COUNTERS.unpack_from(row) for row in rows]
        sound = [pair for pair, row in zip(pairs, rows, strict=True) if record(*pair) == row]
        if not sound:
            raise self._damaged("/checksums/record is damaged")
        count, done = max(sound)
        if not (committed == count or (committed == count - 1 and not done)):
            raise self._damaged(
                f"/run/committed is {committed}, /checksums/record says {count} of "
                f"{self._layout.units} units"
            )
        # Not yet finished after a kill between the two: then the run is completed once more.
        if finished not in (0, done):
            raise self._damaged(f"/run/finished is {finished}, /checksums/record says {done}")
        return count, bool(finished)

    def check_manifest(self, *, anew: bool = False) -> None:
        """Compares everything static with the manifest, or all of its bytes with their checksum.

        Args:
            anew: compute the manifest whatever the bytes are.

        Raises:
            StoreError: something differs; the message names the first place that does.
        """
        around = holes(self._file, places(self._layout))
        descriptor = self._file.id.get_vfd_handle()
        found = None if around is None else measured(descriptor, around)
        sound = found is not None and (found.digest == self._skeleton() or known(self._file, found))
        if anew or not sound:
            require_counted(self._file, manifest(self._file, filled(self._layout)))
            stored = str(self._file["provenance"].attrs.get("manifest", ""))
            now = manifest(self._file, groups=ORIGIN)
            if now != stored:
                raise self._damaged(
                    f"{difference(stored, now)} differs from the manifest of /provenance"
                )
        if found is not None:
            remember(descriptor, found)

    def _skeleton(self) -> bytes:
        item = self._file.get(SKELETON)
        if not isinstance(item, h5py.Dataset) or item.shape != (DIGEST,) or item.dtype != np.uint8:
            return b""
        return np.asarray(item[()]).tobytes()

    def _part(self, name: str, shape: tuple[int, ...]) -> h5py.Dataset:
        place = f"/checksums/{name}"
        item = self._file.get(place)
        if not isinstance(item, h5py.Dataset) or item.shape != shape or item.dtype != np.uint8:
            raise StoreError(
                f"lacks {place}, which format 1.1 has: copy the file again or run anew",
                where=self._file.filename,
            )
        return item

    def _damaged(self, what: str) -> StoreError:
        return StoreError(f"{what}: {DAMAGED}", where=self._file.filename)


class Sealed:
    """A dataset that a run filled, read with its units compared with their checksums, each once.

    Args:
        data: the dataset.
        sums: sha256 of its units, shape (units, 32); None in a file that has none.
        region: what unit n covers of the dataset.
        word: what its units are called.
    """

    def __init__(
        self,
        data: h5py.Dataset,
        sums: np.ndarray | None,
        region: Callable[[int], tuple[slice, ...]],
        word: str,
    ) -> None:
        self.data = data
        self._sums, self._region, self._word = sums, region, word
        self._sound: set[int] = set()

    def read(self, key: tuple[slice | int, ...], units: Iterable[int]) -> Any:
        """The values at `key`, which lie in `units`.

        Raises:
            StoreError: a unit differs from its checksum.
        """
        values = self.data[key]
        for number in () if self._sums is None else units:
            if number not in self._sound:
                self._check(number, key, values)
        return values

    def check(self, number: int) -> None:
        """Compares a whole unit with its checksum."""
        if self._sums is not None and number not in self._sound:
            self._check(number, (), None)

    def _check(self, number: int, key: tuple[slice | int, ...], values: Any) -> None:
        assert self._sums is not None
        region = self._region(number)
        part = _inside(region, key)
        found = self._whole(region) if values is None or part is None else digest(values[part])
        if found != self._sums[number].tobytes():
            place, where = self.data.name, self.data.file.filename
            what = f"{self._word} {number} of {place}" if self._word else place
            raise StoreError(f"{what} differs from its checksum: {DAMAGED}", where=where)
        self._sound.add(number)

    def _whole(self, region: tuple[slice, ...]) -> bytes:
        if not region:
            return digest(self.data[()])
        first, *others = region
        row = self.data.dtype.itemsize * int(
            np.prod([s.stop - s.start for s in others]) * np.prod(self.data.shape[len(region) :])
        )
        rows = max(1, _PIECE // max(1, row))
        total = hashlib.sha256()
        for start in range(first.start, first.stop, rows):
            piece = self.data[(slice(start, min(start + rows, first.stop)), *others)]
            total.update(raw(piece))
        return total.digest()


def sealed(
    data: h5py.Dataset, layout: Layout, kind: str, name: str, sums: Checksums | None
) -> Sealed:
    """What a run filled, of kind "series", "ledger" or "results", with its checksums if any."""
    stored = None
    if sums is not None:
        index = layout.rows[kind, name]
        rows = getattr(sums, kind)
        stored = rows[index : index + 1] if kind == "results" else rows[:, index]
    region, word = {
        "series": (lambda n: layout.unit(n)[::-1], "unit"),
        "ledger": (lambda n: (layout.unit(n * layout.blocks).paths,), "path group"),
        "results": (lambda n: (), ""),
    }[kind]
    return Sealed(data, stored, region, word)


def raw(values: np.ndarray) -> memoryview:
    """The bytes of numbers in C order, little endian, without a copy where they lie so."""
    array = np.asarray(values)
    array = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    return array.reshape(-1).view(np.uint8).data


def _inside(region: tuple[slice, ...], key: tuple[slice | int, ...]) -> tuple[slice, ...] | None:
    """Where a region lies in the values that were read at `key`; None unless all of it does."""
    if len(key) < len(region):
        return None
    part = []
    for want, had in zip(region, key, strict=False):
        if not isinstance(had, slice) or had.step not in (None, 1):
            return None
        if not had.start <= want.start <= want.stop <= had.stop:
            return None
        part.append(slice(want.start - had.start, want.stop - had.start))
    return tuple(part)
