"""Voltages and sources of a few paths over device time, and the fan of paths that becomes data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from thermohw.report.figures.canvas import PALETTE, Picture, new_figure, svg, tidy
from thermohw.report.figures.density import edges
from thermohw.report.numerals import quantity
from thermohw.units import engineering

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from thermohw.report.clock import Clock
    from thermohw.report.excerpts import Samples, Traces

__all__ = ["draw_fan", "fan", "sources", "voltages"]

_SHOWN = 5  # paths of the close look
_SHADES = (1.0, 0.78, 0.6, 0.45, 0.34)


def prefix(values: np.ndarray, unit: str) -> tuple[float, str]:
    """The SI prefix that suits the bulk of some values: (factor to multiply with, unit name)."""
    top = float(np.percentile(np.abs(values), 99)) if values.size else 0.0
    if not np.isfinite(top) or top <= 0.0:
        return 1.0, unit
    name = engineering(top, unit, 3).split(" ")[-1]
    step = 3 * int(np.floor(np.log10(top * 1.0005) / 3.0))
    return 10.0**-step, "µ" + name[1:] if name.startswith("u") else name


def voltages(traces: Traces, clock: Clock) -> Picture:
    """Node voltage, or inductor current, of a few paths."""
    word = "voltage" if traces.unit == "V" else "current"
    alt = (
        f"{word.capitalize()} of {traces.where} for {min(_SHOWN, traces.voltage.shape[1])} paths, "
        f"between {_extent(traces.voltage[:, :_SHOWN], traces.unit)}."
    )
    return _few(traces.voltage, traces.unit, traces, clock, word, "generated", alt)


def sources(traces: Traces, clock: Clock, unit: str) -> Picture:
    """What the controller applied to the same node of the same paths."""
    word = "Injected current" if unit == "A" else "Source voltage"
    extent = _extent(traces.control[:, :_SHOWN], unit)
    beside = f"node {traces.node}" if traces.unit == "V" else f"the node of {traces.where}"
    alt = f"{word} at {beside}, same paths, between {extent}."
    return _few(traces.control, unit, traces, clock, word.lower(), "work", alt)


def fan(traces: Traces, samples: Samples, clock: Clock, *, name: str = "fan") -> Picture:
    """Many paths of one node running from noise to data, with the law they end in at the right."""

    def draw() -> Figure:
        figure = new_figure(440, 300)
        axes = figure.add_axes((0.105, 0.14, 0.685, 0.83))
        draw_fan(axes, figure.add_axes((0.80, 0.14, 0.19, 0.83)), traces, samples, clock)
        return figure

    alt = (
        f"Paths of {traces.where} from noise at the left to samples at the right, between "
        f"{_extent(traces.voltage, traces.unit)}; at the right edge the distribution they end in."
    )
    return Picture(svg(draw, name=name, alt=alt), alt)


def draw_fan(axes: Axes, side: Axes | None, traces: Traces, samples: Samples, clock: Clock) -> None:
    """The fan on given axes; `side` takes the distribution of the ends, turned."""
    factor, unit = prefix(traces.voltage, traces.unit)
    volts = traces.voltage * factor
    x = clock.at_ticks(traces.step)
    axes.plot(x, volts, color=PALETTE["generated"], lw=0.7, alpha=0.32)
    axes.plot(x, volts[:, 0], color=PALETTE["ink"], lw=1.3)
    axes.set_ylim(volts.min(), volts.max())
    tidy(axes)
    clock.dress(axes)
    word = "voltage" if traces.unit == "V" else "current"
    axes.set_ylabel(f"{word} of {traces.node} ({unit})")
    if side is None:
        return
    end, last = samples.generated[:, traces.index], volts[-1]
    # data = a + b volts; two paths fix the map.
    i, j = int(np.argmin(last)), int(np.argmax(last))
    b = (end[j] - end[i]) / (last[j] - last[i]) if last[j] > last[i] else 1.0
    bins = edges(end, None)
    heights = np.histogram(end, bins, density=True)[0]
    side.stairs(
        heights * abs(b), (bins - end[i]) / b + last[i], orientation="horizontal", fill=True,
        color=PALETTE["generated"], alpha=0.38, lw=0,
    )  # fmt: skip
    if samples.grid is not None and samples.density is not None:
        place = (samples.grid - end[i]) / b + last[i]
        side.plot(samples.density * abs(b), place, color=PALETTE["ink"], lw=1.3)
    side.set_ylim(axes.get_ylim())
    side.set_xlim(0.0, None)
    side.set_axis_off()


def _few(
    values: np.ndarray, unit: str, traces: Traces, clock: Clock, word: str, role: str, alt: str
) -> Picture:
    factor, name = prefix(values[:, :_SHOWN], unit)
    x = clock.at_ticks(traces.step)

    def draw() -> Figure:
        figure = new_figure(380, 230)
        axes = figure.add_axes((0.13, 0.185, 0.85, 0.79))
        for shade, path in zip(_SHADES, values[:, :_SHOWN].T * factor, strict=False):
            axes.plot(x, path, color=PALETTE[role], lw=1.0, alpha=shade)
        tidy(axes)
        clock.dress(axes)
        axes.set_ylabel(f"{word} ({name})")
        return figure

    return Picture(svg(draw, name=word.replace(" ", "-"), alt=alt), alt)


def _extent(values: np.ndarray, unit: str) -> str:
    return f"{quantity(float(values.min()), unit)} and {quantity(float(values.max()), unit)}"
