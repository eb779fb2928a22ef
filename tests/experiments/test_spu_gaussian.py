"""The study's own formulas by other routes: variance of a sampled covariance, banks, dynamics."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import solve_continuous_lyapunov

from thermohw.circuit import load_device
from thermohw.experiments.spu_gaussian import board as boards
from thermohw.experiments.spu_gaussian import compute


def test_the_board_is_the_datasheets() -> None:
    device = load_device("spu8")
    a, noise = boards.dynamics(boards.nominal(), johnson=True)
    np.testing.assert_allclose(a, device.effort_drift, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(noise, device.effort_diffusion, rtol=1e-9, atol=1e-12)


def test_error_of_independent_and_of_slow_samples() -> None:
    """One variable, lag correlation r^k: Var of the mean square is (2/N)(1 + r^2)/(1 - r^2) for
    large N, and 2 for one sample.
    """
    rate, interval = 1.0, 0.3
    a, p = np.array([[rate]]), np.array([[1.0]])
    f = compute.variance_sums(a, p, 1, interval)
    np.testing.assert_allclose(f, 2.0 * np.exp(-2.0 * rate * interval * np.arange(len(f))))
    square = np.exp(-2.0 * rate * interval)
    n = 1e9
    expected = 2.0 / n * (1.0 + square) / (1.0 - square)
    assert compute.mean_square(f, np.array([n]))[0] == pytest.approx(expected, rel=1e-7)
    assert compute.mean_square(f, np.array([1.0]))[0] == pytest.approx(2.0, rel=1e-14)


def test_equilibrium_knows_neither_resistor_nor_inductor() -> None:
    """Cov(v) = C^-1 under Johnson noise for any R and L; under injected noise only for R = 1."""
    rng = np.random.default_rng(20260101)
    board = boards.nominal()._replace(
        resistance=rng.uniform(0.5, 2.0, 8), inductance=rng.uniform(0.005, 0.02, 8)
    )
    goal = np.linalg.inv(board.capacitance)
    own, injected = (
        solve_continuous_lyapunov(*boards.dynamics(board, johnson=j))[:8, :8] for j in (True, False)
    )
    np.testing.assert_allclose(own, goal, atol=1e-12)
    assert np.abs(injected - goal).max() > 0.05


def test_noise_of_one_pole_by_the_spectrum() -> None:
    """Two independent cells: <v^2> is the integral of |Z|^2 S/(1 + (f/fc)^2)."""
    board = boards.BoardValues(np.eye(2), np.ones(2), np.array([0.01, 0.04]))
    corner = 15.0
    p = solve_continuous_lyapunov(*boards.dynamics(board, bandwidth=corner))
    w = np.linspace(-4000.0, 4000.0, 4_000_001)
    for i, inductance in enumerate(board.inductance):
        admittance = 1.0 + 1j * w - 1j / np.where(w == 0.0, 1e-30, w * inductance)
        density = 2.0 / (1.0 + (w / corner) ** 2) / np.abs(admittance) ** 2
        spectrum = np.trapezoid(density, w) / (2.0 * np.pi)
        assert p[i, i] == pytest.approx(spectrum, rel=1e-6)
    assert abs(p[0, 1]) < 1e-14


def test_banks() -> None:
    """Every capacitor is a multiple of its bank's step and none is off by more than half a step."""
    matrix = boards.target_matrix(np.random.default_rng(20260101), 8)
    np.linalg.cholesky(matrix)
    found = boards.banked(matrix, 4)
    for want, have in zip(boards._split(matrix), boards._split(found), strict=True):
        step = want.max() / 15.0
        np.testing.assert_allclose(have / step, np.round(have / step), atol=1e-12)
        assert np.abs(have - want).max() <= 0.5 * step * (1.0 + 1e-12)
    np.testing.assert_allclose(boards.banked(matrix, 40), matrix, atol=1e-10)
