"""A score's account as a row: likelihoods and entropies with their errors, heats on the noised law.

Nats, data units; the error of a term stands under its name and `.error`.
"""

from __future__ import annotations

from typing import Any

import torch

from thermohw.likelihood import Likelihood, evaluate, integrate_rates, physical_rates
from thermohw.likelihood.progress import silent
from thermohw.score import Score
from thermohw.target import Target

TERMS = {  # name in a row -> name in the likelihood room
    "nll_ode": "nll.ode", "nll_marginal": "nll.marginal", "elbo": "nll.sde_elbo",
    "bound": "bound.lower", "gap": "bound.gap", "margin": "bound.ode_margin",
    "score_error": "bound.score_error", "prior_mismatch": "bound.prior_mismatch",
    "residual": "bound.residual", "surplus": "bound.calibration_surplus",
    "terminal": "bound.terminal_mismatch", "trajectory": "bound.trajectory_drift",
    "production": "entropy.sigma_forward", "norm": "entropy.sigma_score",
    "cross_prior": "entropy.cross_prior", "entropy_data": "entropy.data",
    "entropy_prior": "entropy.prior", "quadrature": "error.quadrature",
}  # fmt: skip


def account(
    score: Score, target: Target, generator: torch.Generator, **options: Any
) -> tuple[dict[str, float], Likelihood]:
    """Known terms as a row, unknown ones left out, and the whole; options are of `evaluate`."""
    found, row = evaluate(score, target, generator=generator, progress=silent, **options), {}
    for name, source in TERMS.items():
        term = found.terms.get(source)
        if term is not None:
            row[name], row[f"{name}.error"] = float(term.value), float(term.stderr)
    return row, found


def on_the_law(
    found: Likelihood, score: Score, *, control: str, wiring: str = "emf"
) -> dict[str, float]:
    """Heat (kT), production (nats) and more of generation on p_t, at the default volts per unit."""
    process = score.process
    theta = float(process.transition(process.duration)[1]) if process.kind == "ve" else 1.0
    rates = physical_rates(
        found.profile, process, dim=score.dim, theta=theta, wiring=wiring, control=control
    )
    return integrate_rates(found.profile, rates)
