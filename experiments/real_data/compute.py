"""Every term of one network of real_data; or what a proxy makes of all networks."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from thermohw.experiments.real_data.proxy import against
from thermohw.experiments.real_data.surrogate import Surrogate
from thermohw.likelihood import Likelihood, evaluate
from thermohw.likelihood.progress import silent
from thermohw.process import VP
from thermohw.score import Score
from thermohw.score.calibrated import calibrated
from thermohw.study import Cell, Row, Tools
from thermohw.target import DataSet, Target, cifar10, digits, mnist

_PAIRS = 14  # noises per validation point and time: 2100 draws at a time for 150 points
_DISTANCES = {  # from S0, up to K1: name -> term of `against`, factor
    "raw.marginal": ("true.marginal", 1.0),
    "raw.elbo": ("true.error", 2.0),
    "raw.plugin": ("true.plugin", 1.0),
    "raw.bound": ("true.plugin", 0.5),
    "calibrated.marginal": ("true.proxy_marginal", 1.0),
    "calibrated.elbo": ("true.proxy_error", 2.0),
    "calibrated.plugin": ("true.bound_bias", 2.0),
    "calibrated.bound": ("true.bound_bias", 1.0),
}


def make_data(cell: Cell) -> DataSet:
    """The data set of a cell."""
    if cell["dataset"] == "digits":
        return digits()
    path, limit = cell["path"] or None, cell["limit"] or None
    if cell["dataset"] == "mnist":
        return mnist(path, side=cell["side"] or 28, limit=limit)
    return cifar10(path, limit=limit)


def make_target(cell: Cell) -> Target:
    """The data set, or the mixture that resembles it."""
    data = make_data(cell)
    return data if cell["law"] == "data" else Surrogate(data, cell["components"])


def network(cell: Cell, tools: Tools, target: Target) -> Score:
    """The trained network of a cell."""
    shape = {"width": cell["width"], "trunk": cell["trunk"]}
    return tools.score(
        target, VP(0.1, 20.0, t_min=cell["t_min"]), seed=cell["train"], steps=cell["steps"],
        architecture={key: value for key, value in shape.items() if value} or None,
    )  # fmt: skip


def compute(cell: Cell, tools: Tools) -> Row:
    """Every term of one network; or what a proxy makes of all networks of its law."""
    target = make_target(cell)
    score = network(cell, tools, target)
    points = _points(cell, tools, target)
    if cell["kind"] == "repeat":  # its own noise and probes on the same points
        noise = tools.generator("noise")
        return _flat("raw", _evaluated(score, target, points, noise, probes=cell["probes"]))
    drawn, wanted = tools.generator("calibration", shared=("law",)), cell["calibration"]
    count = min(wanted, target.counts["validation"])  # type: ignore[attr-defined]
    sizes = {"points": count, "pairs": _PAIRS, "times": 33 if wanted > 100 else 9}
    own = calibrated(score, target, generator=drawn, **sizes)
    values: Row = {name: getattr(target, name) for name in ("scale", "dim", "name")}
    values["step"] = float(getattr(target, "step", 0.0))
    values |= {"clock": own.log_snr, "factor": own.factors, "factor_stderr": own.stderrs}

    def evaluated(which: Score) -> Likelihood:  # with the noise that all networks of a law share
        noise = tools.generator("noise", shared=("law",))
        return _evaluated(which, target, points, noise)

    many = points if cell["law"] == "data" else _points(cell, tools, target, times=8)
    if cell["kind"] == "proxy":
        small = cell["small"] | {"t_min": cell["t_min"]}
        for seed in range(cell["seeds"]):
            noise = tools.generator("pairs", shared=("law",))
            model = network(small | {"train": seed}, tools, target)
            for name, (value, stderr) in against(model, own, target, many, noise).items():
                values |= {f"{seed}.{name}": value, f"{seed}.{name}.stderr": stderr}
        return values | _flat("calibrated", evaluated(own))
    history = getattr(score, "record", {}).get("validation", [])
    values["validation"] = min((row[2] for row in history), default=math.nan)
    raw, made = evaluated(score), evaluated(own)
    if isinstance(target, Surrogate):
        values |= _known(score, own, target, many, tools)
        for kind, terms in (("raw", raw), ("calibrated", made)):
            surprise = target.log_volume - target.law.log_prob(points.numpy())
            excess = terms.points["nll.ode"] - surprise
            values[f"known.{kind}.ode"] = float(excess.mean())
            values[f"known.{kind}.ode.stderr"] = float(excess.std()) / math.sqrt(len(excess))
    return values | _flat("raw", raw) | _flat("calibrated", made)


def _known(
    score: Score, own: Score, target: Surrogate, points: Tensor, tools: Tools
) -> dict[str, float]:
    """How far each estimate is from the known S0, up to K1; `own` is the calibrated score."""
    made = against(score, own, target, points, tools.generator("pairs", shared=("law",)))
    values: dict[str, float] = {}
    for name, (term, factor) in _DISTANCES.items():
        value, stderr = made[term]
        values |= {f"known.{name}": factor * value, f"known.{name}.stderr": factor * stderr}
    return values


def _points(cell: Cell, tools: Tools, target: Target, times: int = 1) -> Tensor:
    """Held-out points, the same for every cell of a law; of a known law there may be more."""
    n = cell["points"] * times
    if isinstance(target, DataSet):
        n = min(n, target.counts["test"])
    return target.held_out(n, tools.generator("points", shared=("law",)))


def _evaluated(
    score: Score, target: Target, points: Tensor, noise: torch.Generator, **options: Any
) -> Likelihood:
    return evaluate(score, target, points=points, generator=noise, progress=silent, **options)


def _flat(prefix: str, made: Likelihood) -> Row:
    """Known terms with their errors; and, in words, why the others are not known."""
    values: Row = {}
    for name, term in made.terms.items():
        if term is None:
            values[f"{prefix}.why.{name}"] = made.notes[name]
        else:
            values |= {f"{prefix}.{name}": term.value, f"{prefix}.{name}.stderr": term.stderr}
    return values
