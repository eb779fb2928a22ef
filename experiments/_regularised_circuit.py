"""What entropy_regularised concludes of the circuit: the heat of its own law, and ticks needed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from thermohw.experiments._regularised_look import NAMES
from thermohw.experiments._regularised_numbers import (
    Change,
    change,
    column,
    finest,
    margin_of,
    needed,
    trainings,
)

if TYPE_CHECKING:
    from thermohw.study import Results, Sheet

__all__ = ["heat", "steps"]


def heat(p: dict[str, Any], results: Results, data: str, weight: float, sheet: Sheet) -> None:
    """What becomes of the heat: on the noised law, and on the circuit."""
    rows = trainings(results, data)
    model, circuit = (
        change(column(rows, weight, k) / column(rows, 0.0, k) - 1.0)
        for k in ("heat.continuous", "device.fine")
    )
    base = trainings(results, data, "shrunk")
    shrinking = change(column(base, weight, "device.fine") / column(rows, 0.0, "device.fine") - 1.0)
    sheet.number(f"{data}.heat_model", model.mean, model.half / 2.0, unit="1")
    sheet.number(f"{data}.heat_circuit", circuit.mean, circuit.half / 2.0, unit="1")
    way = {1: "rises", 0: "does not change measurably", -1: "falls"}[circuit.sign]
    way = way if circuit.known else "changes, in one seed"
    why = ""
    if circuit.sign > 0:
        why = (
            ": the weaker pull leaves the circuit's own law wider than the noised one, and a wider "
            "law is driven harder"
        )
    sheet.finding(
        f"{NAMES[data].capitalize()}, λ = {weight:g}: on the noised law the heat changes by "
        f"{_percent(model)}, on the circuit that plays it, it "
        f"{way} ({_percent(circuit)}; merely shrunk {_percent(shrinking)}){why}."
    )


def steps(p: dict[str, Any], results: Results, data: str, weight: float, sheet: Sheet) -> None:
    """Ticks needed, and how good the samples of the finest grid are."""
    rows, base = trainings(results, data), trainings(results, data, "shrunk")
    sources = {
        "at λ = 0": needed(p, rows, 0.0),
        f"at λ = {weight:g}": needed(p, rows, weight),
        "merely shrunk": needed(p, base, weight),
        "calibrated at λ = 0": needed(p, rows, 0.0, "calibrated"),
        f"calibrated at λ = {weight:g}": needed(p, rows, weight, "calibrated"),
    }
    lowest = rows[0]["ticks"][0]
    said = []
    for name, values in sources.items():
        mean = float(np.exp(np.log(values).mean()))
        said.append(f"{mean:.0f} {name}" if mean > 1.001 * lowest else f"≤ {lowest} {name}")
        key = f"{data}.ticks.{name.replace('λ', 'lambda')}"
        sheet.number(key, mean, unit="1", note="geometric mean over seeds")
    moved = np.log(sources[f"at λ = {weight:g}"] / sources["at λ = 0"])
    tuned = sources[f"calibrated at λ = {weight:g}"] / sources["calibrated at λ = 0"]
    far = change(finest(rows, weight, "raw.distance") - finest(rows, 0.0, "raw.distance"))
    sheet.finding(
        f"{NAMES[data].capitalize()}: λ = {weight:g} multiplies the ticks that sampling needs by "
        f"{_times(moved)}, calibrated by {_times(np.log(tuned))} ({', '.join(said)}; margin "
        f"{margin_of(p, rows):.2g} of energy distance); on the finest grid its samples are {far} "
        "farther from the data."
    )


def _times(logarithms: np.ndarray) -> str:
    """A factor and its interval."""
    found = change(logarithms)
    if not found.known:
        return f"{math.exp(found.mean):.2f} (one seed)"
    low, high = (math.exp(found.mean + side * found.half) for side in (-1.0, 1.0))
    return f"{math.exp(found.mean):.2f} ({low:.2f} to {high:.2f})"


def _percent(found: Change) -> str:
    half = f" ± {100 * found.half:.1f}" if math.isfinite(found.half) else ""
    return f"{100 * found.mean:+.1f}{half} %"
