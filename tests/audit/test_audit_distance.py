"""Distances of samples to a law, and that right samples are not called wrong."""

import numpy as np
import pytest
from scipy.integrate import trapezoid
from scipy.special import ndtr, ndtri
from scipy.stats import wasserstein_distance

from thermohw.audit.distance import line_distance, sliced_distance, sliced_square


def test_w1_is_the_area_between_the_distribution_functions(rng):
    # Against 4e5 points at the law's own quantiles, which lack 2 phi/(400000 x) beyond the
    # outermost, 1e-6 each.
    x = rng.normal(size=500) + 0.4
    quantiles = ndtri((np.arange(400_000) + 0.5) / 400_000)
    expected = wasserstein_distance(x, quantiles)
    assert line_distance(x, ndtr).value == pytest.approx(expected, abs=1e-4)


def test_a_shift_is_seen_at_its_size(rng):
    found = line_distance(rng.normal(size=20_000) + 0.3, ndtr)
    assert found.value == pytest.approx(0.3, abs=4 * 20_000**-0.5)
    assert found.excess == pytest.approx(0.3, abs=0.03) and found.z > 10
    # sqrt(n) W1 of right samples is sqrt(2/pi) int sqrt(F(1 - F)) on average; 2000 simulated
    # bridges know it to 1 %.
    x = np.linspace(-8.0, 8.0, 4001)
    floor = np.sqrt(2 / np.pi) * trapezoid(np.sqrt(ndtr(x) * ndtr(-x)), x)
    assert found.floor == pytest.approx(floor / 20_000**0.5, rel=0.03)
    assert found.equivalent == pytest.approx((floor / found.value) ** 2, rel=0.06)


@pytest.mark.parametrize("dim", [0, 1, 5])
def test_right_samples_have_standard_normal_z(dim):
    # The mean of z lies within 4/sqrt(runs) of 0, its spread within 4/sqrt(2 runs) of 1 (plus
    # what a gamma law with two fitted moments leaves, a tenth), and none beyond 4.
    runs = 60 if dim == 0 else 24
    z = []
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        if dim == 0:
            z.append(line_distance(rng.normal(size=300), ndtr).z)
        else:
            z.append(sliced_distance(rng.normal(size=(100, dim)), rng.normal(size=(100, dim))).z)
    assert abs(np.mean(z)) < 4 / runs**0.5 + 0.1
    assert abs(np.std(z) - 1) < 4 / (2 * runs) ** 0.5 + 0.1
    assert np.max(z) < 4


def test_sliced_distance_of_shifted_clouds(rng):
    # W2 of two laws that differ by a shift c is |c . line|, so the mean square over directions is
    # |c|^2/d.
    d, n, shift = 4, 4000, 0.5
    x = rng.normal(size=(n, d))
    assert sliced_square(x, x) == 0.0
    # One line's (c.u)^2 has relative variance 3 d/(d + 2) - 1; 64 lines; four standard errors.
    spread = 4.0 * ((3.0 * d / (d + 2.0) - 1.0) / 64.0) ** 0.5
    assert sliced_square(x + shift, x) == pytest.approx(shift**2, rel=spread)
    found = sliced_distance(x + shift, rng.normal(size=(n, d)))
    assert found.z > 10 and found.excess == pytest.approx(shift, rel=0.5 * spread)


@pytest.mark.parametrize("kind", ["mean", "spread"])
@pytest.mark.parametrize("dim", [1, 2, 8])
def test_a_displacement_excuses_itself_and_no_more(dim, kind):
    """Samples of a law displaced by much of the width: z under that law is on average no more than
    0 (four standard errors, and a tenth for the gamma law) and never beyond 4; a fifth of the
    displacement excuses nothing."""
    runs, n, shift, scale = (20, 2048, 0.2, 1.25) if dim == 1 else (6, 512, 0.4, 1.4)
    left, unexcused = [], []
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(n, dim))
        y = x + shift if kind == "mean" else x * scale
        if dim == 1:
            found, moved = line_distance(y[:, 0], ndtr), float(np.abs(y - x).mean())
        else:
            found = sliced_distance(y, rng.normal(size=(n, dim)))
            moved = float(np.sqrt(sliced_square(y, x)))
        left.append(found.beyond(moved))
        unexcused.append(found.beyond(0.2 * moved))
    assert np.mean(left) < 4.0 / runs**0.5 + 0.1 and np.max(left) < 4.0
    assert np.mean(unexcused) > 4.0
