"""Results of a study as one HDF5 file: every cell's keys and values, by name, with units.

    /                      attributes: format "thermohw-study/1", minor 1, study, title, question
    /parameters            the study's parameters: numbers, texts; anything else as JSON text
    /provenance            versions, platform, time
    /cells/<name>          one entry of all cells
    /seconds/{wall,cpu}    (cell) what every cell took
    /checksums/manifest    one text that counts all of the above (docs/format.md), with its sha256

Under /cells, an entry that every cell has in one type and shape is one dataset (cell, ...) with the
attributes `unit` and `units`; `present` (0 or 1 per cell) says where a cell lacks it, and filler
stands there. Attribute `kind` says what it was: float, int, bool, text, array, or json (lists,
nothing, mixtures: each as JSON text). Arrays of different shapes become a group with one dataset
per cell, named by its number; a cell that lacks the entry has none.

Reading compares the file with its manifest first. Files of before there were manifests have neither
one nor the attribute `minor`; they are read as they always were, and `checked` says so.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from thermohw import outputs
from thermohw.errors import StoreError
from thermohw.intake import parse_json, require_file
from thermohw.store.dimensions import attach, is_placeholder, make_placeholder
from thermohw.store.manifest import DAMAGED, manifest, require_counted
from thermohw.store.parameters import read_tree, write_tree
from thermohw.store.trust import require_trusted

__all__ = ["STUDY_FORMAT", "StudyResults", "check_results", "read_results", "write_results"]

STUDY_FORMAT = "thermohw-study/1"
_COUNTED = ("/", "cells", "parameters", "provenance", "seconds")
_SCALARS: dict[str, type] = {"bool": bool, "int": int, "float": float, "text": str}


@dataclass(frozen=True)
class StudyResults:
    """What a results file holds.

    Attributes:
        study: its name.
        title: a few words.
        question: one sentence.
        parameters: of the study.
        rows: a mapping per cell: its keys, then its values.
        units: entry -> unit.
        wall: seconds of every cell, shape (cells,).
        cpu: seconds of processor time of every cell, shape (cells,).
        provenance: texts.
        checked: whether everything equals its checksum; False where the file has none.
    """

    study: str
    title: str
    question: str
    parameters: dict[str, Any]
    rows: list[dict[str, Any]]
    units: dict[str, str]
    wall: np.ndarray
    cpu: np.ndarray
    provenance: dict[str, Any]
    checked: bool = True


def write_results(path: str | Path, results: StudyResults) -> Path:
    """Write a results file; an existing one is replaced only by a whole one.

    Raises:
        StoreError: it cannot be written where it should go.
    """
    path = Path(path)
    try:
        # No lock of HDF5's own: the file is locked by us already.
        spare = outputs.begin(path.parent)
    except OSError as error:
        raise StoreError(f"cannot be written ({error.strerror})", where=str(path)) from error
    try:
        with h5py.File(spare, "w", locking=False) as file:
            file.attrs.update(
                format=STUDY_FORMAT,
                minor=1,
                study=results.study,
                title=results.title,
                question=results.question,
            )
            make_placeholder(file, "cell", len(results.rows))
            write_tree(file.create_group("parameters"), _leaves(results.parameters))
            write_tree(file.create_group("provenance"), results.provenance)
            group = file.create_group("cells")
            for name in dict.fromkeys(key for row in results.rows for key in row):
                _write(group, name, [row.get(name, _ABSENT) for row in results.rows])
                unit = results.units.get(name, "1")
                group[name].attrs.update(unit=unit, units=unit)
            seconds = file.create_group("seconds")
            for name, values in (("wall", results.wall), ("cpu", results.cpu)):
                data = seconds.create_dataset(name, data=np.asarray(values, dtype="<f8"))
                data.attrs.update(unit="s", units="s")
                attach(data, ("cell",))
            write_tree(
                file.create_group("checksums"), {"manifest": manifest(file, groups=_COUNTED)}
            )
        os.replace(spare, path)
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise StoreError(f"cannot be written ({reason})", where=str(path)) from error
    finally:
        outputs.discard(spare)
    return path


def read_results(path: str | Path) -> StudyResults:
    """Read a results file back.

    Args:
        path: a results.h5, or the folder of a study that holds one.

    Raises:
        StoreError: no such file, a damaged one, or one that holds something else.
    """
    path = Path(path) / "results.h5" if Path(path).is_dir() else Path(path)
    with _opened(path) as file:
        checked = _counted(file)
        wall, cpu = (np.asarray(_data(file, f"seconds/{n}")[()]) for n in ("wall", "cpu"))
        rows: list[dict[str, Any]] = [{} for _ in wall]
        units: dict[str, str] = {}
        cells = file["cells"]
        assert isinstance(cells, h5py.Group)
        entries: list[tuple[str, Any]] = [
            (str(n), item) for n, item in cells.items() if not is_placeholder(item)
        ]
        for name, item in sorted(entries, key=lambda entry: int(entry[1].attrs["order"])):
            units[name] = str(item.attrs["unit"])
            for row, value in zip(rows, _read(item, len(rows)), strict=True):
                if value is not _ABSENT:
                    row[name] = value
        parameters, origin = file["parameters"], file["provenance"]
        assert isinstance(parameters, h5py.Group) and isinstance(origin, h5py.Group)
        return StudyResults(
            str(file.attrs["study"]),
            str(file.attrs["title"]),
            str(file.attrs["question"]),
            _unleaved(read_tree(parameters)),
            rows,
            units,
            wall,
            cpu,
            read_tree(origin),
            checked,
        )


def check_results(path: str | Path) -> bool:
    """Whether everything in a results file equals its checksum; False where it has none.

    Raises:
        StoreError: no results file, or one that was changed or damaged.
    """
    with _opened(Path(path)) as file:
        return _counted(file)


@contextmanager
def _opened(path: Path) -> Iterator[h5py.File]:
    """The file, let in by the gate; whatever it makes its reader raise is one StoreError."""
    where = str(path)
    try:
        require_file(path, "results file")
        with h5py.File(path, "r") as file:
            require_trusted(file)
            if file.attrs.get("format") != STUDY_FORMAT:
                raise StoreError("holds no results of a study", where=where)
            yield file
    except (StoreError, MemoryError):
        raise
    except Exception as error:  # a stranger's file may break any expectation
        reason = " ".join(str(error).split())
        raise StoreError(f"is no readable results file ({reason})", where=where) from None


def _counted(file: h5py.File) -> bool:
    """Whether the file equals its manifest; False where it has none and need not have one."""
    minor, there = int(file.attrs.get("minor", 0)), "checksums" in file
    if (minor > 0) != there:
        what = "carries" if there else "lacks"
        raise StoreError(f"{what} checksums against its version: {DAMAGED}", where=file.filename)
    if there:
        require_counted(file, manifest(file, groups=_COUNTED))
    return there


class _Absent:
    def __repr__(self) -> str:
        return "absent"


_ABSENT: Any = _Absent()


def _kind(values: Sequence[Any]) -> str:
    """The one kind of all present values."""
    for kind, cls in _SCALARS.items():
        if all(type(value) is cls for value in values):
            small = kind != "int" or all(-(2**63) <= value < 2**63 for value in values)
            return kind if small else "json"
    if all(isinstance(value, np.ndarray) for value in values):
        return "array"
    return "json" if not any(isinstance(v, np.ndarray) for v in values) else "mixed"


def _write(group: h5py.Group, name: str, values: list[Any]) -> None:
    present = np.array([value is not _ABSENT for value in values])
    there = [value for value in values if value is not _ABSENT]
    kind = _kind(there)
    same = kind == "array" and len({(v.shape, v.dtype) for v in there}) == 1
    text = kind == "array" and any(v.dtype.kind == "U" for v in there)
    if kind == "mixed" or (kind == "array" and (not same or text)):
        item: Any = group.create_group(name)
        for i, value in enumerate(values):
            if value is not _ABSENT:
                write_tree(item, _leaves({str(i): value}))
        item.attrs["kind"] = "cells"
    else:
        if kind == "array":
            filler = np.zeros_like(there[0])
            if filler.dtype.kind in "fc":
                filler[...] = np.nan
            data: Any = np.stack([filler if v is _ABSENT else v for v in values])
        elif kind in ("text", "json"):
            texts = [json.dumps(v) if kind == "json" else v for v in there]
            full = iter(texts)
            data = np.array([next(full) if here else "" for here in present], dtype=object)
        else:
            empty = {"float": np.nan, "int": 0, "bool": False}[kind]
            data = np.array([empty if v is _ABSENT else v for v in values])
        dtype = h5py.string_dtype() if kind in ("text", "json") else None
        item = group.create_dataset(name, data=data, dtype=dtype)
        item.attrs["kind"] = kind
        # With the length in the name, so that an axis has one length in the whole group.
        attach(item, ("cell", *(f"{name}_axis{i}_{n}" for i, n in enumerate(item.shape[1:]))))
    if not present.all():
        item.attrs["present"] = present.astype(np.uint8)
    item.attrs["order"] = len(group)


def _read(item: Any, count: int) -> list[Any]:
    kind = str(item.attrs["kind"])
    if kind == "cells":
        tree = _unleaved(read_tree(item))
        return [tree.get(str(i), _ABSENT) for i in range(count)]
    present = np.asarray(item.attrs.get("present", np.ones(count, np.uint8)))
    data = item[()]
    made: list[Any] = []
    for here, value in zip(present, data, strict=True):
        if not here:
            made.append(_ABSENT)
        elif kind in ("text", "json"):
            made.append(value.decode() if kind == "text" else parse_json(value))
        else:
            made.append(np.array(value) if kind == "array" else _SCALARS[kind](value))
    return made


_JSON = "json:"


def _leaves(tree: Mapping[str, Any]) -> dict[str, Any]:
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


def _unleaved(tree: Mapping[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, str) and value.startswith(_JSON):
            value = parse_json(value.removeprefix(_JSON))
            if isinstance(value, dict) and value.keys() == {"texts"}:
                value = np.array(value["texts"], dtype=str)
        made[name] = value
    return made


def _data(file: h5py.File, place: str) -> h5py.Dataset:
    item = file[place]
    assert isinstance(item, h5py.Dataset), f"{place} is no dataset"
    return item
