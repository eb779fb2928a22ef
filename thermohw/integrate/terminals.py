"""How states, voltages, elements and sources of a device connect, as tensor operations.

One small object hides whether the circuit is a row of uncoupled nodes (everything elementwise,
often everything the identity) or a network (matrix products), so that a stepper is written once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from thermohw.circuit import LinearDevice
    from thermohw.control import Control

__all__ = ["Terminals"]


class Terminals:
    """Connections of a device under one wiring.

    Args:
        device: the circuit.
        wiring: "emf" or "current".
        dtype: of the tensors it will meet.
    """

    def __init__(self, device: LinearDevice, wiring: str, *, dtype: torch.dtype) -> None:
        self.device, self.wiring, self.dtype = device, wiring, dtype
        self.identity = device.uncoupled
        self.conductance = self._row(device.coefficients)
        self.noise = self._row(np.sqrt(2.0 * device.temperatures * device.coefficients))
        self._hessian = self._linear(device.hessian)
        self._structure = self._matrix(device.structure.T) if device.gyrating else None
        self._directions = None if self.identity else self._matrix(device.directions)
        self._expand: torch.Tensor | None = None
        if wiring == "emf" and list(device.controlled) != list(range(len(device.elements))):
            expand = np.zeros((len(device.controlled), len(device.elements)))
            expand[np.arange(len(device.controlled)), list(device.controlled)] = 1.0
            self._expand = self._matrix(expand)

    def voltage(self, state: torch.Tensor) -> torch.Tensor:
        """Efforts H''z, shape (paths, n)."""
        if self._hessian is None:
            return state
        return state @ self._hessian if self._hessian.ndim == 2 else state * self._hessian

    def across(self, voltage: torch.Tensor) -> torch.Tensor:
        """Voltage across every resistor, current through every series resistance b_k . H''z, shape
        (paths, K).
        """
        return voltage if self._directions is None else voltage @ self._directions.T

    def collect(self, charge: torch.Tensor) -> torch.Tensor:
        """What element charges take out of the state, sum_k b_k y_k, shape (paths, n)."""
        return charge if self._directions is None else charge @ self._directions

    def gyrate(self, integral: torch.Tensor) -> torch.Tensor:
        """What inductors move for given int H''z dt (paths, n): J int H''z dt, same shape."""
        assert self._structure is not None
        return integral @ self._structure

    def emf(self, control: Control | None) -> torch.Tensor | None:
        """Sources in series with all K elements, shape (paths, K); None if there are none."""
        if control is None or self.wiring != "emf":
            return None
        return control.source if self._expand is None else control.source @ self._expand

    def current(self, control: Control | None) -> torch.Tensor | None:
        """Node currents and branch emfs at the ports, shape (paths, P); None if there are none."""
        return None if control is None or self.wiring != "current" else control.source

    def _row(self, values: np.ndarray) -> torch.Tensor | float:
        """Per-element numbers; equal ones collapse to a float."""
        first = float(values[0])
        return first if (values == first).all() else torch.tensor(values, dtype=self.dtype)

    def _matrix(self, values: np.ndarray) -> torch.Tensor:
        return torch.tensor(values, dtype=self.dtype)

    def _linear(self, matrix: np.ndarray) -> torch.Tensor | None:
        """None for the identity, a row for a diagonal matrix, else its transpose for
        right-multiplication.
        """
        diagonal = np.diag(matrix)
        if not np.array_equal(matrix, np.diag(diagonal)):
            return self._matrix(matrix.T)
        return None if (diagonal == 1.0).all() else self._matrix(diagonal)
