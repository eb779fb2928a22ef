"""Accuracy, production and heat of one score, on p_t and on the circuit."""

from __future__ import annotations

import math

from torch import Tensor

from thermohw import targets
from thermohw.experiments.shared.accounts import account, on_the_law
from thermohw.experiments.shared.playing import book_heat, end_entropies, play
from thermohw.experiments.shared.problems import driftless, three_in_the_plane
from thermohw.likelihood.wiring import energy_law
from thermohw.score import Score
from thermohw.score.calibrated import CalibratedScore, calibrated
from thermohw.study import Cell, Row, Tools
from thermohw.target import Target


def make_target(data: str) -> Target:
    """Digits, or three Gaussians in the plane."""
    return targets.digits() if data == "digits" else three_in_the_plane()


def compute(cell: Cell, tools: Tools) -> Row:
    """Accuracy, production and heat of one score."""
    target = make_target(cell["data"])
    process = driftless(target, cell["sigma"])
    if cell["kind"] == "exact":
        score: Score = target.score(process).scaled(cell["factor"])
    else:
        shape = {name: cell[name] for name in ("head", "width", "depth")}
        how = {"seed": cell["network_seed"], "steps": cell["steps"], "architecture": shape}
        score = tools.score(target, process, **how)
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


def model_account(score: Score, target: Target, points: Tensor, tools: Tools) -> dict[str, float]:
    """Likelihoods, production and heat on p_t; nats, kT; with ".error" the standard errors."""
    noise = tools.generator("noise", shared=("data",))
    row, found = account(score, target, noise, points=points)
    law = energy_law(found)
    row["heat"], row["heat.error"] = law.heat
    if law.least is not None and law.slack is not None:
        row["least"], row["slack"] = law.least.value, law.slack.value
        row["slack.error"] = law.slack.stderr
    totals = on_the_law(found, score, control="continuous")
    if "production" in totals:
        row["production_true"] = totals["production"]
    if isinstance(score, CalibratedScore):
        # the table's own noise, as if it were the same at all times: an upper estimate
        slack = [score.stderr(float(t)) for t in found.profile["time"]]
        lost = 2.0 * found.profile["weight"] * found.profile["sigma_score"]
        row["surplus.error"] = math.hypot(row["surplus.error"], float(lost @ slack))
    return row


def device_account(score: Score, target: Target, cell: Cell) -> dict[str, float]:
    """Heat on the circuit, kT, continuous and clocked, at n and 2n ticks."""
    row: dict[str, float] = {}
    much = {"paths": cell["paths"], "seed": cell["noise"]}
    for control in ("continuous", "clocked"):
        for name, ticks in (("coarse", cell["ticks"]), ("fine", 2 * cell["ticks"])):
            ledger, x = play(score, target, control=control, ticks=ticks, **much)
            book_heat(row, f"{control}.{name}", ledger)
            if (control, name) == ("continuous", "fine") and target.analytic:
                row |= end_entropies(target, score.process, x)
    return row
