"""Paths of electron jumps: equilibrium, books, Fano factors, errors, against exact laws."""

from __future__ import annotations

import jump_circuits as circuits
import numpy as np
import pytest
from jump_books import KT, assert_first_law, z_of
from scipy import stats

import thermohw as th
from thermohw.circuit.jump import ELEMENTARY_CHARGE
from thermohw.errors import InputError
from thermohw.jumps import (
    fluctuation_theorem,
    master_equation,
    simulate_jumps,
)


def test_equilibrium_histogram(seed: int) -> None:
    """End states long after a start without charge: chi^2 against exp(-H/kT)."""
    device = circuits.motley()
    law = master_equation(device)
    # Six e-foldings of the slowest mode: the start adds some 4096 e^-12 = 0.03 to chi^2.
    run = simulate_jumps(device, 6.0 / law.slowest_decay, paths=4096, seed=seed)
    expected = 4096.0 * np.exp(-device.energy(law.states))
    expected /= np.exp(-device.energy(law.states)).sum()
    seen = np.bincount(law.index(run.end), minlength=len(expected))
    common = expected >= 8.0
    rest = expected[~common].sum()
    chi2 = ((seen[common] - expected[common]) ** 2 / expected[common]).sum()
    chi2 += (seen[~common].sum() - rest) ** 2 / rest
    dof = int(common.sum())
    assert dof > 60
    assert abs(stats.norm.isf(stats.chi2.sf(chi2, dof))) < 4.0
    assert_first_law(run)


def test_books_of_a_biased_circuit(seed: int) -> None:
    """Every heat, work and current against the master equation; the first law path by path."""
    device = circuits.motley("40 mV", "-25 mV", cold="200 K")
    law = master_equation(device)
    span = 2.0 / law.slowest_decay
    run = simulate_jumps(device, span, paths=2048, seed=seed, start=law)
    assert np.abs(z_of(run.heat, law.heat_rates * span)).max() < 4.0
    assert np.abs(z_of(run.work, law.power * span)).max() < 4.0
    flow = ELEMENTARY_CHARGE * run.transferred / span
    assert np.abs(z_of(flow, law.currents)).max() < 4.0
    assert np.abs(z_of(run.mean_voltages, law.mean_voltages)).max() < 4.0
    square = law.covariance + np.outer(law.mean_voltages, law.mean_voltages)
    assert np.abs(z_of(run.mean_squares.reshape(-1, 4), square.reshape(4))).max() < 4.0
    assert abs(z_of(run.medium_entropy, law.entropy_production * span)) < 4.0
    assert_first_law(run)
    # The check can fail: heat off by a thousandth is seen.
    off = run.energy_change - run.work.sum(1) + 1.001 * run.heat.sum(1)
    assert np.abs(off / run.exchanged).max() > 1e-5
    text = str(run)
    assert "exact" in text and "heat into diode" in text and "work of high" in text


def test_relaxation_follows_the_master_equation(seed: int) -> None:
    device = circuits.motley("40 mV", "-25 mV")
    law = master_equation(device)
    start = np.zeros(len(law.states))
    start[law.index(np.array([5.0, -3.0]))] = 1.0
    span = 0.7 / law.slowest_decay
    run = simulate_jumps(device, span, paths=3000, seed=seed, start=[5, -3], samples=2)
    for number, share in enumerate((0.5, 1.0)):
        exact = law.evolve(start, share * span) @ device.voltages(law.states)
        assert np.abs(z_of(run.voltages[:, number], exact * device.voltage_unit)).max() < 4.0
    end = device.voltages(run.end) * device.voltage_unit
    assert np.array_equal(run.voltages[:, 1], end)


@pytest.mark.parametrize("volts", [0.0, 0.012, 0.08])
def test_fano_factor(volts: float, seed: int) -> None:
    """coth(qV/2kT) for any conductor at a fixed voltage; 4kT/R without bias; Ohm's law."""
    device = circuits.build(
        circuits.node("idle", "1 aF"),
        circuits.supply("v", f"{volts} V"),
        circuits.junction("tunnel", "v", "gnd", resistance="1 Gohm"),
        circuits.junction("diode", "v", "gnd", saturation_current="5 pA"),
        circuits.junction("hold", "idle", "gnd", resistance="1000 Gohm"),
    )
    span, paths = 1e-6, 2048
    run = simulate_jumps(device, span, paths=paths, seed=seed)
    x = volts / device.voltage_unit
    flow = run.transferred[:, :2]
    current = np.array([volts / 1e9, 5e-12 * np.expm1(x)])
    traffic = current / np.tanh(0.5 * x) if x else np.full(2, 2.0 * KT / ELEMENTARY_CHARGE)
    traffic = traffic if x else np.array([traffic[0] / 1e9, 2.0 * 5e-12])
    variance = traffic * span / ELEMENTARY_CHARGE
    assert np.abs(flow.mean(0) - current * span / ELEMENTARY_CHARGE).max() < (
        4.0 * np.sqrt(variance / paths).max()
    )
    # A Skellam number: its sample variance has (2 variance^2 + variance)/paths.
    spread = np.sqrt((2.0 * variance**2 + variance) / paths)
    assert np.abs((flow.var(0, ddof=1) - variance) / spread).max() < 4.0
    if x:
        for name in ("tunnel", "diode"):
            found, error = run.fano(name)
            assert abs(found - 1.0 / np.tanh(0.5 * x)) < 4.0 * error


