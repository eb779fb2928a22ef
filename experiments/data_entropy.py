r"""Estimators of the data's entropy from a score, where it is known, from 2 to 784 dimensions.

A score, noised data and the end law's entropy S1 (H1 = S1 + K1 the prior's cross entropy) give

    E1 = S1 - Sigma                  plug-in        bias  (1/2) int g^2 (E|s*|^2 - E|s|^2) dt
    E2 = 2 nll.marginal - S1 + Sigma    inversion   bias  2 K1 + (1/2) int g^2 E|s - s*|^2 dt
    E3 = U                           evidence bound bias    K1 + (1/2) int g^2 E|s - s*|^2 dt

with Sigma = int (E[div f] + (g^2/2) E|s|^2) dt, after the bound of Kodama and Hinczewski
(arXiv:2510.06174). The true score is known here, so the biases are measured twice: as estimate less
S0, and from the score's error. With c_t = E[s_cond . s]/E|s|^2 from the denoising pairs,

    bias of E1 = (1/2) int g^2 E|s - s*|^2 dt + int g^2 (c_t - 1) E|s|^2 dt,

of which nothing but S1 and Sigma enters E1 itself.

    scaled     N(0, v0) in d dimensions, driftless noise that makes its variance r-fold, score c s*:
               E1 - S0 = d (1 - c^2) ln r / 2,    E2 - S0 = E3 - S0 = d (1 - c)^2 ln r / 2
    gaussian   correlated coordinates, a network
    mixture    eight narrow modes, a network
    uniform    dequantised 8-bit pixels, side x side of them, a network
    digits     8 x 8 handwritten digits, a network; S0 unknown, so only the spread shows

Every network is taken raw and rescaled by its own c_t (`calibrated`), which makes the three
agree but for K1. Beside them, up to three dimensions, the estimate from distances to neighbours,
which needs no score. Nats per coordinate of the model units; the prior is matched to p_T.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from thermohw.experiments import _entropy_figures as draw
from thermohw.likelihood import Likelihood, evaluate
from thermohw.process import VE, VP
from thermohw.score import Score, calibrated
from thermohw.study import Cell, Study
from thermohw.target import Target, digits, gaussian, gaussian_mixture, uniform_pixels
from thermohw.thermo.entropy import nearest_neighbour_entropy

if TYPE_CHECKING:
    from thermohw.study import Results, Sheet, Tools

__all__ = ["STUDY"]

_ESTIMATES = {
    "E1": "entropy.estimate_plugin",
    "E2": "entropy.estimate_inversion",
    "E3": "entropy.estimate_elbo",
}
_TERMS = {**_ESTIMATES, "ode": "nll.ode", "k1": "bound.prior_mismatch"}
_GROWTH = 4.0  # r of the scaled Gaussian
_MODES, _WIDTH = 8, 0.3


def cells(p: Mapping[str, Any]) -> list[Cell]:
    """A cell for every family, dimension and training; the fewer dimensions the more points."""

    def points(dim: int) -> dict[str, int]:
        return {"points": max(p["points"], p["coordinates"] // dim)}

    def steps(dim: int) -> dict[str, int]:
        return {"steps": p["steps"] if dim <= 64 else p["wide_steps"]}

    return [
        *({"family": "scaled", "dim": d, "factor": p["factor"], **points(d)} for d in p["dims"]),
        *(
            {"family": family, "dim": d, "seed": seed, **steps(d), **points(d)}
            for family in p["families"]
            for d in p["dims"]
            for seed in range(p["seeds"])
        ),
        *(
            {"family": "digits", "dim": 64, "seed": seed, **steps(64), "points": p["images"]}
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
    turn = np.linalg.qr(random.normal(size=(dim, dim)))[0]
    return gaussian(np.zeros(dim), covariance=(turn * np.geomspace(0.05, 1.0, dim)) @ turn.T)


def compute(cell: Cell, tools: Tools) -> dict[str, Any]:
    """Estimates of one score, raw and calibrated, and their biases, nats per coordinate."""
    if cell["family"] == "scaled":
        process = VE(sigma=10.0)
        start = process.transition(1.0)[1] / (_GROWTH - 1.0)
        target = gaussian(np.zeros(cell["dim"]), math.sqrt(start))
        score = target.score(process).scaled(cell["factor"])
        return {"size": target.dim, **_account("raw", score, target, cell, tools)}
    target, process = _target(cell["family"], cell["dim"]), VP(beta_min=0.1, beta_max=20.0)
    score = tools.score(target, process, seed=cell["seed"], steps=cell["steps"])
    tuned = calibrated(score, target, generator=tools.generator("calibration"))
    found = {
        "size": target.dim,
        **_account("raw", score, target, cell, tools),
        **_account("calibrated", tuned, target, cell, tools),
    }
    if target.dim <= 3:
        rows = target.held_out(20_000, tools.generator("neighbours")).numpy()
        value, stderr = nearest_neighbour_entropy(rows)
        truth = float(target.entropy or 0.0) - target.log_volume
        found |= {"knn": (value - truth) / target.dim, "knn.stderr": stderr / target.dim}
    return found


def _account(name: str, score: Score, target: Target, cell: Cell, tools: Tools) -> dict[str, float]:
    """Every estimate less S0 (less their mean where S0 is unknown) and the bias to be expected."""
    found = evaluate(
        score,
        target,
        generator=tools.generator("noise"),
        prior="matched",
        points=cell["points"],
        expectation="samples",
        tolerance=1e-4,
        split="none",
        progress=lambda items, _: items,
    )
    values = {short: found[long] for short, long in _TERMS.items() if found.terms[long]}
    origin = found.terms["entropy.data"]
    middle = np.mean([values[e].value for e in _ESTIMATES]) if origin is None else origin.value
    if origin is None:
        values.pop("k1", None)
    numbers: dict[str, float] = {}
    for short, estimate in values.items():
        less = 0.0 if short == "k1" else middle
        numbers[f"{name}.{short}"] = float(estimate.value - less) / target.dim
        numbers[f"{name}.{short}.stderr"] = estimate.stderr / target.dim
    if origin is None:
        numbers[f"{name}.middle"] = float(middle - target.log_volume) / target.dim
    else:
        numbers |= {
            f"{name}.{short}.expected": value / target.dim
            for short, value in expected_bias(found).items()
        }
    return numbers


def expected_bias(found: Likelihood) -> dict[str, float]:
    """Biases from the score's error, K1 and the calibration, nats, without S0, S1 or Sigma."""
    error = 2.0 * found["bound.score_error"].value
    mismatch = found["bound.prior_mismatch"].value
    profile = found.profile
    tilt = 2.0 * float(
        profile["weight"] @ ((profile["calibration"] - 1.0) * profile["sigma_score"])
    )
    return {"E1": error + tilt, "E2": 2.0 * mismatch + error, "E3": mismatch + error}


