"""Clock map, grids, and the refusal of grids whose held loop is too slow for the data."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from problems import chain, make, mixture_score, rc1, simulate
from scipy.integrate import quad

from thermohw.circuit import relaxation
from thermohw.control import Protocol, make_plan, make_schedule
from thermohw.errors import InputError
from thermohw.noise import Recording
from thermohw.process import OU, VE, VP, Process
from thermohw.score import Score
from thermohw.target import gaussian


def protocol(process: Process, std: float = 0.5, **settings: object) -> Protocol:
    score = gaussian([0.0], std).score(process)
    usual = {"wiring": "emf", "control": "clocked", "ticks": 400}
    return Protocol(rc1(), process, score, **{**usual, **settings})  # type: ignore[arg-type]


def test_durations_of_the_named_processes() -> None:
    """VP(0.1, 20) 5.025 RC; VE(25) 0.5 RC, or 48.46 RC where V0 is the thermal voltage."""
    assert make_plan(protocol(VP(beta_min=0.1, beta_max=20.0))).schedule.duration == pytest.approx(
        5.025, rel=1e-12
    )
    assert make_plan(protocol(VE(sigma=25.0))).schedule.duration == pytest.approx(0.5, rel=1e-12)
    thermal = rc1().scale.voltage
    long = make_plan(protocol(VE(sigma=25.0), volts_per_unit=thermal, ticks=4000))
    assert long.schedule.duration == pytest.approx(0.5 * 96.928250, rel=1e-7)
    assert round(long.schedule.duration, 2) == 48.46
    assert make_plan(protocol(OU(duration=3.0))).schedule.duration == pytest.approx(3.0, rel=1e-14)
    assert long.seconds == pytest.approx(48.464125e-6, rel=1e-7)


def test_default_volts_per_unit() -> None:
    thermal = rc1().scale.voltage
    for process, expected in (
        (OU(3.0), thermal), (VP(), thermal), (VE(25.0), thermal / 96.928250**0.5)
    ):  # fmt: skip
        assert protocol(process).v0 == pytest.approx(expected, rel=1e-8)
    assert protocol(OU(3.0)).theta == 1.0
    assert protocol(VE(25.0)).theta == pytest.approx(96.928250, rel=1e-8)


@pytest.mark.parametrize("process", [OU(2.0), VP(0.3, 7.0), VE(5.0), VP(0.1, 20.0, t_min=1e-3)])
@pytest.mark.parametrize("theta", [0.2, 1.0, 30.0])
def test_clock_map(process: Process, theta: float) -> None:
    """dt_phys = g^2/(2 theta) dt, by numerical quadrature of g^2 between all ticks."""
    schedule = make_schedule(process, theta, 7)
    times = schedule.model_time
    assert times[0] == process.duration and times[-1] == process.t_min
    for n in range(7):
        area = quad(lambda t: float(process.diffusion(t)) / (2 * theta), times[n + 1], times[n])[0]
        assert area == pytest.approx(schedule.durations[n], rel=1e-9)
    assert np.unique(schedule.durations).size == 1
    np.testing.assert_allclose(np.diff(schedule.physical_time), schedule.durations, rtol=1e-11)


def test_relaxation_keeps_the_devices_own_clock() -> None:
    device = chain(hot=True)
    process = relaxation(device, 2.5, volts_per_unit=device.scale.voltage / 4)
    schedule = make_schedule(process, 16.0, 10)
    assert schedule.duration == pytest.approx(2.5, rel=1e-14)
    np.testing.assert_allclose(2.5 - schedule.model_time, schedule.physical_time, atol=1e-15)


@pytest.mark.parametrize(
    "process", [OU(3.0, t_min=0.01), VP(t_min=1e-4), VE(25.0, t_min=1e-5)], ids=["ou", "vp", "ve"]
)
def test_log_snr_grid_is_even(process: Process) -> None:
    schedule = make_schedule(process, 1.0, 50, grid="log-snr")
    levels = [process.log_snr(float(t)) for t in schedule.model_time]
    np.testing.assert_allclose(np.diff(levels), (levels[-1] - levels[0]) / 50, rtol=1e-9)
    assert schedule.model_time[-1] == process.t_min


@pytest.mark.parametrize("process", [OU(3.0), VP(), VE(25.0)], ids=["ou", "vp", "ve"])
@pytest.mark.parametrize("narrowest", [1.0, 2.3e-3])
def test_log_snr_grid_to_zero(process: Process, narrowest: float) -> None:
    """With t_min = 0 it ends where noise/signal is 1e-3 of the narrowest mode, then one tick."""
    schedule = make_schedule(process, 1.0, 40, grid="log-snr", narrowest=narrowest)
    assert schedule.ticks == 40 and schedule.model_time[-1] == 0.0
    decay, noise = process.transition(float(schedule.model_time[-2]))
    assert noise / decay**2 == pytest.approx(1e-3 * narrowest, rel=1e-9)
    levels = [process.log_snr(float(t)) for t in schedule.model_time[:-1]]
    np.testing.assert_allclose(np.diff(levels), (levels[-1] - levels[0]) / 39, rtol=1e-9)
    assert (np.diff(schedule.physical_time) > 0).all()


def test_clock_rate_is_uniform_in_physical_time() -> None:
    """10 MHz over VP on 1 us: 5.025 us, hence 51 ticks of 5.025/51 us."""
    plan = make_plan(protocol(VP(), std=1.0, ticks=None, clock="10 MHz"))
    assert plan.schedule.ticks == 51 and plan.schedule.grid == "uniform"
    assert np.unique(plan.schedule.durations).size == 1


def test_default_grid() -> None:
    """Uniform for a known law, even with an altered score; log-snr for a learned one."""
    exact = protocol(VP()).score
    for score, expected in (
        (exact, "uniform"),
        (exact.scaled(0.95), "uniform"),
        (Learned(), "log-snr"),
    ):
        p = Protocol(rc1(), VP(), score, wiring="emf", control="clocked", ticks=100)
        assert p.chosen_grid == expected


class Learned(Score):
    """A score that knows no law."""

    process, dim, narrowest = VP(), 1, 1.0

    def at(self, t):
        raise NotImplementedError


# -------------------------------------------------------------------------- stability

NARROW = 2.3e-3  # the dequantised digits' narrowest mode, scaled to unit variance


def enough(message: str) -> int:
    found = re.search(r"about (\d+) ticks are enough", message)
    assert found, message
    return int(found.group(1))


def test_ringing_grid_is_refused() -> None:
    """(1 - e^-h)(2/v - 1) < 2 at v = 2.3e-3 asks for h < 2.3e-3: 2,180 uniform ticks over VP. What
    does not ring any more is still too coarse for the mode's width.
    """
    exact = 5.025 / -np.log1p(-2 / (2 / NARROW - 1))
    assert 2150 < exact < 2200
    for ticks, problem in (
        (50, "is unstable"), (int(exact), "is unstable"), (int(exact) + 2, "ticks bias"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=problem) as caught:
            make_plan(protocol(VP(), std=NARROW**0.5, ticks=ticks, grid="uniform"))
        assert caught.value.where == "protocol.ticks"


def test_coarse_grid_is_refused_with_the_number() -> None:
    with pytest.raises(InputError, match="too long for the narrowest mode") as caught:
        make_plan(protocol(VP(), std=NARROW**0.5, ticks=50, grid="uniform"))
    number = enough(str(caught.value))
    plan = make_plan(protocol(VP(), std=NARROW**0.5, ticks=number, grid="uniform"))
    assert 0.29 < plan.bias.worst <= 0.3  # searched to a percent
    with pytest.raises(InputError, match="more than 0.3"):
        make_plan(protocol(VP(), std=NARROW**0.5, ticks=int(0.98 * number), grid="uniform"))


def test_log_snr_grid_needs_few_ticks() -> None:
    with pytest.raises(InputError, match="log-snr") as caught:
        make_plan(protocol(VP(), std=NARROW**0.5, ticks=5, grid="log-snr"))
    number = enough(str(caught.value))
    assert 10 < number < 100
    make_plan(protocol(VP(), std=NARROW**0.5, ticks=number, grid="log-snr"))


def test_loop_of_a_refused_grid_rings_apart() -> None:
    """The rule itself: the law of the data's end, held for the refused time, diverges; allowed
    times do not. Noise is switched off and the held tick of the engine is repeated.
    """
    for ticks, grows in ((2000, True), (2250, False)):
        h = 5.025 / ticks
        factor = 1 - (1 - np.exp(-h)) * (2 / NARROW - 1)
        engine = make(protocol(VP(), std=NARROW**0.5, ticks=4500, grid="uniform"))
        law = engine.plan.laws[4500]
        piece = engine.plan.timeline[0]._replace(duration=h)
        state = torch.ones(1, 1, dtype=torch.float64)
        quiet = Recording(torch.zeros(200, 1, 1, dtype=torch.float64))
        for _ in range(200):
            control = engine.controller.act(state, 0)._replace(source=law.sources(state))
            state = engine.stepper.step(piece, state, control, noise=quiet, act=None).end
        assert float(state) == pytest.approx(factor**200, rel=1e-6)
        assert (abs(float(state)) > 1.0) == grows


def test_refused_grid_smears_the_narrow_mode() -> None:
    """What 50 ticks would do to a run: the mode comes out 81 times too wide. One that is played has
    at most 1.3 times the standard deviation, 4096 paths know its square to 2.2 %.
    """
    wide = protocol(VP(), std=NARROW**0.5, ticks=50, grid="uniform", allow_ringing=True)
    end = simulate(make(wide), 8192).end
    assert float(end.var()) > 50 * NARROW
    fine = protocol(VP(), std=NARROW**0.5, ticks=4250, grid="uniform")
    assert float(simulate(make(fine), 4096).end.var()) < 1.3**2 * (1 + 4 * 0.022) * NARROW


def test_stable_grids_are_not_refused() -> None:
    score = mixture_score()
    for control, stepper in (("clocked", "auto"), ("continuous", "euler"), ("continuous", "heun")):
        make_plan(Protocol(rc1(), score.process, score, wiring="emf", control=control, ticks=64,
                           stepper=stepper))  # fmt: skip


def test_network_grid_is_refused_too() -> None:
    device = chain(hot=True)
    process = relaxation(device, 2.0)
    score = gaussian(np.zeros(8), 0.05).score(process)
    with pytest.raises(InputError, match="too long") as caught:
        make_plan(Protocol(device, process, score, wiring="emf", control="clocked", ticks=16))
    number = enough(str(caught.value))
    make_plan(Protocol(device, process, score, wiring="emf", control="clocked", ticks=number))
