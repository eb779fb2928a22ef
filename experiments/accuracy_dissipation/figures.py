"""The four figures of accuracy_dissipation: one mark a network, production or heat across."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from thermohw.experiments.shared.figures import bars
from thermohw.study import Parameters, Results
from thermohw.study.figures import PALETTE, panels, shades, tidy

MARKS = {"width": "s", "depth": "^", "steps": "o"}
_PRODUCTION = "production, plug-in, on p_t (nats)"
_HEAT = "heat on the circuit, continuous (kT)"


def _scatter(axes: Axes, p: Parameters, mine: Results, x: str, y: str, shift: float) -> None:
    """Networks: shape by what differs from the base, colour by training time."""
    times = sorted(mine.distinct("steps"))
    colours = dict(zip(times, shades(len(times)), strict=True))
    prefix = "digits_" if mine[0]["data"] == "digits" else ""
    base = {k: p[f"{prefix}{k}"] for k in MARKS}
    look: dict[str, Any] = {"ms": 4.5, "mew": 0.0, "alpha": 0.9}
    for name, mark in MARKS.items():
        others = [k for k in MARKS if k != name]
        for row in mine:
            alike = all(row[k] == base[k] for k in others)
            if alike and (name == "steps" or row[name] != base[name]):
                axes.plot(row[x], row[y] - shift, mark, color=colours[row["steps"]], **look)
    for time in times:
        axes.plot([], [], "o", color=colours[time], ms=4.5, mew=0.0, label=f"{time} steps")


def _diamonds(
    axes: Axes, rows: Results, x: str, y: str, shift: float, *, form: str = "D-",
    offset: tuple[int, int] = (-4, -9), label: str | None = "exact score times c",
) -> None:  # fmt: skip
    """The exact score times c, with c so many points beside the mark."""
    xs, ys = rows.column(x), rows.column(y) - shift
    axes.plot(xs, ys, form, color=PALETTE["heat"], ms=3.6, lw=0.8, label=label)
    for row, a, b in zip(rows, xs, ys, strict=True):
        axes.annotate(
            f"{row['factor']:g}", (a, b), offset, textcoords="offset points",
            color=PALETTE["heat"], fontsize=7.0,
        )  # fmt: skip


def trade_figure(p: Parameters, exact: Results, networks: Results) -> Figure:
    """Three Gaussians in the plane. Left: the law, nll.marginal >= (S0 + S1 - Sigma)/2. Right: what
    a designer sees, heat on the circuit against nll.ode. Squares differ in width, triangles in
    depth, circles in training; diamonds are the exact score times c."""
    one = exact.where(factor=1.0)[0]
    s0, s1 = one["entropy_data"], one["entropy_prior"]
    mine = networks.where(data="mixture")
    figure, (left, right) = panels(2, height=290)
    _scatter(left, p, mine, "production", "nll_marginal", s0)
    _diamonds(left, exact.sorted("factor"), "production", "nll_marginal", s0)
    low, high = left.get_xlim()
    line = np.array([low, high])
    bound = 0.5 * (s0 + s1 - line) - s0
    bottom, top = left.get_ylim()
    left.fill_between(line, bound, min(bottom, bound.min()), color=PALETTE["line"], lw=0, zorder=0)
    left.plot(line, bound, color=PALETTE["ink"], lw=1.0)
    left.set_xlim(low, high)
    left.set_ylim(min(bottom, float(bound.min())), top)
    left.set(xlabel=_PRODUCTION, ylabel="nll.marginal - S0 (nats)")
    left.set_title("law: nothing below the line")
    _scatter(right, p, mine, "continuous.fine", "nll_ode", s0)
    circuit = ("continuous.fine", "nll_ode", s0)
    _diamonds(right, exact.where(factor=1.0), *circuit)
    others = Results(row for row in exact if row["factor"] != 1.0)
    _diamonds(right, others, *circuit, form="D", offset=(5, -1), label=None)
    right.set(xlabel=_HEAT, ylabel="nll.ode - S0 (nats)")
    right.set_title("trend at best: circuit and likelihood")
    right.set_yscale("symlog", linthresh=0.1, linscale=0.5)
    tidy(left)
    right.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure


def digits_figure(p: Parameters, networks: Results) -> Figure:
    """Handwritten digits: accuracy against production on the noised data (left) and against heat on
    64 RC nodes (right)."""
    mine = networks.where(data="digits")
    figure, (left, right) = panels(2, sharey=True)
    for axes, x, label in ((left, "production", _PRODUCTION), (right, "continuous.fine", _HEAT)):
        _scatter(axes, p, mine, x, "nll_ode", 0.0)
        axes.set_xlabel(label)
        tidy(axes)
    left.set_ylabel("nll.ode (nats)")
    right.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure


def exchange_figure(networks: Results) -> Figure:
    """Accuracy for production. Calibrated networks lie on the line, one nat of evidence for one nat
    of production, two kT of heat. Networks as trained need not: below the line they are too small
    in norm, above it too large."""
    figure, grid = panels(2)
    for axes, data in zip(grid, ("mixture", "digits"), strict=True):
        mine = networks.where(data=data)
        for prefix, fill, label in (("", True, "as trained"), ("calibrated.", False, "calibrated")):
            x, y = (mine.column(f"{prefix}{k}") for k in ("production", "elbo"))
            colour = PALETTE["heat" if fill else "generated"]
            axes.plot(x, y, "o", color=colour, mfc=colour if fill else "none", ms=4.0, label=label)
        level = float(mine.column("cross_prior").mean())
        line = np.array(axes.get_xlim())
        axes.plot(line, level - line, color=PALETTE["ink"], lw=1.0, label="U = H1 - Sigma")
        axes.set(xlabel=_PRODUCTION, title=data)
        tidy(axes)
    grid[0].set_ylabel("evidence bound U (nats)")
    grid[0].legend(loc="best")
    return figure


def circuit_figure(networks: Results) -> Figure:
    """Heat measured on the circuit against heat on the noised data, one point a network. Poor
    networks (left in each plot) drive the circuit away from p_t and pay for it."""
    figure, grid = panels(2)
    for axes, data in zip(grid, ("mixture", "digits"), strict=True):
        mine = networks.where(data=data)
        for control, colour in (("continuous", "generated"), ("clocked", "heat")):
            look = {"fmt": "o", "ms": 3.6, "lw": 0.8, "color": PALETTE[colour], "label": control}
            bars(axes, mine, "heat", f"{control}.fine", error=".error", **look)
        heat = mine.column("heat")
        line = np.array([min(0.0, heat.min()), heat.max()])
        axes.plot(line, line, color=PALETTE["ink"], lw=1.0, label="equal")
        axes.set(xlabel="heat on p_t, continuous (kT)", title=data)
        tidy(axes)
    grid[0].set_ylabel("heat on the circuit (kT)")
    grid[0].legend(loc="best")
    return figure
