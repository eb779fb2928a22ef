"""Figures of studies: the same look as the report's, sized for a page, kept as files.

    figure, (left, right) = panels(2)             two plots side by side, 380 CSS pixels each
    left.errorbar(x, y, error, label="VE")         colours come from COLOURS in order
    left.set(xlabel="sigma", ylabel="NLL (nats)")

`panels` makes axes without a frame above and to the right. Inside `study_style()` - where every
study's `conclude` runs - lines, legends and error bars look alike. COLOURS are roles of the
report's palette: on the page they follow light and dark. `shades(n)` are n steps of one scale, for
a parameter that grows.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np
from cycler import cycler
from matplotlib.colors import LinearSegmentedColormap, to_hex

from thermohw.report.figures.canvas import (
    DPI,
    PALETTE,
    document,
    house_style,
    name_lines,
    new_figure,
    png,
    tidy,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "COLOURS",
    "PALETTE",
    "figure_files",
    "flat",
    "name_lines",
    "panels",
    "shades",
    "study_style",
    "tidy",
]

COLOURS = [PALETTE[role] for role in ("generated", "heat", "work", "pumping", "data", "ink")]
"""Colours of lines in order; apart under the common colour-vision deficiencies."""

_SCALE = LinearSegmentedColormap.from_list("thermohw", ["#8fd0c4", "#0a7872", "#123c5a"])
_STYLE: dict[str, Any] = {
    "axes.facecolor": "none",
    "axes.prop_cycle": cycler(color=COLOURS),
    "axes.titlesize": 8.4,
    "axes.titlelocation": "left",
    "axes.titlecolor": PALETTE["ink"],
    "axes.axisbelow": True,
    "axes.formatter.min_exponent": 4,  # 0.001 to 1000 on logarithmic axes are written out
    "axes.grid": False,
    "grid.color": PALETTE["line"],
    "grid.linewidth": 0.6,
    "errorbar.capsize": 2.0,
    "legend.frameon": False,
    "legend.fontsize": 7.6,
    "legend.handlelength": 1.4,
    "lines.markersize": 4.0,
    "image.cmap": "thermohw",
    "figure.constrained_layout.use": True,
}
if "thermohw" not in matplotlib.colormaps:
    matplotlib.colormaps.register(_SCALE, name="thermohw")


@contextmanager
def study_style() -> Iterator[None]:
    """What is drawn inside looks like every other study's figure."""
    with house_style(_STYLE):
        yield


def panels(
    columns: int = 1, rows: int = 1, *, width: int = 380, height: int = 250, **options: Any
) -> tuple[Figure, Any]:
    """A figure with a grid of plots.

    Args:
        columns: plots side by side.
        rows: plots one above another.
        width: of one plot, CSS pixels.
        height: of one plot, CSS pixels.
        **options: of matplotlib's `Figure.subplots`, such as sharey=True.

    Returns:
        The figure, and its axes: one, a list of them, or (rows and columns) a list of lists.
    """
    with study_style():
        figure = new_figure(width * columns, height * rows)
        figure.set_layout_engine("constrained")
        axes: np.ndarray = figure.subplots(rows, columns, squeeze=False, **options)
    grid: list[list[Axes]] = axes.tolist()
    if rows == 1:
        return figure, grid[0][0] if columns == 1 else grid[0]
    return figure, [row[0] for row in grid] if columns == 1 else grid


def flat(axes: Any) -> list[Axes]:
    """The axes of `panels`, one or many, in one list row by row."""
    return np.array(axes, dtype=object).ravel().tolist()


def shades(n: int) -> list[str]:
    """n colours from light to dark, for the values of a parameter in ascending order."""
    return [to_hex(colour) for colour in _SCALE(np.linspace(0.0, 1.0, n) if n > 1 else [0.5])]


def figure_files(figure: Figure, name: str) -> dict[str, bytes]:
    """A finished figure as files: "png" (180 dots an inch) and "svg", on light paper."""
    # One paper under everything: white boxes behind plots would stay white on a dark page.
    figure.patch.set_facecolor(PALETTE["paper"])
    figure.patch.set_visible(True)
    for axes in figure.axes:
        if to_hex(axes.get_facecolor()) == "#ffffff":
            axes.patch.set_visible(False)
    with study_style():
        return {
            "svg": document(lambda: figure, name=name).encode(),
            "png": png(lambda: figure, scale=180 / DPI),
        }
