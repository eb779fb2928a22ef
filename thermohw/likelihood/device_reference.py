r"""A Gaussian whose share of the device evidence bound is known given the data point.

Had the device an ideal controller and the score g of a Gaussian with the data's moments
(`likelihood.reference`), everything in a tick of the bound would be a product of two forms that are
linear in the present state and the end, a = L z_n + M z_N + c, with

    z_n | z_N ~ N(A_n z_N, B_n),      E[a . b | z_N] = a(A_n z_N) . b(A_n z_N) + tr(L_a B_n L_b^T)

so that a tick's value less what the Gaussian makes of the same state plus its mean has the same
expectation for every data point, and far less scatter. No average changes, however bad a
description of the data the Gaussian is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from thermohw.likelihood.device_ticks import (
    DeviceTicks,
    Gaussian,
    NoisingBridge,
    as_matrix,
    thermal_units,
    through,
)
from thermohw.likelihood.reference import Reference
from thermohw.likelihood.timeline import Timeline

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.control import Plan

__all__ = ["DeviceReference", "Surplus"]


class _LinearForm(NamedTuple):
    """Linear in state and end: matrices (k, n) and a constant (k,)."""

    state: Tensor
    end: Tensor
    constant: Tensor

    def at(self, state: Tensor, end: Tensor) -> Tensor:
        """Its values, shape (paths, k)."""
        return state @ self.state.T + end @ self.end.T + self.constant

    def less(self, other: _LinearForm, share: float = 1.0) -> _LinearForm:
        """This less a share of another."""
        pairs = zip(self, other, strict=True)
        return _LinearForm(*(one - share * two for one, two in pairs))

    def by(self, factor: Tensor) -> _LinearForm:
        """Component by component."""
        return _LinearForm(
            factor[:, None] * self.state, factor[:, None] * self.end, factor * self.constant
        )


class Surplus(NamedTuple):
    """What the Gaussian's tick has above its mean given the end, shape (paths,)."""

    bound: Tensor
    direct: Tensor
    work: Tensor


class DeviceReference:
    """The Gaussian's share of a plan's ticks.

    Args:
        plan: whose device, clock and drive.
        mean: of the data, shape (n,), model units.
        covariance: shape (n, n).
    """

    def __init__(self, plan: Plan, mean: NDArray, covariance: NDArray) -> None:
        self.plan, self.units = plan, thermal_units(plan)
        timeline = Timeline.of(plan.protocol.process, 0.0)
        self._gaussian = Reference(timeline, covariance, mean)

    def surplus(
        self,
        ticks: DeviceTicks,
        tick: int,
        bridge: NoisingBridge,
        law: Gaussian,
        state: Tensor,
        end: Tensor,
        share: Tensor,
    ) -> Surplus:
        """Of one tick.

        Args:
            ticks: the device's.
            tick: which one.
            bridge: the process around it.
            law: the device's noise over it.
            state: z_n, shape (paths, n).
            end: z_N.
            share: (n,) of sources times moves in the work, see `thermohw.likelihood.device`.
        """
        one = torch.diag(torch.ones_like(self.units))
        none = 0.0 * one
        source, pushed = self._pushed(ticks, tick)
        start = as_matrix(bridge.start)
        follow = none if bridge.gain is None else as_matrix(bridge.gain)
        wanted = _LinearForm(follow, as_matrix(bridge.end) - follow @ start, 0.0 * self.units)
        rest = _LinearForm(as_matrix(ticks.decay(tick)), none, 0.0 * self.units)
        gap = wanted.less(rest)
        off = gap.less(pushed)
        move = wanted.less(_LinearForm(one, none, 0.0 * self.units))
        centre = through(bridge.start, end)
        before = as_matrix(bridge.before)

        def above(first: _LinearForm, second: _LinearForm) -> Tensor:
            """Of the product of two forms."""
            product = (first.at(state, end) * second.at(state, end)).sum(1)
            known = (first.at(centre, end) * second.at(centre, end)).sum(1)
            return product - known - (first.state @ before * second.state).sum()

        def weighed(form: _LinearForm) -> _LinearForm:
            """By the inverse of the device's noise."""
            columns = [law.solve(m.T).T for m in form[:2]]
            return _LinearForm(columns[0], columns[1], law.solve(form.constant[None])[0])

        return Surplus(
            0.5 * above(weighed(off), off),
            above(weighed(pushed), pushed.less(gap, 2.0)) * 0.5,
            above(source.by(share), move)
            if len(source.constant) == len(one)
            else 0.0 * state[:, 0],
        )

    def _pushed(self, ticks: DeviceTicks, tick: int) -> tuple[_LinearForm, _LinearForm]:
        """Sources, and what they move the state by in the tick."""
        plan, units = self.plan, self.units
        slope, mean = self._gaussian.score(float(plan.schedule.model_time[tick]))
        probes = torch.cat([torch.diag(torch.ones_like(units)), 0.0 * units[None]])
        model = probes / units
        source = plan.laws[tick].combine(probes, (model - mean) @ slope.T)
        pushed = through(ticks.push(tick), ticks.force(source))
        return _form(source), _form(pushed)


def _form(values: Tensor) -> _LinearForm:
    """Of the values at the unit vectors and, last, at zero, shape (n + 1, k)."""
    constant = values[-1]
    state = (values[:-1] - constant).T
    return _LinearForm(state, 0.0 * state, constant)
