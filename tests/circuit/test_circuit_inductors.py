"""Inductors in the matrices: nodal analysis by hand, equilibrium, heat, rings and refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from problems import unequal_nodes
from rlc import cell, network, pair, tangle
from scipy.linalg import block_diag, solve_continuous_lyapunov

from thermohw.circuit import (
    LinearDevice,
    Scale,
    load_device,
    relaxation,
    steady_heat,
    steady_production,
    tick_moments,
)
from thermohw.errors import InputError
from thermohw.units import K_B


def test_one_cell_written_out() -> None:
    """C dv = -v/R - i, L di = v in units of R and C: A = [[1, 1/L], [-1, 0]] for (q, phi)."""
    device = cell(5.0)
    assert device.coordinates == ("a", "l0") and device.fluxes == ("l0",)
    np.testing.assert_allclose(device.hessian, np.diag([1.0, 25.0]), rtol=1e-14)
    np.testing.assert_array_equal(device.structure, [[0.0, -1.0], [1.0, 0.0]])
    np.testing.assert_allclose(device.drift_matrix, [[1.0, 25.0], [-1.0, 0.0]], rtol=1e-14)
    np.testing.assert_allclose(device.effort_drift, [[1.0, 1.0], [-25.0, 0.0]], rtol=1e-14)
    np.testing.assert_allclose(device.effort_diffusion, [[2.0, 0.0], [0.0, 0.0]], rtol=1e-14)
    assert device.gyrating and not device.uncoupled
    # s^2 + s + Q^2 = 0: angular frequency Q, decay 1/2.
    np.testing.assert_allclose(device.resonances, [[5.0, 5.0]], rtol=1e-13)
    np.testing.assert_allclose(device.time_constants, [2.0, 2.0], rtol=1e-13)
    assert len(cell(0.5).resonances) == 0 and len(cell(0.4).resonances) == 0


def test_scale_of_fluxes() -> None:
    """Flux^2 / inductance is an energy and flux / inductance a current, in SI."""
    scale = Scale(1e-12, 1e6, 300.0)
    assert scale.inductance == pytest.approx(1.0, rel=1e-15)
    assert scale.flux**2 / scale.inductance == pytest.approx(300.0 * K_B, rel=1e-14)
    assert scale.flux / scale.inductance == pytest.approx(scale.current, rel=1e-14)
    assert scale.flux / scale.time == pytest.approx(scale.voltage, rel=1e-14)
    device = cell(5.0)
    sizes = np.sqrt(np.diag(device.effort_covariance)) * device.effort_scale
    exact = np.sqrt(300.0 * K_B / np.array([1e-12, 0.04]))  # volt and ampere
    np.testing.assert_allclose(sizes, exact, rtol=1e-13)


def test_series_resistance_acts_on_the_flux() -> None:
    """L di = v - R i + noise, C dv = -i: heat and noise of R on the flux, nothing on the charge."""
    device = network({"a": 1.0}, (), [("a", "gnd", 0.5, 1.0, 1.5)])
    assert device.elements == ("l0",) and device.controlled == (0,)
    np.testing.assert_array_equal(device.directions, [[0.0, 1.0]])
    np.testing.assert_allclose(device.coefficients, [1.0])
    np.testing.assert_allclose(device.drift_matrix, [[0.0, 2.0], [-1.0, 2.0]], rtol=1e-14)
    np.testing.assert_allclose(device.stationary_covariance, np.diag([1.0, 0.5]), atol=1e-14)


def test_matrices_of_the_tangle_by_hand() -> None:
    device = tangle()
    c = np.array([[1.3, -0.3, 0.0], [-0.3, 1.2, -0.2], [0.0, -0.2, 1.6]]) / 1.0
    m12, m23 = 0.4 * np.sqrt(0.3 * 0.8), -0.3 * np.sqrt(0.5 * 0.8)
    inductance = np.array([[0.3, 0.0, m12], [0.0, 0.5, m23], [m12, m23, 0.8]])
    whole: Any = block_diag(c, inductance)
    np.testing.assert_allclose(device.capacitance, whole, atol=1e-14)
    incidence = np.array([[1.0, 0, 0], [-1, 0, 1], [0, -1, 0]])  # a -> gnd, c -> a, gnd -> b
    np.testing.assert_array_equal(device.structure[3:, :3], incidence)
    np.testing.assert_array_equal(device.structure[:3, 3:], -incidence.T)
    assert device.elements == ("r0", "r1", "r2", "l1", "l2")
    np.testing.assert_allclose(device.coefficients, [1.0, 0.5, 1 / 1.5, 0.4, 0.25], rtol=1e-14)
    assert device.controlled == (0, 1, 3, 4)


def random_network(seed: int) -> LinearDevice:
    """A random tree of elements to ground plus random extras, at one temperature of 1.5."""
    rng = np.random.default_rng(seed)
    names = [f"n{i}" for i in range(4)]
    ends = [*names, "gnd"]
    resistors = [(names[0], "gnd", rng.uniform(0.5, 2.0), 1.5)]
    inductors, capacitors = [], []
    for i, name in enumerate(names[1:], start=1):
        below = ends[rng.integers(i)]
        if rng.random() < 0.5:
            resistors.append((name, below, rng.uniform(0.5, 2.0), 1.5))
        else:
            inductors.append((below, name, rng.uniform(0.1, 1.0)))
    for _ in range(3):
        a, b = rng.choice(len(ends), 2, replace=False)
        inductors.append((ends[a], ends[b], rng.uniform(0.1, 1.0), rng.uniform(0.1, 1.0), 1.5))
        capacitors.append((ends[a], ends[b], rng.uniform(0.1, 0.5)))
    mutuals = [(0, len(inductors) - 1, rng.uniform(-0.6, 0.6))]
    nodes = {name: rng.uniform(0.5, 2.0) for name in names}
    return network(nodes, resistors, inductors, capacitors=capacitors, mutuals=mutuals)


@pytest.mark.parametrize("seed", range(12))
def test_every_network_of_one_temperature_is_in_equilibrium(seed: int) -> None:
    """kT C^-1 on v, kT L^-1 on i, <v i> = 0, no heat anywhere, whatever the network."""
    device = random_network(seed)
    nodes, t = len(device.nodes), device.temperatures[0]
    found = device.effort_covariance
    size = np.abs(device.hessian).max()
    capacitance, inductance = device.capacitance[:nodes, :nodes], device.capacitance[nodes:, nodes:]
    tolerance = 1e-11 * size
    np.testing.assert_allclose(
        found[:nodes, :nodes], t * np.linalg.inv(capacitance), atol=tolerance
    )
    np.testing.assert_allclose(found[nodes:, nodes:], t * np.linalg.inv(inductance), atol=tolerance)
    np.testing.assert_allclose(found[:nodes, nodes:], 0.0, atol=tolerance)
    np.testing.assert_allclose(steady_heat(device), 0.0, atol=tolerance)
    assert abs(steady_production(device)) < tolerance


@pytest.mark.parametrize("temperatures", [(2.0, 1.0), (1.0, 5.0)])
@pytest.mark.parametrize("inductance", [0.05, 0.5, 4.0])
def test_inductive_link_solved_by_hand(
    temperatures: tuple[float, float], inductance: float
) -> None:
    """Two RC nodes (R = C = 1) at T1, T2 joined by L.

    The six moment equations of va' = -va - i, vb' = -vb + i, L i' = va - vb give <va vb> = 0,
    <va i> = <vb i> = s = (T1 - T2)/(2 (1 + L)), <va^2> = T1 - s, <vb^2> = T2 + s and
    <i^2> = (T1 - s)/L - s. s is the power that the inductor carries from a to b.
    """
    t1, t2 = temperatures
    device = pair(t1, t2, inductance)
    ref = device.scale.temperature / 300.0  # thermal units are the cooler bath's
    s = (t1 - t2) / (2.0 * (1.0 + inductance)) / ref
    a, b = t1 / ref, t2 / ref
    exact = [[a - s, 0.0, s], [0.0, b + s, s], [s, s, (a - s) / inductance - s]]
    np.testing.assert_allclose(device.effort_covariance, exact, rtol=0, atol=1e-12 * max(a, b))
    np.testing.assert_allclose(steady_heat(device), [-s, s], rtol=1e-11)
    assert steady_production(device) == pytest.approx(s * (1.0 / b - 1.0 / a), rel=1e-10)


def test_heat_circulates_through_a_branch() -> None:
    """A node with a resistor at T1 and a branch L with a series resistance at T2, R = C = Rs = 1.

    <v i> of v' = -v - i, L i' = v - i carries heat from the node into the branch; it comes out of
    the three moment equations of (v^2, v i, i^2) written down by hand.
    """
    t1, t2, ind = 2.0, 0.5, 0.3
    device = network({"a": 1.0}, [("a", "gnd", 1.0, t1)], [("a", "gnd", ind, 1.0, t2)])
    ref = device.scale.temperature / 300.0
    # unknowns <vv>, <vi>, <ii>
    equations = [
        [-2.0, -2.0, 0.0],
        [1.0 / ind, -1.0 - 1.0 / ind, -1.0],
        [0.0, 2.0 / ind, -2.0 / ind],
    ]
    vv, vi, ii = np.linalg.solve(equations, [-2.0 * t1 / ref, 0.0, -2.0 * t2 / ref / ind**2])
    np.testing.assert_allclose(device.effort_covariance, [[vv, vi], [vi, ii]], rtol=1e-11)
    heat = steady_heat(device)
    np.testing.assert_allclose(heat, [vv - t1 / ref, ii - t2 / ref / ind], rtol=1e-10)
    assert heat[0] == pytest.approx(-vi, rel=1e-10) and heat[1] == pytest.approx(vi, rel=1e-10)
    assert heat[0] < 0.0 < heat[1]


def test_second_law_of_the_tangle() -> None:
    """Five baths: heats sum to zero, production by two formulas, the hottest bath cools."""
    device = tangle()
    heat = steady_heat(device)
    assert abs(heat.sum()) < 1e-12 * np.abs(heat).sum()
    production = (heat / device.temperatures).sum()
    assert production > 0.0 and production == pytest.approx(steady_production(device), rel=1e-10)
    assert heat[np.argmax(device.temperatures)] < 0.0


def test_transformer_against_its_circuit_equations() -> None:
    """A current into the primary, the secondary loaded with R and C: v2 from two phasor equations.

    v1 = jw(L1 i1 + M i2), v2 = jw(M i1 + L2 i2), node currents I = (jwC1 + 1/R1) v1 + i1 and
    0 = (jwC2 + 1/R2) v2 + i2; the device answers with (jw + A)^-1 B.
    """
    l1, l2, k, c1, c2, r1, r2 = 0.4, 1.1, 0.7, 1.0, 0.6, 1.0, 3.0
    m = k * np.sqrt(l1 * l2)
    device = network({"a": c1, "b": c2}, [("a", "gnd", r1, 1.0), ("b", "gnd", r2, 1.0)],
                     [("a", "gnd", l1), ("b", "gnd", l2)], mutuals=[(0, 1, k)])  # fmt: skip
    unit = device.scale.capacitance / 1e-12  # the reference node is the lower median
    c1, c2, l1, l2, m = c1 / unit, c2 / unit, l1 / unit, l2 / unit, m / unit
    for w in (0.3, 1.0, 2.5, 7.0):
        y1, y2 = 1j * w * c1 + 1.0 / r1, 1j * w * c2 + 1.0 / r2
        # i2 = -y2 v2, i1 = I - y1 v1
        lhs = np.array(
            [[1.0 + 1j * w * l1 * y1, 1j * w * m * y2], [1j * w * m * y1, 1.0 + 1j * w * l2 * y2]]
        )
        v = np.linalg.solve(lhs, 1j * w * np.array([l1, m]))
        response = np.linalg.solve(1j * w * np.eye(4) + device.drift_matrix, device.port_matrix)
        np.testing.assert_allclose((device.hessian @ response)[:2, 0], v, rtol=1e-11)


def test_coupled_tanks_split() -> None:
    """Two equal tanks of Q = 200 coupled by k ring at 1/sqrt(LC (1 +- k))."""
    k, quality = 0.3, 200.0
    ind = 1.0 / quality**2
    device = network({"a": 1.0, "b": 1.0}, [("a", "gnd", 1.0, 1.0), ("b", "gnd", 1.0, 1.0)],
                     [("a", "gnd", ind), ("b", "gnd", ind)], mutuals=[(0, 1, k)])  # fmt: skip
    exact = quality / np.sqrt([1.0 + k, 1.0 - k])
    np.testing.assert_allclose(device.resonances[:, 0], exact, rtol=1e-10)
    np.testing.assert_allclose(device.resonances[:, 1], exact, rtol=1e-10)  # Q = w R C


def test_dots_matter() -> None:
    """Turning one winding round changes the sign of its current's correlation, nothing else."""
    one = network({"a": 1.0, "b": 1.0}, [("a", "gnd", 1.0, 1.0), ("b", "gnd", 1.0, 1.0)],
                  [("a", "gnd", 1.0), ("b", "gnd", 1.0)], mutuals=[(0, 1, 0.5)])  # fmt: skip
    other = network({"a": 1.0, "b": 1.0}, [("a", "gnd", 1.0, 1.0), ("b", "gnd", 1.0, 1.0)],
                    [("a", "gnd", 1.0), ("gnd", "b", 1.0)], mutuals=[(0, 1, -0.5)])  # fmt: skip
    flip = np.diag([1.0, 1.0, 1.0, -1.0])
    np.testing.assert_allclose(flip @ one.drift_matrix @ flip, other.drift_matrix, atol=1e-14)


