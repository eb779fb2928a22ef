"""The bound's account against closed forms: Gaussian with a scaled score, linear score, rotation.

VE on N(0, v0): v(t) = v0 + var(t), r = v1/v0, score c times the exact one, a = (1 - c) ln r, prior
matched N(0, v1):

    KL_ode = (a + e^-a - 1)/2     KL_marg = a/2     B - S0 = (1 - c^2) ln r/4
    score error = (1 - c)^2 ln r/4     U - S0 = (1 - c)^2 ln r/2
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from acceptance import assert_z
from likelihood.altered import Altered

from thermohw.likelihood import Likelihood, evaluate
from thermohw.process import VE
from thermohw.score import Score
from thermohw.target import Target, gaussian, gaussian_mixture

PROCESS = VE(sigma=10.0)
VARIANCE = PROCESS.transition(1.0)[1] / 3.0  # v0 with v1 = v0 + var(1) = 4 v0
# Grid sums and the flow solver are asked for 1e-11; terms of order one pile up a few of those.
EXACT = 1e-9


def account(
    score: Score, target: Target, generator: torch.Generator, expectation: str = "auto"
) -> Likelihood:
    return evaluate(
        score,
        target,
        generator=generator,
        prior="matched",
        expectation=expectation,
        tolerance=1e-11,
    )


@pytest.mark.parametrize("c", [0.95, 0.5, 1.05])
def test_scaled_gaussian(c: float, generator: torch.Generator) -> None:
    target = gaussian(0.0, math.sqrt(VARIANCE))
    result = account(target.score(PROCESS).scaled(c), target, generator)
    entropy = 0.5 * math.log(2.0 * math.pi * math.e * VARIANCE)
    log_r = math.log(4.0)
    a = (1.0 - c) * log_r
    expected = {
        "entropy.data": entropy,
        "entropy.prior": entropy + 0.5 * log_r,
        "entropy.sigma_forward": 0.5 * c**2 * log_r,
        "nll.ode": entropy + 0.5 * (a + math.exp(-a) - 1.0),
        "nll.marginal": entropy + 0.5 * a,
        "nll.marginal_denoising": entropy + 0.5 * a,
        "bound.lower": entropy + 0.25 * (1.0 - c**2) * log_r,
        "bound.score_error": 0.25 * (1.0 - c) ** 2 * log_r,
        "bound.gap": 0.25 * (1.0 - c) ** 2 * log_r,
        "bound.prior_mismatch": 0.0,
        "bound.residual": 0.0,
        "bound.truncation": 0.0,
        "nll.sde_elbo": entropy + 0.5 * (1.0 - c) ** 2 * log_r,
        # the flow's law at T has variance v1 e^{-a}: the two halves of NLL_ode - NLL_marg
        "bound.terminal_mismatch": 0.5 * (math.exp(-a) - 1.0),
        "bound.trajectory_drift": 0.0,
        # biases of the three entropy estimates
        "entropy.estimate_plugin": entropy + 0.5 * (1.0 - c**2) * log_r,
        "entropy.estimate_inversion": entropy + 0.5 * (1.0 - c) ** 2 * log_r,
        "entropy.estimate_elbo": entropy + 0.5 * (1.0 - c) ** 2 * log_r,
    }
    for name, value in expected.items():
        assert result[name].stderr == 0.0
        assert abs(result[name].value - value) < EXACT, (name, result[name].value, value)
    assert result.settings["converged"] and result["error.solver"].value < EXACT


def test_printed_values_and_apparent_violation(generator: torch.Generator) -> None:
    """c = 0.95, r = 4 to eight digits; NLL_ode lies below B, NLL_marg above."""
    target = gaussian(0.0, math.sqrt(VARIANCE))
    result = account(target.score(PROCESS).scaled(0.95), target, generator)
    entropy = result["entropy.data"].value
    assert result["nll.ode"].value - entropy == pytest.approx(0.00117385, abs=5e-9)
    assert result["bound.lower"].value - entropy == pytest.approx(0.03379093, abs=5e-9)
    assert result["nll.marginal"].value - entropy == pytest.approx(0.03465736, abs=5e-9)
    assert result["bound.score_error"].value == pytest.approx(0.00086643, abs=5e-9)
    assert result["nll.sde_elbo"].value - entropy == pytest.approx(0.00173287, abs=5e-9)
    assert result["bound.ode_margin"].value == pytest.approx(0.00117385 - 0.03379093, abs=1e-8)
    assert result["bound.gap"].value > 0.0


def test_linear_score(generator: torch.Generator) -> None:
    """Score of the Gaussian of equal moments: every excess is the negentropy, B has half of it."""
    target = gaussian_mixture([-1.0, 1.0], 0.2)
    linear = gaussian(0.0, math.sqrt(1.04)).score(PROCESS)
    result = account(linear, target, generator)
    gaussian_entropy = 0.5 * math.log(2.0 * math.pi * math.e * 1.04)
    for name in ("nll.ode", "nll.marginal", "nll.sde_elbo"):
        assert abs(result[name].value - gaussian_entropy) < EXACT
    entropy, mismatch = result["entropy.data"].value, result["bound.prior_mismatch"].value
    assert gaussian_entropy - entropy == pytest.approx(0.935902, abs=5e-7)
    half = 0.5 * (gaussian_entropy - entropy)
    assert abs(result["bound.lower"].value + 0.5 * mismatch - entropy - half) < EXACT


def test_rotation(generator: torch.Generator) -> None:
    """A calibrated score in two dimensions, c (s + w J s) with c = 1/(1 + w^2), beats B as well.

    KL_ode = d ((1 - c) ln r + r^{c-1} - 1)/2 on the isotropic Gaussian, with or without rotation.
    """
    target = gaussian([0.0, 0.0], math.sqrt(VARIANCE))
    w = 0.5
    c = 1.0 / (1.0 + w**2)
    turn = torch.tensor([[1.0, w], [-w, 1.0]], dtype=torch.float64) * c
    score = Altered(target.score(PROCESS), lambda s, x, t: s @ turn)
    result = account(score, target, generator, expectation="grid")
    entropy = result["entropy.data"].value
    a = (1.0 - c) * math.log(4.0)
    assert abs(result["nll.ode"].value - entropy - (a + math.exp(-a) - 1.0)) < EXACT
    assert result["nll.ode"].value - entropy == pytest.approx(0.0351172, abs=5e-8)
    assert result["bound.lower"].value - entropy == pytest.approx(0.1386294, abs=5e-8)
    assert abs(result["bound.residual"].value) < EXACT
    # calibrated: the ratio is -2 at all times, NLL_marg = U, all three estimates agree
    assert np.abs(result.profile["ratio"] + 2.0).max() < EXACT
    assert np.abs(result.profile["calibration"] - 1.0).max() < EXACT
    assert abs(result["nll.marginal"].value - result["nll.sde_elbo"].value) < EXACT


def test_samples_agree_with_closed_form(generator: torch.Generator) -> None:
    """The same account from held-out points: every term within 4 of its own standard errors."""
    target = gaussian([0.3, -0.2, 0.1], math.sqrt(VARIANCE))
    score = target.score(PROCESS).scaled(0.9)
    result = evaluate(score, target, generator=generator, prior="matched", points=4000)
    d, log_r = 3, math.log(4.0)
    entropy, a = d * 0.5 * math.log(2.0 * math.pi * math.e * VARIANCE), 0.1 * log_r
    expected = {
        "nll.ode": entropy + 0.5 * d * (a + math.exp(-a) - 1.0),
        "nll.marginal": entropy + 0.5 * d * a,
        "nll.marginal_denoising": entropy + 0.5 * d * a,
        "nll.sde_elbo": entropy + 0.5 * d * 0.01 * log_r,
        "nll.sde_elbo_denoising": entropy + 0.5 * d * 0.01 * log_r,
        "bound.lower": entropy + 0.25 * d * (1.0 - 0.81) * log_r,
        "bound.score_error": 0.25 * d * 0.01 * log_r,
        "bound.residual": 0.0,
        "bound.terminal_mismatch": 0.5 * d * (math.exp(-a) - 1.0),
        "entropy.sigma_forward": 0.5 * d * 0.81 * log_r,
        "entropy.estimate_inversion": entropy + 0.5 * d * 0.01 * log_r,
    }
    for name, value in expected.items():
        assert_z(result[name].value, value, stderr=result[name].stderr, label=name)
        assert result[name].stderr < 0.06, name  # and the standard errors are small enough to tell
