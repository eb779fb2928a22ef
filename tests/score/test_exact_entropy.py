"""Entropies of p_t, reference numbers of the literature, and what has no exact score."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from acceptance import assert_z

from thermohw.errors import InputError
from thermohw.process import OU, VE, VP, Process, Relaxation
from thermohw.score import exact_score
from thermohw.score.mixture import MixtureScore
from thermohw.target import MixtureLaw, Target, digits, gaussian, gaussian_mixture, uniform_pixels

COUPLED = Relaxation(np.array([[1.0, -0.5], [-0.5, 1.5]]), np.diag([2.0, 4.0]))
CASES = [
    (gaussian([0.5, -1.0], [0.7, 1.5]), OU(3.0)),
    (gaussian([0.5, -1.0], [0.7, 1.5]), COUPLED),
    (gaussian_mixture([-1.0, 1.0], 0.2), VP()),
    (gaussian_mixture([[-1.0, 0.0], [1.0, 0.5]], [0.5, 0.8]), COUPLED),
    (uniform_pixels(2), VE(10.0)),
    (uniform_pixels(1), OU(3.0)),
]


def test_mixture_of_variance_two_fifths() -> None:
    """S(0), S(0.1), S(0.2), S(1), S(3) of the +-1 mixture under OU."""
    score = exact_score(gaussian_mixture([-1.0, 1.0], math.sqrt(0.4)), OU(3.0))
    expected = {0.0: 1.510398, 0.1: 1.529807, 0.2: 1.524668, 1.0: 1.445274, 3.0: 1.419434}
    for t, value in expected.items():
        entropy = score.entropy(t)
        assert entropy.value == pytest.approx(value, abs=5e-7) and entropy.stderr == 0.0


@pytest.mark.parametrize(
    ("sigma", "entropy", "mismatch"), [(10.0, 2.954843, 0.005818), (25.0, 3.706354, 0.001290)]
)
def test_uniform_pixel_at_the_prior_side(sigma: float, entropy: float, mismatch: float) -> None:
    """S(1) of a pixel on [0, 1] under VE, and KL(p_1 || N(0, var(1))) = E p_1^2/2v + ... - S(1)."""
    process = VE(sigma)
    score = exact_score(uniform_pixels(1), process)
    value = score.entropy(1.0).value
    assert value == pytest.approx(entropy, abs=5e-7)
    variance = process.transition(1.0)[1]
    # E x^2 = 1/3 + v
    cross = 0.5 * math.log(2 * math.pi * variance) + 0.5 * (1.0 / 3.0 + variance) / variance
    assert cross - value == pytest.approx(mismatch, abs=1.5e-6)  # both entries rounded to 5e-7
    image = exact_score(uniform_pixels(28), process)
    assert image.entropy(1.0).value == pytest.approx(784 * value, rel=1e-12)


def test_mixtures_at_the_prior_side() -> None:
    """S(1) = 2.976530 (VE 10) and 1.418939 (VP) for +-1 of variance 0.04; 2.975642 for N(0, 1)."""
    narrow = gaussian_mixture([-1.0, 1.0], 0.2)
    assert exact_score(narrow, VE(10.0)).entropy(1.0).value == pytest.approx(2.976530, abs=5e-7)
    assert exact_score(narrow, VP()).entropy(1.0).value == pytest.approx(1.418939, abs=5e-7)
    assert exact_score(gaussian(), VE(10.0)).entropy(1.0).value == pytest.approx(2.975642, abs=5e-7)


@pytest.mark.parametrize(("target", "process"), CASES, ids=lambda v: getattr(v, "kind", ""))
def test_entropy_is_the_mean_surprisal(
    target: Target, process: Process, generator: torch.Generator
) -> None:
    """S(t) against -E ln p_t of fresh samples, and S(t_0) against the target's own entropy."""
    score = exact_score(target, process)
    for t in (0.05, 0.7):
        x = score.sample(20_000, t, generator)
        assert_z(-score.log_prob(x, t), score.entropy(t).value, label=f"t = {t}")
    assert target.entropy is not None
    assert score.entropy(0.0).value == pytest.approx(target.entropy - target.log_volume, abs=1e-9)


@pytest.mark.parametrize(("target", "process"), CASES, ids=lambda v: getattr(v, "kind", ""))
def test_de_bruijn(target: Target, process: Process, generator: torch.Generator) -> None:
    """dS/dt = tr F + (1/2) E s.(2D) s: a difference of entropies against samples of the score."""
    score = exact_score(target, process)
    t, h = 0.3, 1e-3
    rate = (score.entropy(t + h).value - score.entropy(t - h).value) / (2 * h)
    s = score.at(t)(score.sample(40_000, t, generator))
    unit = np.eye(target.dim)
    F = process.drift(t) * unit if process.isotropic else process.drift(t)
    B2 = process.diffusion(t) * unit if process.isotropic else process.diffusion(t)
    production = 0.5 * torch.einsum("ni,ij,nj->n", s, torch.as_tensor(B2), s)
    # the difference is off by h^2/6 of S''' (1e-5 at most), well below the standard error
    assert_z(production + np.trace(F), rate)


