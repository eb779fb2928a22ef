r"""What the entropy bound says of data whose true score nobody knows.

Of real data neither S0 nor the true score s* is known, and the bound of Kodama and Hinczewski
(arXiv:2510.06174), B = (S0 + S1)/2 - Sigma/2, needs S0. What remains computable on held-out points,
with how much uncertainty - over points, over trainings, over noise and probes - and what would a
stand-in for the truth be worth?

    likelihoods   nll.ode;  nll.marginal M, with divergences or by denoising;  U = nll.sde_elbo
    entropies     Sigma;  H1 = -E ln prior(x_T);  S1 <= the Gaussian's of equal covariance
    estimates     E1 = S1 - Sigma,  E2 = 2 M - S1 + Sigma,  E3 = U;  raw and calibrated
    unknown       S0, B, the gap M - B, K1 = H1 - S1, the score error, the truncation

The estimates are no three measurements: U = 2 M - H1 + Sigma identically, so that

    E1 + U = 2 M - (H1 - S1),      E2 - U = H1 - S1,      E2 - E1 = 2 (U - M) + H1 - S1.

Proxy. A larger network, trained longer and calibrated, is put in the place of s* (the paper's
appendix G.5.3 does so for images). With its s_P, and E over held-out noised data,

    S0_P = S1 - Sigma_P,    B_P = (S0_P + S1)/2 - Sigma/2,    err_P = (1/4) int g^2 E|s - s_P|^2 dt
    M - B_P = (H1 - S1) + err_P + res_P,                  res_P = (1/2) int g^2 E[s.(s_P - s*)] dt
    B_P - B = (1/4) int g^2 (E|s*|^2 - E|s_P|^2) dt = (1/4) int g^2 E|s_P - s*|^2 dt  if calibrated

The residual res_P can be measured without the truth (s_cond stands for s*): a test a proxy can
fail. The bias B_P - B cannot, and it is never negative for a calibrated proxy. Its size is
found where the truth is known: a Gaussian mixture fitted to the data (`_surrogate`), from which
networks of the same sizes learn as few samples, and of which they know as little.
"""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor

from thermohw.errors import InputError
from thermohw.experiments import _real_tables as present
from thermohw.experiments._proxy import against
from thermohw.experiments._surrogate import Surrogate
from thermohw.likelihood import Likelihood, evaluate
from thermohw.process import VP
from thermohw.score import Score
from thermohw.score.calibrated import calibrated
from thermohw.study import Cell, Study, Tools
from thermohw.target import DataSet, Target, cifar10, digits, mnist

__all__ = ["STUDY"]

_SETTINGS = ("dataset", "path", "side", "limit", "t_min", "points", "calibration")
_PROXY_SEED = 1000
_PAIRS = 14  # noises per validation point and time: 2100 draws at a time for 150 points
_MOST = 256  # dimensions of a surrogate


# ---------------------------------------------------------------------------------------- cells


def cells(p: dict[str, Any]) -> list[Cell]:
    """A network of each seed on the data and on the surrogate, repeated noise, then the proxies."""
    side = p["side"] if p["dataset"] == "mnist" else 0
    common = {key: p[key] for key in _SETTINGS} | {"side": side}
    if p["dataset"] not in ("digits", "mnist", "cifar10"):
        raise InputError(
            f"{p['dataset']!r} is not a data set; choose digits, mnist, cifar10", where="dataset"
        )
    dim = make_data(common).dim  # files that cannot be read are complained of once, not per cell
    laws = ["data"] + (["surrogate"] if p["components"] and dim <= _MOST else [])
    small = {"steps": p["steps"], "width": p["width"], "trunk": p["trunk"]}
    large = {"steps": p["proxy_steps"], "width": p["proxy_width"], "trunk": p["trunk"]}
    base = [common | {"law": law, "components": p["components"]} for law in laws]
    networks = [
        b | small | {"kind": "network", "train": s} for b in base for s in range(p["seeds"])
    ]
    repeats = [
        base[0] | small | {"kind": "repeat", "train": 0, "repeat": r, "probes": p["probes"]}
        for r in range(p["repeats"])
    ]
    proxies = [
        b | large | {"kind": "proxy", "train": _PROXY_SEED, "small": small, "seeds": p["seeds"]}
        for b in base
    ]
    return [*networks, *repeats, *proxies]


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
        target,
        VP(0.1, 20.0, t_min=cell["t_min"]),
        seed=cell["train"],
        steps=cell["steps"],
        architecture={key: value for key, value in shape.items() if value} or None,
    )


