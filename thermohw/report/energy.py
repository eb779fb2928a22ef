"""The energy budget as bars: work of sources, heat into baths, stored energy, and the second law.

The bars share one linear scale and grow from zero to either side, since heat can be drawn from a
bath as well as given to it. Whiskers are one standard error. Energies are in kT of the device's
reference temperature, so that baths of different temperatures add up.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from thermohw.audit import Quantity
from thermohw.report.numerals import joules, measured, plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from thermohw.report.facts import Facts
    from thermohw.report.verdicts import Verdicts

__all__ = ["Bar", "account", "cell_grid", "demon_terms", "ledger"]

_MOST_BATHS = 16  # more are grouped by the cell they repeat, or the smaller ones are added up
_WORK = {
    "work.emf": "work of the controlled sources (emf)",
    "work.current": "work of the injected currents",
    "work.parameters": "work of changing parameters",
}
_SIGNS = {"sum ": "Σ ", "int ": "∫ ", " - ": " − "}

_Row = tuple[str, str, Quantity, str]  # label, dotted name, number, role


@dataclass(frozen=True)
class Bar:
    """One row of a bar chart.

    Attributes:
        label: what it is.
        name: dotted name of the quantity.
        value: length of the bar in the chart's unit; None draws none.
        main: the number in words, in the chart's unit.
        other: the same in joules, or a remark.
        role: colour.
        left: where the bar begins, percent of the track.
        width: its length, percent of the track.
        error: (left, width) of +- one standard error, percent; None where too small to see.
        note: a remark under the label.
    """

    label: str
    name: str
    value: float | None
    main: str
    other: str
    role: str
    left: float = 0.0
    width: float = 0.0
    error: tuple[float, float] | None = None
    note: str = ""


def ledger(verdicts: Verdicts, facts: Facts) -> tuple[list[Bar], float]:
    """Work, heat by bath and energy change, kT per sample; also where zero lies, percent."""
    kt = facts.units["energy"]
    rows: list[_Row] = []
    for key in getattr(facts, "keys", ()):
        name = f"work.{key}.kT"
        found = verdicts.get(name)
        if found is not None and found.value:
            rows.append((f"work of {key}", name, found, "work"))
    for name, label in () if rows else _WORK.items():
        found = verdicts.get(f"{name}.kT")
        if found is not None and (found.value or name == f"work.{facts.wiring}"):
            rows.append((label, f"{name}.kT", found, "work"))
    rows += _baths(verdicts, facts)
    total = verdicts.get("heat.total.kT")
    if total is not None and len(facts.baths) > 1:
        rows.append(("heat into all baths", "heat.total.kT", total, "heat"))
    change = verdicts.get("energy.change.kT")
    if change is not None:
        rows.append(("change of stored energy", "energy.change.kT", change, "stored"))
    bars = [
        Bar(label, name, q.value, measured(q.value, q.stderr, "kT"),
            joules(_times(q.value, kt), _times(q.stderr, kt)), role)
        for label, name, q, role in rows
    ]  # fmt: skip
    return _scaled(bars, [q.stderr for _, _, q, _ in rows])


def account(verdicts: Verdicts, facts: Facts) -> tuple[list[Bar], float, str]:
    """The second law as a sum of bars, nats per sample; where zero lies; the law in words.

    With clocked control the law has an information term whose form depends on the readings; what is
    shown is the term that the audit's slack contains. Of exact readings, whose information is
    infinite, the slack is that of the ticks against their way back instead.
    """
    change, medium = verdicts.get("entropy.system_change"), verdicts.get("entropy.medium")
    slack = verdicts.quantities.get("second_law.slack")
    if change is None or medium is None or slack is None:
        return [], 0.0, ""
    terms: list[tuple[str, str, Quantity, str, float]] = [
        ("entropy change of the system", "entropy.system_change", change, "stored", 1.0),
        ("heat over kT of the baths", "entropy.medium", medium, "heat", 1.0),
    ]
    pumping = verdicts.get("pumping.total")
    if slack.value is not None and facts.clocked:
        rest = slack.value - (change.value or 0.0) - (medium.value or 0.0)
        gained = Quantity(rest, None, "nat")
        if slack.note.startswith("ln q_0"):
            label, name = "what the control returns on the way back", "returned in the law"
            terms.append((label, name, gained, "stored", 1.0))
        else:
            name = "information in the law"
            terms.append(("information that the law counts", name, gained, "pumping", 1.0))
    elif pumping is not None and facts.wiring == "current" and not facts.clocked:
        name = "pumping.total"
        terms.append(("entropy pumped, − ∫ E div u", name, pumping, "pumping", -1.0))
    terms.append(("left over (must not be negative)", "second_law.slack", slack, "ink", 1.0))
    bars = []
    for label, name, q, role, sign in terms:
        value = None if q.value is None else sign * q.value
        words = "infinite" if value is None and facts.clocked else measured(value, q.stderr, "nats")
        bars.append(Bar(label, name, value, words, "", role))
    words = slack.note[:1].upper() + slack.note[1:] if slack.value is None else slack.note + " ≥ 0"
    for spelled, sign in _SIGNS.items():
        words = words.replace(spelled, sign)
    return *_scaled(bars, [q.stderr for _, _, q, _, _ in terms]), words


_DEMON = {
    "entropy.system_change": "entropy change dS",
    "entropy.medium": "heat over kT, Σ Q/kT",
    "information.acquired": "information acquired, Σ I",
    "information.per_tick": "information of a tick, mean",
    "information.efficiency": "efficiency −(dS + Σ Q/kT)/(Σ I − I(X;Y))",
    "information.bits_read": "bits read",
    "cost.erasure": "least cost of forgetting",
}


def demon_terms(verdicts: Verdicts) -> list[tuple[str, str, float | None, str, str]]:
    """The demon's account as rows: dotted name, what it is, value, the number in words, a note."""
    rows = []
    for name, label in _DEMON.items():
        found = verdicts.quantities.get(name)
        if found is None:
            continue
        if found.value is None:
            endless = found.note.startswith(("infinite:", "exact readings"))
            words = "infinite" if endless else "none" if found.unit == "1" else "unknown"
        elif found.unit == "J":
            words = joules(found.value, found.stderr)
        else:
            unit = {"nat": "nats", "bit": "bits", "1": ""}[found.unit]
            words = measured(found.value, found.stderr, unit)
        note = found.note or found.method
        if name == "information.per_tick" and found.value is not None:
            note = note.partition("; ")[2]  # what is said of the whole already
        rows.append((name, label, found.value, words, note))
    return rows