def test_uniform_start_loses_its_edges() -> None:
    """The entropy missed below a small time: 2 c sigma_t with c = int phi^2/Phi = 0.9031973."""
    score = exact_score(uniform_pixels(1), VE(25.0))
    sigma = 1e-4
    t = VE(25.0).model_time(0.5 * sigma**2)
    # S(0) = 0 in model units; corrections are of order exp(-1/sigma^2)
    assert score.entropy(t).value == pytest.approx(2 * 0.9031973 * sigma, rel=1e-6)


def test_sampled_entropy_carries_its_error() -> None:
    """Three dimensions and different shapes: no quadrature, so samples with a standard error."""
    target = gaussian_mixture(np.eye(3).tolist(), [0.3, 0.4, 0.5])
    score = exact_score(target, OU(3.0))
    estimate = score.entropy(0.2)
    assert 0.0 < estimate.stderr < 0.02
    x = score.sample(40_000, 0.2, torch.Generator().manual_seed(17))
    surprisal = -score.log_prob(x, 0.2)
    error = math.hypot(estimate.stderr, float(surprisal.std()) / 200.0)
    assert_z(float(surprisal.mean()), estimate.value, stderr=error)


def test_sampled_entropies_err_independently(generator: torch.Generator) -> None:
    """What is sampled is small, and the errors of one time are not those of the next.

    Entropies of neighbouring times are as good as equal: errors of a common stream would be too,
    and the error of a sum such as S0 + S1 is not then the root of the sum of squares.
    """
    dim, weights = 5, np.array([0.5, 0.3, 0.2])
    rng = np.random.default_rng(5)
    means, deviations = rng.normal(size=(3, dim)), rng.uniform(0.2, 0.8, (3, dim))
    score = exact_score(gaussian_mixture(means, deviations, weights), VP(t_min=1e-3))
    assert isinstance(score, MixtureScore)
    z = []
    for t in np.linspace(0.05, 0.15, 40):
        found, law = score.entropy(float(t)), score.law(float(t))
        assert found.stderr < 0.3 * math.sqrt(0.5 * dim / 2**16)  # that of the mean surprisal
        # S = sum w_k S_k + E sum r_k ln(r_k/w_k) of other samples, without the package's densities
        x = law.sample(2**15, generator).numpy()[:, None]
        parts = np.log(weights) - 0.5 * (
            np.square(x - law.means) / law.spread + np.log(2.0 * math.pi * law.spread)
        ).sum(2)
        log_share = parts - np.logaddexp.reduce(parts, axis=1, keepdims=True)
        told = (np.exp(log_share) * (log_share - np.log(weights))).sum(1)
        own = 0.5 * float(weights @ np.log(2.0 * math.pi * math.e * law.spread).sum(1))
        error = math.hypot(found.stderr, told.std() / math.sqrt(len(x)))
        z.append((found.value - own - float(told.mean())) / error)
    size, pairs = np.square(z), np.array(z[1:]) * z[:-1]
    assert_z(float(size.mean()), 1.0, stderr=math.sqrt(2.0 / len(z)), label="size of the errors")
    assert_z(float(pairs.mean()), 0.0, stderr=len(pairs) ** -0.5, label="neighbours")
    # as good as the same law, other samples: a common stream would give the same number
    same = score.entropy(0.05), score.entropy(0.050000001)
    apart = (same[0].value - same[1].value) / math.hypot(same[0].stderr, same[1].stderr)
    assert 1e-3 < abs(apart) < 4.0


def test_propagated_law_is_the_law_of_the_propagated_samples(generator: torch.Generator) -> None:
    """Full and diagonal components through a coupled, a diagonal and a float transition."""
    law = MixtureLaw(
        np.array([0.4, 0.6]), np.array([[0.0, 1.0], [2.0, -1.0]]), np.full((2, 2), 0.3)
    )
    full = MixtureLaw(law.weights, law.means, law.covariances)
    diagonal = Relaxation(np.diag([1.0, 0.3]), np.diag([2.0, 1.0]))
    for process in (OU(), diagonal, COUPLED):
        moved, other = (m.propagate(*process.transition(0.4)) for m in (law, full))
        assert moved.diagonal == (process is not COUPLED) and not other.diagonal
        np.testing.assert_allclose(moved.covariances, other.covariances, rtol=1e-13, atol=1e-15)
        mean, covariance = process.propagate(law.mean, law.covariance, 0.4)
        np.testing.assert_allclose(moved.mean, mean, rtol=1e-13)
        np.testing.assert_allclose(moved.covariance, covariance, rtol=1e-13, atol=1e-15)


def test_refusals() -> None:
    """No exact score: data sets, boxes on coupled nodes, other dimensions, a box without noise."""
    with pytest.raises(InputError, match="train a network"):
        digits().score(OU())
    with pytest.raises(InputError, match="coupled"):
        exact_score(uniform_pixels(2), Relaxation(np.eye(4) + 0.1, np.eye(4)))
    with pytest.raises(InputError, match="2 coordinates but the target has 1"):
        exact_score(gaussian(), COUPLED)
    score = uniform_pixels(1).score(OU())
    with pytest.raises(InputError, match="t_min > 0"):
        score.at(0.0)
    with pytest.raises(InputError, match="finite"):
        score.scaled(math.nan)
    inside = score.log_prob(torch.tensor([[0.5], [1.5]]), 0.0)
    assert inside.tolist() == [0.0, -math.inf]
