"""Linear circuits by hand: a datasheet to SI matrices, by nodal analysis and Kronecker products.

It shares no line with the package:

    C dv = -G v dt - M^T i dt + sum_k b_k sqrt(2 k T_k/R_k) dW_k
    L di =  M v dt - R_s i dt + sum_k e_k sqrt(2 k T_k R_k) dW_k
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from thermohw.circuit import LinearDevice
from thermohw.datasheet import Datasheet
from thermohw.units import K_B


class Board(NamedTuple):
    """A datasheet as SI matrices; K baths are rows of `force`, acting on the efforts (v, i)."""

    storage: np.ndarray  # blkdiag(C, L): farad, henry
    rotation: np.ndarray  # [[0, -M^T], [M, 0]]
    force: np.ndarray  # (K, n)
    strength: np.ndarray  # 1/R of resistors, R of inductors
    temperature: np.ndarray


def board(sheet: Datasheet) -> Board:
    """Nodal analysis, element by element."""
    place = {x.name: i for i, x in enumerate(sheet.nodes)}
    coils = {x.name: len(place) + i for i, x in enumerate(sheet.inductors)}
    n = len(place) + len(coils)
    storage, rotation = np.zeros((n, n)), np.zeros((n, n))
    force: list[np.ndarray] = []
    strength: list[float] = []
    hot: list[float] = []

    def ends(between: tuple[str, str]) -> np.ndarray:
        row = np.zeros(n)
        for name, sign in zip(between, (1.0, -1.0), strict=True):
            if name != "gnd":
                row[place[name]] = sign
        return row

    for node in sheet.nodes:
        storage[place[node.name], place[node.name]] += node.capacitance.value
    for capacitor in sheet.capacitors:
        row = ends(capacitor.between)
        storage += capacitor.capacitance.value * np.outer(row, row)
    for resistor in sheet.resistors:
        force.append(ends(resistor.between))
        strength.append(1.0 / resistor.resistance.value)
        hot.append(resistor.temperature.value)
    for coil in sheet.inductors:
        at = coils[coil.name]
        storage[at, at] = coil.inductance.value
        rotation[at] += ends(coil.between)
        rotation[:, at] -= ends(coil.between)
        if coil.series_resistance is not None and coil.temperature is not None:
            force.append(np.eye(n)[at])
            strength.append(coil.series_resistance.value)
            hot.append(coil.temperature.value)
    for mutual in sheet.mutuals:
        a, b = (coils[name] for name in mutual.between)
        storage[a, b] = storage[b, a] = mutual.k.value * np.sqrt(storage[a, a] * storage[b, b])
    return Board(storage, rotation, np.array(force), np.array(strength), np.array(hot))


def steady_efforts(b: Board) -> np.ndarray:
    """Steady covariance of (v, i) in SI by Kronecker products, in units of order kT."""
    root = np.sqrt(np.diag(b.storage))  # efforts times this are roots of joules
    storage = b.storage / root / root[:, None]
    force = b.force / root
    pull = force.T @ (b.strength[:, None] * force) - b.rotation / root / root[:, None]
    drift = np.linalg.solve(storage, pull)
    kicks = np.linalg.solve(storage, force.T * np.sqrt(2.0 * K_B * b.temperature * b.strength))
    n, eye = len(root), np.eye(len(root))
    speed = np.abs(drift).max()
    system = (np.kron(drift, eye) + np.kron(eye, drift)) / speed
    flat = np.linalg.solve(system, (kicks @ kicks.T).reshape(-1) / speed)
    return flat.reshape(n, n) / root / root[:, None]


def by_hand(device: LinearDevice) -> Board:
    assert device.datasheet is not None
    return board(device.datasheet)


def in_si(device: LinearDevice) -> np.ndarray:
    size = device.effort_scale
    return device.effort_covariance * size * size[:, None]
