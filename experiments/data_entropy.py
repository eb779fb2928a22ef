r"""Estimators of the data's entropy from a score, where it is known, from 2 to 784 dimensions.

A score, noised data and the end law's entropy S1 (H1 = S1 + K1 the prior's cross entropy) give

    E1 = S1 - Sigma                  plug-in        bias  (1/2) int g^2 (E|s*|^2 - E|s|^2) dt
    E2 = 2 nll.marginal - S1 + Sigma    inversion   bias  2 K1 + (1/2) int g^2 E|s - s*|^2 dt
    E3 = U                           evidence bound bias    K1 + (1/2) int g^2 E|s - s*|^2 dt

with Sigma = int (E[div f] + (g^2/2) E|s|^2) dt, after the bound of Kodama and Hinczewski
(arXiv:2510.06174). Where the true score is known the biases are sampled as differences from it, at
the same noised points, which frees them of the scatter that an estimate of S0 itself has, and held
against what the score's error alone makes them (`_entropy_account`).

    scaled     N(0, v0) in d dimensions, driftless noise that makes its variance r-fold, score c s*:
               E1 - S0 = d (1 - c^2) ln r / 2,    E2 - S0 = E3 - S0 = d (1 - c)^2 ln r / 2
    gaussian   to 64 dimensions correlated coordinates in a rotated frame, a dense network; beyond,
               pictures of independent pixels, a U-Net; both are told one mean and one variance
    mixture    eight narrow modes, a dense network behind the Gaussian of their moments
    uniform    dequantised 8-bit pixels, side x side of them, a U-Net (four pixels: dense)
    digits     8 x 8 handwritten digits, a network; S0 unknown, so only the spread shows

Every network is taken raw and rescaled by its own c_t = E[s_cond . s]/E|s|^2 (`calibrated`), which
makes the three agree but for K1 and the noise of c_t. Beside them, in two dimensions, the estimate
from distances to neighbours, which needs no score. Nats per coordinate of the model units; the
prior is matched to p_T. Above 64 dimensions networks train the shorter, so that a step costs alike.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from thermohw.books.entropy import nearest_neighbour_entropy
from thermohw.experiments._entropy_account import biases
from thermohw.experiments._paired import _Single
from thermohw.process import VE, VP
from thermohw.score import calibrated
from thermohw.study import Cell, Study
from thermohw.target import (
    Target,
    digits,
    gaussian,
    gaussian_mixture,
    gaussian_pixels,
    uniform_pixels,
)

if TYPE_CHECKING:
    from thermohw.study import Results, Sheet, Tools

__all__ = ["STUDY"]

_ESTIMATES = ("E1", "E2", "E3")
_GROWTH = 4.0  # r of the scaled Gaussian
_MODES, _WIDTH = 8, 0.3


def cells(p: Mapping[str, Any]) -> list[Cell]:
    """A cell for every family, dimension and training; the fewer dimensions the more points."""

    def points(dim: int) -> dict[str, int]:
        return {"points": max(p["points"], p["coordinates"] // dim), "times": p["times"]}

    def steps(dim: int) -> dict[str, int]:
        return {"steps": min(p["steps"], p["effort"] // dim), "calibration": p["calibration"]}

    return [
        *({"family": "scaled", "dim": d, "factor": p["factor"], **points(d)} for d in p["dims"]),
        *(
            {"family": family, "dim": d, "seed": seed, **steps(d), **points(d)}
            for family in p["families"]
            for d in p["dims"]
            for seed in range(p["seeds"])
        ),
        *(
            {"family": "digits", "dim": 64, "seed": seed, **steps(64), **points(64)}
            | {"points": p["images"]}
            for seed in range(p["digits"])
        ),
    ]


def _target(family: str, dim: int) -> Target:
    """The data of a family; pixels come in squares, the next larger one."""
    if family == "uniform":
        return uniform_pixels(math.ceil(math.sqrt(dim)), centred=True)
    if family == "digits":
        return digits()
    random = np.random.default_rng(dim)
    if family == "mixture":
        means = random.choice([-1.0, 1.0], (_MODES, dim)) + 0.1 * random.normal(size=(_MODES, dim))
        return gaussian_mixture(means, _WIDTH)
    if dim > 64:
        return gaussian_pixels(math.ceil(math.sqrt(dim)), centred=True)
    turn = np.linalg.qr(random.normal(size=(dim, dim)))[0]
    return gaussian(np.zeros(dim), covariance=(turn * np.geomspace(0.05, 1.0, dim)) @ turn.T)


def _training(family: str, target: Target) -> dict[str, Any]:
    """Network and rate for a family: pictures a U-Net, and the mixture its Gaussian."""
    if family in ("mixture", "digits"):
        return {}
    picture = target.image_shape is not None and target.dim >= 16
    if not picture:
        return {"architecture": {"head": "plain"}, "learning_rate": 5e-3}
    network = {"head": "plain", "trunk": "unet", "width": 8}
    return {"architecture": network, "states": 4, "learning_rate": 1e-2}


def compute(cell: Cell, tools: Tools) -> dict[str, Any]:
    """Biases of the estimates of one score, raw and calibrated, nats per coordinate."""
    tuned = None
    if cell["family"] == "scaled":
        process = VE(sigma=10.0)
        start = process.transition(1.0)[1] / (_GROWTH - 1.0)
        target: Target = gaussian(np.zeros(cell["dim"]), math.sqrt(start))
        score = target.score(process).scaled(cell["factor"])
    else:
        target, process = _target(cell["family"], cell["dim"]), VP(beta_min=0.1, beta_max=20.0)
        options = _training(cell["family"], target)
        trained = tools.score(target, process, seed=cell["seed"], steps=cell["steps"], **options)
        score, count = _Single(trained), min(65_536, max(512, cell["calibration"] // target.dim))
        tuned = calibrated(
            score,
            target,
            generator=tools.generator("calibration"),
            points=None if cell["family"] == "digits" else count,
            pairs=None if cell["family"] == "digits" else 1,
        )
    held_out = target.held_out(cell["points"], tools.generator("points"))
    found: dict[str, Any] = {"size": target.dim}
    terms = biases(
        score, target, held_out, tools.generator("noise"), tuned=tuned, times=cell["times"]
    )
    for name, (value, stderr) in terms.items():
        found |= {name: value / target.dim, f"{name}.stderr": stderr / target.dim}
    if tuned is not None and target.dim <= 3:
        rows = target.held_out(20_000, tools.generator("neighbours")).numpy()
        value, stderr = nearest_neighbour_entropy(rows)
        truth = float(target.entropy or 0.0) - target.log_volume
        found |= {"knn": (value - truth) / target.dim, "knn.stderr": stderr / target.dim}
    return found


def closed_biases(factor: float, growth: float = _GROWTH) -> dict[str, float]:
    """Biases of the scaled Gaussian, nats per coordinate."""
    error = 0.5 * (1.0 - factor) ** 2 * math.log(growth)
    return {"E1": 0.5 * (1.0 - factor**2) * math.log(growth), "E2": error, "E3": error}


def conclude(p: dict[str, Any], results: Results, sheet: Sheet) -> None:
    """Biases against dimension, raw against calibrated, measured against expected.

    Imported by name: cells belong to the code of the imports, and words make none of them stale.
    """
    say = importlib.import_module("thermohw.experiments._entropy_findings")
    say.check_closed(closed_biases(p["factor"]), p["factor"], results.where(family="scaled"), sheet)
    networks = [row for row in results if row["family"] in p["families"]]
    if networks:
        say.networks(networks, p["families"], sheet)
    rows = list(results.where(family="digits"))
    if rows:
        say.digits(rows, sheet)


STUDY = Study(
    title="The entropy of data from its score",
    question="How well do a score's entropy rates give the entropy of the data, and which way off?",
    parameters={
        "families": ["gaussian", "mixture", "uniform"],
        "dims": [2, 16, 64, 256, 784],
        "seeds": 1,
        "digits": 3,
        "steps": 2000,
        "effort": 400_000,
        "calibration": 1_048_576,
        "times": 55,
        "points": 256,
        "coordinates": 32768,
        "images": 297,
        "factor": 0.95,
        "seed": 0,
    },
    quick={"dims": [2, 16], "digits": 1, "steps": 120, "coordinates": 4096, "images": 96}
    | {"calibration": 65_536},
    cells=cells,
    compute=compute,
    conclude=conclude,
)
