"""Figures of programs: how parameters move, and how states spread while they do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from thermohw.report.figures.canvas import (
    PALETTE,
    Picture,
    name_lines,
    new_figure,
    svg,
    tidy,
)
from thermohw.report.figures.traces import prefix
from thermohw.report.numerals import quantity, time_unit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

    from thermohw.program import Program

__all__ = ["parameters", "spread"]

_ROLES = ("work", "heat", "pumping", "generated", "stored", "ink")


def parameters(program: Program, grid: np.ndarray) -> Picture:
    """Every parameter over time, relative to its first value (to its largest where that is 0)."""
    seconds, unit = time_unit(float(grid[-1]))
    lines = program.lines

    def draw() -> Figure:
        figure = new_figure(380, 230)
        axes = figure.add_axes((0.13, 0.185, 0.62, 0.79))
        x = program.knots
        drawn: dict[str, tuple[np.ndarray, str]] = {}
        for (key, (times, values)), role in zip(lines.items(), _ROLES, strict=False):
            size, colour = _size(values), PALETTE[role]
            drawn[key] = np.interp(x, times, values) / size, colour
            # As the program has it: two values at one time are a jump.
            ends = np.append(times, program.duration), np.append(values, values[-1])
            axes.plot(ends[0] / seconds, ends[1] / size, color=colour)
        tidy(axes)
        name_lines(axes, x / seconds, drawn)
        axes.set_xlabel(f"time ({unit})")
        axes.set_ylabel("relative to the first value")
        return figure

    words = ", ".join(f"{key} from {values[0]:.3g} to {values[-1]:.3g} (SI)"
                      for key, (_, values) in lines.items())  # fmt: skip
    alt = f"Parameters over time: {words}."
    return Picture(svg(draw, name="program-figure", alt=alt), alt, title="The program")


def spread(times: np.ndarray, values: np.ndarray, labels: Sequence[str], unit: str) -> Picture:
    """Root mean square of the first coordinates over time, and one path of the first.

    Args:
        times: second, shape (frames,).
        values: shape (frames, paths, coordinates).
        labels: names of the coordinates.
        unit: of the values.
    """
    seconds, name = time_unit(float(times[-1]))
    factor, shown = prefix(values, unit) if unit else (1.0, "")
    rms = np.sqrt(np.mean(values**2, axis=1)) * factor

    def draw() -> Figure:
        figure = new_figure(380, 230)
        axes = figure.add_axes((0.13, 0.185, 0.70, 0.79))
        axes.plot(times / seconds, values[:, 0, 0] * factor, color=PALETTE["data"], lw=0.9)
        rows = zip(map(str, labels), rms.T, _ROLES, strict=False)
        lines = {label: (row, PALETTE[role]) for label, row, role in rows}
        for row, colour in lines.values():
            axes.plot(times / seconds, row, color=colour)
        tidy(axes)
        name_lines(axes, times / seconds, lines)
        axes.set_xlabel(f"time ({name})")
        axes.set_ylabel(f"rms ({shown})" if shown else "rms")
        return figure

    ends = [quantity(float(v) / factor, unit) for v in (rms[0, 0], rms[-1, 0])]
    names = ", ".join(map(str, labels[: rms.shape[1]]))
    alt = (
        f"Root mean square of {names} over time; of the first from {ends[0]} to {ends[1]}. "
        "Grey: one path."
    )
    caption = "Root mean square over paths; grey, one path of the first."
    return Picture(svg(draw, name="states-figure", alt=alt), alt, caption, "How states spread")


def _size(values: np.ndarray) -> float:
    """What a parameter's values are drawn relative to."""
    return float(values[0] or np.abs(values).max() or 1.0)
