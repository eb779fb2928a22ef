"""Twins share their noise and nothing else: the law of each is its own, differences are sharp."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import thermohw as th
from thermohw.control import halved, make_plan
from thermohw.control.bias import bias_of
from thermohw.control.plan import _arrays
from thermohw.estimate import Estimate
from thermohw.integrate import make_engine, play_twins
from thermohw.integrate.twins import _merged

PATHS = 2048


def protocol(device="rc1", std=0.5, **settings):
    target = th.targets.gaussian([0.0], [std])
    process = th.OU(3.0)
    options = {"wiring": "emf", "control": "clocked", "ticks": 64} | settings
    return th.Protocol(th.load_device(device), process, target.score(process), **options)


def ends(engines, paths=PATHS):
    return [run.state.double().numpy() for _, run in play_twins(engines, paths)]


def engine(settings, half=False, **options):
    plan = make_plan(settings)
    return make_engine(settings, plan=halved(plan) if half else plan, **options)


def variances(plan, std=0.5):
    """Variance of a Gaussian mode tick by tick, by hand: x' = (phi - (1 - phi)(2/V - 1)) x + noise;
    held emf e = x + 2 s + ... gives b = x + 2 s for OU at theta = 1, s = -x/V."""
    value = 1.0 + (std**2 - 1.0) * np.exp(-2.0 * 3.0)
    for t, h in zip(plan.schedule.model_time[:-1], plan.schedule.durations, strict=True):
        v = 1.0 + (std**2 - 1.0) * np.exp(-2.0 * t)
        phi = np.exp(-h)
        factor = phi + (1.0 - phi) * 2.0 * (1.0 - 1.0 / v)
        value = factor**2 * value + 1.0 - phi**2
    return value


@pytest.mark.parametrize("blocks, count", [(2, 1), (4, 2), (4, 3), (5, 2), (3, 3)])
def test_merged_blocks_are_standard_and_independent(blocks, count):
    n = 20_000
    rows = [torch.randn(n, 2, generator=torch.Generator().manual_seed(i)) for i in range(blocks)]
    merged = torch.cat(_merged(rows, count), 1).numpy()
    assert merged.shape == (n, 2 * count)
    covariance = merged.T @ merged / n  # every entry has a standard error of sqrt(2/n) or sqrt(1/n)
    assert np.abs(covariance - np.eye(2 * count)).max() < 4.5 * (2.0 / n) ** 0.5


def test_equal_twins_are_equal():
    first, second = ends([engine(protocol()), engine(protocol())], 64)
    assert np.array_equal(first, second)


def test_bias_of_a_tick_is_that_of_the_closed_form():
    """Differences of x^2 between n and 2n ticks, pair by pair, against the recursion by hand; the
    pairs tell it at least three times more sharply than independent paths would."""
    coarse, fine = engine(protocol()), engine(protocol(), half=True)
    x, y = (state[:, 0] for state in ends([coarse, fine]))
    gap = Estimate.paired(x**2, y**2)
    exact = variances(coarse.plan) - variances(fine.plan)
    assert abs(gap.z(exact)) < 4.0
    apart = Estimate.from_paths(x**2) - Estimate.from_paths(y**2)
    assert gap.stderr < apart.stderr / 3.0
    assert exact > 4.0 * gap.stderr  # a twin that ignored the halving would fail


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"wiring": "current"},
        {"control": "continuous", "stepper": "euler"},
        {"control": "continuous", "stepper": "heun"},
        {"control": "continuous", "stepper": "splitting"},
        {"reading_noise": "20 uV"},
        {"latency": "5 ns"},
        {"amplifier_pole": "20 MHz"},
    ],
    ids=str,
)
def test_every_twin_has_its_own_law(settings):
    """Each against an ordinary run of its own plan: means of x and x^2 within four standard errors
    of independent samples; and the pair is closer than strangers are."""
    made = [engine(protocol(**settings), half=half) for half in (False, True)]
    twins = ends(made)
    for one, state in zip(made, twins, strict=True):
        alone = one.open(_tile())
        alone.advance(one.plan.schedule.ticks)
        other = alone.state.double().numpy()
        for power in (1, 2):
            gap = Estimate.from_paths(state[:, 0] ** power) - Estimate.from_paths(
                other[:, 0] ** power
            )
            assert abs(gap.z()) < 4.0
    x, y = (state[:, 0] for state in twins)
    assert np.corrcoef(x, y)[0, 1] > 0.5


def _tile():
    from thermohw.integrate import tiles

    return tiles(4096)[0]


@pytest.mark.parametrize("stepper", ["exact", "euler", "heun", "splitting"])
@pytest.mark.parametrize("realisation", ["clock", "resistance", "temperature", "injected"])
def test_halving_against_the_derived_law(realisation, stepper):
    """R(t), T(t) and injected noise, halved: what the pairs say of mean and spread is what the two
    derived laws say, and half a bias of first order is left (a quarter of second order).

    A bias b h^p (1 + c h) leaves 2^-p (1 + c h/2)/(1 + c h) of itself, |c h| being at most the tick
    times the loop's rate, 2/v - 1 = 7 at v = 1/4: within 2^-p (eps/2)/(1 - eps) of 2^-p."""
    target = th.targets.gaussian([1.0], [0.5])
    process = th.OU(1.5)
    usual = {"wiring": "emf", "ticks": 24, "allow_ringing": True, "realisation": realisation}
    if realisation == "injected":
        usual["injected_bandwidth"] = "10 GHz"
    kind = {"control": "clocked"} if stepper == "exact" else {
        "control": "continuous", "stepper": stepper}  # fmt: skip
    p = th.Protocol(th.load_device("rc1"), process, target.score(process), **usual, **kind)
    coarse, fine = engine(p), engine(p, half=True)
    law = bias_of(p, coarse.plan.drive, coarse.plan.stepper)
    known = [law(_arrays(p, made.plan.schedule, made.plan.stepper)) for made in (coarse, fine)]
    x, y = (p.to_model(state)[:, 0] for state in ends([coarse, fine]))
    centre, deviation = process.propagate(target.mean, target.covariance, process.t_min)
    centre, deviation = float(centre[0]), float(deviation[0, 0]) ** 0.5
    spread = [deviation * (1.0 + one.spread) for one in known]
    second = [s**2 + (deviation * one.mean) ** 2 for s, one in zip(spread, known, strict=True)]
    assert abs(Estimate.paired((x - centre) ** 2, (y - centre) ** 2).z(second[0] - second[1])) < 4.0
    moved = Estimate.paired(x, y)
    means = deviation * np.array([one.mean for one in known])
    assert min(abs(moved.z(sign * (means[0] - means[1]))) for sign in (-1, 1)) < 4.0
    share, eps = 0.25 if stepper in ("heun", "splitting") else 0.5, 7.0 * 1.5 / 24.0
    for which in ("mean", "spread"):
        before, after = (getattr(one, which) for one in known)
        if abs(before) > 1e-3:
            assert after / before == pytest.approx(share, rel=0.5 * eps / (1.0 - eps)), which


