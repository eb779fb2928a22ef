"""One command in this process, and whether it left as docs promise.

Promised of any input: exit code 0 or 2, or 1 of a command that judges; never 70, no traceback, no
warning; with 2 one line that says why; under SECONDS of processor time; no file but the one that
was asked for, and none where the command failed; numbers where numbers are promised.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import resource
import signal
import sys
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from thermohw.cli import main

__all__ = ["SECONDS", "Answer", "Court", "Defect", "ask", "judged", "numbers", "require_files",
           "run"]  # fmt: skip

_NOTE = re.compile(
    r"thermohw: note: \S*[/.]\S*(, line \d+)?: "
)  # what was left out of a file that it names
SECONDS = 5.0
# What Python itself keeps from users.
_UNSEEN = (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning)
_JUDGES = ("audit", "experiment")
_FILE, _ROOM = 2**28, 2**33  # bytes that a file, and this process on top, may take


class Defect(AssertionError):
    """A promise that was not kept."""


class _Hang(BaseException):
    """Too much processor time; nothing in thermohw catches it."""


class Answer(NamedTuple):
    """How a command left."""

    code: int
    out: str
    err: str
    warned: list[str]


def ask(*words: object, seconds: float = SECONDS) -> Answer:
    """Run `thermohw` with these words, in this process."""
    out, err = io.StringIO(), io.StringIO()
    argv, kept = sys.argv, signal.getsignal(signal.SIGINT)
    sys.argv = ["thermohw", *map(str, words)]
    code: Any = None
    try:
        with (
            warnings.catch_warnings(record=True) as warned,
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            _limits(seconds),
        ):
            warnings.simplefilter("always")
            for category in _UNSEEN:
                warnings.simplefilter("ignore", category)
            main()
    except SystemExit as left:
        code = left.code
    except _Hang:
        code = -1
    finally:
        sys.argv = argv
        signal.signal(signal.SIGINT, kept)
    texts = [f"{w.category.__name__}: {w.message}" for w in warned]
    return Answer(code or 0, out.getvalue(), err.getvalue(), texts)


@contextlib.contextmanager
def _limits(seconds: float) -> Iterator[None]:
    """Processor time, memory and file sizes that a mutated input may cost."""

    def stop(*_: Any) -> None:
        raise _Hang

    pages = int(Path("/proc/self/statm").read_text().split()[0]) if os.path.exists("/proc") else 0
    wanted = {
        resource.RLIMIT_FSIZE: _FILE,
        resource.RLIMIT_AS: pages * resource.getpagesize() + _ROOM,
    }
    kept = {what: resource.getrlimit(what) for what in wanted}
    handler = signal.signal(signal.SIGPROF, stop)
    try:
        for what, most in wanted.items():
            hard = kept[what][1]
            resource.setrlimit(what, (most if hard < 0 else min(most, hard), hard))
        signal.setitimer(signal.ITIMER_PROF, seconds)
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, handler)
        for what, pair in kept.items():
            resource.setrlimit(what, pair)


@dataclass
class Court:
    """Asks, judges and counts.

    Attributes:
        counts: (kind, "accepted" | "violated" | "refused") -> inputs.
        seconds: processor time that a command may take.
    """

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    seconds: float = SECONDS

    def ask(self, *words: object) -> Answer:
        """A command that must leave as promised."""
        answer = ask(*words, seconds=self.seconds)
        said = " ".join(map(str, words))
        if answer.code == -1:
            raise Defect(f"took more than {self.seconds} s: {said}")
        if answer.code not in ((0, 1, 2) if words[0] in _JUDGES else (0, 2)):
            raise Defect(f"left with {answer.code}: {said}: {answer.err}")
        if answer.warned or "Traceback" in answer.err or "Warning" in answer.err:
            raise Defect(f"warned: {said}: {answer.warned}{answer.err}")
        lines = answer.err.splitlines()
        if answer.code == 2 and not (lines and lines[-1].startswith("thermohw: ")):
            raise Defect(f"does not say why: {said}: {answer.err!r}")
        told = [line for line in lines if not _NOTE.match(line) and "resumed elsewhere" not in line]
        if words[0] != "experiment" and len(told) != (answer.code == 2):
            raise Defect(f"says more than one line: {said}: {answer.err!r}")
        if not all(line.isprintable() for line in lines) or any(len(line) > 2000 for line in lines):
            raise Defect(f"says what no terminal should show: {said}: {answer.err!r}")
        return answer

    def note(self, kind: str, code: int) -> None:
        """Count an input by how its last command left."""
        self.counts[kind, ("accepted", "violated", "refused")[code]] += 1

    @property
    def inputs(self) -> int:
        """How many there were."""
        return sum(self.counts.values())

    def share(self) -> float:
        """Of inputs that were accepted and judged."""
        refused = sum(n for (_, how), n in self.counts.items() if how == "refused")
        return 1.0 - refused / max(self.inputs, 1)

    def table(self) -> str:
        """Counts of every kind, a line each."""
        kinds = sorted({kind for kind, _ in self.counts})
        rows = [f"{'':<12}{'inputs':>8}{'accepted':>10}{'violated':>10}{'refused':>9}"]
        for kind in [*kinds, "all"]:
            found = [
                sum(n for (k, h), n in self.counts.items() if h == how and kind in (k, "all"))
                for how in ("accepted", "violated", "refused")
            ]
            rows.append(f"{kind:<12}{sum(found):>8}{found[0]:>10}{found[1]:>10}{found[2]:>9}")
        return "\n".join(rows)


def run(court: Court, folder: Path, *words: object) -> int:
    """`thermohw run` and, where it is accepted, the audit of what it wrote; the last exit code."""
    out = folder / "out"
    out.mkdir()
    answer = court.ask("run", *words, "--out", out / "run.h5")
    kept = {*os.listdir(out)} & {"run.h5.training"}  # a trained score, for --resume: docs/spec.md
    require_files(out, {"run.h5"} if answer.code == 0 else kept, answer.err)
    return 2 if answer.code else judged(court, out / "run.h5").code


def judged(court: Court, path: Path) -> Answer:
    """The audit of a file that thermohw itself wrote: it holds, or says what does not."""
    answer = court.ask("audit", path, "--json")
    if answer.code == 2:
        raise Defect(f"a run of our own is refused: {answer.err}")
    account = numbers(answer.out)
    statuses = [check["status"] for check in account["checks"]]
    if ("violated" in statuses) != (answer.code == 1):
        raise Defect(f"left with {answer.code}, but says {statuses}")
    for check in account["checks"]:
        if not check["detail"]:
            raise Defect(f"does not say why: {check}")
        if check["status"] != "not-applicable" and check["value"] is None:
            raise Defect(f"judges no number: {check}")
    with h5py.File(path) as file:
        file.visititems(_finite)
    return answer


def numbers(text: str) -> Any:
    """JSON text, without the numbers that JSON has not."""

    def refuse(word: str) -> None:
        raise Defect(f"{word} in JSON: {text[max(text.find(word) - 300, 0) :][:400]}")

    return json.loads(text, parse_constant=refuse)


def require_files(folder: Path, names: set[str], said: str = "") -> None:
    """A folder holds these and nothing else."""
    if (found := {*os.listdir(folder)}) != names:
        raise Defect(f"{sorted(found)} lie there, expected {sorted(names)}; {said}")


def _finite(name: str, item: Any) -> None:
    kinds = ("ledger/", "observables/")
    if isinstance(item, h5py.Dataset) and name.startswith(kinds) and item.dtype.kind == "f":
        if not np.isfinite(item[()]).all():
            raise Defect(f"{name} holds what is no number")
