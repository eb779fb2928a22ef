"""Uncoupled nodes whose sources have a memory: exact under held control, second order beside it.

    LaggedNodes      held commands: (end state, what every source state worked) is one Gaussian
                     given the start (`thermohw.integrate.lag_moments`); no sub-steps
    FollowingNodes   continuous control through a pole, weak order 2: the node moves under the mean
                     of the commands at its start and where it would go without noise; the source
                     ends where the mean of the commands at its true ends leaves it. A command that
                     knew the noise of its own step while it works would draw work from it, an
                     error of first order

The books: charge y = z - z' + int i dt, work -int e dy or int i v dt as drawn, heat int (v - e) dy
with int v dy = v_mid y exactly. `Step.emf` and `current` are means over the tick; what their
product with the charge or the flux misses goes to `work_correction` and `heat_correction`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from thermohw.integrate.lag_moments import lag_moments
from thermohw.integrate.step import Step
from thermohw.integrate.terminals import Terminals

if TYPE_CHECKING:
    from thermohw.circuit import LinearDevice
    from thermohw.control import Control, Piece
    from thermohw.control.chain import Lag
    from thermohw.integrate.step import Act
    from thermohw.noise import NoiseSource

__all__ = ["FollowingNodes", "LaggedNodes"]


class _Rows(NamedTuple):
    """Moments as rows over nodes: (n,), (m, n), (m, m, n), (1 + m, 1 + m, n)."""

    decay: torch.Tensor
    shift: torch.Tensor
    own: torch.Tensor
    cross: torch.Tensor
    area: torch.Tensor
    root: torch.Tensor
    advance: torch.Tensor


class LaggedNodes:
    """Exact held tick of uncoupled nodes with remembering sources.

    Args:
        device: an uncoupled device.
        wiring: "emf" or "current".
        dtype: state dtype.
        lag: what the sources remember; no slew limit.
    """

    def __init__(self, device: LinearDevice, wiring: str, *, dtype: torch.dtype, lag: Lag) -> None:
        assert device.uncoupled
        self.device, self.dtype, self.lag, self.emf = device, dtype, lag, wiring == "emf"
        self.terminals = Terminals(device, wiring, dtype=dtype)
        self.normals = (1 + lag.states) * device.dim
        self.moments = lru_cache(maxsize=None)(self._moments)

    def _moments(self, h: float) -> _Rows:
        device = self.device
        kinds = np.stack(
            [np.diag(device.hessian), device.coefficients, device.temperatures], axis=1
        )
        distinct, which = np.unique(kinds, axis=0, return_inverse=True)
        found = [
            lag_moments(self.lag.matrix, h, stiffness=k, conductance=g, temperature=t, emf=self.emf)
            for k, g, t in distinct
        ]
        tables = [np.stack([np.asarray(m[i]) for m in found], -1) for i in range(7)]
        pick = which.reshape(-1) if len(distinct) > 1 else slice(None)
        return _Rows(
            *(torch.tensor(np.ascontiguousarray(t[..., pick]), dtype=self.dtype) for t in tables)
        )

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
        assert control is not None and control.lag is not None
        normals = noise.normals(self.normals, piece.tick)
        step = self.move(piece, state, control, control.lag, normals)
        return step if act is None else step._replace(next_control=act(step.end))

    def move(
        self,
        piece: Piece,
        state: torch.Tensor,
        control: Control,
        lag: torch.Tensor,
        normals: torch.Tensor,
    ) -> Step:
        """The tick for given normals (paths, (1 + m) n) and source states (paths, m, n)."""
        m, h = self.moments(piece.duration), piece.duration
        count, n = self.lag.states, state.shape[1]
        w = lag.unbind(1)
        xi = normals.split(n, 1)
        end = torch.addcmul(m.decay * state, m.root[0, 0], xi[0])
        for j in range(count):
            end = torch.addcmul(end, m.shift[j], w[j])
        work, mean = torch.zeros_like(state), torch.zeros_like(state)
        for j in range(count):  # what state j works: -W (emf) or W (current)
            each = m.own[j] * state
            for i in range(count):
                each = torch.addcmul(each, m.cross[i, j], w[i])
            for i in range(j + 2):
                each = torch.addcmul(each, m.root[1 + j, i], xi[i])
            work = torch.addcmul(work, w[j], each)
            mean = torch.addcmul(mean, m.area[j] / h, w[j])
        middle = torch.lerp(self.terminals.voltage(state), self.terminals.voltage(end), 0.5)
        following = _advance(m.advance, w)
        if self.emf:
            charge = state - end
            extra = mean * charge - work
            return Step(piece, state, end, control, None, middle - mean, charge, extra, mean,
                        work_correction=extra, lag=following)  # fmt: skip
        charge = (state - end).add_(mean, alpha=h)
        flux = middle * h
        extra = work - mean * flux
        return Step(piece, state, end, control, None, middle, charge, extra, None, mean, flux,
                    work_correction=extra, lag=following)  # fmt: skip


class FollowingNodes(LaggedNodes):
    """Continuous control through sources with a pole."""

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
        assert control is not None and control.lag is not None and act is not None
        normals, now = noise.normals(self.normals, piece.tick), control.source
        lag = torch.cat([now[:, None], control.lag[:, 1:]], 1)
        m = self.moments(piece.duration)
        quiet = m.decay * state + (m.shift * lag).sum(1)
        guess = act(quiet).source
        lag = torch.cat([0.5 * (now + guess)[:, None], control.lag[:, 1:]], 1)
        step = self.move(piece, state, control, lag, normals)
        following = act(step.end)
        w = (0.5 * (now + following.source), *control.lag.unbind(1)[1:])
        return step._replace(next_control=following, lag=_advance(m.advance, w))


def _advance(advance: torch.Tensor, states: tuple[torch.Tensor, ...]) -> torch.Tensor:
    """Source states (paths, m, n) a tick later."""
    rows = []
    for i, last in enumerate(states):
        row = advance[i, i] * last
        for j in range(i):
            row = torch.addcmul(row, advance[i, j], states[j])
        rows.append(row)
    return torch.stack(rows, 1)
