"""Nearest-neighbour entropy against laws whose entropy is known, and its stated error."""

from __future__ import annotations

import numpy as np
import pytest

from thermohw.books import nearest_neighbour_entropy


def gaussian(rng: np.random.Generator, n: int, d: int) -> tuple[np.ndarray, float]:
    root = np.tril(rng.normal(size=(d, d)), -1) + np.diag(np.linspace(0.5, 2.0, d))
    exact = 0.5 * d * np.log(2 * np.pi * np.e) + np.log(np.diag(root)).sum()
    return rng.normal(size=(n, d)) @ root.T, float(exact)


@pytest.mark.parametrize("d", [1, 2, 3])
def test_gaussian(d: int, rng: np.random.Generator) -> None:
    """Bias goes as (k/n)^{2/d}: 3e-3 at most here, beside a standard error of 0.005."""
    x, exact = gaussian(rng, 40_000, d)
    value, stderr = nearest_neighbour_entropy(x)
    assert abs(value - exact) < 4 * stderr + (0.004 if d == 3 else 0.0)
    assert stderr == pytest.approx((0.5 * d) ** 0.5 / 200, rel=0.5)


def test_two_humps(rng: np.random.Generator) -> None:
    """(N(-1, 0.04) + N(1, 0.04))/2: S = 0.502647."""
    x = rng.choice([-1.0, 1.0], 40_000) + 0.2 * rng.normal(size=40_000)
    value, stderr = nearest_neighbour_entropy(x[:, None])
    assert abs(value - 0.502647) < 4 * stderr


def test_units(rng: np.random.Generator) -> None:
    """Scaling by c adds d ln c, exactly: distances scale."""
    x, _ = gaussian(rng, 2000, 2)
    a, b = nearest_neighbour_entropy(x)[0], nearest_neighbour_entropy(3.0 * x)[0]
    assert b - a == pytest.approx(2 * np.log(3.0), rel=1e-12)


@pytest.mark.parametrize("d", [1, 2])
@pytest.mark.parametrize("k", [1, 4])
def test_stated_error_is_the_scatter(d: int, k: int) -> None:
    """Over 120 ensembles the scatter equals the stated error within 30 % (4 sigma of a standard
    deviation from 120 draws is 26 %), never more.
    """
    rng = np.random.default_rng(20260101)
    draws = [nearest_neighbour_entropy(rng.normal(size=(1500, d)), neighbours=k)
             for _ in range(120)]  # fmt: skip
    values, errors = np.array(draws).T
    ratio = values.std(ddof=1) / errors.mean()
    assert 0.6 < ratio < 1.3, ratio


def test_repeated_points_do_not_raise() -> None:
    value, _ = nearest_neighbour_entropy(np.zeros((50, 1)))
    assert np.isfinite(value) and value < -500
