r"""Entropy production by log ratios of the tick kernel: for means, on any circuit that has one.

The even backward chain of `thermohw.books.fluctuation` runs on the same device with the schedule
reversed; its control at x' = x_{n+1} is what the run itself applies during the next tick, so that

    ratio = sum_n ln K_n(x_{n+1} | x_n, c_n) / K_n(x_n | x_{n+1}, c_{n+1})

costs one evaluation of the control more, at the very end. For any normalised rho

    E[ ln q_0(x_0) - ln rho(x_N) + ratio ] = production of the kernel + KL(q_N || rho) >= 0.

Nothing is exponentiated: single precision, many dimensions and learned scores are fine.

The source value at x_n need not be a function of x_n: where it is drawn from a law r_n(c | x_n)
that depends on nothing else (noisy readings, a noisy score), the backward chain draws it from the
same law, the r_n cancel, and what is bounded is the production of the AUGMENTED chain (x_n, c_n).
Its first tick, which starts where no reading was taken, reads without noise: another normalised
kernel, just as good. Sources that remember earlier states (latency, poles, a Kalman filter) have no
such law.

Where one resistor hangs on every node and the sources are in series, most of the ratio is heat.
With the source HELD during the tick back, c_{n+1} -> c_n, detailed balance at the bath's own
temperature makes the log ratio the heat of the tick,

    ratio = sum_k Q_k/kT_k + returned,
    returned = sum_n ln K_n(x_n | x_{n+1}, c_n) / K_n(x_n | x_{n+1}, c_{n+1})

which for one node (C/kT = 1, f = e^-h, c = c_n, d = c_{n+1}) is

    -(d - c)[(x_n - c) - f (x_{n+1} - c)]/(1 + f) + (1 - f)(d - c)^2/(2 (1 + f)).

Euler steps book the mean of both sources, and with b the drift D = kT/RC^2 the same algebra
leaves

    returned = sum_n (h/4 D)(|b_{n+1}(x_{n+1})|^2 - |b_n(x_n)|^2)

Both hold path by path to round-off, which ties the bound to the heat that was measured.

A bound from the other side needs no density. For any field w

    E[ sum_n (w_n + w_{n+1}) . D^-1 (x_{n+1} - x_n) - (h/2) (|w_n|^2 + |w_{n+1}|^2)/D ]

is at most the production of the continuous path, up to O(h), and is it for its current velocity
w = b - D grad ln q (`thermohw.books.velocity`). The score that drives the circuit has learned one:
b = -f + 2 D s was built from it, so that w = b - D s = (b - f)/2 follows from the source alone.
Held at rest voltage c, with drive c = a_n x + (response) s and rate r of the node,

    w_n = r (c_n + (a_n - 2) x_n)/2,

D s for a score of any quality, and any w is allowed: converters, offsets and noise too.
"""

from __future__ import annotations

from functools import cached_property, lru_cache, partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from thermohw.books.fluctuation import state_law
from thermohw.books.kernels import Kernels
from thermohw.circuit import mirror

if TYPE_CHECKING:
    from collections.abc import Callable

    from thermohw.control import Controller, Piece, Plan
    from thermohw.integrate import Carry, Step

__all__ = ["Production", "without_ratio"]

_PARTS, _JOINED = 4, 32  # coordinates: of parts that `Kernels` has, of a joined circuit at most
_CACHE = 2**23  # numbers in all laws kept; a log-SNR grid has as many laws as ticks


def without_ratio(plan: Plan) -> str:
    """Why a plan has no such ratio, in words; empty where it has one."""
    device = plan.protocol.board
    if plan.latency > 0.0:
        return "a late source is a function of earlier states, which no backward tick knows"
    if not plan.chain.lag.is_ideal:
        return (
            "a source with a memory is a function of earlier states, which no backward tick knows"
        )
    if plan.protocol.filter == "kalman" and plan.reading_noise > 0.0:
        return (
            "a filter's estimate is a function of all earlier readings: no backward tick has them"
        )
    if device.gyrating and device.dim > _JOINED and max(map(len, device.components)) > _PARTS:
        return f"inductors join {device.dim} coordinates, whose laws would take longer than the run"
    if not plan.clocked and (plan.stepper != "euler" or device.gyrating):
        return (
            f"the kernel of the {plan.stepper} stepper is not Gaussian (that of stepper = 'euler' "
            "or of clocked control is)"
        )
    return ""


