"""Likelihood of one network on either array, or one run."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from thermohw import Protocol, load_device, simulate, targets
from thermohw.audit.distance import sliced_distance
from thermohw.circuit import LinearDevice, langevin
from thermohw.likelihood import evaluate
from thermohw.likelihood.progress import silent
from thermohw.process import VP, Langevin, Observed, Process
from thermohw.score import ExactScore, Score
from thermohw.study import Cell, Row, Tools
from thermohw.target import Target

RC = VP(0.1, 20.0, t_min=4e-4)  # 0.028 grey level of noise left


def circuit(quality: float) -> tuple[LinearDevice, Process]:
    """The array of this quality (0: RC nodes) and its process over the range of snr of `RC`."""
    if quality == 0.0:
        return load_device("rc64"), RC
    # R = 1 Mohm, C = 1 pF: L = R^2 C/Q^2
    device = load_device("rlc64", {"l0.inductance": f"{1.0 / quality**2!r} H"})
    seen = Observed(langevin(device, 60.0))
    first, last = (seen.time_at_log_snr(RC.log_snr(t)) for t in (RC.t_min, RC.duration))
    return device, langevin(device, last, t_min=first)


def make_target(data: str) -> Target:
    """Digits, or the Gaussian of their mean and covariance."""
    digits = targets.digits()
    if data == "digits":
        return digits
    return targets.gaussian(digits.mean, covariance=digits.covariance)


def compute(cell: Cell, tools: Tools) -> Row:
    """Likelihood of a network, or one run."""
    device, process = circuit(cell["quality"])
    target = make_target(cell["data"])
    if cell["data"] == "gaussian":
        score: Score = target.score(process)
    else:
        score = tools.score(target, process, seed=cell["network"], steps=cell["steps"])
    if cell["task"] == "likelihood":
        return likelihood(cell, target, score, tools)
    return play(cell, device, target, score, tools)


def likelihood(cell: Cell, target: Target, score: Score, tools: Tools) -> Row:
    """NLL of the data, nats in data units; the same held-out images for every circuit."""
    drawn = tools.generator("held out", shared=("points",))
    points = target.held_out(cell["points"], drawn)
    if isinstance(score.process, Langevin):
        points = score.process.lay(points, 0.0, drawn)
    how = {"points": points, "tolerance": cell["tolerance"], "progress": silent}
    noise = tools.generator("noise", shared=("points",))
    found = evaluate(score, target, generator=noise, **how)
    process = score.process
    head, span = ("nll.data", process.duration) if isinstance(process, Langevin) else (
        "nll", process.diffusion_time(process.duration))  # fmt: skip
    row: Row = {"duration": span}
    for name in ("ode", "marginal", "sde_elbo"):
        term = found[f"{head}.{name}"]
        row[name], row[f"{name}.error"] = term.value, term.stderr
    row["points.ode"] = found.points[f"{head}.ode"]
    row["evaluations"] = found.settings["score_evaluations"]
    return row


def play(cell: Cell, device: LinearDevice, target: Target, score: Score, tools: Tools) -> Row:
    """Samples and energy of one run; kT, data units."""
    process, exact = score.process, score.exact
    kind = {name: cell[name] for name in ("wiring", "control", "ticks")}
    # ringing: what too few ticks cost is part of the question
    protocol = Protocol(device, process, score, grid="log-snr", allow_ringing=True, **kind)
    start, size = "marginal" if exact else "prior", {"paths": cell["paths"], "seed": cell["noise"]}
    run = simulate(protocol, start=start, target=target, progress=False, **size)
    energy = run.ledger.energy
    row: Row = {}
    for key, name in (
        ("work", f"work.{cell['wiring']}"), ("heat", "heat.total"), ("energy", "energy.change")
    ):  # fmt: skip
        row[key], row[f"{key}.error"] = (v / energy for v in run.ledger.rows[name])
    if exact:
        assert isinstance(score, ExactScore)
        return row | closed_form(score, process)
    x = samples(run, protocol)
    real = target.training(None, tools.generator("real", shared=()))[: len(x)].double().numpy()
    found = sliced_distance(x, real)
    fresh = target.held_out(None, tools.generator("fresh", shared=())).double().numpy()
    row["distance"], row["distance.floor"] = found.value, found.floor
    row["distance.spread"] = found.spread
    for name, rows in (("nearest", x), ("nearest.real", fresh)):
        gap = torch.cdist(torch.as_tensor(rows[:512]), torch.as_tensor(real)).amin(1)
        row[name], row[f"{name}.error"] = float(gap.mean()), float(gap.std()) / len(gap) ** 0.5
    for name in list(row):
        if name.startswith(("distance", "nearest")):
            row[name] *= target.scale
    shown = x[:32] * target.scale + target.shift
    return row | {"pictures": shown, "real": real[:32] * target.scale + target.shift}


def samples(run: Any, protocol: Protocol) -> np.ndarray:
    """What the final states tell of the data, model units, (paths, 64)."""
    process, scale = protocol.process, protocol.device.scale
    volts = np.asarray(run.channels["voltage.end"], dtype=np.float64) / scale.voltage
    if not isinstance(process, Langevin):
        return np.asarray(protocol.to_model(volts))
    amperes = np.asarray(run.channels["inductor_current.end"], dtype=np.float64) / scale.current
    state = torch.as_tensor(protocol.to_model(np.concatenate([volts, amperes], 1)))
    return process.read(state, process.t_min).numpy()


def closed_form(score: ExactScore, process: Process) -> dict[str, float]:
    """dE and dS of generation, kT and nats, from the laws at its two ends; model units thermal."""
    energy, entropy = [], []
    for t in (process.duration, process.t_min):
        law: Any = score.law(t)  # type: ignore[attr-defined]
        mean, covariance = np.ravel(law.means), np.squeeze(law.covariances)
        energy.append(0.5 * (float(mean @ mean) + float(np.trace(covariance))))
        entropy.append(0.5 * float(np.linalg.slogdet(covariance)[1]))
    return {"closed.energy": energy[1] - energy[0], "closed.entropy": entropy[1] - entropy[0]}


def closed_work(row: Cell) -> float:
    """Work of the sources as steps go to zero, kT: 2 dE, less 2 dS, or 4 dS where held."""
    entropy = 0.0
    if row["wiring"] == "emf":
        entropy = 4.0 if row["control"] == "clocked" else 2.0
    return 2.0 * row["closed.energy"] - entropy * row["closed.entropy"]
