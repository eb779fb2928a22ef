r"""What circuits of resistors around a stored energy have in common, whatever the energy.

State z with energy H(z) (a `Landscape`), structure J and resistors with directions b_k,
coefficients gamma_k and temperatures T_k, in the device's thermal units:

    dz   = J grad H dt - sum_k b_k dy_k,      dy_k = gamma_k X_k dt - sqrt(2 T_k gamma_k) dW_k
    X_k  = b_k . grad H                        heat into bath k: X_k o dy_k

The state of a linear circuit is charge and flux, that of a quartic one x. Neither changes when a
parameter jumps, so a circuit at other parameters (`PassiveDevice.at`) is one more circuit of its
kind for the same states: a program is a row of them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from thermohw.circuit.landscape import Equilibrium
from thermohw.errors import InputError

if TYPE_CHECKING:
    from typing import Self

    import torch
    from numpy.typing import NDArray

    from thermohw.circuit.landscape import Landscape
    from thermohw.circuit.scale import Scale
    from thermohw.datasheet import Datasheet

__all__ = ["PassiveDevice", "Wired", "require_passive"]


class Wired:
    """Nodes, and inductors between them: charges and fluxes, volts and amperes."""

    scale: Scale
    nodes: tuple[str, ...]
    fluxes: tuple[str, ...]
    structure: NDArray[Any]

    @property
    def coordinates(self) -> tuple[str, ...]:
        """Names of the charges and fluxes, of their efforts and of the ports: nodes (charge, volt,
        injected ampere), then inductors (flux, ampere, volt in the branch).
        """
        return (*self.nodes, *self.fluxes)

    @property
    def readings(self) -> tuple[tuple[str, str, str, tuple[str, ...]], ...]:
        """What a person reads off: node voltages, and inductor currents where there are any; name,
        unit, axis and its labels.
        """
        rows = (("voltage", "V", "node", self.nodes),
                ("inductor_current", "A", "inductor", self.fluxes))  # fmt: skip
        return rows if self.fluxes else rows[:1]

    @cached_property
    def effort_scale(self) -> NDArray[Any]:
        """SI size of the unit of every effort, shape (n,): volt for nodes, ampere for inductors."""
        sizes = [self.scale.voltage] * len(self.nodes) + [self.scale.current] * len(self.fluxes)
        return np.array(sizes)

    @cached_property
    def gyrating(self) -> bool:
        """True when J moves energy between coordinates: the circuit has inductors."""
        return bool(self.structure.any())


class PassiveDevice(ABC):
    """Resistors around an energy: n state variables, K baths; the fields are those of its kind.

    Attributes:
        landscape: H.
        structure: J, shape (n, n).
        capacitance_couples: whether capacitances are part of H; else they are a unit of charge.
    """

    name: str
    scale: Scale
    elements: tuple[str, ...]
    landscape: Landscape
    structure: NDArray[Any]
    directions: NDArray[Any]
    coefficients: NDArray[Any]
    temperatures: NDArray[Any]
    datasheet: Datasheet | None
    capacitance_couples: ClassVar[bool] = True

    @property
    @abstractmethod
    def coordinates(self) -> tuple[str, ...]:
        """Names of the n state variables."""

    @property
    @abstractmethod
    def readings(self) -> tuple[tuple[str, str, str, tuple[str, ...]], ...]:
        """What a person reads off states, in their order: name, unit, axis and its labels."""

    @abstractmethod
    def read(self, state: NDArray[Any]) -> NDArray[Any]:
        """The readings, SI, of states (..., n), same shape."""

    @abstractmethod
    def state_of(self, readings: NDArray[Any]) -> NDArray[Any]:
        """The inverse of `read`."""

    @abstractmethod
    def at(
        self, landscape: Landscape, coefficients: NDArray[Any], temperatures: NDArray[Any]
    ) -> Self:
        """The same circuit at other parameters."""

    @property
    def dim(self) -> int:
        """Number of state variables n."""
        return self.directions.shape[1]

    @property
    def energy_unit(self) -> float:
        """k T_ref, joule."""
        return self.scale.energy

    @cached_property
    def mobility(self) -> NDArray[Any]:
        """M = sum_k gamma_k b_k b_k^T, shape (n, n)."""
        return self.directions.T @ (self.coefficients[:, None] * self.directions)

    @cached_property
    def noise_matrix(self) -> NDArray[Any]:
        """N in dz = N dW, shape (n, K): columns b_k sqrt(2 T_k gamma_k)."""
        return self.directions.T * np.sqrt(2.0 * self.temperatures * self.coefficients)

    @cached_property
    def temperature(self) -> float | None:
        """The one temperature of all baths in T_ref; None where they differ."""
        t = self.temperatures
        # Two schedules of one straight line may differ in the last digit between knots.
        return float(t[0]) if bool((np.abs(t - t[0]) < 1e-9 * t[0]).all()) else None

    @cached_property
    def separate(self) -> bool:
        """Every coordinate has one resistor of its own and a linear force of its own."""
        own = self.directions.shape[0] == self.directions.shape[1]
        own = own and not (self.directions - np.diag(np.diag(self.directions))).any()
        return bool(
            own and not self.structure.any() and self.landscape.linear and self.landscape.diagonal
        )

    def energy(self, state: torch.Tensor) -> torch.Tensor:
        """H of states (paths, n): float64, shape (paths,), in k T_ref."""
        return self.landscape.energy(state)

    def equilibrium(self) -> Equilibrium:
        """exp(-H/T) at the one temperature of the circuit.

        Raises:
            InputError: several temperatures, or more than two coupled quartic units.
        """
        if self.temperature is None:
            raise InputError("baths of several temperatures have no equilibrium; start='steady' "
                             "for a linear circuit, or give states", where=self.name)  # fmt: skip
        return Equilibrium(self.landscape, self.temperature, self.coordinates)


def require_passive(device: Any) -> PassiveDevice:
    """The device, if its parameters can be led through a program.

    Raises:
        InputError: another kind of device.
    """
    if isinstance(device, PassiveDevice):
        return device
    kind = type(device).__name__
    raise InputError(f"a {kind} has no parameters that a program could change; expected a circuit "
                     "of resistors, capacitors and inductors or of quartic units",
                     where=str(getattr(device, "name", "device")))  # fmt: skip
