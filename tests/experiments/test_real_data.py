"""real_data: its algebra on laws where everything is known, and a tiny run from MNIST files."""

from __future__ import annotations

import math
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from acceptance import assert_z

from thermohw.errors import InputError
from thermohw.experiments.real_data import STUDY
from thermohw.experiments.real_data.proxy import against
from thermohw.experiments.real_data.surrogate import Surrogate, fit_law
from thermohw.process import VP
from thermohw.study.run import run_study
from thermohw.target import gaussian, mnist

VP_FROM = VP(0.1, 20.0, t_min=1e-3)


def write_mnist(folder: Path, training: int, test: int) -> str:
    """Blurred blobs in IDX files."""
    rng = np.random.default_rng(3)
    for name, n in (("train-images-idx3-ubyte", training), ("t10k-images-idx3-ubyte", test)):
        centre = rng.uniform(8.0, 20.0, (n, 2, 1, 1))
        rows, columns = np.mgrid[:28, :28]
        square = (rows - centre[:, 0]) ** 2 + (columns - centre[:, 1]) ** 2
        images = (255.0 * np.exp(-square / rng.uniform(20.0, 60.0, (n, 1, 1)))).astype(np.uint8)
        (folder / name).write_bytes(struct.pack(">4I", 2051, n, 28, 28) + images.tobytes())
    return str(folder)


@pytest.mark.parametrize(("c", "p"), [(0.9, 1.0), (1.0, 0.8), (0.9, 1.2)])
def test_a_proxy_in_closed_form(generator: torch.Generator, c: float, p: float) -> None:
    """Unit Gaussian under VP: p_t is its own, s* = -x; model c s*, proxy p s*, T = int ds.

    int E|s*|^2 ds = d T, so the error is (c - p)^2 d T/2, the bound's bias (1 - p^2) d T/2, the
    residual c (p - 1) d T and the gap K1 + error + residual; S0 = S1 is known.
    """
    dim, n = 3, 4000
    target = gaussian([0.0] * dim)
    true = target.score(VP_FROM)
    points = target.held_out(n, generator)
    made = against(true.scaled(c), true.scaled(p), target, points, generator)
    length = VP_FROM.diffusion_time(1.0) - VP_FROM.diffusion_time(1e-3)
    exact = {
        "error": 0.5 * (c - p) ** 2 * dim * length,
        "true.error": 0.5 * (c - 1.0) ** 2 * dim * length,
        "true.proxy_error": 0.5 * (p - 1.0) ** 2 * dim * length,
        "true.overlap": (c - 1.0) * (p - 1.0) * dim * length,
        "true.bound_bias": 0.5 * (1.0 - p**2) * dim * length,
        "residual": c * (p - 1.0) * dim * length,
        "sigma_difference": (c**2 - p**2) * dim * length,
    }
    exact["true.plugin"] = (1.0 - c**2) * dim * length
    exact["true.marginal"] = (1.0 - c) * dim * length
    exact["true.proxy_marginal"] = (1.0 - p) * dim * length
    exact["gap"] = exact["error"] + exact["residual"] + _k1(dim)
    exact["bound"] = dim * 0.5 * math.log(2.0 * math.pi * math.e) + 0.5 * dim * length * (
        2.0 - c**2 - p**2
    )
    for name, value in exact.items():
        got, stderr = made[name]
        # 27 Chebyshev nodes of a smooth integrand: quadrature far below the noise of 4000 points
        assert abs(got - value) <= 4.0 * stderr + 1e-6, (name, got, value, stderr)
    assert made["residual"][0] == pytest.approx(made["residual_direct"][0], abs=1e-9)


def _k1(dim: int) -> float:
    """KL of N(0, 1) from the prior N(0, noise(T)) of VP."""
    variance = float(VP_FROM.transition(1.0)[1])
    return 0.5 * dim * (1.0 / variance - 1.0 + math.log(variance))


def test_the_fit_finds_two_clusters() -> None:
    """Means within four standard errors; mixture moments those of the rows."""
    rng = np.random.default_rng(0)
    rows = np.concatenate([rng.normal(-4.0, 1.0, (900, 2)), rng.normal(4.0, 0.5, (600, 2))])
    law = fit_law(rows, 2)
    order = np.argsort(law.means[:, 0])
    # one pseudo-row at the data's mean moves a cluster's mean by 4/n: below its standard error
    assert np.abs(law.means[order[0]] + 4.0).max() < 4.0 * 1.0 / 30.0 + 4.0 / 900
    assert np.abs(law.means[order[1]] - 4.0).max() < 4.0 * 0.5 / math.sqrt(600) + 5.0 / 600
    np.testing.assert_allclose(np.sort(law.weights), [601 / 1502, 901 / 1502], atol=1e-6)


