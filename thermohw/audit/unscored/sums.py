"""One pass over the ledger of a run without a score.

A kind says what its channels must satisfy path by path (`Kind.look`) and what means are known in
closed form (`Kind.expected`); `thermohw.audit.unscored.checks` judges what the pass leaves.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol

import numpy as np

from thermohw.audit.kept import Kept, contradiction
from thermohw.audit.moments import Moments
from thermohw.audit.tally import PathTally
from thermohw.books import Books
from thermohw.books.theorems import ExponentialMean
from thermohw.errors import InputError
from thermohw.intake import parse_json

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.store import RunReader

__all__ = ["CHANGED", "Kind", "Look", "Sums", "gather", "same_numbers", "settings"]

_ACCOUNTS = ("heat.", "work.", "energy.", "rotation")
CHANGED = "the file was changed after the run; use the original"


class Look(NamedTuple):
    """What a kind sees in a chunk of paths.

    Attributes:
        gap: largest relative deviation of each path's stored energies (and works) from those of its
            stored states.
        exponent: x of which <exp(-x)> is 1, nats; None where there is no theorem.
        columns: more numbers a path whose means are wanted.
        moved: which paths chance has made different from all others, shape (paths,), bool; a jump
            that did not happen leaves its path like any other. None: all of them.
    """

    gap: NDArray[Any]
    exponent: NDArray[Any] | None
    columns: dict[str, NDArray[Any]]
    moved: NDArray[Any] | None = None


class Kind(Protocol):
    """What an audit must know of a kind of run without a score.

    Attributes:
        unit: k T_ref, joule.
        temperatures: T_k/T_ref, shape (baths,).
        size: energy that every path has at least, k T_ref.
        baths: names.
        sources: names of what does work.
        varies: a temperature changes in the course of the run.
        own_reverse: the process, run backwards, is itself (`thermohw.books.theorems`).
        voltage: largest that it has looked at, volt.
        expected: mean of accounts by name, k T_ref ("medium": nats), with a standard error where
            it was measured; or why they are not known.
    """

    unit: float
    temperatures: NDArray[Any]
    size: float
    baths: tuple[str, ...]
    sources: tuple[str, ...]
    varies: bool
    own_reverse: bool
    voltage: float

    def blank(self, chunk: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """A chunk of zeros, as paths on which nothing happens."""
        ...

    @property
    def expected(self) -> dict[str, Any] | str:
        """See above."""
        ...

    def look(self, chunk: dict[str, NDArray[Any]], books: Books) -> Look:
        """See `Look`."""
        ...


@dataclass
class Sums:
    """What one pass over the ledger leaves; energies in k T_ref.

    Attributes:
        kind: of the run.
        paths: how many there will be.
        moments: of every account and of what the kind looks at.
        tally: of values that are not finite, and of paths that agree.
        exponentials: "exponent", where there is a theorem.
        residual: largest of any path, of the energy it exchanged.
        states: largest `Look.gap`.
        medium: largest deviation of the entropy of the baths from that of the heats.
        voltage: largest at start and end, volt.
        contradiction: how far a file that keeps moments contradicts itself (`audit.kept`).
    """

    kind: Kind
    paths: int
    moments: Moments = field(default_factory=lambda: Moments("first_law.residual"))
    tally: PathTally = field(default_factory=PathTally)
    exponentials: dict[str, ExponentialMean] = field(default_factory=dict)
    residual: float = 0.0
    states: float = 0.0
    medium: float = 0.0
    voltage: float = 0.0
    contradiction: float = 0.0
    extremes: ClassVar = ("residual", "states", "medium", "voltage")

    @property
    def exponents(self) -> ExponentialMean | None:
        """<exp(-x)> of the kind's theorem."""
        return self.exponentials.get("exponent")

    @property
    def idle(self) -> float:
        """Energy that every path has at least, k T_ref."""
        return self.kind.size

    def add(self, chunk: dict[str, NDArray[Any]]) -> None:
        """Count some paths: channel -> values, SI, shape (chunk[, axis])."""
        with np.errstate(all="ignore"):  # `finite_values` says
            moved = _add(self, chunk)
        self.voltage = float(np.maximum(self.voltage, self.kind.voltage))
        if moved is not None:
            for name, values in chunk.items():
                self.tally.count(name, values[~moved])
            chunk = {name: values[moved] for name, values in chunk.items()}
        self.tally.add(chunk)


