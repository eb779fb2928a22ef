"""Scores played on RC nodes: heat under continuous control, and samples of clocked runs.

One uncoupled node for each coordinate, the source in series with the noisy resistor, started in the
prior. Everything follows the circuit's own law, not the noised one. A cell says how many `paths`,
which noise (`repeat`), how many steps of `continuous` control, and which `ticks`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch

from thermohw import Protocol, load_device, simulate
from thermohw.experiments.entropy_regularised.energy_distance import Fresh, energy_distance
from thermohw.score import Score
from thermohw.study import Cell
from thermohw.target import Target

if TYPE_CHECKING:
    from thermohw.pipeline.summary import LedgerSummary


def play(
    score: Score, target: Target, cell: Cell, control: str, ticks: int
) -> tuple[LedgerSummary, torch.Tensor]:
    """A run from the prior, and the states it ends with in model units."""
    shape = {} if target.dim == 64 else {"array.shape": [1, target.dim]}
    device = load_device("rc64", shape)
    protocol = Protocol(
        device, score.process, score, wiring="emf", control=control, ticks=ticks, grid="log-snr",
        allow_ringing=True,  # how few ticks are enough is measured
    )  # fmt: skip
    run = simulate(
        protocol,
        paths=cell["paths"],
        seed=cell["repeat"],
        start="prior",
        target=target,
        progress=False,
    )
    return run.ledger, torch.as_tensor(run.channels["voltage.end"]).double() / protocol.v0


def heat_account(score: Score, target: Target, cell: Cell) -> dict[str, float]:
    """Heat on the circuit under continuous control, kT, at n and 2n ticks; the second law."""
    row: dict[str, float] = {}
    for name, ticks in (("coarse", cell["continuous"]), ("fine", 2 * cell["continuous"])):
        ledger, x = play(score, target, cell, "continuous", ticks)
        heat, error = (v / ledger.energy for v in ledger.rows["heat.total"])
        row[f"device.{name}"], row[f"device.{name}.error"] = heat, error
        row["kT"] = ledger.energy
        residual = abs(ledger.rows["first_law.residual"].value) / ledger.energy
        row["first_law"] = max(row.get("first_law", 0.0), residual)
        if target.analytic:
            # the cross-entropy is the larger: a negative sum would break the second law
            process = score.process
            surprisal = -target.score(process).log_prob(x, process.t_min)
            start = process.prior("schedule", target.mean, target.covariance).entropy
            row["second_law"] = heat + float(surprisal.mean()) - float(start)
            row["second_law.error"] = error + float(surprisal.std()) / math.sqrt(len(x))
    return row


def sampling(score: Score, target: Target, cell: Cell, fresh: Fresh) -> dict[str, np.ndarray]:
    """Clocked runs with more and more ticks: heat and distance to fresh data at each."""
    heats, apart = [], []
    for ticks in cell["ticks"]:
        ledger, x = play(score, target, cell, "clocked", ticks)
        heats.append([v / ledger.energy for v in ledger.rows["heat.total"]])
        apart.append(energy_distance(x, fresh))
    row = dict(zip(("clocked", "clocked.error"), np.array(heats).T, strict=True))
    best = apart[-1]
    extra = np.array([found.minus(best) for found in apart])
    return row | {
        "distance": np.array([found.value for found in apart]),
        "distance.error": np.array([found.stderr for found in apart]),
        "extra": extra[:, 0],
        "extra.error": extra[:, 1],
    }
