"""The one-at-a-time table: pairing, errors, refusals."""

from __future__ import annotations

import json

import numpy as np
import pytest
from problems import mixture_protocol
from scipy.stats import norm

import thermohw as th
from thermohw.errors import InputError
from thermohw.target import gaussian_mixture
from thermohw.tolerance import standard_rows
from thermohw.tolerance.measure import _influence, line_quality


def test_rows_share_their_noise() -> None:
    """A gain of the control changes the work by far less than its spread: the pairing shows it."""
    protocol = mixture_protocol("emf", "clocked", 64)
    rows = {"gain 1.01": {"control_gain": 1.01}, "same": {"sense_offset": 0.0}}
    table = th.sensitivity(protocol, rows, paths=2048)
    gain, same = table.rows[1], table.rows[2]
    for wiring in ("emf", "current"):
        assert gain.work_change[wiring].stderr < 0.1 * gain.work[wiring].stderr
        assert same.work_change[wiring].value == 0.0
        whole = gain.work[wiring].value - table.rows[0].work[wiring].value
        assert gain.work_change[wiring].value == pytest.approx(whole, abs=1e-9)
    assert "gain 1.01" in str(table)
    assert json.loads(table.to_json())["rows"][1]["changes"] == {"control_gain": 1.01}


def test_standard_rows_run_or_say_why_not() -> None:
    protocol = mixture_protocol("emf", "clocked", 16, sense_gain=1.05)
    table = th.sensitivity(protocol, paths=64, wirings=("emf",))
    names = [row.row.name for row in table.rows]
    assert names[:2] == ["as it stands", "sense ideal"] and len(names) > 15
    refused = [row for row in table.rows if row.refused]
    assert [row.row.name for row in refused] == ["ticks 4"]
    assert "unstable" in refused[0].refused
    continuous = standard_rows(mixture_protocol("emf", "continuous", 16))
    assert not any("latency" in row.name or "ADC" in row.name for row in continuous)


def test_sources_of_both_wirings_are_sized_alike() -> None:
    """A swing in volts becomes as many kT/RC of current: the same samples, path by path in law."""
    protocol = mixture_protocol("emf", "clocked", 64)
    swing = 0.5 * protocol.device.scale.voltage
    row = {"swing": {"amplifier_swing": swing}}
    emf, current = (
        th.sensitivity(protocol, row, paths=8192, wirings=(wiring,)).rows[1].quality
        for wiring in ("emf", "current")
    )
    assert emf is not None and current is not None
    assert emf.value > 3 * emf.floor
    assert abs(emf.value - current.value) < 4.0 * (emf.stderr**2 + current.stderr**2) ** 0.5


def test_unknown_keys_are_refused() -> None:
    with pytest.raises(InputError, match="unknown protocol key"):
        th.sensitivity(mixture_protocol("emf", "clocked", 64), {"x": {"speed": 1}}, paths=64)


def test_standard_error_of_w1() -> None:
    """Of shifted samples W1 is the shift, with the error of a mean; by repetition."""
    rng = np.random.default_rng(0)
    samples = [rng.standard_normal(500) + 0.5 for _ in range(200)]
    stated = np.mean([_influence(x, norm.cdf) for x in samples])
    values = np.array([x.mean() for x in samples])  # F_n lies right of F everywhere
    assert abs(values.std() / stated - 1.0) < 4.0 / (2 * len(values)) ** 0.5
    found = line_quality(samples[0], gaussian_mixture([[0.0]], 1.0, [1.0]))
    assert found.value == pytest.approx(values[0], abs=0.01)
    # the floor is an average over 2000 simulated bridges
    assert found.floor == pytest.approx(_bridge() / np.sqrt(500), rel=0.05)


def _bridge() -> float:
    """E int |B(F(x))| dx over 1 for a normal law: sqrt(2/pi) int sqrt(F (1 - F)) dx."""
    x = np.linspace(-8.0, 8.0, 4001)
    f = norm.cdf(x)
    return float(np.sqrt(2.0 / np.pi) * np.trapezoid(np.sqrt(f * (1.0 - f)), x))
