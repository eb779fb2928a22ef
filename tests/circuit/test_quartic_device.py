"""Quartic devices: energy and its derivatives, scales, equilibrium against quadrature."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from acceptance import assert_z
from scipy.integrate import quad

from thermohw.circuit import QuarticDevice, load_device
from thermohw.circuit.landscape import Equilibrium, Landscape
from thermohw.errors import InputError
from thermohw.units import K_B

WELL = Landscape(np.array([[-3.0]]), np.array([0.7]), np.array([0.4]))
PAIR = Landscape(np.array([[1.0, 1.5], [1.5, -2.0]]), np.array([0.5, 1.0]), np.array([0.3, -0.2]))


def _density(landscape: Landscape, *x: float) -> float:
    k, c, b = landscape.quadratic, landscape.quartic, landscape.bias
    z = np.array(x)
    return float(np.exp(-(0.5 * z @ k @ z + c @ z**4 + b @ z)))


def test_published_units() -> None:
    """arXiv:2506.15121: J2 = J4 = mu = 1 and k T = 0.1 of the energy unit, time in microseconds."""
    device = load_device("quartic-langevin")
    assert isinstance(device, QuarticDevice)
    unit = 1e-12 * 203.517738784608e-6**2  # C V_s^2, the energy unit
    assert device.scale.energy / unit == pytest.approx(0.1, rel=1e-12)
    energy = device.landscape
    in_units = np.array([0.5 * energy.quadratic[0, 0], energy.quartic[0]]) * device.scale.energy
    np.testing.assert_allclose(in_units / unit, 1.0, rtol=1e-12)
    # mobility per unit of energy and microsecond
    assert device.mobility[0, 0] * unit / device.scale.energy == pytest.approx(1.0, rel=1e-12)
    assert device.scale.time == pytest.approx(1e-6, rel=1e-12)
    assert device.scale.energy == pytest.approx(K_B * 300.0, rel=1e-15)


def test_derivatives() -> None:
    """Gradient against automatic differentiation, mean gradient against the energy."""
    base = load_device("quartic-langevin")
    device = QuarticDevice(
        "pair",
        base.scale,
        ("a", "b"),
        ("ra", "rb"),
        PAIR,
        np.eye(2),
        np.ones(2),
        np.ones(2),
        np.ones(2),
    )
    generator = torch.Generator().manual_seed(1)
    x, y = torch.randn(2, 50, 2, dtype=torch.float64, generator=generator)
    x.requires_grad_(True)
    (gradient,) = torch.autograd.grad(device.energy(x).sum(), x)
    torch.testing.assert_close(gradient, PAIR.gradient(x), rtol=1e-12, atol=1e-12)
    change = (PAIR.mean_gradient(x.detach(), y) * (y - x.detach())).sum(1)
    exact = device.energy(y) - device.energy(x.detach())
    # round-off of energies of order 100
    torch.testing.assert_close(change, exact, rtol=0, atol=1e-12)


def test_one_unit_against_quadrature() -> None:
    law = Equilibrium(WELL, 1.0)
    moments = [
        quad(lambda x, m=m: x**m * _density(WELL, x), -9, 9, epsabs=1e-13)[0] for m in (0, 1, 2, 4)
    ]
    z, mean, square, fourth = moments
    assert law.log_partition == pytest.approx(np.log(z), abs=1e-10)
    assert law.mean[0] == pytest.approx(mean / z, abs=1e-10)
    assert law.covariance[0, 0] == pytest.approx(square / z - (mean / z) ** 2, abs=1e-10)
    assert law.fourth[0] == pytest.approx(fourth / z, abs=1e-9)
    x = law.sample(40_000, torch.Generator().manual_seed(2))
    assert_z(torch.cat([x, x**2, x**4], 1), [mean / z, square / z, fourth / z])


def test_two_coupled_units_against_quadrature() -> None:
    """Gauss-Legendre with 160 nodes a side of [-5, 5]: 1e-12 of the whole by halving the nodes."""
    law = Equilibrium(PAIR, 1.0)
    nodes, weights = np.polynomial.legendre.leggauss(160)
    x, y = np.meshgrid(5.0 * nodes, 5.0 * nodes, indexing="ij")
    density = np.vectorize(lambda u, v: _density(PAIR, u, v))(x, y)
    density *= 25.0 * np.outer(weights, weights)
    z, cross, square = (float((density * f).sum()) for f in (1.0, x * y, y * y))
    found = law.covariance + np.outer(law.mean, law.mean)
    assert law.log_partition == pytest.approx(np.log(z), abs=1e-9)
    np.testing.assert_allclose([found[0, 1], found[1, 1]], [cross / z, square / z], atol=1e-9)
    draws = law.sample(40_000, torch.Generator().manual_seed(3))
    products = torch.stack([draws[:, 0] * draws[:, 1], draws[:, 1] ** 2], 1)
    assert_z(products, [cross / z, square / z])


def test_gaussian_parts_in_closed_form() -> None:
    k, b = np.array([[2.0, 0.5], [0.5, 1.0]]), np.array([0.3, -1.0])
    law = Equilibrium(Landscape(k, np.zeros(2), b), 0.7)
    np.testing.assert_allclose(law.covariance, 0.7 * np.linalg.inv(k), rtol=1e-12)
    np.testing.assert_allclose(law.mean, -np.linalg.solve(k, b), rtol=1e-12)
    log_z = np.log(2 * np.pi * 0.7) - 0.5 * np.log(np.linalg.det(k))
    assert law.log_partition == pytest.approx(log_z + 0.5 * b @ np.linalg.solve(k, b) / 0.7)
    assert law.fourth[0] == pytest.approx(
        3 * law.covariance[0, 0] ** 2
        + 6 * law.covariance[0, 0] * law.mean[0] ** 2
        + law.mean[0] ** 4
    )


@pytest.mark.parametrize(
    ("quadratic", "quartic", "bias"),
    [
        (np.eye(1), 1e-14, -1e6),  # a well of width 0.6 at 1e6
        (np.array([[-2e5, 1.0], [1.0, -2e5]]), 1e5, 0.0),  # four wells of width 0.0016
    ],
)
def test_wells_that_the_grid_would_miss(quadratic: np.ndarray, quartic: float, bias: float) -> None:
    n = len(quadratic)
    with pytest.raises(InputError, match="wells too narrow"):
        Equilibrium(Landscape(quadratic, np.full(n, quartic), np.full(n, bias)), 1.0)


def test_three_coupled_units_have_no_table() -> None:
    chain = np.eye(3) + 0.1 * (np.eye(3, k=1) + np.eye(3, k=-1))
    with pytest.raises(InputError, match="3 coupled quartic units"):
        Equilibrium(Landscape(chain, np.ones(3), np.zeros(3)), 1.0)