def test_one_thing_ideal():
    """Twins of unlike steppers and controllers replay one tape: with converters fine enough not to
    matter, they end where ideal control does, to the converter's step."""
    rough = protocol(adc_bits=16, dac_bits=16)
    x, y = ends([engine(rough), engine(rough.ideal())], 256)
    assert np.abs(x - y).max() < 1e-2 and not np.array_equal(x, y)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"grid": "log-snr"},
        {"realisation": "resistance"},
        {"realisation": "temperature"},
        {"latency": "5 ns"},
        {"volts_per_unit": "320 uV"},
    ],
    ids=str,
)
def test_a_halved_plan_spends_the_same(settings):
    plan = make_plan(protocol(**settings))
    half = halved(plan)
    old, new = plan.schedule, half.schedule
    assert new.ticks == 2 * old.ticks
    assert np.allclose(new.model_time[::2], old.model_time, rtol=0, atol=1e-12)
    assert np.allclose(new.physical_time[::2], old.physical_time, rtol=1e-12)
    assert (np.diff(new.physical_time) > 0).all() and (np.diff(new.model_time) < 0).all()
    spent = [s.relaxations * s.temperatures for s in (old, new)]  # diffusion of every tick
    assert np.allclose(spent[1].reshape(-1, 2).sum(1), spent[0], rtol=1e-9)
    assert half.timeline[-1].tick == new.ticks - 1
