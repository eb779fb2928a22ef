"""Running ngspice: a deck in, columns out, its own words where it fails.

The simulator writes where it stands, so it stands in a new folder that nobody else may enter, under
a name that nobody can guess; what is to be kept is put in its place afterwards, whole files only.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from thermohw.errors import InputError
from thermohw.outputs import write
from thermohw.spice.deck import OFFSET

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.spice.deck import Deck

__all__ = ["SpiceRun", "find_ngspice", "run_deck"]

_TROUBLE = re.compile(
    r"error|singular|too small|fatal|could not|can't|cannot|unknown|undefined|no such|abort", re.I
)


_DECK, _DATA, _LOG = "deck.cir", "out.txt", "ngspice.log"
_TRIES = ((1.0, 1.0), (0.83, 1.0), (0.71, 3.0), (0.93, 10.0))
"""Factors of the largest step and of the relative tolerance, try by try."""


@dataclass(frozen=True, eq=False)
class SpiceRun:
    """What a deck's run wrote.

    Attributes:
        time: second, shape (rows,), increasing from 0.
        values: shape (rows, cells, columns of a cell).
        shape: how many efforts, works, heats and controls a cell has.
        log: the simulator's words.
    """

    time: NDArray[Any]
    values: NDArray[Any]
    shape: tuple[int, int, int, int]
    log: str

    def at(self, seconds: NDArray[Any]) -> NDArray[Any]:
        """Values at times (m,), linear between rows, shape (m, cells, columns)."""
        flat = self.values.reshape(len(self.time), -1)
        columns = [np.interp(seconds, self.time, column) for column in flat.T]
        return np.stack(columns, axis=1).reshape(len(seconds), *self.values.shape[1:])

    def split(self, values: NDArray[Any]) -> tuple[NDArray[Any], ...]:
        """Efforts, works, heats and controls of an array whose last axis holds a cell's columns."""
        edges = np.cumsum(self.shape)[:-1]
        return tuple(np.split(values, edges, axis=-1))


def find_ngspice() -> str:
    """Path of the program.

    Raises:
        InputError: it is not installed.
    """
    program = shutil.which("ngspice")
    if program is None:
        raise InputError(
            "not found on PATH; install it (Debian: apt-get install ngspice); writing a deck needs "
            "no program", where="ngspice")  # fmt: skip
    return program


def run_deck(deck: Deck, *, keep: Path | None = None, timeout: float = 600.0) -> SpiceRun:
    """Run a deck with `ngspice -b`.

    Where the simulator gives up with "timestep too small" - its iteration drowns in round-off in
    the shortest steps behind a corner, now and then, at tolerances as tight as these - the deck is
    tried again with other largest steps and a larger relative tolerance, four times at most.

    Args:
        deck: what to run.
        keep: folder that gets deck.cir, its data and ngspice.log; default none: they stay in a
            folder of their own only where the run failed.
        timeout: seconds.

    Raises:
        InputError: ngspice is missing, fails, or stops early; with its first complaint and the
            place of the whole log.
    """
    program = find_ngspice()
    # Made with mode 700 and a random name.
    folder = Path(tempfile.mkdtemp(prefix="thermohw-spice-"))
    for step, tolerance in _TRIES:
        text = _adjusted(deck.text, step, tolerance)
        log, code, table = _try(program, folder, text, columns=len(deck.outputs), timeout=timeout)
        if "Timestep too small" not in log:
            break
    reached = table is not None and len(table) and table[-1, 0] >= deck.duration * (1.0 - 1e-6)
    failed = code != 0 or table is None or not reached or not np.isfinite(table).all()
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        for name in (_DECK, _DATA, _LOG):
            if _regular(folder / name):
                write(keep / name, (folder / name).read_bytes())
    if keep is not None or not failed:
        shutil.rmtree(folder, ignore_errors=True)
    if failed:
        place = (folder if keep is None else keep) / _LOG
        raise InputError(f"{_complaint(log, table)}; the log is {place}", where="ngspice")
    assert table is not None
    order = np.concatenate([[True], np.diff(table[:, 0]) > 0.0])
    table = table[order]
    values = table[:, 1:].reshape(len(table), deck.cells, -1)
    # The row of t = 0 is not written: the state is known, controls are those of the first row.
    first = np.where(np.isnan(deck.first), values[0], np.array(deck.first))
    table = np.concatenate([np.zeros((1, table.shape[1])), table])
    values = np.concatenate([first[None], values])
    meters = slice(deck.shape[0], sum(deck.shape[:3]))
    values[..., meters] -= OFFSET
    return SpiceRun(table[:, 0], values, deck.shape, log)


def _adjusted(text: str, step: float, tolerance: float) -> str:
    """A deck with another largest step and relative tolerance, as factors."""
    if step == tolerance == 1.0:
        return text

    def larger(match: re.Match[str]) -> str:
        return f"reltol={float(match.group(1)) * tolerance!r}"

    def shorter(match: re.Match[str]) -> str:
        return f"{match.group(1)} {float(match.group(2)) * step!r} uic"

    text = re.sub(r"\breltol=(\S+)", larger, text, count=1)
    return re.sub(r"(?m)^(tran .*) (\S+) uic$", shorter, text, count=1)


def _try(
    program: str, folder: Path, text: str, *, columns: int, timeout: float
) -> tuple[str, int, NDArray[Any] | None]:
    """Log, exit status and table of one run."""
    for name in (_DECK, _DATA, _LOG):
        (folder / name).unlink(missing_ok=True)
    _write_new(folder / _DECK, text)
    command = [program, "-b", _DECK]
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, errors="replace", timeout=timeout,
            stdin=subprocess.DEVNULL, check=False,
        )  # fmt: skip
        log, code = done.stdout + done.stderr, done.returncode
    except subprocess.TimeoutExpired as error:
        words = error.stdout or b""
        log = words.decode(errors="replace") if isinstance(words, bytes) else words
        log, code = log + f"\nerror: stopped after {timeout:g} s\n", 124
    except OSError as error:
        raise InputError(f"{program} cannot be started: {error}", where="ngspice") from error
    _write_new(folder / _LOG, log)
    data = folder / _DATA
    return log, code, _read(data, columns) if _regular(data) else None


def _regular(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _write_new(path: Path, text: str) -> None:
    with path.open("x", encoding="utf-8", errors="replace") as file:  # O_EXCL: follows no link
        file.write(text)


def _read(path: Path, columns: int) -> NDArray[Any] | None:
    numbers = np.fromfile(path, sep=" ")
    if numbers.size % (columns + 1):
        return None
    return numbers.reshape(-1, columns + 1)


def _complaint(log: str, table: NDArray[Any] | None) -> str:
    """The first line that sounds like trouble, and the one after it (the card at fault)."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    for index, line in enumerate(lines):
        if _TROUBLE.search(line):
            more = f" {lines[index + 1]}" if index + 1 < len(lines) else ""
            return f"failed: {line}{more}"[:300]
    last = (
        "wrote nothing" if table is None or not len(table) else f"stopped at {table[-1, 0]:.4g} s"
    )
    return f"failed without a message ({last})"
