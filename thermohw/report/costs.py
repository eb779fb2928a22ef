"""What the electronics around the circuit cost, as bars on a logarithmic scale.

They lie many decades above the circuit's heat, which is drawn beside them for scale. An operation
that the datasheet does not price, or that nobody can count, has no bar at all: unpriced is not
free.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from thermohw.report.energy import Bar
from thermohw.report.numerals import joules, plain, power

if TYPE_CHECKING:
    from thermohw.report.facts import Facts
    from thermohw.report.verdicts import Verdicts

__all__ = ["LogScale", "costs"]

_TOTALS = ("cost.total", "cost.priced")
_MARKS = 3  # decades named on a logarithmic axis, besides its beginning
_COSTS = {
    "cost.adc": "reading node voltages (ADC)",
    "cost.dac": "setting sources (DAC)",
    "cost.driver": "driving the nodes",
    "cost.score": "computing the score",
    "cost.memory": "moving its weights",
    "cost.noise": "making noise",
    "cost.static": "what is on all the time",
    "cost.programming": "writing the weights",
    "cost.erasure": "erasing what was read",
    "cost.total": "converters, arithmetic, erasure",
    "cost.priced": "all that is priced, heat included",
}


@dataclass(frozen=True)
class LogScale:
    """A logarithmic axis: (position in percent, label) of its decades."""

    low: int
    high: int
    marks: list[tuple[float, str]]


def costs(verdicts: Verdicts, facts: Facts) -> tuple[list[Bar], LogScale | None]:
    """The electronics, joule per sample, on a logarithmic scale that the circuit's heat shares.

    The scale is None where nothing is priced.
    """
    kt = facts.units["energy"]
    heat = verdicts.get("heat.total.kT")
    rows = [
        (label, name, q.value, q.note)
        for name, label in _COSTS.items()
        if (q := verdicts.quantities.get(name))
    ]
    sizes = [v for _, _, v, _ in rows if v is not None and 0.0 < v < math.inf]
    if not sizes:
        return [
            Bar(label, name, v, _missing(note) if v is None else "none used", "", "", note=note)
            for label, name, v, note in rows
        ], None  # fmt: skip
    if heat is not None and heat.value:
        size = abs(heat.value) * kt
        rows.insert(0, ("heat of the circuit (size), for scale", "heat.total.J", size, ""))
        sizes.append(size)
    low, high = math.floor(math.log10(min(sizes))) - 1, math.ceil(math.log10(max(sizes)))
    high = max(high, low + 2)
    step = max(1, -(-(high - low) // _MARKS))
    marks = [
        (100.0 * (d - low) / (high - low), f"{power(d)} J") for d in range(low, high + 1, step)
    ]
    bars = []
    for label, name, value, note in rows:
        role = "heat" if name.startswith("heat") else "ink" if name in _TOTALS else "stored"
        if value is None:
            bars.append(Bar(label, name, None, _missing(note), "", role, note=note))
        elif not 0.0 < value < math.inf:
            words = "none used" if value == 0.0 else joules(value)
            bars.append(Bar(label, name, value, words, "", role, note=note))
        else:
            width = 100.0 * (math.log10(value) - low) / (high - low)
            words, other = f"{plain(value / kt, 2)} kT", joules(value)
            bars.append(Bar(label, name, value, words, other, role, width=width, note=note))
    return bars, LogScale(low, high, marks)


def _missing(note: str) -> str:
    """Why there is no number, in a word."""
    if "infinite" in note:
        return "infinite"
    return "unpriced" if note.startswith("unpriced") else "unknown"
