"""Seconds and joules of a solution, from the matrix in the host to the numbers back there.

    transfer in   (N^2 resistor codes + N converter codes) bits over the link
    analog        waiting until the start is forgotten, then averaging
    transfer out  N readings of adc bits, as many as were taken

The circuit's own energy is what its sources and amplifiers deliver and its resistors turn into
heat; the supplies of the amplifiers burn their quiescent power all along, which is far more. An
unpriced cost is None, never zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from thermohw.units import engineering

if TYPE_CHECKING:
    from thermohw.circuit import SolverDevice

__all__ = ["Budget", "budget"]


@dataclass(frozen=True)
class Budget:
    """Time in seconds and energy in joules of one solution.

    Attributes:
        transfer: seconds on the link, both ways.
        settling: seconds until readings count.
        averaging: seconds of readings.
        static: joules of the amplifiers' supplies at rest.
        circuit: joules that resistors turned into heat.
        converters: joules of DAC settings and ADC readings; None where unpriced.
    """

    transfer: float
    settling: float
    averaging: float
    static: float
    circuit: float
    converters: float | None

    @property
    def time(self) -> float:
        """Seconds in all."""
        return self.transfer + self.settling + self.averaging

    @property
    def energy(self) -> float:
        """Joules in all that is priced."""
        return self.static + self.circuit + (self.converters or 0.0)

    def __str__(self) -> str:
        spent = "unpriced" if self.converters is None else engineering(self.converters, "J")
        return (
            f"time   {engineering(self.time, 's')}: transfer {engineering(self.transfer, 's')}, "
            f"settling {engineering(self.settling, 's')}, averaging "
            f"{engineering(self.averaging, 's')}\n"
            f"energy {engineering(self.energy, 'J')}: supplies at rest "
            f"{engineering(self.static, 'J')}, heat of the resistors "
            f"{engineering(self.circuit, 'J')}, converters {spent}"
        )


def budget(
    device: SolverDevice, n: int, *, settling: float, averaging: float, readings: int, heat: float
) -> Budget:
    """The budget of a system of n unknowns.

    Args:
        device: the board.
        n: unknowns.
        settling: seconds before readings count.
        averaging: seconds of readings.
        readings: how often every unknown is read.
        heat: power of all resistors, watt.
    """
    sheet = device.datasheet
    solver, cost = sheet.solver, sheet.cost
    assert solver is not None
    bits = n * n * (solver.resistor_bits or 0) + n * (solver.dac_bits or 0)
    bits += readings * n * (solver.adc_bits or 0)
    rate = solver.transfer
    quiescent = sheet.amplifiers[0].quiescent
    analog = settling + averaging
    priced = cost.adc is not None and cost.dac is not None
    return Budget(
        transfer=0.0 if rate is None else bits / rate.value,
        settling=settling,
        averaging=averaging,
        static=0.0 if quiescent is None else n * quiescent.value * analog,
        circuit=heat * analog,
        converters=(
            n * cost.dac.value + readings * n * cost.adc.value
            if priced and cost.adc is not None and cost.dac is not None
            else None
        ),
    )
