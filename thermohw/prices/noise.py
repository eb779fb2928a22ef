"""Noise: joules of one Gaussian number.

    digital    numbers drawn by logic: 41 pJ measured (Box-Muller on a chaotic generator, 40 nm,
               62.73 mW at 1.53 GS/s), 10 pJ where trees of sums are said to take a quarter of
               others, 200 pJ for old generators: both ends are weak. A converter turns the number
               into a voltage: its price is apart.
    thermal    the node's own resistor. It takes nothing from any supply; the heat that it exchanges
               is in the bath's line. This is a true zero and the only one in this room.

Sources: C.-B. Chen, T. Chen and Y.-H. Huang, IEEE SSC-L 8, 253 (2025), doi
10.1109/LSSC.2025.3605369; Crols et al., DATE 2024, doi 10.23919/DATE58400.2024.10546516 (ratio).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from thermohw.prices.model import PriceModel
from thermohw.prices.price import Price

__all__ = ["NoiseDigital", "NoiseThermal"]


@dataclass(frozen=True)
class NoiseDigital(PriceModel):
    """Gaussian numbers drawn by logic."""

    kind: ClassVar[str] = "noise"
    name: ClassVar[str] = "digital"
    law: ClassVar[str] = "10 / 41 / 200 pJ"
    range: ClassVar[str] = "a Gaussian number of 8 to 16 bits, 40 to 45 nm"
    source: ClassVar[str] = (
        "C.-B. Chen, T. Chen and Y.-H. Huang, IEEE SSC-L 8, 253 (2025): measured; the low end by a "
        "ratio of Crols et al., DATE 2024"
    )
    evidence: ClassVar[str] = "measured"

    def price(self) -> Price:
        """Joules of one number."""
        return self._made(41e-12, 10e-12, 200e-12, "62.73 mW / 1.53 GS/s")


@dataclass(frozen=True)
class NoiseThermal(PriceModel):
    """The noise of the node's own resistor."""

    kind: ClassVar[str] = "noise"
    name: ClassVar[str] = "thermal"
    law: ClassVar[str] = "0"
    range: ClassVar[str] = "exact"
    source: ClassVar[str] = "fluctuation and dissipation: the bath gives it, no supply does"
    evidence: ClassVar[str] = "derived"
    band: ClassVar[tuple[float, float] | None] = None

    def price(self) -> Price:
        """Zero joules from any supply."""
        return self._made(0.0, 0.0, 0.0, "0, made by the bath")
