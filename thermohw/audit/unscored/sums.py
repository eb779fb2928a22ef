"""One pass over the ledger of a run without a score, and the checks that every kind of it has.

A kind says what its channels must satisfy path by path (`Kind.look`) and what means are known in
closed form (`Kind.expected`); how a deviation becomes a verdict is the one rule of
`thermohw.estimate`, of exponential averages that of `thermohw.exponential`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from thermohw.audit.moments import Moments
from thermohw.audit.paths import PathTally
from thermohw.audit.verdict import Check, Quantity, not_applicable
from thermohw.books import Books
from thermohw.errors import InputError
from thermohw.estimate import (
    HOLDS,
    NOT_APPLICABLE,
    VIOLATED,
    Estimate,
    called_of,
    judge,
    largest_of,
)
from thermohw.exponential import ExponentialMean
from thermohw.intake import parse_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from thermohw.store import RunReader

__all__ = [
    "CHANGED",
    "Kind",
    "Look",
    "Sums",
    "distinct_paths",
    "finite_values",
    "first_law",
    "gather",
    "integral_theorem",
    "mean_accounts_check",
    "medium_entropy",
    "quantities",
    "settings",
]

_ROUND = 1e-10  # of the energy exchanged: hundreds of thousands of additions in float64
_STATES = 1e-9  # stored energies against those of stored states
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
        expected: mean of accounts by name, k T_ref ("medium": nats); or why they are not known.
    """

    unit: float
    temperatures: NDArray[Any]
    size: float
    baths: tuple[str, ...]
    sources: tuple[str, ...]
    varies: bool

    @property
    def expected(self) -> dict[str, float] | str:
        """See above."""
        ...

    def look(self, chunk: dict[str, NDArray[Any]], books: Books) -> Look:
        """See `Look`."""
        ...


@dataclass
class Sums:
    """What one pass over the ledger leaves; energies in k T_ref."""

    moments: Moments
    tally: PathTally = field(default_factory=PathTally)
    exponents: ExponentialMean | None = None
    residual: float = 0.0
    states: float = 0.0
    medium: float = 0.0


def gather(run: RunReader, kind: Kind) -> Sums:
    """One pass over the ledger, a group of paths at a time."""
    sums = Sums(Moments("first_law.residual"))
    for start in range(0, run.paths, run.layout.group):
        part = slice(start, min(start + run.layout.group, run.paths))
        chunk = {name: run.ledger(name, part) for name in run.ledger_names}
        with np.errstate(all="ignore"):  # `finite_values` says
            moved = _add(sums, chunk, kind, run.paths)
        if moved is not None:
            for name, values in chunk.items():
                sums.tally.count(name, values[~moved])
            chunk = {name: values[moved] for name, values in chunk.items()}
        sums.tally.add(chunk)
    return sums


def _add(sums: Sums, chunk: dict[str, NDArray[Any]], kind: Kind, paths: int) -> NDArray[Any] | None:
    """Add a chunk; which of its paths must differ, see `Look.moved`."""
    unit, hot = kind.unit, kind.temperatures * kind.unit
    accounts = {n: v for n, v in chunk.items() if n.startswith(("heat.", "work.", "energy."))}
    books = Books({**accounts, "medium": chunk["medium"]}, unit, kind.temperatures)
    seen = kind.look(chunk, books)
    columns = {name: values / unit for name, values in accounts.items()}
    columns |= {"heat.total": books["heat.total"] / unit, "work.total": books["work.total"] / unit}
    columns |= {"energy.change": books.energy_change / unit, "medium": books.medium}
    columns["first_law.residual"] = books.residual / unit
    columns |= seen.columns
    size = books.exchanged + unit * kind.size
    sums.residual = _larger(sums.residual, np.abs(books.residual) / size)
    sums.states = _larger(sums.states, seen.gap)
    if not kind.varies:
        nats = books.heat / hot
        off = np.abs(nats.sum(1) - books.medium)
        sums.medium = _larger(sums.medium, off / (1.0 + np.abs(nats).sum(1)))
    if seen.exponent is not None:
        sums.exponents = sums.exponents or ExponentialMean(paths)
        sums.exponents.add(seen.exponent)
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
    missing = sorted((needed | {"energy.start", "energy.end", "medium"}) - set(run.ledger_names))
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


def finite_values(sums: Sums) -> Check:
    """Every number of the ledger is finite."""
    wrong = sums.tally.unsound
    total = sum(wrong.values())
    named = ", ".join(f"{count} of {name}" for name, count in sorted(wrong.items())[:3])
    detail = f"{total} of {sums.tally.numbers} stored numbers are not finite"
    detail += f": {named}" if wrong else ""
    status = VIOLATED if total else HOLDS
    return Check("finite_values", status, float(total), 0.0, None, detail, power=1.0)


def distinct_paths(sums: Sums, paths: int) -> Check:
    """No path is another's copy."""
    if paths < 2:
        return not_applicable("distinct_paths", "there is one path")
    copies, seen = sums.tally.copies()
    detail = f"{copies} of {seen} paths agree with an earlier one in every channel, bit for bit"
    status = VIOLATED if copies else HOLDS
    return Check("distinct_paths", status, float(copies), 0.0, None, detail, power=1.0)


