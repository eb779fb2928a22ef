"""Where on an array something happens: one square per cell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.colors import LinearSegmentedColormap, Normalize

from thermohw.report.figures.canvas import Picture, new_figure, svg
from thermohw.report.numerals import plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["cell_map"]

# Blue cools, vermilion heats; the middle is a grey that stands on light and on dark paper. Near the
# palette but not of it: a map keeps its colours on dark paper, or its order would break.
_MAPS = {
    "heat": LinearSegmentedColormap.from_list("heat", ["#2666ac", "#c9ced4", "#c5482b"]),
    "data": LinearSegmentedColormap.from_list("data", ["#0b7973", "#c9ced4", "#0b7973"]),
}


def cell_map(
    values: np.ndarray,
    *,
    name: str,
    title: str,
    unit: str,
    caption: str = "",
    colours: str = "heat",
) -> Picture:
    """One number per cell as colour.

    Args:
        values: shape (rows, columns).
        name: of the figure on its page.
        title: what the numbers are.
        unit: theirs.
        caption: under the figure.
        colours: "heat" or "data".
    """
    largest = float(np.abs(values).max()) or 1.0
    low = -largest if values.min() < 0.0 else 0.0
    norm = Normalize(-largest, largest)
    style: dict[str, Any] = {"cmap": _MAPS[colours], "norm": norm, "edgecolors": "face", "lw": 0.4}

    def draw() -> Figure:
        figure = new_figure(380, 290)
        axes = figure.add_axes((0.0, 0.02, 0.72, 0.96))
        axes.pcolormesh(values, **style)
        axes.set_aspect("equal", anchor="W")
        axes.invert_yaxis()
        axes.set_axis_off()
        bar = figure.add_axes((0.77, 0.03, 0.03, 0.94))
        steps = np.linspace(low, largest, 65)
        bar.pcolormesh([0.0, 1.0], steps, (0.5 * (steps[1:] + steps[:-1]))[:, None], **style)
        bar.set_xticks([])
        bar.yaxis.tick_right()
        marks = [low, 0.0, largest] if low else [0.0, 0.5 * largest, largest]
        bar.set_yticks(marks, [f"{plain(mark, 3)} {unit}".strip() for mark in marks])
        for spine in bar.spines.values():
            spine.set_visible(False)
        return figure

    extent = f"from {plain(float(values.min()), 3)} to {plain(float(values.max()), 3)} {unit}"
    alt = f"Map of {values.size} cells, {title}: {extent}, mean {plain(float(values.mean()), 3)}."
    return Picture(svg(draw, name=name, alt=alt), alt, caption, title)
