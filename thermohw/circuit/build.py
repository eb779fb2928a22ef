"""From a datasheet to the device that its families of elements ask for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from thermohw.circuit.active_build import build_active
from thermohw.circuit.jump_network import build_jumps
from thermohw.circuit.network import assemble_network
from thermohw.circuit.quartic import build_quartic
from thermohw.circuit.solver import SolverDevice
from thermohw.datasheet import load_datasheet
from thermohw.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from thermohw.circuit.device import LinearDevice
    from thermohw.datasheet import Datasheet

__all__ = ["build_device", "load_device"]

_SLOWEST = 1e-10  # of the fastest rate: what is slower has fewer than six digits
_STILL = 1e-13  # of it: round-off of zero


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
    """Assemble the matrices of a datasheet's elements in thermal units.

    A sheet with other kinds of elements gives a device of another class, see `_other_kind`.

    Raises:
        InputError: singular capacitance or inductance matrix, a node without a path to ground, a
            motion that nothing damps.
    """
    other = _other_kind(datasheet)
    if other is not None:
        return other
    device = assemble_network(datasheet)
    if not device.uncoupled:
        _check_relaxes(device, datasheet)
    return device


def _other_kind(datasheet: Datasheet) -> Any:
    """The device of a sheet that is no passive linear circuit, by its families; None if it is."""
    if datasheet.solver is not None:
        return SolverDevice.from_datasheet(datasheet)
    if datasheet.amplifiers or datasheet.transconductors:
        return build_active(datasheet)
    if datasheet.conductors.all:
        return build_jumps(datasheet)
    if datasheet.landscape.quartics:
        return build_quartic(datasheet, assemble_network(datasheet))
    return None


def _check_relaxes(device: LinearDevice, datasheet: Datasheet) -> None:
    """A motion that no resistor feels goes on for ever, and one 1e10 times slower than the fastest
    it is coupled to is lost among its digits.

    In coordinates whose square is the energy, A is a positive semidefinite matrix minus a skew
    one, so its eigenvalues are known to the round-off of its norm: a rate that is 1e-10 of it has
    six digits left, what is below 1e-13 of it may as well be zero.
    """
    root = np.linalg.cholesky(device.hessian)
    dissipation = device.source_matrix @ device.directions
    a = root.T @ (dissipation - device.structure) @ root
    for part in device.components:
        values, vectors = np.linalg.eig(a[np.ix_(part, part)])
        decay, fastest = np.real(values), float(np.abs(values).max())
        if decay.min() > _SLOWEST * fastest:
            continue
        still = np.abs(vectors[:, np.argmin(decay)])
        names = ", ".join([device.coordinates[i] for i in part[still > 1e-6 * still.max()]][:4])
        to_ground = np.abs(device.directions[:, part].sum(1)).max(initial=0.0) > 0.5
        if decay.min() <= _STILL * fastest and device.gyrating:
            problem = (
                f"no resistor damps the motion of {names}, which never comes to rest: add a "
                "resistor, or a series_resistance"
            )
        elif decay.min() <= _STILL * fastest and not to_ground:
            problem = f"no resistive path to ground from node {names}: add a resistor"
        else:
            problem = (
                f"the motion of {names} is more than 1e10 times slower than the fastest one it is "
                "coupled to, too much for double precision: bring the values closer together, or "
                "leave out what is so fast"
            )
        raise InputError(problem, where=datasheet.name)
