"""The output folder of a study: whose it is, and what in it may be used again.

study.json says which study and which parameters the folder holds. Another study, other settings or
foreign files are refused, so that results never mix. Two changes are let through because nothing
stored gets a wrong meaning by them:

    the study's code changed      cells carry the code's digest in their name: those of the old
                                  code are deleted and computed again
    only `conclude` is concerned  the cells are the same under the new parameters

An advisory lock on the folder keeps a second run out while one is at work.
"""

from __future__ import annotations

import fcntl
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import thermohw
from thermohw.errors import InputError
from thermohw.intake import MOST_TABLE, parse_json, read_text
from thermohw.outputs import open_lock, sweep
from thermohw.study.cellfile import Finished, cell_hash, read_cell, replace_file
from thermohw.study.definition import Cell, merge

if TYPE_CHECKING:
    from thermohw.study.catalogue import Found

__all__ = ["Folder"]

_FORMAT = "thermohw-study-folder/1"
_MANIFEST = "study.json"
_KINDS = {"study": str, "quick": bool, "given": dict, "parameters": dict, "cells": list,
          "code": str, "shipped": bool}  # fmt: skip


@dataclass
class Folder:
    """An opened output folder.

    Attributes:
        path: the folder.
        work: hash -> cell, all of them, in order.
        done: hash -> finished cell, those that need no computing.
        parameters: merged parameters of the study.
        notes: what a user should know about what was found.
    """

    path: Path
    work: dict[str, Cell]
    parameters: dict[str, Any]
    done: dict[str, Finished] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    _lock: IO[bytes] | None = None

    @classmethod
    def open(cls, path: Path, found: Found, *, given: dict[str, Any], quick: bool) -> Folder:
        """Make or reopen a folder, and find out what is left to do.

        Raises:
            InputError: it belongs to another study or other parameters, is in use, or cannot be
                written to.
        """
        p = merge(found.study, given, quick=quick)
        identity = {
            "study": found.name,
            "code": found.digest,
            "thermohw": thermohw.__version__,
            "seed": p.get("seed", 0),
        }
        work = {cell_hash(cell, identity): cell for cell in found.study.work(p)}
        folder = cls(path, work, p)
        try:
            path.mkdir(parents=True, exist_ok=True)
            (path / "cells").mkdir(exist_ok=True) if not any(path.iterdir()) else None
            old = _manifest(path)
            folder._claim()
            manifest = {
                "format": _FORMAT,
                "study": found.name,
                "shipped": found.source == found.name,  # a user's own file may have the same name
                "quick": quick,
                "given": given,
                "parameters": p,
                "cells": list(work),
                "code": found.digest,
            }
            if old is not None:
                folder._compare(old, manifest)
            for name in ("cells", "networks", "figures"):
                if (path / name).is_symlink():  # stale files in it are deleted
                    raise InputError(
                        f"its {name} is a link: choose another folder with --out", where=str(path)
                    )
                (path / name).mkdir(exist_ok=True)
                sweep(path / name)
            sweep(path)
            replace_file(path / _MANIFEST, json.dumps(manifest, indent=1).encode())
            folder._collect(old)
        except BaseException as error:
            folder.close()
            if not isinstance(error, OSError):
                raise
            raise InputError(
                f"cannot be written to ({error.strerror}): choose another folder with --out",
                where=str(path),
            ) from error
        return folder

    def close(self) -> None:
        """Let others in."""
        if self._lock is not None:
            self._lock.close()

    def cell_path(self, name: str) -> Path:
        """File of a finished cell."""
        return self.path / "cells" / f"{name}.npz"

    def log_path(self, name: str) -> Path:
        """File with the traceback of a failed cell."""
        return self.path / "cells" / f"{name}.log"

    def _claim(self) -> None:
        self._lock = open_lock(self.path / ".lock")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                "another run is at work here: wait for it, or choose another folder with --out",
                where=str(self.path),
            ) from None

    def _compare(self, old: dict[str, Any], new: dict[str, Any]) -> None:
        """Refuse a folder that holds something else."""
        where = str(self.path)
        advice = "choose another folder with --out, or delete this one"
        if old["study"] != new["study"]:
            raise InputError(
                f"holds the study {old['study']!r}, not {new['study']!r}: {advice}", where=where
            )
        if old.get("shipped", new["shipped"]) != new["shipped"]:
            kinds = {True: "the shipped study", False: "a study of your own"}
            held, wanted = kinds[old["shipped"]], kinds[new["shipped"]]
            raise InputError(
                f"holds {held} of this name, not {wanted}: {advice}",
                where=where,
            )
        if old["code"] == new["code"]:
            if old["cells"] == new["cells"]:
                return  # whatever differs, only `conclude` sees it
            differ = _differences(old["parameters"], new["parameters"])
        else:  # other defaults belong to the change of the study
            differ = _differences(old["given"], new["given"])
            if old["quick"] != new["quick"]:
                differ.insert(0, f"quick was {old['quick']}, is {new['quick']}")
        if differ:
            raise InputError(f"holds other parameters ({'; '.join(differ)}): {advice}", where=where)

    def _collect(self, old: dict[str, Any] | None) -> None:
        """Find what is finished; delete what no cell of this study can be."""
        for name, cell in self.work.items():
            finished = read_cell(self.cell_path(name))
            if finished is not None and finished.cell == cell:
                self.done[name] = finished
            elif self.cell_path(name).exists():
                self.notes.append(f"cells/{name}.npz is damaged: computed again")
        stale = [
            file
            for file in (self.path / "cells").iterdir()
            if file.suffix in (".npz", ".log") and file.stem not in self.work
        ]
        count = sum(file.suffix == ".npz" for file in stale)
        for file in stale:
            file.unlink()
        if old is not None and count:
            self.notes.append(f"study changed, {count} cell{'s' * (count != 1)} recomputed")


def _manifest(path: Path) -> dict[str, Any] | None:
    """What the folder says it holds; None for an empty one."""
    file = path / _MANIFEST
    if not file.exists():
        others = sorted({entry.name for entry in path.iterdir()} - {".lock", "cells"})
        if others:
            raise InputError(
                f"is no study's folder (it holds {others[0]}): choose an empty or a new one "
                "with --out",
                where=str(path),
            )
        return None
    try:
        manifest = parse_json(read_text(file, MOST_TABLE, "manifest"))
        if manifest["format"] != _FORMAT:
            raise ValueError(f"format {manifest['format']}")
        for key, kind in _KINDS.items():
            if not isinstance(manifest.get(key, True if key == "shipped" else None), kind):
                raise ValueError(f"{key} is no {kind.__name__}")
        if not all(isinstance(name, str) for name in manifest["cells"]):
            raise ValueError("cells are no texts")
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"is damaged ({error}): delete the folder, or choose another with --out",
            where=str(file),
        ) from None
    return manifest


def _differences(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    absent = object()
    words = []
    for key in dict.fromkeys([*old, *new]):
        before, after = old.get(key, absent), new.get(key, absent)
        if before != after:
            said = [
                "not set" if value is absent else json.dumps(value) for value in (before, after)
            ]
            words.append(f"{key} was {said[0]}, is {said[1]}")
    return words
