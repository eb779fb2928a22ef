"""Networks between baths: heat, entropy production and circulation, steady and on the way there.

The oracle is written by hand from the datasheet in SI (`nodal_analysis`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from acceptance import assert_z
from laws import at_rest
from nodal_analysis import by_hand, steady_efforts
from problems import F64
from rlc import heat_of, network, pair, tangle
from scipy.integrate import quad_vec
from scipy.linalg import expm

from thermohw.circuit import LinearDevice, load_device, steady_heat, steady_production, tick_moments
from thermohw.control import Piece
from thermohw.integrate import make_stepper
from thermohw.noise import TickNoise
from thermohw.units import K_B

PATHS = 4096


def triangle() -> LinearDevice:
    """A ring of three nodes whose six resistors have six temperatures: heat circulates."""
    return network(
        {"a": 1.0, "b": 0.6, "c": 1.7},
        [("a", "gnd", 1.0, 3.0), ("b", "gnd", 2.0, 1.0), ("c", "gnd", 1.5, 0.5),
         ("a", "b", 0.7, 2.0), ("b", "c", 1.1, 0.8), ("c", "a", 0.9, 1.4)],
        capacitors=[("a", "b", 0.3)],
    )  # fmt: skip


def shared_node() -> LinearDevice:
    """One node with three resistors of three temperatures, as one bath would never have."""
    return network(
        {"a": 1.0}, [("a", "gnd", r, t) for r, t in ((1.0, 1.0), (0.5, 4.0), (2.0, 0.2))]
    )


def lossy_coil() -> LinearDevice:
    """An RLC cell with a hot resistor across the node and a cold one in the inductor's branch."""
    return network({"a": 1.0}, [("a", "gnd", 1.0, 3.0)], [("a", "gnd", 0.2, 0.3, 0.5)])


NETWORKS = {
    "pair": pair, "shared": shared_node, "triangle": triangle, "coil": lossy_coil,
    "tangle": tangle,
}  # fmt: skip


def heat_by_hand(device: LinearDevice) -> np.ndarray:
    """Mean heat into every bath, watt: R <I^2> by way of the current I = (b.w - noise), that is
    gamma (<X^2> - kT_k b.C^-1.b) with the SI covariance.
    """
    b = by_hand(device)
    square = np.einsum("ki,ij,kj->k", b.force, steady_efforts(b), b.force)
    stiff = np.einsum("ki,ij,kj->k", b.force, np.linalg.inv(b.storage), b.force)
    return b.strength * (square - K_B * b.temperature * stiff)


@pytest.mark.parametrize("name", NETWORKS)
def test_steady_heat_and_production(name: str) -> None:
    """Heat by the general formula in SI; production two ways; signs of the second law."""
    device = NETWORKS[name]()
    watt = device.scale.energy / device.scale.time
    heat = steady_heat(device)
    np.testing.assert_allclose(heat * watt, heat_by_hand(device), rtol=1e-10, atol=1e-12 * watt)
    assert abs(heat.sum()) < 1e-12 * np.abs(heat).sum()
    production = float((heat / device.temperatures).sum())
    assert production > 0.0
    assert steady_production(device) == pytest.approx(production, rel=1e-9)
    hottest, coldest = device.temperatures.argmax(), device.temperatures.argmin()
    assert heat[hottest] < 0.0 < heat[coldest]


def test_one_node_of_many_temperatures() -> None:
    """gamma-weighted mean temperature on the capacitor, heat gamma_k (T_mean - T_k)/C."""
    device = shared_node()
    gamma, hot = np.array([1.0, 2.0, 0.5]), np.array([1.0, 4.0, 0.2])
    mean = (gamma * hot).sum() / gamma.sum()
    assert device.effort_covariance[0, 0] == pytest.approx(mean, rel=1e-14)
    np.testing.assert_allclose(steady_heat(device), gamma * (mean - hot), rtol=1e-13)


def test_a_hot_resistor_beside_a_cold_coil() -> None:
    """R, L and its series resistance r, by the moment equations of one cell, all written out.

    C d<v^2>/2 = -<v^2>/R - <v i> + T_1/(R C),   L d<i^2>/2 = <v i> - r <i^2> + r T_2/L,
    0 = -<v i>/(R C) - <i^2>/C + <v^2>/L - r <v i>/L.
    """
    capacity, resistance, coil, loss, t1, t2 = 1.0, 1.0, 0.2, 0.3, 3.0, 0.5
    system = np.array([
        [1.0 / resistance, 1.0, 0.0],
        [0.0, -1.0, loss],
        [1.0 / coil, -1.0 / (resistance * capacity) - loss / coil, -1.0 / capacity],
    ])  # fmt: skip
    known = np.array([t1 / (resistance * capacity), loss * t2 / coil, 0.0])
    vv, vi, ii = np.linalg.solve(system, known)
    device = lossy_coil()
    unit = device.scale.temperature / 300.0
    np.testing.assert_allclose(device.effort_covariance * unit, [[vv, vi], [vi, ii]], rtol=1e-12)
    assert vi > 0.0  # energy flows from the hot resistor through the coil into the cold one
    np.testing.assert_allclose(steady_heat(device) * unit, [-vi, vi], rtol=1e-12)


