"""Every stage of the chain alone, against a closed form; switched off, nothing has changed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from problems import mixture_protocol, rc1, unequal_nodes

from thermohw import simulate
from thermohw.circuit import load_device
from thermohw.control import Converter, Protocol, make_plan
from thermohw.control.chain import (
    ADC,
    DAC,
    ORDER,
    STAGES,
    NodeErrors,
    OutputAmplifier,
    ScoreErrors,
    Sense,
    code_curve,
)
from thermohw.errors import InputError
from thermohw.integrate import Tile, make_engine
from thermohw.noise import Recording
from thermohw.process import OU
from thermohw.target import gaussian

F64 = torch.float64

# One imperfection of every stage.
EXAMPLES: dict[str, dict[str, Any]] = {
    "sense": {"sense_offset": "3 uV", "sense_gain": 1.02, "reading_noise": "5 uV"},
    "adc": {"adc_bits": 5, "adc_enob": 4.2, "adc_jitter": "1 ns"},
    "delay": {"latency": "30 ns"},
    "score": {"control_gain": 0.9, "score_noise": 0.1},
    "dac": {"dac_bits": 6, "dac_inl": 0.5, "dac_dnl": 0.2, "dac_settling": "10 ns"},
    "hold": {"hold_droop": "1 us"},
    "amplifier": {"amplifier_pole": "5 MHz", "amplifier_swing": "200 uV", "amplifier_gain": 100},
    "node": {"node_resistance": 1.1, "node_temperature": [1.05]},
}


def test_the_order_is_declared() -> None:
    assert ORDER == ("sense", "adc", "delay", "score", "dac", "hold", "amplifier", "node")
    assert set(EXAMPLES) == set(ORDER)


@pytest.mark.parametrize("stage", ORDER)
def test_ideal_switches_one_stage_off(stage: str) -> None:
    """Bit for bit the plain protocol; and switched on it is another run."""
    plain = mixture_protocol("emf", "clocked", 32)
    worse = replace(plain, **EXAMPLES[stage])
    assert worse.imperfect == (stage,)
    runs = [simulate(p, paths=64, seed=3).channels for p in (plain, worse.ideal(stage), worse)]
    for name, values in runs[0].items():
        assert np.array_equal(values, runs[1][name]), name
    assert not np.array_equal(runs[0]["voltage.end"], runs[2]["voltage.end"])


def test_ideal_switches_all_off_or_just_one() -> None:
    plain = mixture_protocol("emf", "clocked", 32)
    worse = replace(plain, **{k: v for keys in EXAMPLES.values() for k, v in keys.items()})
    assert worse.imperfect == ORDER
    assert worse.ideal("hold", "node").imperfect == tuple(
        name for name in ORDER if name not in ("hold", "node")
    )
    assert worse.ideal().imperfect == ()
    assert make_plan(worse.ideal()).nominal and not make_plan(worse).nominal
    with pytest.raises(InputError, match="expected one of sense"):
        worse.ideal("plug")


def test_stages_own_distinct_keys() -> None:
    keys = [key for names in STAGES.values() for key in names]
    assert len(keys) == len(set(keys))


# --------------------------------------------------------------------- each stage on its own


def test_sense_and_its_inverse() -> None:
    sense = Sense(offset=(0.1, -0.2), gain=1.5)
    v = torch.tensor([[1.0, 2.0]], dtype=F64)
    torch.testing.assert_close(sense(v), torch.tensor([[1.6, 2.8]], dtype=F64))
    torch.testing.assert_close(sense.undo(sense(v)), v)


def test_enob_is_the_noise_of_a_shorter_converter() -> None:
    """Codes and noise together have the mean square error of ENOB bits, LSB^2/12 4^(B - ENOB)."""
    adc = ADC(Converter(6, -1.0, 1.0), enob=4.5)
    generator = torch.Generator().manual_seed(0)
    n = 200_000
    x = 1.6 * torch.rand(n, dtype=F64, generator=generator) - 0.8
    noise = torch.randn(n, dtype=F64, generator=generator)
    square = (adc(x + adc.noise * noise) - x).square()
    want = (2.0 / 2**4.5) ** 2 / 12.0
    assert abs(float(square.mean()) - want) < 4.0 * float(square.std()) / n**0.5


def test_jitter_reads_a_diffusing_node_elsewhere() -> None:
    """E (v(s + delta) - v(s))^2 = 2 D E|delta| for delta of deviation sigma_t."""
    adc = ADC(jitter=0.01, diffusion=2.0)
    rng = np.random.default_rng(0)
    late = np.abs(0.01 * rng.standard_normal(100_000))
    square = 2.0 * late * rng.standard_normal(100_000) ** 2  # a Brownian path that long
    error = square.std() / len(square) ** 0.5
    assert abs(square.mean() - adc.noise**2) < 4.0 * error


def test_curve_of_a_converter() -> None:
    """Ends tied, a bow of the asked height, steps of the asked deviation; fixed by its seed."""
    bow = code_curve(8, 0.7, 0.0, 0)
    assert bow[0] == bow[-1] == 0.0 and bow.max() == pytest.approx(0.7, abs=1e-4)
    steps = np.diff(code_curve(14, 0.0, 0.25, 1))
    n = len(steps)
    assert abs(code_curve(14, 0.0, 0.25, 1)[-1]) < 1e-9
    assert abs(steps.std() / 0.25 - 1.0) < 4.0 / (2 * n) ** 0.5
    assert np.array_equal(code_curve(6, 0.1, 0.2, 5), code_curve(6, 0.1, 0.2, 5))
    assert not np.array_equal(code_curve(6, 0.1, 0.2, 5), code_curve(6, 0.1, 0.2, 6))


def test_dac_puts_codes_on_the_curve() -> None:
    converter = Converter(3, -4.0, 4.0)
    dac = DAC(converter, inl=0.5)
    x = torch.arange(-4.0, 4.0, dtype=F64)
    want = x + torch.tensor(code_curve(3, 0.5, 0.0, 0))
    torch.testing.assert_close(dac(x), want)


def test_amplifier_saturates_and_errs() -> None:
    c = torch.tensor([-9.0, 0.5, 9.0], dtype=F64)
    hard, soft = OutputAmplifier(swing=2.0), OutputAmplifier(swing=2.0, smooth=True)
    assert hard(c).tolist() == [-2.0, 0.5, 2.0]
    torch.testing.assert_close(soft(c), 2.0 * torch.tanh(c / 2.0))
    assert float(OutputAmplifier(offset=0.5, gain=9.0)(c)[1]) == pytest.approx(0.9)


def test_order_matters() -> None:
    """An offset before the converter is rounded, behind it it is not; clipping before codes or
    codes before clipping differ, and the chain has the declared order."""
    sense, adc = Sense(offset=0.3), ADC(Converter(3, -4.0, 4.0))
    v = torch.tensor([[0.4]], dtype=F64)
    assert float(adc(sense(v))) == 1.0 and float(sense(adc(v))) == pytest.approx(0.3)
    dac, amplifier = DAC(Converter(3, -4.0, 4.0)), OutputAmplifier(swing=1.4)
    c = torch.tensor([[2.6]], dtype=F64)
    assert float(amplifier(dac(c))) == 1.4 and float(dac(amplifier(c))) == 1.0
    volt = rc1().scale.voltage
    plan = make_plan(
        mixture_protocol("emf", "clocked", 32, dac_bits=3, dac_range=(-4 * volt, 4 * volt),
                         amplifier_swing=1.4 * volt)
    )  # fmt: skip
    assert float(plan.chain.amplifier(plan.chain.dac(c))) == pytest.approx(1.4)


def test_gain_by_source() -> None:
    c = torch.tensor([[1.0, 1.0]], dtype=F64)
    assert ScoreErrors(gain=(0.9, 1.2))(c).tolist() == [[0.9, 1.2]]


# --------------------------------------------------------------------- whole loops


def _noiseless(protocol: Protocol, start: float) -> float:
    """End voltage of a path without noise: the mean of a linear loop."""
    engine = make_engine(protocol, dtype=F64)
    width = engine.stepper.normals + engine.controller.normals
    ticks = engine.plan.schedule.ticks
    noise = Recording(torch.zeros(ticks, 1, width, dtype=F64))
    run = engine.open(Tile(0, 1), noise=noise, state=torch.tensor([[start]], dtype=F64))
    run.advance(ticks)
    return float(run.state)


def test_offset_and_gains_move_the_mean_as_a_linear_loop_says() -> None:
    """Data N(0, 0.25): u = k_n (g v + b), v' = phi v + (1 - phi) u; kept as a recursion."""
    process = OU(duration=2.0)
    score, volt = gaussian([0.0], 0.5).score(process), rc1().scale.voltage
    ticks, g, b, gain, c = 100, 1.03, 0.2, 0.9, 0.05
    keys: dict[str, Any] = {"sense_gain": g, "sense_offset": b * volt, "control_gain": gain}
    keys["amplifier_offset"] = c * volt
    protocol = Protocol(rc1(), process, score, wiring="emf", control="clocked", ticks=ticks, **keys)
    v, h = 0.7, 2.0 / ticks
    for n in range(ticks):
        t = 2.0 - n * h
        k = 2.0 - 2.0 / (0.25 * np.exp(-2.0 * t) + 1.0 - np.exp(-2.0 * t))
        v = np.exp(-h) * v + (1.0 - np.exp(-h)) * (gain * k * (g * v + b) + c)
    assert _noiseless(protocol, 0.7) == pytest.approx(v, abs=1e-12)