def cell_grid(verdicts: Verdicts, facts: Facts) -> tuple[str, np.ndarray] | None:
    """Mean heat of every cell of a two-dimensional array, kT: (resistor, (rows, columns))."""
    shape = facts.sheet.shape
    if len(shape) != 2 or len(facts.baths) != math.prod(shape) or min(shape) < 2:
        return None
    heat = [verdicts.get(f"heat.{bath}.kT") for bath in facts.baths]
    if any(q is None for q in heat):
        return None
    values = np.array([q.value for q in heat if q is not None], dtype=np.float64)
    return _cell(facts.baths[0]), values.reshape(shape)


def _baths(verdicts: Verdicts, facts: Facts) -> list[_Row]:
    """Heat of every bath; one cell's share where cells repeat; the largest where there are many."""
    found = {bath: verdicts.get(f"heat.{bath}.kT") for bath in facts.baths}
    known = {bath: q for bath, q in found.items() if q is not None and q.value is not None}
    cells: dict[str, list[float]] = {}
    for bath, q in known.items():
        cells.setdefault(_cell(bath), []).append(q.value or 0.0)
    if len(known) <= _MOST_BATHS:
        return [_bath_row(facts, bath, q) for bath, q in known.items()]
    total = verdicts.get("heat.total.kT")
    if len(cells) == 1 and total is not None and total.value is not None:
        # The sum follows with its standard error; here is one cell's share.
        n = len(known)
        stderr = None if total.stderr is None else total.stderr / n
        mean = Quantity(total.value / n, stderr, "kT")
        label = f"heat into each of {n} resistors {_cell(facts.baths[0])}, mean"
        return [(label, "heat of one bath", mean, "heat")]
    if len(cells) <= _MOST_BATHS:
        return [
            (f"heat into {len(values)} resistors {cell}, {plain(min(values), 3)} to "
             f"{plain(max(values), 3)} kT each",
             f"heat.{cell}", Quantity(math.fsum(values), None, "kT"), "heat")
            for cell, values in cells.items()
        ]  # fmt: skip
    largest = sorted(known, key=lambda bath: -abs(known[bath].value or 0.0))[: _MOST_BATHS - 1]
    rows = [_bath_row(facts, bath, q) for bath, q in known.items() if bath in largest]
    rest = [q.value or 0.0 for bath, q in known.items() if bath not in largest]
    others = Quantity(math.fsum(rest), None, "kT")
    label = f"heat into {len(rest)} other baths together"
    return [*rows, (label, "heat of the other baths", others, "heat")]


def _bath_row(facts: Facts, bath: str, heat: Quantity) -> _Row:
    return f"heat into {bath}{_warm(facts, bath)}", f"heat.{bath}.kT", heat, "heat"


def _cell(bath: str) -> str:
    """The name that an array repeats: r0[3,4] is a copy of r0."""
    return re.split(r"[\[(]|\.(?=\d)", bath)[0]


def _warm(facts: Facts, bath: str) -> str:
    """A bath's temperature, where the device has several."""
    temperatures = {name: bath.value for name, bath in facts.sheet.baths.items()}
    several = len(set(temperatures.values())) > 1
    return f" ({plain(temperatures[bath], 4)} K)" if several and bath in temperatures else ""


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


def _scaled(bars: list[Bar], errors: Sequence[Any]) -> tuple[list[Bar], float]:
    """Places the bars on a common linear track that contains zero."""
    spans = [
        (bar.value - (error or 0.0), bar.value + (error or 0.0))
        for bar, error in zip(bars, errors, strict=True)
        if bar.value is not None and math.isfinite(bar.value)
    ]
    low = min([0.0, *(span[0] for span in spans)])
    high = max([0.0, *(span[1] for span in spans)])
    span = (high - low) or 1.0
    zero = -100.0 * low / span
    placed = []
    for bar, error in zip(bars, errors, strict=True):
        if bar.value is None or not math.isfinite(bar.value):
            placed.append(bar)
            continue
        at = zero + 100.0 * bar.value / span
        reach = 100.0 * error / span if error else 0.0
        whisker = (max(0.0, at - reach), 2.0 * reach) if reach > 0.4 else None
        place = {"left": min(zero, at), "width": abs(at - zero), "error": whisker}
        placed.append(Bar(**{**vars(bar), **place}))
    return placed, zero
