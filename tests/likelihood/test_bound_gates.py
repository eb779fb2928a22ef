"""Rows of the reference tables that other files leave out, and what the terms cost."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from likelihood.altered import Altered, Warp

from thermohw.likelihood import (
    ExactTrace,
    GridEnsemble,
    Hutchinson,
    Timeline,
    evaluate,
    sweep,
)
from thermohw.likelihood.bound import bound_terms
from thermohw.likelihood.reference import Reference
from thermohw.likelihood.sources import known_entropies
from thermohw.likelihood.trace import choose_trace
from thermohw.process import VE, VP, Process
from thermohw.target import gaussian, gaussian_mixture, uniform_pixels

MIXTURE = gaussian_mixture([-1.0, 1.0], 0.2)
PLANE = gaussian_mixture([[-1.0, 0.0], [1.0, 0.5]], 0.5)
PRINTED = 5.1e-7  # half a unit of the last printed digit, and the solver's 1e-9
PROCESSES = [VE(sigma=10.0), VP(beta_min=0.1, beta_max=20.0)]


def test_gaussian_row(generator: torch.Generator) -> None:
    """N(0, 1) under VE(10): entropies, and c = 0.95 in closed form with r = 1 + var(1)."""
    target, process = gaussian(0.0, 1.0), VE(sigma=10.0)
    score = target.score(process).scaled(0.95)
    result = evaluate(score, target, generator=generator, prior="matched", tolerance=1e-10)
    entropy = result["entropy.data"].value
    assert entropy == pytest.approx(1.418939, abs=PRINTED)
    assert result["entropy.prior"].value == pytest.approx(2.975642, abs=PRINTED)
    assert result["entropy.sigma_forward"].value / 0.95**2 == pytest.approx(1.556704, abs=PRINTED)
    for name, value in (
        ("nll.ode", 0.005756),
        ("nll.marginal", 0.077835),
        ("bound.lower", 0.075889),
    ):
        assert result[name].value - entropy == pytest.approx(value, abs=PRINTED), name


@pytest.mark.parametrize("u", [0.5, 3.9216, 8.0])
def test_no_score_at_all(u: float, generator: torch.Generator) -> None:
    """s = 0 on N(0, 1) with noise u: NLL_ode lies below B exactly while u < 3.9216."""
    process = VE(sigma=10.0)
    scale = math.sqrt(process.transition(1.0)[1] / u)
    target = gaussian(0.0, scale)
    score = Altered(target.score(process), lambda s, x, t: 0.0 * s)
    result = evaluate(score, target, generator=generator, prior="matched", tolerance=1e-10)
    entropy = result["entropy.data"].value
    ode, bound = (result[name].value - entropy for name in ("nll.ode", "bound.lower"))
    assert ode == pytest.approx(0.5 * (math.log1p(u) + 1.0 / (1.0 + u) - 1.0), abs=1e-9)
    assert bound == pytest.approx(0.25 * math.log1p(u), abs=1e-9)
    if u == 0.5:
        assert (round(ode, 4), round(bound, 4)) == (0.0361, 0.1014)
    margin = result["bound.ode_margin"].value
    assert margin == pytest.approx(0.0, abs=1e-5) if u == 3.9216 else (margin < 0.0) == (u < 3.9)


def test_flow_beyond_the_evidence_bound(generator: torch.Generator) -> None:
    """U bounds the reverse SDE only: c = 0.95 on the mixture has NLL_ode above it."""
    score = MIXTURE.score(VE(sigma=10.0)).scaled(0.95)
    result = evaluate(score, MIXTURE, generator=generator, prior="matched", tolerance=1e-9)
    entropy = result["entropy.data"].value
    assert result["nll.ode"].value - entropy == pytest.approx(0.013556, abs=PRINTED)
    assert result["nll.sde_elbo"].value - entropy == pytest.approx(0.006185, abs=PRINTED)


TURN = torch.tensor([[0.0, 1.0], [-1.0, 0.0]], dtype=torch.float64)
WARPS: dict[str, Warp] = {
    "scaled": lambda s, x, t: 0.9 * s,
    "shifted": lambda s, x, t: s + torch.tensor([0.3, -0.1], dtype=torch.float64),
    "linear": lambda s, x, t: s - 0.05 * x @ torch.tensor([[1.0, 0.5], [0.5, 2.0]]).double(),
    "wavy": lambda s, x, t: s + 0.2 * torch.sin(2.0 * x),
    "no gradient": lambda s, x, t: s + (0.3 * s + 0.1 * torch.cos(x)) @ TURN,
}


@pytest.mark.parametrize("warp", WARPS)
@pytest.mark.parametrize("process", PROCESSES, ids=["ve", "vp"])
def test_gap_identity_in_the_plane(process: Process, warp: str, generator: torch.Generator) -> None:
    """NLL_marg = K1 + B + score error below 1e-6 nats, in two dimensions by quadrature."""
    score, truth = Altered(PLANE.score(process), WARPS[warp]), PLANE.score(process)
    timeline = Timeline.of(process, PLANE.narrowest)
    ensemble = GridEnsemble(process, truth, PLANE)
    prior = process.prior("schedule", PLANE.mean, PLANE.covariance)
    reference = Reference(timeline, PLANE.covariance, PLANE.mean)
    swept = sweep(score, ensemble, timeline, truth=truth, reference=reference, moments=55)
    known = known_entropies(PLANE, score, ensemble, prior=prior, reason="")
    cross = ensemble.cross_entropy(prior)
    terms = bound_terms(swept, cross, timeline.log_volume(2), known).values
    found = {name: term.value for name, term in terms.items() if term is not None}
    assert abs(found["bound.residual"]) < 1e-6
    assert found["bound.score_error"] > 1e-4
    assert abs(found["nll.marginal_denoising"] - found["nll.marginal"]) < 1e-6


def test_estimators_and_their_biases(generator: torch.Generator) -> None:
    """S0 estimates of an uncalibrated score: the biases are what the formulas say."""
    score = Altered(MIXTURE.score(VP()), lambda s, x, t: 0.9 * s + 0.1 * torch.sin(2.0 * x))
    result = evaluate(score, MIXTURE, generator=generator, tolerance=1e-3, moments=223)
    entropy, mismatch = result["entropy.data"].value, result["bound.prior_mismatch"].value
    error = 2.0 * result["bound.score_error"].value
    profile = result.profile
    d = np.array([0.5 * VP().diffusion(t) for t in profile["time"]])
    # E|s_true|^2 = error - norm - 2 trace, all D-weighted
    true_norm = profile["score_error"] - d * profile["score_square"] - 2.0 * profile["trace"]
    plugin = float(profile["weight"] @ (true_norm - d * profile["score_square"]))
    biases = {"plugin": plugin, "inversion": 2.0 * mismatch + error, "elbo": mismatch + error}
    for name, bias in biases.items():
        found = result[f"entropy.estimate_{name}"].value - entropy
        assert found == pytest.approx(bias, abs=1e-7), name
    assert abs(plugin) > 0.05 and error > 0.01


def test_uniform_pixels_in_several_dimensions(generator: torch.Generator) -> None:
    """Entropies and K1 add over pixels: 2 x 2 pixels, sigma = 10 and 25."""
    for sigma, end, mismatch in ((10.0, 2.954843, 0.005818), (25.0, 3.706354, 0.001290)):
        target, process = uniform_pixels(2), VE(sigma=sigma, t_min=1e-4)
        score = target.score(process)
        result = evaluate(score, target, generator=generator, points=64, tolerance=1e-2)
        shift = 4.0 * math.log(256.0)
        found = result["entropy.prior"]
        assert abs(found.value - shift - 4.0 * end) < 4.0 * PRINTED + 4.0 * found.stderr
        found = result["bound.prior_mismatch"]
        assert abs(found.value - 4.0 * mismatch) < 4.0 * PRINTED + 4.0 * found.stderr


def test_costs(generator: torch.Generator) -> None:
    """Every likelihood with its evaluations and seconds; the denoising forms need no divergence."""
    result = evaluate(PLANE.score(VP()), PLANE, generator=generator, points=50, tolerance=1e-2)
    cost, moments = result.settings["cost"], result.settings["moments"]
    assert set(cost) == {*(k for k in result.terms if k.startswith("nll.")), "bound.lower"}
    for name, row in cost.items():
        assert row["seconds"] > 0.0, name
        if name.endswith("_denoising"):
            assert (row["score_evaluations"], row["divergence_evaluations"]) == (moments, 0)
    assert cost["nll.marginal"]["divergence_evaluations"] == moments
    for key in ("score_evaluations", "divergence_evaluations"):
        assert cost["nll.ode"][key] == result.settings[key] > 0
    json.dumps(result.settings)


def test_fixed_steps(generator: torch.Generator) -> None:
    """The same likelihood on a fixed grid, to the error that it reports."""
    score = MIXTURE.score(VP()).scaled(0.95)
    exact = evaluate(score, MIXTURE, generator=generator, prior="matched", tolerance=1e-9)
    fixed = evaluate(
        score, MIXTURE, generator=generator, prior="matched", solver="fixed", steps=128
    )
    assert exact["nll.ode"].value == pytest.approx(0.570594, abs=PRINTED)
    allowed = 4.0 * fixed["error.solver"].value + 1e-9
    assert abs(fixed["nll.ode"].value - exact["nll.ode"].value) < allowed < 1e-3
    assert (fixed.settings["solver"], fixed.settings["steps"]) == ("fixed", 128)


def test_which_trace(generator: torch.Generator) -> None:
    """Exact up to 128 dimensions or in closed form; 64 probes beyond."""
    assert isinstance(choose_trace(0, 128, generator), ExactTrace)
    beyond = choose_trace(0, 129, generator)
    assert isinstance(beyond, Hutchinson) and beyond.probes == 64
    assert isinstance(choose_trace(0, 784, generator, closed_form=True), ExactTrace)
    assert choose_trace(3, 2, generator).products == 3
