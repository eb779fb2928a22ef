"""Calibration: factors against their exact values, and what a calibrated score has to satisfy."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from acceptance import assert_z
from likelihood.altered import Altered

from thermohw.errors import InputError
from thermohw.likelihood import GridEnsemble, Likelihood, Timeline, evaluate, sweep
from thermohw.process import OU, VE, VP, Process, Relaxation
from thermohw.score import CalibratedScore, Score, calibrated
from thermohw.score.training import fit_score
from thermohw.target import DataSet, Target, gaussian, gaussian_mixture

MIXTURE = gaussian_mixture([-1.0, 1.0], 0.2)
PLANE = gaussian_mixture([[-1.0, 0.0], [1.0, 0.5]], [[0.3, 0.5], [0.4, 0.2]], [0.3, 0.7])
COUPLED = Relaxation(
    np.array([[1.0, 2.0], [0.0, 1.5]]), np.array([[1.0, 0.3], [0.3, 2.0]]), duration=6.0, t_min=0.05
)


@pytest.mark.parametrize(
    ("target", "process"),
    [(MIXTURE, VE(sigma=10.0)), (MIXTURE, VP()), (PLANE, OU(duration=3.0)), (PLANE, COUPLED)],
    ids=["ve", "vp", "ou", "coupled"],
)
def test_a_scaled_score_is_scaled_back(
    target: Target, process: Process, generator: torch.Generator
) -> None:
    """c times the exact score has the factor 1/c at every time."""
    found = calibrated(target.score(process).scaled(0.8), target, generator=generator)
    assert_z(found.factors, 1.25, stderr=found.stderrs)
    # the error bars are honest: sum z^2 is chi^2 with as many degrees as times, sd sqrt(2 * 33)
    chi2 = float((((found.factors - 1.25) / found.stderrs) ** 2).sum())
    assert_z(chi2, 33.0, stderr=np.sqrt(66.0))
    assert found.stderrs.max() < 0.04  # and small enough to tell 0.8 from 1


@pytest.mark.parametrize(
    ("target", "process"), [(MIXTURE, VE(sigma=10.0)), (PLANE, COUPLED)], ids=["ve", "coupled"]
)
def test_factors_against_quadrature(
    target: Target, process: Process, generator: torch.Generator
) -> None:
    """Any score: the factors are E[s . D s_true]/E[s . D s], integrated over the known law."""
    truth = target.score(process)
    late, heavy = process.duration, torch.tensor([1.0, 3.0][: target.dim], dtype=torch.float64)
    score = Altered(
        truth, lambda s, x, t: heavy * s * (1.0 - 0.5 * t / late) + 0.1 * x / (1 + x**2)
    )
    found = calibrated(score, target, generator=generator)
    ensemble = GridEnsemble(process, truth, target)
    profile = sweep(score, ensemble, Timeline.of(process, target.narrowest), moments=27).profile
    missed = found.interpolation_error() / 4.0  # a table twice as coarse misses 4 times as much
    for t, exact in zip(profile["time"], profile["calibration"], strict=True):
        if process.log_snr(t) < found.log_snr[-1]:
            assert abs(found.factor(t) - exact) < 4.0 * found.stderr(t) + missed, t
    assert np.ptp(profile["calibration"]) > 0.2  # there was something to find
    assert missed + 4.0 * found.stderrs.max() < 0.08


def relative_error(found: CalibratedScore, profile: dict[str, np.ndarray]) -> np.ndarray:
    """How far off the factors may be: four standard errors, and the cubic between the times."""
    missed = found.interpolation_error() / 4.0
    return np.array([(4.0 * found.stderr(t) + missed) / found.factor(t) for t in profile["time"]])


def assert_calibrated(result: Likelihood, error: np.ndarray) -> None:
    """Ratio -2, NLL_marg = U and equal entropy estimates, as exactly as the factors are known.

    With factors wrong by e relative, norm + trace = e norm to first order, so ratio + 2 = 2 e,
    U - NLL_marg = int e norm, and E1 - E3 is twice that less K1.
    """
    profile = result.profile
    assert (np.abs(profile["ratio"] + 2.0) < 2.0 * error * (1.0 + error) + 1e-9).all()
    most = float(profile["weight"] @ (profile["sigma_score"] * error))
    difference = result["nll.sde_elbo"].value - result["nll.marginal"].value
    assert abs(difference) < most
    assert 2.0 * difference == pytest.approx(result["bound.calibration_surplus"].value, abs=1e-12)
    plugin, inversion, elbo = (
        result[f"entropy.estimate_{name}"].value for name in ("plugin", "inversion", "elbo")
    )
    mismatch = result["bound.prior_mismatch"].value
    assert abs(plugin - elbo + mismatch) < 2.0 * most
    assert inversion - elbo == pytest.approx(mismatch, abs=1e-9)


@pytest.mark.parametrize("process", [VE(sigma=10.0), VP()], ids=["ve", "vp"])
def test_what_calibration_brings(process: Process, generator: torch.Generator) -> None:
    wrong = Altered(MIXTURE.score(process), lambda s, x, t: 0.85 * s + 0.1 * torch.sin(2.0 * x))
    before = evaluate(wrong, MIXTURE, generator=generator, prior="matched", tolerance=1e-3)
    found = calibrated(wrong, MIXTURE, generator=generator, points=2**17)
    after = evaluate(found, MIXTURE, generator=generator, prior="matched", tolerance=1e-3)
    assert_calibrated(after, relative_error(found, after.profile))
    with pytest.raises(AssertionError):
        assert_calibrated(before, relative_error(found, before.profile))
    # the closest multiple of the score at every time
    assert after["bound.score_error"].value < before["bound.score_error"].value


def test_a_learned_score(generator: torch.Generator) -> None:
    """A network trained for far too short a time, calibrated on data it will not be judged by."""
    process = VP(t_min=1e-3)
    network = fit_score(
        MIXTURE, process, seed=3, steps=60, architecture={"width": 16}, states=4, progress=False
    )
    score = network.scaled(0.9)
    before = evaluate(score, MIXTURE, generator=generator, prior="matched", tolerance=1e-3)
    found = calibrated(score, MIXTURE, generator=generator)
    after = evaluate(found, MIXTURE, generator=generator, prior="matched", tolerance=1e-3)
    assert_calibrated(after, relative_error(found, after.profile))
    assert np.abs(before.profile["ratio"] + 2.0).max() > 0.15
    assert after["nll.sde_elbo"].value < before["nll.sde_elbo"].value
    assert after["bound.score_error"].value < before["bound.score_error"].value


def test_fields_keep_what_they_know(generator: torch.Generator) -> None:
    target = gaussian([0.3, -0.2], [0.5, 0.8])
    score = target.score(OU(duration=3.0)).scaled(0.5)
    found = calibrated(score, target, generator=generator, points=500)
    x, t = target.sample(7, generator), 0.4
    plain, rescaled, c = score.at(t), found.at(t), found.factor(0.4)
    assert rescaled.affine is not None and plain.affine is not None
    for ours, theirs in zip(rescaled.affine, plain.affine, strict=True):
        assert torch.allclose(torch.as_tensor(ours), c * torch.as_tensor(theirs))
    s, divergence = rescaled.with_divergence(x)
    assert torch.allclose(s, c * plain(x)) and torch.allclose(divergence, c * plain.divergence(x))
    assert found.divergence_products == score.divergence_products
    assert not found.exact and found.narrowest == score.narrowest and found.base is score


def test_storing(generator: torch.Generator) -> None:
    score = MIXTURE.score(VP()).scaled(0.8)
    found = calibrated(score, MIXTURE, generator=generator, points=100)
    again = CalibratedScore.from_dict(score, json.loads(json.dumps(found.to_dict())))
    times = np.linspace(0.0, 1.0, 50)
    assert [again.factor(t) for t in times] == [found.factor(t) for t in times]
    assert again.stderr(0.3) == found.stderr(0.3)
    assert found.factor(0.0) == found.factors[-1]  # beyond the table its end value holds
    for broken in (
        {},
        {"log_snr": [0.0, 1.0], "factor": [1.0, float("nan")], "stderr": [0.1, 0.1]},
    ):
        with pytest.raises(InputError, match="calibration"):
            CalibratedScore.from_dict(score, broken)
    with pytest.raises(InputError, match="in order of log SNR"):
        CalibratedScore(score, np.array([1.0, 0.0]), np.ones(2), np.ones(2))


class Guarded(DataSet):
    """A data set whose training and test rows must not be touched."""

    def held_out(self, n: int | None, generator: torch.Generator) -> torch.Tensor:
        raise AssertionError("held-out rows")

    def training(self, n: int | None, generator: torch.Generator) -> torch.Tensor:
        raise AssertionError("training rows")


def test_rows_it_uses(generator: torch.Generator) -> None:
    """Validation rows, all of them, each with as many noises as make up the default number."""
    rows = torch.randint(0, 5, (400, 2), generator=generator).numpy().astype(np.uint8)
    split = np.repeat([0, 1, 2], [200, 100, 100]).astype(np.int8)
    target = Guarded(rows, split, table={"kind": "array"}, name="toy", step=1.0)
    model: Score = gaussian(np.zeros(2), covariance=target.covariance).score(VP(t_min=1e-3))
    found = calibrated(model, target, generator=generator, times=5)
    # the score of the data's own Gaussian needs no factor where noise has hidden the rest
    assert abs(found.factors[0] - 1.0) < 4.0 * found.stderrs[0] + 1e-3


def test_bad_requests(generator: torch.Generator) -> None:
    score = MIXTURE.score(VP())
    with pytest.raises(InputError, match=r"shape \(>= 2, 1\), got \(5, 2\)"):
        calibrated(score, MIXTURE, generator=generator, points=torch.zeros(5, 2))
    with pytest.raises(InputError, match="2 or more times"):
        calibrated(score, MIXTURE, generator=generator, times=1)
    with pytest.raises(InputError, match="nothing to calibrate"):
        calibrated(score.scaled(0.0), MIXTURE, generator=generator, points=10)
    for points in (-1, 1, 2.5, np.zeros((5, 1))):
        with pytest.raises(InputError, match="points: expected a torch tensor"):
            calibrated(score, MIXTURE, generator=generator, points=points)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="points to calibrate on must be finite"):
        calibrated(score, MIXTURE, generator=generator, points=torch.full((5, 1), np.nan))
    with pytest.raises(InputError, match="points to calibrate on are not in the model units"):
        calibrated(score, MIXTURE, generator=generator, points=255.0 * torch.ones(5, 1))
    with pytest.raises(InputError, match="pairs: expected a whole number >= 1, got 0"):
        calibrated(score, MIXTURE, generator=generator, points=10, pairs=0)
