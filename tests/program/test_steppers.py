"""Steppers of programs: books that close, orders of convergence, exact kernels."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from acceptance import assert_order
from scipy.interpolate import make_interp_spline
from scipy.linalg import expm

from thermohw.circuit import QuarticDevice, Scale, load_device, tick_moments
from thermohw.circuit.landscape import Equilibrium, Landscape
from thermohw.control import Piece
from thermohw.program.stepper import STEPPERS, log_ratio


def _circuit(energy: Landscape, directions: Any, coefficients: Any, temperatures: Any) -> Any:
    n, k = len(energy.bias), len(coefficients)
    nodes, elements = (tuple(f"{kind}{i}" for i in range(m)) for kind, m in (("n", n), ("r", k)))
    matrices = np.array(directions), np.array(coefficients), np.array(temperatures)
    return QuarticDevice("bare", Scale(1e-12, 1e6, 300.0), nodes, elements, energy, *matrices,
                         unit_charge=np.ones(n))  # fmt: skip


def _tick(h: float) -> Piece:
    return Piece(0, 0.0, h, False, -1, True)


# One overdamped unit, mobility 1 and T = 0.5, in a lopsided quartic well.
WELL = _circuit(
    Landscape(np.array([[1.0]]), np.array([0.5]), np.array([0.4])), [[1.0]], [1.0], [0.5]
)
# Two units that share a resistor, each with one of its own, at three temperatures.
PAIR = _circuit(
    Landscape(np.array([[2.0, 0.3], [0.3, -1.0]]), np.array([0.2, 0.6]), np.array([0.0, 0.3])),
    [[1.0, 0.0], [0.0, 1.0], [1.0, -1.0]],
    [1.0, 0.5, 0.7],
    [1.0, 2.0, 0.5],
)


@pytest.mark.parametrize("name", ["midpoint", "heun", "euler"])
def test_first_law_of_every_path(name: str) -> None:
    """Energy lost is heat given, to round-off, and charges are what moved."""
    soft = Landscape(np.array([[2.0, 0.3], [0.3, 1.0]]), np.zeros(2), np.array([0.2, -0.4]))
    device = replace(PAIR, landscape=soft) if name == "midpoint" else PAIR
    generator = torch.Generator().manual_seed(4)
    z = torch.randn(200, 2, dtype=torch.float64, generator=generator)
    normals = torch.randn(200, 3, dtype=torch.float64, generator=generator)
    tick = STEPPERS[name](device, _tick(0.05), z, normals)
    torch.testing.assert_close(
        tick.end, z - tick.charge @ torch.tensor(device.directions), rtol=0, atol=1e-13
    )
    lost = device.landscape.energy(z) - device.landscape.energy(tick.end)
    torch.testing.assert_close((tick.force * tick.charge).sum(1), lost, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("name", "order"), [("heun", 2.0), ("euler", 1.0)])
def test_weak_order(name: str, order: float) -> None:
    """E[x(1/2)^2] from x = 0.8 by repeated quadrature over the normals.

    No sampling: U(x) = sum_i w_i U(x'(x, xi_i)), Gauss-Hermite in xi and a quintic
    spline in x. The limit comes from the Fokker-Planck operator on a fine grid.
    """
    xi, weights = np.polynomial.hermite_e.hermegauss(24)
    weights /= weights.sum()
    grid = np.linspace(-4.0, 4.0, 801)
    states = torch.tensor(np.repeat(grid, len(xi))[:, None])
    normals = torch.tensor(np.tile(xi, len(grid))[:, None])
    # A wide start makes euler leave the grid; far out the value is that of the border.
    square, steps = [], [8, 16, 32, 64]
    for n in steps:
        tick = STEPPERS[name](WELL, _tick(0.5 / n), states, normals)
        ends = tick.end.numpy().reshape(len(grid), -1).clip(-4.0, 4.0)
        value = grid**2
        for _ in range(n):
            value = make_interp_spline(grid, value, k=5)(ends) @ weights
        square.append(float(make_interp_spline(grid, value, k=5)(0.8)))
    errors = np.abs(np.array(square) - _fokker_planck(0.8, 0.5))
    assert_order(errors, 0.5 / np.array(steps), order, 0.2)


def _fokker_planck(x: float, time: float) -> float:
    """E[x(time)^2] from x by the backward operator, Richardson-extrapolated in the grid."""
    found = []
    for count in (401, 801):
        grid = np.linspace(-4.0, 4.0, count)
        step = grid[1] - grid[0]
        force = -(grid + 2.0 * grid**3 + 0.4)
        up = 0.5 / step**2 + 0.5 * force / step
        down = 0.5 / step**2 - 0.5 * force / step
        up[-1] = down[0] = 0.0
        operator = np.diag(up[:-1], 1) + np.diag(down[1:], -1) - np.diag(up + down)
        value = expm(operator * time) @ grid**2
        found.append(float(make_interp_spline(grid, value, k=5)(x)))
    return (4.0 * found[1] - found[0]) / 3.0


def test_exact_is_the_transition_of_the_circuit() -> None:
    """Against the moments of a held tick that the rest of the package uses."""
    device = load_device("rc1", {"r0.temperature": "450 K", "n0.capacitance": "2 pF"})
    h = 0.7
    m = tick_moments(device, h)
    z = torch.tensor([[0.0], [1.0], [0.0]], dtype=torch.float64)
    normals = torch.tensor([[0.0], [0.0], [1.0]], dtype=torch.float64)
    end = STEPPERS["exact"](device, _tick(h), z, normals).end[:, 0]
    assert float(end[1] - end[0]) == pytest.approx(m.propagator[0, 0], rel=1e-14)
    assert float(end[2]) ** 2 == pytest.approx(m.end_covariance[0, 0], rel=1e-12)


@pytest.mark.parametrize("name", ["rlc1", "spu8", "rc8-chain"])
def test_midpoint_keeps_equilibrium_at_any_tick(name: str) -> None:
    """At one temperature P = T K^-1 is what a tick of three fastest times leaves alone."""
    overrides = {"r0.temperature": "300 K"} if name == "rc8-chain" else {}
    device = load_device(name, overrides)
    n, k = device.directions.shape[1], device.directions.shape[0]
    generator = (device.mobility - device.structure) @ device.landscape.quadratic
    h = 3.0 / float(np.abs(np.linalg.eigvals(generator)).max())
    unit = torch.eye(n + k, dtype=torch.float64)
    ends = STEPPERS["midpoint"](device, _tick(h), unit[:, :n], unit[:, n:]).end.numpy()
    step, noise = ends[:n].T, ends[n:].T
    covariance = np.linalg.inv(device.landscape.quadratic)
    after = step @ covariance @ step.T + noise @ noise.T
    np.testing.assert_allclose(after, covariance, rtol=0, atol=1e-11 * covariance.max())


@pytest.mark.parametrize("name", ["rc8-chain", "rlc1"])
def test_midpoint_order(name: str) -> None:
    """Baths of two temperatures, an inductor: one tick's law has a local error of order 3."""
    device = load_device(name)
    drifts, spreads = [], []
    ticks = np.array([0.2, 0.1, 0.05, 0.025]) / np.abs(device.rates).max()
    n, k = device.dim, len(device.coefficients)
    unit = torch.eye(n + k, dtype=torch.float64)
    for h in ticks:
        ends = STEPPERS["midpoint"](device, _tick(float(h)), unit[:, :n], unit[:, n:]).end.numpy()
        exact = tick_moments(device, float(h))
        drifts.append(np.abs(ends[:n].T - exact.propagator).max())
        spreads.append(np.abs(ends[n:].T @ ends[n:] - exact.end_covariance).max())
    assert_order(drifts, ticks, 3.0, 0.2)
    assert_order(spreads, ticks, 3.0, 0.2)


def test_kernel_ratio_is_the_heat() -> None:
    """ln K/K~ = Q/T: to round-off for `exact`, and for `euler` up to a term that telescopes."""
    generator = torch.Generator().manual_seed(5)
    z = torch.randn(100, 1, dtype=torch.float64, generator=generator)
    normals = torch.randn(100, 1, dtype=torch.float64, generator=generator)
    own = Landscape(np.array([[1.7]]), np.zeros(1), np.array([0.6]))
    separate = replace(WELL, landscape=own)
    tick = STEPPERS["exact"](separate, _tick(0.3), z, normals)
    ratio = log_ratio("exact", separate, 0.3, z, tick.end)
    torch.testing.assert_close(ratio, (tick.force * tick.charge)[:, 0] / 0.5, rtol=0, atol=1e-12)
    h = 0.01
    tick = STEPPERS["euler"](WELL, _tick(h), z, normals)
    here, there = (-WELL.landscape.gradient(x)[:, 0] for x in (z, tick.end))
    trapezoid = 0.5 * (here + there) * (tick.end - z)[:, 0] / 0.5
    border = h * (there**2 - here**2) / (4.0 * 0.5)
    ratio = log_ratio("euler", WELL, h, z, tick.end)
    torch.testing.assert_close(ratio, trapezoid + border, rtol=0, atol=1e-11)


def test_heun_leaves_a_quartic_equilibrium_alone_to_second_order() -> None:
    """<x^2> after one tick, started from exp(-H/T): the local error is of order 3."""
    law = Equilibrium(WELL.landscape, 0.5)
    xi, weights = np.polynomial.hermite_e.hermegauss(24)
    weights /= weights.sum()
    grid = np.linspace(-4.0, 4.0, 4001)
    density = np.exp(-WELL.landscape.energy(torch.tensor(grid[:, None])).numpy() / 0.5)
    density /= density.sum()
    states = torch.tensor(np.repeat(grid, len(xi))[:, None])
    normals = torch.tensor(np.tile(xi, len(grid))[:, None])
    ticks, errors = np.array([0.04, 0.02, 0.01]), []
    for h in ticks:
        end = (
            STEPPERS["heun"](WELL, _tick(float(h)), states, normals)
            .end.numpy()
            .reshape(len(grid), -1)
        )
        after = density @ (end**2 @ weights)
        errors.append(abs(after - law.covariance[0, 0] - law.mean[0] ** 2))
    assert_order(errors, ticks, 3.0, 0.3)
