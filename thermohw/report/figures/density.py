"""Generated samples beside data where they are no pictures: one, two or more coordinates.

1        histogram of what was generated, the data's exact density as a line (or their histogram)
2        two scatter plots with equal axes
more     mean and standard deviation of every node, generated against held-out
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from thermohw.report.figures.canvas import PALETTE, Picture, name_lines, new_figure, svg, tidy
from thermohw.report.numerals import count, plain, power, quantity

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from thermohw.report.excerpts import Samples

__all__ = ["density", "edges", "histogram", "moments", "scatter"]

_POINTS = 700  # of a scatter plot: enough to see a shape, few enough to stay small


def edges(samples: np.ndarray, reference: np.ndarray | None) -> np.ndarray:
    """Bin edges by the Freedman-Diaconis rule, between 16 and 64 bins, over all of both."""
    both = samples if reference is None else np.concatenate([samples, reference])
    low, high = float(both.min()), float(both.max())
    quartiles = np.subtract(*np.percentile(samples, [75, 25]))
    width = 2.0 * float(quartiles) / len(samples) ** (1.0 / 3.0)
    # The rule takes one mode for granted; many samples carry at least sqrt(n)/2 bins.
    fewest = int(np.clip(0.5 * len(samples) ** 0.5, 16, 40))
    bins = int(np.clip((high - low) / width, fewest, 64)) if width > 0.0 else fewest
    if high <= low:
        low, high = low - 0.5, high + 0.5
    return np.linspace(low, high, bins + 1)


def histogram(axes: Axes, samples: Samples, index: int = 0, *, tails: bool = False) -> None:
    """One coordinate of the samples, against the exact density or the data's histogram.

    Args:
        axes: empty.
        samples: data units.
        index: which coordinate.
        tails: dots on a logarithmic axis instead of areas on a linear one.
    """
    x = samples.generated[:, index]
    grid, exact = (samples.grid, samples.density) if index == 0 else (None, None)
    known = grid is not None and exact is not None
    held = None if known or samples.held_out is None else samples.held_out[:, index]
    bins = edges(x, held)
    axes.set_xlim(bins[0], bins[-1])
    if tails:
        _tails(axes, x, bins)
    else:
        axes.hist(x, bins=bins.tolist(), density=True, color=PALETTE["generated"], alpha=0.38, lw=0)
    if grid is not None and exact is not None:
        axes.plot(grid, exact, color=PALETTE["ink"], lw=1.4)
    elif held is not None:
        heights = np.histogram(held, bins, density=True)[0]
        axes.stairs(heights, bins, color=PALETTE["ink"], lw=1.2)
    if not tails:
        axes.set_ylim(0.0, axes.get_ylim()[1] * 1.04)


def density(samples: Samples, *, unit_volts: float, name: str = "density") -> list[Picture]:
    """One coordinate: histogram against the exact density (or held-out data), then its tails.

    Args:
        samples: data units.
        unit_volts: volts per data unit, for the words under the axis.
        name: of the figure on its page.
    """
    x, other = samples.generated[:, 0], samples.against()

    def draw(tails: bool) -> Figure:
        figure = new_figure(380, 250)
        axes = figure.add_axes((0.125, 0.165, 0.855, 0.805))
        tidy(axes)
        histogram(axes, samples, tails=tails)
        axes.set_xlabel("sample, data units")
        axes.set_ylabel("probability density" + (", logarithmic" if tails else ""))
        if not tails:
            axes.set_ylim(0.0, axes.get_ylim()[1] * 1.12)
            axes.text(0.015, 0.985, "generated", color=PALETTE["generated"], va="top",
                      transform=axes.transAxes, weight="bold")  # fmt: skip
            axes.text(0.015, 0.90, other, transform=axes.transAxes, va="top")
        return figure

    shape = f"mean {plain(float(x.mean()), 3)}, standard deviation {plain(float(x.std()), 3)}"
    alt = f"Histogram of {count(len(x))} generated samples ({shape}) against: {other}."
    log = f"The same histogram on a logarithmic scale, with counting errors, against: {other}."
    caption = f"{count(len(x))} generated samples. One data unit is {quantity(unit_volts, 'V', 4)}."
    return [
        Picture(svg(lambda: draw(False), name=name, alt=alt), alt, caption),
        Picture(svg(lambda: draw(True), name=f"{name}-tails", alt=log), log,
                "The same with a logarithmic axis: the tails. Bars are counting errors."),
    ]  # fmt: skip


def _tails(axes: Axes, x: np.ndarray, bins: np.ndarray) -> None:
    """Dots with counting errors on a logarithmic axis that ends below a single count."""
    counts = np.histogram(x, bins)[0]
    seen = counts > 0
    width = float(bins[1] - bins[0])
    per = 1.0 / (len(x) * width)
    centres = 0.5 * (bins[1:] + bins[:-1])[seen]
    n = counts[seen].astype(np.float64)
    # One count is 1 -0.83 +2.3 at one standard deviation; sqrt(n) would reach zero there.
    low = np.minimum(np.sqrt(n), 0.83 * n)
    axes.errorbar(
        centres, n * per, yerr=np.stack([low, np.sqrt(n + 0.75) + 1.0]) * per, fmt="o", ms=3.2,
        mew=0, lw=0, elinewidth=0.8, color=PALETTE["generated"],
    )  # fmt: skip
    axes.set_yscale("log")
    axes.set_ylim(0.3 * per, 2.5 * float(n.max()) * per)
    axes.yaxis.set_major_locator(LogLocator(numticks=6))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: power(round(np.log10(value)))))
    axes.yaxis.set_minor_locator(NullLocator())


def scatter(samples: Samples) -> list[Picture]:
    """Two coordinates: generated and held-out points in two plots with equal axes."""
    shown = [("generated", samples.generated, "generated")]
    if samples.held_out is not None:
        shown.append((samples.source, samples.held_out, "data"))
    everything = np.concatenate([points for _, points, _ in shown])
    low, high = np.percentile(everything, [0.1, 99.9], axis=0)
    margin = 0.08 * (high - low)

    pictures = []
    for i, (title, points, role) in enumerate(shown):
        few = points[:_POINTS]

        def draw(points: np.ndarray = few, role: str = role) -> Figure:
            figure = new_figure(380, 330)
            axes = figure.add_axes((0.105, 0.135, 0.875, 0.84))
            axes.plot(
                points[:, 0], points[:, 1], ".", ms=3.6, mew=0, color=PALETTE[role], alpha=0.55
            )
            axes.set_xlim(low[0] - margin[0], high[0] + margin[0])
            axes.set_ylim(low[1] - margin[1], high[1] + margin[1])
            tidy(axes)
            axes.set_xlabel("first coordinate, data units")
            axes.set_ylabel("second coordinate")
            return figure

        mean = ", ".join(plain(float(m), 3) for m in points.mean(0))
        spread = ", ".join(plain(float(s), 3) for s in points.std(0))
        alt = f"Scatter plot, {title}: mean ({mean}), standard deviations ({spread})."
        caption = f"{count(len(few))} of {count(len(points))} points."
        pictures.append(Picture(svg(draw, name=f"scatter{i}", alt=alt), alt, caption, title))
    return pictures


def moments(samples: Samples, nodes: tuple[str, ...]) -> list[Picture]:
    """Many coordinates: mean and standard deviation of every node."""
    pictures = []
    for name, title in (
        ("mean", "mean of every node"),
        ("std", "standard deviation of every node"),
    ):
        ours = getattr(np, name)(samples.generated, axis=0)
        theirs = None if samples.held_out is None else getattr(np, name)(samples.held_out, axis=0)

        def draw(ours: np.ndarray = ours, theirs: np.ndarray | None = theirs) -> Figure:
            figure = new_figure(380, 250)
            axes = figure.add_axes((0.115, 0.165, 0.67, 0.80))
            place = np.arange(len(ours))
            lines = {"generated": (ours, PALETTE["generated"])}
            if theirs is not None:
                axes.plot(
                    place, theirs, color=PALETTE["data"], lw=1.2, marker="o", ms=6, mfc="none"
                )
                lines["held out"] = (theirs, PALETTE["muted"])
            axes.plot(place, ours, color=PALETTE["generated"], lw=0, marker="o", ms=3.5)
            axes.margins(x=0.04, y=0.12)
            tidy(axes)
            marks = np.unique(np.linspace(0, len(ours) - 1, min(5, len(ours))).round()).astype(int)
            axes.set_xticks(marks, [nodes[i] for i in marks])
            axes.set_xlabel("node")
            axes.set_ylabel("data units")
            name_lines(axes, place, lines)
            return figure

        extent = f"from {plain(float(ours.min()), 3)} to {plain(float(ours.max()), 3)}"
        alt = f"The {title}, generated: {extent} data units."
        if theirs is not None:
            off = plain(float(np.abs(ours - theirs).max()), 3)
            alt += f" The largest distance from held-out data is {off}."
        pictures.append(Picture(svg(draw, name=f"moments-{name}", alt=alt), alt, "", title))
    return pictures
