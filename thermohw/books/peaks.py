"""The largest voltages, currents and rates that any path reached, for the datasheet's limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from thermohw.circuit import LinearDevice
    from thermohw.integrate import Carry, Step

__all__ = ["Peaks"]

NAMES = ("voltage", "source", "current", "rate")


class Peaks:
    """Observer of extremes over a tile, thermal units.

    voltage: of any node at a tick boundary. source: of any controlled source. current: systematic
        current through any element
    (gamma X, without the white Johnson current, whose peak is infinite) or injected into a node.
    rate: systematic rate of change of a node. With inductors their currents count as currents, too,
        and what resistors in series with them and emfs in their branches do is a voltage.
    """

    name = "peaks"
    sums = True

    def __init__(self, device: LinearDevice) -> None:
        self.device = device
        self._conductance = torch.tensor(device.coefficients)
        self._inject = torch.tensor(np.ascontiguousarray((device.hessian @ device.port_matrix).T))
        self._elements = torch.tensor(
            np.ascontiguousarray((device.hessian @ device.directions.T).T)
        )

    def init(self, state: torch.Tensor) -> Carry:
        """The start voltages count already."""
        peaks = torch.zeros(len(NAMES), dtype=torch.float64)
        peaks[0] = self._volts(self.device.efforts(state)).abs().max()
        return {"peaks": peaks}

    def update(self, carry: Carry, step: Step) -> None:
        """Raise the marks."""
        peaks = carry["peaks"]
        efforts = self.device.efforts(step.end)
        peaks[0] = torch.maximum(peaks[0], _largest(self._volts(efforts)))
        if self.device.fluxes:
            self._update_branches(peaks, efforts, step)
            return
        if step.control is None:
            return
        pace = step.piece.conductance  # flows per R_ref C_ref; a step counts in the R C in force
        own = pace if step.current is not None else 1.0
        peaks[1] = torch.maximum(peaks[1], _largest(step.control.source) * own)
        flow = step.force * self._conductance.to(step.force.dtype)
        current = _largest(flow)
        if self.device.uncoupled:
            rate = -flow
            if step.current is not None:
                rate = rate + step.current
            if not bool((torch.diagonal(self._inject) == 1.0).all()):
                rate = rate * torch.diagonal(self._inject).to(rate.dtype)
        else:
            rate = -flow @ self._elements.to(flow.dtype)
            if step.current is not None:
                rate = rate + step.current @ self._inject.to(flow.dtype)
        if step.current is not None:
            current = torch.maximum(current, _largest(step.current))
        peaks[2] = torch.maximum(peaks[2], current * pace)
        peaks[3] = torch.maximum(peaks[3], _largest(rate) * pace)

    def _volts(self, efforts: torch.Tensor) -> torch.Tensor:
        """Node voltages among the efforts."""
        return efforts[:, : len(self.device.nodes)] if self.device.fluxes else efforts

    def _update_branches(self, peaks: torch.Tensor, efforts: torch.Tensor, step: Step) -> None:
        """The same where some of the state are currents."""
        n, device = len(self.device.nodes), self.device
        peaks[2] = torch.maximum(peaks[2], _largest(efforts[:, n:]))
        if step.control is None:
            return
        shunt = torch.tensor(device.directions[:, :n].any(1))
        flow = step.force * self._conductance.to(step.force.dtype)
        rows = [(1 if step.emf is not None else 2, step.control.source)]
        if step.emf is not None:  # in series with a resistor volts, beside a branch's amperes
            of_nodes = shunt[list(device.controlled)]
            rows = [(1, step.control.source[:, of_nodes]), (2, step.control.source[:, ~of_nodes])]
        elif step.current is not None:
            rows = [(2, step.current[:, :n]), (1, step.current[:, n:])]
        rate = -flow @ self._elements.to(flow.dtype)
        if step.current is not None:
            rate = rate + step.current @ self._inject.to(flow.dtype)
        turning = torch.tensor((device.hessian @ device.structure)[:n].T.copy())
        rate = rate[:, :n] + efforts @ turning.to(efforts.dtype)
        for row, values in [*rows, (2, flow[:, shunt]), (3, rate)]:
            if values.shape[1]:
                peaks[row] = torch.maximum(peaks[row], _largest(values))

    def result(self, carry: Carry, state: torch.Tensor) -> Carry:
        """The marks, shape (4,), in the order voltage, source, current, rate."""
        return {"peaks": carry["peaks"]}


def _largest(x: torch.Tensor) -> torch.Tensor:
    low, high = torch.aminmax(x)
    return torch.maximum(-low, high).double()
