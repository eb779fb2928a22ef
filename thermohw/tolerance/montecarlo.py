"""Many boards: each drawn, run at every corner, measured; then how many of them will do.

Boards are drawn from streams of their own, so that board 17 is the same among 20 as among 2000.
Each is measured with noise of its own: on the same noise all would share one error of measurement,
often larger than what the boards differ by, and pass or fail together, which no interval of a share
knows of. How many boards are closer to a bound than two standard errors is said beside the yield:
more paths decide them. Finished boards are kept in a file as they come, each on a line with a
digest of its own, and the same call goes on where an earlier one stopped; a line that is torn is
measured again, any other that does not fit is refused.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from thermohw.errors import InputError
from thermohw.intake import MOST_TABLE, parse_json, read_bytes, whole
from thermohw.outputs import check_place, write
from thermohw.tolerance.interval import Fraction
from thermohw.tolerance.measure import Metric, measure
from thermohw.tolerance.require import Requirement
from thermohw.tolerance.sensitivity import subject
from thermohw.tolerance.spread import Spread, board_generator, noise_seed

if TYPE_CHECKING:
    from thermohw.control import Protocol
    from thermohw.pipeline import Spec
    from thermohw.target import Target

__all__ = ["SampledBoard", "Yield", "monte_carlo", "yield_"]

_FORMAT = "thermohw-boards/2"


@dataclass(frozen=True)
class SampledBoard:
    """One board at one corner.

    Attributes:
        index: which board.
        corner: degrees Celsius, or None for the datasheet's temperature.
        keys: its deviations, as protocol keys.
        metrics: dotted name -> (value, standard error, floor).
    """

    index: int
    corner: float | None
    keys: dict[str, Any]
    metrics: dict[str, Metric]


@dataclass(frozen=True)
class Yield:
    """Boards against requirements; a board passes when it does so at every corner.

    Attributes:
        boards: every board at every corner.
        requirements: what was asked.
        passed: fraction of boards, with its interval.
        each: requirement -> fraction that meets this one alone.
    """

    boards: tuple[SampledBoard, ...]
    requirements: tuple[Requirement, ...]
    passed: Fraction
    each: dict[str, Fraction]

    def worst(self, count: int = 5) -> list[tuple[SampledBoard, Requirement, float]]:
        """The boards that miss a requirement by most, relative to its bound, worst first."""
        misses = [
            (board, rule, rule.miss(board.metrics))
            for board in self.boards
            for rule in self.requirements
        ]
        return sorted(misses, key=lambda row: -row[2])[:count]

    @property
    def undecided(self) -> int:
        """How many boards are within two standard errors of a bound at some corner."""
        return len({b.index for b in self.boards for rule in self.requirements
                    if abs(b.metrics[rule.name].value - rule.bound)
                    < 2.0 * b.metrics[rule.name].stderr})  # fmt: skip

    def to_json(self) -> str:
        """Everything as JSON, format thermohw-yield/1."""
        return json.dumps(
            {
                "format": "thermohw-yield/1",
                "requirements": [str(r) for r in self.requirements],
                "yield": asdict(self.passed),
                "each": {name: asdict(part) for name, part in self.each.items()},
                "boards": [_plain(board) for board in self.boards],
            },
            indent=1,
        )

    def __str__(self) -> str:
        lines = [f"yield {self.passed}"]
        lines += [f"  {name:<32}{part}" for name, part in self.each.items()]
        if self.undecided:
            lines.append(f"  {self.undecided} of the boards within two standard errors of a bound: "
                         "more paths decide")  # fmt: skip
        lines.append("worst boards")
        for board, rule, _ in self.worst():
            found, where = board.metrics[rule.name], ""
            if board.corner is not None:
                where = f" at {board.corner:g} degC"
            lines.append(
                f"  board {board.index}{where}: {rule.name} = {found.value:.4g} +- "
                f"{found.stderr:.2g} ({_deviation(board)})"
            )
        return "\n".join(lines)


def _deviation(board: SampledBoard) -> str:
    """The largest deviation of each kind."""
    words = []
    for name, values in board.keys.items():
        rest = 0.0 if name == "sense_offset" else 1.0
        far = max(values, key=lambda v: abs(v - rest))
        words.append(f"{name} {far:.4g}" + (" V" if name == "sense_offset" else ""))
    return ", ".join(words)


def _plain(board: SampledBoard) -> dict[str, Any]:
    return asdict(board) | {"metrics": {n: list(m) for n, m in board.metrics.items()}}


def monte_carlo(
    source: Protocol | Spec | str | Path,
    *,
    boards: int,
    spread: Spread | None = None,
    paths: int = 4096,
    seed: int = 0,
    target: Target | None = None,
    out: str | Path | None = None,
    progress: bool = True,
) -> tuple[SampledBoard, ...]:
    """Draw boards and measure them.

    Args:
        source: a protocol, a SPEC, or a SPEC's name or path.
        boards: how many.
        spread: what varies; None for the datasheet's own tolerances.
        paths: samples a board and corner. W1 of n right samples is not 0 but about 1/sqrt(n).
        seed: of the boards and of the noise, which is every board's own: an error of measurement
            that all boards had in common would pass or fail them together.
        target: the data of a protocol; default its score's own.
        out: a file that keeps finished boards (JSON lines); continued where it exists.
        progress: show a bar.

    Raises:
        InputError: nothing varies, a board is refused, or `out` belongs to another set of boards.
    """
    spread = Spread() if spread is None else spread
    boards = whole(boards, 1, "boards")
    protocol, target, start, prior, dtype = subject(source, target)
    if not spread.varies(protocol.device):
        raise InputError(
            f"device {protocol.device.name} states no tolerance and nothing else was asked to "
            "vary: give tolerances in the datasheet, an area, or corners",
            where="spread",
        )
    keep = _Kept(out, _identity(protocol, spread, paths, seed))
    corners: Sequence[float | None] = spread.corners or (None,)
    result = []
    wanted = [(index, corner) for index in range(boards) for corner in corners]
    for index, corner in tqdm(wanted, disable=None if progress else True, desc="boards", delay=2):
        found = keep.found.get((index, corner))
        if found is None:
            keys = spread.draw(protocol.device, board_generator(seed, index))
            keys = spread.at(corner, keys, protocol.device)
            outcome = measure(
                replace(protocol, **spread.onto(protocol, keys)), paths=paths,
                seed=noise_seed(seed, index),
                target=target, start=start, prior=prior, dtype=dtype,
            )  # fmt: skip
            found = SampledBoard(index, corner, keys, outcome.metrics)
            keep.add(found)
        result.append(found)
    return tuple(result)


def yield_(
    source: Protocol | Spec | str | Path | Sequence[SampledBoard],
    require: str | Sequence[str],
    *,
    confidence: float = 0.95,
    **options: Any,
) -> Yield:
    """The fraction of boards that meet requirements at every corner.

    Args:
        source: finished boards, or what `monte_carlo` takes, with its `options`.
        require: such as "quality.w1 < 0.05" or ["work.emf.kT < 4", ...]; all must hold.
        confidence: of the intervals.

    Raises:
        InputError: a requirement that cannot be read or names what was not measured.
    """
    rules = tuple(map(Requirement.parse, [require] if isinstance(require, str) else require))
    if not rules:
        raise InputError("say what a board must do, such as 'quality.w1 < 0.05'", where="require")
    if isinstance(source, list | tuple):
        boards = tuple(source)
    else:
        boards = monte_carlo(source, **options)  # type: ignore[arg-type]
    for rule in rules:
        rule.look_up(boards[0].metrics)
    indices = sorted({board.index for board in boards})

    def fraction(asked: Sequence[Requirement]) -> Fraction:
        failed = {b.index for b in boards for rule in asked if not rule.met(b.metrics)}
        return Fraction.of(len(indices) - len(failed), len(indices), confidence)

    return Yield(boards, rules, fraction(rules), {str(rule): fraction([rule]) for rule in rules})


def _identity(protocol: Protocol, spread: Spread, paths: int, seed: int) -> str:
    """What a set of boards is, but for how many."""
    keys = {
        f.name: getattr(protocol, f.name)
        for f in fields(protocol)
        if f.name not in ("device", "process", "score")
    }
    sheet = protocol.device.datasheet
    known = [protocol.device.name, None if sheet is None else sheet.content_hash, keys]
    known += [protocol.process.to_dict(), asdict(spread), paths, seed, "own noise"]
    target = protocol.score.target
    known.append(None if target is None else target.to_dict())
    return sha256(json.dumps(known, sort_keys=True, default=str).encode()).hexdigest()


class _Kept:
    """Finished boards in a file of JSON lines, the first of which says what they are."""

    def __init__(self, out: str | Path | None, identity: str) -> None:
        self.path = None if out is None else Path(out)
        self.found: dict[tuple[int, float | None], SampledBoard] = {}
        if self.path is None:
            return
        head = json.dumps({"format": _FORMAT, "of": identity})
        check_place(self.path, "a file, such as boards.jsonl")
        if not os.path.lexists(self.path):
            write(self.path, head + "\n")
            return
        lines = self._lines()
        if lines[0] != head:
            raise InputError(
                f"holds no boards ({_FORMAT}) or those of other settings: choose another place, or "
                "delete it",
                where=str(self.path),
            )
        for number, line in enumerate(lines[1:-1], 2):
            try:
                board = _board(line)
            except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
                raise InputError(
                    f"line {number} is damaged ({error}): delete it, or the file",
                    where=str(self.path),
                ) from None
            self.found[board.index, board.corner] = board
        if lines[-1]:  # torn by a kill; the next board would be glued to it
            write(self.path, "".join(line + "\n" for line in lines[:-1]))

    def _lines(self) -> list[str]:
        """All lines; the last is "" unless it is torn."""
        assert self.path is not None
        try:
            if self.path.is_symlink():
                raise InputError("is a link: name the file itself", where=str(self.path))
            return read_bytes(self.path, MOST_TABLE).decode("utf-8").split("\n")
        except UnicodeDecodeError:
            return [""]

    def add(self, board: SampledBoard) -> None:
        """Keep one more, whole or not at all.

        Raises:
            InputError: the disk refuses it; boards kept before stay.
        """
        if self.path is None:
            return
        row = _plain(board)
        line = json.dumps(row | {"sha256": _row_digest(row)}) + "\n"
        try:
            handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0))
            try:
                before = os.fstat(handle).st_size
                if os.write(handle, line.encode()) != len(line.encode()):
                    os.ftruncate(handle, before)
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            finally:
                os.close(handle)
        except OSError as error:
            raise InputError(
                f"cannot be written ({error.strerror}): make room; the same command goes on",
                where=str(self.path),
            ) from error


def _row_digest(row: dict[str, Any]) -> str:
    return sha256(json.dumps(row, sort_keys=True).encode()).hexdigest()


def _board(line: str) -> SampledBoard:
    """A board from its line.

    Raises:
        ValueError: it is not what was written.
    """
    row = parse_json(line)
    if row.pop("sha256") != _row_digest(row):
        raise ValueError("its sha256 does not fit")
    metrics = {name: Metric(*values) for name, values in row.pop("metrics").items()}
    return SampledBoard(**row, metrics=metrics)
