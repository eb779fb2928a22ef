"""Biases of the estimates of one score of data_entropy, nats per coordinate."""

from __future__ import annotations

import math

import numpy as np

from thermohw import targets
from thermohw.books.entropy import nearest_neighbour_entropy
from thermohw.experiments.data_entropy.biases import biases
from thermohw.experiments.shared.paired import SinglePrecision
from thermohw.process import VE, VP
from thermohw.score import calibrated
from thermohw.study import Cell, Row, Tools
from thermohw.target import Target

_GROWTH = 4.0  # r of the scaled Gaussian
_MODES, _WIDTH = 8, 0.3


def _target(family: str, dim: int) -> Target:
    """The data of a family; pixels come in squares, the next larger one."""
    if family == "uniform":
        return targets.uniform_pixels(math.ceil(math.sqrt(dim)), centred=True)
    if family == "digits":
        return targets.digits()
    random = np.random.default_rng(dim)
    if family == "mixture":
        means = random.choice([-1.0, 1.0], (_MODES, dim)) + 0.1 * random.normal(size=(_MODES, dim))
        return targets.gaussian_mixture(means, _WIDTH)
    if dim > 64:
        return targets.gaussian_pixels(math.ceil(math.sqrt(dim)), centred=True)
    turn = np.linalg.qr(random.normal(size=(dim, dim)))[0]
    return targets.gaussian(
        np.zeros(dim), covariance=(turn * np.geomspace(0.05, 1.0, dim)) @ turn.T
    )


def _training(family: str, target: Target) -> Row:
    """Network and rate for a family: pictures a U-Net, and the mixture its Gaussian."""
    if family in ("mixture", "digits"):
        return {}
    picture = target.image_shape is not None and target.dim >= 16
    if not picture:
        return {"architecture": {"head": "plain"}, "learning_rate": 5e-3}
    network = {"head": "plain", "trunk": "unet", "width": 8}
    return {"architecture": network, "states": 4, "learning_rate": 1e-2}


def compute(cell: Cell, tools: Tools) -> Row:
    """Biases of the estimates of one score, raw and calibrated, nats per coordinate."""
    tuned = None
    if cell["family"] == "scaled":
        process = VE(sigma=10.0)
        start = process.transition(1.0)[1] / (_GROWTH - 1.0)
        target: Target = targets.gaussian(np.zeros(cell["dim"]), math.sqrt(start))
        score = target.score(process).scaled(cell["factor"])
    else:
        target, process = _target(cell["family"], cell["dim"]), VP(beta_min=0.1, beta_max=20.0)
        options = _training(cell["family"], target)
        trained = tools.score(target, process, seed=cell["seed"], steps=cell["steps"], **options)
        score, sizes = SinglePrecision(trained), {}
        if cell["family"] != "digits":
            count = min(65_536, max(512, cell["calibration"] // target.dim))
            sizes = {"points": count, "pairs": 1}
        drawn = tools.generator("calibration")
        tuned = calibrated(score, target, generator=drawn, **sizes)
    held_out = target.held_out(cell["points"], tools.generator("points"))
    found: Row = {"size": target.dim}
    noise = tools.generator("noise")
    terms = biases(score, target, held_out, noise, tuned=tuned, times=cell["times"])
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
