"""Steady heat of every resistor, the second law of bare networks, the low-variance estimator."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from problems import chain, device_from, rc1

from thermohw.circuit import LinearDevice, heat_rate, steady_heat, steady_production, tick_moments


def heat_exchanger(t1: float, t2: float, g: float = 0.5) -> LinearDevice:
    """Two equal nodes at T1 and T2 joined by a conductance g at the mean temperature."""
    base = chain(hot=True)
    return LinearDevice(
        name="pair", scale=base.scale, nodes=("a", "b"), elements=("ra", "rb", "rab"),
        hessian=np.eye(2), structure=np.zeros((2, 2)),
        directions=np.array([[1.0, 0.0], [0.0, 1.0], [1.0, -1.0]]),
        coefficients=np.array([1.0, 1.0, g]), temperatures=np.array([t1, t2, 0.5 * (t1 + t2)]),
        controlled=(0, 1),
    )  # fmt: skip


def test_equilibrium_has_no_heat() -> None:
    device = chain(hot=False)
    np.testing.assert_allclose(steady_heat(device), 0.0, atol=1e-13)
    assert abs(steady_production(device)) < 1e-12


@pytest.mark.parametrize("temperatures", [(2.0, 1.0), (1.0, 5.0), (0.3, 0.2)])
def test_heat_exchanger_closed_form(temperatures: tuple[float, float]) -> None:
    """Two equal nodes at T1, T2 joined by g at their mean temperature.

    The modes (v1 +- v2)/sqrt2 relax at 1 and 1 + 2g. Their noises have the variances of the mean
    temperature, so Var v1 + Var v2 = T1 + T2, and share (T1 - T2)/2 of correlation, which decays at
    2 + 2g: Var v1 - Var v2 = (T1 - T2)/(1 + g). The heat into r_a is Var v1 - T1.
    """
    t1, t2 = temperatures
    g = 0.5
    device = heat_exchanger(t1, t2, g)
    mean, half = 0.5 * (t1 + t2), 0.5 * (t1 - t2)
    into_a = mean + half / (1 + g) - t1
    into_b = mean - half / (1 + g) - t2
    found = steady_heat(device)
    np.testing.assert_allclose(found, [into_a, into_b, 0.0], rtol=1e-12, atol=1e-14)
    assert abs(found.sum()) < 1e-14
    assert np.sign(found[0]) == np.sign(t2 - t1)  # heat leaves the hot bath


@pytest.mark.parametrize("seed", range(4))
def test_second_law_of_random_networks(seed: int) -> None:
    """sum Q_k/T_k, from the covariance, equals the sum of squares; three or more temperatures."""
    rng = np.random.default_rng(seed)
    n = 4
    a, b = rng.normal(size=(2, n, n))
    device = device_from(a @ a.T + np.eye(n), b @ b.T + np.eye(n), rng.uniform(0.5, 3.0, n))
    heat = steady_heat(device)
    production = steady_production(device)
    assert abs(heat.sum()) < 1e-11 * np.abs(heat).sum()
    assert production > 0.0
    assert (heat / device.temperatures).sum() == pytest.approx(production, rel=1e-10)


def test_second_law_of_the_chain() -> None:
    device = chain(hot=True)
    heat = steady_heat(device)
    assert (heat / device.temperatures).sum() == pytest.approx(steady_production(device), rel=1e-11)
    assert heat[0] < 0 and abs(heat.sum()) < 1e-12
    assert (np.delete(heat, 0) > -1e-15).all()  # every cold resistor is heated, none cools


def test_heat_rate_on_the_steady_law_is_steady_heat() -> None:
    """The estimator's mean over the Gaussian steady state, taken on points exact for quadratics."""
    device = chain(hot=True)
    root = np.linalg.cholesky(device.stationary_covariance)
    points = torch.tensor(np.concatenate([root.T, -root.T]) * device.dim**0.5)
    force = device.efforts(points) @ torch.tensor(device.directions.T)
    np.testing.assert_allclose(heat_rate(device, force).mean(0), steady_heat(device), atol=1e-12)


def test_heat_rate_of_a_following_source() -> None:
    """e = -v (a source that doubles the pull): X = 2 v, and grad X counts the source.

    The closed loop relaxes at rate 2 with noise 2, so Var(v) = 1/2 and E X^2 = 2 = grad X: a
    potential in equilibrium has no mean heat. A held source would leave 2 - 1 = 1.
    """
    device = rc1()
    v = torch.tensor([[1.0], [-1.0]], dtype=torch.float64) * 0.5**0.5
    following = heat_rate(device, 2 * v, source_divergence=-torch.ones_like(v))
    assert float(following.mean()) == pytest.approx(0.0, abs=1e-15)
    assert float(heat_rate(device, 2 * v).mean()) == pytest.approx(1.0, abs=1e-15)


def test_steady_law_survives_a_tick() -> None:
    """Two routes to the steady state: Lyapunov's equation, and the fixed point of an exact tick."""
    device = chain(hot=True)
    m, p = tick_moments(device, 0.7), device.stationary_covariance
    after = m.propagator @ p @ m.propagator.T + m.end_covariance
    np.testing.assert_allclose(after, p, rtol=0, atol=1e-13)
