"""What one operation costs: a number, how far off it may be, and where it comes from.

A price is joules for one operation (a conversion, a multiply-accumulate, a bit moved, a number
drawn, a parameter written) or watts for as long as something is on. `low` and `high` are the ends
of what published parts or the terms of its formula span around the typical `value`; where nobody
knows the spread they are None, which is not "no spread".

What nobody has priced has no `Price`: it is None wherever one could stand, and never zero. Zero is
a price like any other, and only one model has it: noise that a resistor makes without a supply.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isfinite

from thermohw.datasheet.rated import EVIDENCE, RatedValue
from thermohw.errors import InputError
from thermohw.units import engineering

__all__ = ["UNITS", "Price"]

UNITS = ("J", "W")
"""Joules of an operation, watts while it is on."""


@dataclass(frozen=True)
class Price:
    """The price of one operation.

    Attributes:
        value: typical, in `unit`.
        low: in `unit`; None where it is unknown.
        high: in `unit`; None where it is unknown.
        unit: "J" or "W".
        formula: with its numbers put in, "0.267 pJ + 0.1446 aJ 4^8".
        source: who published it, and when.
        evidence: one of `datasheet.EVIDENCE`; None where unstated.
    """

    value: float
    low: float | None
    high: float | None
    unit: str
    formula: str
    source: str
    evidence: str | None

    def __post_init__(self) -> None:
        if self.unit not in UNITS:
            raise InputError(f"a price is in J or in W, not in {self.unit!r}")
        if not (isfinite(self.value) and self.value >= 0.0):
            raise InputError(f"a price is a number of {self.unit}, zero or more: {self.value!r}")
        low = 0.0 if self.low is None else self.low
        high = inf if self.high is None else self.high
        if not 0.0 <= low <= self.value <= high:
            spread = f"low {self.low!r}, value {self.value!r}, high {self.high!r}"
            raise InputError(f"a price lies between its low and its high: {spread}")
        if self.evidence is not None and self.evidence not in EVIDENCE:
            raise InputError(f"evidence must be one of {', '.join(EVIDENCE)}: {self.evidence!r}")

    @classmethod
    def of(cls, rated: RatedValue) -> Price:
        """The price that an entry of a datasheet states.

        Raises:
            InputError: an entry in another unit than J or W.
        """
        stated = f"{rated}, as the datasheet states it"
        return cls(
            rated.value, rated.low, rated.high, rated.unit, stated, rated.source, rated.evidence
        )

    def __str__(self) -> str:
        ends = [
            "?" if end is None else engineering(end, self.unit) for end in (self.low, self.high)
        ]
        spread = "" if ends == ["?", "?"] else f" ({ends[0]} to {ends[1]})"
        return f"{engineering(self.value, self.unit)}{spread}, {self.evidence or 'unstated'}"
