r"""Probability-flow trajectories of a batch of points: an adaptive Dormand-Prince 5(4) pair.

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
|s . e| over steps is each path's accumulated error estimate.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from thermohw.likelihood.timeline import Timeline, apply
from thermohw.score import Score

__all__ = ["State", "Trajectory"]

_PATIENCE = 5000  # steps between two quadrature points; a smooth score needs a few

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


@dataclass(frozen=True)
class State:
    """The batch at one position of the clock.

    Attributes:
        u: position.
        x: points, shape (paths, dim), model units.
        velocity: dx/du, same shape.
        score: s(x), same shape.
        error: accumulated |s . e| since the trajectory began, shape (paths,), nats.
    """

    u: float
    x: Tensor
    velocity: Tensor
    score: Tensor
    error: Tensor


class Trajectory:
    """Carries batches along the flow of one score.

    Attributes:
        evaluations: score evaluations of the whole batch so far.
    """

    def __init__(self, score: Score, timeline: Timeline, tolerance: float) -> None:
        assert tolerance > 0.0
        self.score, self.timeline, self.tolerance = score, timeline, tolerance
        self.evaluations = 0
        first, last = timeline.ends
        self._step = (last - first) / 20.0  # first guess; one or two rejections cost little

    def start(self, x: Tensor) -> State:
        """The state at t_min, from points of shape (paths, dim)."""
        u = self.timeline.ends[0]
        velocity, score = self._velocity(x, u)
        return State(u, x, velocity, score, torch.zeros(len(x), dtype=x.dtype))

    def advance(self, state: State, u: float) -> State:
        """The state at a later position u."""
        attempts = 0
        while state.u < u:
            attempts += 1
            room = u - state.u
            step = room if room < 1.01 * self._step else min(self._step, 0.5 * room)
            trial, error = self._attempt(state, step)
            ratio = float(error / self.tolerance)
            if ratio <= 1.0:
                state = replace(trial, u=u) if step == room else trial
            # Only a step of the controller's own choice teaches it; one cut short to land on u does
            # not make the next ones short.
            proposed = step * min(5.0, max(0.2, 0.9 * max(ratio, 1e-10) ** -0.2))
            if ratio > 1.0 or proposed > self._step or step >= 0.99 * self._step:
                self._step = proposed
            if attempts > _PATIENCE or not self._step > 1e-12 * max(1.0, abs(u)):
                bad = int(torch.nonzero(~torch.isfinite(trial.x).all(1)).flatten()[:1].sum())
                raise FloatingPointError(
                    f"the flow stops at model time {self.timeline.at(state.u).time:.6g} (step "
                    f"{self._step:.1e}, path {bad}): the score is not finite or not smooth"
                )
        return state

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
        return State(state.u + step, x, slopes[-1], score, error), worst


def _combine(weights: tuple[float, ...], slopes: list[Tensor]) -> Tensor:
    total = weights[0] * slopes[0]
    for weight, slope in zip(weights[1:], slopes[1:], strict=True):
        if weight:
            total = torch.add(total, slope, alpha=weight)
    return total
