"""Accuracy, production and heat of one score, on p_t and on the circuit."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from thermohw import Protocol, load_device, simulate, targets
from thermohw.circuit import LinearDevice
from thermohw.likelihood import Likelihood, evaluate
from thermohw.likelihood.wiring import energy_law, integrate_rates, physical_rates
from thermohw.process import VE, VP, Process
from thermohw.score import ExactScore, Score
from thermohw.score.calibrated import CalibratedScore, calibrated
from thermohw.study import Tools
from thermohw.target import Target

MEANS = [[-1.2, 0.2], [0.8, 0.9], [0.5, -1.1]]


STD = 0.25


FIRST = VP(0.1, 20.0).log_snr(4e-4)  # digits: 0.028 grey level of noise


TERMS = {  # names in a row -> names of the likelihood room
    "nll_ode": "nll.ode",
    "nll_marginal": "nll.marginal",
    "elbo": "nll.sde_elbo",
    "bound": "bound.lower",
    "gap": "bound.gap",
    "score_error": "bound.score_error",
    "prior_mismatch": "bound.prior_mismatch",
    "residual": "bound.residual",
    "production": "entropy.sigma_forward",
    "surplus": "bound.calibration_surplus",
    "cross_prior": "entropy.cross_prior",
    "entropy_data": "entropy.data",
    "entropy_prior": "entropy.prior",
}


def make_target(data: str) -> Target:
    """Digits, or three Gaussians in the plane."""
    return targets.digits() if data == "digits" else targets.gaussian_mixture(MEANS, STD)


def make_process(target: Target, sigma: float) -> VE:
    """Without drift, from a noise far below the data's finest structure on."""
    first = -math.log(1e-3 * target.narrowest) if target.analytic else FIRST
    return VE(sigma=sigma, t_min=VE(sigma=sigma).time_at_log_snr(first))


def make_device(dim: int) -> LinearDevice:
    """As many uncoupled RC nodes as the data have coordinates."""
    return load_device("rc64") if dim == 64 else load_device("rc64", {"array.shape": [1, dim]})


def compute(cell: dict[str, Any], tools: Tools) -> dict[str, Any]:
    """Accuracy, production and heat of one score."""
    target = make_target(cell["data"])
    process = make_process(target, cell["sigma"])
    if cell["kind"] == "exact":
        score: Score = target.score(process).scaled(cell["factor"])
    else:
        score = tools.score(
            target,
            process,
            seed=cell["network_seed"],
            steps=cell["steps"],
            architecture={"head": cell["head"], "width": cell["width"], "depth": cell["depth"]},
        )
    count = cell["points"] if target.analytic else None
    points = target.held_out(count, tools.generator("held out", shared=("data",)))
    row = model_account(score, target, points, tools)
    if cell["kind"] == "network":
        # half of the digits' test images calibrate and the other half judges
        fit = target.validation(count, tools.generator("calibration")) if count else points[::2]
        judged = points if count else points[1::2]
        tuned = calibrated(score, target, generator=tools.generator("calibrated"), points=fit)
        again = model_account(tuned, target, judged, tools)
        row |= {f"calibrated.{name}": value for name, value in again.items()}
    return row | device_account(score, target, cell)


def model_account(
    score: Score, target: Target, points: torch.Tensor, tools: Tools
) -> dict[str, float]:
    """Likelihoods, production and heat on p_t; nats, kT; with ".error" the standard errors."""
    found: Likelihood = evaluate(
        score,
        target,
        generator=tools.generator("noise", shared=("data",)),
        points=points,
        progress=lambda items, _: items,
    )
    row: dict[str, float] = {}
    for name, source in TERMS.items():
        term = found.terms.get(source)
        if term is not None:
            row[name], row[f"{name}.error"] = float(term.value), float(term.stderr)
    law = energy_law(found)
    row["heat"], row["heat.error"] = law.heat
    if law.least is not None and law.slack is not None:
        row["least"], row["slack"] = law.least.value, law.slack.value
        row["slack.error"] = law.slack.stderr
    theta = float(score.process.transition(score.process.duration)[1])
    rates = physical_rates(
        found.profile,
        score.process,
        dim=target.dim,
        theta=theta,
        wiring="emf",
        control="continuous",
    )
    totals = integrate_rates(found.profile, rates)
    if "production" in totals:
        row["production_true"] = totals["production"]
    if isinstance(score, CalibratedScore):
        # the table's own noise, as if it were the same at all times: an upper estimate
        slack = [score.stderr(float(t)) for t in found.profile["time"]]
        lost = 2.0 * found.profile["weight"] * found.profile["sigma_score"]
        row["surplus.error"] = math.hypot(row["surplus.error"], float(lost @ slack))
    return row


def device_account(score: Score, target: Target, cell: dict[str, Any]) -> dict[str, float]:
    """Heat on the circuit, kT, continuous and clocked, at n and 2n ticks."""
    row: dict[str, float] = {}
    device = make_device(target.dim)
    for control in ("continuous", "clocked"):
        for name, ticks in (("coarse", cell["ticks"]), ("fine", 2 * cell["ticks"])):
            protocol = Protocol(
                device,
                score.process,
                score,
                wiring="emf",
                control=control,
                ticks=ticks,
                grid="log-snr",
            )
            run = simulate(
                protocol,
                paths=cell["paths"],
                seed=cell["noise"],
                start="prior",
                target=target,
                progress=False,
            )
            key = f"{control}.{name}"
            (joules, error), energy = run.ledger.rows["heat.total"], run.ledger.energy
            row[key], row[f"{key}.error"], row["kT"] = joules / energy, error / energy, energy
            residual = run.ledger.rows["first_law.residual"].value / energy
            row["first_law"] = max(row.get("first_law", 0.0), abs(residual))
            if key == "continuous.fine" and target.analytic:
                x = torch.as_tensor(run.channels["voltage.end"]) / protocol.v0
                row |= _entropies(target.score(score.process), x, score.process)
    return row


def _entropies(truth: ExactScore, x: torch.Tensor, process: Process) -> dict[str, float]:
    """S(start) of the prior, and -E ln p_tmin of the samples, nats, model units."""
    surprisal = -truth.log_prob(x.double(), process.t_min)
    prior = process.prior("schedule", np.zeros(x.shape[1]), 1.0)
    return {
        "start_entropy": float(prior.entropy),
        "surprisal": float(surprisal.mean()),
        "surprisal.error": float(surprisal.std()) / math.sqrt(len(x)),
    }
