"""The study data_entropy: closed-form biases of a score known to be wrong, and a whole tiny run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from thermohw.experiments.data_entropy import STUDY
from thermohw.experiments.data_entropy.biases import biases
from thermohw.experiments.data_entropy.compute import closed_biases
from thermohw.likelihood import evaluate
from thermohw.process import VE
from thermohw.score import Field, Score
from thermohw.study import run_study
from thermohw.study.tools import Tools
from thermohw.target import gaussian, gaussian_mixture


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
    names = {"E1": "plugin", "E2": "inversion", "E3": "elbo"}
    for short, value in closed_biases(0.9, last / first).items():
        measured = found[f"entropy.estimate_{names[short]}"].value - found["entropy.data"].value
        # quadrature in the state and in time: 1e-8 of terms of order one
        assert measured == pytest.approx(value, abs=1e-7)


class _Bent(Score):
    """The true score of a standard mixture, bent by a field that is no multiple of it."""

    def __init__(self, base: Score) -> None:
        self.base, self.process, self.dim, self.target = base, base.process, base.dim, base.target
        self.narrowest = base.narrowest

    def at(self, t: float) -> Field:
        return _BentField(self.base.at(t))


class _BentField(Field):
    def __init__(self, base: Field) -> None:
        self.base = base

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return self.base(x) + 0.2 * torch.sin(2.0 * x).roll(1, 1) - 0.1 * x

    def with_divergence(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        divergence = self.base.with_divergence(x)[1]  # the rolled part has none
        return self(x), divergence - 0.1 * x.shape[1]


def test_account_agrees_with_the_package() -> None:
    """Paired biases against `evaluate`, by another noise, divergences and no pairing."""
    process = VE(sigma=5.0, t_min=1e-3)
    target = gaussian_mixture([[-1.0, 0.0], [1.0, 0.5]], 0.4)
    score, stream = _Bent(target.score(process)), torch.Generator().manual_seed(5)
    points = target.held_out(4096, stream)
    own = biases(score, target, points, stream)
    found = evaluate(
        score,
        target,
        generator=stream,
        prior="matched",
        points=points,
        moments=55,
        tolerance=1e-3,
        split="none",
        progress=lambda items, _: items,
    )
    s0 = found["entropy.data"]
    for short, name in {"E1": "plugin", "E2": "inversion", "E3": "elbo"}.items():
        theirs = found[f"entropy.estimate_{name}"]
        value, stderr = own[f"raw.{short}"]
        difference = theirs.value - s0.value - value
        assert abs(difference) < 4.0 * np.hypot(theirs.stderr, stderr), short
    for name in ("raw.E1", "raw.E3"):  # large enough to be told from zero, and from each other
        assert abs(own[name][0]) > 10.0 * own[name][1]
    assert abs(own["raw.stein"][0]) < 4.0 * own["raw.stein"][1]
    assert abs(own["truth"][0]) < 4.0 * own["truth"][1]


def test_gaussian_partner_changes_nothing() -> None:
    """Data that say they are unknown: the same estimates up to their mean, another partner."""
    process = VE(sigma=5.0, t_min=1e-3)
    target = gaussian_mixture([[-1.0, 0.0], [1.0, 0.5]], 0.4)
    score, stream = _Bent(target.score(process)), torch.Generator().manual_seed(6)
    points = target.held_out(4096, stream)
    known = biases(score, target, points, stream)
    target.kind = "digits"
    blind = biases(score, target, points, stream)
    # S1 is the Gaussian's, too large by K1 (negentropy at T, below 1e-3 here)
    for first, second in (("E1", "E3"), ("E2", "E3")):
        pairs = [(of[f"raw.{first}"], of[f"raw.{second}"]) for of in (known, blind)]
        (one, other) = (a[0] - b[0] for a, b in pairs)
        error = np.sqrt(sum(term[1] ** 2 for pair in pairs for term in pair))
        assert abs(one - other) < 4.0 * error + 2e-3


def test_scaled_cell_has_the_known_biases(tmp_path: Path) -> None:
    """Sixteen dimensions from samples: within four standard errors of the closed form."""
    cell = {"family": "scaled", "dim": 16, "factor": 0.8, "points": 256, "times": 27}
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
        "calibration": 4096,
    }
    done = run_study("data_entropy", given, out=tmp_path / "out", workers=1, progress=False)
    assert done.holds
    (row,) = done.results.where(family="mixture")
    for kind in ("raw", "calibrated"):
        # without K1 the evidence bound and the inversion are the same number
        assert row[f"{kind}.E3"] == pytest.approx(row[f"{kind}.E2"] - row["k1"], abs=1e-12)
        assert np.isfinite([row[f"{kind}.{n}"] for n in ("E1", "E2", "E3")]).all()
    assert abs(row["knn"]) < 4.0 * row["knn.stderr"] + 0.01  # its own bias at 20000 samples