def closed_biases(factor: float, growth: float = _GROWTH) -> dict[str, float]:
    """Biases of the scaled Gaussian, nats per coordinate."""
    error = 0.5 * (1.0 - factor) ** 2 * math.log(growth)
    return {"E1": 0.5 * (1.0 - factor**2) * math.log(growth), "E2": error, "E3": error}


def conclude(p: dict[str, Any], results: Results, sheet: Sheet) -> None:
    """Biases against dimension, measured against expected, raw against calibrated."""
    _check_closed(p, results.where(family="scaled"), sheet)
    networks = [row for row in results if row["family"] in p["families"]]
    _tabulate(networks, sheet)
    if networks:
        sheet.figure(
            "bias",
            draw.bias(networks, p["families"]),
            "Error of the estimates of S0 against dimension, nats per coordinate: raw networks, "
            "filled, and the same rescaled by their calibration, open. Zero is the known entropy; "
            "bars are standard errors over held-out points.",
        )
        sheet.figure(
            "expected",
            draw.expected(networks),
            "Measured errors against the bias computed from the score's error alone. On the line "
            "the algebra of the three estimators accounts for all of it.",
        )
        _check_expected(networks, sheet)
        _say(networks, sheet)
    _digits(list(results.where(family="digits")), sheet)


def _check_closed(p: dict[str, Any], rows: Results, sheet: Sheet) -> None:
    closed, worst = closed_biases(p["factor"]), 0.0
    for row in rows:
        for name, value in closed.items():
            error = max(row[f"raw.{name}.stderr"], 1e-9)
            worst = max(worst, abs(row[f"raw.{name}"] - value) / error)
    status = "holds" if worst <= 4.0 else "violated"
    sheet.check(
        "biases of a scaled Gaussian score follow the closed forms",
        status,
        f"{len(rows)} dimensions, three estimators, c = {p['factor']:g}: largest z {worst:.2f}",
    )