def first_law(sums: Sums, paths: int) -> Check:
    """Energy change = works - heats, path by path, and energies of the stored states."""
    fine = sums.residual <= _ROUND and sums.states <= _STATES
    detail = (
        f"energy change = works - heats on each of {paths} paths: largest residual "
        f"{sums.residual:.2g} of the energy exchanged; stored states give other energies by "
        f"{sums.states:.2g}"
    )
    status = HOLDS if fine else VIOLATED
    return Check("first_law", status, sums.residual, _ROUND, None, detail, "<=", _ROUND)


def medium_entropy(sums: Sums, kind: Kind) -> Check:
    """sum_k int dQ_k/(k T_k): path by path from the heats, or its mean where T_k vary."""
    name = "medium_entropy"
    if not kind.varies:
        off = f"largest deviation {sums.medium:.2g} of its terms"
        detail = f"sum_k Q_k/(k T_k) of every path: {off}"
        status = HOLDS if sums.medium <= _STATES else VIOLATED
        return Check(name, status, sums.medium, _STATES, None, detail, "<=", _STATES)
    expected = kind.expected
    if isinstance(expected, str):
        return not_applicable(name, f"temperatures vary, and {expected}")
    found, value = sums.moments["medium"], expected["medium"]
    detail = (
        f"mean of sum_k int dQ_k/(k T_k) {found.text()} nats, in closed form {value:.5f}: "
        f"z = {found.z(value):+.2f}"
    )
    return Check.of(name, found, value, detail)


def mean_accounts_check(
    sums: Sums, kind: Kind, name: str, accounts: Sequence[str], words: str
) -> Check:
    """Means of some accounts against their closed form; the largest |z| of all is judged.

    Args:
        sums: of the ledger.
        kind: of the run.
        name: of the check.
        accounts: names of heats, or of works.
        words: where the closed form comes from.
    """
    expected = kind.expected
    if not accounts:
        return not_applicable(name, "nothing does work on the circuit")
    if isinstance(expected, str):
        return not_applicable(name, expected)
    rows = [(sums.moments[account], account, expected[account]) for account in accounts]
    rows = [row for row in rows if row[0].stderr > 0.0 or abs(row[0].value - row[2]) > _STATES]
    if not rows:
        return not_applicable(name, "none of them does work")
    found, account, value = max(rows, key=lambda row: abs(row[0].z(row[2])))
    z = largest_of(found.z(value), len(rows))
    power = max(one.reach(called_of(len(rows))) for one, _, _ in rows)
    detail = (
        f"mean {account} {found.text()} kT, {words} {value:.5f}: z = {z:+.2f} as the largest of "
        f"{len(rows)}"
    )
    return Check(name, judge(z), found.value, value, found.stderr, detail, power=power)


def integral_theorem(sums: Sums, label: str, reason: str | None) -> Check:
    """<exp(-x)> = 1.

    Args:
        sums: of the ledger.
        label: what is averaged, in words.
        reason: why there is no theorem; None where there is one.
    """
    name, total = "integral_theorem", sums.exponents
    if reason is not None or total is None:
        return not_applicable(name, reason or "exponents were not recorded")
    average, weight = total.average, total.weight()
    text = f"{label} = {average.text()}"
    if not total.trusted:
        reason = f"{weight}: {text} rests on paths too rare to have been seen"
        return not_applicable(name, reason, value=average.value)
    status = total.judge_against(1.0)
    detail = f"{text}, z = {average.z(1.0):+.2f}; {weight}"
    if status == NOT_APPLICABLE:
        reason = f"{detail}: below 1, where rare paths may be missing"
        return not_applicable(name, reason, value=average.value)
    return Check(name, status, average.value, 1.0, average.stderr, detail, power=average.power())


def quantities(sums: Sums, kind: Kind, works: str) -> dict[str, Quantity]:
    """Means per sample in joule and k T_ref, and what they should be.

    Args:
        sums: of the ledger.
        kind: of the run.
        works: name of the sum of all works, "work.parameters" and the like.
    """
    table: dict[str, Quantity] = {}

    def put(name: str, found: Estimate, note: str = "") -> None:
        table[f"{name}.J"] = Quantity.of(found * kind.unit, "J")
        table[f"{name}.kT"] = Quantity.of(found, "kT", note)

    put("heat.total", sums.moments["heat.total"])
    for bath, relative in zip(kind.baths, kind.temperatures, strict=True):
        note = "" if relative == 1.0 else f"kT of the reference; the bath is at {relative:g} of it"
        put(f"heat.{bath}", sums.moments[f"heat.{bath}"], note)
    put(works, sums.moments["work.total"])
    for name in kind.sources:
        put(f"work.{name}", sums.moments[f"work.{name}"])
    put("energy.change", sums.moments["energy.change"])
    table["first_law.residual"] = Quantity(
        sums.residual, 0.0, "1", "largest of any path, relative to the energy it exchanged"
    )
    table["entropy.medium"] = Quantity.of(sums.moments["medium"], "nat")
    expected = kind.expected
    for account, value in expected.items() if isinstance(expected, dict) else ():
        if account != "medium":
            table[f"expected.{account}.kT"] = Quantity(value, 0.0, "kT", "in closed form")
    return table
