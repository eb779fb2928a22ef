"""The bytes of a run file that no run fills, and one checksum of them all.

A file is made complete; what a run fills later lies at addresses fixed beforehand, and nothing else
is touched. So all other bytes - heads of objects, links, attributes, texts, the manifest: some
hundred kilobytes - are the file's skeleton, the same from its making on. Where they are the same,
whatever HDF5 reads there is the same too. That saves two walks through all objects:

    /checksums/skeleton   sha256 of the skeleton, written when the file is made. Where it is right,
                          everything that the manifest counts is as it was written, and the manifest
                          need not be computed anew. Where it is not (`h5repack` moves everything),
                          the manifest decides.
    in this process       files that it made or looked through itself are known by their skeleton:
                          one that has not changed passes the gate of `thermohw.store.trust` again.

What this process made is known by its bytes alone: HDF5 finds all of it from the first byte, so
nothing that it follows can hide in what runs fill. A file made elsewhere, where something might, is
known as long as it also is the same file, not written to in between.
"""

from __future__ import annotations

import hashlib
import os
from collections import OrderedDict
from collections.abc import Collection
from typing import NamedTuple

import h5py
from h5py import h5d, h5t  # pyright: ignore

from thermohw.store.layout import Layout

__all__ = ["SKELETON", "Skeleton", "filled", "holes", "known", "measured", "places", "remember"]

SKELETON = "/checksums/skeleton"

_PIECE = 2**24  # bytes read at a time
_STATUS = slice(20, 21)  # "open for writing" in the superblock, which HDF5 sets while it writes
_MOST, _MOST_HOLES, _MOST_TRIED = 256, 4096, 4
_TAG = b"thermohw skeleton 1"

Holes = tuple[tuple[int, int], ...]


class Skeleton(NamedTuple):
    """What a file is outside of its holes.

    Attributes:
        size: bytes of the file.
        holes: first byte and the one behind the last of everything that a run fills, in order.
        digest: sha256 of size, holes, and the bytes outside of them.
    """

    size: int
    holes: Holes
    digest: bytes


def filled(layout: Layout) -> set[str]:
    """Places of the datasets that a run fills: the manifest leaves their content out."""
    own = ("committed", "finished", "written", "slot_0", "slot_1")
    return {
        *(f"/observables/{channel.name}/value" for channel in layout.series),
        *(f"/ledger/{channel.name}" for channel in layout.ledger),
        *(f"/results/{result.name}" for result in layout.results),
        *(f"/run/{name}" for name in own),
    }


def places(layout: Layout) -> set[str]:
    """Places of the datasets that are none of the skeleton."""
    own = ("series", "ledger", "results", "record", "skeleton")
    return filled(layout) | {f"/checksums/{name}" for name in own}


def holes(file: h5py.File, places: Collection[str]) -> Holes | None:
    """Where what a run fills lies in an open file: first byte and the one behind the last, in
    order. None where it does not lie there as it was made.

    Args:
        file: made by us, or let in by `require_trusted`.
        places: of all that is left out.
    """
    if not hasattr(os, "pread"):  # Windows
        return None
    found: list[tuple[int, int]] = []
    for place in places:
        try:
            data = h5d.open(file.id, place.encode())
        except (KeyError, RuntimeError, TypeError, ValueError):
            if place == SKELETON:  # files of before there was one
                continue
            return None
        if not isinstance(data.get_type(), h5t.TypeIntegerID | h5t.TypeFloatID):
            return None
        stored, offset = data.get_storage_size(), data.get_offset()
        if offset is not None:
            found.append((offset, offset + stored))
        elif stored:
            plan = data.get_create_plist()
            if plan.get_layout() != h5d.CHUNKED or plan.get_nfilters():
                return None
            data.chunk_iter(lambda c: found.append((c.byte_offset, c.byte_offset + c.size)))
    joined: list[tuple[int, int]] = []
    for start, stop in sorted(found):
        if joined and start <= joined[-1][1]:
            start, stop = joined[-1][0], max(joined.pop()[1], stop)
        joined.append((start, stop))
    return tuple(joined)


def measured(descriptor: int, holes: Holes) -> Skeleton:
    """The skeleton of an open file around these holes."""
    size, place = os.fstat(descriptor).st_size, 0
    total = hashlib.sha256(_TAG + repr((size, holes)).encode())
    for start, stop in (*holes, (size, size)):
        while place < start:
            piece = bytearray(os.pread(descriptor, min(_PIECE, start - place), place))
            if not piece:
                break  # cut short by somebody at this moment
            if place == 0:
                piece[_STATUS] = b"\0"
            total.update(piece)
            place += len(piece)
        place = max(place, stop)
    return Skeleton(size, holes, total.digest())


def known(file: h5py.File, found: Skeleton | None = None) -> bool:
    """Whether this process made this file, or looked through it and it is still the same.

    Args:
        file: open; nothing of it need be trusted yet.
        found: its skeleton where that was measured already.
    """
    descriptor, keys = file.id.get_vfd_handle(), tuple(_known)
    status = os.fstat(descriptor)
    around = {holes for size, holes, *_ in keys if size == status.st_size}
    for holes in list(around)[:_MOST_TRIED]:
        same = measured(descriptor, holes) if found is None else found
        if (*same, None) in keys or (*same, _identity(status)) in keys:
            return True
    return False


def remember(descriptor: int, found: Skeleton, *, made: bool = False) -> None:
    """Know a file that passed the gate and equals its manifest.

    Args:
        descriptor: of the file.
        found: its skeleton.
        made: whether this process made it.
    """
    if len(found.holes) <= _MOST_HOLES:
        same = None if made else _identity(os.fstat(descriptor))
        _known[(found.size, found.holes, found.digest, same)] = None
        while len(_known) > _MOST:
            _known.popitem(last=False)


_Identity = tuple[int, int, int, int]
_known: OrderedDict[tuple[int, Holes, bytes, _Identity | None], None] = OrderedDict()


def _identity(status: os.stat_result) -> _Identity:
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_ctime_ns
