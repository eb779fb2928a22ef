"""Scores played on RC nodes, one uncoupled node a coordinate, the source in series with the
noisy resistor, started in the prior: what follows is the circuit's own law, not the noised one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from thermohw import Protocol, load_device, simulate
from thermohw.pipeline.summary import LedgerSummary
from thermohw.process import Process
from thermohw.score import Score
from thermohw.study import Row, Sheet
from thermohw.target import Target


def play(
    score: Score, target: Target, *, control: str, ticks: int, paths: int, seed: int,
    allow_ringing: bool = False,
) -> tuple[LedgerSummary, torch.Tensor]:  # fmt: skip
    """The ledger of a run in equal steps of log SNR, and its end states in model units."""
    shape = {} if target.dim == 64 else {"array.shape": [1, target.dim]}
    protocol = Protocol(
        load_device("rc64", shape), score.process, score, wiring="emf", control=control,
        ticks=ticks, grid="log-snr", allow_ringing=allow_ringing,
    )  # fmt: skip
    run = simulate(protocol, paths=paths, seed=seed, start="prior", target=target, progress=False)
    return run.ledger, torch.as_tensor(run.channels["voltage.end"]).double() / protocol.v0


def book_heat(row: Row, name: str, ledger: LedgerSummary) -> None:
    """Heat and its error in kT under a name, and the largest mean residual of the first law."""
    heat, error = (v / ledger.energy for v in ledger.rows["heat.total"])
    row[name], row[f"{name}.error"], row["kT"] = heat, error, ledger.energy
    residual = abs(ledger.rows["first_law.residual"].value) / ledger.energy
    row["first_law"] = max(row.get("first_law", 0.0), residual)


def end_entropies(target: Target, process: Process, x: torch.Tensor) -> dict[str, float]:
    """S(start) of the prior, and -E ln p_tmin of the end states, at least S(end); nats."""
    surprisal = -target.score(process).log_prob(x, process.t_min)
    return {
        "start_entropy": float(process.prior("schedule", target.mean, target.covariance).entropy),
        "surprisal": float(surprisal.mean()),
        "surprisal.error": float(surprisal.std()) / math.sqrt(len(x)),
    }


def first_law(name: str, rows: Sequence[Row], heat: str, ticks: str, sheet: Sheet) -> None:
    """Mean residuals of runs at n and 2n ticks in single precision, against their rounding.

    A path's residual is a random walk: 16 u sqrt(2n) of the energy exchanged are six standard
    deviations and more (`thermohw.audit.energy`; u = 2^-24). The mean over paths has 1/sqrt(paths)
    of that, and the heat is a part of what is exchanged. Rows are what `book_heat` left under the
    heat's name, with the cell's `paths` and, under `ticks`, its n.
    """
    worst = max(row["first_law"] / abs(row[heat]) for row in rows)
    allowed = min(16.0 * 2.0**-24 * math.sqrt(2.0 * row[ticks] / row["paths"]) for row in rows)
    said = f"mean |E - W + Q| over the heat on {len(rows)} circuits in single precision"
    sheet.law(name, worst, within=allowed, detail=said)
