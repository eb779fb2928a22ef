"""entropy_regularised: closed forms of shrunken scores, its statistics, and a tiny run."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from thermohw.experiments.entropy_regularised import compute, findings
from thermohw.experiments.entropy_regularised.changes import Trainings, change, enough
from thermohw.experiments.entropy_regularised.energy_distance import Fresh, energy_distance
from thermohw.process import VE
from thermohw.study.run import run_study
from thermohw.study.sheet import Sheet
from thermohw.study.tools import Tools
from thermohw.target import gaussian

VARIANCE = 0.3
PROCESS = VE(sigma=5.0, t_min=1e-3)
WEIGHTS = (0.0, 0.1, 0.3)


def tools(tmp_path: Path, **cell: Any) -> Tools:
    return Tools({"data": "mixture", **cell}, 0, tmp_path)


def variances(process: VE = PROCESS) -> tuple[float, float, float]:
    """Of p_tmin, p_T and the prior; data N(0, VARIANCE)."""
    first, last = (float(process.transition(t)[1]) for t in (process.t_min, process.duration))
    return VARIANCE + first, VARIANCE + last, last


# ------------------------------------------------------------------------------- closed forms


@pytest.mark.parametrize("weight", WEIGHTS)
def test_a_shrunken_score_in_closed_form(weight: float, tmp_path: Path) -> None:
    """On p_t: U, the marginal NLL and both heats are powers of c times A = S1 - S0."""
    target = gaussian([0.0], [math.sqrt(VARIANCE)])
    c = 1.0 / (1.0 + weight)
    row = compute.model_account(
        target.score(PROCESS).scaled(c), target, None, tools(tmp_path, weight=weight)
    )
    low, high, prior = variances()
    a = 0.5 * math.log(high / low)
    s0 = 0.5 * math.log(2.0 * math.pi * math.e * low)
    k1 = 0.5 * (high / prior - 1.0 - math.log(high / prior))
    duration = 0.5 * (high - low) / prior  # in RC: diffusion time over theta
    exact = {
        "elbo": s0 + k1 + (1.0 - c) ** 2 * a,
        "nll_marginal": s0 + k1 + (1.0 - c) * a,
        "norm": c**2 * a,
        "surplus": 2.0 * (c**2 - c) * a,
        "score_error": 0.5 * (1.0 - c) ** 2 * a,
        "heat.continuous": (4.0 * c**2 - 2.0 * c) * a,
        "heat.clocked": 4.0 * c**2 * a - duration,
    }
    for name, value in exact.items():
        # quadrature in time and space converges exponentially: far below 1e-6 here
        assert row[name] == pytest.approx(value, abs=1e-6), name
    np.testing.assert_allclose(row["factor"], 1.0 + weight, rtol=1e-8)


def circuit_heat(c: float) -> float:
    """Q/kT of c s* on the circuit's own Gaussian law, started in the prior.

    dq/dw = 2 c q/w - 1 along the noised variance w, and Q = int (2 c^2 q/w^2 - c/w) dw.
    """
    low, high, start = variances()
    r, k = high / low, 2.0 * c - 1.0
    decaying = 2.0 * c**2 * (start / high - 1.0 / k) * (1.0 - r**-k) / k
    return c / k * math.log(r) + decaying


@pytest.mark.parametrize("weight", [0.0, 0.3])
def test_heat_on_the_circuit_in_closed_form(weight: float) -> None:
    """The circuit follows its own law, which a shrunken score leaves too wide."""
    target, c = gaussian([0.0, 0.0], [math.sqrt(VARIANCE)] * 2), 1.0 / (1.0 + weight)
    cell = {"continuous": 64, "paths": 8192, "repeat": 1}
    row = compute.heat_account(target.score(PROCESS).scaled(c), target, cell)
    got = {name: row[f"device.{name}"] for name in ("coarse", "fine")}
    error = row["device.fine.error"]
    # a stepper of second order: from n to 2n ticks three quarters of the error go, what is left is
    # a third of the difference, whose own error is about twice that of one run
    left = abs(got["coarse"] - got["fine"]) / 3.0
    assert abs(got["fine"] - 2.0 * circuit_heat(c)) < 4.0 * error + left
    assert row["second_law"] > -4.0 * row["second_law.error"]


def test_heat_falls_on_paper_and_rises_on_a_long_circuit() -> None:
    """First order in lambda: -3 ln r on p_t, ln r - 4 (1 - 1/r) on the circuit, a coordinate."""
    low, high, start = variances()
    r, small = high / low, 1e-5
    slope = (circuit_heat(1.0 / (1.0 + small)) - circuit_heat(1.0)) / small
    # the start is the prior, not p_T: its part of K decays and changes the slope by O(low/high)
    off = 8.0 * (1.0 - start / high) * math.log(r)
    assert slope == pytest.approx(math.log(r) - 4.0 * (1.0 - 1.0 / r), abs=off + 1e-3)


# --------------------------------------------------------------------------- energy distance


def test_the_energy_distance_is_its_definition(generator: torch.Generator) -> None:
    x = torch.randn(37, 3, generator=generator, dtype=torch.float64)
    y = torch.randn(41, 3, generator=generator, dtype=torch.float64) + 0.5
    found = energy_distance(x, Fresh.of(y, 4))
    across = np.mean([float((a - b).norm()) for a in x for b in y])
    own = [float(torch.pdist(z).mean()) for z in (x, y)]
    assert found.value == pytest.approx(2.0 * across - sum(own), abs=1e-9)
    rest = torch.cat(list(torch.tensor_split(x, 4))[1:])
    assert found.without[0] == pytest.approx(energy_distance(rest, Fresh.of(y, 4)).value, abs=1e-9)


def test_the_energy_distance_has_no_floor(generator: torch.Generator) -> None:
    """Equal laws: mean zero over repetitions. Shifted normals: the closed form."""
    equal, errors, shifted = [], [], []
    for _ in range(60):
        x, y = (torch.randn(200, 1, generator=generator, dtype=torch.float64) for _ in "xy")
        fresh = Fresh.of(y)
        equal.append(energy_distance(x, fresh).value)
        moved = energy_distance(x + 1.0, fresh)
        shifted.append(moved.value)
        errors.append(moved.stderr)
    for values, exact in ((equal, 0.0), (shifted, 2.0 * (_apart(1.0) - _apart(0.0)))):
        error = np.std(values, ddof=1) / math.sqrt(len(values))
        assert abs(np.mean(values) - exact) < 4.0 * error
    # the variance estimated from 16 groups twice, and from 60 repetitions: both within 4 errors
    ratio = np.mean(np.square(errors)) / np.var(shifted, ddof=1)
    assert abs(ratio - 1.0) < 4.0 * math.sqrt(2.0 / 59.0 + 2.0 / 15.0 / 60.0)


def _apart(shift: float) -> float:
    """E|z| of a normal z of variance 2."""
    tail = 0.5 * math.erfc(shift / 2.0)
    return 2.0 / math.sqrt(math.pi) * math.exp(-(shift**2) / 4.0) + shift * (1.0 - 2.0 * tail)


# --------------------------------------------------------------------------------- statistics


def test_shrinking_is_algebra(tmp_path: Path) -> None:
    """U and heat of c s from N and T of s, here 0.9 s*: not calibrated, so T is not -N."""
    target = gaussian([0.0], [math.sqrt(VARIANCE)])
    rows = []
    for weight in (0.0, 0.3):
        score = target.score(PROCESS).scaled(0.9).scaled(1.0 / (1.0 + weight))
        account = compute.model_account(score, target, None, tools(tmp_path))
        rows.append({"weight": weight, "repeat": 0} | account)
    would = Trainings(rows).shrunk(0.3)
    for name, key in (("elbo", "elbo"), ("heat", "heat.continuous")):
        # sums of a few thousand doubles on the same grid
        assert would[name][0] == pytest.approx(rows[1][key], abs=1e-9), name
    for weight in (0.0, 0.3):
        assert Trainings(rows).factor(weight)[0] == pytest.approx((1.0 + weight) / 0.9, abs=1e-9)


def test_enough_ticks_of_a_power_law() -> None:
    ticks = [16, 24, 32, 64, 128]
    extra = 5.0 * np.array(ticks, dtype=float) ** -2
    extra[-1] = 0.0
    assert enough(ticks, extra, 5.0 / 40.0**2) == pytest.approx(40.0)
    assert enough(ticks, extra, 1.0) == 16.0
    bumpy = np.array([1.0, 0.1, 1.0, 0.1, 0.0])  # back outside at 32: the first crossing is luck
    assert enough(ticks, bumpy, 0.5) > 32.0


def test_an_interval_over_seeds() -> None:
    found = change(np.array([1.0, 2.0, 3.0]))
    # Student's t with two degrees of freedom: 4.3027 at 2.5 %, 9.9248 at 0.5 %
    assert found.half == pytest.approx(4.30265 / math.sqrt(3.0), rel=1e-5)
    assert change(np.array([1.0, 2.0, 3.0]), 5).sure == pytest.approx(9.92484 / 3**0.5, rel=1e-5)
    assert change(np.array([1.0, 1.1, 0.9])).sign == 1
    assert change(-np.array([1.0, 1.1, 0.9])).sign == -1
    assert change(np.array([1.0, -1.1, 0.9])).sign == 0
    assert change(np.array([7.0])).sign == 0


@pytest.mark.parametrize(
    ("step", "said"),
    [(-1.0, "gains"), (1.0, "is only worse"), (0.0, "beyond the scatter of trainings")],
)
def test_both_outcomes_are_phrased(step: float, said: str) -> None:
    rng, sheet = np.random.default_rng(0), Sheet()
    rows = [
        {"weight": w, "repeat": r, f"calibrated.{name}": step * bool(w) + 0.01 * rng.normal()}
        for w in (0.0, 0.1)
        for r in range(4)
        for name in ("elbo",)
    ]
    for row in rows:
        row["calibrated.nll_ode"] = row["calibrated.elbo"]
    findings._beyond(Trainings(rows), [0.1], "few", sheet)
    assert said in sheet.findings[0]


def test_a_few_digits() -> None:
    first, second = (compute.make_target("few", 100, seed) for seed in (0, 1))
    assert first.counts == {"train": 90, "validation": 10, "test": 297}  # type: ignore[attr-defined]
    whole = compute.make_target("digits", 0, 0)
    test = [t.rows[t.split == 2] for t in (first, second, whole)]  # type: ignore[attr-defined]
    assert (test[0] == test[2]).all() and (test[1] == test[2]).all()
    assert not (first.rows[:90] == second.rows[:90]).all()  # type: ignore[attr-defined]


def test_a_tiny_run(tmp_path: Path) -> None:
    settings = {
        "data": ["mixture", "bare"],
        "weights": [0.0, 0.3],
        "points": 200,
        "pairs": 1,
        "ticks": [16, 24, 32],
        "seeds": 1,
        "steps": 100,
        "width": 16,
        "paths": 256,
        "continuous": 16,
        "digits_points": 20,
        "few": 60,
        "few_seeds": 1,
        "few_steps": 5,
        "few_width": 8,
    }
    run = run_study("entropy_regularised", settings, out=tmp_path, workers=1, progress=False)
    sheet = run.sheet
    assert {c["name"] for c in sheet.checks} >= {"second law", "first law"}
    assert all(c["status"] in ("holds", "explained") for c in sheet.checks), sheet.checks
    assert set(sheet.drawn) == {"trade", "shrinkage", "beyond", "heat", "ticks"}
    assert len(sheet.findings) == 6
    rows = run.results.where(kind="trained", data="mixture")
    trained = {row["weight"]: row["heat.continuous"] for row in rows}
    # (4 c^2 - 2 c)/2 = 0.41 of it for a network that follows
    assert trained[0.3] < 0.6 * trained[0.0]