def test_the_entropy_of_a_surrogate_is_in_data_units(
    tmp_path: Path, generator: torch.Generator
) -> None:
    """One component has one in closed form: the mean surprisal of its samples, in data units."""
    target = Surrogate(mnist(write_mnist(tmp_path, 300, 60), side=2), 1)
    assert target.scale != 1.0 and target.entropy is not None
    surprisal = -target.law.log_prob(target.law.sample(4000, generator).numpy())
    assert_z(torch.as_tensor(surprisal) + target.log_volume, target.entropy)


def test_the_surrogate_is_finite_and_known(tmp_path: Path, generator: torch.Generator) -> None:
    """As many rows as the data, always the same; held-out points fresh and of the law."""
    data = mnist(write_mnist(tmp_path, 200, 20), side=2)
    target = Surrogate(data, 3)
    again = Surrogate(data, 3)
    assert target.counts == {"train": 180, "validation": 20} and not target.analytic
    rows = target.training(None, generator)
    assert torch.equal(rows, again.training(None, generator)) and rows.shape == (180, 4)
    drawn = target.sample(50, generator)
    assert all((row == rows).all(1).any() for row in drawn)
    assert_z(target.held_out(20_000, generator), target.mean, label="held-out mean")
    assert target.score(VP_FROM).entropy(1e-3) is not None


def test_bad_data_are_one_complaint(tmp_path: Path) -> None:
    """Before any cell is computed."""
    p = dict(STUDY.parameters)
    with pytest.raises(InputError, match="choose digits, mnist, cifar10"):
        STUDY.cells(p | {"dataset": "imagenet"})
    with pytest.raises(InputError, match="no training images"):
        STUDY.cells(p | {"dataset": "mnist", "path": str(tmp_path)})


def test_a_tiny_run(tmp_path: Path) -> None:
    """From files to findings in four dimensions; what is stored satisfies the identities."""
    settings = {
        "dataset": "mnist",
        "path": write_mnist(tmp_path, 200, 24),
        "side": 2,
        "seeds": 1,
        "repeats": 1,
        "points": 300,
        "calibration": 20,
        "steps": 20,
        "width": 16,
        "proxy_steps": 20,
        "proxy_width": 24,
        "components": 2,
    }
    run = run_study("real_data", settings, out=tmp_path / "out", workers=1, progress=False)
    sheet = run.sheet
    status = {check["name"]: check["status"] for check in sheet.checks}
    assert status["the estimates are one another"] == "holds"
    assert status["the bound on the data"] == "not-applicable"
    (terms,) = (table for table in sheet.tables if table["name"] == "terms")
    known = {row[0]: row[1] for row in terms["rows"]}
    assert known["nll.ode"] == known["Sigma, forward"] == "yes"
    assert known["B, the bound"] == known["score error"] == known["S0"] == "no"
    assert {"estimates", "proxy", "calibration"} == set(sheet.drawn)
    for row in run.results.where(kind="network"):
        for kind in ("raw", "calibrated"):
            e1, u = row[f"{kind}.entropy.estimate_plugin"], row[f"{kind}.nll.sde_elbo"]
            k1 = row[f"{kind}.entropy.cross_prior"] - row[f"{kind}.entropy.prior"]
            assert e1 + u == pytest.approx(2.0 * row[f"{kind}.nll.marginal"] - k1, abs=1e-9)
    for row in run.results.where(kind="proxy"):
        term = {k[2:]: v for k, v in row.items() if k.startswith("0.")}
        assert term["residual"] == pytest.approx(term["residual_direct"], abs=1e-9)
        if row["law"] == "surrogate":  # polarisation, whatever the networks
            parts = term["true.error"] + term["true.proxy_error"] - term["true.overlap"]
            assert term["error"] == pytest.approx(parts, abs=1e-9)
    assert "violated" not in status.values(), sheet.checks
    surrogate = run.results.where(kind="network", law="surrogate")[0]
    # the gap is its terms: residual zero within its standard error and that of S0, S1
    assert abs(surrogate["raw.bound.residual"]) <= 4.0 * surrogate["raw.bound.residual.stderr"]
