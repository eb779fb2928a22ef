"""Where a run starts: equilibrium, a steady state, zero, or states that are given."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy.linalg import solve_continuous_lyapunov

from thermohw.circuit import LinearDevice, QuarticDevice
from thermohw.circuit.landscape import Equilibrium
from thermohw.errors import InputError
from thermohw.noise import BLOCK, Stream, block_generator

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from thermohw.program.board import Board

__all__ = ["efforts_of", "equilibrium_of", "start_law"]

# (seed, blocks, first path, how many) -> states (paths, n)
Law = Callable[[int, range, int, int], torch.Tensor]


def equilibrium_of(device: LinearDevice | QuarticDevice, board: Board) -> Equilibrium:
    """exp(-H/T) of one set of parameters.

    Raises:
        InputError: several temperatures, or more than two coupled quartic units.
    """
    if board.temperature is None:
        raise InputError("baths of several temperatures have no equilibrium; start='steady' for a "
                         "linear circuit, or give states", where="start")  # fmt: skip
    names = device.units if isinstance(device, QuarticDevice) else device.coordinates
    return Equilibrium(board.landscape, board.temperature, names)


def efforts_of(device: LinearDevice | QuarticDevice, board: Board, z: NDArray[Any]) -> NDArray[Any]:
    """What a person reads off states z (..., n): node voltages (V) and inductor currents (A) of a
    linear circuit, x of quartic units.
    """
    if isinstance(device, QuarticDevice):
        return z
    return z @ board.landscape.quadratic * device.effort_scale


def start_law(
    device: LinearDevice | QuarticDevice, board: Board, start: str | ArrayLike, paths: int
) -> tuple[Law, str]:
    """How start states are drawn, and what that is called.

    Args:
        device: the circuit.
        board: its first parameters.
        start: see `drive`.
        paths: how many there will be.

    Raises:
        InputError: a start that does not exist for this circuit, or states of another shape.
    """
    if not isinstance(start, str):
        return _given(device, board, np.asarray(start, dtype=float), paths), "given"
    if start == "auto":
        start = "equilibrium" if board.temperature is not None else "steady"
    if start == "zero":
        return lambda seed, blocks, head, count: torch.zeros(count, device.dim).double(), start
    if start == "equilibrium":
        return _drawn(equilibrium_of(device, board).sample), start
    if start != "steady":
        raise InputError(f"{start!r}: expected 'equilibrium', 'steady', 'zero' or states",
                         where="start")  # fmt: skip
    if not board.landscape.linear or board.landscape.bias.any():
        raise InputError("the steady state of quartic units between several temperatures is not "
                         "known; give states, such as the end of a free run from 'zero'",
                         where="start")  # fmt: skip
    a = (board.mobility - board.structure) @ board.landscape.quadratic
    covariance = solve_continuous_lyapunov(a, board.noise @ board.noise.T)
    root = torch.tensor(np.linalg.cholesky(0.5 * (covariance + covariance.T)).T)

    def steady(count: int, generator: torch.Generator) -> torch.Tensor:
        return torch.randn(count, device.dim, dtype=torch.float64, generator=generator) @ root

    return _drawn(steady), start


def _drawn(sample: Callable[[int, torch.Generator], torch.Tensor]) -> Law:
    """Whole blocks, each from its own stream."""

    def draw(seed: int, blocks: range, head: int, count: int) -> torch.Tensor:
        del head
        states = [sample(BLOCK, block_generator(seed, block, Stream.START)) for block in blocks]
        return torch.cat(states)[:count]

    return draw


def _given(
    device: LinearDevice | QuarticDevice, board: Board, states: NDArray[Any], paths: int
) -> Law:
    if states.shape not in ((device.dim,), (paths, device.dim)):
        raise InputError(f"states of shape {states.shape}; expected ({device.dim},) or "
                         f"({paths}, {device.dim})", where="start")  # fmt: skip
    if not np.isfinite(states).all():
        raise InputError("states that are not finite", where="start")
    if not isinstance(device, QuarticDevice):
        states = np.linalg.solve(board.landscape.quadratic, (states / device.effort_scale).T).T
    table = torch.tensor(np.broadcast_to(states, (paths, device.dim)).copy())
    return lambda seed, blocks, head, count: table[head : head + count].clone()
