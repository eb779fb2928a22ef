"""One network of bound_sweep and its account, nats a pixel."""

from __future__ import annotations

import math
from dataclasses import replace

from thermohw.experiments.shared.paired import known, paired
from thermohw.process import VE, VP, Process
from thermohw.study import Cell, Row, Tools
from thermohw.target import Target, gaussian_pixels, uniform_pixels


def compute(cell: Cell, tools: Tools) -> Row:
    """Train one network and take its account, in nats a pixel."""
    target, process = images(cell), noising(cell)
    how = {name: cell[name] for name in ("steps", "states", "learning_rate")}
    how["architecture"] = {name: cell[name] for name in ("head", "trunk", "width")}
    network = tools.score(target, process, seed=cell["repeat"], **how)
    pixel = images(cell | {"side": 1})
    facts = known(pixel, target, pixel.score(process), prior=cell["prior"])
    # all networks of a repetition are asked about the same images
    stream = tools.generator("images", shared=["data", "side", "repeat"])
    found = paired(
        network, target.score(process), target, facts,
        points=target.held_out(cell["points"], stream), streams=tools.generator,
        **{name: cell[name] for name in ("prior", "probes", "moments", "tolerance")},
    )  # fmt: skip
    values: Row = {f"known.{k}": v / target.dim for k, v in vars(facts).items()}
    for name, term in found.terms.items():
        values[name] = term.value / target.dim
        values[f"{name}.stderr"] = term.stderr / target.dim
    for name in ("time", "weight", "intrinsic", "exchange", "calibration", "ratio"):
        rate = name in ("intrinsic", "exchange")
        values[f"profile.{name}"] = found.profile[name] / (target.dim if rate else 1)
    values["profile.true_ratio"] = found.true_ratio
    return values


def images(cell: Cell) -> Target:
    """The data: side x side independent pixels."""
    return (uniform_pixels if cell["data"] == "uniform" else gaussian_pixels)(cell["side"])


def noising(cell: Cell) -> Process:
    """The process, from the time on at which its noise has variance `noise_min`."""
    blank = VE(cell["sigma"]) if cell["process"] == "ve" else VP(0.1, cell["sigma"])
    return replace(blank, t_min=blank.time_at_log_snr(-math.log(cell["noise_min"])))