@pytest.mark.parametrize("name", NETWORKS)
def test_sampled_heat_between_temperatures(name: str) -> None:
    """Every bath's heat over steady ticks, drawn by the exact stepper, is its steady rate."""
    device = NETWORKS[name]()
    root = torch.tensor(np.linalg.cholesky(device.stationary_covariance))
    generator = torch.Generator().manual_seed(20260101)
    state = torch.randn(PATHS, device.dim, generator=generator, dtype=F64) @ root.T
    stepper = make_stepper(device, "emf", "exact", dtype=F64)
    noise = TickNoise(20260101, 0, PATHS, dtype=F64)
    still, total, h = at_rest(state, len(device.controlled)), torch.zeros(1, dtype=F64), 1.5
    for tick in range(4):
        piece = Piece(tick, h * tick, h, True, tick, True)
        step = stepper.step(piece, state, still, noise=noise, act=None)
        state, total = step.end, total + heat_of(step)
    assert_z(total / (4 * h), steady_heat(device), label=name)
    # Entropy delivered to the baths is the production of the steady state.
    entropy = (total / torch.tensor(device.temperatures)).sum(1) / (4 * h)
    assert_z(entropy, steady_production(device), label=name)


def test_circulating_currents() -> None:
    """Two temperatures turn the voltages of two coupled nodes round one another, one does not.

    With equal rates (A P - P A^T)_ab = A_ab (P_bb - P_aa), A_ab = -g, and P_aa - P_bb = (T_a -
    T_b)/(1 + g) by the moment equations of v_a + v_b and v_a - v_b; here g = 1/2.
    """
    nodes = {"a": 1.0, "b": 1.0}
    device = network(nodes, [("a", "gnd", 1.0, 2.0), ("b", "gnd", 1.0, 1.0), ("a", "b", 2.0, 1.5)])
    drift, p = device.effort_drift, device.effort_covariance
    turning = (drift @ p - p @ drift.T) * device.scale.temperature / 300.0
    assert turning[0, 1] == pytest.approx(0.5 * (1.0 / 1.5), rel=1e-12)
    level = network(nodes, [("a", "gnd", 1.0, 1.0), ("b", "gnd", 1.0, 1.0), ("a", "b", 2.0, 1.0)])
    p = level.effort_covariance
    assert np.abs(level.effort_drift @ p - p @ level.effort_drift.T).max() < 1e-13


def test_heat_of_a_relaxing_network() -> None:
    """The transient, not only the rest: heat of every bath while the tangle warms up from zero.

    E[heat] of exact ticks against the quadrature of gamma (E X^2 - T b.H''.b) along the moment
    ODE's own solution, P(s) = P - e^{-As} P e^{-A^T s}.
    """
    device, h = tangle(), 2.0
    a, p = device.drift_matrix, device.stationary_covariance
    across = device.directions @ device.hessian
    stiff = np.einsum("ki,ki->k", across, device.directions)

    def rate(s: float) -> np.ndarray:
        phi = expm(-a * s)
        grown = p - phi @ p @ phi.T
        square = np.einsum("ki,ij,kj->k", across, grown, across)
        return device.coefficients * (square - device.temperatures * stiff)

    exact: Any = quad_vec(rate, 0.0, h, epsabs=1e-11, epsrel=1e-10)[0]
    stepper = make_stepper(device, "emf", "exact", dtype=F64)
    rest = torch.zeros(PATHS, device.dim, dtype=F64)
    still = at_rest(rest, len(device.controlled))
    noise = TickNoise(20260101, 0, PATHS, dtype=F64)
    step = stepper.step(Piece(0, 0.0, h, True, 0, True), rest, still, noise=noise, act=None)
    assert_z(heat_of(step), exact)


def test_transition_covariance_of_a_non_normal_network() -> None:
    """A = [[1, 2], [0, 1.5]] with unit noise over dt = 1, made of resistors and capacitors alone.

    A = G C^-1 with C = V V^T of its eigenvectors; the symmetric-part shortcut is off by 35 %.
    """
    a = np.array([[1.0, 2.0], [0.0, 1.5]])
    vectors = np.linalg.eig(a)[1]
    capacitance = vectors @ vectors.T
    values, directions = np.linalg.eigh(a @ capacitance)
    device = LinearDevice(
        name="non-normal", scale=load_device("rc1").scale, nodes=("a", "b"), elements=("r0", "r1"),
        hessian=np.linalg.inv(capacitance), structure=np.zeros((2, 2)),
        directions=directions.T.copy(), coefficients=values, temperatures=0.5 / values,
        controlled=(0, 1),
    )  # fmt: skip
    found = tick_moments(device, 1.0).end_covariance
    exact = np.array([[0.66814, -0.20171], [-0.20171, 0.31674]])
    np.testing.assert_allclose(found, exact, rtol=0, atol=5e-6)
    symmetric = 0.5 * (a + a.T)
    short = np.linalg.solve(2.0 * symmetric, np.eye(2) - expm(-2.0 * symmetric))
    assert np.abs(short / exact - 1.0).max() > 0.3
