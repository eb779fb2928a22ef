"""Variance and power of a free node, or works and samples of a driven one."""

from __future__ import annotations

from typing import Any

from thermohw.circuit import build_device
from thermohw.datasheet import load_datasheet, read_datasheet
from thermohw.experiments.johnson_bandwidth.driven_node import play
from thermohw.experiments.shared.problems import two_humps
from thermohw.integrate.free import free_run
from thermohw.study import Cell, Tools
from thermohw.units import K_B

_COLD = "1 uK"


def compute(cell: Cell, tools: Tools) -> dict[str, Any]:
    """Variance and power of a free node, or works and samples of a driven one."""
    if cell["kind"] == "free":
        return _free(cell)
    return play(
        two_humps(),
        cell["shape"],
        cell["bandwidth"],
        hold=cell["hold"] or None,
        paths=cell["paths"],
        generator=tools.generator(),
    )


def _free(cell: Cell) -> dict[str, Any]:
    """rc1 with a cold resistor and a current of the density that its noise would have at 300 K."""
    sheet = load_datasheet("rc1")
    ohms = sheet.resistors[0].resistance.value
    tau = ohms * sheet.nodes[0].capacitance.value
    density = (4.0 * K_B * 300.0 / ohms) ** 0.5
    text = f"""{sheet.text}
[[noise]]
name = "generator"
kind = "white"
at = "n0"
shape = "{cell["shape"]}"
density = "{density} A/sqrt(Hz)"
bandwidth = "{cell["bandwidth"] / tau} Hz"
"""
    device = build_device(read_datasheet(text, "rc1", {"r0.temperature": _COLD}))
    paths, unit = cell["paths"], K_B * 300.0
    # Means over pieces: half of the fastest time is enough (1 % of (piece/RC)^2 in variance).
    own = 6.283 * cell["bandwidth"] if cell["shape"] == "one-pole" else 2.0 * cell["bandwidth"]
    step = min(0.1, 1.0 / own) * tau
    run = free_run(device, duration=cell["span"] * tau, paths=paths, step=step, seed=cell["seed"])
    variance = run.mean_square[:, 0] * sheet.nodes[0].capacitance.value / unit
    power = run.books["work.generator"] / unit / (run.seconds / tau)
    root = paths**0.5
    return {
        "variance": float(variance.mean()), "variance.stderr": float(variance.std()) / root,
        "power": float(power.mean()), "power.stderr": float(power.std()) / root,
    }  # fmt: skip
