"""Thermal units: the one place where volts become numbers of order one.

A circuit is integrated in units in which k T = 1 and R C = 1. Squared SI numbers (1e-15 F, 4e-21 J)
underflow float32; the scaled ones do not. Three reference values fix everything:

    energy   k T_ref              time     R_ref C_ref
    charge   sqrt(k T_ref C_ref)  voltage  sqrt(k T_ref / C_ref)      current  charge / time
    flux     voltage * time       inductance  R_ref^2 C_ref

so that a flux over an inductance is a current and a flux^2 over an inductance an energy, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

from thermohw.errors import InputError
from thermohw.units import K_B

__all__ = ["FARTHEST", "Scale"]

FARTHEST = 1e15
"""How many times larger or smaller than its thermal unit a setting may be. Beyond that a double,
whose rounding is 2e-16, no longer tells the sum of the two from the larger one; squares of such
numbers, 1e30, fit into float32.
"""


@dataclass(frozen=True)
class Scale:
    """Reference values of a device in SI; the properties are the SI size of one thermal unit.

    Attributes:
        capacitance: C_ref, farad.
        resistance: R_ref, ohm.
        temperature: T_ref, kelvin.
    """

    capacitance: float
    resistance: float
    temperature: float

    @property
    def energy(self) -> float:
        """k T_ref, joule."""
        return K_B * self.temperature

    @property
    def time(self) -> float:
        """R_ref C_ref, second."""
        return self.resistance * self.capacitance

    @property
    def voltage(self) -> float:
        """sqrt(k T_ref / C_ref), volt: the thermal voltage of the reference node."""
        return sqrt(self.energy / self.capacitance)

    @property
    def charge(self) -> float:
        """sqrt(k T_ref C_ref), coulomb."""
        return sqrt(self.energy * self.capacitance)

    @property
    def current(self) -> float:
        """Charge per time, ampere; equals voltage / R_ref."""
        return self.voltage / self.resistance

    @property
    def inductance(self) -> float:
        """R_ref^2 C_ref, henry."""
        return self.resistance**2 * self.capacitance

    @property
    def flux(self) -> float:
        """sqrt(k T_ref L_ref) = voltage * time, volt second."""
        return self.voltage * self.time

    def theta(self, volts_per_unit: float) -> float:
        """Thermal variance k T/(C V0^2) of a reference node in model units x = V/V0
        (dimensionless).

        Raises:
            InputError: V0 is more than `FARTHEST` from the thermal voltage.
        """
        if not self.voltage / FARTHEST <= volts_per_unit <= self.voltage * FARTHEST:
            raise InputError(
                f"a model unit of {volts_per_unit:.3g} V is too far from the thermal voltage, "
                f"{self.voltage:.3g} V, for doubles: expected at most a factor of {FARTHEST:g}",
                where="protocol.volts_per_unit",
            )
        return (self.voltage / volts_per_unit) ** 2
