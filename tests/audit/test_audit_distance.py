"""Distances of samples to a law, and that right samples are not called wrong."""

import numpy as np
import pytest
from scipy.integrate import trapezoid
from scipy.special import ndtr, ndtri
from scipy.stats import wasserstein_distance

from thermohw.audit.distance import Distance, line_distance, sliced_distance, sliced_square
from thermohw.audit.samples import _scatter


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
@pytest.mark.parametrize("dim", [2, 8])
def test_the_scatter_of_a_displaced_law(dim, kind):
    """Excesses of 150 pairs of clouds, one displaced by a tenth of the width: their standard
    deviation is what `_scatter` says, to a third and its own error; the null's alone is half."""
    rng, n, shift, scale = np.random.default_rng(0), 1024, np.zeros(dim), np.ones(dim)
    if kind == "mean":
        shift[0] = 0.09 * dim**0.5
    else:
        scale[0] += 0.13 * dim**0.5
    squares = np.array([
        [sliced_square(x, y), sliced_square(x * scale + shift, y)]
        for x, y in (rng.normal(size=(2, n, dim)) for _ in range(150))
    ])  # fmt: skip
    floor, spread = np.sqrt(squares[:, 0].mean()), np.sqrt(squares[:, 0]).std()
    value = np.sqrt(squares[:, 1].mean())
    excess = np.sqrt(value**2 - floor**2)
    found = np.sqrt(np.maximum(squares[:, 1] - floor**2, 0.0)).std()
    told = _scatter(Distance("sliced_w2", value, floor, spread, 0.0, excess, 0.0, 1.0, n), dim)
    assert found / told == pytest.approx(1.0, abs=1.0 / 3.0 + 4.0 / np.sqrt(2.0 * 150))
    assert spread < 0.6 * told
