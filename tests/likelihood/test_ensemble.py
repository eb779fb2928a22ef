"""Expectations over p_t: noised samples, grids to round-off, control variates."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from acceptance import assert_z

from thermohw.errors import InputError
from thermohw.likelihood import ExactTrace, GridEnsemble, SampleEnsemble, Timeline
from thermohw.likelihood.estimate import Estimate, estimate
from thermohw.likelihood.moments import moment_values
from thermohw.likelihood.reference import Reference
from thermohw.process import OU, VE, Process, Relaxation
from thermohw.target import gaussian_mixture, uniform_pixels

COUPLED = Relaxation(
    np.array([[1.0, 2.0], [0.0, 1.5]]), np.array([[1.0, 0.3], [0.3, 2.0]]), duration=2.0, t_min=0.01
)
TARGET = gaussian_mixture([[-1.0, 0.0], [1.0, 0.5]], [[0.3, 0.5], [0.4, 0.2]], [0.3, 0.7])
PROCESSES: list[Process] = [OU(duration=2.0), VE(sigma=4.0), COUPLED]


@pytest.mark.parametrize("process", PROCESSES, ids=lambda p: p.kind)
def test_samples(process: Process, generator: torch.Generator) -> None:
    """Noised points have the moments of p_t; s_cond is the gradient of the transition density."""
    points = TARGET.sample(4000, generator)
    draw = SampleEnsemble(process, points, generator).draw(0.4)
    mean, covariance = process.propagate(TARGET.mean, TARGET.covariance, 0.4)
    assert_z(draw.x, mean, label="mean")
    centred = draw.x - torch.as_tensor(mean)
    products = centred[:, :, None] * centred[:, None, :]
    assert_z(products.reshape(-1, 4), covariance.ravel(), label="covariance")
    decay, noise = process.transition(0.4)
    identity = np.eye(2)
    decay, noise = (m * identity if process.isotropic else m for m in (decay, noise))
    x = draw.x[:5].clone().requires_grad_()
    rest = x - points[:5] @ torch.as_tensor(decay).T
    log_p = -0.5 * (rest @ torch.as_tensor(np.linalg.inv(noise)) * rest).sum()
    (gradient,) = torch.autograd.grad(log_p, x)
    assert (gradient - draw.conditional[:5]).abs().max() < 1e-10
    # E[s_cond . a] = -E[div a] with a(x) = x: minus the dimension
    assert_z((draw.conditional * draw.x).sum(1), -2.0, label="Stein")


@pytest.mark.parametrize("process", PROCESSES, ids=lambda p: p.kind)
def test_cross_entropy(process: Process, generator: torch.Generator) -> None:
    """Averaging -ln prior over the noise in closed form: same mean as over noised points."""
    ensemble = SampleEnsemble(process, TARGET.sample(4000, generator), generator)
    prior = process.prior("schedule", TARGET.mean, TARGET.covariance)
    noisy = -prior.log_prob(ensemble.draw(process.duration).x)
    smooth = ensemble.cross_entropy(prior)
    assert_z(noisy - smooth, 0.0)
    assert smooth.std() < noisy.std()


def test_grid_matches_known_laws() -> None:
    for process in (OU(duration=2.0), VE(sigma=4.0)):
        score = TARGET.score(process)
        grid = GridEnsemble(process, score, TARGET)
        for t in (0.0, 0.3, process.duration):
            # the law's own quadrature in the plane is good to 1e-8
            assert grid.entropy(t).value == pytest.approx(score.entropy(t).value, abs=1e-8)
            draw = grid.draw(t)
            mean, covariance = process.propagate(TARGET.mean, TARGET.covariance, t)
            assert draw.weight is not None
            assert np.allclose(draw.weight.numpy() @ draw.x.numpy(), mean, atol=1e-10)
            moment = (draw.x * draw.weight[:, None]).T @ draw.x - torch.as_tensor(
                np.outer(mean, mean)
            )
            assert np.allclose(moment.numpy(), covariance, atol=1e-9)
            # Stein for the exact score: E[s x^T] = -1
            stein = (draw.conditional * draw.weight[:, None]).T @ draw.x
            assert np.allclose(stein.numpy(), -np.eye(2), atol=1e-9)


def test_grid_refuses_edges() -> None:
    target, process = uniform_pixels(1), VE(sigma=10.0, t_min=1e-4)
    grid = GridEnsemble(process, target.score(process), target)
    assert grid.settles(1e-4) and not grid.settles(0.0)
    edge = 2.0 * math.sqrt(process.transition(1e-4)[1] / math.pi)
    # dS/dt = (g^2/2) E|s|^2 makes the entropy of a blurred unit step about c sqrt(var), c = O(1)
    assert 0.0 < grid.entropy(1e-4).value < 2.0 * edge


@pytest.mark.parametrize("process", PROCESSES, ids=lambda p: p.kind)
def test_control_variates_are_unbiased(process: Process, generator: torch.Generator) -> None:
    """A badly wrong reference changes no expectation; a good one takes most of the noise away."""
    ensemble = SampleEnsemble(process, TARGET.sample(6000, generator), generator)
    timeline, score = Timeline.of(process, TARGET.narrowest), TARGET.score(process).scaled(0.8)
    first, last = timeline.ends
    moment = timeline.at(first + 0.6 * (last - first))
    draw = ensemble.draw(moment.time)
    bare = draw._replace(centre=None, noise=None)
    good = Reference(timeline, TARGET.covariance, TARGET.mean)
    wrong = Reference(timeline, np.array([[0.3, -0.1], [-0.1, 2.0]]), np.array([1.0, -1.0]))
    plain, controlled, off = (
        moment_values(score, d, moment, truth=None, trace=ExactTrace(), reference=r)
        for d, r in ((bare, good), (draw, good), (draw, wrong))
    )
    for name, value in plain.items():
        if name == "trace" or float(value.std()) == 0.0:
            continue
        assert_z(controlled[name] - value, 0.0, label=name)
        assert_z(off[name] - value, 0.0, label=f"{name}, wrong reference")
        assert controlled[name].std() < value.std(), name


def test_estimate() -> None:
    values = np.array([1.0, 2.0, 3.0, 6.0])
    result = estimate(values, Estimate(1.0, 0.3), Estimate(-0.5, 0.4))
    assert result.value == 3.5
    assert result.stderr == pytest.approx(math.hypot(values.std(ddof=1) / 2.0, 0.5))
    assert estimate(np.array([2.0])) == Estimate(2.0, 0.0)


def test_grid_refuses_a_needle() -> None:
    """No point of the grid sees a mode so narrow: refused, not divided by a mass of nothing."""
    target = gaussian_mixture([-1.0, 1.0], 1e-9)
    process = OU(duration=2.0)
    with pytest.raises(InputError, match="target: the law at model time 0 is too rough"):
        GridEnsemble(process, target.score(process), target).entropy(0.0)
