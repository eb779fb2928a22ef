"""When a circuit is advanced: ticks that end at every knot of the program.

A tick is a share of the fastest relaxation time of any set of parameters along the program; of
quartic units the curvature counts where they are at twice their thermal spread.
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np

from thermohw.errors import InputError
from thermohw.units import engineering, parse

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.circuit.passive import PassiveDevice
    from thermohw.program.schedule import Program

__all__ = ["MAX_TICKS", "fastest", "run_length", "tick_grid"]

MAX_TICKS = 1_000_000
"""More ticks than this are refused: a unit is likelier wrong than the program that long."""

_FINE = 0.05  # default tick times fastest rate
_LEAST = 200  # default ticks of a program


def run_length(program: Program | None, duration: str | None) -> float:
    """Physical duration, second."""
    if program is not None:
        if duration is not None:
            raise InputError("duration: a program brings its own; use program.stretched(factor)")
        return program.duration
    if duration is None:
        raise InputError("duration: a run without a program needs one, such as '10 us'")
    length = parse(duration, "s", "duration")
    if length <= 0.0:
        raise InputError(f"duration: must be positive: {duration!r}")
    return length


def tick_grid(
    program: Program | None,
    corners: list[PassiveDevice],
    length: float,
    ticks: int | None,
    stepper: str,
) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Borders of the ticks, second, every knot among them; parameters at their middles, SI."""
    rate = max(map(fastest, corners)) / corners[0].scale.time
    if ticks is None:
        fine = 0.0 if stepper == "exact" else length * rate / _FINE
        ticks = max(1 if program is None and stepper == "exact" else _LEAST, ceil(fine))
        if ticks > MAX_TICKS:
            raise InputError(
                f"duration: {engineering(length, 's')} is {ticks:.3g} ticks of "
                f"{engineering(_FINE / rate, 's')}, 0.05 of the fastest relaxation time; at most "
                f"{MAX_TICKS} are played: shorten it, or give ticks"
            )
    if isinstance(ticks, bool) or not isinstance(ticks, int) or not 1 <= ticks <= MAX_TICKS:
        raise InputError(f"ticks: {ticks!r}; expected an integer from 1 to {MAX_TICKS}")
    knots = np.array([0.0, length]) if program is None else program.knots
    edges = [np.zeros(1)]
    for a, b in zip(knots[:-1], knots[1:], strict=True):
        share = max(1, round(ticks * (b - a) / length))
        edges.append(np.linspace(a, b, share + 1)[1:])
    grid = np.concatenate(edges)
    coarse = float(np.diff(grid).max()) * rate
    if stepper in ("heun", "euler") and coarse > 1.0:
        raise InputError(
            f"ticks: {len(grid) - 1} make ticks of {coarse:.3g} fastest relaxation times; "
            f"'{stepper}' is unstable above 1: give at least {ceil((len(grid) - 1) * coarse)}"
        )
    if program is None:
        return grid, None
    return grid, np.array([program.at(t) for t in 0.5 * (grid[1:] + grid[:-1])])


def fastest(device: PassiveDevice) -> float:
    """Largest rate of any motion, per R_ref C_ref; of quartic units at twice their spread."""
    curvature = device.landscape.curvature(float(device.temperatures.max()))
    return float(np.abs(np.linalg.eigvals((device.mobility - device.structure) @ curvature)).max())
