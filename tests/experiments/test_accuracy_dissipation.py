"""The study accuracy_dissipation against Gaussians solved by hand and integrated by scipy."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from thermohw.experiments.accuracy_dissipation import compute, shapes
from thermohw.experiments.shared.problems import driftless
from thermohw.study import Results, Tools, run_study
from thermohw.target import gaussian

SIGMA = 5.0


def one_gaussian(c: float) -> tuple[Any, Any, float]:
    """Target N(0, 1), the exact VE score times c, and ln(v1/v0)."""
    target = gaussian([0.0], 1.0)
    process = driftless(target, SIGMA)
    variances = [1.0 + float(process.transition(t)[1]) for t in (process.t_min, 1.0)]
    return target, target.score(process).scaled(c), math.log(variances[1] / variances[0])


@pytest.mark.parametrize("c", [0.9, 1.0, 1.05])
def test_the_account_on_p_t(c: float) -> None:
    """Sigma = c^2 ln r/2, Q = (2 c^2 - c) ln r, slack 4 K1 + (1 - c)^2 ln r; z <= 4."""
    target, score, growth = one_gaussian(c)
    tools = Tools({"data": "gaussian"}, 0, Path("nowhere"))
    points = target.held_out(4096, torch.Generator().manual_seed(3))
    row = compute.model_account(score, target, points, tools)
    closed = {
        "production": 0.5 * c * c * growth,
        "heat": (2.0 * c * c - c) * growth,
        "surplus": (c * c - c) * growth,
    }
    for name, value in closed.items():
        assert abs(row[name] - value) < 4.0 * row[f"{name}.error"] + 1e-6
    slack = 4.0 * row["prior_mismatch"] + (1.0 - c) ** 2 * growth
    assert abs(row["slack"] - slack) < 4.0 * math.hypot(row["slack.error"], 1e-6)


def circuit_heat(c: float) -> float:
    """Heat of the continuous source on its own law: variance u from the prior's var(1) on.

    Per diffusion time, b = -2 c x/v with v = v0 + 2 sigma: du/dtau = 2 - 4 c u/v and
    Q/kT = int (4 c^2 u/v^2 - 2 c/v) dtau.
    """
    target, score, _ = one_gaussian(c)
    process = score.process
    first, last = (process.diffusion_time(t) for t in (process.t_min, 1.0))

    def rates(tau: float, y: np.ndarray) -> list[float]:
        v = 1.0 + 2.0 * (last - tau)
        return [2.0 - 4.0 * c * y[0] / v, 4.0 * c * c * y[0] / v**2 - 2.0 * c / v]

    start = [float(process.transition(1.0)[1]), 0.0]
    solved = solve_ivp(rates, (0.0, last - first), start, rtol=1e-10, atol=1e-12)
    return float(solved.y[1, -1])


@pytest.mark.parametrize("c", [0.8, 1.0, 1.2])
def test_heat_of_the_circuit_on_its_own_law(c: float) -> None:
    """Simulated heat against an ODE; z <= 4 with the tick halving counted as an error."""
    target, score, growth = one_gaussian(c)
    cell = {"ticks": 96, "paths": 16384, "noise": 0}
    row = compute.device_account(score, target, cell)
    fine, coarse = row["continuous.fine"], row["continuous.coarse"]
    known = circuit_heat(c)
    assert abs(fine - known) < 4.0 * math.hypot(row["continuous.fine.error"], fine - coarse)
    if c == 1.0:  # Q = 2 kT (S1 - S0), less what a start narrower by the data's variance lacks
        v0, v1 = (1.0 + float(score.process.transition(t)[1]) for t in (score.process.t_min, 1.0))
        assert known == pytest.approx(growth - 2.0 * (v1 - v0) / v1**2, rel=1e-7)
    else:  # the test can tell the circuit's own law from p_t
        apart = abs(known - (2.0 * c * c - c) * growth)
        assert apart > 8.0 * math.hypot(row["continuous.fine.error"], fine - coarse)
    assert row["first_law"] < 1e-3
    least = row["start_entropy"] - row["surprisal"]
    assert fine - least > -4.0 * math.hypot(row["continuous.fine.error"], row["surprisal.error"])


def test_networks_differ_from_the_base_in_one_respect() -> None:
    base = {"width": 8, "depth": 2, "steps": 100}
    made = shapes(base, [4, 8], [1], [30, 100])
    assert made[0] == base
    assert [sum(row[k] != base[k] for k in base) for row in made] == [0, 1, 1, 1]


def test_a_small_run(tmp_path: Path) -> None:
    """All of it with toy networks; no law is violated and the counter-example stands."""
    given = [
        "steps=60", "width=8", "trainings=20", "widths=4", "seeds=1", "points=256", "paths=256",
        "ticks=48", "digits_steps=30", "digits_trainings=[]", "digits_width=16",
        "digits_paths=32", "factors=1.0,1.2",
    ]  # fmt: skip
    run = run_study("accuracy_dissipation", given, quick=True, out=tmp_path / "run", workers=1)
    checks = {check["name"]: check["status"] for check in run.sheet.checks}
    assert "violated" not in checks.values(), run.sheet.checks
    assert checks["more dissipation does not mean more accuracy"] == "holds"
    assert isinstance(run.results, Results)
    assert len(run.results.where(kind="network", data="mixture")) == 3
