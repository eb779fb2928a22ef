"""The four figures of bound_sweep."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from thermohw.experiments.bound_sweep.correlations import quantity
from thermohw.study import Results, Row
from thermohw.study.figures import PALETTE, flat, name_lines, panels, shades, tidy

_MARKS = {
    ("gaussian", "ve"): ("o", "Gaussian, VE"), ("gaussian", "vp"): ("s", "Gaussian, VP"),
    ("uniform", "ve"): ("^", "uniform, VE"), ("uniform", "vp"): ("D", "uniform, VP"),
}  # fmt: skip
_TERMS = (
    ("K1", "known.mismatch", "data"), ("score error", "bound.score_error", "pumping"),
    ("start", "known.offset", "generated"), ("path", "bound.path", "work"),
    ("nll.ode − B", "bound.ode_margin", "heat"),
)  # fmt: skip
_EARLY = 0.02  # the rates of a box diverge like 1/sqrt(t); left out so that the rest can be seen


def bound_figure(rows: Results) -> Figure:
    """Likelihood against the bound, two marks for each network. Left: as published. Right: both
    less the entropy of the data. The theorem keeps filled marks above the dashed line NLL = B; open
    ones may lie on either side."""
    figure, pair = panels(2, width=430, height=320)
    # one and the same S0, that of the clean data, so that the dashed line keeps its meaning
    for axes, less, text in zip(
        pair, (0.0, rows.column("known.clean")), ("", " − S₀"), strict=True
    ):
        x = quantity(rows, "B") - less
        heights = {name: quantity(rows, name) - less for name in ("nll.marginal", "nll.ode")}
        for name, y in heights.items():
            _marks(axes, rows, x, y, filled=name == "nll.marginal")
        every = np.concatenate([x, *heights.values()])
        room = 0.04 * float(np.ptp(every))
        ends = (float(every.min()) - room, float(every.max()) + room)
        axes.plot(ends, ends, color=PALETTE["muted"], ls=(0, (4, 3)), lw=1.0, zorder=0)
        axes.set(xlim=ends, ylim=ends)
        tidy(axes)
        axes.set(xlabel=f"B{text} (nats a pixel)", ylabel=f"NLL{text} (nats a pixel)")
    _key(pair[1], rows, fill=True)
    return figure


def gap_figure(rows: Results) -> Figure:
    """Does a small gap mean a good network? Distance of nll.ode from the data's entropy against
    nll.ode − B, as one reading of the published correlation has it, and against the true score
    error."""
    figure, pair = panels(2, width=430, height=310)
    x = quantity(rows, "nll.ode - S0")
    for axes, name in zip(pair, ("nll.ode - B", "score error"), strict=True):
        _marks(axes, rows, x, quantity(rows, name), filled=name == "score error")
        if name == "nll.ode - B":
            axes.axhline(0.0, color=PALETTE["muted"], lw=0.7)
        tidy(axes)
        axes.set(
            xlabel="nll.ode − S₀ (nats a pixel)", ylabel=f"{name.replace('-', '−')} (nats a pixel)"
        )
    _key(pair[1], rows, fill=False)
    return figure


def _marks(axes: Axes, rows: Results, x: np.ndarray, y: np.ndarray, *, filled: bool) -> None:
    """Shape for data and process, colour for sigma, filling for the likelihood."""
    colours = _colours(rows)
    for row, across, up in zip(rows, x, y, strict=True):
        colour = colours[row["sigma"]]
        mark = _MARKS[row["data"], row["process"]][0]
        face = colour if filled else "none"
        axes.plot(across, up, mark, ms=4.2, mec=colour, mfc=face, mew=0.9)


def _colours(rows: Results) -> dict[float, str]:
    sigmas = sorted(rows.distinct("sigma"))
    return dict(zip(sigmas, shades(len(sigmas)), strict=True))


def _key(axes: Axes, rows: Results, *, fill: bool) -> None:
    """What shapes, filling and colours mean, beside the plots."""
    grey, have = PALETTE["muted"], {(row["data"], row["process"]) for row in rows}
    lines: list[tuple[str, dict[str, Any], str]] = [
        (mark, {"color": grey, "mfc": "none"}, label)
        for pair, (mark, label) in _MARKS.items()
        if pair in have
    ]
    if fill:
        lines.append(("o", {"color": grey}, "filled: nll.marginal"))
        lines.append(("o", {"color": grey, "mfc": "none"}, "open: nll.ode"))
    for sigma, colour in _colours(rows).items():
        lines.append(("-", {"color": colour, "lw": 3.5}, f"σ = {sigma:g}"))
    handles = [axes.plot([], [], form, ms=4.2, label=text, **look)[0] for form, look, text in lines]
    axes.figure.legend(handles=handles, loc="outside right center", labelcolor=grey)


def rates_figure(best: Row) -> Figure:
    """The uniform VE network of lowest nll.ode (σ = {sigma:g}). Left: its rates in generation;
    crosses: −2 × intrinsic. Right: their ratio, −2 c_t, tells how well the network is calibrated;
    dots: the true score at the same images."""
    figure, (left, right) = panels(2, width=400, height=270)
    t, intrinsic, exchange = (best[f"profile.{n}"] for n in ("time", "intrinsic", "exchange"))
    late = t > _EARLY
    curves = {
        "intrinsic": (intrinsic[late], PALETTE["pumping"]),
        "exchange": (exchange[late], PALETTE["heat"]),
        "system": ((intrinsic + exchange)[late], PALETTE["ink"]),
    }
    left.axhline(0.0, color=PALETTE["muted"], lw=0.7)
    for line, colour in curves.values():
        left.plot(t[late], line, color=colour)
    left.plot(t[late], -2.0 * intrinsic[late], "x", ms=4.0, color=PALETTE["pumping"], mew=0.9)
    left.set(xlabel="model time t (0: data)", ylabel="nats a pixel per unit of t", xlim=(0.0, 1.0))
    tidy(left)
    name_lines(left, t[late], curves)
    true, own = best["profile.true_ratio"], best["profile.ratio"]
    right.axhline(-2.0, color=PALETTE["muted"], lw=0.7, ls=(0, (4, 3)))
    right.plot(t, true, "o", ms=2.8, color=PALETTE["data"], mew=0, label="true score")
    right.plot(t, own, color=PALETTE["heat"], label="network")
    right.set(xscale="log", xlabel="model time t", ylabel="exchange / intrinsic")
    right.patch.set_visible(False)
    right.legend(loc="best")
    return figure


def terms_figure(rows: Results) -> Figure:
    """What nll.ode − B (red) is the sum of; means over repetitions."""
    have = [pair for pair in _MARKS if any((r["data"], r["process"]) == pair for r in rows)]
    columns = min(2, len(have))
    figure, grid = panels(columns, -(-len(have) // columns), width=400, height=205)
    plots = flat(grid)
    for axes, pair in zip(plots, have, strict=False):
        chosen = rows.where(data=pair[0], process=pair[1])
        sigmas = sorted(chosen.distinct("sigma"))
        axes.axhline(0.0, color=PALETTE["muted"], lw=0.7)
        for label, column, role in _TERMS:
            mean = [chosen.where(sigma=sigma).column(column).mean() for sigma in sigmas]
            axes.plot(sigmas, mean, "o-", ms=3.0, color=PALETTE[role], label=label)
        axes.set_title(_MARKS[pair][1])
        tidy(axes)
        axes.set(xlabel="σ", ylabel="nats a pixel")
    figure.legend(*plots[0].get_legend_handles_labels(), loc="outside right center")
    return figure
