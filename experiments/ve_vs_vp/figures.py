"""The five figures of ve_vs_vp. Curves lie along ln signal/noise, generation to the right."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from thermohw.study import Parameters, Results
from thermohw.study.figures import PALETTE, panels, tidy

NAMES = {"whitened": "E x² = 1", "1.04": "E x² = 1.04", "4": "E x² = 4", "digits": "digits"}
LOOK = {  # variant -> (colour, label)
    "raw": (PALETTE["heat"], "as trained"),
    "scale": (PALETTE["work"], "scale calibrated"),
    "both": (PALETTE["generated"], "scale and position"),
}


def _moving(p: Parameters) -> str:
    """Data that are not whitened, so that the drift shows: the literature's if they are there."""
    return "1.04" if "1.04" in p["data"] else p["data"][-1]


def _along_snr(axes: Axes, title: str) -> None:
    axes.axhline(0.0, color=PALETTE["muted"], lw=0.7)
    axes.set(xlabel="ln signal/noise", title=title)
    tidy(axes)


def ratio_figure(p: Parameters, exact: Results, learned: Results) -> Figure:
    """Exchange over intrinsic rate. Exact scores: -2 throughout without drift and for whitened
    data; elsewhere the heat of settling, phi, comes on top. A network is off by itself, and back
    once calibrated (shown where Si is above a hundredth of its largest value)."""
    figure, (left, right) = panels(2, sharey=True)
    colours = [PALETTE["generated"], PALETTE["heat"], PALETTE["pumping"]]
    for data, colour in zip(p["data"], colours, strict=False):
        row = exact.where(data=data, process="vp")[0]
        left.plot(row["log_snr"], row["raw.ratio"], color=colour, label=f"VP, {NAMES[data]}")
    row = exact.where(data=p["data"][0], process="ve")[0]
    left.plot(row["log_snr"], row["raw.ratio"], "--", color=PALETTE["ink"], lw=1.0, label="VE, any")
    data = p["data"][0]
    row = learned.where(data=data, process="vp", seed=0)[0]
    for name, (colour, label) in LOOK.items():
        # where Si is a rounding error of E|s|^2 the ratio is one of the fit's noise
        seen = np.where(row["rate.intrinsic"] > 0.01 * row["rate.intrinsic"].max(), 1.0, np.nan)
        right.plot(row["log_snr"], row[f"{name}.ratio"] * seen, color=colour, label=label)
    right.axhline(-2.0, color=PALETTE["ink"], ls="--", lw=1.0)
    left.set(ylabel="exchange/intrinsic", ylim=(-4, 6), title="exact score")
    right.set(title=f"one network, VP, {NAMES[data]}")
    for axes in (left, right):
        axes.set_xlabel("ln signal/noise (generation to the right)")
        tidy(axes)
        axes.legend(loc="upper right")
    return figure


def law_figure(p: Parameters, learned: Results) -> Figure:
    """Se + 2 Si - phi of one network each, per unit of ln signal/noise; bands are two standard
    errors. Without a drift the scale c_t repairs the law; with one the position moment E[x.s] = -d
    must be repaired too."""
    figure, grid = panels(2, 2, sharex="col")
    for axes_row, data in zip(grid, (_moving(p), "digits"), strict=True):
        for axes, process in zip(axes_row, ("ve", "vp"), strict=True):
            row = learned.where(data=data, process=process, seed=0)[0]
            for name, (colour, label) in LOOK.items():
                if process == "ve" and name == "both":
                    continue
                value, error = (
                    row["pace"] * row[f"{name}.{k}"] for k in ("residual", "residual_error")
                )
                axes.plot(row["log_snr"], value, color=colour, label=label)
                if np.any(error > 0.0):
                    band = (value - 2 * error, value + 2 * error)
                    axes.fill_between(row["log_snr"], *band, color=colour, alpha=0.2, lw=0)
            axes.axhline(0.0, color=PALETTE["muted"], lw=0.7)
            axes.set_title(f"{NAMES[data]}, {process.upper()}")
            tidy(axes)
            if data == "digits":
                axes.set_xlabel("ln signal/noise")
            if process == "ve":
                axes.set_ylabel("nats per e-fold")
    grid[0][1].legend(loc="best")
    return figure


def rates_figure(p: Parameters, exact: Results) -> Figure:
    """Plug-in rates of the exact score per unit of ln signal/noise. VE and VP are one process seen
    in two coordinates: divided by the decay m they fall on one curve, at -2 : 1."""
    data = _moving(p)
    figure, (left, right) = panels(2)
    for process, style in (("ve", "-"), ("vp", "--")):
        row = exact.where(data=data, process=process)[0]
        for name, colour, factor in (("intrinsic", "generated", 1), ("exchange", "heat", -2)):
            look = {"color": PALETTE[colour], "label": f"{process.upper()} {name}"}
            left.plot(row["log_snr"], row[f"rate.{name}"], style, **look)
            right.plot(row["log_snr"], factor * row["rate.undrifted"], style, **look)
    for axes, title in ((left, "in x"), (right, "in x/m")):
        _along_snr(axes, f"{title}, {NAMES[data]}")
    left.set_ylabel("nats per e-fold")
    left.legend(loc="lower left")
    return figure


def accounts_figure(p: Parameters, learned: Results) -> Figure:
    """One network, two accounts: plug-in (solid) and physical in the emf wiring (dashed). They
    differ where the network is not calibrated."""
    data = _moving(p)
    figure, grid = panels(2)
    for axes, process in zip(grid, ("ve", "vp"), strict=True):
        row = learned.where(data=data, process=process, seed=0)[0]
        lines = {
            "-exchange": (-row["rate.exchange"], "heat", "-"),
            "heat, emf": (row["rate.heat"], "heat", "--"),
            "intrinsic": (row["rate.intrinsic"], "generated", "-"),
            "production, emf": (row["rate.production"], "generated", "--"),
        }
        for name, (line, colour, style) in lines.items():
            axes.plot(row["log_snr"], line, style, color=PALETTE[colour], label=name)
        _along_snr(axes, f"{NAMES[data]}, {process.upper()}")
    grid[0].set_ylabel("nats (kT) per e-fold")
    grid[1].legend(loc="upper left")
    return figure


def tightness_figure(data: list[str], learned: Results) -> Figure:
    """Gap of the bound, nll.marginal - B, of every network (open: calibrated), same size and
    training under VE and VP."""
    figure, axes = panels(1)
    for i, name in enumerate(data):
        for process, shift, colour in (("ve", -0.14, "generated"), ("vp", 0.14, "heat")):
            mine = learned.where(data=name, process=process)
            for key, fill, nudge in (("gap", True, -0.04), ("calibrated.gap", False, 0.04)):
                y = mine.column(key)
                x = i + shift + nudge + 0.0 * y
                face = PALETTE[colour] if fill else "none"
                label = process.upper() if i == 0 and fill else None
                axes.plot(x, y, "o", color=PALETTE[colour], mfc=face, ms=4.5, label=label)
    axes.set_yscale("log")
    axes.set_xticks(range(len(data)), [NAMES[name] for name in data])
    axes.set_xlim(-0.5, len(data) - 0.5)
    axes.set_ylabel("gap of the bound (nats)")
    low, high = axes.get_ylim()
    axes.set_ylim(low, high * (high / low) ** 0.25)  # room for the legend
    axes.legend(loc="upper center", ncols=2)
    return figure