def test_tick_of_the_tangle_conserves() -> None:
    """z' = z - sum b_k y_k + J I + B c h for the mean responses; the steady law survives a tick."""
    device, h = tangle(), 0.4
    m, k = tick_moments(device, h), len(device.elements)
    moved = -device.directions.T @ m.flow_state[:k] + device.structure @ m.flow_state[k:]
    np.testing.assert_allclose(np.eye(device.dim) + moved, m.propagator, atol=1e-12)
    pushed = -device.directions.T @ m.flow_input[:k] + device.structure @ m.flow_input[k:]
    pushed[:, k:] += h * device.port_matrix
    np.testing.assert_allclose(pushed, m.input, atol=1e-12)
    p = device.stationary_covariance
    after = m.propagator @ p @ m.propagator.T + m.end_covariance
    np.testing.assert_allclose(after, p, atol=1e-11)


def test_relaxation_of_a_cell_is_a_kinetic_process() -> None:
    """Efforts (v, i) of a cell as a process: noise on v only, the tick's law."""
    device = cell(3.0)
    process = relaxation(device, 40.0)
    decay, noise = process.transition(0.7)
    m, h = tick_moments(device, 0.7), device.hessian
    np.testing.assert_allclose(decay, h @ m.propagator @ device.capacitance, atol=1e-12)
    np.testing.assert_allclose(noise, h @ m.end_covariance @ h, atol=1e-11)
    np.testing.assert_allclose(process.transition(80.0)[1], np.diag([1.0, 9.0]), atol=1e-11)


