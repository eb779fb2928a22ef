"""Where a run starts: equilibrium, a steady state, zero, or states that are given."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy.linalg import solve_continuous_lyapunov

from thermohw.errors import InputError
from thermohw.integrate.tile import Tile
from thermohw.noise import Draws, Random, normal

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from thermohw.circuit.passive import PassiveDevice

__all__ = ["start_law"]

# (seed, first path, how many) -> states (paths, n)
Law = Callable[[int, int, int], torch.Tensor]


def start_law(device: PassiveDevice, start: str | ArrayLike, paths: int) -> tuple[Law, str]:
    """How start states are drawn, and what that is called.

    Args:
        device: the circuit at its first parameters.
        start: see `drive`.
        paths: how many there will be.

    Raises:
        InputError: a start that does not exist for this circuit, or states of another shape.
    """
    if not isinstance(start, str):
        return _given(device, np.asarray(start, dtype=float), paths), "given"
    if start == "auto":
        start = "equilibrium" if device.temperature is not None else "steady"
    if start == "zero":
        return lambda seed, head, count: torch.zeros(count, device.dim).double(), start
    if start == "equilibrium":
        return _drawn(device.equilibrium().sample), start
    if start != "steady":
        raise InputError(f"{start!r}: expected 'equilibrium', 'steady', 'zero' or states",
                         where="start")  # fmt: skip
    if not device.landscape.linear or device.landscape.bias.any():
        raise InputError("the steady state of quartic units between several temperatures is not "
                         "known; give states, such as the end of a free run from 'zero'",
                         where="start")  # fmt: skip
    a = (device.mobility - device.structure) @ device.landscape.quadratic
    covariance = solve_continuous_lyapunov(a, device.noise_matrix @ device.noise_matrix.T)
    root = torch.tensor(np.linalg.cholesky(0.5 * (covariance + covariance.T)).T)

    def steady(count: int, random: Random) -> torch.Tensor:
        return normal(count, device.dim, random) @ root

    return _drawn(steady), start


def _drawn(sample: Callable[[int, Random], torch.Tensor]) -> Law:
    """Every path from its own draws."""

    def draw(seed: int, head: int, count: int) -> torch.Tensor:
        rows = Tile(head, count).rows
        return sample(rows, Draws(seed, head, rows))[:count]

    return draw


def _given(device: PassiveDevice, states: NDArray[Any], paths: int) -> Law:
    if states.shape not in ((device.dim,), (paths, device.dim)):
        raise InputError(f"states of shape {states.shape}; expected ({device.dim},) or "
                         f"({paths}, {device.dim})", where="start")  # fmt: skip
    if not np.isfinite(states).all():
        raise InputError("states that are not finite", where="start")
    table = torch.tensor(np.broadcast_to(device.state_of(states), (paths, device.dim)).copy())
    return lambda seed, head, count: table[head : head + count].clone()
