"""Small fluctuations of jump devices: the linear circuit that they tend to, and its heat flow."""

from __future__ import annotations

import jump_circuits as circuits
import numpy as np
import pytest

from thermohw.circuit import (
    JumpDevice,
    LinearDevice,
    build_device,
    gyration,
    linearised,
    load_device,
    principal_axes,
    stable_points,
    steady_heat,
    steady_production,
)
from thermohw.circuit.jump import ELEMENTARY_CHARGE
from thermohw.datasheet import read_datasheet
from thermohw.errors import InputError
from thermohw.jumps import master_equation
from thermohw.units import K_B


def bath_temperatures(device: LinearDevice) -> np.ndarray:
    return device.temperatures * device.scale.temperature


def conductances(device: LinearDevice) -> np.ndarray:
    return device.coefficients / device.scale.resistance


def test_junction_is_a_resistor() -> None:
    """A tunnel junction without bias: the RC node of the same values, kT/C and RC."""
    jumps = circuits.build(
        circuits.node("n", "2 fF"), circuits.junction("r", "n", "gnd", resistance="3 Mohm")
    )
    found = linearised(jumps)
    text = circuits.HEAD + circuits.node("n", "2 fF") + circuits.table(
        "resistor", name="r", between=("n", "gnd"), resistance="3 Mohm", temperature="300 K"
    )  # fmt: skip
    linear = build_device(read_datasheet(text, "rc"))
    for device in (found, linear):
        variance = device.effort_covariance[0, 0] * device.scale.voltage**2
        assert variance == pytest.approx(K_B * 300.0 / 2e-15, rel=1e-12)
        time = device.time_constants[0] * device.scale.time
        assert time == pytest.approx(3e6 * 2e-15, rel=1e-12)


def test_jumps_tend_to_the_resistor() -> None:
    """Variance kT/C for any capacitor (the sum over integers is that good); RC to first order."""
    errors = []
    for farad in (0.25e-16, 0.5e-16, 1e-16):
        device = circuits.build(
            circuits.node("n", f"{farad} F"),
            circuits.junction("r", "n", "gnd", resistance="1 Gohm"),
        )
        law = master_equation(device)
        assert law.covariance[0, 0] == pytest.approx(K_B * 300.0 / farad, rel=1e-10)
        errors.append(law.slowest_decay * 1e9 * farad - 1.0)
    ratios = np.array(errors[:-1]) / np.array(errors[1:])
    assert ratios == pytest.approx([2.0, 2.0], abs=0.35)  # order one in q/C
    assert abs(errors[-1]) < 0.05


@pytest.mark.parametrize("bias", ["1 mV", "26 mV", "50 mV"])
def test_temperature_of_a_biased_inverter(bias: str) -> None:
    """T (e^x + 1)/2 with x the bias of one transistor over kT/q; the conductance never moves."""
    device = circuits.inverter("1 fF", bias)
    found = linearised(device)
    x = float(bias.split()[0]) * 1e-3 / device.voltage_unit
    assert bath_temperatures(found)[0] == pytest.approx(150.0 * (np.exp(x) + 1.0), rel=1e-9)
    vt = device.voltage_unit
    assert conductances(found)[0] == pytest.approx(2.0 * 1e-7 * np.exp(-0.3 / vt) / vt, rel=1e-9)


def test_temperature_of_a_biased_junction() -> None:
    """Two junctions in series at x each: shot noise (x/2) coth(x/2) times Johnson's."""
    device = circuits.build(
        circuits.node("n", "1 fF"), circuits.supply("v", "80 mV"),
        circuits.junction("a", "v", "n", resistance="1 Mohm"),
        circuits.junction("b", "n", "gnd", resistance="1 Mohm"),
    )  # fmt: skip
    x = 0.04 / device.voltage_unit
    hot = bath_temperatures(linearised(device))[0]
    assert hot == pytest.approx(300.0 * 0.5 * x / np.tanh(0.5 * x), rel=1e-9)


def test_exact_law_tends_to_the_linear_one() -> None:
    """A biased inverter: the variance of the master equation, corrections of order q/C."""
    errors = []
    for femto in (0.5, 1.0, 2.0):
        device = circuits.inverter(f"{femto} fF", "40 mV")
        small = linearised(device)
        expected = small.effort_covariance[0, 0] * small.scale.voltage**2
        errors.append(master_equation(device).covariance[0, 0] / expected - 1.0)
    ratios = np.array(errors[:-1]) / np.array(errors[1:])
    assert ratios == pytest.approx([2.0, 2.0], abs=0.2)
    assert abs(errors[-1]) < 0.03


