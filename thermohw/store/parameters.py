"""A tree of parameters: what the run was made from, verbatim.

Nested mappings become groups; every leaf becomes one dataset, whose attribute `kind` says what:

    text               UTF-8 string, with sha256 of its bytes
    bytes              uint8 vector, with sha256 of the bytes
    array              numbers of any shape, with sha256 of the values in C order, little endian
    int, float, bool   scalars

so that `read_tree` gives back what `write_tree` was given, and a hash says whether it is still the
same. Integers beyond 64 bits (seeds) are kept as decimal text of kind "int".
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, cast

import h5py
import numpy as np

from thermohw.errors import StoreError
from thermohw.store.dimensions import is_placeholder
from thermohw.store.draft import Draft

__all__ = ["content_hash", "read_tree", "required", "tree_bytes", "wrong_hashes", "write_tree"]

# What the parameters of a thermohw run MUST hold (docs/format.md), and of which type: of every
# kind, and of each. A file without a kind is a score's.
REQUIRED: dict[str, type] = {
    "spec": str,
    "simulate": str,
    "datasheet/text": str,
    "datasheet/name": str,
    "datasheet/overrides": str,
    "datasheet/content_hash": str,
}
PLAYED = "played"
REQUIRED_OF: dict[str, dict[str, type]] = {
    PLAYED: {"process": str, "protocol": str, "score/kind": str, "score/scale": float},
    "program": {"kind": str, "program": str, "units/energy": float, "baths/energy": np.ndarray},
    "jumps": {"kind": str, "jumps": str, "units/energy": float, "baths/energy": np.ndarray},
    "evolve": {"kind": str, "evolve": str, "units/energy": float, "baths/energy": np.ndarray},
}

Leaf = str | int | float | bool | bytes | np.ndarray


def content_hash(value: str | bytes | np.ndarray) -> str:
    """Hexadecimal sha256 of a text (UTF-8), a blob, or an array (C order, little endian)."""
    if isinstance(value, str):
        value = value.encode()
    elif not isinstance(value, bytes):
        value = np.asarray(value, dtype=_little(value.dtype)).tobytes()
    return hashlib.sha256(value).hexdigest()


def write_tree(draft: Draft, place: str, tree: Mapping[str, Any]) -> None:
    """Writes a nested mapping of text, numbers, bytes and arrays below the group at `place`."""
    for name, value in tree.items():
        assert isinstance(name, str) and name and "/" not in name and name != ".", (
            f"bad name {name!r}"
        )
        if isinstance(value, Mapping):
            write_tree(draft, draft.group(f"{place}/{name}"), value)
        else:
            _write_leaf(draft, f"{place}/{name}", name, value)


def read_tree(group: h5py.Group) -> dict[str, Any]:
    """The nested mapping that `write_tree` wrote."""
    tree: dict[str, Any] = {}
    for name, item in group.items():
        if isinstance(item, h5py.Group):
            tree[name] = read_tree(item)
        elif not is_placeholder(item):
            tree[name] = _read_leaf(item)
    return tree


def required(tree: dict[str, Any], where: str) -> dict[str, Any]:
    """The tree, if it holds all that the parameters of a run must hold.

    Raises:
        StoreError: something is missing or of another type; the message names it.
    """
    problems = []
    world = tree.get("kind", PLAYED)
    if not isinstance(world, str) or world not in REQUIRED_OF:
        raise StoreError(
            f"holds a run of kind {str(world)[:40]!r}; this thermohw knows "
            f"{', '.join(REQUIRED_OF)}: upgrade it, or the file was changed",
            where=where,
        )
    for place, kind in (REQUIRED | REQUIRED_OF[world]).items():
        found: Any = tree
        for name in place.split("/"):
            found = found.get(name) if isinstance(found, Mapping) else None
        if not isinstance(found, kind):
            what = "is missing" if found is None else f"is {type(found).__name__}"
            problems.append(f"/parameters/{place} {what}")
    if problems:
        raise StoreError(
            f"lacks what a run is made from ({', '.join(problems)}): it was not written by a "
            "thermohw run, or was changed",
            where=where,
        )
    return tree


def wrong_hashes(group: h5py.Group) -> Iterator[tuple[str, str]]:
    """Yields (place, problem) for every text, blob or array below `group` that its hash denies."""
    for item in group.values():
        if isinstance(item, h5py.Group):
            yield from wrong_hashes(item)
        elif not is_placeholder(item) and item.attrs.get("kind") in ("text", "bytes", "array"):
            stored = item.attrs.get("sha256")
            if stored is None:
                yield item.name, "has no sha256"
            elif content_hash(cast("str | bytes | np.ndarray", _read_leaf(item))) != stored:
                yield item.name, "differs from its sha256: changed or damaged after it was written"


def tree_bytes(tree: Mapping[str, Any]) -> int:
    """An upper estimate of the bytes a tree takes in the file, headers included."""
    total = 0
    for name, value in tree.items():
        # 2.5 KiB: object header, attributes and, for vectors, one dimension scale each, and the
        # lines of the manifest.
        total += 2560 + 16 * len(name)
        if isinstance(value, Mapping):
            total += tree_bytes(value)
        elif isinstance(value, str | bytes):
            total += len(value.encode() if isinstance(value, str) else value)
        elif not isinstance(value, int | float):
            total += np.asarray(value).nbytes + 1024 * np.ndim(value)
    return total


def _little(dtype: np.dtype) -> np.dtype:
    return dtype.newbyteorder("<")


def _write_leaf(draft: Draft, place: str, name: str, value: Leaf) -> None:
    attributes: dict[str, str] = {}
    stored: Any = value
    if isinstance(value, str):
        attributes = {"kind": "text", "sha256": content_hash(value)}
    elif isinstance(value, bytes):
        attributes = {"kind": "bytes", "sha256": content_hash(value)}
        stored = np.frombuffer(value, dtype=np.uint8)
    elif isinstance(value, bool | np.bool_):
        attributes, stored = {"kind": "bool"}, np.bool_(value)
    elif isinstance(value, int | np.integer):
        small = -(2**63) <= value < 2**63
        attributes, stored = {"kind": "int"}, np.int64(value) if small else str(value)
    elif isinstance(value, float | np.floating):
        attributes, stored = {"kind": "float"}, np.float64(value)
    else:
        stored = np.asarray(value)
        assert stored.dtype.kind in "biufc", f"parameter {name}: {stored.dtype} cannot be stored"
        attributes = {"kind": "array", "sha256": content_hash(stored)}
    # With the length in the name, for xarray wants an axis to have one length in a group and below.
    axes = tuple(f"{name}_axis{i}_{n}" for i, n in enumerate(np.shape(stored)))
    draft.values(place, stored, axes, attributes)


def _read_leaf(data: h5py.Dataset) -> Leaf:
    """What a dataset holds, of the kind that it says.

    Raises:
        StoreError: it holds something else.
    """
    kind, value = data.attrs.get("kind"), data[()]
    try:
        if kind == "text":
            return value.decode()
        if kind == "bytes":
            return value.tobytes()
        if kind == "bool":
            return bool(value)
        if kind == "int":
            return int(value)
        if kind == "float":
            return float(value)
        array = np.asarray(value)
        if array.dtype.kind in "biufc" and isinstance(value, np.ndarray | np.generic):
            return array
    except (AttributeError, TypeError, ValueError):
        pass
    raise StoreError(f"{data.name} is no {kind or 'number'}, as it says", where=data.file.filename)
