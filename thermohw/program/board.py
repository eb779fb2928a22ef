r"""A circuit with its parameters held at some values.

A `Board` is one frozen set: energy H (a `Landscape` of the state z), structure J, and resistors
with directions b_k, coefficients gamma_k and temperatures T_k,

    dz = J grad H dt - sum_k b_k dy_k,    dy_k = gamma_k b_k . grad H dt - sqrt(2 T_k gamma_k) dW_k

in the device's thermal units. The state of a linear circuit is charge and flux, that of a quartic
one x; neither changes when a parameter jumps (`program.knobs`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from thermohw.circuit import LinearDevice, QuarticDevice
from thermohw.circuit.landscape import Landscape
from thermohw.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Board", "board_of"]


@dataclass(frozen=True, eq=False)
class Board:
    """One set of parameters.

    Attributes:
        landscape: H.
        structure: J, shape (n, n).
        directions: b_k as rows, shape (K, n).
        coefficients: gamma_k, shape (K,).
        temperatures: T_k, shape (K,).
    """

    landscape: Landscape
    structure: NDArray[Any]
    directions: NDArray[Any]
    coefficients: NDArray[Any]
    temperatures: NDArray[Any]

    @cached_property
    def temperature(self) -> float | None:
        """The one temperature of all baths; None where they differ."""
        t = self.temperatures
        # Two schedules of one straight line may differ in the last digit between knots.
        return float(t[0]) if bool((np.abs(t - t[0]) < 1e-9 * t[0]).all()) else None

    @cached_property
    def mobility(self) -> NDArray[Any]:
        """sum_k gamma_k b_k b_k^T, shape (n, n)."""
        return self.directions.T @ (self.coefficients[:, None] * self.directions)

    @cached_property
    def noise(self) -> NDArray[Any]:
        """Columns b_k sqrt(2 T_k gamma_k), shape (n, K)."""
        return self.directions.T * np.sqrt(2.0 * self.temperatures * self.coefficients)

    @cached_property
    def separate(self) -> bool:
        """Every coordinate has one resistor of its own and a linear force of its own."""
        own = self.directions.shape[0] == self.directions.shape[1]
        own = own and not (self.directions - np.diag(np.diag(self.directions))).any()
        return bool(
            own and not self.structure.any() and self.landscape.linear and self.landscape.diagonal
        )

    @cached_property
    def b(self) -> torch.Tensor:
        """Directions as a tensor, shape (K, n)."""
        return torch.tensor(self.directions)


def board_of(device: LinearDevice | QuarticDevice) -> Board:
    """The device as its datasheet has it."""
    if type(device) is QuarticDevice:
        landscape, structure = device.landscape, np.zeros((device.dim, device.dim))
    elif type(device) is LinearDevice:
        none = np.zeros(device.dim)
        landscape, structure = Landscape(device.hessian, none, none), device.structure
    else:
        kind = type(device).__name__
        raise InputError(f"a {kind} has no parameters that a program could change; expected a "
                         "circuit of resistors, capacitors and inductors or of quartic units",
                         where=str(getattr(device, "name", "device")))  # fmt: skip
    return Board(landscape, structure, device.directions, device.coefficients, device.temperatures)
