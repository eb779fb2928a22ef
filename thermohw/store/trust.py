r"""The one gate that every opened HDF5 file passes: a stranger's file reaches nothing but itself.

HDF5 can point out of a file (external raw storage puts any file of the reader's into a dataset;
external links and virtual datasets open other files), can point in circles (a group that contains
itself), can ask for code (filters are plug-ins), and can promise what is not there (a dataset of a
petabyte that takes no bytes; a chunk that unpacks without end; a text that a million entries
share). A run file needs none of this. So the file is walked once with the low-level interface,
which follows no link and reads no dataset, and whatever `thermohw.store` does not write is refused
by name before anything is read:

    links       hard ones only, every object under one name, names printable
    objects     groups and datasets; at most MOST_OBJECTS, MOST_LEVELS deep
    types       numbers, truth values, complex numbers, texts; references in dimension scales only
    storage     inside the file and really there; what filters unpack (h5repack's gzip, shuffle and
                checksum are let in) is at most RATIO times the file, or SMALL bytes
    texts       at most MOST_TEXT bytes, whatever they share

What the bytes *say* is another matter, of checksums and of whoever reads them. Defects of the HDF5
library itself are out of reach here: keep it up to date.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from functools import lru_cache
from math import prod
from typing import Any

import h5py
import numpy as np
from h5py import h5a, h5d, h5g, h5l, h5o, h5s, h5t, h5z  # pyright: ignore

from thermohw.errors import StoreError
from thermohw.intake import size_words

__all__ = ["MOST_OBJECTS", "MOST_TEXT", "require_trusted"]

MOST_OBJECTS = 20_000
"""Groups and datasets of one file."""
MOST_LEVELS = 16
"""Groups inside groups."""
MOST_TEXT = 256 * 2**20
"""Bytes of all texts of a file."""
RATIO, SMALL = 100, 256 * 2**20
_MOST_NAME, _MOST_ATTRIBUTES, _MOST_ENTRIES = 255, 256, 64
_FILTERS = {h5z.FILTER_DEFLATE: "gzip", h5z.FILTER_SHUFFLE: "shuffle", h5z.FILTER_FLETCHER32: ""}
# What dimension scales consist of: the only references a run file has.
_SCALES = {b"DIMENSION_LIST": h5t.VLEN, b"REFERENCE_LIST": h5t.COMPOUND}
_TEXT = 16  # bytes that stand in an object for a text of variable length


def require_trusted(file: h5py.File) -> None:
    """Refuse a file that could reach outside itself or exhaust the reader; it is then closed.

    Args:
        file: just opened, nothing read yet.

    Raises:
        StoreError: naming the object and what is wrong with it.
    """
    where = file.filename
    try:
        _Walk(file).whole()
    except _Refused as refused:
        file.close()
        raise StoreError(f"is not trusted: {refused}", where=where) from None
    except (OSError, RuntimeError, KeyError, TypeError, ValueError, zlib.error) as error:
        file.close()
        reason = " ".join(str(error).split())[:200]
        raise StoreError(f"is damaged ({reason}): copy it again", where=where) from None


class _Refused(Exception):
    """What is refused, object first."""


class _Walk:
    """One walk through a file; `whole` is all that is called."""

    def __init__(self, file: h5py.File) -> None:
        self._root = file.id
        self._size = max(os.stat(file.filename).st_size, 1)
        self._seen: set[int] = set()  # addresses
        self._texts = self._declared = 0

    def whole(self) -> None:
        info = h5o.get_info(self._root)
        self._seen.add(info.addr)
        root = h5g.open(self._root, b"/")
        self._attributes(root, "/")
        groups = [("", root, 1)]
        while groups:
            place, group, level = groups.pop()
            for name, address in self._links(group, place):
                here = f"{place}/{name.decode()}"
                item = self._object(group, name, address, here)
                if isinstance(item, h5d.DatasetID):
                    self._dataset(item, here)
                    self._attributes(item, here)
                else:
                    self._attributes(item, here)
                    if level == MOST_LEVELS:
                        raise _Refused(f"{here} lies more than {MOST_LEVELS} groups deep")
                    groups.append((here, item, level + 1))

    def _links(self, group: h5g.GroupID, place: str) -> list[tuple[bytes, int]]:
        """Names in a group, all of hard links, and where these lead; nothing is followed."""
        links: list[tuple[bytes, int]] = []
        problems: list[str] = []
        kinds = {h5l.TYPE_SOFT: "a soft link", h5l.TYPE_EXTERNAL: "an external link"}

        def visit(name: bytes, info: h5l.LinkInfo) -> bool | None:
            if info.type == h5l.TYPE_HARD and _fair(name) and len(links) < most:
                links.append((name, info.u))
                return None
            shown = f"{place}/{ascii(name.decode('utf-8', 'replace'))[1:-1][:80]}"
            if info.type != h5l.TYPE_HARD:
                problems.append(f"{shown} is {kinds.get(info.type, 'a link of an unknown kind')}")
            elif not _fair(name):
                problems.append(f"{shown} has a name that no run file has")
            else:
                problems.append(f"it has more than {MOST_OBJECTS} objects")
            return True  # ends the iteration

        most = MOST_OBJECTS - len(self._seen) + 1
        group.links.iterate(visit, info=True)
        if problems:
            raise _Refused(problems[0])
        return links

    def _object(
        self, group: h5g.GroupID, name: bytes, address: int, here: str
    ) -> h5g.GroupID | h5d.DatasetID:
        """An object that was not met before."""
        item = h5o.open(group, name)
        if not isinstance(item, h5g.GroupID | h5d.DatasetID):
            raise _Refused(f"{here} is a stored datatype, neither a group nor a dataset")
        if address in self._seen:
            raise _Refused(f"{here} is another name of an object met before: a circle or an alias")
        self._seen.add(address)
        if len(self._seen) > MOST_OBJECTS:
            raise _Refused(f"it has more than {MOST_OBJECTS} objects")
        return item

    def _attributes(self, item: h5g.GroupID | h5d.DatasetID, here: str) -> None:
        names: list[bytes] = []
        # Returning anything ends the iteration: not to collect what will be refused.
        h5a.iterate(
            item, lambda name: names.append(name) or (len(names) > _MOST_ATTRIBUTES or None)
        )
        if len(names) > _MOST_ATTRIBUTES:
            raise _Refused(f"{here} has more than {_MOST_ATTRIBUTES} attributes")
        scales = _SCALES if isinstance(item, h5d.DatasetID) else {}
        for name in names:
            attribute = h5a.open(item, name)
            dtype, stored = attribute.get_type(), _stored(attribute)
            if name in scales and dtype.get_class() == scales[name] and not dtype.committed():
                continue
            problem, text = _judged(dtype)
            # What takes bytes has an extent: it is asked for where there are none, or many.
            if not (problem or stored == 0 or (text and stored > _TEXT * _MOST_ENTRIES)) and _fair(
                name
            ):
                continue
            shown = f"attribute {ascii(name.decode('utf-8', 'replace'))[1:-1][:80]} of {here}"
            if not _fair(name):
                raise _Refused(f"{shown} has a name that no run file has")
            if problem:
                raise _Refused(f"{shown} {problem}")
            space = attribute.get_space()
            if space.get_simple_extent_type() == h5s.NULL:
                raise _Refused(f"{shown} has no extent, as nothing in a run file")
            points = space.get_simple_extent_npoints()
            if text and points > _MOST_ENTRIES:
                raise _Refused(f"{shown} has {points} texts, more than {_MOST_ENTRIES}")

    def _dataset(self, data: h5d.DatasetID, here: str) -> None:
        plan, dtype = data.get_create_plist(), data.get_type()
        # The layout first: asking a virtual dataset for its extent may open its sources.
        layout = plan.get_layout()
        if layout == h5d.VIRTUAL:
            raise _Refused(f"{here} is a virtual dataset, put together from other files")
        if plan.get_external_count():
            name = ascii(os.fsdecode(plan.get_external(0)[0]))[1:-1][:80]
            raise _Refused(f"{here} keeps its values outside, in {name}")
        problem, text = _judged(dtype)
        if problem:
            raise _Refused(f"{here} {problem}")
        filters = [plan.get_filter(i)[0] for i in range(plan.get_nfilters())]
        for code in filters:
            if code not in _FILTERS:
                raise _Refused(f"{here} needs filter {code}, which no run file needs")
        if len({*filters}) < len(filters):
            raise _Refused(f"{here} is packed twice")
        space = data.get_space()
        if space.get_simple_extent_type() == h5s.NULL:
            raise _Refused(f"{here} has no extent, as nothing in a run file")
        shape = space.get_simple_extent_dims()
        points = prod(int(n) for n in shape)
        declared, stored = points * dtype.get_size(), data.get_storage_size()
        if not stored and len(shape) == 1 and _is_placeholder(data):
            if points > max(self._size, 2**16):  # its paths would not fit into the file
                raise _Refused(f"{here} names an axis of {points} entries, more than the file has")
            return
        self._declared += declared
        if self._declared > max(RATIO * self._size, SMALL):
            size = f"{size_words(declared)} in a file of {size_words(self._size)}"
            raise _Refused(f"{here} declares {size}")
        if not filters and stored < declared:
            raise _Refused(f"{here} declares {size_words(declared)} but holds {size_words(stored)}")
        if stored > self._size:
            raise _Refused(f"{here} claims {size_words(stored)}, more than the file has")
        offset = data.get_offset() if layout == h5d.CONTIGUOUS else None
        if offset is not None and declared and offset + declared > self._size:
            raise _Refused(f"{here} lies beyond the end of the file")
        if layout == h5d.CHUNKED:
            self._chunks(data, prod(plan.get_chunk()) * dtype.get_size(), filters, here)
        if text:
            self._text(data, points, here)

    def _chunks(self, data: h5d.DatasetID, size: int, filters: list[int], here: str) -> None:
        """Refuse chunks that are, or unpack to, more than they declare."""
        if size > SMALL:
            raise _Refused(f"{here} has chunks of {size_words(size)}")
        if h5z.FILTER_DEFLATE not in filters:
            return
        packed: list[tuple[int, ...]] = []
        # gzip packs 1032 to 1 at best: a chunk of fewer bytes cannot grow beyond SMALL.
        data.chunk_iter(
            lambda chunk: packed.append(chunk.chunk_offset) if chunk.size > SMALL // 1100 else None
        )
        for offset in packed:
            _, raw = data.read_direct_chunk(offset)
            stream, total = zlib.decompressobj(), 0
            while raw and not stream.eof and total <= size:
                total += len(stream.decompress(raw, 2**20))
                raw = stream.unconsumed_tail
            if total > size:
                raise _Refused(f"{here} has a chunk that unpacks to more than {size_words(size)}")

    def _text(self, data: h5d.DatasetID, points: int, here: str) -> None:
        """Add up texts, so few at once that entries which share one cannot fill the memory."""
        dtype, space = h5t.special_dtype(vlen=bytes), data.get_space()
        shape = space.get_simple_extent_dims()
        if len(shape) > 1:
            raise _Refused(f"{here} is a table of texts")
        step = max(1, MOST_TEXT // self._size)
        memory = h5t.py_create(dtype)
        for start in range(0, points, step):
            count = min(step, points - start)
            found: Any = np.empty(count, dtype=dtype)
            if shape:
                space.select_hyperslab((start,), (count,))
            data.read(h5s.create_simple((count,)), space if shape else h5s.ALL, found, memory)
            self._texts += sum(len(text or b"") for text in found)
            if self._texts > MOST_TEXT:
                raise _Refused(f"{here} has texts of more than {size_words(MOST_TEXT)}")


def _fair(name: bytes) -> bool:
    """Whether a name is what a run file may have: printable, short, no path."""
    return len(name) <= _MOST_NAME and _printable(name)


@lru_cache(1024)  # attributes of all objects bear the same few
def _printable(name: bytes) -> bool:
    try:
        text = name.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return text.isprintable() and text not in ("", ".", "..") and "/" not in text


def _leaves(dtype: h5t.TypeID) -> Iterator[h5t.TypeID]:
    """The type itself, or the two members of a complex number."""
    if isinstance(dtype, h5t.TypeCompoundID):
        members = [dtype.get_member_name(i) for i in range(dtype.get_nmembers())]
        if members == [b"r", b"i"]:
            yield from (dtype.get_member_type(i) for i in range(2))
            return
    yield dtype


_judgements: dict[bytes, tuple[str, bool]] = {}  # of types, by what HDF5 encodes them to


def _judged(dtype: h5t.TypeID) -> tuple[str, bool]:
    """What is wrong with a type that is no number, truth value or text, "" where nothing is; and
    whether it is text of variable length.
    """
    if dtype.committed():
        return "has a stored datatype", False
    code = dtype.encode()
    found = _judgements.get(code)
    if found is None:
        problem = next((words for leaf in _leaves(dtype) if (words := _no_leaf(leaf))), "")
        text = isinstance(dtype, h5t.TypeStringID) and dtype.is_variable_str()
        found = problem, text
        if len(_judgements) < 256 and len(code) < 256:  # those of a stranger's file are not kept
            _judgements[code] = found
    return found


def _no_leaf(leaf: h5t.TypeID) -> str:
    """What is wrong with a type without members."""
    kind = leaf.get_class()
    if kind == h5t.REFERENCE:
        return "holds references"
    text = kind == h5t.STRING
    if kind not in (h5t.INTEGER, h5t.FLOAT, h5t.ENUM) and not text:
        return "is of a type that no run file has"
    if leaf.get_size() > 16 and not (text and leaf.get_size() <= MOST_TEXT):
        return f"has values of {leaf.get_size()} bytes each"
    return ""


def _stored(attribute: h5a.AttrID) -> int:
    """Bytes of an attribute's values."""
    try:
        return attribute.get_storage_size()
    except RuntimeError:  # h5py's word for none
        return 0


def _is_placeholder(data: h5d.DatasetID) -> bool:
    """Whether a dataset is marked as a dimension scale without values."""
    return h5a.exists(data, b"CLASS") and h5a.exists(data, b"NAME")
