"""Probability-flow likelihood: exact densities, an independent solver, estimates, refusals."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from acceptance import assert_z
from scipy.integrate import solve_ivp
from torch import Tensor

from thermohw.errors import InputError
from thermohw.likelihood import Hutchinson, Timeline, flow_nll
from thermohw.likelihood.flow import Flow
from thermohw.likelihood.trace import Trace
from thermohw.process import OU, VE, VP, Process, Relaxation
from thermohw.score import Field, Score
from thermohw.score.network import NetworkScore
from thermohw.score.network.design import design
from thermohw.target import DataSet, gaussian, gaussian_mixture

COUPLED = Relaxation(
    np.array([[1.0, 2.0], [0.0, 1.5]]), np.array([[1.0, 0.3], [0.3, 2.0]]), duration=2.0, t_min=0.01
)
PROCESSES: list[Process] = [
    OU(duration=2.0, t_min=1e-3),
    VP(beta_min=0.1, beta_max=20.0),
    VE(sigma=10.0),
    COUPLED,
]
COVARIANCE = np.array([[0.5, 0.2], [0.2, 0.3]])
NARROW = float(np.linalg.eigvalsh(COVARIANCE)[0])


@pytest.mark.parametrize("process", PROCESSES, ids=lambda p: p.kind)
def test_gaussian_density(process: Process, generator: torch.Generator) -> None:
    """Exact score and prior p_T: the flow's density at t_min is p_{t_min}, pointwise."""
    target = gaussian([0.4, -1.0], covariance=COVARIANCE)
    score = target.score(process)
    prior = process.prior("matched", target.mean, target.covariance)
    points = target.sample(50, generator)
    flow = flow_nll(score, points, prior, timeline=Timeline.of(process, NARROW), tolerance=1e-10)
    exact = -score.log_prob(points, process.t_min)
    scale = 1.0 + flow.trace.abs().max()  # the tolerance is relative to the traces
    assert (flow.nll - exact).abs().max() < 1e-9 * scale
    assert flow.converged and (flow.solver_error < 1e-8 * scale).all()


def joint_solution(score: Score, process: Process, x: Tensor, rtol: float) -> np.ndarray:
    """ln-density change along the flow by scipy on the joint system in model time; and x_T."""
    n, d = x.shape

    def rhs(t: float, y: np.ndarray) -> np.ndarray:
        at = torch.as_tensor(y[: n * d].reshape(n, d))
        s, divergence = score.at(t).with_divergence(at)
        drift, half = process.drift(t), 0.5 * process.diffusion(t)
        v = drift * at - half * s
        return np.concatenate([v.numpy().ravel(), d * drift - half * divergence.numpy()])

    start = np.concatenate([x.numpy().ravel(), np.zeros(n)])
    span = (process.t_min, process.duration)
    return solve_ivp(rhs, span, start, method="DOP853", rtol=rtol, atol=rtol).y[:, -1]


@pytest.mark.parametrize("process", [OU(duration=2.0), VE(sigma=5.0)], ids=lambda p: p.kind)
def test_independent_solver(process: Process, generator: torch.Generator) -> None:
    """A wrong score on a mixture in the plane: same numbers as scipy on the joint system."""
    target = gaussian_mixture([[-1.0, 0.0], [1.0, 0.5]], [[0.3, 0.5], [0.4, 0.2]], [0.3, 0.7])
    score = target.score(process).scaled(0.9)
    points = target.sample(12, generator)
    prior = process.prior("schedule", target.mean, target.covariance)
    flow = flow_nll(score, points, prior, tolerance=1e-10)
    end = joint_solution(score, process, points, 1e-11)
    final = torch.as_tensor(end[:24].reshape(12, 2))
    expected = -prior.log_prob(final) - torch.as_tensor(end[24:])
    # scipy's local tolerance 1e-11 accumulates over some hundred steps
    assert (flow.nll - expected).abs().max() < 1e-8
    assert (flow.final - final).abs().max() < 1e-8


def mixture_flow(
    tolerance: float, trace: Trace | None = None, seed: int = 0
) -> tuple[Flow, Tensor]:
    target = gaussian_mixture([[-1.0, 0.0], [1.0, 0.5]], [[0.3, 0.5], [0.4, 0.2]], [0.3, 0.7])
    process = OU(duration=16.0)  # the prior is p_T to e^{-16}: below every tolerance here
    score = target.score(process)
    points = target.sample(200, torch.Generator().manual_seed(seed))
    prior = process.prior("matched", target.mean, target.covariance)
    timeline = Timeline.of(process, target.narrowest)
    flow = flow_nll(score, points, prior, timeline=timeline, tolerance=tolerance, trace=trace)
    return flow, flow.nll + score.log_prob(points, 0.0)


def test_error_estimates() -> None:
    """Tighter tolerances give smaller errors; the estimate covers the error it estimates."""
    worst = []
    for tolerance in (1e-3, 1e-5, 1e-7):
        flow, error = mixture_flow(tolerance)
        rms = float(error.square().mean().sqrt())
        assert flow.converged
        assert rms < 10.0 * tolerance * (1.0 + float(flow.trace.abs().mean()))
        assert rms < 4.0 * float(flow.solver_error.square().mean().sqrt()) + 1e-7
        worst.append(rms)
    assert worst[0] > worst[2] and worst[2] < 1e-5


