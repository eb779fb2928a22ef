"""One score of entropy_regularised: its likelihoods, its heat and its samples."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from thermohw.experiments.entropy_regularised.energy_distance import Fresh, energy_distance
from thermohw.experiments.shared.accounts import account, on_the_law
from thermohw.experiments.shared.playing import book_heat, end_entropies, play
from thermohw.experiments.shared.problems import driftless, three_in_the_plane
from thermohw.process import VE
from thermohw.score import Score, calibrated
from thermohw.study import Cell, Row, Tools
from thermohw.target import Target
from thermohw.target.dataset import TEST, TRAIN, VALIDATION
from thermohw.target.digits import digits


def make_target(data: str, few: int, seed: int) -> Target:
    """The mixture, all digits, or some of the training digits, other ones for every seed."""
    if data == "mixture":
        return three_in_the_plane()
    whole = digits()
    if data == "digits":
        return whole
    order = np.random.default_rng(seed).permutation(np.flatnonzero(whole.split != TEST))
    test = np.flatnonzero(whole.split == TEST)
    split = np.full(few + len(test), TRAIN, dtype=np.int8)
    split[few - few // 10 : few], split[few:] = VALIDATION, TEST
    return digits(arrays={"rows": whole.rows[np.append(order[:few], test)], "split": split})


def compute(cell: Cell, tools: Tools) -> Row:
    """One score: its likelihoods, calibrated too, its heat and its samples."""
    target = make_target(cell["data"], cell["few"], cell["repeat"])
    process = driftless(target, cell["sigma"])
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
        how = {"generator": tools.generator("calibrated", shared=("data",)), "points": fit}
        tuned = scores["calibrated"] = calibrated(score, target, pairs=cell["pairs"], **how)
        again = model_account(tuned, target, points, tools)
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
    how = {name: cell[name] for name in ("steps", "architecture")}
    how |= {"weight_decay": 0.0} if cell["data"] == "bare" else {}
    trained = cell["kind"] == "trained"
    score = tools.score(
        target, process, seed=cell["repeat"], entropy_weight=weight if trained else 0.0, **how
    )
    return score if trained else score.scaled(1.0 / (1.0 + weight))


def model_account(score: Score, target: Target, points: torch.Tensor | None, tools: Tools) -> Row:
    """Likelihoods and heat on the noised law, nats and kT, standard errors in `.error`."""
    noise = tools.generator("noise", shared=("data",))
    row: Row
    row, found = account(score, target, noise, points=points)
    process, profile = score.process, found.profile
    for control in ("continuous", "clocked"):
        row[f"heat.{control}"] = on_the_law(found, score, control=control)["heat"]
    row["log_snr"] = np.array([process.log_snr(float(t)) for t in profile["time"]])
    row["factor"] = profile["calibration"]
    return row


def _play(score: Score, target: Target, cell: Cell, control: str, ticks: int) -> Any:
    much = {"paths": cell["paths"], "seed": cell["repeat"]}
    # how few ticks are enough is measured
    return play(score, target, control=control, ticks=ticks, allow_ringing=True, **much)


def heat_account(score: Score, target: Target, cell: Cell) -> dict[str, float]:
    """Heat on the circuit under continuous control, kT, at n and 2n ticks; the second law."""
    row: dict[str, float] = {}
    for name, ticks in (("coarse", cell["continuous"]), ("fine", 2 * cell["continuous"])):
        ledger, x = _play(score, target, cell, "continuous", ticks)
        book_heat(row, f"device.{name}", ledger)
        if target.analytic:
            # the cross-entropy is the larger: a negative sum would break the second law
            ends, heat = end_entropies(target, score.process, x), f"device.{name}"
            row["second_law"] = row[heat] + ends["surprisal"] - ends["start_entropy"]
            row["second_law.error"] = row[f"{heat}.error"] + ends["surprisal.error"]
    return row


def sampling(score: Score, target: Target, cell: Cell, fresh: Fresh) -> dict[str, np.ndarray]:
    """Clocked runs with more and more ticks: heat and distance to fresh data at each."""
    heats, apart = [], []
    for ticks in cell["ticks"]:
        ledger, x = _play(score, target, cell, "clocked", ticks)
        heats.append([v / ledger.energy for v in ledger.rows["heat.total"]])
        apart.append(energy_distance(x, fresh))
    both = [(found.value, found.stderr) for found in apart]
    extra = [found.minus(apart[-1]) for found in apart]
    made: dict[str, np.ndarray] = {}
    for name, pairs in (("clocked", heats), ("distance", both), ("extra", extra)):
        made[name], made[f"{name}.error"] = np.array(pairs).T
    return made