def test_components() -> None:
    """Cells that nothing joins are found with all their variables; a resistor joins them."""
    nodes = {name: 1.0 for name in "abc"}
    resistors = [(name, "gnd", 1.0, 1.0) for name in "abc"]
    tanks = [(name, "gnd", 0.2) for name in "cab"]
    apart = network(nodes, resistors, tanks)
    assert [list(part) for part in apart.components] == [[0, 4], [1, 5], [2, 3]]
    joined = network(nodes, [*resistors, ("a", "b", 1.0, 1.0)], tanks)
    assert [list(part) for part in joined.components] == [[0, 1, 4, 5], [2, 3]]
    np.testing.assert_allclose(apart.effort_covariance, np.diag([1.0] * 3 + [5.0] * 3), atol=1e-12)


def test_what_never_comes_to_rest_is_refused() -> None:
    """Two tanks joined by a resistor only: their common motion sees no resistance."""
    tanks = [("a", "gnd", 0.2), ("b", "gnd", 0.2)]
    with pytest.raises(InputError, match="no resistor damps the motion of a, b, l0, l1"):
        network({"a": 1.0, "b": 1.0}, [("a", "b", 1.0, 1.0)], tanks)
    with pytest.raises(InputError, match="no resistor damps the motion of b, l1"):
        network({"a": 1.0, "b": 1.0}, [("a", "gnd", 1.0, 1.0)], tanks)
    detuned = [tanks[0], ("b", "gnd", 0.21)]  # now every motion drops some voltage across it
    assert network({"a": 1.0, "b": 1.0}, [("a", "b", 1.0, 1.0)], detuned).dim == 4


