"""Cells computed by worker processes that start fresh and compute with one thread each.

A worker is spawned, not forked: it inherits no thread, lock or random state. It gets one cell at a
time and answers when the cell's file is written, so that whatever happens to the rest nothing
finished is lost. A worker that dies (killed, out of memory) costs its cell and is replaced. Workers
end with their parent, however it ends: a thread of theirs waits for that.

In one process (`workers=1`) the same function runs here, with the same single thread.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

from thermohw.errors import InputError
from thermohw.study.cellfile import Finished, plain_values, replace_file, write_cell

if TYPE_CHECKING:
    from multiprocessing.context import SpawnProcess

    from thermohw.study.definition import Cell, Study

__all__ = ["Job", "JobContext", "JobOutcome", "compute_all"]

_HEARTBEAT = 1.0  # seconds after which a caller may move its clock
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class JobContext:
    """What every worker must know.

    Attributes:
        source: the study, as `find_study` takes it.
        seed: the study's seed.
        folder: the output folder.
        code: digest of thermohw's sources.
    """

    source: str
    seed: int
    folder: Path
    code: str


@dataclass(frozen=True)
class Job:
    """A cell and the name of its file."""

    name: str
    cell: Cell


@dataclass(frozen=True)
class JobOutcome:
    """What became of a cell: `problem` is "" or one line."""

    job: Job
    problem: str
    wall: float


def compute_all(
    jobs: list[Job], study: Study, shared: JobContext, *, workers: int
) -> Iterator[JobOutcome | None]:
    """Compute cells; yields each as it is finished, in any order, and None while nothing happens.

    Args:
        jobs: the cells.
        study: used when `workers` is 1.
        shared: what workers need.
        workers: how many processes; 1 computes here.

    Raises:
        InputError: workers cannot be started.
    """
    workers = min(workers, len(jobs))
    if workers > 1:
        yield from _parallel(jobs, shared, workers)
        return
    with _one_thread():
        for job in jobs:
            problem, wall = _compute(study, job, shared)
            yield JobOutcome(job, problem, wall)


def _compute(study: Study, job: Job, shared: JobContext) -> tuple[str, float]:
    """Compute one cell into its file; returns ("" or one line, seconds)."""
    from thermohw.study.tools import Tools

    cells = shared.folder / "cells"
    log = cells / f"{job.name}.log"
    wall, cpu = time.perf_counter(), time.process_time()
    try:
        tools = Tools(job.cell, shared.seed, shared.folder / "networks")
        values = plain_values(study.compute(dict(job.cell), tools), job.cell)
        seconds = time.perf_counter() - wall, time.process_time() - cpu
        write_cell(
            cells / f"{job.name}.npz", Finished(dict(job.cell), values, *seconds, shared.code)
        )
        log.unlink(missing_ok=True)
        return "", seconds[0]
    # SystemExit too: a cell that leaves must not take the study with it.
    except (Exception, SystemExit) as error:  # the other cells go on; the traceback is kept
        problem = " ".join(f"{type(error).__name__}: {error}".split())
        if isinstance(error, InputError):
            problem = " ".join(str(error).split())
        try:
            replace_file(log, f"cell {job.cell}\n\n{traceback.format_exc()}".encode())
        except OSError:
            problem += " (and its log could not be written)"
        return problem, time.perf_counter() - wall


class _Worker:
    """A process and the pipe to it; `job` is what it is at."""

    def __init__(self, shared: JobContext) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process: SpawnProcess = context.Process(
            target=_serve, args=(shared, theirs), daemon=True, name="thermohw study worker"
        )
        self.job: Job | None = None
        self.ready = False
        self.since = time.perf_counter()
        with _start_conditions():
            self.process.start()
        theirs.close()

    def send(self, job: Job) -> None:
        self.job, self.since = job, time.perf_counter()
        self.pipe.send((job.name, job.cell))

    def stop(self) -> None:
        self.pipe.close()
        self.process.join(2.0)
        if self.process.is_alive():
            self.process.kill()


def _parallel(jobs: list[Job], shared: JobContext, workers: int) -> Iterator[JobOutcome | None]:
    waiting = deque(jobs)
    team = [_Worker(shared) for _ in range(workers)]
    try:
        while waiting or any(worker.job for worker in team):
            ready = wait([worker.pipe for worker in team], timeout=_HEARTBEAT)
            if not ready:
                yield None
            for connection in ready:
                worker = next(w for w in team if w.pipe is connection)
                job, worker.job = worker.job, None
                try:
                    answer = worker.pipe.recv()
                except (EOFError, OSError):
                    team.remove(worker)
                    worker.process.join()
                    if not worker.ready:
                        raise InputError(_stillborn(worker.process.exitcode)) from None
                    if job is not None:
                        yield JobOutcome(job, _death(worker), time.perf_counter() - worker.since)
                    if len(waiting) > sum(w.job is None for w in team):
                        team.append(_Worker(shared))
                    continue
                if waiting:
                    worker.send(waiting.popleft())
                if answer == "ready":
                    worker.ready = True
                elif job is not None:
                    yield JobOutcome(job, *answer)
    finally:
        for worker in team:
            if worker.job is not None or not worker.ready:
                worker.process.terminate()
            worker.stop()


def _serve(shared: JobContext, pipe: Connection) -> None:
    """A worker's life: load the study, then cell after cell until the pipe closes."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    import torch

    from thermohw.study.catalogue import find_study

    torch.set_num_threads(1)
    study = find_study(shared.source).study
    try:
        pipe.send("ready")
        while True:
            name, cell = pipe.recv()
            pipe.send(_compute(study, Job(name, cell), shared))
    except (EOFError, OSError):
        return  # the parent needs no more of us


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)  # nobody is left to tell; files are written whole or not at all


@contextmanager
def _start_conditions() -> Iterator[None]:
    """What a new process inherits: one thread for every library, and deafness to Ctrl-C.

    Ctrl-C in a shell reaches every process of its group; the parent decides what it means.
    """
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    main = threading.current_thread() is threading.main_thread()
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN) if main else None
    try:
        yield
    finally:
        if main:
            signal.signal(signal.SIGINT, handler)
        _restore(before)


def _restore(environment: Mapping[str, str | None]) -> None:
    for name, value in environment.items():
        if value is None:
            del os.environ[name]
        else:
            os.environ[name] = value


@contextmanager
def _one_thread() -> Iterator[None]:
    """One thread for torch and for numpy's linear algebra, as in a worker, and back again."""
    import torch
    from threadpoolctl import threadpool_limits  # comes with scikit-learn

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(threads)


def _death(worker: _Worker) -> str:
    code: Any = worker.process.exitcode
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        cause = "; out of memory?" if name == "SIGKILL" else ""
        return f"its worker was ended by {name}{cause}"
    return f"its worker left with status {code}"


def _stillborn(code: int | None) -> str:
    return (
        f"a worker process could not be started (status {code}): guard the calling script with "
        'if __name__ == "__main__", or ask for one worker'
    )