class Whole(Score):
    """A score that does not say which share of its divergence is quick."""

    def __init__(self, base: Score) -> None:
        self.base, self.process, self.dim = base, base.process, base.dim

    def at(self, t: float) -> Field:
        field = self.base.at(t)

        class WholeField(Field):
            def __call__(self, x: Tensor) -> Tensor:
                return field(x)

            def with_divergence(self, x: Tensor) -> tuple[Tensor, Tensor]:
                return field.with_divergence(x)

        return WholeField()


def grey_network(generator: torch.Generator, spread: float) -> tuple[Score, DataSet]:
    """A levels network of random weights on three correlated grey pixels."""
    rows = np.random.default_rng(0).integers(0, 5, (200, 3))
    rows[:, 2] = np.minimum(rows[:, 0] + 1, 4)
    split = np.repeat([0, 1, 2], (160, 20, 20))
    target = DataSet(rows, split, table={"kind": "grey"}, name="grey", step=1.0)
    head = design(target, VP(beta_min=0.1, beta_max=20.0, t_min=1e-4), {"width": 16})
    weights = head.trunk.initial(generator)
    shape = weights["weight_3"].shape
    weights["weight_3"] = spread * torch.randn(shape, generator=generator)
    return NetworkScore(head, weights), target


def test_quick_share_changes_the_cost_only(generator: torch.Generator) -> None:
    """Sharp and smooth shares summed apart give what the whole divergence gives."""
    score, target = grey_network(generator, 0.5)
    prior = score.process.prior("schedule", target.mean, target.covariance)
    points = target.held_out(16, generator)
    split = flow_nll(score, points, prior, tolerance=1e-7)
    whole = flow_nll(Whole(score), points, prior, tolerance=1e-7)
    assert split.converged and whole.converged
    # estimates hold on average, not for every point near an edge: root mean squares
    difference = (split.nll - whole.nll).norm()
    assert difference < 4.0 * (split.solver_error.norm() + whole.solver_error.norm())
    assert difference < 1e-4 * len(points) ** 0.5
    assert split.divergence_evaluations < whole.divergence_evaluations
    # an untrained network has no other share
    untrained, _ = grey_network(generator, 0.0)
    x = points + 0.3
    for t in (1e-3, 0.1, 0.5):
        field = untrained.at(t)
        share = field.quick_divergence(x)
        assert share is not None
        torch.testing.assert_close(share, field.divergence(x), rtol=1e-12, atol=0.0)
        half = untrained.scaled(0.5).at(t).quick_divergence(x)
        torch.testing.assert_close(half, 0.5 * share, rtol=1e-12, atol=0.0)


def test_hutchinson_agrees_with_exact(generator: torch.Generator) -> None:
    exact, _ = mixture_flow(1e-6)
    probed, _ = mixture_flow(1e-6, Hutchinson(16, generator))
    assert (exact.divergence_stderr == 0.0).all()
    difference = probed.nll - exact.nll
    assert_z(difference, 0.0, label="mean difference")
    # Each point's own error bar, from 16 probes: t_15, whose variance is 15/13.
    ratio = (difference / probed.divergence_stderr).square()
    assert_z(ratio, 15.0 / 13.0, label="squared standardised difference")


def test_batch_independence(generator: torch.Generator) -> None:
    """A point alone has the value it has in a batch, within the errors quoted for both."""
    process, target = VE(sigma=10.0), gaussian_mixture([-1.0, 1.0], 0.2)
    score, points = target.score(process), target.sample(40, generator)
    prior = process.prior("schedule", target.mean, target.covariance)
    batch = flow_nll(score, points, prior, tolerance=1e-7)
    for i in (0, 17):
        alone = flow_nll(score, points[i : i + 1], prior, tolerance=1e-7)
        allowed = 10.0 * (alone.solver_error[0] + batch.solver_error[i])
        assert abs(alone.nll[0] - batch.nll[i]) < allowed + 1e-6


class Broken(Score):
    """A score that turns into NaN half-way."""

    def __init__(self, process: Process) -> None:
        self.process, self.dim = process, 1

    def at(self, t: float) -> Field:
        class BrokenField(Field):
            def __call__(self, x: Tensor) -> Tensor:
                return -x * (math.nan if t > 0.5 else 1.0)

            def with_divergence(self, x: Tensor) -> tuple[Tensor, Tensor]:
                return self(x), -torch.ones(len(x), dtype=x.dtype)

        return BrokenField()


def test_failures(generator: torch.Generator) -> None:
    process = VE(sigma=10.0)
    prior = process.prior("schedule", np.zeros(1), 1.0)
    with pytest.raises(FloatingPointError, match="model time 0.49|model time 0.5"):
        flow_nll(Broken(process), torch.ones(3, 1), prior)
    score = gaussian(0.0, 1.0).score(process)
    with pytest.raises(InputError, match=r"shape \(paths >= 1, 1\)"):
        flow_nll(score, torch.ones(3, 2), prior)
    with pytest.raises(InputError, match="finite"):
        flow_nll(score, torch.full((3, 1), math.inf), prior)
    with pytest.raises(InputError, match="choose adaptive or fixed"):
        flow_nll(score, torch.ones(3, 1), prior, solver="euler")
    with pytest.raises(InputError, match="a number of steps"):
        flow_nll(score, torch.ones(3, 1), prior, solver="fixed")
    with pytest.raises(InputError, match="a number of steps"):
        flow_nll(score, torch.ones(3, 1), prior, steps=5)
