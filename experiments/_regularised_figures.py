"""Figures of the study entropy_regularised; the words are in _regularised_findings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from thermohw.experiments import _regularised_findings as words
from thermohw.experiments._regularised_numbers import (
    change,
    column,
    factor,
    needed,
    paired,
    shrunk,
    trainings,
)
from thermohw.study.figures import PALETTE, panels, shades, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from thermohw.study import Results, Sheet

__all__ = ["conclude"]

TRAINED, PLAYED, SHRUNK, TUNED = (PALETTE[role] for role in ("generated", "heat", "muted", "work"))


def conclude(p: dict[str, Any], results: Results, sheet: Sheet) -> None:
    """Everything the study shows."""
    played = [data for data in p["data"] if "spread" in trainings(results, data)[0]]
    if played:
        sheet.figure(
            "trade",
            _trade(p, results, played),
            "Evidence bound against heat, a mark for each lambda, means over seeds with 95 % "
            "intervals of the change. Green: on the noised law, where the penalty acts; line: the "
            "network of lambda = 0 shrunk. Red: what the circuit dissipates, on its own law.",
        )
    sheet.figure(
        "shrinkage",
        _shrinkage(p, results),
        "Do networks shrink as predicted? Left: calibration factor over that of lambda = 0, and "
        "1 + lambda. Right: loss of evidence; lines: the network of lambda = 0 shrunk, whose loss "
        "grows with the square of lambda once it is calibrated.",
    )
    sheet.figure(
        "beyond",
        _beyond(p, results),
        "What training with the penalty changes beyond shrinking: calibrated networks of each "
        "lambda less those of lambda = 0, seed by seed, with 95 % intervals. Below zero the "
        "penalty helps.",
    )
    if played:
        sheet.figure(
            "heat",
            _heat(p, results, played),
            "Heat over that of lambda = 0: on the noised law, and on the circuit under continuous "
            "and clocked control. Lines: the network of lambda = 0, shrunk.",
        )
        sheet.figure(
            "ticks",
            _ticks(p, results, played),
            "Above: energy distance to fresh data less that of the finest grid, mean over seeds, "
            "a shade for each lambda; broken line: the margin. Below: ticks from which on it is "
            "kept; hollow: no grid was too coarse, an upper limit.",
        )
    words.conclude(p, results, sheet)


def _positions(p: dict[str, Any]) -> np.ndarray:
    return np.arange(len(p["weights"]), dtype=float)


def _lambda_axis(axes: Axes, p: dict[str, Any]) -> None:
    axes.set_xticks(_positions(p), [f"{w:g}" for w in p["weights"]])
    axes.set_xlabel("λ")
    axes.set_xlim(-0.4, len(p["weights"]) - 0.6)


def _marks(
    axes: Axes,
    p: dict[str, Any],
    values: Callable[[float], np.ndarray],
    *,
    shift: float = 0.0,
    line: str = "none",
    **look: Any,
) -> None:
    """Means over seeds and 95 % intervals along lambda."""
    found = [change(values(w)) for w in p["weights"]]
    mean, half = (np.array([getattr(f, k) for f in found]) for k in ("mean", "half"))
    axes.errorbar(_positions(p) + shift, mean, np.nan_to_num(half), ls=line, **look)


def _trade(p: dict[str, Any], results: Results, played: Sequence[str]) -> Figure:
    figure, axes = panels(len(played), width=420, height=290)
    for ax, data in zip(np.atleast_1d(axes), played, strict=True):
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
        ax.set(xlabel="heat (kT per sample)", title=words.NAMES[data])
        ax.set_ylabel("evidence bound U − U(λ = 0) (nats)")
        ax.margins(x=0.12, y=0.12)
        tidy(ax)
    figure.legend(
        *np.atleast_1d(axes)[0].get_legend_handles_labels(), loc="outside upper left", ncols=3
    )
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


def _shrinkage(p: dict[str, Any], results: Results) -> Figure:
    figure, (left, right) = panels(2, width=420)
    colours = dict(zip(p["data"], words.colours(p["data"]), strict=True))
    weights = [w for w in p["weights"] if w > 0.0]
    place = dict(zip(p["weights"], _positions(p), strict=True))
    left.plot(_positions(p), 1.0 + np.array(p["weights"]), color=SHRUNK, lw=1.2, label="1 + λ")
    for n, data in enumerate(p["data"]):
        rows, shift = trainings(results, data), 0.08 * (n - 0.5 * (len(p["data"]) - 1))
        _marks(
            left,
            p,
            lambda w, rows=rows: factor(rows, w) / factor(rows, 0.0),
            shift=shift,
            marker="o",
            color=colours[data],
            label=words.NAMES[data],
        )
        loss = [paired(rows, w, "elbo") for w in weights]
        x = np.array([place[w] for w in weights]) + shift
        mean = np.array([f.mean for f in loss])
        right.errorbar(
            x,
            mean,
            np.nan_to_num([f.half for f in loss]),
            fmt="o",
            color=colours[data],
            label=words.NAMES[data],
        )
        base = [
            float((shrunk(rows, w)["elbo"] - column(rows, 0.0, "elbo")).mean()) for w in weights
        ]
        right.plot(x - shift, base, color=colours[data], lw=1.0)
    right.set_yscale("symlog", linthresh=0.01, linscale=0.6)
    right.axhline(0.0, color=PALETTE["line"], lw=0.8, zorder=0)
    left.set(ylabel="calibration factor / that of λ = 0")
    right.set(ylabel="U − U(λ = 0) (nats)")
    for ax in (left, right):
        _lambda_axis(ax, p)
        ax.legend(loc="upper left")
    return figure


def _beyond(p: dict[str, Any], results: Results) -> Figure:
    count = len(p["data"])
    wide = 2 if count > 1 else 1
    figure, axes = panels(wide, (count + 1) // 2, width=400, height=220)
    flat = np.atleast_1d(np.array(axes, dtype=object)).ravel()
    for ax, data in zip(flat, p["data"], strict=False):
        rows = trainings(results, data)
        ax.axhline(0.0, color=PALETTE["line"], lw=0.8, zorder=0)
        for shift, name, colour, label in (
            (-0.08, "calibrated.elbo", TRAINED, "evidence bound U"),
            (0.08, "calibrated.nll_ode", TUNED, "flow NLL"),
        ):
            _marks(
                ax,
                p,
                lambda w, rows=rows, name=name: column(rows, w, name) - column(rows, 0.0, name),
                shift=shift,
                marker="o",
                color=colour,
                label=label,
            )
        ax.set(title=words.NAMES[data], ylabel="change (nats)")
        _lambda_axis(ax, p)
    for ax in flat[count:]:
        ax.set_axis_off()
    flat[0].legend(loc="best")
    return figure


def _heat(p: dict[str, Any], results: Results, played: Sequence[str]) -> Figure:
    figure, axes = panels(len(played), width=420)
    for ax, data in zip(np.atleast_1d(axes), played, strict=True):
        rows, base = trainings(results, data), trainings(results, data, "shrunk")
        ax.axhline(1.0, color=PALETTE["line"], lw=0.8, zorder=0)
        for shift, colour, label, take in (
            (-0.1, TRAINED, "noised law", lambda r, w: column(r, w, "heat.continuous")),
            (0.0, PLAYED, "circuit, continuous", lambda r, w: column(r, w, "device.fine")),
            (0.1, TUNED, "circuit, clocked", _clocked),
        ):
            zero = take(rows, 0.0)
            _marks(
                ax,
                p,
                lambda w, take=take, zero=zero, rows=rows: take(rows, w) / zero,
                shift=shift,
                marker="o",
                color=colour,
                label=label,
            )
            line = [1.0, *(float((take(base, w) / zero).mean()) for w in p["weights"] if w)]
            ax.plot(_positions(p), line, color=colour, lw=1.0)
        ax.set(title=words.NAMES[data], ylabel="heat / that of λ = 0")
        _lambda_axis(ax, p)
        tidy_y(ax)
    np.atleast_1d(axes)[0].legend(loc="best")
    return figure


def _clocked(rows: Results, weight: float) -> np.ndarray:
    """Heat of the finest clocked runs, kT, shape (seeds,)."""
    chosen = sorted((r for r in rows if r["weight"] == weight), key=lambda r: r["repeat"])
    return np.array([float(row["raw.clocked"][-1]) for row in chosen])


def tidy_y(axes: Axes) -> None:
    """Round ticks on the vertical axis alone."""
    axes.locator_params(axis="y", nbins=5)


def _ticks(p: dict[str, Any], results: Results, played: Sequence[str]) -> Figure:
    figure, axes = panels(len(played), 2, width=420, height=230)
    grid = np.array(axes, dtype=object).reshape(2, len(played))
    for (top, low), data in zip(grid.T, played, strict=True):
        rows = trainings(results, data)
        ticks, margin = rows[0]["ticks"], words.margin_of(p, rows)
        for weight, colour in zip(p["weights"], shades(len(p["weights"])), strict=True):
            chosen = [r for r in rows if r["weight"] == weight]
            extra = np.mean([r["raw.extra"] for r in chosen], axis=0)
            top.plot(ticks[:-1], extra[:-1], "o-", ms=3, lw=1.1, color=colour, label=f"{weight:g}")
        top.axhline(margin, color=PALETTE["muted"], ls=(0, (4, 3)), lw=1.0)
        top.set_xscale("log")
        top.set_yscale("symlog", linthresh=margin)
        top.set_xticks(ticks[:-1], [str(n) for n in ticks[:-1]])
        top.minorticks_off()
        top.set(title=words.NAMES[data], xlabel="ticks", ylabel="extra distance (model units)")
        for shift, source, name, colour, label in (
            (-0.1, rows, "raw", TRAINED, "trained with λ"),
            (0.0, trainings(results, data, "shrunk"), "raw", SHRUNK, "λ = 0, shrunk"),
            (0.1, rows, "calibrated", TUNED, "trained, calibrated"),
        ):
            weights = [w for w in p["weights"] if w in source.distinct("weight")]
            found = [change(np.log(needed(p, source, w, name))) for w in weights]
            x = np.array([_positions(p)[p["weights"].index(w)] for w in weights]) + shift
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
        _lambda_axis(low, p)
    shade, kind = (row[0].get_legend_handles_labels() for row in grid)
    figure.legend(*shade, loc="outside right upper", title="λ", title_fontsize=7.6)
    figure.legend(*kind, loc="outside right lower")
    return figure
