"""Results of a study as one HDF5 file: every cell's keys and values, by name, with units.

    /                      attributes: format "thermohw-study/1", minor 1, study, title, question
    /parameters            the study's parameters: numbers, texts; anything else as JSON text
    /provenance            versions, platform, time
    /cells/<name>          one entry of all cells
    /seconds/{wall,cpu}    (cell) what every cell took
    /checksums/manifest    one text that counts all of the above (docs/format.md), with its sha256

What an entry of all cells looks like is told in `thermohw.store.entries`.

Reading compares the file with its manifest first. Files of before there were manifests have neither
one nor the attribute `minor`; they are read as they always were, and `checked` says so.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from thermohw import outputs
from thermohw.errors import StoreError, overtaxed
from thermohw.intake import require_file
from thermohw.store.dimensions import is_placeholder
from thermohw.store.draft import Draft
from thermohw.store.entries import ABSENT, leaves, read_entry, unleaved, write_entry
from thermohw.store.manifest import DAMAGED, manifest, require_counted
from thermohw.store.opening import new_file
from thermohw.store.parameters import read_tree, write_tree
from thermohw.store.trust import require_trusted

__all__ = ["STUDY_FORMAT", "StudyResults", "check_results", "read_results", "write_results"]

STUDY_FORMAT = "thermohw-study/1"
_COUNTED = ("/", "cells", "parameters", "provenance", "seconds")


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
        spare = outputs.begin(path.parent)
    except OSError as error:
        raise StoreError(f"cannot be written ({error.strerror})", where=str(path)) from error
    try:
        with new_file(spare) as file:
            draft = Draft(file)
            head = {"study": results.study, "title": results.title, "question": results.question}
            draft.attributes("/", {"format": STUDY_FORMAT, "minor": 1, **head})
            draft.dimension("/cell", len(results.rows))
            write_tree(draft, draft.group("/parameters"), leaves(results.parameters))
            write_tree(draft, draft.group("/provenance"), results.provenance)
            draft.group("/cells")
            names = dict.fromkeys(key for row in results.rows for key in row)
            for order, name in enumerate(names, 1):
                unit = results.units.get(name, "1")
                attributes = {"order": order, "unit": unit, "units": unit}
                values = [row.get(name, ABSENT) for row in results.rows]
                write_entry(draft, f"/cells/{name}", values, attributes)
            draft.group("/seconds")
            for name, values in (("wall", results.wall), ("cpu", results.cpu)):
                times = np.asarray(values, dtype="<f8")
                draft.values(f"/seconds/{name}", times, ("cell",), {"unit": "s", "units": "s"})
            counted = draft.manifest(_COUNTED)
            write_tree(draft, draft.group("/checksums"), {"manifest": counted})
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
            for row, value in zip(rows, read_entry(item, len(rows)), strict=True):
                if value is not ABSENT:
                    row[name] = value
        parameters, origin = file["parameters"], file["provenance"]
        assert isinstance(parameters, h5py.Group) and isinstance(origin, h5py.Group)
        return StudyResults(
            str(file.attrs["study"]),
            str(file.attrs["title"]),
            str(file.attrs["question"]),
            unleaved(read_tree(parameters)),
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
    except StoreError:
        raise
    except Exception as error:  # a stranger's file may break any expectation
        if overtaxed(error):
            raise
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


def _data(file: h5py.File, place: str) -> h5py.Dataset:
    item = file[place]
    assert isinstance(item, h5py.Dataset), f"{place} is no dataset"
    return item
