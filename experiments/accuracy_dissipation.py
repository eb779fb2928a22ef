r"""Does a better network dissipate more? Accuracy, entropy production and heat of many networks.

The later version of Kodama and Hinczewski (arXiv:2510.06174) reports that better accuracy comes
with larger entropy production. Here networks of growing width, depth and training time are played
on RC nodes, without drift (VE), the source in series with the noisy resistor, on a law known
exactly (three Gaussians in the plane) and on handwritten digits.

Laws, for every score s_th, with all expectations on the noised law p_t:

    production, plug-in     Sigma = int (g^2/2) E|s_th|^2 dt
    heat, emf continuous    Q/kT  = 2 Sigma + surplus
                            surplus = int g^2 (E|s_th|^2 - E[s.s_th]) dt
    energy and likelihood   Sigma >= S0 + S1 - 2 NLL_marg         (slack: 2 K1 + 2 score errors)
    evidence and heat       U = H1 - Sigma + surplus

U is the evidence bound on the NLL, H1 = -E ln prior(x_T). A calibrated score, c_t s_th with
c_t = E[s.s_th]/E|s_th|^2, has surplus 0: then U = H1 - Q/2kT, an exact exchange of one nat of
evidence for two kT. Uncalibrated, there is none: for the exact score times c

    Sigma = c^2 (S1 - S0)     Q/kT = (2 c^2 - c) 2 (S1 - S0)     U - S0 - K1 = (1 - c)^2 (S1 - S0)

so that c > 1 costs more and is worse. Whether accuracy goes with dissipation among networks is
therefore a trend, which the study measures: rank correlation over networks, interval over seeds.

On the circuit: a device starts in the prior and follows its own law, in ticks; its heat differs
from that on p_t, is measured by simulation and given with the change when ticks are halved. All
networks meet the same noise. Second law: Q/kT >= S(start) - S(end), and -E ln p_tmin(x_end), known
for the Gaussians, is at least S(end).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from thermohw import Protocol, load_device, simulate, targets
from thermohw.circuit import LinearDevice
from thermohw.experiments._trade_findings import conclude
from thermohw.likelihood import Likelihood, evaluate
from thermohw.likelihood.wiring import energy_law, integrate_rates, physical_rates
from thermohw.process import VE, VP, Process
from thermohw.score import ExactScore, Score
from thermohw.score.calibrated import CalibratedScore, calibrated
from thermohw.study import Study, Tools
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


def shapes(
    base: dict[str, int], widths: list[int], depths: list[int], steps: list[int]
) -> list[dict[str, int]]:
    """The base network, and those that differ from it in one respect."""
    made = [dict(base)]
    for name, values in (("width", widths), ("depth", depths), ("steps", steps)):
        made += [{**base, name: value} for value in values if value != base[name]]
    return made


def cells(p: dict[str, Any]) -> list[dict[str, Any]]:
    """The exact score times several factors, and networks."""
    made: list[dict[str, Any]] = []
    common = {"sigma": p["sigma"], "points": p["points"], "noise": p["seed"]}
    run = {"mixture": (p["paths"], p["ticks"]), "digits": (p["digits_paths"], p["digits_ticks"])}
    for data in ("mixture", "digits"):
        paths, ticks = run[data]
        shared = {"data": data, **common, "paths": paths, "ticks": ticks}
        if data == "mixture":
            made += [{"kind": "exact", "factor": c, **shared} for c in p["factors"]]
        prefix = "" if data == "mixture" else "digits_"
        base = {k: p[f"{prefix}{k}"] for k in ("width", "depth", "steps")}
        lists = [p[f"{prefix}{k}"] for k in ("widths", "depths", "trainings")]
        made += [
            {"kind": "network", "network_seed": seed, "head": p["head"], **shape, **shared}
            for shape in shapes(base, *lists)
            for seed in range(p[f"{prefix}seeds"])
        ]
    return made


STUDY = Study(
    title="Accuracy against dissipation",
    question="Does a more accurate network dissipate more, and by which law?",
    parameters={
        "seed": 0,
        "sigma": 25.0,
        "head": "plain",
        "factors": [0.5, 0.8, 0.95, 1.0, 1.05, 1.2],
        "width": 32,
        "depth": 2,
        "steps": 1000,
        "widths": [4, 8, 16, 64],
        "depths": [1, 3, 4],
        "trainings": [30, 100, 300, 3000],
        "seeds": 3,
        "points": 2048,
        "paths": 4096,
        "ticks": 96,
        "digits_width": 128,
        "digits_depth": 2,
        "digits_steps": 600,
        "digits_widths": [16, 32, 64, 256],
        "digits_depths": [1, 3],
        "digits_trainings": [50, 150, 300, 1500],
        "digits_seeds": 3,
        "digits_paths": 256,
        "digits_ticks": 128,
    },
    quick={
        "factors": [0.95, 1.0, 1.05],
        "widths": [8],
        "depths": [],
        "trainings": [30, 100],
        "steps": 300,
        "seeds": 2,
        "points": 512,
        "paths": 1024,
        "ticks": 64,
        "digits_width": 64,
        "digits_steps": 200,
        "digits_widths": [],
        "digits_depths": [],
        "digits_trainings": [50, 100],
        "digits_seeds": 1,
        "digits_paths": 128,
        "digits_ticks": 96,
    },
    cells=cells,
    compute=compute,
    conclude=conclude,
    units={"heat": "kT", "continuous.fine": "kT", "clocked.fine": "kT", "kT": "J"},
)
