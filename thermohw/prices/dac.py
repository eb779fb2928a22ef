"""From a number to a voltage or current: joules of one update.

    array      charge redistribution: 2^b unit capacitors C_u are charged to V, E = 2^b C_u V^2;
               with C_u = 1 fF and V = 0.8 V 0.16 pJ at 8 bits. Held against whole converters that
               contain such an array, which are upper bounds of it: 0.24 to 7.5 times, at
               250 MS/s 3.5 times. It drives the array itself and nothing else.
    steering   current sources switched into 50 ohm: the full-scale current flows all the time,
               E = k V I/f, k = 1.9 with segments, clock and latches (1: the current alone).
    board      a packaged voltage output that is on between updates: E = V I max(settling, 1/f).
               Its own settings are those of an unbuffered 16-bit part that settles in 1 us
               (LTC2641: 120 uA at 3 V). Such parts, and a buffered one at the
               rate that it settles, agree within a factor 2; without the current of the reference
               or the output amplifier it is up to 24 times less. Give the supply, current and
               settling of the part that is meant.

Only the array's energy depends on bits: on a board the output stage sets it, and a derivative with
respect to bits says nothing there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from thermohw.prices.model import PriceModel, setting
from thermohw.prices.price import Price
from thermohw.units import engineering

__all__ = ["DacArray", "DacBoard", "DacSteering"]

_IDEAL = "ideal sources have no bits; protocol.dac_bits gives them some"


@dataclass(frozen=True)
class DacArray(PriceModel):
    """A capacitor array on a chip.

    Attributes:
        bits: nominal; None: the run's.
        rate: updates per second, Hz; None: the run's, and not looked at where that is unknown.
    """

    bits: float | None = setting("")
    rate: float | None = setting("Hz")

    kind: ClassVar[str] = "dac"
    name: ClassVar[str] = "array"
    law: ClassVar[str] = "0.16 pJ 2^(b-8), x.2 to x8"
    range: ClassVar[str] = "b 8 to 13, up to 250 MS/s"
    source: ClassVar[str] = (
        "2^b capacitors of 1 fF at 0.8 V; whole SAR converters 2008-2022 in B. Murmann's ADC "
        "Performance Survey as upper bounds"
    )
    evidence: ClassVar[str] = "derived"
    band: ClassVar[tuple[float, float] | None] = (0.2, 8.0)

    def price(self, *, bits: float | None = None, rate: float | None = None) -> Price:
        """Joules of one update."""
        b = self._within("bits", self._asked("bits", bits, _IDEAL), 8, 13)
        if self.rate is not None or rate is not None:
            self._within("rate", self._asked("rate", rate), 0.0, 250e6, "Hz")
        value = 0.16e-12 * 2.0 ** (b - 8.0)
        return self._made(value, 0.2 * value, 8.0 * value, f"0.16 pJ 2^({b:g}-8)")


@dataclass(frozen=True)
class DacSteering(PriceModel):
    """Current steering into 50 ohm.

    Attributes:
        supply: volt.
        current: of full scale, ampere.
        bits: nominal; looked at only for the range.
        rate: updates per second, Hz; None: the run's.
    """

    supply: float = setting("V", default=3.3)
    current: float = setting("A", default=20e-3)
    bits: float | None = setting("")
    rate: float | None = setting("Hz")

    kind: ClassVar[str] = "dac"
    name: ClassVar[str] = "steering"
    law: ClassVar[str] = "k V I/f, k 1 / 1.9 / 2.5"
    range: ClassVar[str] = "8 to 14 bits, 50 MS/s to 3 GS/s, I 2 to 20 mA"
    source: ClassVar[str] = (
        "data sheets, typical, of AD9708, AD9762, AD9750 and AD9744 (Analog Devices, 1999-2013)"
    )
    evidence: ClassVar[str] = "derived"
    band: ClassVar[tuple[float, float] | None] = (1 / 1.9, 2.5 / 1.9)

    def price(self, *, bits: float | None = None, rate: float | None = None) -> Price:
        """Joules of one update; slower updates cost more, for the current flows all the time."""
        if self.bits is not None or bits is not None:
            self._within("bits", self._asked("bits", bits), 8, 14)
        f = self._within("rate", self._asked("rate", rate), 50e6, 3e9, "Hz")
        current = self._within("current", self.current, 2e-3, 20e-3, "A")
        least = self.supply * current / f
        parts = f"{engineering(self.supply, 'V')} {engineering(current, 'A')}"
        formula = f"1.9 {parts} / {engineering(f, 'Hz')}"
        return self._made(1.9 * least, least, 2.5 * least, formula)


@dataclass(frozen=True)
class DacBoard(PriceModel):
    """A packaged converter with a voltage output.

    Attributes:
        supply: volt.
        current: of the supply, ampere.
        settling: of the output, second.
        bits: nominal; looked at only for the range.
        rate: updates per second, Hz; None: the run's.
    """

    supply: float = setting("V", default=3.0)
    current: float = setting("A", default=120e-6)
    settling: float = setting("s", default=1e-6)
    bits: float | None = setting("")
    rate: float | None = setting("Hz")

    kind: ClassVar[str] = "dac"
    name: ClassVar[str] = "board"
    law: ClassVar[str] = "V I max(settling, 1/f), a factor 2 both ways"
    range: ClassVar[str] = "8 to 16 bits, f up to 1/settling"
    source: ClassVar[str] = (
        "data sheets, typical: LTC2641 (Linear), AD5541 (Analog Devices, 2012), AD5541A (2018)"
    )
    evidence: ClassVar[str] = "derived"
    band: ClassVar[tuple[float, float] | None] = (0.5, 2.0)

    def price(self, *, bits: float | None = None, rate: float | None = None) -> Price:
        """Joules of one update, load and reference not included.

        Raises:
            InputError: also updates that follow each other faster than the output settles.
        """
        if self.bits is not None or bits is not None:
            self._within("bits", self._asked("bits", bits, _IDEAL), 8, 16)
        f = self._within("rate", self._asked("rate", rate), 0.0, 1.0 / self.settling, "Hz")
        period = max(self.settling, 1.0 / f) if f > 0.0 else self.settling
        value = self.supply * self.current * period
        parts = f"{engineering(self.supply, 'V')} {engineering(self.current, 'A')}"
        return self._made(value, value / 2, value * 2, f"{parts} {engineering(period, 's')}")
