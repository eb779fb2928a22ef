"""The five figures of entropy_regularised, marks along lambda.

lambda spans decades and begins at zero: its values stand at equal distances.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from thermohw.experiments.entropy_regularised.changes import Trainings, change
from thermohw.experiments.shared.figures import ticks_at
from thermohw.study import Parameters, Results
from thermohw.study.figures import PALETTE, flat, panels, shades, tidy

TRAINED, PLAYED, SHRUNK, TUNED = (PALETTE[role] for role in ("generated", "heat", "muted", "work"))
NAMES = {"mixture": "mixture", "digits": "digits", "few": "few digits", "bare": "few digits, bare"}
_ROLES = {"mixture": "generated", "digits": "heat", "few": "work", "bare": "pumping"}


def positions(p: Parameters) -> np.ndarray:
    """Where each lambda stands."""
    return np.arange(len(p["weights"]), dtype=float)


def lambda_axis(axes: Axes, p: Parameters) -> None:
    """A horizontal axis of lambda."""
    axes.set_xticks(positions(p), [f"{w:g}" for w in p["weights"]])
    axes.set_xlabel("λ")
    axes.set_xlim(-0.4, len(p["weights"]) - 0.6)


def marks(
    axes: Axes, p: Parameters, values: list[np.ndarray], *, shift: float = 0.0, **look: Any
) -> None:
    """Means over seeds and 95 % intervals along lambda; values of shape (seeds,) at each."""
    found = [change(of_seeds) for of_seeds in values]
    mean, half = (np.array([getattr(f, k) for f in found]) for k in ("mean", "half"))
    axes.errorbar(positions(p) + shift, mean, np.nan_to_num(half), fmt="o", **look)


def shrinkage_figure(p: Parameters, results: Results) -> Figure:
    """Do networks shrink as predicted? Left: calibration factor over that of lambda = 0, and 1 +
    lambda. Right: loss of evidence; lines: the network of lambda = 0 shrunk, whose loss grows with
    the square of lambda once it is calibrated."""
    figure, (left, right) = panels(2, width=420)
    colour = [PALETTE[_ROLES[name]] for name in p["data"]]
    weights = [w for w in p["weights"] if w > 0.0]
    place = dict(zip(p["weights"], positions(p), strict=True))
    left.plot(positions(p), 1.0 + np.array(p["weights"]), color=SHRUNK, lw=1.2, label="1 + λ")
    for n, data in enumerate(p["data"]):
        rows, shift = Trainings.of(results, data), 0.08 * (n - 0.5 * (len(p["data"]) - 1))
        look = {"color": colour[n], "label": NAMES[data]}
        ratios = [rows.factor(w) / rows.factor(0.0) for w in p["weights"]]
        marks(left, p, ratios, shift=shift, **look)
        loss = [rows.paired(w, "elbo") for w in weights]
        x = np.array([place[w] for w in weights]) + shift
        half = np.nan_to_num([f.half for f in loss])
        right.errorbar(x, [f.mean for f in loss], half, fmt="o", **look)
        zero = rows.at(0.0, "elbo")
        base = [float((rows.shrunk(w)["elbo"] - zero).mean()) for w in weights]
        right.plot(x - shift, base, color=colour[n], lw=1.0)
    right.set_yscale("symlog", linthresh=0.01, linscale=0.6)
    right.axhline(0.0, color=PALETTE["line"], lw=0.8, zorder=0)
    left.set(ylabel="calibration factor / that of λ = 0")
    right.set(ylabel="U − U(λ = 0) (nats)")
    for ax in (left, right):
        lambda_axis(ax, p)
        ax.legend(loc="upper left")
    return figure


def beyond_figure(p: Parameters, results: Results) -> Figure:
    """What training with the penalty changes beyond shrinking: calibrated networks of each lambda
    less those of lambda = 0, seed by seed, with 95 % intervals. Below zero the penalty helps."""
    count = len(p["data"])
    wide = 2 if count > 1 else 1
    figure, axes = panels(wide, (count + 1) // 2, width=400, height=220)
    plots = flat(axes)
    for ax, data in zip(plots, p["data"], strict=False):
        rows = Trainings.of(results, data)
        ax.axhline(0.0, color=PALETTE["line"], lw=0.8, zorder=0)
        for shift, name, colour, label in (
            (-0.08, "calibrated.elbo", TRAINED, "evidence bound U"),
            (0.08, "calibrated.nll_ode", TUNED, "flow NLL"),
        ):
            gains = [rows.at(w, name) - rows.at(0.0, name) for w in p["weights"]]
            marks(ax, p, gains, shift=shift, color=colour, label=label)
        ax.set(title=NAMES[data], ylabel="change (nats)")
        lambda_axis(ax, p)
    for ax in plots[count:]:
        ax.set_axis_off()
    plots[0].legend(loc="best")
    return figure


def trade_figure(p: Parameters, results: Results, played: Sequence[str]) -> Figure:
    """Evidence bound against heat, a mark for each lambda, means over seeds with 95 % intervals of
    the change. Green: on the noised law, where the penalty acts; line: the network of lambda = 0
    shrunk. Red: what the circuit dissipates, on its own law."""
    figure, axes = panels(len(played), width=420, height=290)
    for ax, data in zip(flat(axes), played, strict=True):
        rows = Trainings.of(results, data)
        zero = rows.at(0.0, "elbo")
        fine = [rows.shrunk(w) for w in np.linspace(0.0, max(p["weights"]), 101)]
        heats, rises = (
            [f[k].mean() - m for f in fine] for k, m in (("heat", 0), ("elbo", zero.mean()))
        )
        ax.plot(heats, rises, color=SHRUNK, lw=1.2, label="λ = 0, shrunk, on the noised law")
        for name, colour, mark, label in (
            ("heat.continuous", TRAINED, "o", "trained with λ, on the noised law"),
            ("device.fine", PLAYED, "s", "trained with λ, on the circuit"),
        ):
            start = rows.at(0.0, name)
            found = [
                (change(rows.at(w, name) - start), change(rows.at(w, "elbo") - zero))
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
                f"λ = {weight:g}", (across, up), (side, 3), textcoords="offset points",
                ha="left" if side > 0 else "right", fontsize=7.2, color=PALETTE["ink"],
            )  # fmt: skip
            last = up


def heat_figure(p: Parameters, results: Results, played: Sequence[str]) -> Figure:
    """Heat over that of lambda = 0: on the noised law, and on the circuit under continuous and
    clocked control. Lines: the network of lambda = 0, shrunk."""
    figure, axes = panels(len(played), width=420)
    for ax, data in zip(flat(axes), played, strict=True):
        rows, base = Trainings.of(results, data), Trainings.of(results, data, "shrunk")
        ax.axhline(1.0, color=PALETTE["line"], lw=0.8, zorder=0)
        for shift, colour, label, name in (
            (-0.1, TRAINED, "noised law", "heat.continuous"),
            (0.0, PLAYED, "circuit, continuous", "device.fine"),
            (0.1, TUNED, "circuit, clocked", "raw.clocked"),
        ):
            zero = rows.at(0.0, name)
            ratios = [rows.at(w, name) / zero for w in p["weights"]]
            marks(ax, p, ratios, shift=shift, color=colour, label=label)
            line = [1.0, *(float((base.at(w, name) / zero).mean()) for w in p["weights"] if w)]
            ax.plot(positions(p), line, color=colour, lw=1.0)
        ax.set(title=NAMES[data], ylabel="heat / that of λ = 0")
        lambda_axis(ax, p)
        ax.locator_params(axis="y", nbins=5)
    flat(axes)[0].legend(loc="best")
    return figure


def ticks_figure(p: Parameters, results: Results, played: Sequence[str]) -> Figure:
    """Above: energy distance to fresh data less that of the finest grid, mean over seeds, a shade
    for each lambda; broken line: the margin. Below: ticks from which on it is kept; hollow: no grid
    was too coarse, an upper limit."""
    figure, axes = panels(len(played), 2, width=420, height=230)
    grid = flat(axes)
    above, below = grid[: len(played)], grid[len(played) :]
    for top, low, data in zip(above, below, played, strict=True):
        rows = Trainings.of(results, data)
        ticks, margin = rows[0]["ticks"], rows.margin(p)
        for weight, colour in zip(p["weights"], shades(len(p["weights"])), strict=True):
            chosen = [r for r in rows if r["weight"] == weight]
            extra = np.mean([r["raw.extra"] for r in chosen], axis=0)
            top.plot(ticks[:-1], extra[:-1], "o-", ms=3, lw=1.1, color=colour, label=f"{weight:g}")
        top.axhline(margin, color=PALETTE["muted"], ls=(0, (4, 3)), lw=1.0)
        top.set_xscale("log")
        top.set_yscale("symlog", linthresh=margin)
        ticks_at(top, ticks[:-1])
        top.set(title=NAMES[data], xlabel="ticks", ylabel="extra distance (model units)")
        for shift, source, name, colour, label in (
            (-0.1, rows, "raw", TRAINED, "trained with λ"),
            (0.0, Trainings.of(results, data, "shrunk"), "raw", SHRUNK, "λ = 0, shrunk"),
            (0.1, rows, "calibrated", TUNED, "trained, calibrated"),
        ):
            weights = [w for w in p["weights"] if w in source.distinct("weight")]
            found = [change(np.log(source.needed(p, w, name))) for w in weights]
            x = np.array([positions(p)[p["weights"].index(w)] for w in weights]) + shift
            mean = np.exp([f.mean for f in found])
            half = np.nan_to_num([f.half for f in found])
            around = [mean * (1.0 - np.exp(-half)), mean * (np.exp(half) - 1.0)]
            low.errorbar(x, mean, around, fmt="none", ecolor=colour, elinewidth=0.9)
            reached = mean > ticks[0] * 1.0001
            low.plot(x[reached], mean[reached], "o", color=colour, label=label)
            low.plot(x[~reached], mean[~reached], "o", mec=colour, mfc=PALETTE["paper"])
        low.set_yscale("log")
        ticks_at(low, y=ticks)
        low.set_ylim(0.85 * ticks[0], 1.15 * ticks[-1])
        low.set(ylabel="ticks needed")
        lambda_axis(low, p)
    shade, kind = (row[0].get_legend_handles_labels() for row in (above, below))
    figure.legend(*shade, loc="outside right upper", title="λ", title_fontsize=7.6)
    figure.legend(*kind, loc="outside right lower")
    return figure
