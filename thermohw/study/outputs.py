r"""What a finished study leaves in its folder.

All of it but the last line is written anew every time the study is run:

    results.json    format thermohw-study/1: parameters, numbers, tables, checks, findings; the same
                    bytes for the same parameters, but for `provenance`; counts itself and the
                    drawings of figures/ (`thermohw.store.summary`)
    results.h5      every cell's keys and values
    figures/        PNG and SVG
    index.html      the page, a function of the two above
    cells/, networks/, study.json      what a resume needs
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import thermohw
from thermohw.errors import InputError
from thermohw.study.cellfile import Finished, replace_file

if TYPE_CHECKING:
    from thermohw.study.catalogue import Found
    from thermohw.study.folder import Folder
    from thermohw.study.sheet import Sheet

__all__ = ["FORMAT", "Ending", "sources_digest", "write_outputs"]

FORMAT = "thermohw-study/1"


@dataclass(frozen=True)
class Ending:
    """How a run came to its end.

    Attributes:
        quick: whether it was the short version.
        command: the command line, "" from Python.
        seconds: since it began.
        workers: processes.
        computed: cells computed now.
    """

    quick: bool
    command: str
    seconds: float
    workers: int
    computed: int


def write_outputs(
    found: Found, folder: Folder, sheet: Sheet, finished: list[Finished], ending: Ending
) -> None:
    """Write results.json, results.h5, figures and the page.

    Raises:
        InputError: the disk or the folder refuses it.
    """
    from thermohw.report.study import write_study_page
    from thermohw.report.study_figures import figure_files
    from thermohw.store.results import StudyResults, write_results
    from thermohw.store.summary import summary_text

    path, study = folder.path, found.study
    origin = _provenance(finished, ending)
    try:
        figures = path / "figures"
        drawings: dict[str, bytes] = {}
        for name, figure in sheet.drawn.items():
            for suffix, content in figure_files(figure, name).items():
                replace_file(figures / f"{name}.{suffix}", content)
                if suffix == "svg":
                    drawings[f"figures/{name}.svg"] = content
        for file in figures.iterdir():
            if file.suffix in (".png", ".svg") and file.stem not in sheet.drawn:
                file.unlink()
        table = {
            "format": FORMAT,
            "study": found.name,
            "title": study.title,
            "question": study.question,
            "parameters": folder.parameters,
            "quick": ending.quick,
            "cells": len(finished),
            **sheet.to_dict(),
            "provenance": origin,
        }
        text = summary_text(table, drawings)
        write_results(
            path / "results.h5",
            StudyResults(
                found.name,
                study.title,
                study.question,
                folder.parameters,
                [done.row for done in finished],
                dict(study.units),
                np.array([done.wall for done in finished]),
                np.array([done.cpu for done in finished]),
                {k: v for k, v in origin.items() if isinstance(v, str)},
            ),
        )
        replace_file(path / "results.json", text.encode())
        write_study_page(path)
    except OSError as error:
        raise InputError(f"cannot be written ({error.strerror})", where=str(path)) from error


def _provenance(finished: list[Finished], ending: Ending) -> dict[str, Any]:
    from thermohw.store import provenance

    return {
        **provenance(),
        "command": ending.command,
        "sources": sources_digest(),
        "workers": ending.workers,
        "computed": ending.computed,
        "seconds": {
            "wall": round(ending.seconds, 3),
            "cells_wall": round(sum(done.wall for done in finished), 3),
            "cells_cpu": round(sum(done.cpu for done in finished), 3),
        },
    }


@cache
def sources_digest() -> str:
    """Digest of the code that computes: thermohw without shell, studies and pages, 16 digits."""
    root = Path(str(thermohw.__file__)).parent
    digest = hashlib.sha256()
    for file in sorted(root.rglob("*.py")):
        part = file.relative_to(root)
        if part.parts[0] not in ("cli", "experiments", "report", "study", "devices"):
            digest.update(str(part).encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:16]
