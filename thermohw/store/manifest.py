"""One text that counts everything static in a run file, so that one hash covers it.

A line an object, in the order of a walk through the names: groups, datasets with type, shape, names
of their dimensions and sha256 of their content, and every attribute. Of what a run fills (series,
ledger, results, counters, resume states) the content is left out: that has checksums of its own.
Left out as well are the attributes in which HDF5 keeps its dimension scales, since they are
addresses that any copy may change; the names that they stand for are counted instead. Where and
when a file was made is counted in a second text, an attribute of /provenance, so that files of
equal runs differ there alone. The same
text follows from a file that `h5repack` has rewritten. Specified in docs/format.md.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

import h5py
import numpy as np
from h5py import h5a, h5d, h5ds, h5g, h5i, h5o, h5s  # pyright: ignore

from thermohw.errors import StoreError
from thermohw.intake import parse_json
from thermohw.store.dimensions import names_no_variable

__all__ = ["COUNTED", "DAMAGED", "INTERNAL", "ORIGIN", "content_line", "difference", "manifest",
           "require_counted", "text_of", "type_word"]  # fmt: skip

COUNTED = ("h5md", "ledger", "observables", "parameters", "results", "run")
DAMAGED = "changed or damaged after it was written; copy the file again or run anew"
ORIGIN = ("provenance",)  # counted in a text of its own, since equal runs differ there
INTERNAL = {b"CLASS", b"NAME", b"DIMENSION_LIST", b"DIMENSION_LABELS", b"REFERENCE_LIST",
             b"manifest"}  # fmt: skip

_encode = json.JSONEncoder(separators=(",", ":")).encode


def manifest(
    file: h5py.File, filled: Collection[str] = (), groups: Collection[str] = COUNTED
) -> str:
    """The text that counts the root's datasets (not for ORIGIN) and whatever is below `groups`.

    Args:
        file: the file, let in by `require_trusted`: links and giants are none of it.
        filled: places of datasets whose content is not counted.
        groups: names of groups in the root; "/" for the attributes of the root itself.

    Raises:
        ValueError: the file holds something that no run writes.
    """
    root = h5g.open(file.id, b"/")
    objects: list[tuple[str, Any]] = [("/", root)] if "/" in groups else []
    for name in sorted(root):
        item = h5o.open(root, name)
        if name.decode() in groups or (isinstance(item, h5d.DatasetID) and groups is not ORIGIN):
            objects.extend(_walk(item, f"/{name.decode()}"))
    # HDF5 would search the file for the name of what a reference leads to.
    known = {h5o.get_info(i).addr: place for place, i in objects if isinstance(i, h5d.DatasetID)}
    return text_of(_line(item, place, filled, known) for place, item in objects)


def text_of(lines: Iterable[list[Any]]) -> str:
    """The text of these lines, each a list as docs/format.md tells."""
    return "".join(f"{_encode(line)}\n" for line in lines)


def require_counted(file: h5py.File, found: str) -> None:
    """Refuses a file whose manifest, computed anew, is not the one it carries.

    Args:
        file: which carries it.
        found: the manifest of the file as it is.

    Raises:
        StoreError: something differs; the message names the first place that does.
    """
    stored: Any = file["checksums/manifest"]
    if hashlib.sha256(found.encode()).hexdigest() != stored.attrs["sha256"]:
        raise StoreError(
            f"{difference(stored[()].decode(), found)} differs from /checksums/manifest: {DAMAGED}",
            where=file.filename,
        )


def difference(stored: str, found: str) -> str:
    """Places of the first lines that differ, in words."""
    then, now = ({_place(line): line for line in text.splitlines()} for text in (stored, found))
    places = [place for place in {**then, **now} if then.get(place) != now.get(place)]
    more = f" and {len(places) - 1} more" if len(places) > 1 else ""
    return (places[0] if places else "/checksums/manifest") + more


def _place(line: str) -> str:
    try:
        return str(parse_json(line)[0])
    except (ValueError, LookupError, TypeError):
        return "/checksums/manifest"


def _walk(item: Any, place: str) -> Iterator[tuple[str, Any]]:
    yield place, item
    if isinstance(item, h5g.GroupID):
        for name in sorted(item):
            yield from _walk(h5o.open(item, name), f"{place}/{name.decode()}")


def _line(item: Any, place: str, filled: Collection[str], known: dict[int, str]) -> list[Any]:
    if not isinstance(item, h5g.GroupID | h5d.DatasetID):
        raise ValueError(f"{place} is a type")
    names: list[bytes] = []
    h5a.iterate(item, names.append)
    attributes = []
    for name in sorted({*names} - INTERNAL):
        attribute = h5a.open(item, name)
        attributes.append([name.decode(), *_content(attribute, attribute.read)])
    if isinstance(item, h5g.GroupID):
        return [place, "group", attributes]
    if b"CLASS" in names and names_no_variable(item):
        return [place, "dimension", list(item.shape)]
    if place in filled:
        content = [type_word(item.dtype), list(item.shape), None]
    else:
        content = _content(item, lambda array: item.read(h5s.ALL, h5s.ALL, array))
    axes = _axes(item, known) if b"DIMENSION_LIST" in names else [[] for _ in content[1]]
    return [place, "dataset", *content, axes, attributes]


def _axes(data: h5d.DatasetID, known: dict[int, str]) -> list[list[str]]:
    """Places of the dimension scales of every dimension."""
    axes: list[list[str]] = [[] for _ in data.shape]
    for dimension, places in enumerate(axes):

        def visit(scale: h5d.DatasetID, places: list[str] = places) -> None:
            address = h5o.get_info(scale).addr
            places.append(known.get(address) or h5i.get_name(scale).decode())

        if h5ds.get_num_scales(data, dimension):  # iterating over none is an error
            h5ds.iterate(data, dimension, visit, 0)
    return axes


def _content(item: Any, read: Callable[[np.ndarray], object]) -> list[Any]:
    """Type, shape, and sha256 of the values of a dataset or an attribute."""
    dtype, shape = item.dtype, item.shape
    if shape is None:
        raise ValueError("an empty value is none of a run file")
    type_word(dtype)  # before any byte is read
    array = np.empty(shape, dtype)
    if array.size:
        read(array)
    return content_line(dtype, array)


def content_line(dtype: np.dtype, array: np.ndarray) -> list[Any]:
    """Type, shape, and sha256 of values; texts are of a string type of h5py, or bytes."""
    kind, shape = type_word(dtype), array.shape
    if kind != "text":
        raw: Any = array.astype(dtype.newbyteorder("<"), copy=False).tobytes()
    elif shape:
        raw = b"".join(_utf8(text) + b"\0" for text in np.ravel(array))
    else:
        raw = _utf8(array[()])
    return [kind, list(shape), hashlib.sha256(raw).hexdigest()]


def _utf8(text: Any) -> bytes:
    return text.encode() if isinstance(text, str) else bytes(text)


def type_word(dtype: np.dtype) -> str:
    """A type in the words of the manifest.

    Raises:
        ValueError: no run writes it.
    """
    if h5py.check_string_dtype(dtype) is not None:
        return "text"
    if dtype.kind not in "biufc":
        raise ValueError(f"{dtype} is no type of a run file")
    return dtype.newbyteorder("<").str.lstrip("<|")
