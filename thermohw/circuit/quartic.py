r"""Circuits whose stored energy is quartic: units, baths, drift (thermal units, float64).

State x, shape (n,): x_i = q_i / (C_i V_s,i), the charge of node i in units of its own (see
`thermohw.datasheet.quartic`). In energies of k T_ref and times of R_ref C_ref,

    H(x) = x.K x / 2 + sum_i J4_i x_i^4 + b.x        K_ii = 2 J2_i,  K_ij = J_ij

in the port-Hamiltonian form of `thermohw.circuit.passive` with J = 0. A resistor acts on charges,
so its direction has the units' charges in it: b_k,i = (e_a - e_b)_i / (C_i V_s,i). For one unit
with one resistor

    dx = -mu dH/dx dt + sqrt(2 mu T) dW,       mu = gamma b^2

The resistors are linear, so their noise is Gaussian and independent of x: nothing about a
nonlinear capacitor contradicts equilibrium, which is exp(-H/T). A conductance that depends on x
would (Wyatt and Coram; see `thermohw.jumps` for nonlinear conductors), and no table describes one.

The energy itself is a `Landscape`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from thermohw.circuit.landscape import Landscape
from thermohw.circuit.passive import PassiveDevice
from thermohw.datasheet.quartic import coefficients
from thermohw.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.circuit.device import LinearDevice
    from thermohw.circuit.scale import Scale
    from thermohw.datasheet import Datasheet

__all__ = ["QuarticDevice", "build_quartic"]


@dataclass(frozen=True, eq=False)
class QuarticDevice(PassiveDevice):
    """n quartic units and K resistors.

    Attributes:
        name: the datasheet's name.
        scale: SI size of the thermal units.
        nodes: names of the n nodes.
        elements: names of the K resistors and of their baths.
        landscape: H as K (n, n), J4 (n,) and b (n,), k T_ref.
        directions: b_k as rows, shape (K, n), per unit of charge.
        coefficients: gamma_k = R_ref / R_k, shape (K,).
        temperatures: T_k / T_ref, shape (K,).
        unit_charge: C V_s of every node in units of charge, shape (n,).
        units: names of the quartic units.
        datasheet: where the numbers came from (None for a device built by hand).
    """

    name: str
    scale: Scale
    nodes: tuple[str, ...]
    elements: tuple[str, ...]
    landscape: Landscape
    directions: NDArray[Any]
    coefficients: NDArray[Any]
    temperatures: NDArray[Any]
    unit_charge: NDArray[Any]
    units: tuple[str, ...] = ()
    datasheet: Datasheet | None = field(default=None, repr=False)
    runs_with: ClassVar[str] = "th.Drive(device, ...)"
    kinds: ClassVar[tuple[str, ...]] = ("program",)
    capacitance_couples: ClassVar[bool] = False

    def __post_init__(self) -> None:
        n, k = len(self.nodes), len(self.elements)
        energy = self.landscape
        assert energy.quadratic.shape == (n, n)
        assert energy.quartic.shape == energy.bias.shape == self.unit_charge.shape == (n,)
        assert self.directions.shape == (k, n)
        assert self.coefficients.shape == self.temperatures.shape == (k,)

    @property
    def coordinates(self) -> tuple[str, ...]:
        """Names of the n units."""
        return self.units or self.nodes

    @property
    def structure(self) -> NDArray[Any]:
        """No inductors: J = 0, shape (n, n)."""
        return np.zeros((self.dim, self.dim))

    @property
    def readings(self) -> tuple[tuple[str, str, str, tuple[str, ...]], ...]:
        """The states x themselves."""
        return (("x", "1", "unit", self.coordinates),)

    def read(self, state: NDArray[Any]) -> NDArray[Any]:
        """x."""
        return state

    def state_of(self, readings: NDArray[Any]) -> NDArray[Any]:
        """x."""
        return readings

    def at(
        self, landscape: Landscape, coefficients: NDArray[Any], temperatures: NDArray[Any]
    ) -> QuarticDevice:
        """The same circuit at other parameters."""
        return replace(
            self, landscape=landscape, coefficients=coefficients, temperatures=temperatures
        )

    @cached_property
    def spread(self) -> NDArray[Any]:
        """A thermal size of every unit at the hottest bath, see `Landscape.spread`; shape (n,)."""
        return self.landscape.spread(float(self.temperatures.max()))


def build_quartic(datasheet: Datasheet, passive: LinearDevice) -> QuarticDevice:
    """The device of a sheet whose nodes all have a quartic unit.

    Args:
        datasheet: with its units and couplings.
        passive: the same sheet's nodes and resistors as matrices.

    Raises:
        InputError: a node that no resistor joins to ground.
    """
    family, scale = datasheet.landscape, passive.scale
    quadratic, quartic, bias = coefficients(family)
    volts = np.array([unit.volts_per_unit.value for unit in family.quartics])
    farads = np.array([node.capacitance.value for node in datasheet.nodes])
    unit_charge = farads * volts / scale.charge
    directions = passive.directions / unit_charge
    strength = np.linalg.eigvalsh(directions.T @ (passive.coefficients[:, None] * directions))
    if strength[0] <= 1e-12 * strength[-1]:
        raise InputError("a node has no resistive path to ground and never relaxes: add a resistor",
                         where=datasheet.name)  # fmt: skip
    if any(resistor.source for resistor in datasheet.resistors):
        raise InputError(
            "source: no protocol plays quartic units; drive their bias by a program instead",
            where=datasheet.name,
        )
    return QuarticDevice(
        name=datasheet.name,
        scale=scale,
        nodes=passive.nodes,
        elements=passive.elements,
        landscape=Landscape(quadratic / scale.energy, quartic / scale.energy, bias / scale.energy),
        directions=directions,
        coefficients=passive.coefficients,
        temperatures=passive.temperatures,
        unit_charge=unit_charge,
        units=tuple(unit.name for unit in family.quartics),
        datasheet=datasheet,
    )
