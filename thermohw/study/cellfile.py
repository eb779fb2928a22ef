"""One finished cell as one file: cells/<hash>.npz.

A zip archive of plain arrays, no pickle: "meta" is JSON text (UTF-8 bytes) with the cell, its
scalars and texts, and the seconds it took; every array that `compute` returned is "value.<name>".
It is written under another name and renamed, so that a file of this name is whole; a zip archive
carries checksums, so that one damaged later is noticed. Whatever cannot be read counts as not
computed.
"""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from thermohw.errors import InputError, overtaxed
from thermohw.intake import finite, parse_json, require_file, require_room
from thermohw.outputs import replacing
from thermohw.store import content_hash

__all__ = ["Finished", "cell_hash", "plain_values", "read_cell", "replace_file", "write_cell"]

_FORMAT = "thermohw-cell/1"
_ARRAY = "value."


@dataclass(frozen=True)
class Finished:
    """A computed cell.

    Attributes:
        cell: its keys.
        values: what `compute` returned: numbers, texts, arrays.
        wall: seconds it took.
        cpu: seconds of processor time.
        code: digest of the thermohw sources that computed it.
    """

    cell: dict[str, Any]
    values: dict[str, Any]
    wall: float
    cpu: float
    code: str = ""

    @property
    def row(self) -> dict[str, Any]:
        """The cell's keys and values, as `Results` has them."""
        return {**self.cell, **self.values}


def cell_hash(cell: Mapping[str, Any], identity: Mapping[str, Any]) -> str:
    """Name of a cell's file: 32 hexadecimal digits of a sha256.

    Args:
        cell: its keys.
        identity: what else decides what comes out: study, code, version, seed.
    """
    return content_hash(json.dumps({"cell": cell, **identity}, sort_keys=True))[:32]


def plain_values(values: Any, cell: Mapping[str, Any]) -> dict[str, Any]:
    """What `compute` returned, as numbers, texts and arrays.

    Tensors and lists become arrays; numpy scalars and arrays without axes become numbers.

    Raises:
        InputError: something else, or a name that is one of the cell's keys.
    """
    if not isinstance(values, Mapping):
        raise InputError(f"expected a mapping of names to values, got {type(values).__name__}")
    plain: dict[str, Any] = {}
    for name, value in values.items():
        if not isinstance(name, str) or not name or "/" in name:
            raise InputError(f"{name!r} is no name of a value: texts without '/'")
        if name in cell:
            raise InputError(f"the value {name!r} has the name of one of the cell's keys")
        plain[name] = _plain(name, value)
    return plain


def _plain(name: str, value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    array = np.asarray(value)
    if array.dtype.kind not in "biufcU":
        kind = type(value).__name__
        raise InputError(f"{name}: expected a number, a text or an array, got {kind}")
    return array.item() if array.ndim == 0 and array.dtype.kind != "c" else array


def write_cell(path: Path, finished: Finished) -> None:
    """Put a finished cell in its place, whole or not at all.

    Raises:
        OSError: the disk refuses it.
    """
    arrays = {k: v for k, v in finished.values.items() if isinstance(v, np.ndarray)}
    meta = {
        "format": _FORMAT,
        "cell": finished.cell,
        "names": list(finished.values),
        "values": {k: v for k, v in finished.values.items() if k not in arrays},
        "wall": finished.wall,
        "cpu": finished.cpu,
        "code": finished.code,
    }
    text = np.frombuffer(json.dumps(meta).encode(), dtype=np.uint8)
    buffer = io.BytesIO()
    members: dict[str, Any] = {_ARRAY + name: value for name, value in arrays.items()}
    np.savez(buffer, meta=text, **members)
    replace_file(path, buffer.getvalue())


def read_cell(path: Path) -> Finished | None:
    """A finished cell; None where there is no file or not a whole one."""
    try:
        require_file(path)
        with zipfile.ZipFile(path) as whole:
            require_room(sum(member.file_size for member in whole.infolist()), "the cell")
        with np.load(path, allow_pickle=False) as stored:
            meta = parse_json(stored["meta"].tobytes())
            assert meta["format"] == _FORMAT and isinstance(meta["cell"], dict)
            assert isinstance(meta["values"], dict) and isinstance(meta["code"], str)
            values = {
                name: meta["values"][name] if name in meta["values"] else stored[_ARRAY + name]
                for name in meta["names"]
            }
        values = plain_values(values, meta["cell"])  # as `compute` may return them
        wall, cpu = (finite(meta[name], name) for name in ("wall", "cpu"))
        return Finished(meta["cell"], values, wall, cpu, meta["code"])
    except Exception as error:  # a torn zip raises a dozen things, which mean: compute it again
        if overtaxed(error):
            raise
        return None


def replace_file(path: Path, content: bytes) -> None:
    """Write a whole file under its name; the old one stays until the new one is on the disk.

    A study's folder is swept when it is opened, not at each of thousands of cells.
    """
    with replacing(path, tidy=False) as descriptor, open(descriptor, "wb", closefd=False) as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)
