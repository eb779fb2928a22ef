"""Which stepper plays a device: by the control's clocking, and by what the circuit is made of.

    held control    uncoupled nodes: one normal a node; else the exact tick of the whole network
    continuous      the method asked for; with inductors between two exact half turns

An array of equal cells with inductors is stepped as many paths of one cell.
"""

from __future__ import annotations

from functools import partial
from math import inf
from typing import TYPE_CHECKING

from thermohw.errors import InputError
from thermohw.integrate.cells import Cells, equal_cells
from thermohw.integrate.continuous import Euler, Heun, Splitting
from thermohw.integrate.held_network import HeldNetwork
from thermohw.integrate.held_nodes import HeldNodes
from thermohw.integrate.lagged import FollowingNodes, LaggedNodes
from thermohw.integrate.reference import ReferenceHeun
from thermohw.integrate.rotation import Rotating
from thermohw.integrate.staircase import Staircase

if TYPE_CHECKING:
    import torch

    from thermohw.circuit import LinearDevice
    from thermohw.control.chain import Lag
    from thermohw.integrate.step import Stepper

__all__ = ["make_stepper"]

_CONTINUOUS = {"euler": Euler, "heun": Heun, "splitting": Splitting, "reference": ReferenceHeun}


def make_stepper(
    device: LinearDevice,
    wiring: str,
    method: str,
    *,
    dtype: torch.dtype,
    flux: bool = False,
    lag: Lag | None = None,
) -> Stepper:
    """The stepper of a device.

    Args:
        device: any linear circuit.
        wiring: "emf" (sources in the elements) or "current" (sources at the ports).
        method: "exact" for held control; "euler", "heun", "splitting" or "reference".
        dtype: of states and noise.
        flux: held control: draw int v dt even where no port works.
        lag: what the sources remember; None or ideal for sources that obey at once.

    Raises:
        InputError: sources with memory where no stepper knows them.
    """
    if lag is not None and not lag.is_ideal:
        return _lagging(device, wiring, method, dtype=dtype, lag=lag)
    division = None if method == "reference" else equal_cells(device)
    build = partial(_whole, wiring=wiring, method=method, dtype=dtype, flux=flux)
    return build(device) if division is None else Cells(division, wiring, build)


def _lagging(
    device: LinearDevice, wiring: str, method: str, *, dtype: torch.dtype, lag: Lag
) -> Stepper:
    plain = device.uncoupled and lag.slew == inf
    if plain and method == "exact":
        return LaggedNodes(device, wiring, dtype=dtype, lag=lag)
    if plain and method == "splitting":
        return FollowingNodes(device, wiring, dtype=dtype, lag=lag)
    if method != "exact":
        raise InputError(
            "an amplifier's pole under continuous control is known for uncoupled nodes and "
            "stepper = 'auto' alone; expected control = 'clocked' here",
            where="protocol.amplifier_pole",
        )
    return Staircase(make_stepper(device, wiring, method, dtype=dtype), lag)


def _whole(
    device: LinearDevice, *, wiring: str, method: str, dtype: torch.dtype, flux: bool
) -> Stepper:
    if method == "exact":
        held = HeldNodes if device.uncoupled else HeldNetwork
        return held(device, wiring, dtype=dtype, flux=flux)
    if device.gyrating:
        rest = partial(_CONTINUOUS[method], wiring=wiring, dtype=dtype)
        return Rotating(device, rest, dtype=dtype)
    return _CONTINUOUS[method](device, wiring, dtype=dtype)
