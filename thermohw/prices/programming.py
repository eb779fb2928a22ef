"""Writing parameters into a circuit: joules of one.

    z1    a sampler of probabilistic bits: writing a parameter 153.6 pJ, reading a bit 1.692 pJ,
          updating it 7.09 fJ, from circuit simulation. The maker's other figures for an update are
          1.3, 2 and 13 fJ, which is the spread of that one; nobody has published a second figure
          for writes and reads of such a chip, so theirs is unknown. Digital chips that do the same
          take 170 to 1500 times more for an update.

How often a parameter is written for each sample is the run's business. Devices that keep a
conductance (phase change, oxide) have no price here: none was found whose source could be opened.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from thermohw.prices.model import PriceModel, setting
from thermohw.prices.price import Price
from thermohw.units import engineering

__all__ = ["ProgrammingZ1"]

# Low, typical and high joules.
_OPERATIONS: dict[str, tuple[float | None, float, float | None]] = {
    "write": (None, 153.6e-12, None),
    "read": (None, 1.692e-12, None),
    "update": (1.3e-15, 7.09e-15, 13e-15),
}


@dataclass(frozen=True)
class ProgrammingZ1(PriceModel):
    """The Z1 sampler of probabilistic bits.

    Attributes:
        operation: "write" (of a parameter), "read" or "update" (of a bit).
    """

    operation: str = setting("word", choices=tuple(_OPERATIONS), default="write")

    kind: ClassVar[str] = "programming"
    name: ClassVar[str] = "z1"
    law: ClassVar[str] = "write 153.6 pJ, read 1.692 pJ, update 1.3 / 7.09 / 13 fJ"
    range: ClassVar[str] = "that chip"
    source: ClassVar[str] = "arXiv:2608.01615 (2026), appendix B, quoted by public notes"
    evidence: ClassVar[str] = "simulated"

    def price(self) -> Price:
        """Joules of one operation."""
        low, value, high = _OPERATIONS[self.operation]
        return self._made(value, low, high, f"{engineering(value, 'J')} a {self.operation}")
