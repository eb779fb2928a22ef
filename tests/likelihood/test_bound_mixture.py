"""The bound on a mixture: the reference table, and the gap identity under arbitrary score errors.

Target (1/2) N(-1, 0.04) + (1/2) N(1, 0.04), prior matched. The last column of the table is the gap
NLL_marg - B = K1 + score error; K1 is 3.25e-7 for VE (the last printed digit depends on it).
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from likelihood.altered import Altered, Warp

from thermohw.likelihood import evaluate
from thermohw.process import OU, VE, VP, Process
from thermohw.target import gaussian, gaussian_mixture

TARGET = gaussian_mixture([-1.0, 1.0], 0.2)
NAMES = (
    "entropy.sigma_forward",
    "nll.marginal",
    "nll.ode",
    "bound.lower",
    "nll.sde_elbo",
    "bound.gap",
)
PROCESSES: dict[str, Process] = {"ve": VE(sigma=10.0), "vp": VP(beta_min=0.1, beta_max=20.0)}
TABLE = [
    ("ve", 1.0, 2.473883, 0.502647, 0.502647, 0.502647, 0.502647, 0.0),
    ("ve", 0.95, 2.232680, 0.626341, 0.516203, 0.623249, 0.508832, 0.003093),
    ("ve", 1.05, 2.727456, 0.378953, 0.518710, 0.375860, 0.508832, 0.003093),
    ("ve", "linear", 1.537982, 1.438549, 1.438549, 0.970598, 1.438549, 0.467951),
    ("vp", 1.0, 0.916292, 0.502647, 0.502647, 0.502647, 0.502647, 0.0),
    ("vp", 0.95, 0.337016, 0.799712, 0.570594, 0.792285, 0.517500, 0.007427),
    ("vp", "linear", -0.019609, 1.438549, 1.438549, 0.970598, 1.438549, 0.467951),
]
PRINTED = 5.1e-7  # half a unit of the last printed digit, and the solver's 1e-9


@pytest.mark.parametrize("row", TABLE, ids=[f"{row[0]}-{row[1]}" for row in TABLE])
def test_reference_table(row: tuple, generator: torch.Generator) -> None:
    kind, c, *expected = row
    process = PROCESSES[kind]
    if c == "linear":
        score = gaussian(0.0, math.sqrt(1.04)).score(process)
    else:
        score = TARGET.score(process).scaled(c)
    result = evaluate(score, TARGET, generator=generator, prior="matched", tolerance=1e-9)
    for name, value in zip(NAMES, expected, strict=True):
        assert abs(result[name].value - value) < PRINTED, (name, result[name].value, value)
    assert result["entropy.prior"].value == pytest.approx(
        2.976530 if kind == "ve" else 1.418939, abs=PRINTED
    )
    assert (result["bound.ode_margin"].value < 0.0) == (c == 0.95)  # reported, where it happens
    assert result["bound.gap"].value > -1e-12


@pytest.mark.parametrize(("c", "ode"), [(1.0, 0.503214), (0.95, 0.512229), (1.05, 0.525120)])
def test_schedule_prior(c: float, ode: float, generator: torch.Generator) -> None:
    """With the prior N(0, var(1)) the ODE column changes, and K1 is no longer nothing."""
    score = TARGET.score(PROCESSES["ve"]).scaled(c)
    result = evaluate(score, TARGET, generator=generator, prior="schedule", tolerance=1e-9)
    assert abs(result["nll.ode"].value - ode) < PRINTED
    cross, entropy = result["entropy.cross_prior"].value, result["entropy.prior"].value
    assert result["bound.prior_mismatch"].value == pytest.approx(cross - entropy, abs=1e-14)
    assert result["bound.prior_mismatch"].value > 1e-4


WARPS: dict[str, Warp] = {
    "small": lambda s, x, t: 0.95 * s,
    "large": lambda s, x, t: 1.05 * s,
    "shifted": lambda s, x, t: s + 0.3,
    "wavy": lambda s, x, t: s + 0.2 * torch.sin(2.0 * x),
    "fading": lambda s, x, t: s * (1.0 - 0.5 * t) + 0.1 * x / (1.0 + x**2),
}


@pytest.mark.parametrize("warp", WARPS)
@pytest.mark.parametrize(
    "process", [VE(sigma=10.0), VP(beta_min=0.1, beta_max=20.0), OU(duration=3.0)]
)
def test_gap_identity(process: Process, warp: str, generator: torch.Generator) -> None:
    """Residual of NLL_marg = K1 + B + score error below 1e-8, and the decomposition of NLL_ode."""
    score = Altered(TARGET.score(process), WARPS[warp])
    result = evaluate(score, TARGET, generator=generator, tolerance=1e-6, moments=223)
    assert abs(result["bound.residual"].value) < 1e-8
    assert result["bound.score_error"].value > 1e-4
    stein = result["nll.marginal_denoising"].value - result["nll.marginal"].value
    assert abs(stein) < 1e-8
    parts = result["bound.terminal_mismatch"].value + result["bound.trajectory_drift"].value
    whole = result["nll.ode"].value - result["nll.marginal"].value
    assert parts == pytest.approx(whole, abs=1e-12)
    # KL(p_0 || flow law) >= 0 whatever the score, which NLL_marg and B do not promise
    assert result["nll.ode"].value > result["entropy.clean"].value
    excess = result["nll.sde_elbo"].value - result["entropy.data"].value
    parts = result["bound.prior_mismatch"].value + 2.0 * result["bound.score_error"].value
    assert excess == pytest.approx(parts, abs=1e-8)


def test_identity_fails_for_a_wrong_sign(generator: torch.Generator) -> None:
    """Generation-oriented rates in place of forward ones break the identity by Sigma."""
    result = evaluate(TARGET.score(PROCESSES["ve"]), TARGET, generator=generator, prior="matched")
    total = result["entropy.data"].value + result["entropy.prior"].value
    wrong = 0.5 * (total + result["entropy.sigma_forward"].value)
    assert wrong > result["nll.marginal"].value + 1.0
    right = 0.5 * (total - result["entropy.sigma_forward"].value)
    assert right == pytest.approx(result["bound.lower"].value, abs=1e-12)


def test_calibration_ratio(generator: torch.Generator) -> None:
    """Ratio -2/c at every time for c times the exact score; c_t = 1/c repairs it."""
    for c, ratio in ((1.0, -2.0), (0.95, -2.105263), (1.05, -1.904762)):
        profile = evaluate(
            TARGET.score(PROCESSES["ve"]).scaled(c), TARGET, generator=generator
        ).profile
        assert np.abs(profile["ratio"] - ratio).max() < 1e-6
        assert np.abs(profile["calibration"] * c - 1.0).max() < 1e-9


def test_vp_rates(generator: torch.Generator) -> None:
    """Exact score: exchange = -2 intrinsic + (beta/2)(E|x|^2 - d); VE: exchange = -2 intrinsic."""
    process = PROCESSES["vp"]
    profile = evaluate(TARGET.score(process), TARGET, generator=generator).profile
    beta = np.array([process.diffusion(t) for t in profile["time"]])
    medium = 0.5 * beta * (profile["second_moment"] - 1.0)
    # the second moment itself: 1 + 0.04 e^{-int beta}
    decay = np.array([process.transition(t)[0] for t in profile["time"]])
    assert np.abs(profile["second_moment"] - 1.0 - 0.04 * decay**2).max() < 1e-10
    law = profile["exchange"] + 2.0 * profile["intrinsic"] - medium
    assert np.abs(law).max() < 1e-9 * np.abs(profile["exchange"]).max()
    assert np.abs(medium).max() > 1e-3  # the term that is being tested is there
    system = profile["intrinsic"] + profile["exchange"]
    assert np.abs(system + profile["sigma"]).max() < 1e-9 * np.abs(profile["sigma"]).max()
    profile = evaluate(TARGET.score(PROCESSES["ve"]), TARGET, generator=generator).profile
    assert np.abs(profile["exchange"] / profile["intrinsic"] + 2.0).max() < 1e-9


def test_sigma_profile_integrates(generator: torch.Generator) -> None:
    """The profile's weights and rates give Sigma and its drift part."""
    result = evaluate(TARGET.score(PROCESSES["vp"]), TARGET, generator=generator)
    profile = result.profile
    total = float(profile["weight"] @ profile["sigma"])
    assert total == pytest.approx(result["entropy.sigma_forward"].value, abs=1e-7)
    drift = float(profile["weight"] @ profile["sigma_drift"])
    assert drift == pytest.approx(-0.5 * 10.05, abs=1e-7)
    assert result["entropy.sigma_drift"].value == pytest.approx(-0.5 * 10.05, abs=1e-12)
