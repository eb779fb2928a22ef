"""From a datasheet to matrices: nodal analysis of resistors and capacitors.

Node charges q and node voltages v obey q = C v with the Maxwell capacitance matrix: its diagonal is
the sum of all capacitors at the node, its off-diagonal minus the capacitor between two nodes. A
resistor between nodes a and b takes charge out of a and puts it into b: its direction is b_k = e_a
- e_b (ground has no entry), its coefficient 1/R, its Johnson noise its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from thermohw.circuit.device import LinearDevice
from thermohw.circuit.scale import Scale
from thermohw.datasheet import load_datasheet
from thermohw.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from thermohw.datasheet import Datasheet

__all__ = ["build_device", "load_device"]


def load_device(
    name: str | Path, overrides: Mapping[str, Any] | None = None, /, **more: Any
) -> LinearDevice:
    """The circuit that a datasheet describes.

    Args:
        name: a name in devices/ or the path of a TOML datasheet.
        overrides: datasheet entries to replace, e.g. {"r0.resistance": "2 Mohm"}.
        more: further overrides as keywords.

    Raises:
        InputError: unknown device, bad entry, floating node or singular capacitance matrix.
    """
    return build_device(load_datasheet(name, {**(overrides or {}), **more} or None))


def build_device(datasheet: Datasheet) -> LinearDevice:
    """Assemble the matrices of a datasheet's resistors and capacitors in thermal units."""
    index = {node.name: i for i, node in enumerate(datasheet.nodes)}
    resistors = datasheet.resistors
    scale = Scale(
        capacitance=_middle([node.capacitance.value for node in datasheet.nodes]),
        resistance=_middle([r.resistance.value for r in resistors if r.source] or
                           [r.resistance.value for r in resistors]),
        temperature=_middle([r.temperature.value for r in resistors]),
    )  # fmt: skip
    capacitance = np.diag([node.capacitance.value / scale.capacitance for node in datasheet.nodes])
    for capacitor in datasheet.capacitors:
        direction = _direction(capacitor.between, index)
        value = capacitor.capacitance.value / scale.capacitance
        capacitance += value * np.outer(direction, direction)
    directions = np.array([_direction(r.between, index) for r in resistors])
    device = LinearDevice(
        name=datasheet.name,
        scale=scale,
        nodes=tuple(index),
        elements=tuple(r.name for r in resistors),
        hessian=_inverse(capacitance, datasheet),
        structure=np.zeros_like(capacitance),
        directions=directions,
        coefficients=np.array([scale.resistance / r.resistance.value for r in resistors]),
        temperatures=np.array([r.temperature.value / scale.temperature for r in resistors]),
        controlled=tuple(k for k, r in enumerate(resistors) if r.source),
        datasheet=datasheet,
    )
    _check_grounded(device, datasheet)
    return device


def _middle(values: list[float]) -> float:
    """The lower median: a value that some element really has, so that equal elements scale to
    exactly 1.
    """
    return sorted(values)[(len(values) - 1) // 2]


def _direction(between: tuple[str, str], index: dict[str, int]) -> NDArray[Any]:
    direction = np.zeros(len(index))
    for name, sign in zip(between, (1.0, -1.0), strict=True):
        if name in index:  # ground is no state variable
            direction[index[name]] += sign
    # A grounded element written as ("gnd", node) is the same element: count the charge that
    # leaves the node.
    return -direction if direction.sum() < 0 else direction


def _inverse(capacitance: NDArray[Any], datasheet: Datasheet) -> NDArray[Any]:
    diagonal = np.diag(capacitance)
    if np.array_equal(capacitance, np.diag(diagonal)):
        return np.diag(1.0 / diagonal)  # exact ones stay exact
    if np.linalg.cond(capacitance) > 1e12:
        raise InputError("the capacitance matrix is singular: give every node its own capacitance",
                         where=datasheet.name)  # fmt: skip
    inverse = np.linalg.inv(capacitance)
    return 0.5 * (inverse + inverse.T)


def _check_grounded(device: LinearDevice, datasheet: Datasheet) -> None:
    """A node without a resistive path to ground never relaxes: it has no steady state."""
    conductance = device.source_matrix @ device.directions
    values, vectors = np.linalg.eigh(conductance)
    if values[0] <= 1e-12 * values[-1]:
        afloat = [
            n for n, weight in zip(device.nodes, vectors[:, 0], strict=True) if abs(weight) > 1e-6
        ]
        raise InputError(
            f"no resistive path to ground from node {', '.join(afloat[:4])}: add a resistor",
            where=datasheet.name,
        )
