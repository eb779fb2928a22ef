"""Where pages go: one run file to one page, a folder of them to an index, a study's to its page.

A page appears whole or not at all (`thermohw.outputs`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from thermohw import outputs
from thermohw.errors import InputError
from thermohw.report.index import index
from thermohw.report.page import page
from thermohw.run.stored import stored_path

__all__ = ["destination", "report"]


def report(path: str | Path | Any, out: str | Path | None = None, *, audit: Any = None) -> Path:
    """Make the page of a run, or of a folder of runs.

    Args:
        path: a run file or the `Run` that was stored, a folder that holds some (*.h5), or the
            folder of a study.
        out: the page to write; default beside the run under its name (run.html), or index.html in
            the folder.
        audit: an audit made earlier (its JSON, or the object); default made now. Of one run only.

    Returns:
        The page.

    Raises:
        StoreError: not a run file, damaged, unfinished, or of another program.
        InputError: the page cannot be written where it should go, or a folder without runs.
    """
    source = stored_path(path, "report")
    if source.is_dir():
        if audit is not None:
            raise InputError("an audit belongs to one run, not to a folder", where=str(path))
        from thermohw.report.study import is_study, study_page

        target = destination(source / "index.html" if out is None else Path(out))
        text = study_page(source) if is_study(source) else index(source, target)
    else:
        target = destination(source.with_suffix(".html") if out is None else Path(out), source)
        if audit is None:
            from thermohw.audit import audit as audit_run  # heavy, and not needed for a kept audit

            audit = audit_run(source)
        text = page(source, audit)
    outputs.write(target, text.encode(errors="replace"))  # names from files may be no text
    return target


def destination(target: Path, source: Path | None = None) -> Path:
    """An output's path, refused before any work is done where it cannot be.

    Raises:
        InputError: a folder, no folder to put it into, or the source itself.
    """
    outputs.check_place(target, "a page, such as report.html")
    if source is not None and target.exists() and source.exists() and target.samefile(source):
        raise InputError("is the run itself: give the page another name", where=str(target))
    return target
