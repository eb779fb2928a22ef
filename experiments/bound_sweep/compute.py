"""One network of bound_sweep and its account, nats a pixel."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from thermohw.experiments.shared.paired import known, paired
from thermohw.process import VE, VP, Process
from thermohw.study import Cell, Tools
from thermohw.target import Target, gaussian_pixels, uniform_pixels


def compute(cell: Cell, tools: Tools) -> dict[str, Any]:
    """Train one network and take its account, in nats a pixel."""
    target, process = images(cell), noising(cell)
    network = tools.score(
        target,
        process,
        seed=cell["repeat"],
        steps=cell["steps"],
        architecture={name: cell[name] for name in ("head", "trunk", "width")},
        states=cell["states"],
        learning_rate=cell["learning_rate"],
    )
    pixel = images(cell | {"side": 1})
    facts = known(pixel, target, pixel.score(process), prior=cell["prior"])
    # all networks of a repetition are asked about the same images
    stream = tools.generator("images", shared=["data", "side", "repeat"])
    found = paired(
        network,
        target.score(process),
        target,
        facts,
        points=target.held_out(cell["points"], stream),
        streams=tools.generator,
        prior=cell["prior"],
        probes=cell["probes"],
        moments=cell["moments"],
        tolerance=cell["tolerance"],
    )
    values: dict[str, Any] = {f"known.{k}": v / target.dim for k, v in vars(facts).items()}
    for name, term in found.terms.items():
        values[name] = term.value / target.dim
        values[f"{name}.stderr"] = term.stderr / target.dim
    for name in ("time", "weight", "intrinsic", "exchange", "calibration", "ratio"):
        rate = name in ("intrinsic", "exchange")
        values[f"profile.{name}"] = found.profile[name] / (target.dim if rate else 1)
    values["profile.true_ratio"] = found.true_ratio
    return values


def images(cell: Mapping[str, Any]) -> Target:
    """The data: side x side independent pixels."""
    if cell["data"] == "uniform":
        return uniform_pixels(cell["side"])
    return gaussian_pixels(cell["side"])


def noising(cell: Mapping[str, Any]) -> Process:
    """The process, from the time on at which its noise has variance `noise_min`."""
    level = -math.log(cell["noise_min"])
    if cell["process"] == "ve":
        start = VE(cell["sigma"]).time_at_log_snr(level)
        return VE(cell["sigma"], t_min=start)
    start = VP(0.1, cell["sigma"]).time_at_log_snr(level)
    return VP(0.1, cell["sigma"], t_min=start)
