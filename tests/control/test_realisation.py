r"""How g(t) is made: one process, four ways, the same law and nats, other joules and seconds.

The reference: a Gaussian of variance v_0 under VE with v(t) = v_0 r^t, r = 4 over t in [0, 1], i.e.
g^2 = v ln r and an exact score -x/v. Continuous emf heat in nats is ln r at every realisation; with
a temperature that follows g^2 it is, per k T_max,

    int (g^2/g_max^2) g^2 E s^2 dt = 1 - 1/r = 0.75        against ln 4 = 1.386294.

Closed linear loops are propagated exactly (`problems.linear_run`); what is left is the step.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from acceptance import assert_order
from problems import linear_run, make, rc1

from thermohw.books import Ledger, Peaks
from thermohw.control import Protocol, datasheet_limits, make_plan
from thermohw.control.realisation import describe_realisation, hottest, injected_work
from thermohw.errors import InputError
from thermohw.process import OU, VE, VP
from thermohw.target import gaussian
from thermohw.units import K_B

RATIO = 4.0
REALISATIONS = ("clock", "resistance", "temperature", "injected")


def quadruple(realisation: str, ticks: int = 200, **settings: Any) -> Protocol:
    """v(t) = v_0 4^t: the VE noise (sigma^2t - 1)/(2 ln sigma) on top of v_0 = 1/(2 ln sigma)."""
    process = VE(sigma=RATIO**0.5)
    score = gaussian([0.0], (2.0 * np.log(process.sigma)) ** -0.5).score(process)
    chosen: dict[str, Any] = {"wiring": "emf", "control": "continuous", "grid": "uniform"}
    chosen |= settings
    if realisation == "injected":
        chosen = {"injected_bandwidth": "1 GHz"} | chosen
    return Protocol(rc1(), process, score, ticks=ticks, realisation=realisation, **chosen)


def books(protocol: Protocol) -> dict[str, float]:
    """Exact mean heat (k T_ref), heat per T (nats), and end variance in model units."""
    engine = make(protocol)
    engine.observers = (Ledger(protocol.device, protocol.wiring, varying=True),)

    def booked(results: dict[str, dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
        ledger = results["ledger"]
        return {"heat": ledger["heat"].sum(1), "nats": ledger["medium"]}

    found = linear_run(engine, booked)
    variance = float(found.covariance[0, 0]) * protocol.theta
    return {"variance": variance, **{k: float(v) for k, v in found.booked.items()}}


@pytest.mark.parametrize("realisation", REALISATIONS)
def test_nats_are_shared_and_joules_are_not(realisation: str) -> None:
    """Continuous emf: ln 4 nats for all; 0.75 k T_max where T follows g^2. Second order in h."""
    errors: dict[str, list[float]] = {"heat": [], "nats": [], "variance": []}
    steps = (50, 100, 200)
    exact = {"nats": np.log(RATIO), "variance": 0.5 / np.log(RATIO**0.5)}
    for ticks in steps:
        protocol = quadruple(realisation, ticks)
        found = books(protocol)
        top = 1.0
        if realisation in ("temperature", "injected"):
            pace = make_plan(protocol).schedule.duration  # per model time
            top = float(protocol.process.diffusion(1.0)) / (2.0 * protocol.theta * pace)
        exact["heat"] = top * (1.0 - 1.0 / RATIO if top != 1.0 else np.log(RATIO))
        for name in errors:
            errors[name].append(abs(found[name] - exact[name]))
    for name, values in errors.items():
        assert_order(np.array(values), 1.0 / np.array(steps), 2.0, tolerance=0.15)
        assert values[-1] < 2e-3, (name, values)


@pytest.mark.parametrize("wiring", ["emf", "current"])
def test_resistance_is_the_clock_in_other_seconds(wiring: str) -> None:
    """On ticks that end at the same model times R(t) gives the clock's very numbers, held too."""
    for control in ("continuous", "clocked"):
        settings = {"wiring": wiring, "control": control, "grid": "log-snr"}
        one, other = (books(quadruple(r, 64, **settings)) for r in ("clock", "resistance"))
        for name, value in one.items():
            assert other[name] == pytest.approx(value, rel=1e-12), (control, name)
    plan = make_plan(quadruple("resistance", 64, run_time="2 us"))
    assert plan.seconds == pytest.approx(2e-6, rel=1e-12)
    # int dt/R is fixed by the process: 0.5 R C of its own for VE at its default V0
    assert float(plan.schedule.relaxations.sum()) == pytest.approx(0.5, rel=1e-12)
    assert float(plan.schedule.conductances @ plan.schedule.durations) == pytest.approx(0.5)


@pytest.mark.parametrize("realisation", ["temperature", "injected"])
def test_held_ticks_share_the_law_in_the_limit(realisation: str) -> None:
    """A held source against a leak that T does not scale: the same law up to the tick's length."""
    errors = []
    for ticks in (100, 200, 400):
        clock = books(quadruple("clock", ticks, control="clocked"))
        errors.append(abs(books(quadruple(realisation, ticks, control="clocked"))["variance"]
                          - clock["variance"]))  # fmt: skip
    assert_order(np.array(errors), 1.0 / np.array([100, 200, 400]), 1.0, tolerance=0.1)


