"""Measured peaks against the datasheet's limits, in SI, the binding one first."""

from __future__ import annotations

import pytest
from problems import make, mixture_protocol, rc1, simulate

from thermohw.books import Peaks
from thermohw.control import datasheet_limits, effective_temperature, make_plan


def test_peaks_become_volts() -> None:
    plan = make_plan(mixture_protocol("emf", "clocked", 64))
    scale = rc1().scale
    rows = {
        row.name: row
        for row in datasheet_limits(
            plan, {"voltage": 5.0, "source": 12.0, "current": 9.0, "rate": 9.0}
        )
    }
    assert rows["rail"].needed == pytest.approx(5 * scale.voltage)
    assert rows["rail"].allowed == 1.0
    assert rows["dac_full_scale"].needed == pytest.approx(12 * scale.voltage)
    assert rows["current"].needed == pytest.approx(9 * scale.voltage / 1e6)
    assert rows["slew"].needed == pytest.approx(9 * scale.voltage / 1e-6)
    assert rows["slew"].allowed == pytest.approx(1e8)


def test_binding_limit_comes_first() -> None:
    plan = make_plan(mixture_protocol("emf", "clocked", 64))
    peaks = {"voltage": 5.0, "source": 2000.0, "current": 9.0, "rate": 9.0}
    first = datasheet_limits(plan, peaks)[0]
    assert first.name == "dac_full_scale" and first.ratio is not None
    assert first.ratio == pytest.approx(2000 * rc1().scale.voltage / 0.1)
    assert first.ratio > 1.0


@pytest.mark.parametrize("wiring", ["emf", "current"])
def test_peaks_of_a_run(wiring: str) -> None:
    """The observer's marks bound every saved state and are reached by the paths it watched."""
    protocol = mixture_protocol(wiring, "clocked", 64)
    engine = make(protocol, Peaks(protocol.device), seed=2)
    sample = simulate(engine, 4096)
    voltage, source, current, rate = sample.results["peaks"]["peaks"].tolist()
    assert voltage >= float(sample.end.abs().max())
    assert 3.0 < voltage < 8.0  # the largest of 4096 x 65 normals is 4.6
    assert source > 0 and current > 0
    # One node with C = R = 1: dv/dt = i - v or e - v, so it cannot exceed source + voltage.
    assert 0 < rate <= source + voltage


def test_impossible_temperature_is_shown() -> None:
    """100 mV of signal on 1 pF at kT/C noise asks for 7.24e8 K."""
    settings = {"volts_per_unit": "100 mV", "allow_ringing": True}  # no grid would do
    plan = make_plan(mixture_protocol("emf", "clocked", 64, **settings))
    assert effective_temperature(plan) == pytest.approx(7.24297e8, rel=1e-5)
