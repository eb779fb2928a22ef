"""The study data_entropy: closed-form biases of a score known to be wrong, and a whole tiny run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from thermohw.experiments.data_entropy import STUDY, closed_biases, expected_bias
from thermohw.likelihood import evaluate
from thermohw.process import VE
from thermohw.study import run_study
from thermohw.study.tools import Tools
from thermohw.target import gaussian


def test_closed_forms_by_quadrature() -> None:
    """Estimators and expected biases on a line, without randomness: N(0, 1) under VE, c s*."""
    process, target = VE(sigma=10.0), gaussian(0.0, 1.0)
    first, last = (1.0 + process.transition(t)[1] for t in (process.t_min, 1.0))
    found = evaluate(
        target.score(process).scaled(0.9),
        target,
        generator=torch.Generator(),
        prior="matched",
        tolerance=1e-9,
    )
    closed, expected = closed_biases(0.9, last / first), expected_bias(found)
    names = {"E1": "plugin", "E2": "inversion", "E3": "elbo"}
    for short, name in names.items():
        measured = found[f"entropy.estimate_{name}"].value - found["entropy.data"].value
        # quadrature in the state and in time: 1e-8 of terms of order one
        assert measured == pytest.approx(closed[short], abs=1e-7)
        assert expected[short] == pytest.approx(closed[short], abs=1e-7)


def test_scaled_cell_has_the_known_biases(tmp_path: Path) -> None:
    """Sixteen dimensions from samples: within four standard errors of the closed form."""
    cell = {"family": "scaled", "dim": 16, "factor": 0.8, "points": 256}
    row = STUDY.compute(cell, Tools(cell, 0, tmp_path))
    for name, value in closed_biases(0.8).items():
        assert abs(row[f"raw.{name}"] - value) < 4.0 * row[f"raw.{name}.stderr"]
        assert row[f"raw.{name}.stderr"] < 0.1 * closed_biases(0.8)["E1"]


def test_whole_study(tmp_path: Path) -> None:
    """A network of a few steps in two dimensions: stored, concluded, nothing violated."""
    given = {
        "families": ["mixture"],
        "dims": [2],
        "digits": 0,
        "steps": 20,
        "points": 64,
        "coordinates": 512,
    }
    done = run_study("data_entropy", given, out=tmp_path / "out", workers=1, progress=False)
    assert done.holds
    (row,) = done.results.where(family="mixture")
    for kind in ("raw", "calibrated"):
        # without K1 the evidence bound and the inversion are the same number
        assert row[f"{kind}.E3"] == pytest.approx(row[f"{kind}.E2"] - row[f"{kind}.k1"], abs=1e-12)
        assert np.isfinite([row[f"{kind}.{n}"] for n in ("E1", "ode")]).all()
    assert abs(row["knn"]) < 4.0 * row["knn.stderr"] + 0.01  # its own bias at 20000 samples
