r"""The board of `spu_gaussian`: its values, parts as they were really fitted, linear dynamics.

Cells of R, L and C to ground, every two joined by a capacitor, written by hand from the datasheet
`spu8` (and not through the package's own assembly, with which the study compares them):

    C dv = -(v/R) dt - i dt + sqrt(2 kT/R) dW,     L di = v dt,     C the Maxwell matrix.

Units 1 kohm, 1 nF, kT = 1.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from thermohw.circuit import load_device
from thermohw.study import Cell


class BoardValues(NamedTuple):
    """Values of one board: Maxwell capacitance (n, n), R and L of each cell, in 1 nF and 1 kohm."""

    capacitance: NDArray[Any]
    resistance: NDArray[Any]
    inductance: NDArray[Any]


def nominal() -> BoardValues:
    """The board of the datasheet, assembled by hand from its values."""
    sheet = load_device("spu8").datasheet
    assert sheet is not None
    place = {node.name: i for i, node in enumerate(sheet.nodes)}
    capacitance = np.diag([node.capacitance.value for node in sheet.nodes])
    for item in sheet.capacitors:
        a, b = (place[name] for name in item.between)
        capacitance[[a, b], [a, b]] += item.capacitance.value
        capacitance[[a, b], [b, a]] -= item.capacitance.value
    resistance = np.array([item.resistance.value for item in sheet.resistors])
    inductance = np.array([item.inductance.value for item in sheet.inductors])
    return BoardValues(capacitance / 1e-9, resistance / 1e3, inductance / 1e-3)


def _maxwell(own: NDArray[Any], between: NDArray[Any]) -> NDArray[Any]:
    """Maxwell matrix of capacitors to ground (n,) and between nodes (n, n), symmetric."""
    return np.diag(own + between.sum(1)) - between


def _split(capacitance: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Capacitors to ground and between nodes of a Maxwell matrix."""
    return capacitance.sum(1), np.diag(np.diag(capacitance)) - capacitance


def banked(capacitance: NDArray[Any], bits: int) -> NDArray[Any]:
    """Every capacitor from a bank of `bits` binary ones: 2^bits - 1 steps up to the largest needed.

    Cells and couplings have banks of their own, as their sizes differ.
    """
    own, between = _split(capacitance)

    def nearest(values: NDArray[Any]) -> NDArray[Any]:
        step = values.max() / (2**bits - 1)
        return step * np.round(values / step)

    return _maxwell(np.maximum(nearest(own), own.max() / (2**bits - 1)), nearest(between))


def target_matrix(rng: np.random.Generator, size: int) -> NDArray[Any]:
    """A random matrix that capacitors can be: off the diagonal nothing is positive."""
    between = np.triu(rng.uniform(0.0, 0.25, (size, size)), 1)
    return _maxwell(rng.uniform(0.5, 2.0, size), between + between.T)


def imperfect(
    board: BoardValues, cell: Cell, parts: tuple[str, ...], rng: np.random.Generator
) -> BoardValues:
    """A board with the parts that were really fitted."""
    own, between = _split(banked(board.capacitance, cell["bank"]) if "bank" in parts
                          else board.capacitance)  # fmt: skip
    resistance, inductance = board.resistance, board.inductance
    if "tolerance" in parts:
        third = 0.01 / 3.0  # the datasheet's 1 % are three standard deviations
        off = np.triu(1.0 + third * rng.standard_normal(between.shape), 1)
        own, between = own * (1.0 + third * rng.standard_normal(len(own))), between * (off + off.T)
        resistance = resistance * (1.0 + third * rng.standard_normal(len(own)))
        inductance = inductance * (1.0 + third * rng.standard_normal(len(own)))
    if "stray" in parts:
        own = own + cell["stray"] * rng.uniform(0.0, 2.0, len(own))
    return BoardValues(_maxwell(own, between), resistance, inductance)


def dynamics(
    board: BoardValues, *, bandwidth: float | None = None, johnson: bool = False
) -> tuple[NDArray[Any], NDArray[Any]]:
    """A and B B^T of the state (v, i), or (v, i, noise current) of a noise with one pole.

    Args:
        board: its values.
        bandwidth: angular corner frequency of the injected noise; None for white noise.
        johnson: the noise is that of each cell's own resistor, 2 kT/R; else of 1 kohm in every one.
    """
    n = len(board.resistance)
    stiff, zero, one = np.linalg.inv(board.capacitance), np.zeros((n, n)), np.eye(n)
    a = np.block([[stiff / board.resistance, stiff], [-np.diag(1.0 / board.inductance), zero]])
    strength = np.diag(2.0 / board.resistance) if johnson else 2.0 * one
    noise = np.zeros((2 * n, 2 * n))
    if bandwidth is None:
        noise[:n, :n] = stiff @ strength @ stiff
        return a, noise
    into = np.concatenate([-stiff, zero])
    a = np.block([[a, into], [np.zeros((n, 2 * n)), bandwidth * one]])
    noise = np.zeros((3 * n, 3 * n))
    noise[2 * n :, 2 * n :] = bandwidth**2 * strength
    return a, noise
