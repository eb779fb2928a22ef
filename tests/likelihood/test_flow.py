"""Probability-flow likelihood: exact densities, an independent solver, error estimates, probes."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from acceptance import assert_order, assert_z
from scipy.integrate import solve_ivp
from torch import Tensor

from thermohw.errors import InputError
from thermohw.likelihood import ExactTrace, Hutchinson, Timeline, flow_nll
from thermohw.likelihood.flow import Flow
from thermohw.likelihood.trace import Trace, choose_trace
from thermohw.likelihood.trajectory import Path, Trajectory
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
    """The mixture of `mixture_flow` and 20 points of it."""
    target, process = (
        gaussian_mixture([[-1.0, 0.0], [1.0, 0.5]], [[0.3, 0.5], [0.4, 0.2]], [0.3, 0.7]),
        OU(duration=4.0),
    )
    points = target.sample(20, torch.Generator().manual_seed(3))
    return target.score(process), Timeline.of(process, target.narrowest), points


def test_path_between_steps() -> None:
    """The interpolant meets the ends of its steps and is of the solution's order between them."""
    score, timeline, points = mixture_score()
    fine = Path(list(Trajectory(score, timeline, 1.0, steps=800).march(points)))
    errors, counts = [], (40, 80, 160)
    for count in counts:
        path = Path(list(Trajectory(score, timeline, 1.0, steps=count).march(points)))
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
    def kinks(self) -> tuple[float, ...]:
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
    path = Path(list(Trajectory(Frozen(process, 0.37), timeline, 1e-9, steps=steps).march(x)))
    assert any(abs(timeline.at(state.u).time - 0.37) < 1e-12 for state in path.states)
    # a step across the kink of slope would be wrong by its square, 1e-3
    assert (path.final.x - growth * x).abs().max() < 1e-7


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


def test_hutchinson_matrix(generator: torch.Generator) -> None:
    """Weighted trace of a linear field: exact by columns; probes have it as their mean."""
    target = gaussian([0.4, -1.0], covariance=COVARIANCE)
    field = target.score(COUPLED).at(0.3)
    x = target.sample(300, generator)
    slope = -np.linalg.inv(COUPLED.propagate(target.mean, COVARIANCE, 0.3)[1])
    mobility = torch.as_tensor(0.5 * COUPLED.B2)
    expected = float(np.trace(mobility.numpy() @ slope))
    exact = ExactTrace().prepare(300, 2)(field, x, mobility)
    assert exact.shape == (1, 300) and (exact - expected).abs().max() < 1e-12
    probed = Hutchinson(8, generator).prepare(300, 2)(field, x, mobility).flatten()
    values, vectors = np.linalg.eigh(mobility.numpy())
    root = vectors * np.sqrt(values)
    inner = root.T @ slope @ root
    assert_z(probed, expected, label="mean")
    # with two signs r A r = tr A +- 2 A_01: the scatter itself is exact
    assert ((probed - expected).abs() - 2.0 * abs(inner[0, 1])).abs().max() < 1e-12


def test_trace_choice(generator: torch.Generator) -> None:
    assert isinstance(choose_trace(0, 128, generator), ExactTrace)
    assert isinstance(choose_trace(0, 129, generator), Hutchinson)
    assert isinstance(choose_trace(0, 784, generator, closed_form=True), ExactTrace)
    assert choose_trace(5, 2, generator).products == 5


def test_many_dimensions(generator: torch.Generator) -> None:
    """100 dimensions: exact and probed traces agree, and the exact density is met."""
    d = 100
    base = np.random.default_rng(1).normal(size=(d, d)) / math.sqrt(d)
    covariance = base @ base.T + 0.2 * np.eye(d)
    target, process = gaussian(np.zeros(d), covariance=covariance), VP(beta_min=0.1, beta_max=20.0)
    score, points = (
        target.score(process),
        gaussian(np.zeros(d), covariance=covariance).sample(120, generator),
    )
    prior = process.prior("matched", target.mean, target.covariance)
    timeline = Timeline.of(process, target.narrowest)
    exact = flow_nll(score, points, prior, timeline=timeline, tolerance=1e-8)
    assert (exact.nll + score.log_prob(points, 0.0)).abs().max() < 1e-4
    probed = flow_nll(score, points, prior, timeline=timeline, trace=Hutchinson(8, generator))
    assert_z((probed.nll - exact.nll) / probed.divergence_stderr.mean() * math.sqrt(8.0), 0.0)


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
