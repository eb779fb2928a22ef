"""Steps of the probability flow: their order, the path between them, fixed ones, breakpoints."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from acceptance import assert_order
from torch import Tensor

from thermohw.likelihood import Timeline, flow_nll
from thermohw.likelihood.flow import Flow
from thermohw.likelihood.trajectory import SolvedTrajectory, Trajectory
from thermohw.process import OU, VE, Process
from thermohw.score import Field, Score
from thermohw.target import gaussian, gaussian_mixture


def test_trajectory_order() -> None:
    """The propagated solution is of order 5. On a line the exact flow keeps the cumulative law."""
    process, target = VE(sigma=10.0), gaussian_mixture([-1.0, 1.0], 0.2)
    timeline, score = Timeline.of(process, target.narrowest), target.score(process)
    first, last = timeline.ends
    span = 0.2 * (last - first)
    x = torch.tensor([[0.8]], dtype=torch.float64)

    def cumulative(at: Tensor, t: float) -> float:
        deviation = math.sqrt(0.04 + process.transition(t)[1])
        return sum(0.5 * float(torch.special.ndtr((at - m) / deviation)) for m in (-1.0, 1.0))

    errors, steps = [], (8, 16, 32)
    for count in steps:
        solver = Trajectory(score, timeline, 1.0)
        state = solver.start(x)
        for _ in range(count):
            state, _ = solver._attempt(state, span / count)
        end = timeline.at(first + span).time
        errors.append(abs(cumulative(state.x, end) - cumulative(x, 0.0)))
    # the next order's share at the coarsest step, span/8 = 0.16, with a factor two in hand
    assert_order(errors, [1.0 / count for count in steps], 5.0, 0.3)


def mixture_score() -> tuple[Score, Timeline, Tensor]:
    """A mixture in the plane and 20 points of it."""
    target, process = (
        gaussian_mixture([[-1.0, 0.0], [1.0, 0.5]], [[0.3, 0.5], [0.4, 0.2]], [0.3, 0.7]),
        OU(duration=4.0),
    )
    points = target.sample(20, torch.Generator().manual_seed(3))
    return target.score(process), Timeline.of(process, target.narrowest), points


def test_path_between_steps() -> None:
    """The interpolant meets the ends of its steps and is of the solution's order between them."""
    score, timeline, points = mixture_score()
    fine = SolvedTrajectory(list(Trajectory(score, timeline, 1.0, steps=800).march(points)))
    errors, counts = [], (40, 80, 160)
    for count in counts:
        path = SolvedTrajectory(list(Trajectory(score, timeline, 1.0, steps=count).march(points)))
        ends = [(path.at(state.u) - state.x).abs().max() for state in path.states]
        assert max(float(e) for e in ends) < 1e-13
        first, last = timeline.ends
        between = np.linspace(first, last, count + 1)[:-1] + 0.5 * (last - first) / count
        errors.append(max(float((path.at(u) - fine.at(u)).norm()) for u in between))
    # local error h^5 of the interpolant on top of the solution's own h^5; 0.3 as for the latter
    assert_order(errors, [1.0 / count for count in counts], 5.0, 0.3)


def test_fixed_steps_converge() -> None:
    """Fixed steps: order 5 in the likelihood itself, and an estimate that covers the error."""
    score, timeline, points = mixture_score()
    prior = score.process.prior("schedule", np.zeros(2), np.eye(2))

    def solve(steps: int, tolerance: float = 1e-13) -> Flow:
        options = {"timeline": timeline, "solver": "fixed", "steps": steps}
        return flow_nll(score, points, prior, tolerance=tolerance, **options)

    exact = flow_nll(score, points, prior, timeline=timeline, tolerance=1e-13).nll
    errors, counts = [], (12, 24, 48)
    for count in counts:
        flow = solve(count)
        assert flow.score_evaluations == 6 * count + 1
        error = (flow.nll - exact).abs()
        errors.append(float(error.norm()))
        assert (error < 4.0 * flow.solver_error + 1e-12).all()
        assert not flow.converged
    # the trace rides on the interpolant, whose pieces join with the next derivative only: within
    # half an order
    assert_order(errors, [1.0 / count for count in counts], 5.0, 0.5)
    assert solve(48, 1e-5).converged and not solve(4, 1e-5).converged


class Frozen(Score):
    """The score of N(0, 1) that stands still before a time, where it has a kink."""

    def __init__(self, process: Process, since: float) -> None:
        self.process, self.dim, self.since = process, 1, since
        self.exact_score = gaussian(0.0, 1.0).score(process)

    @property
    def breakpoints(self) -> tuple[float, ...]:
        return (self.since,)

    def at(self, t: float) -> Field:
        return self.exact_score.at(max(t, self.since))


@pytest.mark.parametrize("steps", [None, 60])
def test_steps_end_at_kinks(steps: int | None) -> None:
    """dx/dsigma = x/v, v = 1 + 2 sigma but constant before the kink: closed form for x_T."""
    process = VE(sigma=10.0)
    timeline = Timeline.of(process, 1.0)
    first, since, last = (process.diffusion_time(t) for t in (process.t_min, 0.37, 1.0))
    kept, end = 1.0 + 2.0 * since, 1.0 + 2.0 * last
    growth = math.exp((since - first) / kept) * math.sqrt(end / kept)
    x = torch.tensor([[0.7], [-2.0]], dtype=torch.float64)
    path = SolvedTrajectory(
        list(Trajectory(Frozen(process, 0.37), timeline, 1e-9, steps=steps).march(x))
    )
    assert any(abs(timeline.at(state.u).time - 0.37) < 1e-12 for state in path.states)
    # a step across the kink of slope would be wrong by its square, 1e-3
    assert (path.final.x - growth * x).abs().max() < 1e-7
