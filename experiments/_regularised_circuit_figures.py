"""Figures of entropy_regularised about the circuit: what it dissipates, and the ticks it needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from thermohw.experiments._regularised_look import (
    NAMES,
    PLAYED,
    SHRUNK,
    TRAINED,
    TUNED,
    lambda_axis,
    marks,
    positions,
)
from thermohw.experiments._regularised_numbers import (
    change,
    column,
    finest,
    margin_of,
    needed,
    shrunk,
    trainings,
)
from thermohw.study.figures import PALETTE, flat, panels, shades, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from thermohw.study import Results

__all__ = ["heat_figure", "ticks_figure", "trade_figure"]


def trade_figure(p: dict[str, Any], results: Results, played: Sequence[str]) -> Figure:
    """Evidence bound against heat, on p_t and on the circuit."""
    figure, axes = panels(len(played), width=420, height=290)
    for ax, data in zip(flat(axes), played, strict=True):
        rows = trainings(results, data)
        zero = column(rows, 0.0, "elbo")
        fine = [shrunk(rows, w) for w in np.linspace(0.0, max(p["weights"]), 101)]
        heats, rises = (
            [f[k].mean() - m for f in fine] for k, m in (("heat", 0), ("elbo", zero.mean()))
        )
        ax.plot(heats, rises, color=SHRUNK, lw=1.2, label="λ = 0, shrunk, on the noised law")
        for name, colour, mark, label in (
            ("heat.continuous", TRAINED, "o", "trained with λ, on the noised law"),
            ("device.fine", PLAYED, "s", "trained with λ, on the circuit"),
        ):
            start = column(rows, 0.0, name)
            found = [
                (change(column(rows, w, name) - start), change(column(rows, w, "elbo") - zero))
                for w in p["weights"]
            ]
            x, y = (np.array([f[i].mean for f in found]) for i in (0, 1))
            dx, dy = (np.nan_to_num([f[i].half for f in found]) for i in (0, 1))
            x = x + start.mean()
            look = {"fmt": mark, "color": colour, "capsize": 0, "elinewidth": 0.7}
            ax.errorbar(x, y, dy, dx, label=label, **look)
            side = -6 if name == "heat.continuous" else 6
            _name_marks(ax, p["weights"], x, y, side=side, reach=np.ptp(rises))
        ax.set(xlabel="heat (kT per sample)", title=NAMES[data])
        ax.set_ylabel("evidence bound U − U(λ = 0) (nats)")
        ax.margins(x=0.12, y=0.12)
        tidy(ax)
    figure.legend(*flat(axes)[0].get_legend_handles_labels(), loc="outside upper left", ncols=3)
    return figure


def _name_marks(
    axes: Axes, weights: Sequence[float], x: np.ndarray, y: np.ndarray, *, side: int, reach: float
) -> None:
    """lambda beside the marks that stand clear of the one before, so many points to a side."""
    last = 0.0
    for weight, across, up in zip(weights, x, y, strict=True):
        if up - last > 0.08 * reach:
            axes.annotate(
                f"λ = {weight:g}",
                (across, up),
                (side, 3),
                textcoords="offset points",
                ha="left" if side > 0 else "right",
                fontsize=7.2,
                color=PALETTE["ink"],
            )
            last = up


def heat_figure(p: dict[str, Any], results: Results, played: Sequence[str]) -> Figure:
    """Heat over that of lambda = 0, along lambda."""
    figure, axes = panels(len(played), width=420)
    for ax, data in zip(flat(axes), played, strict=True):
        rows, base = trainings(results, data), trainings(results, data, "shrunk")
        ax.axhline(1.0, color=PALETTE["line"], lw=0.8, zorder=0)
        for shift, colour, label, take in (
            (-0.1, TRAINED, "noised law", lambda r, w: column(r, w, "heat.continuous")),
            (0.0, PLAYED, "circuit, continuous", lambda r, w: column(r, w, "device.fine")),
            (0.1, TUNED, "circuit, clocked", lambda r, w: finest(r, w, "raw.clocked")),
        ):
            zero = take(rows, 0.0)
            marks(
                ax,
                p,
                lambda w, take=take, zero=zero, rows=rows: take(rows, w) / zero,
                shift=shift,
                marker="o",
                color=colour,
                label=label,
            )
            line = [1.0, *(float((take(base, w) / zero).mean()) for w in p["weights"] if w)]
            ax.plot(positions(p), line, color=colour, lw=1.0)
        ax.set(title=NAMES[data], ylabel="heat / that of λ = 0")
        lambda_axis(ax, p)
        ax.locator_params(axis="y", nbins=5)
    flat(axes)[0].legend(loc="best")
    return figure


def ticks_figure(p: dict[str, Any], results: Results, played: Sequence[str]) -> Figure:
    """Energy distance along the ticks, and ticks needed along lambda."""
    figure, axes = panels(len(played), 2, width=420, height=230)
    grid = flat(axes)
    above, below = grid[: len(played)], grid[len(played) :]
    for top, low, data in zip(above, below, played, strict=True):
        rows = trainings(results, data)
        ticks, margin = rows[0]["ticks"], margin_of(p, rows)
        for weight, colour in zip(p["weights"], shades(len(p["weights"])), strict=True):
            chosen = [r for r in rows if r["weight"] == weight]
            extra = np.mean([r["raw.extra"] for r in chosen], axis=0)
            top.plot(ticks[:-1], extra[:-1], "o-", ms=3, lw=1.1, color=colour, label=f"{weight:g}")
        top.axhline(margin, color=PALETTE["muted"], ls=(0, (4, 3)), lw=1.0)
        top.set_xscale("log")
        top.set_yscale("symlog", linthresh=margin)
        top.set_xticks(ticks[:-1], [str(n) for n in ticks[:-1]])
        top.minorticks_off()
        top.set(title=NAMES[data], xlabel="ticks", ylabel="extra distance (model units)")
        for shift, source, name, colour, label in (
            (-0.1, rows, "raw", TRAINED, "trained with λ"),
            (0.0, trainings(results, data, "shrunk"), "raw", SHRUNK, "λ = 0, shrunk"),
            (0.1, rows, "calibrated", TUNED, "trained, calibrated"),
        ):
            weights = [w for w in p["weights"] if w in source.distinct("weight")]
            found = [change(np.log(needed(p, source, w, name))) for w in weights]
            x = np.array([positions(p)[p["weights"].index(w)] for w in weights]) + shift
            mean = np.exp([f.mean for f in found])
            half = np.nan_to_num([f.half for f in found])
            around = [mean * (1.0 - np.exp(-half)), mean * (np.exp(half) - 1.0)]
            low.errorbar(x, mean, around, fmt="none", ecolor=colour, elinewidth=0.9)
            reached = mean > ticks[0] * 1.0001
            low.plot(x[reached], mean[reached], "o", color=colour, label=label)
            low.plot(x[~reached], mean[~reached], "o", mec=colour, mfc=PALETTE["paper"])
        low.set_yscale("log")
        low.set_yticks(ticks, [str(n) for n in ticks])
        low.minorticks_off()
        low.set_ylim(0.85 * ticks[0], 1.15 * ticks[-1])
        low.set(ylabel="ticks needed")
        lambda_axis(low, p)
    shade, kind = (row[0].get_legend_handles_labels() for row in (above, below))
    figure.legend(*shade, loc="outside right upper", title="λ", title_fontsize=7.6)
    figure.legend(*kind, loc="outside right lower")
    return figure
