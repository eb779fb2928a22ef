"""Markov chains solved without a subtraction, against dense algebra and closed forms."""

from __future__ import annotations

import jump_circuits as circuits
import numpy as np
import pytest
from scipy import sparse

import thermohw as th
from thermohw.circuit import stable_points
from thermohw.circuit.jump import ELEMENTARY_CHARGE
from thermohw.jumps import master, master_equation
from thermohw.jumps.elimination import passage, stationary


def banded(rng: np.random.Generator, size: int, width: int) -> np.ndarray:
    rates = rng.exponential(size=(size, size))
    near = np.abs(np.subtract.outer(np.arange(size), np.arange(size)))
    return np.where((near <= width) & (near > 0), rates, 0.0)


def test_against_dense_algebra(rng: np.random.Generator) -> None:
    rates = banded(rng, 40, 5)
    generator = rates.T - np.diag(rates.sum(1))
    system = np.vstack([generator, np.ones(40)])
    expected = np.linalg.lstsq(system, np.eye(41)[40], rcond=None)[0]
    assert stationary(sparse.coo_matrix(rates)) == pytest.approx(expected, rel=1e-9)
    into = np.where(np.arange(40) < 3, 0.2, 0.0)
    times = np.linalg.solve(generator.T - np.diag(into), -np.ones(40))
    assert passage(sparse.coo_matrix(rates), into) == pytest.approx(times, rel=1e-9)


def test_rare_events_keep_their_digits() -> None:
    """A chain with a barrier of 1e-30: birth and death in closed form, twelve digits."""
    size = 41
    energy = 70.0 * np.exp(-(((np.arange(size) - 20.0) / 5.0) ** 2))
    up = np.exp(-0.5 * np.diff(energy))
    rates = np.diag(up, 1) + np.diag(1.0 / up, -1)
    law = stationary(sparse.coo_matrix(rates))
    expected = np.exp(-energy) / np.exp(-energy).sum()
    assert law == pytest.approx(expected, rel=1e-12)
    # Absorbed below 0 at rate 1; tau_0 = sum of weights / (weight_0 rate), tau_n by steps.
    into = np.where(np.arange(size) == 0, 1.0, 0.0)
    weights = np.exp(-energy)
    tails = np.cumsum(weights[::-1])[::-1]
    steps = tails / (weights * np.concatenate([[1.0], 1.0 / up]))
    assert passage(sparse.coo_matrix(rates), into) == pytest.approx(np.cumsum(steps), rel=1e-12)


def test_sparse_route_agrees(monkeypatch: pytest.MonkeyPatch) -> None:
    device = circuits.inverter("0.2 fF", "30 mV")
    exact = master_equation(device)
    monkeypatch.setattr(master, "_ELIMINATION", 0.0)
    other = master_equation(device)
    assert other.stationary == pytest.approx(exact.stationary, rel=1e-8, abs=1e-14)
    times = other.passage_times({"out": 1.0}, 0.0)
    monkeypatch.undo()
    assert times == pytest.approx(exact.passage_times({"out": 1.0}, 0.0), rel=1e-8)


def test_error_time_of_a_bit_is_its_slowest_decay() -> None:
    """Two equal states: the law forgets at twice the rate of errors, and half of the paths that
    reach the ridge fall back, so the mean time to the ridge is 1/decay up to the relaxation.
    """
    device = th.load_device("cmos-bit", {"vdd.voltage": "35 mV", "vss.voltage": "-35 mV"})
    law = master_equation(device)
    state = np.rint(device.charges(stable_points(device)[-1].voltages / device.voltage_unit))
    ridge = law.passage_times({"a": 1.0, "b": -1.0})[law.index(state)]
    assert law.heat_rates.sum() == pytest.approx(law.power.sum(), rel=1e-10)
    assert law.mean_voltages == pytest.approx(np.zeros(2), abs=1e-12)
    # Discrete: a path stops ON the ridge or, jumping from one charge above, always hits it.
    assert ridge * law.slowest_decay == pytest.approx(1.0, abs=0.03)


def test_states_rarer_than_any_float() -> None:
    """A slope of 1200 kT: the first states are zero, the others a geometric series."""
    size, fall = 121, 10.0
    rates = np.diag(np.full(size - 1, np.exp(fall)), 1) + np.diag(np.ones(size - 1), -1)
    law = stationary(sparse.coo_matrix(rates))
    expected = np.exp(-fall * np.arange(size)[::-1]) * -np.expm1(-fall)
    assert law == pytest.approx(expected, rel=1e-12, abs=1e-200)


def test_a_junction_under_a_large_voltage() -> None:
    """A diode feeding a resistor from 1 V: its exponential leaves no float for empty nodes."""
    device = circuits.build(
        circuits.node("n", "0.02 fF"),
        circuits.supply("s", "1 V"),
        circuits.junction("d", "s", "n", saturation_current="1 pA"),
        circuits.junction("r", "n", "gnd", resistance="1 Gohm"),
    )
    law = master_equation(device)
    # What flows through the diode flows through the junction, one way: (v - q/2C)/R.
    assert law.currents[0] == pytest.approx(law.currents[1], rel=1e-9)
    half = 0.5 * ELEMENTARY_CHARGE / 0.02e-15
    assert law.currents[1] == pytest.approx((law.mean_voltages[0] - half) / 1e9, rel=1e-9)
    assert law.power.sum() == pytest.approx(law.heat_rates.sum(), rel=1e-9)