class _TickLaw(NamedTuple):
    """One step of the states, x' = decay x + push f + noise, f what the sources push: of nodes that
    nothing joins in rows (n,), else in blocks (parts, m, m), or right-multipliers (n, n); `back` of
    the backward chain, which with inductors is that of the mirror image.
    """

    decay: torch.Tensor
    push: torch.Tensor
    white: torch.Tensor
    back: tuple[torch.Tensor, torch.Tensor, torch.Tensor]


class Production:
    """Observer that sums the log kernel ratio of every path, and what of it is not heat; float64.

    Args:
        plan: the run's plan, see `without_ratio`.
        controller: plays it.
    """

    name = "production"
    sums = False

    def __init__(self, plan: Plan, controller: Controller) -> None:
        device = plan.protocol.board
        self.plan, self.controller, self.device = plan, controller, device
        emf = plan.drive.wiring == "emf"
        self.sources = len(device.controlled) if emf else device.port_matrix.shape[1]
        self._kernel = "held" if plan.clocked else "euler"
        self._kernels = Kernels(plan)
        # 0: of one joined circuit with inductors, whose quiet directions need other square roots.
        joined = self._kernels.feeds is None and device.gyrating
        self._parts = 0 if joined else self._kernels.order.shape[1]
        self._tied = device.uncoupled and emf
        driven = isinstance(plan.laws[0].drive.state, float)
        self._beside = ("returned", *(("learned",) if driven else ())) if self._tied else ()
        self._product: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] = torch.matmul
        self._one = len(self._kernels.order) == 1  # joined: right-multipliers
        assert not self._one or (np.diff(self._kernels.order[0]) == 1).all(), "in their own order"
        if self._parts == 1:
            self._product = torch.mul
        elif not self._one:
            self._product = _by_part
        size = 6 * device.dim * (self._parts or device.dim)
        self.law = lru_cache(maxsize=max(16, _CACHE // size))(self._law)

    @property
    def regular(self) -> bool:
        """Whether every coordinate moves by noise of its own, as far as its numbers can tell."""
        shortest = min(piece.duration for piece in self.plan.timeline)
        try:
            return all(bool(torch.isfinite(m).all()) for m in self.law(shortest)[:3])
        except np.linalg.LinAlgError:
            return False

    def init(self, state: torch.Tensor) -> Carry:
        """Nothing summed."""
        zeros = partial(torch.zeros, len(state), dtype=torch.float64)
        carry = {"ratio": zeros(), "before": state}
        carry["source"] = torch.zeros(len(state), self.sources, dtype=state.dtype)
        return carry | {name: zeros() for name in self._beside}

    def update(self, carry: Carry, step: Step) -> None:
        """Add the log ratio of the tick before: only now is the source of its way back decided."""
        assert step.control is not None
        tick, source = step.piece.tick, step.control.source
        if tick > 0:
            piece = self.plan.timeline[tick - 1]
            for name, value in self._ratio(carry, piece, step.start, source).items():
                carry[name].add_(value)
        carry["before"], carry["source"] = step.start, source

    def result(self, carry: Carry, state: torch.Tensor) -> Carry:
        """Per path, nats: "ratio", without the boundary term, "returned" and "learned"."""
        ticks = self.plan.schedule.ticks
        closing = self.controller.noiseless(self.device.efforts(state), ticks)
        last = self._ratio(carry, self.plan.timeline[-1], state, closing)
        return {name: carry[name] + value for name, value in last.items()}

    def _ratio(
        self, carry: Carry, piece: Piece, end: torch.Tensor, following: torch.Tensor
    ) -> Carry:
        """Log ratio of a step that ended in `end` and comes back under the source `following`."""
        x, y = self._coordinates(carry["before"]), self._coordinates(end)
        c, d = self._pushed(carry["source"]), self._pushed(following)
        law, times = self.law(piece.duration), self._product
        half = 0.5 / piece.temperature  # whitened at the device's own temperature
        forward = times(y - times(x, law.decay) - times(c, law.push), law.white)
        decay, push, white = law.back
        gone = x - times(y, decay)
        backward = times(gone - times(d, push), white)
        found = {"ratio": half * _less(backward, forward)}
        if self._tied and self._kernel == "held":
            kept = (gone - c * law.push) * law.white
            found["returned"] = half * _less(backward, kept)
        elif self._tied:
            loss = law.decay - 1.0
            drifts = ((z * loss + u * law.push) * law.white for z, u in ((y, d), (x, c)))
            found["returned"] = half * _less(*drifts)
        if "learned" in self._beside:
            found["learned"] = self._learned(law, piece, (x, y, c, d))
        return found

    def _learned(self, law: _TickLaw, piece: Piece, ends: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """The lower bound's share of a step, of uncoupled nodes; ends: states and what the sources
        push at either end.
        """
        x, y, c, d = ends
        gone = 1.0 - law.decay
        size = -law.decay.log() if self._kernel == "held" else gone  # r h
        rest = piece.temperature / law.white.square()
        rest = rest / (gone * (1.0 + law.decay) if self._kernel == "held" else 2.0 * gone)
        moves = []
        for place, (state, pushed) in enumerate(((x, c), (y, d))):
            own = self.plan.laws[piece.tick + place].drive.state
            moves.append(0.5 * size * (pushed * law.push / gone + (own - 2.0) * state))
        first, second = moves
        work = (first + second) * (y - x) - 0.5 * (first.square() + second.square())
        return (work / (size * rest)).sum(1)

    def _coordinates(self, state: torch.Tensor) -> torch.Tensor:
        """States as the laws have them: efforts (paths, n) or (paths, parts, m), or as they are."""
        state = state.double()
        if not self._parts:
            return state
        efforts = self.device.efforts(state)
        return efforts if self._parts == 1 or self._one else efforts[:, self._order]

    def _pushed(self, source: torch.Tensor) -> torch.Tensor:
        """What sources (paths, k) push, in the same coordinates."""
        source = source.double()
        if not self._parts:
            return source
        order, factor = self._kernels.order, torch.as_tensor(self._kernels.entry)
        if self._kernels.feeds is None:
            return source @ factor
        columns = []
        for place, feeding in zip(order.T, self._kernels.feeds, strict=True):
            if feeding is None:
                columns.append(source.new_zeros(len(source), len(place)))
            else:
                columns.append(source[:, torch.as_tensor(feeding)] * factor[torch.as_tensor(place)])
        if self._parts == 1:
            return columns[0]
        return torch.stack(columns, 2)[:, 0] if self._one else torch.stack(columns, 2)

    @cached_property
    def _order(self) -> torch.Tensor:
        return torch.as_tensor(self._kernels.order)

    def _law(self, h: float) -> _TickLaw:
        if self._parts:
            return self._small(h)
        wiring, device = self.plan.drive.wiring, self.device
        forth = back = state_law(device, wiring, self._kernel, h)
        if device.gyrating:
            back = state_law(mirror(device), wiring, self._kernel, h)
        return _TickLaw(forth[0], forth[1], forth[2], (back[0], back[1], back[2]))

    def _small(self, h: float) -> _TickLaw:
        """Of equal parts, or one without inductors, by the short route of `Kernels`: another one
        than the stepper's.

        The mirror image flips the inductors' currents on both sides of every matrix.
        """
        kernel = self._kernels.at(h)
        decay, push = kernel.decay, kernel.push[0]
        white = np.linalg.inv(np.linalg.cholesky(kernel.noise))
        signs = np.where(self._kernels.order < len(self.device.nodes), 1.0, -1.0)
        flip = signs[:, :, None] * signs[:, None, :]
        tables = (decay, push, white, decay * flip, push * flip, white * flip)
        if self._parts == 1:
            tables = tuple(table[:, 0, 0] for table in tables)
        elif self._one:
            tables = tuple(table[0].T for table in tables)
        rows = [torch.tensor(np.ascontiguousarray(table)) for table in tables]
        return _TickLaw(rows[0], rows[1], rows[2], (rows[3], rows[4], rows[5]))


def _by_part(x: torch.Tensor, blocks: torch.Tensor) -> torch.Tensor:
    """blocks x of every part: (paths, parts, m) by (parts, m, m)."""
    return torch.einsum("pcj,cij->pci", x, blocks)


def _less(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """|one|^2 - |other|^2 of every row, by their sum and difference."""
    return ((one - other) * (one + other)).flatten(1).sum(1)
