r"""Heat of a run's own ticks on the law of the noised data, and what the likelihoods say of it.

In series with the resistors (emf) a drift b gives heat at the rate b . D^-1 b + div b, in kT, to
their baths. Of the reverse process, b = -f + 2 D s, averaged over the noised data p_t,

    Q/kT = 2 H1 + 4 U - 6 NLL_marg + int E[f . D^-1 f - 4 f . s] dt - 3 int E div f dt,

H1 = -E ln prior(x_T), U the evidence bound: an identity for any score, calibrated or not, without
the entropy of the data; the last two terms vanish where noise only spreads (f = 0), and for a
calibrated score without drift Q/kT = 2 (H1 - NLL_marg) is left. (Both likelihoods are sums of
int E|s|^2 and int E div s, and so is the heat.)

A board knows nothing of this: its controller turns voltages into sources. Let c be the voltage at
which a node with its sources would come to rest, v the variance it has at rest without. With

    e^2 = (z - c)^2/v,      D^-1 b^2 dt = e^2 ds,      s time in units of the node's R C,

the circuit's own sources, taken at noised data z tick by tick, give

    strain   int sum_j e_j^2 ds_j                    = int E[b . D^-1 b] dt of the likelihoods
    held     sum over ticks and nodes of (1/2) (1 - phi^2) (e^2 - 1)

the trapezoidal rule over the ticks for the first, and the mean heat of ticks that hold their source
(phi = e^-ds) for the second: what a run's heat would be on p_t. A run's differs from it by what the
run's own law differs from p_t.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from thermohw.likelihood.device_ticks import DeviceTicks

if TYPE_CHECKING:
    from thermohw.control import Plan

__all__ = ["NoisedHeat"]


class NoisedHeat:
    """Running sums of a plan's ticks, float64, shape (paths,).

    Args:
        plan: of uncoupled nodes at one temperature.
        ticks: its kernels.
        paths: rows.

    Attributes:
        held: mean heat of the ticks so far, kT; that of held sources.
        strain: int sum_j e_j^2 ds_j, nats.
        coarse: the same by every second tick, whose distance from it is three times the error of
            `strain` (the rule is of second order).
    """

    def __init__(self, plan: Plan, ticks: DeviceTicks, paths: int) -> None:
        self._plan, self._ticks = plan, ticks
        zero = torch.zeros(paths, dtype=torch.float64)
        self.held, self.strain, self.coarse = zero.clone(), zero.clone(), zero.clone()
        self._last: Tensor | None = None  # e^2 of the tick before
        self._even: Tensor | None = None  # of the last tick of even number
        self._size = self._since = zero.new_zeros(1)

    def add(self, tick: int, state: Tensor, pushed: Tensor) -> None:
        """One tick.

        Args:
            tick: which one, in order.
            state: at its start, shape (paths, n), thermal units.
            pushed: what its sources move the state by, shape (paths, n).
        """
        square, decay = self._square(tick, state, pushed)
        self._reach(tick, square)
        self.held += (0.5 * (1.0 - decay.square()) * (square - 1.0)).sum(1)
        self._size = -decay.log() if self._plan.clocked else 1.0 - decay
        self._since = self._since + self._size

    def close(self, state: Tensor, source: Tensor) -> None:
        """The end of the run: states there, and what the sources would be."""
        last = self._plan.schedule.ticks - 1
        pushed = self._ticks.push(last) * self._ticks.force(source)
        square, _ = self._square(last, state, pushed)
        self._reach(last + 1, square, end=True)

    def _square(self, tick: int, state: Tensor, pushed: Tensor) -> tuple[Tensor, Tensor]:
        decay, noise = self._ticks.decay(tick), self._ticks.law(tick).covariance
        rest = noise / (1.0 - decay.square() if self._plan.clocked else 2.0 * (1.0 - decay))
        return (state - pushed / (1.0 - decay)).square() / rest, decay

    def _reach(self, tick: int, square: Tensor, *, end: bool = False) -> None:
        """Trapezia that end at this tick's start."""
        if self._last is not None:
            self.strain += (0.5 * self._size * (self._last + square)).sum(1)
        if self._even is None or tick % 2 == 0 or end:
            if self._even is not None:
                self.coarse += (0.5 * self._since * (self._even + square)).sum(1)
            self._even, self._since = square, 0.0 * self._since
        self._last = square
