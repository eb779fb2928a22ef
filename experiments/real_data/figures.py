"""Figures of the study real_data."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from thermohw.study import Results, Row
from thermohw.study.figures import PALETTE, flat, panels, tidy

_SHORT = {  # label -> (term of `evaluate`, distance from a known S0)
    "nll.ode": ("nll.ode", "ode"),
    "nll.marginal": ("nll.marginal", "marginal"),
    "U = E3, E2": ("nll.sde_elbo", "elbo"),
    "E1": ("entropy.estimate_plugin", "plugin"),
    "B": ("bound.lower", "bound"),
}
ROWS = [  # label, term, distance, role of its colour
    (label + words, f"{kind}.{term}", f"known.{kind}.{distance}", role)
    for kind, words, role in (("raw", "", "work"), ("calibrated", ", calibrated", "generated"))
    for label, (term, distance) in _SHORT.items()
]
_QUANTITIES = [("gap", "gap"), ("score error", "error"), ("residual", "residual")]


def estimates(results: Results, best: Row) -> Figure:
    """Likelihoods, estimates of S0 and the bound for raw (blue) and calibrated (green) networks, a
    dot per training with its standard error. Left, nothing says where S0 lies; right, on a law of
    known S0 learned from as few rows, it does."""
    networks = results.where(kind="network")
    laws = [law for law in ("data", "surrogate") if len(networks.where(law=law))]
    figure, axes = panels(len(laws), height=330, sharey=True)
    for law, panel in zip(laws, flat(axes), strict=True):
        rows = networks.where(law=law)
        for place, (_, term, distance, role) in enumerate(ROWS):
            name = distance if law == "surrogate" else term
            if name not in rows[0]:
                panel.text(0.5, -place, "not computable", color=PALETTE["muted"], va="center",
                           ha="center", transform=panel.get_yaxis_transform())  # fmt: skip
                continue
            values, errors = rows.column(name), rows.column(f"{name}.stderr")
            shift = np.linspace(0.25, -0.25, len(values)) if len(values) > 1 else np.zeros(1)
            panel.errorbar(values, shift - place, xerr=errors, fmt="o", markersize=2.6,
                           color=PALETTE[role], elinewidth=0.8, capsize=0.0)  # fmt: skip
        panel.set_ylim(-len(ROWS) + 0.4, 0.6)
        tidy(panel)
        panel.set_yticks(-np.arange(len(ROWS)), [label for label, *_ in ROWS])
        panel.tick_params(axis="y", length=0)
        panel.axhline(0.5 - len(_SHORT), color=PALETTE["line"], linewidth=0.8)
        if law == "data":
            panel.set(xlabel=f"{best['name']}: nats per sample")
            if best["step"]:
                _bits(panel, best)
        else:
            panel.axvline(0.0, color=PALETTE["muted"], linewidth=0.8)
            panel.set(xlabel="a known law like it: nats above its S0")
    return figure


def _bits(panel: Axes, best: Row) -> None:
    """A second scale on top: bits per dimension."""
    unit, shift = best["dim"] * math.log(2.0), math.log2(best["step"])

    scales: Any = (lambda nats: nats / unit - shift, lambda bits: (bits + shift) * unit)
    top = panel.secondary_xaxis("top", functions=scales)
    top.set_xlabel("bits per dimension")


def proxies(proxy: Row, judge: Row, trainings: int) -> Figure:
    """A larger network in the place of the true score. On the data only the left can be seen. On a
    known law the proxy misses most of the score error, which it shares, and with it the gap between
    nll.marginal and the bound."""
    figure, (left, right) = panels(2, height=230, sharey=True)
    for panel, row, title in ((left, proxy, "the data"), (right, judge, "a known law like it")):
        for place, (_, name) in enumerate(_QUANTITIES):
            for n in range(trainings):
                offset = 0.16 * (n - 0.5 * (trainings - 1)) / max(trainings - 1, 1)
                said, error = float(row[f"{n}.{name}"]), float(row[f"{n}.{name}.stderr"])
                panel.errorbar(said, float(0.14 - place + offset), xerr=error,
                               fmt="o", color=PALETTE["generated"], markersize=3.5, capsize=0.0,
                               elinewidth=0.8)  # fmt: skip
                if f"{n}.true.error" not in row:
                    continue
                true = {"gap": row[f"{n}.gap"] + row[f"{n}.true.bound_bias"]}
                true |= {"error": row[f"{n}.true.error"], "residual": 0.0}
                panel.plot(true[name], offset - place - 0.14, "D", color=PALETTE["heat"],
                           markersize=3.5)  # fmt: skip
        panel.axvline(0.0, color=PALETTE["line"], linewidth=0.8, zorder=0)
        panel.set_ylim(-len(_QUANTITIES) + 0.5, 0.5)
        panel.set(xlabel="nats per sample", title=title)
        tidy(panel)
        panel.set_yticks(-np.arange(len(_QUANTITIES)), [label for label, _ in _QUANTITIES])
        panel.tick_params(axis="y", length=0)
    right.plot([], [], "o", color=PALETTE["generated"], label="by proxy")
    right.plot([], [], "D", color=PALETTE["heat"], label="true")
    right.legend(loc="lower right")
    return figure


def factors(results: Results) -> Figure:
    """The factor that makes each network's score consistent with itself, from validation points
    (band: one standard error). Below one the score is too long, and raw E1 too low."""
    rows = results.where(kind="network")
    laws = [law for law in ("data", "surrogate") if len(rows.where(law=law))]
    figure, axes = panels(len(laws), sharey=True)
    for law, panel in zip(laws, flat(axes), strict=True):
        for row in rows.where(law=law):
            low, high = (row["factor"] + sign * row["factor_stderr"] for sign in (-1.0, 1.0))
            panel.fill_between(row["clock"], low, high, color=PALETTE["generated"], alpha=0.15,
                               linewidth=0.0)  # fmt: skip
            panel.plot(row["clock"], row["factor"], color=PALETTE["generated"], linewidth=1.0)
        panel.axhline(1.0, color=PALETTE["muted"], linewidth=0.8)
        title = "the data" if law == "data" else "a known law like it"
        panel.set(xlabel="log signal-to-noise ratio", title=title)
        tidy(panel)
    flat(axes)[0].set_ylabel("calibration factor c")
    return figure
