"""What holds or moves a source: watts while it is on, or joules of one update.

    op-amp     a packaged amplifier of gain-bandwidth product GBW: P = V GBW/m, m = 20 MHz per mA of
               supply current. Ten parts lie within a factor 4; an accurate one for 36 V takes 19
               times as much.
    class-a    the least that a current source takes which is never switched off: P = V_dd I with
               the largest current it must give, I = V_max/R. Over a run of S R C that is
               V_dd V_max C S joules.
    switched   a capacitor charged from the supply, E = C V_dd |dV| for every update.
    ota        one branch of an integrated transconductor: P = V_dd 2 pi GBW C_L/(gm/Id), gm/Id 15
               per volt, 5 (strong inversion, fast) to 25 (weak inversion). A whole amplifier has
               several branches and takes two to four times as much.

The last three follow from charge and current alone; what is uncertain is what is put in. The
bandwidth that a clocked source needs follows from its settling: a hundredth of a node's time
constant takes 1/(2 pi .01 tau).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import pi
from typing import ClassVar

from thermohw.prices.model import PriceModel, setting
from thermohw.prices.price import Price
from thermohw.units import engineering

__all__ = ["DriverClassA", "DriverOpAmp", "DriverOta", "DriverSwitched"]

_Asking = Callable[[str], float]


@dataclass(frozen=True)
class _Driver(PriceModel):
    """What drives one node.

    Attributes:
        supply: volt.
        bandwidth: Hz; None: the run's, as is every one that follows.
        capacitance: farad.
        resistance: ohm.
        voltage: the largest of the source, volt.
        swing: its mean change per update, volt.
    """

    supply: float | None = setting("V")
    bandwidth: float | None = setting("Hz")
    capacitance: float | None = setting("F")
    resistance: float | None = setting("ohm")
    voltage: float | None = setting("V")
    swing: float | None = setting("V")

    kind: ClassVar[str] = "driver"
    unit: ClassVar[str] = "W"
    evidence: ClassVar[str] = "derived"

    def price(
        self,
        *,
        bandwidth: float | None = None,
        capacitance: float | None = None,
        resistance: float | None = None,
        voltage: float | None = None,
        swing: float | None = None,
    ) -> Price:
        """Watts of one driven node, or joules of one of its updates."""
        told = {
            "supply": None,
            "bandwidth": bandwidth,
            "capacitance": capacitance,
            "resistance": resistance,
            "voltage": voltage,
            "swing": swing,
        }

        def ask(key: str) -> float:
            value = self._asked(key, told[key])
            if not value > 0.0:
                raise self._error(f"{key}: must be positive: {value:g}")
            return value

        return self._of(ask)

    def _of(self, ask: _Asking) -> Price:
        raise NotImplementedError


@dataclass(frozen=True)
class DriverOpAmp(_Driver):
    """A packaged operational amplifier."""

    name: ClassVar[str] = "op-amp"
    law: ClassVar[str] = "V GBW/(20 MHz per mA), x/4"
    range: ClassVar[str] = "GBW 0.4 to 500 MHz"
    source: ClassVar[str] = "data sheets, typical, of ten parts (Analog Devices, Linear, ST, TI)"
    band: ClassVar[tuple[float, float] | None] = (0.25, 4.0)

    def _of(self, ask: _Asking) -> Price:
        width = self._within("bandwidth", ask("bandwidth"), 0.4e6, 500e6, "Hz")
        supply = ask("supply")
        value = supply * width / 20e9
        words = f"{engineering(supply, 'V')} {engineering(width, 'Hz')} / (20 MHz per mA)"
        return self._made(value, value / 4, value * 4, words)


@dataclass(frozen=True)
class DriverClassA(_Driver):
    """A current source that is always on."""

    name: ClassVar[str] = "class-a"
    law: ClassVar[str] = "V_dd V_max/R"
    range: ClassVar[str] = "exact for what is put in; a floor"
    source: ClassVar[str] = "the largest current, drawn from the supply all the time"

    def _of(self, ask: _Asking) -> Price:
        supply, voltage, resistance = (ask(key) for key in ("supply", "voltage", "resistance"))
        words = f"{engineering(supply, 'V')} {engineering(voltage, 'V')}"
        value = supply * voltage / resistance
        return self._made(value, value, None, f"{words} / {engineering(resistance, 'ohm')}")


@dataclass(frozen=True)
class DriverSwitched(_Driver):
    """A capacitor that is charged anew at every update."""

    name: ClassVar[str] = "switched"
    unit: ClassVar[str] = "J"
    law: ClassVar[str] = "C V_dd |dV|"
    range: ClassVar[str] = "exact for what is put in; a floor"
    source: ClassVar[str] = "the charge of every change, drawn from the supply"

    def _of(self, ask: _Asking) -> Price:
        supply, swing, capacitance = (ask(key) for key in ("supply", "swing", "capacitance"))
        words = f"{engineering(capacitance, 'F')} {engineering(supply, 'V')}"
        value = capacitance * supply * swing
        return self._made(value, value, None, f"{words} {engineering(swing, 'V')}")


@dataclass(frozen=True)
class DriverOta(_Driver):
    """An integrated transconductor."""

    name: ClassVar[str] = "ota"
    law: ClassVar[str] = "V_dd 2 pi GBW C_L/(gm/Id), gm/Id 25 / 15 / 5 per V"
    range: ClassVar[str] = "one branch; textbook"
    source: ClassVar[str] = "gm = 2 pi GBW C_L; gm/Id 5 to 25 per volt (textbook)"

    def _of(self, ask: _Asking) -> Price:
        supply, width, load = (ask(key) for key in ("supply", "bandwidth", "capacitance"))
        gm = 2.0 * pi * width * load
        value = supply * gm / 15.0
        words = f"{engineering(supply, 'V')} 2 pi {engineering(width, 'Hz')}"
        formula = f"{words} {engineering(load, 'F')} / (15 per V)"
        return self._made(value, value * 15 / 25, value * 15 / 5, formula)
