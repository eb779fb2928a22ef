"""Datasheets to matrices: nodal analysis written out by hand, and circuits that are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from problems import chain, rc1, unequal_nodes

from thermohw.circuit import load_device, relaxation
from thermohw.circuit.build import build_device
from thermohw.datasheet import load_datasheet
from thermohw.errors import InputError
from thermohw.units import K_B

TWO_NODES = """
format = "thermohw-device/1"
[[node]]
name = "a"
capacitance = "{ca}"
[[node]]
name = "b"
capacitance = "{cb}"
[[resistor]]
name = "ra"
between = {ground}
resistance = "{ra}"
temperature = "{ta}"
source = true
[[resistor]]
name = "rb"
between = ["b", "gnd"]
resistance = "2 Mohm"
temperature = "300 K"
source = true
[[resistor]]
name = "rab"
between = ["b", "a"]
resistance = "4 Mohm"
temperature = "450 K"
[[capacitor]]
name = "cab"
between = ["a", "b"]
capacitance = "0.5 pF"
"""
USUAL = {"ca": "1 pF", "cb": "3 pF", "ra": "1 Mohm", "ta": "600 K", "ground": '["a", "gnd"]'}


def two_nodes(tmp_path: Path, **changes: str) -> Path:
    path = tmp_path / "two.toml"
    path.write_text(TWO_NODES.format(**{**USUAL, **changes}))
    return path


def test_one_node() -> None:
    device = rc1()
    assert device.uncoupled and device.dim == 1 and device.controlled == (0,)
    for matrix, value in (
        (device.hessian, 1.0), (device.drift_matrix, 1.0), (device.source_matrix, 1.0),
        (device.noise_matrix, 2.0**0.5), (device.stationary_covariance, 1.0),
        (device.effort_diffusion, 2.0), (device.port_matrix, 1.0),
    ):  # fmt: skip
        np.testing.assert_allclose(matrix, [[value]], rtol=4e-16)


def test_scale_of_one_picofarad() -> None:
    """kT(300 K), sqrt(kT/C), RC and sqrt(kT C) of 1 pF and 1 Mohm, from k_B alone."""
    scale = rc1().scale
    assert scale.energy == pytest.approx(300 * 1.380649e-23, rel=1e-15)
    assert scale.energy == pytest.approx(4.141947e-21, rel=1e-7)
    assert scale.voltage == pytest.approx(64.358e-6, abs=5e-10)  # a digit below the last printed
    assert scale.time == pytest.approx(1e-6, rel=1e-12)
    assert scale.charge == pytest.approx(scale.voltage * 1e-12, rel=1e-12)
    assert scale.current == pytest.approx(scale.voltage / 1e6, rel=1e-12)
    assert scale.charge / scale.time == pytest.approx(scale.current, rel=1e-12)
    assert scale.theta(64.358e-6) == pytest.approx(1.0, rel=2e-5)
    assert rc1(n0__capacitance="1 fF").scale.voltage == pytest.approx(2.0352e-3, abs=5e-8)
    assert rc1(n0__capacitance="100 fF").scale.voltage == pytest.approx(203.52e-6, abs=5e-9)
    assert K_B == 1.380649e-23


def test_array_of_64_nodes() -> None:
    device = load_device("rc64")
    assert device.uncoupled and device.dim == 64 and len(device.elements) == 64
    np.testing.assert_array_equal(device.hessian, np.eye(64))
    np.testing.assert_array_equal(device.directions, np.eye(64))
    np.testing.assert_allclose(device.drift_matrix, np.eye(64), rtol=0, atol=1e-15)
    assert device.controlled == tuple(range(64))


def test_chain_matrices() -> None:
    """Tridiagonal C and G of the chain, written down by hand: 1 pF + 0.25 pF a neighbour, ..."""
    device = chain(hot=True)
    neighbours = np.array([1, 2, 2, 2, 2, 2, 2, 1])
    links = np.diag(np.ones(7), 1) + np.diag(np.ones(7), -1)
    capacitance = np.diag(1.0 + 0.25 * neighbours) - 0.25 * links
    conductance = np.diag(1.0 + 0.5 * neighbours) - 0.5 * links
    np.testing.assert_allclose(device.capacitance, capacitance, rtol=0, atol=1e-14)
    np.testing.assert_allclose(
        device.source_matrix @ device.directions, conductance, rtol=0, atol=1e-15
    )
    np.testing.assert_allclose(
        device.drift_matrix, conductance @ np.linalg.inv(capacitance), rtol=0, atol=1e-14
    )
    np.testing.assert_array_equal(device.temperatures, [2.0] + [1.0] * 14)
    assert not device.uncoupled and device.controlled == tuple(range(8))
    # e drives its own node only: the charge rate of source k is e_k/R_k into node k.
    np.testing.assert_allclose(device.source_matrix[:, :8], np.eye(8), rtol=0, atol=1e-15)


def test_two_nodes_by_hand(tmp_path: Path) -> None:
    """Every matrix of a network with three temperatures, in SI and then divided by the scale."""
    device = load_device(two_nodes(tmp_path))
    scale = device.scale
    c = np.array([[1.5, -0.5], [-0.5, 3.5]]) * 1e-12
    g = np.array([[1 + 0.25, -0.25], [-0.25, 0.5 + 0.25]]) * 1e-6
    noise = 2 * K_B * (  # double-sided current noise 2 k T / R of every resistor
        600e-6 * np.array([[1, 0], [0, 0]]) + 150e-6 * np.array([[0, 0], [0, 1]])
        + 450 * 0.25e-6 * np.array([[1, -1], [-1, 1]])
    )  # fmt: skip
    np.testing.assert_allclose(device.capacitance * scale.capacitance, c, rtol=1e-13)
    np.testing.assert_allclose(device.drift_matrix / scale.time, g @ np.linalg.inv(c), rtol=1e-13)
    charge_noise = device.noise_matrix @ device.noise_matrix.T * scale.charge**2 / scale.time
    np.testing.assert_allclose(charge_noise, noise, rtol=1e-13)
    a = np.linalg.inv(c) @ g
    np.testing.assert_allclose(device.effort_drift / scale.time, a, rtol=1e-12)
    # Fluctuation-dissipation would need one temperature; the Lyapunov equation does not.
    voltage = scale.voltage**2 * device.hessian @ device.stationary_covariance @ device.hessian
    inverse = np.linalg.inv(c)
    np.testing.assert_allclose(a @ voltage + voltage @ a.T, inverse @ noise @ inverse, rtol=1e-12)


def test_equilibrium_is_kt_over_c(tmp_path: Path) -> None:
    """At one temperature Cov(q) = kT C and Cov(v) = kT C^-1, whatever the resistors."""
    for device in (chain(hot=False), load_device(two_nodes(tmp_path), {"ra.temperature": "300 K",
                                                 "rab.temperature": "300 K"})):  # fmt: skip
        np.testing.assert_allclose(device.stationary_covariance, device.capacitance, atol=1e-13)


def test_orientation_of_a_resistor_is_no_physics(tmp_path: Path) -> None:
    """A grounded resistor written ("gnd", node) is the one written (node, "gnd")."""
    straight = load_device(two_nodes(tmp_path))
    turned = load_device(two_nodes(tmp_path, ground='["gnd", "a"]'))
    for name in ("drift_matrix", "source_matrix", "noise_matrix", "directions"):
        np.testing.assert_array_equal(getattr(straight, name), getattr(turned, name))


def test_energy_and_efforts(generator: torch.Generator) -> None:
    for device in (chain(hot=True), load_device("rc64"), rc1(), unequal_nodes()):
        z = torch.randn(20, device.dim, generator=generator, dtype=torch.float64)
        v = z.numpy() @ device.hessian
        np.testing.assert_allclose(device.efforts(z).numpy(), v, rtol=1e-13, atol=1e-14)
        energy = 0.5 * np.einsum("pi,ij,pj->p", z.numpy(), device.hessian, z.numpy())
        np.testing.assert_allclose(device.energy(z).numpy(), energy, rtol=1e-13)
        assert device.energy(z.float()).dtype == torch.float64


def test_uncoupled_needs_a_resistor_of_its_own_per_node() -> None:
    device = unequal_nodes()
    assert device.uncoupled and not device.unit_hessian
    assert not chain(hot=True).uncoupled


def test_relaxation_of_one_node_is_ou() -> None:
    process = relaxation(rc1(), 3.0)
    decay, noise = process.transition(0.7)
    assert decay[0, 0] == pytest.approx(np.exp(-0.7), rel=1e-14)
    assert noise[0, 0] == pytest.approx(-np.expm1(-1.4), rel=1e-14)


def test_relaxation_in_model_units() -> None:
    """x = V/V0: the decay does not depend on V0, the noise goes as theta = kT/(C V0^2)."""
    device = chain(hot=True)
    v0 = device.scale.voltage / 3.0
    own, scaled = relaxation(device, 2.0), relaxation(device, 2.0, volts_per_unit=v0)
    for (d1, n1), (d2, n2) in [(own.transition(1.3), scaled.transition(1.3))]:
        np.testing.assert_allclose(d1, d2, rtol=0, atol=1e-15)
        np.testing.assert_allclose(9.0 * n1, n2, rtol=1e-12)
    steady = device.hessian @ device.stationary_covariance @ device.hessian
    np.testing.assert_allclose(own.transition(60.0)[1], steady, rtol=0, atol=1e-13)


def test_floating_node_is_refused(tmp_path: Path) -> None:
    text = TWO_NODES.format(**USUAL).replace('between = ["b", "gnd"]', 'between = ["b", "a"]')
    text = text.replace('between = ["a", "gnd"]', 'between = ["a", "b"]')
    path = tmp_path / "floating.toml"
    path.write_text(text)
    with pytest.raises(InputError, match="gnd|ground"):
        load_device(path)


def test_floating_pair_is_refused_by_the_matrices_too() -> None:
    """The datasheet room refuses by its graph; the circuit room by the null space of G."""
    from dataclasses import replace

    sheet = load_datasheet("rc8-chain")
    loose = replace(sheet, resistors=tuple(r for r in sheet.resistors if "gnd" not in r.between))
    with pytest.raises(InputError, match="no resistive path to ground"):
        build_device(loose)


def test_singular_capacitance_is_refused(tmp_path: Path) -> None:
    """Nodes whose own capacitance vanishes beside the coupling float capacitively."""
    path = two_nodes(tmp_path, ca="1e-14 fF", cb="1e-14 fF")
    with pytest.raises(InputError, match="capacitance matrix is singular"):
        load_device(path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"ra": "-1 Mohm"}, "ra.resistance"), ({"ra": "0 ohm"}, "ra.resistance"),
        ({"ra": "1"}, "unit"), ({"ra": "1 pF"}, "ohm"), ({"ca": "-1 pF"}, "a.capacitance"),
        ({"ta": "-4 K"}, "ra.temperature"), ({"ta": "nan K"}, "ra.temperature"),
        ({"ground": '["a", "c"]'}, "c"),
    ],
)  # fmt: skip
def test_bad_elements_are_refused(tmp_path: Path, change: dict[str, str], said: str) -> None:
    with pytest.raises(InputError, match=said):
        load_device(two_nodes(tmp_path, **change))


def test_unknown_device() -> None:
    with pytest.raises(InputError, match="rc1"):
        load_device("rc2000")
    with pytest.raises(InputError, match="r0"):
        load_device("rc1", {"r0.resistence": "1 ohm"})
