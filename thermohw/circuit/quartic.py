r"""Circuits whose stored energy is quartic: units, baths, drift (thermal units, float64).

State x, shape (n,): x_i = q_i / (C_i V_s,i), the charge of node i in units of its own (see
`thermohw.datasheet.quartic`). In energies of k T_ref and times of R_ref C_ref,

    H(x) = x.K x / 2 + sum_i J4_i x_i^4 + b.x        K_ii = 2 J2_i,  K_ij = J_ij
    dx   = -sum_k b_k dy_k
    dy_k = gamma_k X_k dt - sqrt(2 T_k gamma_k) dW_k,     X_k = b_k . grad H

which is the port-Hamiltonian form of `LinearDevice` with another H: y_k is the charge that leaves
through resistor k, heat into its bath is X_k o dy_k. A resistor acts on charges, so its direction
has the units' charges in it: b_k,i = (e_a - e_b)_i / (C_i V_s,i). For one unit with one resistor

    dx = -mu dH/dx dt + sqrt(2 mu T) dW,       mu = gamma b^2

The resistors are linear, so their noise is Gaussian and independent of x: nothing about a
nonlinear capacitor contradicts equilibrium, which is exp(-H/T). A conductance that depends on x
would (Wyatt and Coram; see `thermohw.jumps` for nonlinear conductors), and no table describes one.

The energy itself is a `Landscape`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from thermohw.circuit.landscape import Equilibrium, Landscape
from thermohw.datasheet.quartic import coefficients
from thermohw.errors import InputError

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from thermohw.circuit.device import LinearDevice
    from thermohw.circuit.scale import Scale
    from thermohw.datasheet import Datasheet

__all__ = ["QuarticDevice", "build_quartic"]


@dataclass(frozen=True, eq=False)
class QuarticDevice:
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
    runs_with: ClassVar[str] = "th.drive"

    def __post_init__(self) -> None:
        n, k = self.dim, len(self.elements)
        energy = self.landscape
        assert energy.quadratic.shape == (n, n)
        assert energy.quartic.shape == energy.bias.shape == self.unit_charge.shape == (n,)
        assert self.directions.shape == (k, n)
        assert self.coefficients.shape == self.temperatures.shape == (k,)

    @property
    def dim(self) -> int:
        """Number of units n."""
        return len(self.nodes)

    @property
    def coordinates(self) -> tuple[str, ...]:
        """Names of the state variables: the nodes."""
        return self.nodes

    @cached_property
    def mobility(self) -> NDArray[Any]:
        """M = sum_k gamma_k b_k b_k^T in dx = -M grad H dt, shape (n, n)."""
        return self.directions.T @ (self.coefficients[:, None] * self.directions)

    @cached_property
    def noise_matrix(self) -> NDArray[Any]:
        """N in dx = N dW, shape (n, K)."""
        return self.directions.T * np.sqrt(2.0 * self.temperatures * self.coefficients)

    @cached_property
    def temperature(self) -> float | None:
        """The one temperature of all baths in T_ref; None where they differ."""
        one = bool((self.temperatures == self.temperatures[0]).all())
        return float(self.temperatures[0]) if one else None

    @cached_property
    def spread(self) -> NDArray[Any]:
        """A thermal size of every unit at the hottest bath, see `Landscape.spread`; shape (n,)."""
        return self.landscape.spread(float(self.temperatures.max()))

    def energy(self, state: torch.Tensor) -> torch.Tensor:
        """H of states (paths, n): float64, shape (paths,), in k T_ref."""
        return self.landscape.energy(state)

    def gradient(self, state: torch.Tensor) -> torch.Tensor:
        """grad H of states (paths, n), same shape, in k T_ref."""
        return self.landscape.gradient(state)

    def hessian(self, state: torch.Tensor) -> torch.Tensor:
        """Second derivatives of H at states (paths, n), shape (paths, n, n), in k T_ref."""
        quartic = state.new_tensor(self.landscape.quartic)
        return state.new_tensor(self.landscape.quadratic) + (12.0 * quartic * state**2).diag_embed()

    def drift(self, state: torch.Tensor) -> torch.Tensor:
        """-M grad H of states (paths, n), same shape, per R_ref C_ref."""
        return -(self.gradient(state) @ state.new_tensor(self.mobility))

    def equilibrium(self) -> Equilibrium:
        """exp(-H/T) at the one temperature of the circuit.

        Raises:
            InputError: several temperatures, or more than two coupled units.
        """
        if self.temperature is None:
            raise InputError("baths of several temperatures: no equilibrium", where=self.name)
        return Equilibrium(self.landscape, self.temperature, self.units or self.nodes)


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
