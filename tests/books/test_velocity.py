"""Production learned from trajectories: closed forms of relaxation, of heat conduction and of
rotation, a mixture's generation, and what no field and no luck may exceed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy.linalg import expm, solve_continuous_lyapunov

import thermohw as th
from thermohw.books.velocity import LearnedProduction, learned_production
from thermohw.errors import InputError

BEADS = np.array([[2.0, -1.0], [-1.0, 2.0]])  # two beads, every spring 1
TURN = np.array([[1.0, -1.0], [1.0, 1.0]])


def linear(drift: np.ndarray, warmth: Any, start: Any, h: float, steps: int, paths: int) -> Any:
    """dx = -A x dt + sqrt(2 D) dW by its exact steps, shape (paths, steps + 1, n); `start` is a
    covariance, None the steady one.
    """
    random = np.random.default_rng(20260101)
    steady = solve_continuous_lyapunov(drift, 2.0 * np.diag(warmth))
    step = expm(-drift * h)
    noise = np.linalg.cholesky(steady - step @ steady @ step.T)
    x = random.standard_normal((paths, len(drift)))
    x = x @ np.linalg.cholesky(steady if start is None else np.asarray(start)).T
    states = [x]
    for _ in range(steps):
        states.append(states[-1] @ step.T + random.standard_normal(x.shape) @ noise.T)
    return np.stack(states, 1)


def within(found: LearnedProduction, exact: float, missed: float) -> None:
    """Neither bound is more than its error above the production, nor further below it than what
    features, paths and steps miss.
    """
    for bound in (found.total, found.uncertainty):
        assert bound.z(exact) < 4.0, bound
        assert bound.z(exact * (1.0 - missed)) > -4.0, bound
        assert bound.stderr < 0.05 * exact


def test_relaxation() -> None:
    """N(0, 4) under OU for T = 1: production .774226."""
    paths = linear(np.eye(1), [1.0], 4.0 * np.eye(1), 0.01, 100, 12_000)
    within(learned_production(paths, np.linspace(0.0, 1.0, 101), 1.0, knots=0), 0.774226, 0.01)


def test_two_beads_between_two_baths() -> None:
    """Springs 1, T = 1 and 2: .125 nats per time."""
    paths = linear(BEADS, [1.0, 2.0], None, 0.02, 100, 18_000)
    found = learned_production(paths, np.linspace(0.0, 2.0, 101), np.array([1.0, 2.0]),
                               bins=4, knots=0)  # fmt: skip
    within(found, 2.0 * 0.125, 0.03)  # steps of .02 against rates of 1 and 3
    assert found.rate.shape == (4,) and found.times[-1] == 2.0


def test_rotation() -> None:
    """omega = 1 in a round well: rate 2."""
    paths = linear(TURN, [1.0, 1.0], None, 0.01, 50, 6_000)
    within(learned_production(paths, np.linspace(0.0, 0.5, 51), np.eye(2), bins=2, knots=0),
           1.0, 0.02)  # fmt: skip


def mixture_paths(paths: int, steps: int) -> Any:
    """Generation of +-1 of variance .4 by OU, T = 3, with the exact score, from p_T."""
    process = th.OU(duration=3.0)
    target = th.targets.gaussian_mixture(means=[[-1.0], [1.0]], stds=0.4**0.5, weights=[0.5, 0.5])
    score, random, h = target.score(process), torch.Generator().manual_seed(20260101), 3.0 / steps
    data = target.sample(paths, random)
    decay, noise = process.transition(3.0)
    x = float(decay) * data + float(noise) ** 0.5 * torch.randn(data.shape, generator=random,
                                                                dtype=torch.float64)  # fmt: skip
    states = [x]
    for step in range(steps):
        normals = torch.randn(x.shape, generator=random, dtype=torch.float64)
        push = x + 2.0 * score.at(3.0 - step * h)(x)
        x = x + h * push + (2.0 * h) ** 0.5 * normals
        states.append(x)
    return torch.stack(states, 1).numpy()


def test_generation_of_a_mixture() -> None:
    """Production .108541, most of it in the last tenth of the time; a linear field misses what is
    not linear in it. 15,000 paths lose 2/15,000 for each of 11 coefficients in some eight
    stretches, .012, and steps of .0234 about as much.
    """
    paths, times = mixture_paths(30_000, 128), np.linspace(0.0, 3.0, 129)
    found = learned_production(paths, times, 1.0)
    within(found, 0.108541, 0.22)
    straight = learned_production(paths, times, 1.0, knots=0)
    assert straight.total.value < found.total.value - 3.0 * found.total.stderr


def test_no_production_in_equilibrium() -> None:
    """A symmetric bath at rest: bounds are at or below zero, whatever is fitted."""
    paths = linear(np.eye(2), [1.0, 1.0], None, 0.02, 40, 4_000)
    found = learned_production(paths, np.linspace(0.0, 0.8, 41), 1.0)
    assert found.total.value < 0.0 or found.total.z() < 3.0
    assert found.uncertainty.z() < 3.0


def test_bins_judge_with_fields_of_other_paths() -> None:
    """Nearly as many coefficients as increments: fitted to the paths that it judges, 57 of them
    would find 2/200 nats each, .57, in a bath at rest.
    """
    paths = linear(np.eye(3), [1.0] * 3, None, 0.02, 4, 400)
    found = learned_production(paths, np.linspace(0.0, 0.08, 5), 1.0, bins=1, knots=3)
    assert found.total.z() < 3.0
    assert found.total.value + 4.0 * found.total.stderr < 0.57


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"paths": np.zeros((4, 3))}, "expected (paths, frames, n)"),
        ({"times": np.zeros(5)}, "times must rise"),
        ({"diffusion": 0.0}, "positive definite"),
        ({"diffusion": np.ones(3)}, "positive definite"),
        ({"paths": np.full((900, 5, 2), np.nan)}, "finite"),
        ({"paths": "states"}, "learned_production.paths: expected an array of real numbers"),
        ({"paths": np.zeros((900, 5, 2), dtype=complex)}, "real numbers"),
        ({"paths": [[1.0, 2.0], [3.0]]}, "real numbers"),
        ({"diffusion": "a"}, "learned_production.diffusion: expected an array of real numbers"),
        ({"bins": 0}, "expected 1 or more bins"),
        ({"knots": 1}, "expected 1 or more bins"),
        ({"knots": 500}, "take more paths or fewer knots"),
    ],
)
def test_bad_input(change: dict[str, Any], word: str) -> None:
    given: dict[str, Any] = {
        "paths": np.random.default_rng(0).standard_normal((900, 5, 2)),
        "times": np.arange(5.0),
        "diffusion": 1.0,
    }
    with pytest.raises(InputError) as caught:
        learned_production(**(given | change))
    assert word in str(caught.value)