def test_time_to_an_error(seed: int) -> None:
    device = th.load_device("cmos-bit", {"vdd.voltage": "22 mV", "vss.voltage": "-22 mV"})
    law = th.master_equation(device)
    begin = {"a": "20 mV", "b": "-20 mV"}
    stop = {"a": 1.0, "b": -1.0}, "0 V"
    run = th.simulate_jumps(device, "1 ms", paths=512, seed=seed, start=begin, stop=stop)
    assert run.stopped.all()
    exact = law.passage_times({"a": 1.0, "b": -1.0})[law.index(run.start[0])]
    assert abs(z_of(run.times, exact)) < 4.0
    assert (run.end @ [1.0, -1.0] <= 0.0).all()
    assert_first_law(run)


def test_paths_do_not_depend_on_their_company() -> None:
    device = circuits.motley("40 mV", "-25 mV")
    few = simulate_jumps(device, "20 ns", paths=3, seed=5)
    many = simulate_jumps(device, "20 ns", paths=700, seed=5)
    assert np.array_equal(few.heat, many.heat[:3])
    assert not np.array_equal(many.heat[:256], many.heat[256:512])
    again = simulate_jumps(device, "20 ns", paths=3, seed=6)
    assert not np.array_equal(few.heat, again.heat)


def test_tau_leap_converges(seed: int) -> None:
    """Poisson numbers over short steps: the same heat within errors, and it says it is no law."""
    device = circuits.inverter("1 fF", "50 mV")
    law = master_equation(device)
    span = 1.0 / law.slowest_decay
    run = simulate_jumps(
        device, span, paths=512, seed=seed, start=law, method="tau-leap", step=span / 200,
        approximate=True,
    )  # fmt: skip
    assert np.abs(z_of(run.heat, law.heat_rates * span)).max() < 4.0
    assert 0.0 < run.leap < 0.02 and "APPROXIMATE" in str(run)
    assert_first_law(run)
    with pytest.raises(InputError, match="no local detailed balance"):
        fluctuation_theorem(run, law)


def test_langevin_books_close(seed: int) -> None:
    """First law of the approximate method, and its mean heat where electrons are many."""
    device = circuits.inverter("4 fF", "40 mV")
    law = master_equation(device)
    span = 1.0 / law.slowest_decay
    run = simulate_jumps(
        device, span, paths=512, seed=seed, start=law, method="langevin", step=span / 200,
        approximate=True,
    )  # fmt: skip
    assert np.abs(z_of(run.heat, law.heat_rates * span)).max() < 4.0
    assert_first_law(run)


@pytest.mark.parametrize(
    "options, words",
    [
        ({"method": "langevin"}, "inconsistent"),
        ({"method": "tau-leap"}, "approximate=True"),
        ({"method": "tau-leap", "approximate": True}, "length of a step"),
        ({"method": "euler"}, "expected one of exact"),
        ({"step": "1 ns"}, "no step"),
        ({"start": "somewhere"}, "uncharged"),
        ({"start": {"c": "1 mV"}}, "no node 'c'"),
        ({"start": [0.5, 0.0]}, "whole numbers"),
        ({"stop": ({"c": 1.0}, 0.0)}, "no node 'c'"),
        ({"stop": ({}, 0.0)}, "not zero"),
        ({"stop": ({"a": 1.0}, float("nan"))}, "expected a voltage"),
        ({"paths": 0}, ">= 1"),
        ({"paths": 2.5}, "whole number"),
        ({"seed": -1}, ">= 0"),
        ({"samples": -1}, ">= 0"),
        ({"duration": "-1 s"}, "positive time"),
        ({"most": 10}, "shorten the duration"),
    ],
)
def test_refusals(options: dict, words: str) -> None:
    entries = {"duration": "100 ns", "paths": 2, **options}
    with pytest.raises(InputError, match=words):
        simulate_jumps(circuits.motley("40 mV"), entries.pop("duration"), **entries)


def test_what_a_run_cannot_say() -> None:
    """The theorem is of paths from this law; one path has no error; no current, no Fano factor."""
    device = circuits.motley("12 mV")
    law, span = master_equation(device), "1 ns"
    runs = [
        simulate_jumps(device, span, paths=4),
        simulate_jumps(device, span, paths=1, start=law),
        simulate_jumps(device, span, paths=4, start=master_equation(device)),
    ]
    for run in runs:
        with pytest.raises(InputError, match="two paths or more from the stationary law"):
            fluctuation_theorem(run, law)
    cut = simulate_jumps(device, span, paths=4, start=law, stop=({"a": 1.0}, "1 V"))
    with pytest.raises(InputError, match="leave the stop out"):
        fluctuation_theorem(cut, law)
    assert "+- nan" in str(runs[1]) and np.isnan(runs[1].current("leak").stderr)
    with pytest.raises(InputError, match="net charge transferred"):
        simulate_jumps(device, 1e-18, paths=4).fano("leak")
    with pytest.raises(InputError, match="no node 'c'"):
        law.passage_times({"c": 1.0})
    with pytest.raises(InputError, match="expected a voltage"):
        law.passage_times({"a": 1.0}, float("inf"))
    assert np.array_equal(
        law.passage_times({"a": 1.0}, "2 mV"), law.passage_times({"a": 1.0}, 2e-3)
    )


def test_other_devices_are_refused() -> None:
    with pytest.raises(InputError, match="rc1 has no nonlinear conductors"):
        th.simulate_jumps(th.load_device("rc1"), "1 us", paths=1)
    with pytest.raises(InputError, match="simulate_jumps"):
        master_equation(th.load_device("neat-trn"), most=1000)
