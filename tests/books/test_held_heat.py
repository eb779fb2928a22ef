"""Heat of a held tick given mean and covariance of its start: two routes, and what it completes."""

from __future__ import annotations

import numpy as np
import pytest
from problems import chain, rc1, unequal_nodes
from scipy.linalg import expm

from thermohw.books.held_heat import held_heat, integrated
from thermohw.circuit import LinearDevice, tick_moments


def given(device: LinearDevice) -> tuple[np.ndarray, np.ndarray]:
    """A mean of (charges, sources) and a covariance of the charges."""
    draw = np.random.default_rng(0)
    n = device.dim
    root = draw.standard_normal((n, n))
    return draw.standard_normal(2 * n), 0.1 * root @ root.T + 0.05 * np.eye(n)


@pytest.mark.parametrize("h", [1e-4, 0.1, 6.0])
def test_balance_is_the_integral(h: float) -> None:
    """At one temperature the energy balance about the steady state and the integral agree.

    The rule of the integral is good to 1e-9; G is a difference of numbers of size 1, h times as
    small, and 1e-15/h of it is rounding.
    """
    device = chain(hot=False)
    balance, integral = held_heat(device, h), integrated(device, h)
    size = np.abs(integral.matrix).max()
    allowed = 1e-8 + 1e-13 / h
    np.testing.assert_allclose(balance.matrix, integral.matrix, rtol=0.0, atol=allowed * size)
    assert balance.constant == pytest.approx(integral.constant, rel=allowed)


@pytest.mark.parametrize("device", [chain(hot=True), unequal_nodes()], ids=["chain", "nodes"])
def test_what_is_added_completes_the_squares(device: LinearDevice) -> None:
    """Heat + (1/2) ln det P'/P = int sum (gamma/T) E (X + T b.grad ln q)^2, by quadrature of the
    moving Gaussian q: the definition, with nothing of the forms in it.
    """
    h, n = 0.4, device.dim
    known, before = given(device)
    form = held_heat(device, h)
    heat = known @ form.matrix @ known + np.sum(form.matrix[:n, :n] * before) + form.constant
    moments = tick_moments(device, h)
    after = moments.propagator @ before @ moments.propagator.T + moments.end_covariance
    added = 0.5 * (np.linalg.slogdet(after)[1] - np.linalg.slogdet(before)[1])

    charge, source = known[:n], np.zeros(len(device.elements))
    source[list(device.controlled)] = known[n:]
    steady = np.linalg.solve(device.drift_matrix, device.source_matrix @ source)
    noise = device.noise_matrix @ device.noise_matrix.T
    rest = np.linalg.solve(  # A P + P A^T = N N^T
        np.kron(device.drift_matrix, np.eye(n)) + np.kron(np.eye(n), device.drift_matrix),
        noise.reshape(-1),
    ).reshape(n, n)
    across, total = device.directions @ device.hessian, 0.0
    nodes, weights = np.polynomial.legendre.leggauss(40)
    for node, weight in zip(nodes, weights, strict=True):
        decay = expm(-device.drift_matrix * 0.5 * h * (1.0 + node))
        mean = steady + decay @ (charge - steady)
        p = rest + decay @ (before - rest) @ decay.T
        # X + T b.grad ln q = (across mean - e) + (across - T b P^-1)(z - mean)
        away = across - device.temperatures[:, None] * device.directions @ np.linalg.inv(p)
        square = (across @ mean - source) ** 2 + np.einsum("ki,ij,kj->k", away, p, away)
        total += 0.5 * h * weight * float((device.coefficients / device.temperatures) @ square)
    assert total > 0.0
    assert heat + added == pytest.approx(total, rel=1e-9)


def test_one_node() -> None:
    """(1/2)(1 - phi^2)[(m - e)^2 + P] - (1/2)(1 - phi^2): physics of a single RC."""
    form, lost = held_heat(rc1(), 0.3), 0.5 * (1.0 - np.exp(-0.6))
    np.testing.assert_allclose(form.matrix, lost * np.array([[1.0, -1.0], [-1.0, 1.0]]), atol=1e-14)
    assert form.constant == pytest.approx(-lost, rel=1e-12)