def test_latency_is_a_pure_delay_of_the_whole_control() -> None:
    """Five ticks late: the value of tick n - 5, reading and model time together."""
    process = OU(duration=2.0)
    score, tau = gaussian([0.0], 0.5).score(process), rc1().scale.time
    ticks, late = 100, 5
    h = 2.0 / ticks
    protocol = Protocol(rc1(), process, score, wiring="emf", control="clocked", ticks=ticks,
                        latency=late * h * tau)  # fmt: skip
    v, line = 0.7, [0.0] * late
    for n in range(ticks):
        t = 2.0 - n * h
        line.append((2.0 - 2.0 / (0.25 * np.exp(-2.0 * t) + 1.0 - np.exp(-2.0 * t))) * v)
        v = np.exp(-h) * v + (1.0 - np.exp(-h)) * line.pop(0)
    assert _noiseless(protocol, 0.7) == pytest.approx(v, abs=1e-9)


def test_reading_noise_behind_a_gain_is_smaller_noise() -> None:
    """The information of a reading a v + noise is that of v + noise/a, node by node."""
    one = mixture_protocol("emf", "clocked", 16, reading_noise="20 uV", sense_gain=2.0)
    two = mixture_protocol("emf", "clocked", 16, reading_noise="10 uV")
    filters = [make_engine(p).controller.filter for p in (one, two)]
    sums = [sum(r.information for r in f.readings) for f in filters if f is not None]
    assert sums[0] == pytest.approx(sums[1], rel=1e-12)


