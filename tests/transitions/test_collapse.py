"""Collapse times, random energies and participation: printed digits and other ways to them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy
from acceptance import assert_z

from thermohw.errors import InputError
from thermohw.estimate import Estimate
from thermohw.process import OU, VE
from thermohw.target import MixtureLaw
from thermohw.transitions import (
    boltzmann_weights,
    collapse_time,
    condensation_beta,
    condensation_limit,
    condensation_noise,
    gaussian_collapse_time,
    participation,
    random_energies,
)


@pytest.mark.parametrize(
    ("count", "dim", "variance", "value"),
    [(2e4, 784, 1.0, 1.845490), (1e3, 100, 1.0, 1.023830), (1e4, 64, 0.25, 0.279687)],
)
def test_collapse_of_a_gaussian(count, dim, variance, value):
    time = gaussian_collapse_time(count, dim, variance)
    assert time == pytest.approx(value, abs=5.1e-7)
    law = MixtureLaw(np.ones(1), np.zeros((1, dim)), np.full((1, dim), variance))
    assert collapse_time(law, count).time == pytest.approx(time, rel=1e-9)


def test_collapse_of_humps_far_apart_is_that_of_one():
    """Each of two far humps is held by half of the points: S = S_hump + ln 2 exactly."""
    dim = 64
    law = MixtureLaw(np.full(2, 0.5), np.stack([np.full(dim, 3.0), np.full(dim, -3.0)]),
                     np.full((2, dim), 0.25))  # fmt: skip
    assert collapse_time(law, 1e4).time == pytest.approx(gaussian_collapse_time(5e3, dim, 0.25))


def test_no_collapse_is_none_with_the_criterion():
    law = MixtureLaw(np.ones(1), np.zeros((1, 4)), np.full((1, 4), 100.0))
    none = collapse_time(law, 10.0, OU(0.1))
    assert none.time is None and "at the end of the process" in none.criterion
    assert collapse_time(law, 10.0, VE(25.0)).time is not None
    none = collapse_time(MixtureLaw(np.ones(1), np.zeros((1, 1)), np.ones((1, 1))), 1e9)
    assert none.time is None and "closer" in none.criterion
    many = MixtureLaw(np.full(3, 1 / 3), np.eye(3), np.array([[1.0] * 3, [2.0] * 3, [3.0] * 3]))
    with pytest.raises(InputError, match="no exact entropy"):
        collapse_time(many, 10.0)
    for count in (1.0, math.inf):
        with pytest.raises(InputError, match="n > 1"):
            collapse_time(law, count)
        with pytest.raises(InputError, match="n > 1"):
            gaussian_collapse_time(count, 4, 1.0)


def test_condensation_of_independent_points():
    v = condensation_noise(0.1)
    assert v == pytest.approx(4.516656, abs=5.1e-7)
    # the background's annealed ln Z/d equals the own point's, -1/2
    assert 0.1 - 0.5 * math.log1p(1.0 / v) - 0.5 == pytest.approx(-0.5, abs=1e-15)


def test_temperatures_of_condensation():
    assert condensation_beta(0.1, 2.0, 0.5) == pytest.approx(math.sqrt(0.2))
    # sphere: beta_c is the slope of the entropy of overlaps where one point in e^{alpha d} is left,
    # from the exact law of an angle in a large dimension: cos^2 ~ Beta(1/2, (d - 1)/2)
    dim, alpha, h = 20_000, 0.01, 1e-4
    tail = lambda c: math.log(scipy.special.betainc((dim - 1) / 2, 0.5, 1 - c * c))  # noqa: E731
    largest = scipy.optimize.brentq(lambda c: tail(c) + alpha * dim, 0.05, 0.25)
    slope = -(tail(largest + h) - tail(largest - h)) / (2 * h) / dim
    exact = condensation_beta(alpha, energies="sphere")
    # the tail's own prefactor 1/c moves ln P by ln(c sqrt(d)) of alpha d = 200: 2 % of alpha
    assert slope == pytest.approx(exact, rel=0.03)
    assert exact / condensation_beta(alpha) == pytest.approx(1.0 + 1.5 * alpha, abs=3 * alpha**2)
    assert condensation_limit(1.5) == pytest.approx(1 / 3) and condensation_limit(0.8) == 0.0


@pytest.mark.parametrize(("dim", "published"), [(60, Estimate(0.462, 0.013)),
                                                (100, Estimate(0.419, 0.019))])  # fmt: skip
def test_random_energies_at_finite_dimension(dim, published):
    """theory.md A-9; the limit, 1/3, is still far off, and no verdict is passed on it."""
    rng = np.random.default_rng(dim)
    found = random_energies(dim, 0.1, 1.5, trials=200, generator=rng)
    assert_z((found - published).value, 0.0, stderr=(found - published).stderr, max_z=4)


def test_points_on_a_sphere_are_points_on_a_sphere():
    """Angles drawn from their law against points that were made."""
    rng = np.random.default_rng(8)
    dim, alpha, ratio = 20, 0.2, 1.2
    found = random_energies(dim, alpha, ratio, trials=2000, generator=rng, energies="sphere")
    beta, values = ratio * condensation_beta(alpha, energies="sphere"), []
    for _ in range(2000):
        y = rng.normal(size=(round(math.exp(alpha * dim)), dim))
        y *= math.sqrt(dim) / np.linalg.norm(y, axis=1, keepdims=True)
        x = rng.normal(size=dim)
        w = scipy.special.softmax(beta * y @ x * math.sqrt(dim) / np.linalg.norm(x))
        values.append(np.square(w).sum())
    gap = found - Estimate.from_paths(np.array(values))
    assert abs(gap.z()) < 4


def test_weights_are_the_posterior():
    rng = np.random.default_rng(2)
    rows, x, t = rng.normal(size=(7, 3)), rng.normal(size=(5, 3)), 0.3
    decay, noise = math.exp(-t), -math.expm1(-2 * t)
    direct = np.exp(-np.square(x[:, None] - decay * rows).sum(2) / (2 * noise))
    direct /= direct.sum(1, keepdims=True)
    assert boltzmann_weights(rows, x, t) == pytest.approx(direct, rel=1e-12)


def test_participation_from_all_to_one():
    rng = np.random.default_rng(4)
    rows = rng.normal(size=(50, 6))
    late = participation(rows, 6.0, samples=200, generator=rng, process=OU(8.0))
    early = participation(rows, 1e-4, samples=200, generator=rng)
    assert late.ratio == pytest.approx(50.0, rel=0.02)  # e^-6 |x||y| is .02 of a nat at most
    assert early.ratio == pytest.approx(1.0, abs=1e-3)
    middle = participation(rows, 0.4, samples=4000, generator=rng)
    assert 0.1 < middle.overlap.value < 0.9
    # E sum w^2 = E w_own, two ways to one chance; positively correlated: the sum of errors suffices
    gap = abs(middle.overlap.value - middle.own.value)
    assert gap < 4 * math.hypot(middle.overlap.stderr, middle.own.stderr)


def test_bad_input():
    rng = np.random.default_rng(0)
    with pytest.raises(InputError, match="too few"):
        random_energies(60, 0.1, 1.5, trials=10, generator=rng)
    for dim, alpha in ((1, 1.0), (400, 0.1), (3, 0.1)):
        with pytest.raises(InputError, match="points"):
            random_energies(dim, alpha, 1.5, trials=40, generator=rng)
    with pytest.raises(InputError, match="normal or sphere"):
        condensation_beta(0.1, energies="cube")
    with pytest.raises(InputError, match="positive"):
        condensation_noise(-0.1)
    with pytest.raises(InputError, match="two rows"):
        participation(np.zeros((1, 2)), 0.1, samples=40, generator=rng)
    with pytest.raises(InputError, match="above 0"):
        boltzmann_weights(np.zeros((2, 2)), np.zeros((1, 2)), 0.0)
    with pytest.raises(InputError, match="3 coordinates"):
        boltzmann_weights(np.zeros((2, 2)), np.zeros((1, 3)), 0.1)
    with pytest.raises(InputError, match="finite numbers"):
        boltzmann_weights(np.full((2, 2), math.nan), np.zeros((1, 2)), 0.1)
