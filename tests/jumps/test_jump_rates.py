"""Rates of electron jumps: local detailed balance with the finite energy of the jump."""

from __future__ import annotations

import jump_circuits as circuits
import numpy as np
import pytest

from thermohw.circuit import JumpDevice, load_device, small_signal
from thermohw.circuit.jump import ELEMENTARY_CHARGE, bose
from thermohw.circuit.jump_signal import mean_rates
from thermohw.jumps import master_equation
from thermohw.units import K_B


def field_energy(device: JumpDevice, charges: np.ndarray) -> float:
    """Energy of every capacitor of the datasheet, k T_ref, from the voltages across it."""
    sheet = device.datasheet
    assert sheet is not None
    volts = dict(zip(device.nodes, device.voltages(charges) * device.voltage_unit, strict=True))
    volts |= {s.name: s.voltage.value for s in sheet.conductors.supplies} | {"gnd": 0.0}
    energy = sum(0.5 * item.capacitance.value * volts[item.name] ** 2 for item in sheet.nodes)
    for item in sheet.capacitors:
        a, b = item.between
        energy += 0.5 * item.capacitance.value * (volts[a] - volts[b]) ** 2
    return energy / device.energy_unit


@pytest.mark.parametrize("bias", [("0 V", "0 V"), ("40 mV", "-25 mV")])
def test_local_detailed_balance(bias: tuple[str, str], rng: np.random.Generator) -> None:
    """ln of the ratio of a rate and the reverse rate from where it leads is the heat over kT."""
    device = circuits.motley(*bias, cold="200 K")
    count = len(device.elements)
    states = rng.integers(-12, 13, (50, 2)).astype(float)
    rates, heat = device.event_rates(states), device.event_heat(states)
    for k, jump in enumerate(device.jumps):
        back = device.event_rates(states + jump)[:, count + k]
        measured = np.log(rates[:, k] / back) * device.temperatures[k]
        assert measured == pytest.approx(heat[:, k], abs=1e-11)
        undone = device.event_heat(states + jump)[:, count + k]
        assert undone == pytest.approx(-heat[:, k], abs=1e-11)


def test_heat_is_work_less_energy(rng: np.random.Generator) -> None:
    """One event: heat = work of the supplies, polarisation included, - change of the field."""
    device = circuits.motley("40 mV", "-25 mV")
    count = len(device.elements)
    state = rng.integers(-9, 10, 2).astype(float)
    for event, jump in enumerate(device.event_jumps):
        counts = np.zeros((1, count))
        counts[0, event % count] = 1.0 if event < count else -1.0
        work = device.supply_work(counts, state[None], state[None] + jump).sum()
        change = field_energy(device, state + jump) - field_energy(device, state)
        own = device.energy(state + jump) - device.energy(state)
        assert own == pytest.approx(change, abs=1e-11)
        assert device.event_heat(state)[event] == pytest.approx(work - change, abs=1e-11)


def test_equilibrium_is_boltzmann_on_integers() -> None:
    """Supplies at zero, one temperature: exp(-H/kT) exactly."""
    device = circuits.motley()
    law = master_equation(device)
    expected = np.exp(-device.energy(law.states))
    expected /= expected.sum()
    seen = expected > 1e-14
    # The elimination adds some 1e3 positive terms: 1e-12 is their round-off.
    assert law.stationary[seen] == pytest.approx(expected[seen], rel=1e-11)
    scale = K_B * 300.0 * np.abs(law.generator.diagonal()).max()
    assert np.abs(law.heat_rates).max() < 1e-12 * scale
    assert np.abs(law.currents).max() < 1e-12 * ELEMENTARY_CHARGE * scale / (K_B * 300.0)


def test_unequal_temperatures_drive_heat_from_hot_to_cold() -> None:
    device = circuits.motley(cold="200 K")
    law = master_equation(device)
    cold = device.elements.index("diode")
    assert law.heat_rates[cold] > 0.0
    assert law.heat_rates.sum() == pytest.approx(0.0, abs=1e-12 * law.heat_rates[cold])
    assert law.entropy_production > 0.0