# -------------------------------------------------------------------------------------- compute


def compute(cell: Cell, tools: Tools) -> dict[str, Any]:
    """Every term of one network; or what a proxy makes of all networks of its law."""
    target = make_target(cell)
    score = network(cell, tools, target)
    points = _points(cell, tools, target)
    if cell["kind"] == "repeat":  # its own noise and probes on the same points
        made = evaluate(
            score,
            target,
            points=points,
            generator=tools.generator("noise"),
            probes=cell["probes"],
            progress=_quiet,
        )
        return _flat("raw", made)
    own = calibrated(
        score,
        target,
        generator=tools.generator("calibration", shared=("law",)),
        points=min(cell["calibration"], target.counts["validation"]),  # type: ignore[attr-defined]
        pairs=_PAIRS,
        times=33 if cell["calibration"] > 100 else 9,
    )
    values: dict[str, Any] = {
        "scale": target.scale,
        "dim": target.dim,
        "step": float(getattr(target, "step", 0.0)),
        "name": target.name,
        "clock": own.log_snr,
        "factor": own.factors,
        "factor_stderr": own.stderrs,
    }
    many = points if cell["law"] == "data" else _points(cell, tools, target, times=8)
    if cell["kind"] == "proxy":
        small = cell["small"] | {"t_min": cell["t_min"]}
        for seed in range(cell["seeds"]):
            noise = tools.generator("pairs", shared=("law",))
            model = network(small | {"train": seed}, tools, target)
            for name, (value, stderr) in against(model, own, target, many, noise).items():
                values |= {f"{seed}.{name}": value, f"{seed}.{name}.stderr": stderr}
        made = _evaluated(own, target, points, tools)
        return values | _flat("calibrated", made)
    history = getattr(score, "record", {}).get("validation", [])
    values["validation"] = min((row[2] for row in history), default=math.nan)
    raw = _evaluated(score, target, points, tools)
    made = _evaluated(own, target, points, tools)
    if isinstance(target, Surrogate):
        values |= _known(score, own, target, many, tools)
        for kind, terms in (("raw", raw), ("calibrated", made)):
            excess = (
                terms.points["nll.ode"] - target.log_volume + target.law.log_prob(points.numpy())
            )
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


def _points(cell: Cell, tools: Tools, target: Target, times: int = 1) -> Tensor:
    """Held-out points, the same for every cell of a law; of a known law there may be more."""
    n = cell["points"] * times
    if isinstance(target, DataSet):
        n = min(n, target.counts["test"])
    return target.held_out(n, tools.generator("points", shared=("law",)))


def _evaluated(score: Score, target: Target, points: Tensor, tools: Tools) -> Likelihood:
    """Every term, with the noise that all networks of a law share."""
    noise = tools.generator("noise", shared=("law",))
    return evaluate(score, target, points=points, generator=noise, progress=_quiet)


def _quiet(items: Any, _: str) -> Any:
    return items


def _flat(prefix: str, made: Likelihood) -> dict[str, Any]:
    """Known terms with their errors; and, in words, why the others are not known."""
    values: dict[str, Any] = {}
    for name, term in made.terms.items():
        if term is None:
            values[f"{prefix}.why.{name}"] = made.notes[name]
        else:
            values |= {f"{prefix}.{name}": term.value, f"{prefix}.{name}.stderr": term.stderr}
    return values


# --------------------------------------------------------------------------------------- conclude

STUDY = Study(
    title="What remains of the bound on real data",
    question=(
        "Where the true score is unknown, which terms of the bound can be computed on held-out "
        "data, and how wide is their uncertainty?"
    ),
    parameters={
        "dataset": "digits",
        "path": "",
        "side": 14,
        "limit": 0,
        "seeds": 4,
        "repeats": 4,
        "probes": 8,
        "points": 297,
        "calibration": 150,
        "steps": 1000,
        "width": 0,
        "trunk": "",
        "proxy_steps": 2000,
        "proxy_width": 512,
        "components": 10,
        "t_min": 4e-4,
        "seed": 0,
    },
    quick={
        "seeds": 2,
        "repeats": 2,
        "points": 32,
        "calibration": 32,
        "steps": 60,
        "proxy_steps": 120,
        "proxy_width": 256,
    },
    cells=cells,
    compute=compute,
    conclude=present.conclude,
)
