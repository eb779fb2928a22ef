r"""The node: a board whose circuit is not the datasheet's.

    R_k -> r_k R_k,  C -> F^(1/2) C F^(1/2),  T_k -> t_k T_k,  a leak R_l from every node to ground

with one factor for all, or a list with one for every resistor (R, T) or node (C). The controller
goes on believing in the datasheet: control law, converters and schedule are the designed ones, and
the books are those of the board. A leak has a bath of its own, named after its node, at the
reference temperature. Inductors keep their values.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from thermohw.control.chain.stage import Row, Stage
from thermohw.control.quantity import in_thermal_range, per_item, quantity

if TYPE_CHECKING:
    from thermohw.circuit import LinearDevice
    from thermohw.control.chain.keys import Imperfections

__all__ = ["NodeErrors", "node_errors"]


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


def node_errors(keys: Imperfections, device: LinearDevice) -> NodeErrors:
    """What a protocol's keys say of the nodes of its device."""

    def each(name: str, count: int) -> Any:
        value = getattr(keys, name)
        if value is None:
            return 1.0
        found = per_item(value, "", f"protocol.{name}", count=count)
        for factor in np.atleast_1d(found).tolist():
            in_thermal_range(factor, name, value)
        return found

    leak = keys.node_leakage
    return NodeErrors(
        each("node_resistance", len(device.elements)),
        each("node_capacitance", len(device.nodes)),
        each("node_temperature", len(device.elements)),
        0.0
        if leak is None
        else in_thermal_range(
            device.scale.resistance / quantity(leak, "ohm", "protocol.node_leakage"),
            "node_leakage",
            leak,
        ),
    )
