"""Settings that no run can use are refused with one clear line that names the place."""

from __future__ import annotations

import pytest
from problems import chain, mixture_score, rc1

from thermohw.circuit import load_device, relaxation
from thermohw.control import Protocol, make_plan
from thermohw.errors import InputError
from thermohw.process import OU, VP
from thermohw.target import gaussian

CLOCKED = {"wiring": "emf", "control": "clocked", "ticks": 64}
CONTINUOUS = {"wiring": "emf", "control": "continuous", "ticks": 64}

BAD = [
    ({**CLOCKED, "wiring": "series"}, "protocol.wiring", "'emf', 'current'|emf, current"),
    ({**CLOCKED, "control": "held"}, "protocol.control", "continuous, clocked"),
    ({**CLOCKED, "grid": "cosine"}, "protocol.grid", "uniform, log-snr"),
    ({**CONTINUOUS, "stepper": "rk4"}, "protocol.stepper", "splitting"),
    ({**CONTINUOUS, "stepper": "exact"}, "protocol.stepper", "clocked"),
    ({**CLOCKED, "stepper": "heun"}, "protocol.stepper", "exact"),
    ({**CLOCKED, "realisation": "gain"}, "protocol.realisation", "clock"),
    ({**CLOCKED, "filter": "wiener", "reading_noise": "1 uV"}, "protocol.filter", "kalman"),
    ({**CLOCKED, "filter": "kalman"}, "protocol.filter", "reading_noise"),
    ({**CLOCKED, "ticks": None}, "protocol", "either ticks or clock"),
    ({**CLOCKED, "clock": "1 MHz"}, "protocol", "either ticks or clock"),
    (
        {**CLOCKED, "ticks": None, "clock": "1 MHz", "grid": "log-snr"},
        "protocol.clock",
        "equal length",
    ),
    ({**CLOCKED, "ticks": 0}, "protocol.ticks", "whole number >= 1"),
    ({**CLOCKED, "ticks": -5}, "protocol.ticks", "whole number >= 1"),
    ({**CLOCKED, "ticks": 64.0}, "protocol.ticks", "whole number >= 1"),
    ({**CLOCKED, "ticks": "64"}, "protocol.ticks", "whole number >= 1"),
    ({**CLOCKED, "ticks": None, "clock": "0 Hz"}, "protocol.clock", "positive"),
    ({**CLOCKED, "ticks": None, "clock": "3 V"}, "protocol.clock", "Hz"),
    ({**CLOCKED, "ticks": None, "clock": "10"}, "protocol.clock", "Hz"),
    ({**CONTINUOUS, "clock": "1 MHz", "ticks": None}, "protocol.clock", "clocked"),
    ({**CONTINUOUS, "adc_bits": 4, "adc_range": ("-1 mV", "1 mV")}, "protocol.adc_bits", "clocked"),
    ({**CONTINUOUS, "dac_bits": 4, "dac_range": ("-1 mV", "1 mV")}, "protocol.dac_bits", "clocked"),
    ({**CONTINUOUS, "reading_noise": "1 uV"}, "protocol.reading_noise", "clocked"),
    ({**CONTINUOUS, "latency": "1 ns"}, "protocol.latency", "clocked"),
    ({**CLOCKED, "reading_noise": "-1 uV"}, "protocol.reading_noise", "positive"),
    ({**CLOCKED, "reading_noise": "1 us"}, "protocol.reading_noise", "V"),
    ({**CLOCKED, "latency": "-5 ns"}, "protocol.latency", "positive"),
    ({**CLOCKED, "latency": float("nan")}, "protocol.latency", "positive"),
    ({**CLOCKED, "latency": "1 s"}, "protocol.latency", "no value would reach a source"),
    ({**CLOCKED, "volts_per_unit": "0 V"}, "protocol.volts_per_unit", "positive"),
    ({**CLOCKED, "volts_per_unit": "64 s"}, "protocol.volts_per_unit", "V"),
    ({**CLOCKED, "adc_range": ("-1 mV", "1 mV")}, "adc_range", "adc_bits"),
    ({**CLOCKED, "adc_bits": 0, "adc_range": ("-1 mV", "1 mV")}, "converter", "1 to 32"),
    ({**CLOCKED, "adc_bits": 4, "adc_range": ("1 mV", "-1 mV")}, "protocol.adc_range",
     "'1 mV', '-1 mV'.*low < high"),
    ({**CLOCKED, "dac_bits": 4, "dac_range": ("1 mA", "2 mA")}, "dac_range", "V"),
    ({**CLOCKED, "wiring": "current", "dac_bits": 4, "dac_range": ("-1 V", "1 V")}, "dac_range",
     "A"),
]  # fmt: skip


@pytest.mark.parametrize("settings, where, said", BAD)
def test_bad_settings(settings: dict[str, object], where: str, said: str) -> None:
    score = mixture_score()
    with pytest.raises(InputError, match=said) as caught:
        make_plan(Protocol(rc1(), score.process, score, **settings))  # type: ignore[arg-type]
    assert where in str(caught.value)
    assert "\n" not in str(caught.value)


def test_dimensions_must_fit() -> None:
    score = mixture_score()
    with pytest.raises(InputError, match="1 dimensions.*8 nodes"):
        Protocol(chain(hot=True), score.process, score, **CLOCKED)  # type: ignore[arg-type]


def test_coupled_device_needs_its_own_process() -> None:
    process = VP()
    score = gaussian([0.0] * 8, 0.5).score(process)
    with pytest.raises(InputError, match="relaxation"):
        make_plan(Protocol(chain(hot=True), process, score, **CLOCKED))  # type: ignore[arg-type]


def test_process_of_another_device() -> None:
    """A relaxation process belongs to its device, its temperatures and its volts per unit."""
    cold = relaxation(chain(hot=False), 2.0)
    score = gaussian([0.0] * 8, 0.5).score(cold)
    with pytest.raises(InputError, match="another device"):
        make_plan(Protocol(chain(hot=True), cold, score, **CLOCKED))  # type: ignore[arg-type]
    make_plan(Protocol(chain(hot=False), cold, score, **CLOCKED))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="volts_per_unit"):
        make_plan(Protocol(chain(hot=False), cold, score, **CLOCKED,  # type: ignore[arg-type]
                           volts_per_unit="10 uV"))  # fmt: skip


def test_hot_node_breaks_an_isotropic_process() -> None:
    """Equal noise on every node is what an isotropic process means: 2 % off is refused."""
    device = load_device("rc1", {"r0.temperature": "306 K"})
    score = mixture_score()
    make_plan(Protocol(device, score.process, score, **CLOCKED))  # type: ignore[arg-type]
    from problems import unequal_nodes

    three = gaussian([0.0] * 3, 0.5).score(OU(3.0))
    with pytest.raises(InputError, match="equal, independent noise"):
        make_plan(Protocol(unequal_nodes(), OU(3.0), three, **CLOCKED))  # type: ignore[arg-type]


def test_emf_needs_a_source_at_every_node() -> None:
    """Without controlled sources only currents can drive the nodes."""
    from dataclasses import replace

    device = replace(rc1(), controlled=())
    score = mixture_score()
    with pytest.raises(InputError, match="wiring = 'current'"):
        make_plan(Protocol(device, score.process, score, **CLOCKED))  # type: ignore[arg-type]
    make_plan(Protocol(device, score.process, score, wiring="current", control="clocked", ticks=64))
