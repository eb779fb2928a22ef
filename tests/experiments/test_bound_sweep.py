"""bound_sweep: the paired account against closed forms, and what is concluded from known rows.

A scaled true score c s* stands in for a network. On Gaussian pixels N(m, v) under VE, with v0 = v +
noise(t_min), v1 = v + noise(T), r = v1/v0 and the matched prior, per pixel

    nll.marginal = S + (1 - c) ln r/2    B = S + (1 - c^2) ln r/4    score error = (1 - c)^2 ln r/4
    nll.ode = ln(2 pi v1)/2 + v r^c/(2 v1) - c ln r/2                    (clean images)
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import pytest
import torch

from thermohw.experiments.bound_sweep import STUDY, compute
from thermohw.experiments.bound_sweep.correlations import READINGS, correlate, z_scores
from thermohw.experiments.shared.paired import known, paired
from thermohw.score import Score
from thermohw.study import Results
from thermohw.study.figures import study_style
from thermohw.study.sheet import Sheet
from thermohw.target import gaussian_pixels

# Networks are asked in single precision: 1e-6 of terms of a few nats a pixel, summed over times.
ROUNDING = 2e-5
# 55 points of the time rule on the smooth integrands of this file.
QUADRATURE = 1e-6


class Stand:
    """Tools whose network is the true score times a factor."""

    def __init__(self, cell: dict[str, Any], factor: float) -> None:
        self.cell, self.factor = cell, factor

    def score(self, target: Any, process: Any, **options: Any) -> Score:
        assert options["architecture"]["head"] == "plain"
        return target.score(process).scaled(self.factor)

    def generator(
        self, stream: str = "", *, shared: Sequence[str] | None = None
    ) -> torch.Generator:
        chosen = self.cell if shared is None else {key: self.cell[key] for key in shared}
        return torch.Generator().manual_seed(zlib.crc32(f"{chosen} {stream}".encode()))


def cell(**change: Any) -> dict[str, Any]:
    p = dict(STUDY.parameters) | {"side": 2, "points": 64, "sigmas": [25.0]}
    first = STUDY.cells(p)[0]
    return first | change


def row(factor: float, **change: Any) -> dict[str, Any]:
    made = cell(**change)
    return made | compute.compute(made, cast(Any, Stand(made, factor)))


def test_cells_are_networks_repeated() -> None:
    cells = STUDY.work(STUDY.parameters)
    assert len(cells) == 20 * STUDY.parameters["seeds"]
    assert {c["sigma"] for c in cells} == {10.0, 15.0, 20.0, 25.0, 30.0}
    assert [c["repeat"] for c in cells] == sorted(c["repeat"] for c in cells)


@pytest.mark.parametrize("process", ["ve", "vp"])
def test_start_of_the_noise(process: str) -> None:
    noising = compute.noising(cell(process=process))
    decay, noise = noising.transition(noising.t_min)
    assert noise / decay**2 == pytest.approx(1e-4, rel=1e-9)


@pytest.mark.parametrize(
    "sigma, end, mismatch", [(10.0, 2.954843, 0.005818), (25.0, 3.706354, 0.001290)]
)
def test_entropies_of_a_uniform_pixel(sigma: float, end: float, mismatch: float) -> None:
    """Reference values to the printed digits; soft edges cost 1.8064, clean pixels 0.9551 each."""
    made = cell(data="uniform", sigma=sigma)
    pixel, target = compute.images(made | {"side": 1}), compute.images(made)
    process = compute.noising(made)
    facts = known(pixel, target, pixel.score(process), prior="schedule")
    assert facts.end / 4 == pytest.approx(end, abs=5e-7)
    assert facts.mismatch / 4 == pytest.approx(mismatch, abs=5e-7)
    assert facts.start / 4 == pytest.approx(0.018063945711, rel=1e-9)
    # -2 int_0^inf ln Phi = 0.9550706797
    assert (facts.start + facts.offset) / 4 == pytest.approx(0.009550706797, rel=1e-8)
    assert facts.clean == 0.0


def test_entropies_of_a_gaussian_pixel() -> None:
    made = cell(data="gaussian", process="vp", sigma=10.0)
    pixel, process = gaussian_pixels(1), compute.noising(made)
    facts = known(pixel, gaussian_pixels(2), pixel.score(process), prior="schedule")
    mean, variance = 0.5, 1.0 / 12.0

    def entropy(v: float) -> float:
        return 0.5 * math.log(2.0 * math.pi * math.e * v)

    first, noise = process.transition(process.t_min)
    last, end = process.transition(1.0)
    v0, v1 = first**2 * variance + noise, last**2 * variance + end
    clean = entropy(v0) - 0.5 + 0.5 * (variance + (1.0 - first) ** 2 * mean**2) / v0
    cross = entropy(end) - 0.5 + 0.5 * (v1 + last**2 * mean**2) / end
    expected = (entropy(variance), entropy(v0), entropy(v1), entropy(end), cross - entropy(v1))
    got = (facts.clean, facts.start, facts.end, facts.prior, facts.mismatch)
    assert np.allclose(got, 4.0 * np.array(expected), rtol=0.0, atol=1e-10)
    assert facts.offset == pytest.approx(4.0 * (clean - entropy(v0)), abs=1e-10)


@pytest.mark.parametrize("factor", [1.0, 0.95, 1.1])
def test_scaled_score_through_the_study(factor: float) -> None:
    """Everything the study computes for a Gaussian, in closed form."""
    found = row(factor, data="gaussian", process="ve", prior="matched")
    process = compute.noising(cell())
    variance = 1.0 / 12.0
    v0, v1 = (variance + process.transition(t)[1] for t in (process.t_min, 1.0))
    log_r, s = math.log(v1 / v0), 0.5 * math.log(2.0 * math.pi * math.e * v0)
    ode = 0.5 * math.log(2.0 * math.pi * v1) - 0.5 * factor * log_r
    expected = {
        "nll.marginal": s + 0.5 * (1.0 - factor) * log_r,
        "bound.lower": s + 0.25 * (1.0 - factor**2) * log_r,
        "nll.sde_elbo": s + 0.5 * (1.0 - factor) ** 2 * log_r,
        "bound.gap": 0.25 * (1.0 - factor) ** 2 * log_r,
        "bound.score_error": 0.25 * (1.0 - factor) ** 2 * log_r,
        "bound.residual": 0.0,
        "nll.ode": ode + 0.5 * variance * (v1 / v0) ** factor / v1,
        "entropy.sigma_forward": 0.5 * factor**2 * log_r,
        "known.mismatch": 0.0,
    }
    for name, value in expected.items():
        stderr = found.get(f"{name}.stderr", 0.0)
        assert abs(found[name] - value) < 4.0 * stderr + ROUNDING + QUADRATURE, name
    if factor == 1.0:  # the pairing removes all of the images' scatter, 0.7/sqrt(256) unpaired
        assert found["nll.ode.stderr"] < ROUNDING
    assert found["profile.ratio"].mean() == pytest.approx(-2.0 / factor, abs=0.05)


def test_true_score_of_uniform_pixels_lies_below_the_bound() -> None:
    """Started at noise 0.01 and asked for clean images, s* itself has nll.ode < B, explained."""
    found = row(1.0, data="uniform", process="ve")
    assert found["bound.gap"] == pytest.approx(found["known.mismatch"], abs=ROUNDING)
    assert abs(found["bound.residual"]) < ROUNDING and found["bound.score_error"] < ROUNDING
    expected = found["known.offset"] + found["known.mismatch"]
    error = 4.0 * found["bound.ode_margin.stderr"] + found["error.solver"] + ROUNDING
    assert abs(found["bound.ode_margin"] - expected) < error
    assert found["bound.ode_margin"] < -0.006
    assert abs(z_scores(Results([found]), "true.norm")[0]) < 4.0
    assert abs(z_scores(Results([found]), "true.trace")[0]) < 4.0


def test_a_wrong_truth_is_noticed() -> None:
    """The residual is Stein's identity of the true law: another law's score breaks it."""
    made = cell(data="gaussian", points=512)
    process, target, pixel = compute.noising(made), gaussian_pixels(2), gaussian_pixels(1)
    facts = known(pixel, target, pixel.score(process), prior="schedule")
    score = target.score(process).scaled(0.9)
    z = []
    for std in (1.0 / math.sqrt(12.0), 0.5):
        found = paired(
            score,
            gaussian_pixels(2, std=std).score(process),
            target,
            facts,
            points=target.held_out(512, torch.Generator().manual_seed(1)),
            streams=lambda name: torch.Generator().manual_seed(zlib.crc32(name.encode())),
            prior="schedule",
            probes=0,
            moments=27,
            tolerance=1e-4,
        )
        residual = found.terms["bound.residual"]
        z.append(abs(residual.value) / math.hypot(residual.stderr, ROUNDING))
    assert z[0] < 4.0 < 8.0 < z[1]


def planted(**change: Any) -> Results:
    """Rows of 8 configurations in 2 repetitions: nll.ode - B = x, score error = x^2, exactly."""
    rows = []
    for repeat in range(2):
        for n in range(8):
            x = 0.01 * (n + 1) + 0.001 * repeat
            values = {
                "nll.ode": 0.5 + x,
                "nll.marginal": 0.6 + x,
                "bound.lower": 0.5,
                "bound.gap": 0.1 - x,
                "bound.ode_margin": x,
                "bound.score_error": x**2,
                "bound.path": 0.0,
                "bound.residual": 0.0,
                "excess.ode": 0.2 + x,
                "excess.marginal": 0.2 + x,
                "excess.elbo": 0.3,
                "nll.sde_elbo": 0.7,
                "true.norm": 0.0,
                "true.trace": 0.0,
            }
            values |= {name: values[name] + by for name, by in change.items()}
            values |= {f"{name}.stderr": 1e-3 for name in list(values)}
            margin = values["bound.ode_margin"]
            parts = ("bound.score_error", "bound.path", "bound.residual")
            known = {
                "known.clean": 0.3,
                "known.start": 0.3,
                "known.mismatch": 0.0,
                "known.offset": margin - sum(values[part] for part in parts),
                "error.solver": 0.0,
            }
            key = {"data": "uniform", "process": "ve", "sigma": 10.0 + n, "repeat": repeat}
            t = np.linspace(0.001, 1.0, 9)
            profile = {
                "profile.time": t,
                "profile.weight": np.full(9, 1.0 / 9.0),
                "profile.intrinsic": 1.0 + t,
                "profile.exchange": -2.2 * (1.0 + t),
                "profile.calibration": np.full(9, 1.1),
                "profile.ratio": np.full(9, -2.2),
                "profile.true_ratio": np.full(9, -2.0),
            }
            rows.append(key | values | known | profile)
    return Results(rows)


def concluded(rows: Results) -> Sheet:
    sheet = Sheet()
    with study_style():
        STUDY.conclude(dict(STUDY.parameters) | {"resamples": 50}, rows, sheet)
    return sheet


def test_conclusions_from_planted_rows() -> None:
    sheet = concluded(planted())
    numbers = {name: number["value"] for name, number in sheet.numbers.items()}
    assert numbers["correlation.ode_excess.pearson"] == pytest.approx(1.0, abs=1e-12)
    assert numbers["correlation.marginal_excess.spearman"] == pytest.approx(-1.0, abs=1e-12)
    x = np.array([0.01 * (n + 1) + 0.001 * r for r in range(2) for n in range(8)])
    square = float(np.corrcoef(x, x**2)[0, 1])
    assert numbers["correlation.ode_error.pearson"] == pytest.approx(square, abs=1e-12)
    assert numbers["correlation.ode_error.spearman"] == pytest.approx(1.0, abs=1e-12)
    assert sheet.numbers["correlation.ode_raw.pearson"]["published"] == 0.694
    assert sheet.numbers["correlation.ode_raw.spearman"]["published"] == 0.882
    assert numbers["rates.ratio"] == pytest.approx(-2.2, abs=1e-12)
    status = {check["name"]: check["status"] for check in sheet.checks}
    assert status["B <= nll.marginal"] == "holds" and status["B <= nll.ode"] == "holds"
    assert {figure["name"] for figure in sheet.figures} == {"bound", "rates", "gap", "terms"}
    assert sheet.holds and "in none of 16 networks" in sheet.findings[0]


def test_a_violation_is_called_one() -> None:
    status = {
        check["name"]: check["status"]
        for check in concluded(planted(**{"bound.gap": -0.2, "bound.residual": 0.02})).checks
    }
    assert status["B <= nll.marginal"] == "violated"
    assert status["nll.marginal = B + K1 + score error"] == "violated"
    assert status["S0 <= nll.ode"] == "holds"


def test_below_the_bound_is_explained() -> None:
    sheet = concluded(planted(**{"bound.ode_margin": -0.05}))
    status = {check["name"]: check["status"] for check in sheet.checks}
    assert status["B <= nll.ode"] == "explained"
    table = next(table for table in sheet.tables if table["name"] == "below")
    # x - 0.05 < -0.002 for n + 1 <= 4
    assert len(table["rows"]) == 8


def test_interval_covers_the_coefficient() -> None:
    """Two unrelated normal columns: the 95 % interval holds zero in nine seeds of ten or more."""
    generator, inside = np.random.default_rng(5), 0
    for seed in range(20):
        x, y = generator.standard_normal((2, 40))
        rows = Results(
            {"data": "d", "process": "p", "sigma": float(n), "repeat": 0}
            | {"nll.ode": x[n], "bound.ode_margin": y[n]}
            for n in range(40)
        )
        found = correlate(rows, READINGS[0], kind="pearson", resamples=200, seed=seed)
        inside += found.interval[0] < 0.0 < found.interval[1]
        assert found.interval[0] < found.value < found.interval[1]
    # binomial(20, 0.93): 14 or fewer has a chance of 1e-3
    assert inside >= 15
