r"""The node: a board whose circuit is not the datasheet's.

    R_k -> r_k R_k,  C -> F^(1/2) C F^(1/2),  T_k -> t_k T_k,  a leak R_l from every node to ground

with one factor for all, or a list with one for every resistor (R, T) or node (C). The controller
goes on believing in the datasheet: control law, converters and schedule are the designed ones, and
the books are those of the board. A leak has a bath of its own, named after its node, at the
reference temperature. Inductors keep their values.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from thermohw.control.chain.stage import Row, Stage

if TYPE_CHECKING:
    from thermohw.circuit import LinearDevice

__all__ = ["NodeErrors"]


@dataclass(frozen=True)
class NodeErrors(Stage):
    """Factors between board and datasheet.

    Attributes:
        resistance: r_k.
        capacitance: diagonal of F.
        temperature: t_k.
        leakage: 1/R_l in units of the reference conductance.
    """

    resistance: Row = 1.0
    capacitance: Row = 1.0
    temperature: Row = 1.0
    leakage: float = 0.0

    def board(self, device: LinearDevice) -> LinearDevice:
        """The circuit as built, in the thermal units of the datasheet's."""
        if self.is_ideal:
            return device
        nodes, n, k = len(device.nodes), device.dim, len(device.elements)
        shunt = device.directions[:, :nodes].any(1)
        factor = np.broadcast_to(np.asarray(self.resistance, dtype=float), (k,))
        stretch = np.ones(n)
        stretch[:nodes] = np.sqrt(np.asarray(self.capacitance, dtype=float))
        board = replace(
            device,
            coefficients=np.where(
                shunt, device.coefficients / factor, device.coefficients * factor
            ),
            temperatures=device.temperatures * np.asarray(self.temperature, dtype=float),
            hessian=device.hessian / np.outer(stretch, stretch),
        )
        if self.leakage == 0.0:
            return board
        ends = np.eye(n)[:nodes]
        return replace(
            board,
            elements=(*device.elements, *(f"{name}.leak" for name in device.nodes)),
            directions=np.concatenate([device.directions, ends]),
            coefficients=np.concatenate([board.coefficients, np.full(nodes, self.leakage)]),
            temperatures=np.concatenate([board.temperatures, np.ones(nodes)]),
        )