def _tabulate(rows: list[dict[str, Any]], sheet: Sheet) -> None:
    columns = ["data", "dimensions", "score", "E1 - S0", "E2 - S0", "E3 - S0", "nll.ode - S0", "K1"]
    body = []
    for row in rows:
        for kind in ("raw", "calibrated"):
            pairs = [
                (row[f"{kind}.{n}"], row[f"{kind}.{n}.stderr"]) for n in (*_ESTIMATES, "ode", "k1")
            ]
            body.append([row["family"], row["size"], kind, *pairs])
    sheet.table("networks", columns, body, "Errors of the estimates, nats per coordinate.")
    near = [row for row in rows if "knn" in row]
    for row in near[:1]:
        note = f"{row['family']}, {row['size']} dimensions, 20000 samples, per coordinate"
        sheet.number("knn.error", row["knn"], row["knn.stderr"], note=note)


def _check_expected(rows: list[dict[str, Any]], sheet: Sheet) -> None:
    worst, count = 0.0, 0
    for row in rows:
        for kind in ("raw", "calibrated"):
            for name in _ESTIMATES:
                error = math.hypot(row[f"{kind}.{name}.stderr"], row[f"{kind}.k1.stderr"])
                miss = row[f"{kind}.{name}"] - row[f"{kind}.{name}.expected"]
                worst, count = max(worst, abs(miss) / max(error, 1e-9)), count + 1
    status = "holds" if worst <= 4.0 else "explained" if worst <= 6.0 else "violated"
    sheet.check(
        "estimate - S0 equals the bias computed from the score's error",
        status,
        f"{count} estimates: largest difference {worst:.2f} standard errors",
    )


def _say(rows: list[dict[str, Any]], sheet: Sheet) -> None:
    for name in _ESTIMATES:
        raw = np.array([abs(row[f"raw.{name}"]) for row in rows])
        tuned = np.array([abs(row[f"calibrated.{name}"]) for row in rows])
        better = int((tuned < raw).sum())
        note = "median of |estimate - S0| per coordinate over the networks"
        sheet.number(f"error.{name}.raw", float(np.median(raw)), note=note)
        sheet.number(f"error.{name}.calibrated", float(np.median(tuned)), note=note)
        sheet.finding(
            f"{name}: median error {np.median(raw):.2g} nats per coordinate raw, "
            f"{np.median(tuned):.2g} calibrated; calibration helps in {better} of {len(rows)}."
        )
    signs = {sign: sum(np.sign(row["raw.E1"]) == sign for row in rows) for sign in (-1, 1)}
    sheet.finding(
        f"E1 errs to both sides (below S0 in {signs[-1]} of {len(rows)} networks); E2 and E3 can "
        "lie below it by noise only: no two of the three bracket the entropy."
    )


def _digits(rows: list[dict[str, Any]], sheet: Sheet) -> None:
    if not rows:
        return
    spreads = {}
    for kind in ("raw", "calibrated"):
        found = [[row[f"{kind}.{name}"] for name in _ESTIMATES] for row in rows]
        spreads[kind] = float(np.mean([max(values) - min(values) for values in found]))
        middle = float(np.mean([row[f"{kind}.middle"] for row in rows]))
        sheet.number(f"digits.{kind}.spread", spreads[kind], note="largest less smallest estimate")
        sheet.number(f"digits.{kind}.middle", middle, note="mean of the three, model units")
    sheet.figure(
        "digits",
        draw.digits_spread(rows),
        "Digits: the three estimates of an unknown S0 about their mean, nats per pixel, raw and "
        "calibrated. Agreement after calibration says that the score is consistent with itself, "
        "not that it is right.",
    )
    sheet.finding(
        f"Digits: the estimates lie {spreads['raw']:.3g} nats per pixel apart raw and "
        f"{spreads['calibrated']:.3g} calibrated. The bias they share, half the score's "
        "error and more, shows in neither."
    )


STUDY = Study(
    title="The entropy of data from its score",
    question="How well do a score's entropy rates give the entropy of the data, and which way off?",
    parameters={
        "families": ["gaussian", "mixture", "uniform"],
        "dims": [2, 16, 64, 256, 784],
        "seeds": 1,
        "digits": 3,
        "steps": 1000,
        "wide_steps": 150,
        "points": 256,
        "coordinates": 32768,
        "images": 297,
        "factor": 0.95,
        "seed": 0,
    },
    quick={"dims": [2, 16], "digits": 1, "steps": 120, "coordinates": 4096, "images": 96},
    cells=cells,
    compute=compute,
    conclude=conclude,
)
