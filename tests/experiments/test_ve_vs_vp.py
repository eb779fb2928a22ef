"""The study ve_vs_vp against the literature's digits, closed forms and scores broken on purpose."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from thermohw.experiments.shared.problems import first_snr
from thermohw.experiments.ve_vs_vp import compute
from thermohw.experiments.ve_vs_vp.findings import PUBLISHED
from thermohw.experiments.ve_vs_vp.likelihood import Undrifted
from thermohw.experiments.ve_vs_vp.rates import Account, Instant, Mirrored, Rates, mend
from thermohw.likelihood import GridEnsemble
from thermohw.score import Field, Score
from thermohw.study import Tools, run_study


def exact_row(data: str, process: str) -> dict[str, Any]:
    cell = {"data": data, "process": process, "sigma": 25.0, "times": 15, "moments": 55}
    return compute.compute({"score": "exact", **cell}, Tools(cell, 0, Path("nowhere")))


@pytest.mark.parametrize("data", ["whitened", "1.04"])
def test_the_printed_ratios(data: str) -> None:
    """Six printed digits, and the law itself to the quadrature's round-off."""
    row = exact_row(data, "vp")
    assert np.abs(row["at"] - np.array(PUBLISHED[data])).max() < 0.51e-6
    assert np.abs(row["raw.residual"]).max() < 1e-9


def test_exact_heat_is_twice_the_entropy_change_without_drift() -> None:
    """Q = 2 kT (S1 - S0) and Q = -Se: the times' rule converges to 1e-7 of a nat."""
    row = exact_row("1.04", "ve")
    assert abs(row["emf.heat"] - 2.0 * (row["entropy_prior"] - row["entropy_data"])) < 1e-6
    assert abs(row["emf.heat"] + row["exchange"]) < 1e-9
    row = exact_row("1.04", "vp")  # and with one: twice the production less phi
    phi = 2.0 * row["intrinsic"] + row["exchange"]
    assert abs(row["emf.heat"] - 2.0 * row["emf.production"] + phi) < 1e-9
    assert phi > 0.01  # E x^2 = 1.04 gives (1 - e^-10.05) 0.04/2


@pytest.mark.parametrize("drift", [0.0, -1.0])
@pytest.mark.parametrize("c", [0.8, 1.0, 1.3])
def test_rates_of_a_gaussian(c: float, drift: float) -> None:
    """Data of variance u, score -c x/u: every rate by hand."""
    u = 1.7
    rates = Rates(c * c / u, -c / u, -c, u, drift, 1)
    b = -drift - 2.0 * c / u  # b = b x
    assert rates.heat == pytest.approx(b * b * u + b)
    assert rates.production(1.0 / u) == pytest.approx((b + 1.0 / u) ** 2 * u)
    assert rates.intrinsic == pytest.approx((-drift - c / u) ** 2 * u)
    wrong = 2.0 * (c * c - c) / u - 2.0 * drift * (1.0 - c)
    assert rates.residual == pytest.approx(wrong, abs=1e-12)
    assert rates.mended(1.0 / c, 0.0).residual == pytest.approx(0.0, abs=1e-12)


class Bent(Score):
    """(s - b x)/a, so that a, b is the calibration to be found."""

    def __init__(self, base: Score, a: float, b: float) -> None:
        self.base, self.a, self.b = base, a, b
        self.process, self.dim, self.narrowest = base.process, base.dim, base.narrowest

    def at(self, t: float) -> Field:
        return _BentField(self.base.at(t), self.a, self.b)


class _BentField(Field):
    def __init__(self, field: Field, a: float, b: float) -> None:
        self.field, self.a, self.b = field, a, b

    def __call__(self, x: Tensor) -> Tensor:
        return (self.field(x) - self.b * x) / self.a

    def with_divergence(self, x: Tensor) -> tuple[Tensor, Tensor]:
        score, divergence = self.field.with_divergence(x)
        return (score - self.b * x) / self.a, (divergence - self.b * x.shape[1]) / self.a


def test_scale_alone_does_not_mend_a_drift_scale_and_position_do() -> None:
    """A score off in scale and in x: fitted on 4096 points, judged by quadrature; z <= 4.

    Later on p_t is nearly Gaussian, s nearly proportional to x and (a, b) no longer determined.
    """
    target = compute.make_target("1.04")
    process = compute.make_process("vp", 25.0, first_snr(target))
    truth = target.score(process)
    bent = Bent(truth, 0.8, 0.6)
    points = target.sample(4096, torch.Generator().manual_seed(1))
    paired = Mirrored(process, points, torch.Generator().manual_seed(2))
    fit = Instant(process, target, paired, repeats=4)
    test = Instant(process, target, GridEnsemble(process, truth, target))
    accounts = {name: Account() for name in ("raw", "scale", "both")}
    zs = []
    for t in (0.05, 0.1, 0.15):
        rates, _ = test.rates(bent, t)
        fitted, forms = fit.rates(bent, t)
        accounts["raw"].add(rates, 1.0)
        for name in ("scale", "both"):
            pair, influence = mend(fitted, forms["cross"], both=name == "both")
            accounts[name].add(rates, 1.0, (float(pair[0]), float(pair[1])), influence)
            if name == "both":
                errors = influence.std(1, ddof=1) / math.sqrt(influence.shape[1])
                zs += list((pair - np.array([0.8, 0.6])) / errors)
    assert np.abs(zs).max() < 4.0
    found = {name: account.columns(name) for name, account in accounts.items()}
    both = found["both"]
    assert abs(both["both.total"]) < 4.0 * both["both.total_error"]
    scale = found["scale"]
    assert np.abs(scale["scale.residual"] / scale["scale.residual_error"]).max() > 8.0
    assert abs(found["raw"]["raw.total"]) > 0.1


def test_vp_without_its_drift_is_ve() -> None:
    """The exact VP score in x/m_t is the exact VE score of equal log SNR, to round-off."""
    target = compute.make_target("4")
    first = first_snr(target)
    moved = Undrifted(target.score(compute.make_process("vp", 25.0, first)), target)
    ve = target.score(moved.process)
    x = torch.linspace(-5.0, 5.0, 41, dtype=torch.float64)[:, None]
    for t in np.linspace(moved.process.t_min, 1.0, 7):
        s, divergence = moved.at(float(t)).with_divergence(x)
        known, slope = ve.at(float(t)).with_divergence(x)
        assert float((s - known).abs().max()) < 1e-9 * (1.0 + float(known.abs().max()))
        assert float((divergence - slope).abs().max()) < 1e-9 * (1.0 + float(slope.abs().max()))


def test_a_small_run(tmp_path: Path) -> None:
    """All of it with toy networks: no check is violated, the raw law is off, the mended holds."""
    given = [
        "data=1.04", "steps=60", "width=16", "points=512", "pairs=1", "times=9",
        "exact_times=9", "moments=223", "digits_steps=30", "digits_width=16",
    ]  # fmt: skip
    run = run_study("ve_vs_vp", given, quick=True, out=tmp_path / "run", workers=1)
    checks = {check["name"]: check["status"] for check in run.sheet.checks}
    assert "violated" not in checks.values(), run.sheet.checks
    assert checks["Se = -2 Si + phi: networks as trained"] == "explained"
