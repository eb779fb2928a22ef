"""Exact held tick of uncoupled nodes: one normal a node, no sub-steps, exact books.

A node with its own resistor and a held source is a linear SDE with constant input. The end state is
sampled from its exact Gaussian, the charge through the resistor follows from conservation, y = z -
z' + i h, and where a port works int v dt is drawn jointly. The heat of the tick is then a function
of these:

    emf       Q = int (v - e) o dy = (v_mid - e) y     v is linear in charge: the midpoint is exact
    current   Q = int v o dy = v_mid y + i (int v dt - h v_mid)
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import torch

from thermohw.circuit import NodeMoments, node_moments
from thermohw.integrate.step import Step
from thermohw.integrate.terminals import Terminals

if TYPE_CHECKING:
    from thermohw.circuit import LinearDevice
    from thermohw.control import Control, Piece
    from thermohw.integrate.step import Act
    from thermohw.noise import NoiseSource

__all__ = ["HeldNodes"]


class HeldNodes:
    """Exact tick of uncoupled nodes.

    Args:
        device: an uncoupled device.
        wiring: "emf" or "current".
        dtype: state dtype.
        flux: draw int v dt even where no port works (odd fluctuation theorem).
    """

    def __init__(
        self, device: LinearDevice, wiring: str, *, dtype: torch.dtype, flux: bool = False
    ) -> None:
        assert device.uncoupled
        self.device, self.dtype = device, dtype
        self.terminals = Terminals(device, wiring, dtype=dtype)
        self.flux = flux or wiring == "current"
        self.normals = (2 if self.flux else 1) * device.dim
        self.moments = lru_cache(maxsize=None)(self._moments)

    def _moments(self, h: float, temperature: float = 1.0) -> NodeMoments:
        """Moments as floats or rows of the state's dtype, at T/T_ref times the device's own T."""
        moments = node_moments(self.device, h)
        if temperature != 1.0:
            moments = moments.heated(temperature)
        rows = {
            name: value if isinstance(value, float) else torch.tensor(value, dtype=self.dtype)
            for name, value in moments._asdict().items()
        }
        return moments._replace(**rows)

    def step(
        self,
        piece: Piece,
        state: torch.Tensor,
        control: Control | None,
        *,
        noise: NoiseSource,
        act: Act | None,
    ) -> Step:
        """One exact tick; see `Stepper.step`."""
        m, n = self.moments(piece.duration, piece.temperature), self.device.dim
        emf, current = self.terminals.emf(control), self.terminals.current(control)
        normals = noise.normals(self.normals, piece.tick)
        change = (normals if n == self.normals else normals[:, :n]) * m.spread
        _relax(change, state, m, emf)
        if current is not None:
            _add(change, current, m.from_current)
        end = state + change
        charge = state - end
        force = torch.lerp(self.terminals.voltage(state), self.terminals.voltage(end), 0.5)
        heat_correction, flux = None, None
        if self.flux:
            flux = _combine(state, m.sum_state, emf, m.sum_source)
            if current is not None:
                flux = _add(flux, current, m.sum_current)
            flux = _add(_add(flux, normals[:, :n], m.follow), normals[:, n:], m.rest)
        if current is not None:
            assert flux is not None
            charge = charge.add_(current, alpha=piece.duration)
            heat_correction = torch.sub(flux, force, alpha=piece.duration).mul_(current)
        if emf is not None:
            force = force.sub_(emf)
        following = None if act is None else act(end)
        return Step(
            piece,
            state,
            end,
            control,
            following,
            force,
            charge,
            heat_correction,
            emf,
            current,
            flux,
        )


def _relax(
    change: torch.Tensor, state: torch.Tensor, m: NodeMoments, emf: torch.Tensor | None
) -> None:
    """change += from_source * emf - loss * state, in place; one term where the two weights are one.

    A short tick's loss is far below the rounding of the state, and is added to the noise first:
    what rounding leaves then averages out in place of being the same in every tick.
    """
    if emf is not None and isinstance(m.loss, float) and m.loss == m.from_source:
        _add(change, emf - state, m.loss)
        return
    if isinstance(m.loss, float):
        change.add_(state, alpha=-m.loss)
    else:
        change.addcmul_(state, m.loss, value=-1.0)
    if emf is not None:
        _add(change, emf, m.from_source)


def _combine(
    state: torch.Tensor,
    weight: float | torch.Tensor,
    source: torch.Tensor | None,
    gain: float | torch.Tensor,
) -> torch.Tensor:
    """weight * state + gain * source."""
    if source is None:
        return state * weight
    return _add(state * weight, source, gain)


def _add(target: torch.Tensor, value: torch.Tensor, factor: float | torch.Tensor) -> torch.Tensor:
    """target += factor * value, in place."""
    if isinstance(factor, torch.Tensor):
        return target.addcmul_(value, factor)
    return target.add_(value, alpha=factor)
