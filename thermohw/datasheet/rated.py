"""One entry of a datasheet: a number in SI and how far it may be trusted.

An entry is written "1 pF" or, with its pedigree, as a table

    { value = "1 pF", tolerance = "5 %", source = "vendor sheet, page 3", evidence = "measured" }

`tolerance` is relative, three standard deviations of the spread between devices. `low` and `high`
are the ends of what sources say about a price, where `value` is its typical size; they are part of
the pedigree and change no number that a run computes. `evidence` says how the number came about,
weakest first:

    placeholder   a number that had to stand there
    projected     expected of a device that does not exist yet
    derived       follows from other entries or from theory
    simulated     came out of a simulation
    measured      measured on a device
    metered       read from a power meter while the device did this work

An entry without a class counts as weaker than any of them. A comparison inherits the weaker class
of its two sides (`weakest`), and a ratio is reported together with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from thermohw.errors import InputError
from thermohw.units import engineering, parse

__all__ = ["EVIDENCE", "Graded", "RatedValue", "read_rated", "weakest"]

EVIDENCE = ("placeholder", "projected", "derived", "simulated", "measured", "metered")
"""Evidence classes, weakest first."""


@dataclass(frozen=True)
class RatedValue:
    """A number with its unit and pedigree.

    Attributes:
        value: size in `unit`.
        unit: SI unit ("F", "ohm", "K", "V", "A", "V/s", "J").
        tolerance: relative, three standard deviations; None where unstated.
        source: where the number comes from; "" where unstated.
        evidence: one of EVIDENCE; None where unstated.
        low: the smallest that sources give, in `unit`; None where unstated.
        high: the largest that sources give, in `unit`; None where unstated.
    """

    value: float
    unit: str
    tolerance: float | None = None
    source: str = ""
    evidence: str | None = None
    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        return engineering(self.value, self.unit)


class Graded(Protocol):
    """Anything that states how far it may be trusted."""

    @property
    def evidence(self) -> str | None:
        """One of EVIDENCE; None where unstated."""


def weakest(*quantities: Graded | None) -> str | None:
    """The weakest evidence class among some quantities; None when one of them states none."""
    classes = [None if quantity is None else quantity.evidence for quantity in quantities]
    ranks = [-1 if name is None else EVIDENCE.index(name) for name in classes]
    return EVIDENCE[min(ranks)] if ranks and min(ranks) >= 0 else None


def read_rated(entry: Any, unit: str, *, signed: bool = False, zero: bool = False) -> RatedValue:
    """Read an entry, either text or a table with value, tolerance, source and evidence.

    Args:
        entry: what stands in the TOML file.
        unit: the SI unit of the result. The value must be positive: nearly everything that a
            datasheet lists is.
        signed: allow a negative value too (a coupling of windings); zero is refused either way.
        zero: allow zero too (the voltage of a supply).

    Raises:
        InputError: see `thermohw.units.parse`; also a value that is not positive, an unknown
            evidence class, a tolerance outside [0, 1), a low above or a high below the value, or a
            further key (pydantic names the place).
    """
    table = entry if isinstance(entry, dict) else {"value": entry}
    unknown = sorted(set(table) - {"value", "tolerance", "source", "evidence", "low", "high"})
    if unknown or "value" not in table:
        fault = f"unknown key '{unknown[0]}'" if unknown else "no value"
        keys = "value, tolerance, low, high, source and evidence"
        raise InputError(f"{fault}; a table has {keys}")
    value = parse(table["value"], unit)
    if not (zero and value == 0.0) and (value == 0.0 if signed else value <= 0.0):
        wanted = "must not be zero" if signed else "must be positive"
        active = (
            "; a negative resistance needs an active element: a [[transconductor]] of negative g"
        )
        hint = active if unit == "ohm" and value < 0.0 else ""
        raise InputError(f"{wanted}: {table['value']!r}{hint}")
    tolerance = None
    if "tolerance" in table:
        tolerance = parse(table["tolerance"], "")
        if not 0.0 <= tolerance < 1.0:
            raise InputError(f"tolerance must lie in [0, 1): {table['tolerance']!r}")
    source, evidence = table.get("source", ""), table.get("evidence")
    if not isinstance(source, str):
        raise InputError(f"source must be text: {source!r}")
    if evidence is not None and evidence not in EVIDENCE:
        raise InputError(f"evidence must be one of {', '.join(EVIDENCE)}: {evidence!r}")
    low, high = (parse(table[end], unit, end) if end in table else None for end in ("low", "high"))
    if (low is not None and low > value) or (high is not None and high < value):
        wrong = "low" if low is not None and low > value else "high"
        raise InputError(f"{wrong}: {table[wrong]!r}: expected low <= value <= high, "
                         f"with value {table['value']!r}")  # fmt: skip
    if low is not None and low < 0.0 < value:
        raise InputError(f"low: must not be negative: {table['low']!r}")
    return RatedValue(value, unit, tolerance, source, evidence, low, high)