def test_first_law_and_peaks_in_varying_circuits() -> None:
    """Books close to round-off; the current through a varying R is that of the R in force."""
    for realisation in REALISATIONS:
        protocol = quadruple(realisation, 64, control="clocked")
        engine = make(protocol, Peaks(protocol.device))
        run = engine.open(_tile())
        run.advance(64)
        results = run.results()
        assert float(results["ledger"]["first_law.residual"].abs().max()) < 1e-12
        peaks = results["peaks"]["peaks"]
        limits = datasheet_limits(engine.plan, dict(zip(
            ("voltage", "source", "current", "rate"), map(float, peaks), strict=True)))  # fmt: skip
        assert all(np.isfinite(row.needed) for row in limits)
    slow, fast = (
        _peak_current(quadruple("resistance", 64, control="clocked", run_time=t))
        for t in ("1 us", "0.5 us")
    )
    assert fast == pytest.approx(2.0 * slow, rel=1e-9)


def _tile() -> Any:
    from thermohw.integrate import Tile

    return Tile(0, 512)


def _peak_current(protocol: Protocol) -> float:
    engine = make(protocol, Peaks(protocol.device))
    run = engine.open(_tile())
    run.advance(64)
    return float(run.results()["peaks"]["peaks"][2])


def test_injected_noise_is_charged() -> None:
    """n int k (T - T_0) (4 a B - 1/(R C)) dt, and the run whose coldest moment is the bath's."""
    protocol = quadruple("injected", 400, injected_bandwidth="100 MHz", injected_shape="staircase")
    plan = make_plan(protocol)
    schedule = plan.schedule
    assert float(schedule.temperatures.min()) == pytest.approx(1.0, abs=2e-3)
    assert float(schedule.temperatures.max()) == pytest.approx(RATIO, rel=2e-3)
    # mean of g^2/g_min^2 - 1 over even time is (r - 1)/ln r - 1
    excess = (RATIO - 1.0) / np.log(RATIO) - 1.0
    work = injected_work(plan)
    exact = excess * schedule.duration * (4.0 * 0.5 * 100.0 - 1.0)  # B R C = 100
    assert work == pytest.approx(exact, rel=1e-9)
    assert injected_work(make_plan(quadruple("temperature"))) is None


def test_absurd_temperatures_are_shown() -> None:
    """100 mV on 1 pF in five microseconds of OU: C V0^2/k = 7.243e8 K, in the plan's own words."""
    process = OU(duration=5.0)
    score = gaussian([0.0], 1.0).score(process)
    plan = make_plan(Protocol(
        rc1(), process, score, wiring="emf", control="continuous", ticks=64,
        realisation="temperature", run_time="5 us", volts_per_unit="100 mV"))  # fmt: skip
    assert hottest(plan) == pytest.approx(1e-12 * 0.1**2 / K_B, rel=1e-9)
    assert "7.243e+08 K" in describe_realisation(plan)


@pytest.mark.parametrize("settings, where, words", [
    ({"realisation": "injected"}, "injected_bandwidth", "infinite"),
    ({"realisation": "injected", "injected_bandwidth": "1 kHz"}, "injected_bandwidth", "white"),
    ({"realisation": "injected", "injected_bandwidth": "1 GHz", "injected_shape": "pink"},
     "injected_shape", "one-pole"),
    ({"injected_bandwidth": "1 GHz"}, "injected_bandwidth", "needs realisation"),
    ({"run_time": "1 us"}, "run_time", "clock"),
    ({"realisation": "temperature", "reading_noise": "1 uV"}, "reading_noise", "one temperature"),
    ({"realisation": "resistance", "wiring": "current", "dac_bits": 8}, "dac_bits", "1/R"),
])  # fmt: skip
def test_refusals(settings: dict[str, Any], where: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        score = gaussian([0.0], 1.0).score(VP())
        chosen: dict[str, Any] = {"wiring": "emf", "control": "clocked", "ticks": 64} | settings
        Protocol(rc1(), score.process, score, **chosen)
    assert f"protocol.{where}" in str(caught.value)


def test_netlists_know_the_clock_only() -> None:
    from thermohw.spice.paths import chosen_path
    from thermohw.spice.statistics import ensemble_deck

    for refuse in (chosen_path, lambda one: ensemble_deck(one, 1)):
        with pytest.raises(InputError, match="fixed R and T"):
            refuse(quadruple("temperature", 64))


def test_injected_noise_cannot_cool() -> None:
    """VP's beta rises 200-fold: a run as long as the clock's would have to cool the bath."""
    process = VP()
    score = gaussian([0.0], 1.0).score(process)
    settings: dict[str, Any] = {
        "wiring": "emf", "control": "clocked", "ticks": 64, "injected_bandwidth": "1 GHz"
    }  # fmt: skip
    with pytest.raises(InputError, match="cannot cool"):
        make_plan(Protocol(rc1(), process, score, realisation="injected", run_time="5 us",
                           **settings))  # fmt: skip


def test_coupled_devices_are_refused() -> None:
    from thermohw.circuit import load_device, relaxation

    device = load_device("rc8-chain")
    process = relaxation(device, 3.0)
    score = gaussian(np.zeros(8), 1.0).score(process)
    with pytest.raises(InputError, match="realisation = 'clock'"):
        Protocol(device, process, score, wiring="emf", control="clocked", ticks=32,
                 realisation="resistance")  # fmt: skip
