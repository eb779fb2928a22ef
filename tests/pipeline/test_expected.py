"""Mean heat before a run: what it is, and by which way it was found."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from acceptance import assert_z

import thermohw as th
from thermohw.control import make_plan
from thermohw.pipeline.build import build_setting
from thermohw.pipeline.expected import expected_heat, gaussian_heat
from thermohw.pipeline.spec import load_spec

CLOCKED = ["protocol.control=clocked", "protocol.stepper=auto"]
CURRENT = ["protocol.wiring=current"]


def of_spec(*overrides: str) -> Any:
    setting = build_setting(load_spec("mixture_rc", overrides), progress=False)
    return expected_heat(setting.protocol, setting.target)


@pytest.mark.parametrize(
    ("overrides", "heat", "work", "way"),
    [([], 0.017577, 0.217081, "the data's law"), (CURRENT, 0.199504, 0.399008, "the data's law"),
     (CLOCKED, -0.164350, None, "own law"), ([*CLOCKED, *CURRENT], 0.199504, None, "own law")],
)  # fmt: skip
def test_the_shipped_mixture_in_either_wiring(
    overrides: list[str], heat: float, work: float | None, way: str
) -> None:
    """To .01 kT; held ticks are .84 h short of their limit."""
    found = of_spec(*overrides)
    assert way in found.method and found.heat.stderr == 0.0
    assert abs(found.heat.value - heat) < (1e-6 if work is not None else 0.01)
    if work is not None:
        assert abs(found.work.value - work) < 1e-6


def test_uniform_images() -> None:
    """2 kT (S1 - S0) of every pixel under VE: 2.4071e-17 J for 28 x 28 at sigma 25."""
    device, process = th.load_device("rc784"), th.VE(sigma=25.0)
    target = th.targets.uniform_pixels(28)
    protocol = th.Protocol(device, process, target.score(process), wiring="emf",
                           control="continuous", ticks=500)  # fmt: skip
    found = expected_heat(protocol, target)
    assert abs(found.heat.value * device.scale.energy - 2.4071e-17) < 0.5e-21
    assert "pixel by pixel" in found.method


def test_gaussians_in_closed_form() -> None:
    """2 kT (S1 - S0): ln(1 + 4/v) a mode without drift."""
    process = th.VE(sigma=5.0, t_min=0.0)
    noise = float(process.transition(process.duration)[1])
    device = th.load_device("rc64")
    std = np.linspace(0.5, 2.0, 64)
    target = th.targets.gaussian(mean=[0.3] * 64, std=list(std))
    protocol = th.Protocol(device, process, target.score(process), wiring="emf",
                           control="continuous", ticks=512)  # fmt: skip
    found = expected_heat(protocol, target)
    exact = float(np.log(1.0 + noise / std**2).sum())
    assert abs(found.heat.value - exact) < 1e-8 * exact
    guess = gaussian_heat(make_plan(protocol, refuse=False), target)
    assert abs(guess.heat.value - exact) < 1e-8 * exact


@pytest.mark.parametrize("wiring", ["emf", "current"])
@pytest.mark.parametrize(
    "process", [th.OU(duration=2.0), th.VP(beta_min=0.1, beta_max=10.0, t_min=1e-3)]
)
def test_closed_moments_under_a_drift(process: Any, wiring: str) -> None:
    """The same law as a mixture of two equal modes goes over a grid: another route."""
    one = th.targets.gaussian(mean=[0.7], std=[0.5])
    two = th.targets.gaussian_mixture(means=[[0.7], [0.7]], stds=0.5, weights=[0.5, 0.5])
    closed, grid = (
        expected_heat(
            th.Protocol(th.load_device("rc1"), process, law.score(process), wiring=wiring,
                        control="continuous", ticks=4096), law)
        for law in (one, two)
    )  # fmt: skip
    assert "closed moments" in closed.method and "quadrature" in grid.method
    for name in ("heat", "work"):
        both = [getattr(found, name).value for found in (closed, grid)]
        assert both[0] == pytest.approx(both[1], rel=1e-7, abs=1e-8)


@pytest.mark.parametrize(
    "overrides", [["protocol.reading_noise=60 uV", *CLOCKED], ["score.scale=0.95"],
                  ["simulate.start=prior", *CLOCKED, "protocol.adc_bits=6"]],
)  # fmt: skip
def test_what_no_law_allows_is_played(overrides: list[str]) -> None:
    """And is what another seed's run has."""
    overrides = [*overrides, "protocol.ticks=64", "protocol.allow_ringing=true"]
    setting = build_setting(load_spec("mixture_rc", overrides), progress=False)
    found = expected_heat(setting.protocol, setting.target)
    assert "pilot run of 131072 paths" in found.method and found.heat.stderr > 0.0
    run = th.simulate(setting.protocol, paths=20_000, seed=5, target=setting.target, test=0,
                      twins=False, progress=False)  # fmt: skip
    mean, error = run.books.mean("heat.")
    kt = run.books.kt
    assert_z(mean / kt, found.heat.value, stderr=np.hypot(found.heat.stderr, error / kt))
    assert set(found.baths) == {"r0"}


def test_coupled_nodes_have_a_pilot_of_the_gaussian() -> None:
    """Whose law is the data's here: a run of the exact score has the same heat."""
    device = th.load_device("rc8-chain")
    process = th.relaxation(device, 3.0)
    target = th.targets.gaussian(mean=[0.5] * 8, std=[1.0] * 7 + [0.6])
    protocol = th.Protocol(device, process, target.score(process), wiring="emf",
                           control="clocked", ticks=32, allow_ringing=True)  # fmt: skip
    found = gaussian_heat(make_plan(protocol, refuse=False), target)
    assert found.method.startswith("moments: a Gaussian") and "pilot run" in found.method
    run = th.simulate(protocol, paths=2_000, seed=11, test=0, twins=False, progress=False)
    mean, error = run.books.mean("heat.")
    kt = run.books.kt
    assert_z(mean / kt, found.heat.value, stderr=np.hypot(found.heat.stderr, error / kt))


@pytest.mark.parametrize("control", ["clocked", "continuous"])
@pytest.mark.parametrize("key", ["node_resistance", "node_capacitance", "node_temperature"])
def test_a_node_off_its_datasheet_is_played(control: str, key: str) -> None:
    """One node of another R, C or T is uncoupled and at one temperature, and its law is not p_t."""
    device = th.load_device("rc1")
    target = th.targets.gaussian(mean=[0.7], std=[0.5])
    process = th.OU(duration=3.0)
    protocol: Any = th.Protocol(device, process, target.score(process), wiring="emf", ticks=8,
                                control=control, allow_ringing=True)  # fmt: skip
    board = replace(protocol, **{key: 1.5})
    ideal, found = expected_heat(protocol, target), expected_heat(board, target)
    assert ideal.heat.stderr == 0.0 and "pilot run" in found.method
    assert abs(found.heat.value - ideal.heat.value) > 5.0 * found.heat.stderr > 0.0


def test_a_guess_says_that_it_is_one() -> None:
    device, process = th.load_device("rc1"), th.OU(duration=3.0)
    target = th.targets.gaussian(mean=[0.7], std=[0.5])
    protocol: Any = th.Protocol(device, process, target.score(process), wiring="emf", ticks=8,
                                control="clocked", allow_ringing=True)  # fmt: skip
    assert gaussian_heat(make_plan(protocol, refuse=False), target).guessed
    assert not expected_heat(protocol, target).guessed
    board = make_plan(replace(protocol, node_temperature=1.5), refuse=False)
    assert "pilot run" in gaussian_heat(board, target).method