# --------------------------------------------------------------------- the node


def test_board_of_factors() -> None:
    device = load_device("rc8-chain")
    board = NodeErrors(resistance=2.0, capacitance=1.5, temperature=1.1).board(device)
    np.testing.assert_allclose(board.capacitance, 1.5 * device.capacitance, atol=1e-12)
    np.testing.assert_allclose(board.drift_matrix, device.drift_matrix / 3.0, atol=1e-12)
    np.testing.assert_allclose(
        board.stationary_covariance, 1.65 * device.stationary_covariance, atol=1e-12
    )
    assert NodeErrors().board(device) is device


def test_a_leak_at_one_temperature_leaves_kt_over_c() -> None:
    device = unequal_nodes()
    device = replace(device, temperatures=np.ones(3))
    board = NodeErrors(leakage=0.2).board(device)
    assert board.elements[-1] == "c.leak" and not board.uncoupled
    np.testing.assert_allclose(board.stationary_covariance, device.capacitance, atol=1e-12)
    np.testing.assert_allclose(
        np.diag(board.drift_matrix), (device.coefficients + 0.2) * np.diag(device.hessian)
    )


def test_the_controller_believes_in_the_datasheet() -> None:
    """A colder bath: same control law, other noise, books at the bath's own temperature."""
    protocol = mixture_protocol("emf", "continuous", 64, node_temperature=0.5)
    plans = make_plan(protocol), make_plan(protocol.ideal())
    assert plans[0].drive.state == plans[1].drive.state
    assert plans[0].drive.score == plans[1].drive.score
    assert protocol.board.temperatures[0] == 0.5 and protocol.device.temperatures[0] == 1.0


# --------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    "keys, match",
    [
        ({"adc_enob": 4.0}, "needs adc_bits"),
        ({"adc_bits": 4, "adc_enob": 5.0}, "at most 4"),
        ({"dac_inl": 0.5}, "needs dac_bits"),
        ({"amplifier_shape": "tanh"}, "needs amplifier_swing"),
        ({"amplifier_swing": "1 mV", "amplifier_shape": "round"}, "'hard' or 'tanh'"),
        ({"node_resistance": -1.0}, "positive"),
        ({"node_resistance": [1.0, 1.1]}, "expected 1, one each"),
        ({"sense_offset": "3 mA"}, "sense_offset"),
        ({"reading_noise": "1 uV", "filter": "kalman", "sense_gain": 1.1}, "kalman"),
    ],
)
def test_refused(keys: dict[str, Any], match: str) -> None:
    with pytest.raises(InputError, match=match):
        make_plan(mixture_protocol("emf", "clocked", 32, **keys))


def test_continuous_control_has_no_ticks_to_err_at() -> None:
    with pytest.raises(InputError, match="needs control = 'clocked'"):
        mixture_protocol("emf", "continuous", 32, hold_droop="1 us")


def test_a_ringing_grid_only_on_request() -> None:
    with pytest.raises(InputError, match="unstable"):
        make_plan(mixture_protocol("emf", "clocked", 4))
    assert make_plan(mixture_protocol("emf", "clocked", 4, allow_ringing=True)).schedule.ticks == 4