def gather(run: RunReader, kind: Kind) -> Sums:
    """One pass over the ledger, a group of paths at a time; or what was added up in the run."""
    if run.keeps_moments:
        sums = Kept.read(lambda: Sums(kind, run.paths), run)
        own = Sums(kind, run.paths)
        own.add({name: run.first(name) for name in run.channel_names})
        for name in sums.extremes:
            setattr(sums, name, max(getattr(sums, name), getattr(own, name)))
        kind.voltage = sums.voltage
        sums.contradiction = contradiction(run, sums, kind.unit)
        return sums
    sums = Sums(kind, run.paths)
    for start in range(0, run.paths, run.layout.group):
        part = slice(start, min(start + run.layout.group, run.paths))
        chunk = {name: run.ledger(name, part) for name in run.ledger_names}
        sums.add(chunk)
    return sums


def _add(sums: Sums, chunk: dict[str, NDArray[Any]]) -> NDArray[Any] | None:
    """Add a chunk; which of its paths must differ, see `Look.moved`."""
    kind = sums.kind
    unit = kind.unit
    accounts = {n: v for n, v in chunk.items() if n.startswith(_ACCOUNTS)}
    books = Books({**accounts, "medium": chunk["medium"]}, unit, kind.temperatures)
    seen = kind.look(chunk, books)
    columns = {name: values / unit for name, values in accounts.items()}
    columns |= {"heat.total": books["heat.total"] / unit, "work.total": books["work.total"] / unit}
    columns |= {"energy.change": books.energy_change / unit, "medium": books.medium}
    residual = books.residual
    columns["first_law.residual"] = residual / unit
    columns |= seen.columns
    size = books.exchanged + unit * kind.size
    sums.residual = _larger(sums.residual, np.abs(residual) / size)
    sums.states = _larger(sums.states, seen.gap)
    if not kind.varies:
        nats = books.entropies
        off = np.abs(nats.sum(1) - books.medium)
        sums.medium = _larger(sums.medium, off / (1.0 + np.abs(nats).sum(1)))
    if seen.exponent is not None:
        fresh = ExponentialMean(sums.paths, kind.own_reverse)
        sums.exponentials.setdefault("exponent", fresh).add(seen.exponent)
        columns["exponent"] = seen.exponent
    sums.moments.add(columns)
    return seen.moved


def _larger(before: float, now: NDArray[Any]) -> float:
    """The larger; not a number once one was."""
    return float(np.maximum(before, now.max()))


def settings(run: RunReader, parameters: dict[str, Any], kind: Kind) -> dict[str, Any]:
    """How the paths were drawn; ledger and units must be those of what the file describes.

    Raises:
        InputError: they are not.
    """
    where = str(run.path)
    simulate = parse_json(parameters["simulate"], where)
    if not isinstance(simulate, dict) or simulate.get("paths") != run.paths:
        raise InputError(f"simulate.paths is not that of the ledger: {CHANGED}", where=where)
    needed = {f"heat.{bath}" for bath in kind.baths} | {f"work.{name}" for name in kind.sources}
    missing = sorted((needed | {"energy.start", "energy.end", "medium"}) - set(run.channel_names))
    if missing:
        raise InputError(
            f"the ledger lacks {', '.join(missing)}: what the file describes is not what ran",
            where=where,
        )
    same_numbers(where, "units/energy", parameters["units"]["energy"], kind.unit)
    same_numbers(where, "baths/energy", parameters["baths"]["energy"],
                 kind.unit * kind.temperatures)  # fmt: skip
    return simulate


def same_numbers(where: str, name: str, stored: Any, rebuilt: Any) -> None:
    """Refuse a file whose numbers are not those of what it describes."""
    found, wanted = np.asarray(stored, dtype=np.float64), np.asarray(rebuilt)
    if found.shape != wanted.shape or not np.allclose(found, wanted, rtol=1e-6, atol=0.0):
        problem = f"{name} is not what the file's own settings give: {CHANGED}"
        raise InputError(problem, where=where)
