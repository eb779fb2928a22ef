"""One score of entropy_regularised: its likelihoods, its heat and its samples."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from thermohw import targets
from thermohw.experiments.entropy_regularised.energy_distance import Fresh
from thermohw.experiments.entropy_regularised.playing import heat_account, sampling
from thermohw.likelihood import evaluate, integrate_rates, physical_rates
from thermohw.process import VE, VP
from thermohw.score import Score, calibrated
from thermohw.study import Cell, Tools
from thermohw.target import Target
from thermohw.target.dataset import TEST, TRAIN, VALIDATION
from thermohw.target.digits import digits

MEANS = [[-1.2, 0.2], [0.8, 0.9], [0.5, -1.1]]


STD = 0.25


FIRST = VP(0.1, 20.0).log_snr(4e-4)  # digits: 0.028 grey levels of noise


TERMS = {  # name in a row -> name in the likelihood room
    "elbo": "nll.sde_elbo",
    "nll_ode": "nll.ode",
    "nll_marginal": "nll.marginal",
    "norm": "entropy.sigma_score",
    "surplus": "bound.calibration_surplus",
    "cross_prior": "entropy.cross_prior",
    "prior_mismatch": "bound.prior_mismatch",
    "entropy_data": "entropy.data",
    "entropy_prior": "entropy.prior",
    "score_error": "bound.score_error",
    "residual": "bound.residual",
}


def make_target(data: str, few: int, seed: int) -> Target:
    """The mixture, all digits, or some of the training digits, other ones for every seed."""
    if data == "mixture":
        return targets.gaussian_mixture(MEANS, STD)
    whole = digits()
    if data == "digits":
        return whole
    order = np.random.default_rng(seed).permutation(np.flatnonzero(whole.split != TEST))
    test = np.flatnonzero(whole.split == TEST)
    split = np.full(few + len(test), TRAIN, dtype=np.int8)
    split[few - few // 10 : few], split[few:] = VALIDATION, TEST
    return digits(arrays={"rows": whole.rows[np.append(order[:few], test)], "split": split})


def make_process(target: Target, sigma: float) -> VE:
    """Without drift, from a noise far below the data's finest structure on."""
    first = -math.log(1e-3 * target.narrowest) if target.analytic else FIRST
    return VE(sigma=sigma, t_min=VE(sigma=sigma).time_at_log_snr(first))


def compute(cell: Cell, tools: Tools) -> dict[str, Any]:
    """One score: its likelihoods, calibrated too, its heat and its samples."""
    target = make_target(cell["data"], cell["few"], cell["repeat"])
    process = make_process(target, cell["sigma"])
    score = make_score(cell, target, process, tools)
    same = tools.generator("points", shared=("data",))
    points = target.held_out(cell["points"], same)
    fit = points
    if target.analytic:
        fit = target.validation(len(points), same)
    else:  # by writers that training has not seen, in random order
        fit, points = points[::2], points[1::2]
    row = model_account(score, target, points, tools)
    scores = {"raw": score}
    if cell["kind"] == "trained":
        tuning = tools.generator("calibrated", shared=("data",))
        scores["calibrated"] = calibrated(
            score, target, generator=tuning, points=fit, pairs=cell["pairs"]
        )
        again = model_account(scores["calibrated"], target, points, tools)
        row |= {f"calibrated.{name}": value for name, value in again.items()}
    if cell["ticks"]:
        row |= heat_account(score, target, cell)
        whole = torch.cat([fit, points])
        fresh = Fresh.of(target.held_out(cell["paths"], same) if target.analytic else whole)
        row["spread"] = fresh.spread
        for name, made in scores.items():
            row |= {f"{name}.{k}": v for k, v in sampling(made, target, cell, fresh).items()}
    return row


def make_score(cell: Cell, target: Target, process: VE, tools: Tools) -> Score:
    """Trained with the penalty; or shrunk, the exact one or that of a training without."""
    weight = cell["weight"]
    if cell["kind"] == "exact":
        return target.score(process).scaled(1.0 / (1.0 + weight))
    bare = {"weight_decay": 0.0} if cell["data"] == "bare" else {}
    score = tools.score(
        target,
        process,
        seed=cell["repeat"],
        steps=cell["steps"],
        architecture=cell["architecture"],
        entropy_weight=weight if cell["kind"] == "trained" else 0.0,
        **bare,
    )
    return score if cell["kind"] == "trained" else score.scaled(1.0 / (1.0 + weight))


def model_account(
    score: Score, target: Target, points: torch.Tensor | None, tools: Tools
) -> dict[str, Any]:
    """Likelihoods and heat on the noised law, nats and kT, standard errors in `.error`."""
    found = evaluate(
        score,
        target,
        generator=tools.generator("noise", shared=("data",)),
        points=points,
        progress=lambda items, _: items,
    )
    row: dict[str, Any] = {}
    for name, source in TERMS.items():
        term = found.terms.get(source)
        if term is not None:
            row[name], row[f"{name}.error"] = float(term.value), float(term.stderr)
    process, profile = score.process, found.profile
    theta = float(process.transition(process.duration)[1])
    for control in ("continuous", "clocked"):
        rates = physical_rates(
            profile, process, dim=target.dim, theta=theta, wiring="emf", control=control
        )
        row[f"heat.{control}"] = integrate_rates(profile, rates)["heat"]
    row["log_snr"] = np.array([process.log_snr(float(t)) for t in profile["time"]])
    row["factor"] = profile["calibration"]
    return row
