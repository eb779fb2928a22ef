r"""How much bandwidth noise needs: a node shaken by a generator instead of its own resistor.

A cold resistor R with a capacitor C; a noise voltage of the density of R's Johnson noise at T
stands in series with it. White, it would give the node k T/C. With a bandwidth (in units of 1/RC;
h or T the sample interval or correlation time in RC)

    one-pole        corner B, T = 1/(2 pi B)      variance 1/(1 + T)         of k T/C
    staircase       a sample every h = 1/B        (2/h) tanh(h/2) at the samples, 1 - h/3 averaged
    interpolated    straight lines between them   1 - h/2 at the samples, 1 - 0.47 h averaged

and the generator drives 4 a B k T a RC through R (a = pi/2, 1/2, 1/3) less what stays in the node.

Then a mixture, 0.3 N(-2, 0.3^2) + 0.7 N(1.5, 0.4^2), is generated on that noise by the exact score,
the source in series with R, either following the state or held for a hundredth of RC. With white
noise the source works 2.6975 kT if it follows and 3.4810 kT if it is held: a held source misses
what the noise does during a tick. Noise slower than a tick does nothing during a tick.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from thermohw.circuit import build_device
from thermohw.datasheet import load_datasheet, read_datasheet
from thermohw.experiments import _johnson_figures as draw
from thermohw.experiments._johnson_loop import play
from thermohw.integrate.free import free_run
from thermohw.study import Cell, Study
from thermohw.target import gaussian_mixture
from thermohw.units import K_B

if TYPE_CHECKING:
    from thermohw.study import Results, Sheet, Tools

__all__ = ["STUDY"]

_COLD = "1 uK"
SHAPES = ("one-pole", "staircase", "interpolated")


def cells(p: Mapping[str, Any]) -> list[Cell]:
    """A free node, and a driven one with either kind of source, for every shape and bandwidth."""
    bands = [{"shape": s, "bandwidth": b} for s in SHAPES for b in p["bandwidths"]]
    free = [
        {"kind": "free", "paths": p["free_paths"], "span": p["span"], "seed": p["seed"], **band}
        for band in bands
    ]
    driven = [
        {"kind": "driven", "paths": p["paths"], "hold": hold, "seed": p["seed"], **band}
        for band in bands
        for hold in (0.0, p["hold"])
    ]
    return free + driven


def compute(cell: Cell, tools: Tools) -> dict[str, Any]:
    """Variance and power of a free node, or works and samples of a driven one."""
    if cell["kind"] == "free":
        return _free(cell)
    target = gaussian_mixture(means=[[-2.0], [1.5]], stds=[0.3, 0.4], weights=[0.3, 0.7])
    return play(
        target,
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


def conclude(p: dict[str, Any], results: Results, sheet: Sheet) -> None:
    """Two figures, a table, and the closed forms."""
    draw.conclude(p, results, sheet)


STUDY = Study(
    title="How much bandwidth noise needs",
    question="What does a node do when its noise comes from a generator of finite bandwidth: its "
    "variance, the work of a score-driven run on it, and the power the generator takes?",
    parameters={
        "bandwidths": [1.0, 2.0, 5.0, 10.0, 25.0, 100.0],
        "paths": 4096,
        "free_paths": 256,
        "span": 40.0,
        "hold": 0.01,
        "seed": 0,
    },
    quick={"bandwidths": [1.0, 10.0], "paths": 1024, "free_paths": 64, "span": 10.0},
    cells=cells,
    compute=compute,
    conclude=conclude,
)
