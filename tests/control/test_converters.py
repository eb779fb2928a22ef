"""Mid-tread quantisers: where the codes are, what is clipped, and the noise they add."""

from __future__ import annotations

import pytest
import torch
from problems import make, mixture_protocol, rc1, simulate

from thermohw.control import Converter, make_plan
from thermohw.errors import InputError

F64 = torch.float64


def test_codes_of_three_bits() -> None:
    """Eight codes -4 .. 3 in units of the LSB; the middle of the range is one of them."""
    adc = Converter(3, -4.0, 4.0)
    assert adc.lsb == 1.0
    x = torch.tensor([-9.0, -4.4, -0.49, 0.0, 0.49, 0.51, 2.4, 3.4, 3.6, 50.0], dtype=F64)
    want = torch.tensor([-4.0, -4.0, 0.0, 0.0, 0.0, 1.0, 2.0, 3.0, 3.0, 3.0], dtype=F64)
    assert torch.equal(adc(x), want)
    assert adc.clipped(x).tolist() == [True, False, False, False, False, False, False, False, True,
                                       True]  # fmt: skip


def test_codes_are_fixed_points_and_quiet_stays_quiet() -> None:
    dac = Converter(5, -0.3, 0.9)
    codes = 0.3 + dac.lsb * torch.arange(-16, 16, dtype=F64)
    torch.testing.assert_close(dac(codes), codes, rtol=0, atol=1e-15)
    assert float(dac(torch.tensor(0.3, dtype=F64))) == pytest.approx(0.3, abs=1e-16)
    assert float(dac(torch.tensor(0.3 + 0.49 * dac.lsb, dtype=F64))) == pytest.approx(0.3)


def test_error_is_uniform_noise() -> None:
    """On a fine grid inside the range the error has mean 0 and mean square LSB^2/12 exactly."""
    adc = Converter(4, -1.0, 1.0)
    x = torch.linspace(-0.9375, 0.8125, 14 * 1000 + 1, dtype=F64)[:-1] + 0.0625 / 1000
    error = adc(x) - x
    assert float(error.abs().max()) <= 0.5 * adc.lsb * (1 + 1e-12)
    assert float(error.square().mean()) == pytest.approx(adc.lsb**2 / 12, rel=1e-5)


def test_dtype_is_kept() -> None:
    assert Converter(8, -1.0, 1.0)(torch.zeros(3)).dtype == torch.float32


@pytest.mark.parametrize("bits, low, high", [(0, -1, 1), (33, -1, 1), (8, 1, 1), (8, 2, -2)])
def test_refused(bits: int, low: float, high: float) -> None:
    with pytest.raises(InputError):
        Converter(bits, low, high)


def test_ranges_are_volts_or_amperes() -> None:
    volt, ampere = rc1().scale.voltage, rc1().scale.current
    plan = make_plan(
        mixture_protocol(
            "emf",
            "clocked",
            64,
            adc_bits=6,
            dac_bits=7,
            adc_range=("-1 mV", "1 mV"),
            dac_range=("-2 mV", "2 mV"),
        )
    )
    assert plan.adc is not None and plan.dac is not None and not plan.ideal
    assert plan.adc.high == pytest.approx(1e-3 / volt) and plan.dac.low == pytest.approx(
        -2e-3 / volt
    )
    plan = make_plan(mixture_protocol("current", "clocked", 64, dac_bits=7,
                                      dac_range=("-2 nA", "2 nA")))  # fmt: skip
    assert plan.dac is not None and plan.dac.high == pytest.approx(2e-9 / ampere)


def test_sources_of_a_run_are_codes() -> None:
    """A 3-bit DAC: every source value that acts is one of eight; the ADC rounds the readings."""
    engine = make(mixture_protocol("emf", "clocked", 64, dac_bits=3, adc_bits=4,
                                   adc_range=(-3e-4, 3e-4), dac_range=(-4e-4, 4e-4)))  # fmt: skip
    seen: list[torch.Tensor] = []

    class Watch:
        name = "watch"
        sums = False

        def init(self, state: torch.Tensor) -> dict[str, torch.Tensor]:
            return {}

        def update(self, carry: object, step: object) -> None:
            control = step.control  # type: ignore[attr-defined]
            seen.append(control.source.clone())
            assert engine.plan.adc is not None
            assert torch.equal(engine.plan.adc(step.start), control.reading)  # type: ignore[attr-defined]

        def result(self, carry: object, state: torch.Tensor) -> dict[str, torch.Tensor]:
            return {}

    engine.observers = (*engine.observers, Watch())
    simulate(engine, 4096)
    assert len(seen) == 64
    assert engine.plan.dac is not None
    codes = torch.unique((torch.stack(seen) / engine.plan.dac.lsb).round(decimals=9))
    assert set(codes.tolist()) <= set(range(-4, 4)) and len(codes) >= 5
