r"""Running a study: parameters -> cells -> results -> sheet -> folder.

Computing is one thing, concluding another: on a folder whose cells are finished, only the second is
done, in seconds.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from thermohw.errors import InputError
from thermohw.outputs import write
from thermohw.study.catalogue import Found, find_study
from thermohw.study.cellfile import Finished, read_cell
from thermohw.study.definition import merge, parse_settings
from thermohw.study.folder import Folder
from thermohw.study.outputs import FORMAT, Ending, sources_digest, write_outputs
from thermohw.study.pool import Job, JobContext, JobOutcome, compute_all
from thermohw.study.results import Results
from thermohw.study.sheet import Sheet

__all__ = ["FORMAT", "StudyRun", "run_study", "usable_cores"]


@dataclass(frozen=True)
class StudyRun:
    """A finished study.

    Attributes:
        name: of the study.
        folder: where everything is.
        parameters: merged.
        sheet: numbers, tables, figures, checks, findings.
        results: the rows.
        computed: cells computed now; the others were there.
    """

    name: str
    folder: Path
    parameters: dict[str, Any]
    sheet: Sheet
    results: Results
    computed: int

    @property
    def holds(self) -> bool:
        """Whether no check is violated."""
        return self.sheet.holds


def run_study(
    source: str | Path,
    settings: Mapping[str, Any] | Sequence[str] = (),
    *,
    quick: bool = False,
    out: str | Path | None = None,
    workers: int | None = None,
    progress: bool = True,
    command: str = "",
) -> StudyRun:
    """Run a study, or what is left of it, and write what it concludes.

    Args:
        source: the name of a shipped study, or the path of a study's .py file.
        settings: "key=value" texts, or a mapping; parameters instead of the defaults.
        quick: with what the study changes for --quick.
        out: folder; default out/NAME, or out/NAME-quick.
        workers: processes; default one per usable core, at most one per cell. 1 computes in this
            process. A script that asks for more must be guarded by if __name__ == "__main__".
        progress: a bar on a terminal, else a line per finished cell, on stderr.
        command: the command line, for provenance.

    Raises:
        InputError: no such study, settings or a folder that cannot be used, a cell or the
            conclusion that failed (finished cells are kept).
    """
    began = time.perf_counter()
    if workers is not None and workers < 1:
        raise InputError(f"{workers}: expected at least 1", where="--workers")
    found = find_study(source)
    study = found.study
    texts = isinstance(settings, Sequence)
    given = parse_settings(study, settings) if texts else dict(settings)
    given = {key: merge(study, given, quick=False)[key] for key in given}
    path = Path("out") / (f"{found.name}-quick" if quick else found.name) if out is None else out
    folder = Folder.open(Path(path), found, given=given, quick=quick)
    try:
        code = sources_digest()
        if any(finished.code != code for finished in folder.done.values()):
            folder.notes.append(
                "kept cells were computed by other sources of thermohw (same version): delete "
                f"{folder.path} to compute everything anew"
            )
        for note in folder.notes:
            print(f"thermohw: {note}", file=sys.stderr)
        jobs = [Job(n, cell) for n, cell in folder.work.items() if n not in folder.done]
        shared = JobContext(
            found.source, folder.parameters.get("seed", 0), folder.path.resolve(), code
        )
        workers = usable_cores() if workers is None else workers
        _compute(folder, jobs, found, shared, workers, progress)
        finished = [_stored(folder, name) for name in folder.work]
        results = Results(done.row for done in finished)
        sheet = _conclude(found, folder, results)
        ending = Ending(quick, command, time.perf_counter() - began, workers, len(jobs))
        write_outputs(found, folder, sheet, finished, ending)
    finally:
        folder.close()
    return StudyRun(found.name, folder.path, folder.parameters, sheet, results, len(jobs))


def usable_cores() -> int:
    """Cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


def _compute(
    folder: Folder, jobs: list[Job], found: Found, shared: JobContext, workers: int, progress: bool
) -> None:
    """Compute what is missing, tell how far it is, and complain once all that can be done is."""
    if not jobs:
        return
    total, kept = len(folder.work), len(folder.done)
    terminal = progress and sys.stderr.isatty()
    if kept and progress:
        print(f"{found.name}: {kept} of {total} cells are already there", file=sys.stderr)
    failed: list[JobOutcome] = []
    bar = tqdm(
        total=total, initial=kept, desc=found.name, unit="cell", disable=not terminal, smoothing=0.0
    )
    with bar:
        outcomes = compute_all(jobs, found.study, shared, workers=workers)
        number = kept
        for outcome in outcomes:
            if outcome is None:  # a cell may take minutes: the clock goes on
                bar.refresh()
                continue
            number += 1
            if outcome.problem:
                failed.append(outcome)
            bar.update()
            if progress and not terminal:
                what = f"FAILED: {outcome.problem}" if outcome.problem else f"{outcome.wall:.1f} s"
                words = f"{found.name}: {number}/{total} {_describe(outcome.job)} {what}"
                print(words, file=sys.stderr, flush=True)
    if failed:
        first, rest = failed[0], len(failed) - 1
        log = folder.log_path(first.job.name)
        trace = f"; traceback in {log}" if log.exists() else ""
        more = f"; {rest} more failed" if rest else ""
        raise InputError(
            f"{first.problem}{trace}{more}; {total - len(failed)} of {total} cells are kept, run "
            "again to go on",
            where=f"cell {_describe(first.job)}",
        )


def _describe(job: Job) -> str:
    """A cell on a line."""
    parts = []
    for key, value in job.cell.items():
        text = value if isinstance(value, str) else json.dumps(value)
        parts.append(f"{key}={text if len(text) <= 24 else text[:21] + '...'}")
    return " ".join(parts) or job.name


def _stored(folder: Folder, name: str) -> Finished:
    """A cell as its file has it: computed now or years ago, it is read the same way."""
    finished = folder.done.get(name) or read_cell(folder.cell_path(name))
    if finished is None:
        raise InputError("vanished while the study ran: run again", where=f"cells/{name}.npz")
    return finished


def _conclude(found: Found, folder: Folder, results: Results) -> Sheet:
    from thermohw.report.study_figures import study_style

    sheet = Sheet()
    log = folder.path / "conclude.log"
    try:
        with study_style():
            found.study.conclude(dict(folder.parameters), results, sheet)
        log.unlink(missing_ok=True)
    except Exception as error:  # the cells are kept, so a corrected conclude costs seconds
        with suppress(InputError):  # a full disk must not hide what failed
            write(log, traceback.format_exc())
        raise InputError(
            f"conclude failed: {type(error).__name__}: {error}; all cells are kept; traceback in "
            f"{log}",
            where=found.name,
        ) from error
    return sheet