def test_coupled_inverters() -> None:
    """neat-trn small enough for its master equation: covariance and swept area, order q/C."""
    errors = []
    for femto in (0.04, 0.08):
        sizes = {f"{name}.capacitance": f"{femto} fF" for name in ("x", "y", "coupling")}
        device = load_device("neat-trn", {**sizes, "vdd_x.voltage": "30 mV",
                                          "vss_x.voltage": "-30 mV"})  # fmt: skip
        assert isinstance(device, JumpDevice)
        small = linearised(device)
        expected = small.effort_covariance * small.scale.voltage**2
        errors.append(master_equation(device).covariance / expected - 1.0)
    assert np.abs(errors[1]).max() < 0.06
    assert errors[0] / errors[1] == pytest.approx(np.full((2, 2), 2.0), abs=0.35)


def test_heat_between_the_inverters() -> None:
    """Closed form of two nodes, the general formula with the Lyapunov covariance, swept area."""
    device = load_device("neat-trn")
    assert isinstance(device, JumpDevice)
    small = linearised(device)
    assert small.nodes == small.elements == ("x", "y")
    hot, (g1, g2) = bath_temperatures(small), conductances(small)
    vt = device.voltage_unit
    expected = [150.0 * (np.exp(volts / vt) + 1.0) for volts in (0.05, 0.026)]
    assert hot == pytest.approx(expected, rel=1e-9)
    a = b = 2e-15
    c = 1e-15
    flow = K_B * (hot[0] - hot[1]) * c**2 * g1 * g2 / ((g1 * b + g2 * a) * (a * b - c**2))
    heat = steady_heat(small) * small.scale.energy / small.scale.time
    assert heat == pytest.approx([-flow, flow], rel=1e-9)
    swept = gyration(small)
    assert -c * swept[0, 1] == pytest.approx(flow, rel=1e-9)
    assert swept == pytest.approx(-swept.T, abs=1e-12)
    production = steady_production(small) / small.scale.time
    assert production * K_B == pytest.approx(flow * (1.0 / hot[1] - 1.0 / hot[0]), rel=1e-9)
    p12 = c * K_B * (g1 * hot[0] * b + g2 * hot[1] * a) / ((g1 * b + g2 * a) * (a * b - c**2))
    covariance = small.effort_covariance * small.scale.voltage**2
    assert covariance[0, 1] == pytest.approx(p12, rel=1e-9)
    angle, aspect = principal_axes(covariance)
    turned = np.array([np.cos(angle), np.sin(angle)])
    long = turned @ covariance @ turned
    assert np.linalg.det(covariance) == pytest.approx((long / aspect) ** 2, rel=1e-9)
    assert 0.0 < angle < np.pi / 4.0  # the hot node moves most


def test_equal_inverters_do_not_turn() -> None:
    device = load_device("neat-trn", {"vdd_y.voltage": "50 mV", "vss_y.voltage": "-50 mV"})
    assert isinstance(device, JumpDevice)
    small = linearised(device)
    size = small.effort_covariance[0, 0] / small.time_constants[0]
    size *= small.scale.voltage**2 / small.scale.time
    assert np.abs(gyration(small)).max() < 1e-12 * size
    assert principal_axes(small.effort_covariance)[0] == pytest.approx(np.pi / 4.0)


def test_linear_device_has_the_same_langevin_equation() -> None:
    """The bit's stable state: gates that are nodes, so resistors along the modes; G and noise."""
    device = load_device("cmos-bit")
    assert isinstance(device, JumpDevice)
    point, small = stable_points(device)[0], linearised(device)
    assert small.elements == ("mode0", "mode1")
    siemens = 1.0 / small.scale.resistance
    loss = (small.directions.T * small.coefficients) @ small.directions - small.structure
    assert loss * siemens == pytest.approx(point.conductance, rel=1e-9)
    noise = small.noise_matrix @ small.noise_matrix.T * siemens * small.scale.energy
    assert 2.0 * noise == pytest.approx(point.noise, rel=1e-9, abs=1e-12 * point.noise.max())
    times = np.sort(small.time_constants * small.scale.time)
    assert times == pytest.approx(np.sort(point.time_constants), rel=1e-9)
    assert point.current_noise.sum() == pytest.approx(np.trace(point.noise), rel=1e-12)
    assert ELEMENTARY_CHARGE * 2.0 * (point.forward + point.backward)[0] == pytest.approx(
        point.current_noise[0]
    )


def test_bad_points() -> None:
    device = load_device("cmos-bit")
    assert isinstance(device, JumpDevice)
    with pytest.raises(InputError, match="does not vanish"):
        linearised(device, np.array([0.01, 0.0]))
    with pytest.raises(InputError, match="expected 2 voltages"):
        linearised(device, np.zeros(3))
    with pytest.raises(InputError, match="grow"):
        linearised(device, np.zeros(2))