def test_textbook_currents() -> None:
    """Shockley's diode, Ohm's junction and the transistor below threshold, at fixed voltages."""
    device = circuits.build(
        circuits.node("x", "1 fF"),
        circuits.supply("d", "70 mV"),
        circuits.supply("g", "120 mV"),
        circuits.junction("diode", "d", "gnd", saturation_current="1 pA"),
        circuits.junction("ohm", "d", "x", resistance="3 Gohm"),
        circuits.transistor("n", "n", "g", "d", "x", slope=1.4),
        circuits.transistor("body", "n", "g", "d", "x", slope=1.4, bulk="gnd"),
    )
    point = small_signal(device, np.array([0.02]))
    vt = K_B * 300.0 / ELEMENTARY_CHARGE
    current = dict(zip(device.elements, point.current, strict=True))
    assert current["diode"] == pytest.approx(1e-12 * np.expm1(0.07 / vt), rel=1e-12)
    assert current["ohm"] == pytest.approx(0.05 / 3e9, rel=1e-12)
    mos = 1e-7 * np.exp((0.1 - 0.3) / (1.4 * vt)) * -np.expm1(-0.05 / vt)
    assert current["n"] == pytest.approx(mos, rel=1e-12)
    body = np.exp((0.12 - 0.3) / (1.4 * vt)) * (np.exp(-0.02 / vt) - np.exp(-0.07 / vt))
    assert current["body"] == pytest.approx(1e-7 * body, rel=1e-12)
    across = {"diode": 0.07, "ohm": 0.05, "n": 0.05, "body": 0.05}
    for k, name in enumerate(device.elements):
        expected = 1.0 / np.tanh(0.5 * across[name] / vt)
        assert point.fano[k] == pytest.approx(expected, rel=1e-12)


def test_noise_without_bias_is_johnsons() -> None:
    """2q(I+ + I-) = 4 k T g at zero bias, whatever the conductor."""
    device = circuits.motley()
    point = small_signal(device, np.zeros(2))
    assert point.noise == pytest.approx(4.0 * K_B * 300.0 * point.conductance, rel=1e-10)


def test_small_signals_are_derivatives(rng: np.random.Generator) -> None:
    device = circuits.motley("40 mV", "-25 mV", cold="200 K")
    at, step = 0.03 * rng.standard_normal(2), 1e-6

    def into(voltages: np.ndarray) -> np.ndarray:
        forward, backward = mean_rates(device, voltages / device.voltage_unit)
        return ELEMENTARY_CHARGE * device.jumps.T @ (forward - backward)

    columns = [(into(at - h) - into(at + h)) / (2.0 * step) for h in step * np.eye(2)]
    # Central differences: step^2/V_T^2 = 1.5e-9 and round-off 1e-16 V_T/step.
    found = small_signal(device, at).conductance
    assert found == pytest.approx(np.array(columns).T, rel=1e-7, abs=1e-7 * np.abs(found).max())


def test_tunnel_rate_near_zero() -> None:
    x = np.array([-800.0, -1e-3, -1e-9, 0.0, 1e-9, 1e-3, 800.0])
    assert bose(x) - bose(-x) == pytest.approx(x, abs=1e-13)
    assert bose(x)[3] == 1.0 and bose(x)[0] == 0.0


def test_the_shipped_bit() -> None:
    """Two stable states at +-49.44 mV: v = V tanh-like root of the inverter's transfer."""
    device: object = load_device("cmos-bit")
    assert isinstance(device, JumpDevice)
    assert device.capacitance == pytest.approx(1e-16 * np.eye(2), rel=1e-12)
    rest = np.array([0.04944202, -0.04944202])
    vt, bias = device.voltage_unit, 0.05
    # One inverter, slope 1: e^(u/V_T)(1 - e^(-(v + V)/V_T)) = e^(-u/V_T)(1 - e^(-(V - v)/V_T)).
    u, v = rest[1] / vt, rest[0] / vt
    left = np.exp(u) * -np.expm1(-(v + bias / vt))
    right = np.exp(-u) * -np.expm1(-(bias / vt - v))
    assert left == pytest.approx(right, rel=1e-5)  # seven digits of v, 0.56 mV from the rail
    point = small_signal(device, rest)
    assert np.abs(device.jumps.T @ point.current).max() < 1e-5 * point.forward.max()
    assert point.stable
