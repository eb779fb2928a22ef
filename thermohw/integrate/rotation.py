r"""Inductors under continuous control: half a turn, a step of everything else, half a turn.

Inductors and capacitors alone, dz = J H''z dt, exchange energy without losing any: the motion is a
rotation in the coordinates in which the energy is a square,

    H'' = r r^T,   w = r^T z,   dw = (r^T J r) w dt,   z(s) = r^-T e^{(r^T J r) s} r^T z,

and r^T J r is skew. Any stepper of a circuit without J becomes one with it by Strang's symmetric
splitting: turn by h/2, let resistors, noise and sources act for h, turn by h/2. The turn is exact,
the energy constant to round-off whatever h; heat and work belong to the middle part alone, whose
books are kept there, so the first law closes as it did. Orders stay what they were (euler 1; heun
and splitting 2 in law and heat), and with `splitting` the middle part is exact too: both halves
leave exp(-H/T) alone, so at one temperature the equilibrium has no step error at all.

In float32 the entries of the turn are rounded as well, the same way at every tick, and energy that
should stay would drift by a unit roundoff a tick. The state is therefore turned by what the turn
adds to it, z + (e^{J H'' s} - 1) z, whose rounded entries are smaller by the angle; what is left is
the rounding of the sum, in either direction.

The decision of the controller belongs to the true ends of the step: where the inner stepper asks
for the law at its end, it is asked half a turn later. In the middle of the step the turned state is
the state.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy.linalg import expm, solve_triangular

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from thermohw.circuit import LinearDevice
    from thermohw.control import Control, Piece
    from thermohw.integrate.step import Act, Step, Stepper
    from thermohw.noise import NoiseSource

__all__ = ["Rotating", "rotation"]


def rotation(device: LinearDevice, s: float) -> NDArray[Any]:
    """e^{J H'' s}, shape (n, n): the circuit without resistors and sources for a time s."""
    root = np.linalg.cholesky(device.hessian)
    turn = np.asarray(expm(s * (root.T @ device.structure @ root)))
    left, _, right = np.linalg.svd(turn)  # the nearest orthogonal matrix: no drift of the energy
    return solve_triangular(root, (left @ right) @ root.T, lower=True, trans=1)


class Rotating:
    """A stepper for circuits with inductors, made of one for circuits without.

    Args:
        device: a circuit with J.
        build: makes the stepper of the same circuit without J.
        dtype: state dtype.
    """

    def __init__(
        self,
        device: LinearDevice,
        build: Callable[[LinearDevice], Stepper],
        *,
        dtype: torch.dtype,
    ) -> None:
        self.device, self.dtype = device, dtype
        self.inner = build(replace(device, structure=np.zeros_like(device.structure)))
        self.normals = self.inner.normals
        self.turn = lru_cache(maxsize=None)(self._turn)

    def _turn(self, s: float) -> torch.Tensor:
        """Right-multiplier of states that gives what a turn adds to them."""
        added = rotation(self.device, s) - np.eye(self.device.dim)
        return torch.tensor(added.T.copy(), dtype=self.dtype)

    def step(
        self,
        piece: Piece,
        state: torch.Tensor,
        control: Control | None,
        *,
        noise: NoiseSource,
        act: Act | None,
    ) -> Step:
        """One step; see `Stepper.step`."""
        assert act is not None
        turn = self.turn(0.5 * piece.duration)

        def inside(state: torch.Tensor, *, middle: bool = False) -> Control:
            return act(state if middle else torch.addmm(state, state, turn), middle=middle)

        turned = torch.addmm(state, state, turn)
        step = self.inner.step(piece, turned, control, noise=noise, act=inside)
        return step._replace(start=state, end=torch.addmm(step.end, step.end, turn))
