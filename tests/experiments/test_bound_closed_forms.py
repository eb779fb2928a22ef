"""bound_closed_forms: the published table and the figures' numbers, by the study's own path."""

from __future__ import annotations

import math
from typing import Any, cast

import pytest
import torch

from thermohw.experiments.bound_closed_forms import STUDY, compute
from thermohw.study import Results
from thermohw.study.figures import study_style
from thermohw.study.sheet import Sheet


class Streams:
    def generator(self, stream: str = "") -> torch.Generator:
        return torch.Generator().manual_seed(1)


def row(**cell: Any) -> dict[str, Any]:
    return cell | compute.compute(cell, cast(Any, Streams()))


def test_printed_values() -> None:
    """r = 4: the numbers to eight digits, and the turned score."""
    found = row(kind="scaled", factor=0.95, growth=4.0)
    excess = {name: found[name] - found["s0"] for name in ("ode", "bound", "marginal", "elbo")}
    expected = {
        "ode": 0.00117385,
        "bound": 0.03379093,
        "marginal": 0.03465736,
        "elbo": 0.00173287,
    }
    assert excess == pytest.approx(expected, abs=5e-9)
    turned = row(kind="rotation", turn=0.5, growth=4.0)
    assert turned["ode"] - turned["s0"] == pytest.approx(0.0351172, abs=5e-8)
    assert turned["bound"] - turned["s0"] == pytest.approx(0.1386294, abs=5e-8)


@pytest.mark.parametrize(
    "process, score, sigma, marginal, ode, bound, elbo",
    [
        ("ve", "0.95", 2.232680, 0.626341, 0.516203, 0.623249, 0.508832),
        ("ve", "linear", 1.537982, 1.438549, 1.438549, 0.970598, 1.438549),
        ("vp", "0.95", 0.337016, 0.799712, 0.570594, 0.792285, 0.517500),
        ("vp", "linear", -0.019609, 1.438549, 1.438549, 0.970598, 1.438549),
    ],
)
def test_mixture_rows(
    process: str,
    score: str,
    sigma: float,
    marginal: float,
    ode: float,
    bound: float,
    elbo: float,
) -> None:
    found = row(kind="mixture", process=process, score=score)
    got = [found[name] for name in ("sigma", "marginal", "ode", "bound", "elbo")]
    assert got == pytest.approx([sigma, marginal, ode, bound, elbo], abs=1.5e-6)


def test_pixels() -> None:
    """S1 and K1 of noised uniform pixels; N(0, 1) for VP's S_pi overshoots by (1/4) ln v."""
    found = row(kind="pixel", process="ve", sigma=10.0, centred=False)
    assert found["s1"] == pytest.approx(2.954843, abs=5e-7)
    assert found["schedule.k1"] == pytest.approx(0.005818, abs=5e-7)
    found = row(kind="pixel", process="vp", sigma=10.0, centred=True)
    short = found["unit.k1"] + 0.5 * (found["s1"] - found["unit.entropy"])
    spread = 1.0 - math.exp(-5.05) * 11.0 / 12.0
    # p_T is Gaussian to a few 1e-9 of its entropy
    assert short == pytest.approx(0.5 * (spread - 1.0) - 0.25 * math.log(spread), abs=1e-7)
    assert short < 0.0


def test_truncation() -> None:
    """Soft edges: entropy 1.8064 and clean surprise 0.9551 per noise deviation."""
    found = row(kind="truncation", deviation=0.01)
    assert found["s0"] == pytest.approx(0.018063945711372502, rel=1e-9)
    assert found["ode"] == pytest.approx(0.009550706796158949, rel=1e-9)


def test_euler_is_of_first_order() -> None:
    exact = row(kind="mixture", process="ve", score="exact")["s0"]
    errors = [row(kind="solver", steps=n)["ode"] - exact for n in (500, 1000)]
    # first order: halving the step halves the error, with a correction of the size of a step's
    assert errors[0] / errors[1] == pytest.approx(2.0, abs=0.05)
    assert errors[0] < 0.0


def test_conclusion_holds_the_package_against_the_closed_forms() -> None:
    p = dict(STUDY.parameters) | {
        "points": 3,
        "turns": [0.5],
        "sigmas": [10.0],
        "euler": [50],
    }
    rows = []
    for cell in STUDY.work(p):
        if cell["kind"] == "rotation":  # the only slow one; its numbers are tested above
            a = 0.2 * math.log(4.0)
            excess = {"ode": a + math.exp(-a) - 1.0, "bound": 0.5 * a, "marginal": a, "elbo": a}
            rows.append(cell | excess | {"s0": 0.0, "residual": 0.0})
        else:
            rows.append(row(**cell))
    sheet = Sheet()
    with study_style():
        STUDY.conclude(p, Results(rows), sheet)
    status = {check["name"]: check["status"] for check in sheet.checks}
    assert list(status.values()).count("holds") == 3 and status["B <= nll.ode"] == "explained"
    broken = [dict(r) for r in rows]
    broken[0]["ode"] += 1e-6
    sheet = Sheet()
    with study_style():
        STUDY.conclude(p, Results(broken), sheet)
    assert not sheet.holds