def test_couplings_must_agree() -> None:
    """Three windings cannot all oppose each other with k = -0.6: an eigenvalue is 1 - 2 * 0.6."""
    tanks = [(name, "gnd", 0.2) for name in "abc"]
    resistors = [(name, "gnd", 1.0, 1.0) for name in "abc"]
    every = [(0, 1), (0, 2), (1, 2)]
    with pytest.raises(
        InputError, match="inductance matrix is not positive definite: .*l0, l1, l2"
    ):
        network(dict.fromkeys("abc", 1.0), resistors, tanks, mutuals=[(*p, -0.6) for p in every])
    network(dict.fromkeys("abc", 1.0), resistors, tanks, mutuals=[(*p, -0.49) for p in every])


def test_uncoupled_shortcuts_are_the_general_formulas() -> None:
    """What is read off the diagonal is what the solvers say, bit for bit."""
    for device in (load_device("rc64"), unequal_nodes()):
        noise = device.noise_matrix @ device.noise_matrix.T
        solved = solve_continuous_lyapunov(device.drift_matrix, noise)
        np.testing.assert_array_equal(device.stationary_covariance, 0.5 * (solved + solved.T))
        taus = np.sort(1.0 / np.linalg.eigvals(device.drift_matrix).real)[::-1]
        np.testing.assert_array_equal(device.time_constants, taus)
    device = load_device("rc64")
    assert len(device.components) == 64 and device.resonances.shape == (0, 2)
