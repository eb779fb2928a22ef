"""Analog scores: joules of one operation of a matrix held in memory cells.

In-memory macros state operations per joule; a multiply-accumulate is two operations. Eight-bit
inputs and outputs, whole chips: 40, 10 and 2.48 TOPS/W as low, typical and high. Macros of four
bits take ten times fewer joules and are another class: they are listed as outside, never mixed in.
What drives the inputs of a circuit in volts, and holds its outputs, is priced with the drivers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from thermohw.prices.model import PriceModel
from thermohw.prices.price import Price

__all__ = ["AnalogInMemory"]


@dataclass(frozen=True)
class AnalogInMemory(PriceModel):
    """Computing in memory with inputs and outputs of eight bits."""

    kind: ClassVar[str] = "analog"
    name: ClassVar[str] = "in-memory"
    law: ClassVar[str] = "1/(40 / 10 / 2.48 TOPS/W): .025 / .10 / .40 pJ an operation"
    range: ClassVar[str] = "8-bit inputs and outputs, whole chips, 14 to 22 nm"
    source: ClassVar[str] = (
        "M. Le Gallo et al., Nature Electronics 2023; R. Khaddam-Aljameh et al., JSSC 2022; "
        "arXiv:2412.19750 (2024)"
    )
    evidence: ClassVar[str] = "measured"

    def price(self) -> Price:
        """Joules of one operation, half a multiply-accumulate."""
        return self._made(1e-12 / 10, 1e-12 / 40, 1e-12 / 2.48, "1 / (10 TOPS/W)")
