"""One entry of every cell of a study, as HDF5 has it.

An entry that every cell has in one type and shape is one dataset (cell, ...) with the attributes
`unit` and `units`; `present` (0 or 1 per cell) says where a cell lacks it, and filler stands there.
Attribute `kind` says what it was: float, int, bool, text, array, or json (lists, nothing, mixtures:
each as JSON text). Arrays of different shapes become a group with one dataset per cell, named by
its number; a cell that lacks the entry has none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from thermohw.intake import parse_json
from thermohw.store.draft import Draft
from thermohw.store.parameters import read_tree, write_tree

__all__ = ["ABSENT", "leaves", "read_entry", "unleaved", "write_entry"]

_JSON = "json:"
_SCALARS: dict[str, type] = {"bool": bool, "int": int, "float": float, "text": str}


class _Absent:
    def __repr__(self) -> str:
        return "absent"


ABSENT: Any = _Absent()


def _kind(values: Sequence[Any]) -> str:
    """The one kind of all present values."""
    for kind, cls in _SCALARS.items():
        if all(type(value) is cls for value in values):
            small = kind != "int" or all(-(2**63) <= value < 2**63 for value in values)
            return kind if small else "json"
    if all(isinstance(value, np.ndarray) for value in values):
        return "array"
    return "json" if not any(isinstance(v, np.ndarray) for v in values) else "mixed"


def write_entry(draft: Draft, place: str, values: list[Any], attributes: Mapping[str, Any]) -> None:
    """Writes what every cell has under one name, ABSENT where a cell has nothing.

    Args:
        draft: the file.
        place: of the entry, in a group that is there.
        values: one a cell.
        attributes: further ones of the entry.
    """
    name = place.rsplit("/", 1)[1]
    present = np.array([value is not ABSENT for value in values])
    there = [value for value in values if value is not ABSENT]
    some = {} if present.all() else {"present": present.astype(np.uint8)}
    kind = _kind(there)
    same = kind == "array" and len({(v.shape, v.dtype) for v in there}) == 1
    text = kind == "array" and any(v.dtype.kind == "U" for v in there)
    if kind == "mixed" or (kind == "array" and (not same or text)):
        draft.group(place, {"kind": "cells", **some, **attributes})
        for i, value in enumerate(values):
            if value is not ABSENT:
                write_tree(draft, place, leaves({str(i): value}))
        return
    if kind == "array":
        filler = np.zeros_like(there[0])
        if filler.dtype.kind in "fc":
            filler[...] = np.nan
        data: Any = np.stack([filler if v is ABSENT else v for v in values])
    elif kind in ("text", "json"):
        texts = [json.dumps(v) if kind == "json" else v for v in there]
        full = iter(texts)
        data = np.array([next(full) if here else "" for here in present], dtype=object)
    else:
        empty = {"float": np.nan, "int": 0, "bool": False}[kind]
        data = np.array([empty if v is ABSENT else v for v in values])
    # With the length in the name, so that an axis has one length in the whole group.
    axes = ("cell", *(f"{name}_axis{i}_{n}" for i, n in enumerate(data.shape[1:])))
    draft.values(place, data, axes, {"kind": kind, **some, **attributes})


def read_entry(item: Any, count: int) -> list[Any]:
    """What `write_entry` wrote for `count` cells."""
    kind = str(item.attrs["kind"])
    if kind == "cells":
        tree = unleaved(read_tree(item))
        return [tree.get(str(i), ABSENT) for i in range(count)]
    present = np.asarray(item.attrs.get("present", np.ones(count, np.uint8)))
    data = item[()]
    made: list[Any] = []
    for here, value in zip(present, data, strict=True):
        if not here:
            made.append(ABSENT)
        elif kind in ("text", "json"):
            made.append(value.decode() if kind == "text" else parse_json(value))
        else:
            made.append(np.array(value) if kind == "array" else _SCALARS[kind](value))
    return made


def leaves(tree: Mapping[str, Any]) -> dict[str, Any]:
    """What `write_tree` takes: lists, nothing and arrays of text as marked JSON text."""
    made: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, np.ndarray) and value.dtype.kind == "U":
            made[name] = f"{_JSON}{json.dumps({'texts': value.tolist()})}"
        elif isinstance(value, bool | int | float | np.ndarray):
            made[name] = value
        elif isinstance(value, str) and not value.startswith(_JSON):
            made[name] = value
        else:
            made[name] = f"{_JSON}{json.dumps(value)}"
    return made


def unleaved(tree: Mapping[str, Any]) -> dict[str, Any]:
    """What `leaves` was given."""
    made: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, str) and value.startswith(_JSON):
            value = parse_json(value.removeprefix(_JSON))
            if isinstance(value, dict) and value.keys() == {"texts"}:
                value = np.array(value["texts"], dtype=str)
        made[name] = value
    return made
