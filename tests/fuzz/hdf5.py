"""Mutations of the structure of HDF5 files: what is missing, renamed, of another shape or type.

They leave every byte readable by HDF5, so that whatever fails is our reading of it. `reseal` brings
the sha256 of the parameters up to date, as a stranger would who means it.
"""

from __future__ import annotations

import contextlib
import json
from typing import Any

import h5py
import numpy as np
from fuzz.mutate import STRANGE, Dice, alter, alter_tree

from thermohw.store import content_hash

__all__ = ["alter_file"]

_SHAPES = ((), (0,), (1,), (3,), (32,), (32, 1), (1, 32), (5, 32, 1), (2, 2, 2, 2))
_TYPES = ("f8", "f4", "f2", "i8", "u1", "i2", ">f8", "c16", "?", "S8", "O")
_VERBS = ("values",) * 4 + ("text",) * 6 + (
    "delete", "rename", "shape", "type", "attribute", "attribute", "no attribute", "group", "soft",
    "hard", "external", "extra", "chunked", "null", "copy",
)  # fmt: skip


def alter_file(file: h5py.File, dice: Dice, *, mild: bool) -> None:
    """One mutation of an opened file.

    Args:
        file: writable.
        dice: draws.
        mild: texts and numbers only, by mild mutations, hashes brought up to date.
    """
    with contextlib.suppress(OSError, ValueError, TypeError, RuntimeError, KeyError):
        _alter(file, dice, mild=mild)  # what HDF5 itself refuses is left as it is


def _alter(file: h5py.File, dice: Dice, *, mild: bool) -> None:
    items: list[Any] = []
    file.visititems(lambda name, item: items.append(item))
    items = [item for item in items if item.name != "/h5md"] or [file["/"]]
    data = [item for item in items if isinstance(item, h5py.Dataset)]
    verb = dice.choice(("text", "text", "scalar")) if mild else dice.choice(_VERBS)
    if verb in ("text", "scalar"):
        data = [d for d in data if _is_text(d)] if verb == "text" else _scalars(data)
        if data:
            _rewrite(dice.choice(data), dice, mild=mild)
        return
    item = dice.choice(data if verb in ("values", "shape", "type", "chunked", "null") else items)
    if verb == "values":
        _values(item, dice)
    elif verb in ("shape", "type", "chunked", "null"):
        _replace(file, item, dice, verb)
    elif verb in ("attribute", "no attribute"):
        _attribute(item, dice, drop=verb == "no attribute")
    else:
        _place(file, item, dice, verb)


def _is_text(item: h5py.Dataset) -> bool:
    return item.shape == () and h5py.check_string_dtype(item.dtype) is not None


def _scalars(data: list[h5py.Dataset]) -> list[h5py.Dataset]:
    return [d for d in data if d.shape == () and d.dtype.kind in "fib"]


def _rewrite(item: h5py.Dataset, dice: Dice, *, mild: bool) -> None:
    """Another text or number, its sha256 brought up to date."""
    value: Any = item[()]
    if not _is_text(item):
        item[()] = dice.choice([value * 2, value / 2, -value]) if value.dtype.kind == "f" else value
        return
    text = value.decode()
    try:
        tree = json.loads(text)
    except ValueError:
        tree = None
    if isinstance(tree, dict | list) and tree:
        new = json.dumps(alter_tree(tree, dice, mild=mild))
    elif mild:
        new = text
    else:
        new = dice.choice([text[: len(text) // 2], "", text + text, "\x1b", "[" * 500, "nan", "{}"])
    item[()] = new
    if "sha256" in item.attrs and not dice.often(10):
        item.attrs["sha256"] = content_hash(new)


def _values(item: h5py.Dataset, dice: Dice) -> None:
    """Some numbers of a dataset become others."""
    if not item.size or item.dtype.kind not in "fiu":
        return
    values: Any = np.atleast_1d(item[()])
    worse = [np.nan, np.inf, -np.inf, 1e300, 0.0, -1.0] if values.dtype.kind == "f" else [0, 1, 100]
    at = dice.number(0, values.size - 1)
    with np.errstate(all="ignore"):
        values.reshape(-1)[at if dice.often(70) else slice(None)] = dice.choice(worse)
    item[...] = values.reshape(item.shape)
    if item.attrs.get("kind") == "array":
        item.attrs["sha256"] = content_hash(np.asarray(item[()]))


def _replace(file: h5py.File, item: h5py.Dataset, dice: Dice, verb: str) -> None:
    """A dataset of another shape, type or storage under the same name."""
    name, attributes = str(item.name), dict(item.attrs)
    shape = dice.choice(_SHAPES) if verb == "shape" else item.shape
    dtype: Any = item.dtype if verb != "type" else dice.choice(_TYPES)
    dtype = h5py.string_dtype() if isinstance(dtype, str) and dtype == "O" else dtype
    del file[name]
    if verb == "null":
        made = file.create_dataset(name, data=h5py.Empty("f8"))
    elif verb == "chunked" and shape:
        chunks = tuple(max(n // 2, 1) for n in shape)
        packed = {"compression": "gzip"} if dice.often(50) else {}
        made = file.create_dataset(name, shape, dtype, chunks=chunks, **packed)
        made[...] = np.zeros(shape, made.dtype) if made.dtype.kind != "O" else "x"
    else:
        made = file.create_dataset(name, shape, dtype)
        if made.dtype.kind != "O":
            made[...] = np.ones(shape, made.dtype)
        elif made.size:
            made[...] = "x"
    for key in ("kind", "sha256", "unit", "units", "order", "present"):
        if key in attributes:
            made.attrs[key] = attributes[key]


def _attribute(item: Any, dice: Dice, *, drop: bool) -> None:
    names = [n for n in item.attrs if n not in ("DIMENSION_LIST", "REFERENCE_LIST")]
    if not names:
        item.attrs["extra"] = 1
        return
    name = dice.choice(names)
    if drop:
        del item.attrs[name]
        return
    old: Any = item.attrs[name]
    value = alter(old.item() if np.ndim(old) == 0 and hasattr(old, "item") else old, name, dice,
                  mild=False)  # fmt: skip
    value = value if isinstance(value, bool | float | str) or _small(value) else [1, 2, 3]
    item.attrs[name] = value.replace("\0", "") if isinstance(value, str) else value


def _small(value: Any) -> bool:
    return isinstance(value, int) and -(2**63) <= value < 2**63


def _place(file: h5py.File, item: Any, dice: Dice, verb: str) -> None:
    """Something else where an object stood."""
    name, parent = str(item.name), item.parent
    if verb == "delete":
        del file[name]
    elif verb == "rename":
        file.move(
            name, f"{name.rsplit('/', 1)[0]}/{dice.choice(['x', 'ünï', 'value2', 'a b', '-'])}"
        )
    elif verb == "group":
        del file[name]
        file.create_group(name)["x"] = 1.0
    elif verb == "soft":
        del file[name]
        file[name] = h5py.SoftLink(dice.choice(["/h5md", "/nowhere", name]))
    elif verb == "external":
        del file[name]
        file[name] = h5py.ExternalLink("elsewhere.h5", "/x")
    elif verb == "hard":
        parent[dice.choice(["again", "value", "circle"])] = dice.choice([item, file["/"], parent])
    elif verb == "copy":
        if "copied" not in parent:
            file.copy(item, parent, "copied")
    else:
        value = dice.choice([v for v in STRANGE if isinstance(v, float | str) and v])
        where = parent if "added" not in parent else file
        where["added"] = value.replace("\0", "") if isinstance(value, str) else value
