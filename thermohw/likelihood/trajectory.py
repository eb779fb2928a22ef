r"""Probability-flow trajectories of a batch of points: the Dormand-Prince 5(4) pair, dense output.

    dx/dt = F x - (g^2/2) s(x, t)      i.e.      dx/du = e^u [F' x - D s(x, t(u))]

on the logarithmic clock u of `timeline` (F', D per unit of diffusion time). Only scores are
evaluated here; the divergence is a plain integral along the result and costs dim times as much, so
`flow` evaluates it at a few quadrature points and nowhere else.

Step control in nats. If a step ends at x + e instead of x, the log-likelihood computed from there
on changes by

    delta = grad(-ln p) . e = -s(x) . e     to first order,

whatever the scale of the data. A step is accepted when max over paths of |s||e| is below the
tolerance, with e the difference of the 5th and the 4th order solution (an over-estimate of the
former's error) and |s| at least the batch's root mean square (s vanishes at a mode). The sum of
|s . e| over steps is each path's accumulated error estimate. With a fixed number of steps, equal
ones on the clock, e is only added up.

Between the ends of a step x is the pair's own interpolant of order 4, so that where the solution is
read off has no bearing on where the steps end (Hairer, Norsett & Wanner, Solving Ordinary
Differential Equations I, 2nd ed., II.6): with p = (u - u_0)/h, q = 1 - p,

    x(u) = x_0 + p (D + q (A + p (B + q E))),  D = x_1 - x_0,  A = h v_0 - D,  B = D - h v_1 - A

and E a fixed combination of the stages' slopes.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from thermohw.likelihood.timeline import Timeline, apply
from thermohw.score import Score

__all__ = ["SolvedTrajectory", "State", "Trajectory"]

_PATIENCE = 5000  # attempted steps; a smooth score needs some ten

# Dormand & Prince, "A family of embedded Runge-Kutta formulae", J. Comp. Appl. Math. 6 (1980) 19.
_NODES = (0.2, 0.3, 0.8, 8 / 9, 1.0, 1.0)
_STAGES = (
    (1 / 5,),
    (3 / 40, 9 / 40),
    (44 / 45, -56 / 15, 32 / 9),
    (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
    (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
    (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
)
_DEFECT = (  # weights of order 5 minus weights of order 4
    71 / 57600,
    0.0,
    -71 / 16695,
    71 / 1920,
    -17253 / 339200,
    22 / 525,
    -1 / 40,
)
_BEND = (  # E of the interpolant, Hairer et al.
    -12715105075 / 11282082432,
    0.0,
    87487479700 / 32700410799,
    -10690763975 / 1880347072,
    701980252875 / 199316789632,
    -1453857185 / 822651844,
    69997945 / 29380423,
)


@dataclass(frozen=True)
class State:
    """The batch at one position of the clock.

    Attributes:
        u: position.
        x: points, shape (paths, dim), model units.
        velocity: dx/du, same shape.
        score: s(x), same shape.
        error: accumulated |s . e| since the trajectory began, shape (paths,), nats.
        bend: E of the step that ended here, same shape as x; None at the start.
    """

    u: float
    x: Tensor
    velocity: Tensor
    score: Tensor
    error: Tensor
    bend: Tensor | None = None


class SolvedTrajectory:
    """A solved trajectory that can be read off anywhere.

    Args:
        states: the ends of its steps, the start first.
    """

    def __init__(self, states: list[State]) -> None:
        self.states = states
        self._knots = [state.u for state in states]

    @property
    def final(self) -> State:
        """The state at T."""
        return self.states[-1]

    def at(self, u: float) -> Tensor:
        """Points at position u, shape (paths, dim)."""
        index = min(max(bisect_right(self._knots, u), 1), len(self._knots) - 1)
        before, after = self.states[index - 1], self.states[index]
        assert after.bend is not None
        step = after.u - before.u
        p = (u - before.u) / step
        q = 1.0 - p
        rise = after.x - before.x
        start = torch.sub(step * before.velocity, rise)
        end = torch.sub(rise, after.velocity, alpha=step).sub_(start)
        inner = start.add_(end.add_(after.bend, alpha=q), alpha=p)
        return torch.add(before.x, rise.add_(inner, alpha=q), alpha=p)


class Trajectory:
    """Carries batches along the flow of one score.

    Args:
        score: the model.
        timeline: the clock.
        tolerance: largest |s||e| of an adaptive step, nats.
        steps: that many equal steps on the clock instead; None for adaptive ones.

    Attributes:
        evaluations: score evaluations of the whole batch so far.
        stops: positions where a step must end: the score's breakpoints, which no error estimate
            sees, and T.
    """

    def __init__(
        self, score: Score, timeline: Timeline, tolerance: float, *, steps: int | None = None
    ) -> None:
        assert tolerance > 0.0
        self.score, self.timeline, self.tolerance = score, timeline, tolerance
        self.steps = steps
        self.evaluations = 0
        first, last = timeline.ends
        inside = (timeline.position(t) for t in score.breakpoints)
        self.stops = [*sorted(u for u in inside if first < u < last), last]
        self._step = (last - first) / 20.0  # first guess; one or two rejections cost little

    def start(self, x: Tensor) -> State:
        """The state at t_min, from points of shape (paths, dim)."""
        u = self.timeline.ends[0]
        velocity, score = self._velocity(x, u)
        return State(u, x, velocity, score, torch.zeros(len(x), dtype=x.dtype))

    def march(self, x: Tensor) -> Iterator[State]:
        """States at the ends of the steps from t_min to T, the start first.

        Args:
            x: points at t_min, shape (paths, dim).

        Raises:
            FloatingPointError: the score stops being finite, or is too rough to follow.
        """
        state = self.start(x)
        yield state
        for u in self._grid():
            state, error = self._attempt(state, u - state.u)
            if not bool(torch.isfinite(error)):
                raise self._stop(state)
            state = replace(state, u=u)
            yield state
        if self.steps is not None:
            return
        for stop in self.stops:
            if stop == state.u and state.bend is not None:
                continue  # two breakpoints in one place
            for attempt in range(_PATIENCE + 1):
                room = stop - state.u
                step = room if room < 1.01 * self._step else min(self._step, 0.5 * room)
                if not state.u + step > state.u:  # too short for the clock's own rounding
                    raise self._stop(state)
                trial, error = self._attempt(state, step)
                ratio = float(error / self.tolerance)
                # Only a step of the controller's own choice teaches it; one cut short to land on a
                # stop does not make the next ones short.
                proposed = step * min(5.0, max(0.2, 0.9 * max(ratio, 1e-10) ** -0.2))
                if ratio > 1.0 or proposed > self._step or step >= 0.99 * self._step:
                    self._step = proposed
                if ratio <= 1.0:
                    state = replace(trial, u=stop) if step == room else trial
                    yield state
                    if step == room:
                        break
                if attempt == _PATIENCE or not self._step > 1e-12 * max(1.0, abs(state.u)):
                    raise self._stop(trial)

    def _grid(self) -> list[float]:
        """Ends of the fixed steps: equal ones, but the end nearest to a stop is moved there."""
        if self.steps is None:
            return []
        first, last = self.timeline.ends
        step = (last - first) / self.steps
        ends = [first + number * step for number in range(1, self.steps)]
        for stop in self.stops[:-1]:
            if ends:
                nearest = min(range(len(ends)), key=lambda i: abs(ends[i] - stop))
                ends[nearest] = stop
        return [*ends, last]

    def _stop(self, state: State) -> FloatingPointError:
        """What to raise when the step that ends in this state cannot be taken."""
        bad = int(torch.nonzero(~torch.isfinite(state.x).all(1)).flatten()[:1].sum())
        return FloatingPointError(
            f"the flow stops at model time {self.timeline.at(state.u).time:.6g} (step "
            f"{self._step:.1e}, path {bad}): the score is not finite or not smooth"
        )

    def _velocity(self, x: Tensor, u: float) -> tuple[Tensor, Tensor]:
        moment = self.timeline.at(u)
        score = self.score.at(moment.time)(x)
        self.evaluations += 1
        return moment.stretch * (apply(moment.drift, x) - apply(moment.mobility, score)), score

    def _attempt(self, state: State, step: float) -> tuple[State, Tensor]:
        """One step and its size in nats: the largest |s||e| of the batch (inf where not finite)."""
        slopes = [state.velocity]
        x, score = state.x, state.score
        for node, weights in zip(_NODES, _STAGES, strict=True):
            x = state.x + step * _combine(weights, slopes)
            velocity, score = self._velocity(x, state.u + node * step)
            slopes.append(velocity)
        defect = step * _combine(_DEFECT, slopes)
        size = state.score.norm(dim=1)
        size = torch.maximum(size, size.square().mean().sqrt())
        worst = (size * defect.norm(dim=1)).max()
        worst = worst if torch.isfinite(worst) else torch.full_like(worst, torch.inf)
        error = state.error + (state.score * defect).sum(1).abs()
        bend = step * _combine(_BEND, slopes)
        return State(state.u + step, x, slopes[-1], score, error, bend), worst


def _combine(weights: tuple[float, ...], slopes: list[Tensor]) -> Tensor:
    total = weights[0] * slopes[0]
    for weight, slope in zip(weights[1:], slopes[1:], strict=True):
        if weight:
            total = torch.add(total, slope, alpha=weight)
    return total
