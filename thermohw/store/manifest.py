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
from collections.abc import Collection, Iterator
from typing import Any

import h5py
import numpy as np
from h5py import h5o  # pyright: ignore

from thermohw.store.dimensions import is_placeholder

__all__ = ["COUNTED", "ORIGIN", "difference", "manifest"]

COUNTED = ("h5md", "ledger", "observables", "parameters", "results", "run")
ORIGIN = ("provenance",)  # counted in a text of its own, since equal runs differ there
_INTERNAL = {"CLASS", "NAME", "DIMENSION_LIST", "DIMENSION_LABELS", "REFERENCE_LIST", "manifest"}


def manifest(
    file: h5py.File, filled: Collection[str] = (), groups: Collection[str] | None = COUNTED
) -> str:
    """The text that counts the root's datasets (not for ORIGIN) and whatever is below `groups`.

    Args:
        file: the file, let in by `require_trusted`: links and giants are none of it.
        filled: places of datasets whose content is not counted.
        groups: names of groups in the root; None for all.

    Raises:
        ValueError: the file holds something that no run writes.
    """
    lines, axes = [], {}
    for name in sorted(file):
        item = file[name]
        own = isinstance(item, h5py.Dataset) and groups is not ORIGIN
        if groups is None or name in groups or own:
            lines.extend(_walk(item, f"/{name}", filled, axes))
    return "".join(f"{json.dumps(line, separators=(',', ':'))}\n" for line in lines)


def difference(stored: str, found: str) -> str:
    """Places of the first lines that differ, in words."""
    then, now = ({_place(line): line for line in text.splitlines()} for text in (stored, found))
    places = [place for place in {**then, **now} if then.get(place) != now.get(place)]
    more = f" and {len(places) - 1} more" if len(places) > 1 else ""
    return (places[0] if places else "/checksums/manifest") + more


def _place(line: str) -> str:
    try:
        return str(json.loads(line)[0])
    except (ValueError, LookupError, TypeError):
        return "/checksums/manifest"


def _walk(
    item: Any, place: str, filled: Collection[str], known: dict[int, str]
) -> Iterator[list[Any]]:
    attributes = [
        [name, *_content(item.attrs[name], item.attrs.get_id(name).dtype)]
        for name in sorted(set(item.attrs) - _INTERNAL)
    ]
    if isinstance(item, h5py.Group):
        yield [place, "group", attributes]
        for name in sorted(item):
            yield from _walk(item[name], f"{place}/{name}", filled, known)
    elif is_placeholder(item):
        yield [place, "dimension", list(item.shape)]
    elif isinstance(item, h5py.Dataset):
        axes = [[_name(scale, known) for scale in axis.values()] for axis in item.dims]
        if place in filled:
            content = [_type(item.dtype), list(item.shape), None]
        else:
            content = _content(item[()], item.dtype)
        yield [place, "dataset", *content, axes, attributes]
    else:
        raise ValueError(f"{place} is a type")


def _name(scale: h5py.Dataset, known: dict[int, str]) -> str:
    # HDF5 searches the file for the name of what a reference leads to: asked once an axis.
    address = h5o.get_info(scale.id).addr
    if address not in known:
        known[address] = str(scale.name)
    return known[address]


def _content(value: Any, dtype: np.dtype) -> list[Any]:
    """Type, shape, and sha256 of the values."""
    kind, shape = _type(dtype), list(np.shape(value))
    if kind != "text":
        array = np.asarray(value)
        raw = array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
    elif shape:
        raw = b"".join(_utf8(text) + b"\0" for text in np.ravel(value))
    else:
        raw = _utf8(value)
    return [kind, shape, hashlib.sha256(raw).hexdigest()]


def _utf8(text: Any) -> bytes:
    return text.encode() if isinstance(text, str) else bytes(text)


def _type(dtype: np.dtype) -> str:
    if h5py.check_string_dtype(dtype) is not None:
        return "text"
    if dtype.kind not in "biufc":
        raise ValueError(f"{dtype} is no type of a run file")
    return dtype.newbyteorder("<").str.lstrip("<|")
