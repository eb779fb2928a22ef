"""Rates along the noise and terms of the bound, of an exact or of a trained score."""

from __future__ import annotations

import math

import numpy as np
import torch

from thermohw import targets
from thermohw.experiments.shared.problems import first_snr
from thermohw.experiments.ve_vs_vp import DATA
from thermohw.experiments.ve_vs_vp.likelihood import Undrifted, likelihood
from thermohw.experiments.ve_vs_vp.rates import Account, Instant, Mirrored, Rates, mend
from thermohw.likelihood import GridEnsemble
from thermohw.process import OU, VE, VP, Process
from thermohw.score import Score
from thermohw.score.calibrated import calibrated
from thermohw.study import Cell, Row, Tools
from thermohw.target import Target

TIMES = (0.1, 0.2, 0.4)  # of VP(0.1, 20)


def make_target(data: str) -> Target:
    """Digits, or a pair of narrow Gaussians scaled to a given second moment."""
    if data == "digits":
        return targets.digits()
    size = math.sqrt(DATA[data] / 1.04)
    return targets.gaussian_mixture([-size, size], 0.2 * size)


def make_process(kind: str, sigma: float, first_snr: float) -> Process:
    """VE, VP, or OU of VP's length, from the same first log signal-to-noise ratio on."""

    def build(t_min: float) -> Process:
        if kind == "ve":
            return VE(sigma=sigma, t_min=t_min)
        return VP(0.1, 20.0, t_min=t_min) if kind == "vp" else OU(duration=5.025, t_min=t_min)

    return build(build(0.0).time_at_log_snr(first_snr))


def compute(cell: Cell, tools: Tools) -> Row:
    """Rates along the noise and terms of the bound, of an exact or of a trained score."""
    return _exact(cell, tools) if cell["score"] == "exact" else _learned(cell, tools)


def _along(process: Process, clock: np.ndarray) -> list[tuple[float, float]]:
    """(time, pace) at log SNRs in equal steps; pace = noise/2, diffusion time per -ln SNR."""
    made = []
    for level in clock:
        t = min(max(process.time_at_log_snr(float(level)), process.t_min), process.duration)
        made.append((t, 0.5 * float(process.transition(t)[1])))
    return made


def _exact(cell: Cell, tools: Tools) -> Row:
    target = make_target(cell["data"])
    process = make_process(cell["process"], cell["sigma"], first_snr(target))
    score = target.score(process)
    instant = Instant(process, target, GridEnsemble(process, score, target))
    clock = _clock(process, cell["times"])
    account, rows = Account(), []
    for t, pace in _along(process, clock):
        rates, _ = instant.rates(score, t)
        account.add(rates, pace * float(clock[1] - clock[0]))
        rows.append((pace, rates))
    fisher = [float(np.mean(rates.norm)) for _, rates in rows]
    row: Row = {"log_snr": clock, **_profile(rows, fisher), **account.columns("raw")}
    if process.kind == "vp":
        at = [instant.rates(score, t)[0] for t in TIMES]
        row["at"] = np.array([float(r.exchange[0] / r.intrinsic[0]) for r in at])
    row["log_decay"] = math.log(float(process.transition(process.t_min)[0]))
    row["log_volume"] = instant.timeline.log_volume(target.dim)
    return row | likelihood(score, target, tools.generator("likelihood"), moments=cell["moments"])


def _clock(process: Process, times: int) -> np.ndarray:
    """Log SNRs in equal steps from the end of noising to its start."""
    return np.linspace(process.log_snr(process.duration), process.log_snr(process.t_min), times)


def _profile(rows: list[tuple[float, Rates]], fisher: list[float]) -> dict[str, np.ndarray]:
    """Mean rates per unit of -ln SNR; production where E|s*|^2, `fisher`, is known."""
    made = {
        name: [pace * float(np.mean(getattr(rates, name))) for pace, rates in rows]
        for name in ("intrinsic", "exchange", "flux", "heat")
    }
    made["undrifted"] = [pace * float(np.mean(rates.norm)) for pace, rates in rows]
    if fisher:
        made["production"] = [
            pace * float(np.mean(rates.production(known)))
            for (pace, rates), known in zip(rows, fisher, strict=True)
        ]
    paces = np.array([pace for pace, _ in rows])
    return {"pace": paces} | {f"rate.{name}": np.array(v) for name, v in made.items()}


def _learned(cell: Cell, tools: Tools) -> Row:
    target = make_target(cell["data"])
    process = make_process(cell["process"], cell["sigma"], first_snr(target))
    shape = {name: cell[name] for name in ("head", "width")}
    how = {"seed": cell["seed"], "steps": cell["steps"], "architecture": shape}
    score = tools.score(target, process, **how)
    # VE and VP meet the same points. Of the digits one random half of the test images calibrates
    # and the other one judges: validation images are by the writers of the training set.
    same = tools.generator("points", shared=("data", "seed"))
    held_out = target.held_out(cell["points"] if target.analytic else None, same)
    order = torch.randperm(len(held_out), generator=same)
    half, rest = held_out[order[: len(order) // 2]], held_out[order[len(order) // 2 :]]
    twice, truth = {"repeats": 2 * cell["pairs"]}, None
    fit = Instant(process, target, Mirrored(process, half, tools.generator("fit")), **twice)
    if target.analytic:
        truth = target.score(process)
        test = Instant(process, target, GridEnsemble(process, truth, target))
    else:
        test = Instant(process, target, Mirrored(process, rest, tools.generator("test")), **twice)
    clock = _clock(process, cell["times"])
    accounts = {name: Account() for name in ("raw", "scale", "both")}
    rows, fisher, factors, errors = [], [], [], []
    for t, pace in _along(process, clock):
        weight = pace * float(clock[1] - clock[0])
        rates, forms = test.rates(score, t)
        fitted, noised = fit.rates(score, t)
        accounts["raw"].add(rates, weight)
        for name in ("scale", "both"):
            both = name == "both" and bool(rates.drift)
            pair, influence = mend(fitted, noised["cross"], both=both)
            accounts[name].add(rates, weight, (float(pair[0]), float(pair[1])), influence)
            if name == "scale":
                factors.append(float(pair[0]))
        rows.append((pace, rates))
        if truth is not None:
            fisher.append(float(np.mean(test.rates(truth, t)[0].norm)))
            errors.append(float(forms["error"].mean()) * pace)
    row: Row = {"log_snr": clock, "factor": np.array(factors)}
    row |= _profile(rows, fisher)
    if errors:
        row["rate.error"] = np.array(errors)
    for name, account in accounts.items():
        row |= account.columns(name)
    tuned = calibrated(score, target, generator=tools.generator("tuned"), points=half)
    points = None if target.analytic else rest
    scores: dict[str, Score] = {"": score, "calibrated.": tuned}
    if process.kind == "vp" and target.analytic:
        scores["undrifted."] = Undrifted(score, target)
    moments = cell["moments"] if target.analytic else 27
    for prefix, made in scores.items():
        noise = tools.generator("likelihood")
        terms = likelihood(made, target, noise, points=points, moments=moments)
        row |= {f"{prefix}{name}": value for name, value in terms.items()}
    row["log_decay"] = math.log(float(process.transition(process.t_min)[0]))
    row["log_volume"] = test.timeline.log_volume(target.dim)
    return row
