r"""Does an array of RLC cells generate digits as well as one of RC nodes, and at what price?

Two arrays of 64 cells, the same handwritten digits. RC: a pixel is a node voltage, noise and
control act on it (VP). RLC: a pixel is an inductor current; noise and control act on the node
voltage beside it alone, and reach the current through the exchange of energy (critically-damped
Langevin diffusion, here at any quality Q). Both are noised over the same range of signal-to-noise
ratio and played with the same number of score evaluations.

Why they should agree. A state (v, i) tells of a pixel what y = x_0 + noise of variance 1/snr tells,
and the rest of it is Gaussian and independent of the data. So the joint score needs only the
denoiser of plain Gaussian noise, and the evidence bound is an integral over snr in which no circuit
is left: equal networks, equal bounds. The probability flows differ, so their likelihoods need not.

Energy. With E the stored energy and S the entropy (kT, nats) of the law at the start and the end of
generation, all momenta included, exact score, steps to zero, the sources do on average

    source in series, following       W = 2 dE - 2 dS              = twice the free energy gained
    source in series, held            W = 2 dE - 4 dS
    injected current, either          W = 2 dE                     d = end - start

on any circuit whose resistors have one temperature: the reverse process retraces p_t, so the
production of entropy is the relative entropy to equilibrium that noising destroyed; a held source
lacks int E div u = 2 dS. Neither L, nor Q, nor the time it takes is in these. With voltages
that start and end in equilibrium the RLC array pays what the RC array pays. A Gaussian of the
digits' mean and covariance, whose score is exact, measures these; the digits' networks show how
far they hold for a learned score.

Reference: T. Dockhorn, A. Vahdat and K. Kreis, ICLR 2022, https://arxiv.org/abs/2112.07068
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from thermohw import Protocol, load_device, simulate, targets
from thermohw.audit.distance import sliced_distance
from thermohw.circuit import LinearDevice, langevin
from thermohw.experiments._rlc_findings import conclude
from thermohw.likelihood import evaluate
from thermohw.process import VP, Langevin, Observed, Process
from thermohw.score import ExactScore, Score
from thermohw.study import Study, Tools
from thermohw.target import Target

RC = VP(0.1, 20.0, t_min=4e-4)  # 0.028 grey level of noise left
KINDS = (
    ("emf", "clocked"),
    ("emf", "continuous"),
    ("current", "clocked"),
    ("current", "continuous"),
)


def circuit(quality: float) -> tuple[LinearDevice, Process]:
    """The array of this quality (0: RC nodes) and its process over the range of snr of `RC`."""
    if quality == 0.0:
        return load_device("rc64"), RC
    # R = 1 Mohm, C = 1 pF: L = R^2 C/Q^2
    device = load_device("rlc64", {"l0.inductance": f"{1.0 / quality**2!r} H"})
    seen = Observed(langevin(device, 60.0))
    ends = (seen.time_at_log_snr(RC.log_snr(t)) for t in (RC.t_min, RC.duration))
    first, last = ends
    return device, langevin(device, last, t_min=first)


def make_target(data: str) -> Target:
    """Digits, or the Gaussian of their mean and covariance."""
    digits = targets.digits()
    if data == "digits":
        return digits
    return targets.gaussian(digits.mean, covariance=digits.covariance)


def make_score(cell: dict[str, Any], target: Target, process: Process, tools: Tools) -> Score:
    """Exact for the Gaussian, else a network trained on the digits."""
    if cell["data"] == "gaussian":
        return target.score(process)
    return tools.score(target, process, seed=cell["network"], steps=cell["steps"])


def compute(cell: dict[str, Any], tools: Tools) -> dict[str, Any]:
    """Likelihood of a network, or one run."""
    device, process = circuit(cell["quality"])
    target = make_target(cell["data"])
    score = make_score(cell, target, process, tools)
    if cell["task"] == "likelihood":
        return likelihood(cell, target, score, tools)
    return play(cell, device, target, score, tools)


def likelihood(cell: dict[str, Any], target: Target, score: Score, tools: Tools) -> dict[str, Any]:
    """NLL of the data, nats in data units; the same held-out images for every circuit."""
    drawn = tools.generator("held out", shared=("points",))
    points = target.held_out(cell["points"], drawn)
    if isinstance(score.process, Langevin):
        points = score.process.lay(points, 0.0, drawn)
    found = evaluate(
        score,
        target,
        generator=tools.generator("noise", shared=("points",)),
        points=points,
        tolerance=cell["tolerance"],
        progress=lambda items, _: items,
    )
    head = "nll.data" if isinstance(score.process, Langevin) else "nll"
    row: dict[str, Any] = {"duration": score.process.duration}
    if not isinstance(score.process, Langevin):
        row["duration"] = score.process.diffusion_time(score.process.duration)
    for name in ("ode", "marginal", "sde_elbo"):
        term = found[f"{head}.{name}"]
        row[name], row[f"{name}.error"] = term.value, term.stderr
    row["points.ode"] = found.points[f"{head}.ode"]
    row["evaluations"] = found.settings["score_evaluations"]
    return row


def play(
    cell: dict[str, Any], device: LinearDevice, target: Target, score: Score, tools: Tools
) -> dict[str, Any]:
    """Samples and energy of one run; kT, data units."""
    process, exact = score.process, score.exact
    protocol = Protocol(
        device,
        process,
        score,
        wiring=cell["wiring"],
        control=cell["control"],
        ticks=cell["ticks"],
        grid="log-snr",
        allow_ringing=True,  # what too few ticks cost is part of the question
    )
    run = simulate(
        protocol,
        paths=cell["paths"],
        seed=cell["noise"],
        start="marginal" if exact else "prior",
        target=target,
        progress=False,
    )
    energy = run.ledger.energy
    row: dict[str, Any] = {}
    for name, key in ((f"work.{cell['wiring']}", "work"), ("heat.total", "heat")):
        value, error = run.ledger.rows[name]
        row[key], row[f"{key}.error"] = value / energy, error / energy
    value, error = run.ledger.rows["energy.change"]
    row["energy"], row["energy.error"] = value / energy, error / energy
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


def cells(p: dict[str, Any]) -> list[dict[str, Any]]:
    """Likelihoods; runs of the digits; runs of their Gaussian."""
    made: list[dict[str, Any]] = []
    pair = (0.0, p["quality"])
    digits = {"data": "digits", "steps": p["steps"]}
    asked = {"task": "likelihood", "tolerance": p["tolerance"], **digits}
    for network in range(p["networks"]):
        made += [{"quality": q, "network": network, "points": p["points"], **asked} for q in pair]
    others = [q for q in p["qualities"] if q not in pair]
    made += [
        {"quality": q, "network": 0, "points": p["points_more"], **asked}
        for q in (*pair, *others)
        if p["points_more"] != p["points"] or q not in pair
    ]

    def run(q: float, kind: tuple[str, str], ticks: int, **more: Any) -> dict[str, Any]:
        wiring, control = kind
        return {"task": "run", "quality": q, "wiring": wiring, "control": control, "ticks": ticks,
                "paths": p["paths"], "noise": p["seed"], **more}  # fmt: skip

    learned = {**digits, "network": 0}
    for q in pair:
        made += [run(q, KINDS[0], n, **learned) for n in p["ticks"][:-1]]
        made += [run(q, kind, p["ticks"][-1], **learned) for kind in KINDS]
    for q in others:
        made += [run(q, kind, p["ticks"][-1], **learned) for kind in KINDS[:2]]
    known = {"data": "gaussian"}
    for q in (*pair, *others):
        kinds = KINDS if q in pair else KINDS[:2]
        made += [run(q, kind, n, **known) for kind in kinds for n in p["fine"]]
    return made


STUDY = Study(
    title="RC against RLC: digits at equal score evaluations",
    question="Does an RLC array generate digits as well as an RC array, and at what price?",
    parameters={
        "seed": 0,
        "steps": 1000,
        "networks": 2,
        "quality": 5.0,
        "qualities": [0.5, 1.0, 2.0, 5.0, 10.0],
        "points": 297,
        "points_more": 96,
        "tolerance": 1e-4,
        "paths": 1024,
        "ticks": [128, 256, 512],
        "fine": [256, 512],
    },
    quick={
        "steps": 40,
        "networks": 1,
        "qualities": [5.0],
        "points": 6,
        "points_more": 6,
        "paths": 32,
        "ticks": [64],
        "fine": [64],
    },
    cells=cells,
    compute=compute,
    conclude=conclude,
)
