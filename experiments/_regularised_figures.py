"""What entropy_regularised shows; here the figures of likelihoods, a mark for each lambda.

Those of the circuit are in `_regularised_circuit_figures`, the words in `_regularised_findings`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from thermohw.experiments import _regularised_findings as words
from thermohw.experiments._regularised_circuit_figures import (
    heat_figure,
    ticks_figure,
    trade_figure,
)
from thermohw.experiments._regularised_look import (
    NAMES,
    SHRUNK,
    TRAINED,
    TUNED,
    colours,
    lambda_axis,
    marks,
    positions,
)
from thermohw.experiments._regularised_numbers import column, factor, paired, shrunk, trainings
from thermohw.study.figures import PALETTE, flat, panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from thermohw.study import Results, Sheet

__all__ = ["conclude"]


def conclude(p: dict[str, Any], results: Results, sheet: Sheet) -> None:
    """Everything the study shows."""
    played = [data for data in p["data"] if "spread" in trainings(results, data)[0]]
    if played:
        sheet.figure(
            "trade",
            trade_figure(p, results, played),
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
            heat_figure(p, results, played),
            "Heat over that of lambda = 0: on the noised law, and on the circuit under continuous "
            "and clocked control. Lines: the network of lambda = 0, shrunk.",
        )
        sheet.figure(
            "ticks",
            ticks_figure(p, results, played),
            "Above: energy distance to fresh data less that of the finest grid, mean over seeds, "
            "a shade for each lambda; broken line: the margin. Below: ticks from which on it is "
            "kept; hollow: no grid was too coarse, an upper limit.",
        )
    words.conclude(p, results, sheet)


def _shrinkage(p: dict[str, Any], results: Results) -> Figure:
    figure, (left, right) = panels(2, width=420)
    colour = colours(p["data"])
    weights = [w for w in p["weights"] if w > 0.0]
    place = dict(zip(p["weights"], positions(p), strict=True))
    left.plot(positions(p), 1.0 + np.array(p["weights"]), color=SHRUNK, lw=1.2, label="1 + λ")
    for n, data in enumerate(p["data"]):
        rows, shift = trainings(results, data), 0.08 * (n - 0.5 * (len(p["data"]) - 1))
        marks(
            left,
            p,
            lambda w, rows=rows: factor(rows, w) / factor(rows, 0.0),
            shift=shift,
            marker="o",
            color=colour[n],
            label=NAMES[data],
        )
        loss = [paired(rows, w, "elbo") for w in weights]
        x = np.array([place[w] for w in weights]) + shift
        mean = np.array([f.mean for f in loss])
        right.errorbar(
            x,
            mean,
            np.nan_to_num([f.half for f in loss]),
            fmt="o",
            color=colour[n],
            label=NAMES[data],
        )
        base = [
            float((shrunk(rows, w)["elbo"] - column(rows, 0.0, "elbo")).mean()) for w in weights
        ]
        right.plot(x - shift, base, color=colour[n], lw=1.0)
    right.set_yscale("symlog", linthresh=0.01, linscale=0.6)
    right.axhline(0.0, color=PALETTE["line"], lw=0.8, zorder=0)
    left.set(ylabel="calibration factor / that of λ = 0")
    right.set(ylabel="U − U(λ = 0) (nats)")
    for ax in (left, right):
        lambda_axis(ax, p)
        ax.legend(loc="upper left")
    return figure


def _beyond(p: dict[str, Any], results: Results) -> Figure:
    count = len(p["data"])
    wide = 2 if count > 1 else 1
    figure, axes = panels(wide, (count + 1) // 2, width=400, height=220)
    plots = flat(axes)
    for ax, data in zip(plots, p["data"], strict=False):
        rows = trainings(results, data)
        ax.axhline(0.0, color=PALETTE["line"], lw=0.8, zorder=0)
        for shift, name, colour, label in (
            (-0.08, "calibrated.elbo", TRAINED, "evidence bound U"),
            (0.08, "calibrated.nll_ode", TUNED, "flow NLL"),
        ):
            marks(
                ax,
                p,
                lambda w, rows=rows, name=name: column(rows, w, name) - column(rows, 0.0, name),
                shift=shift,
                marker="o",
                color=colour,
                label=label,
            )
        ax.set(title=NAMES[data], ylabel="change (nats)")
        lambda_axis(ax, p)
    for ax in plots[count:]:
        ax.set_axis_off()
    plots[0].legend(loc="best")
    return figure
