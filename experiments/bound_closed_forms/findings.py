"""Figures, tables and checks of the study bound_closed_forms."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from thermohw.experiments.shared.figures import drawn
from thermohw.study import Parameters, Results, Sheet
from thermohw.study.figures import PALETTE, panels, tidy

# Four curves that must stay apart in print and for the colour-blind: role, width, dashes.
_STYLE = {
    "nll.ode": ("work", 2.0, "-"), "B": ("heat", 2.0, "-"), "nll.marginal": ("generated", 1.6, "-"),
    "U": ("data", 1.4, (0, (4, 2))),
}  # fmt: skip
_SHORT = {"nll.ode": "ode", "B": "bound", "nll.marginal": "marginal", "U": "elbo"}
_EDGE = 1.8063945711372502  # entropy of a box's two soft edges over the noise's deviation
_CLEAN = 0.9550706796158949  # and the clean box's surprise, -2 int_0^inf ln Phi
# Grid sums are exact to 1e-11 and the flow is asked for 1e-9 of a few nats.
_EXACT = 1e-8


def scaled(c: np.ndarray, growth: float) -> dict[str, np.ndarray]:
    """Excess over S0 for the score c s*: curves of the shape of c, nats."""
    log_r = math.log(growth)
    a = (1.0 - c) * log_r
    return {
        "nll.ode": 0.5 * (a + np.exp(-a) - 1.0), "B": 0.25 * (1.0 - c**2) * log_r,
        "nll.marginal": 0.5 * a, "U": 0.5 * (1.0 - c) ** 2 * log_r,
    }  # fmt: skip


def rotation(w: np.ndarray, growth: float) -> dict[str, np.ndarray]:
    """The same for the calibrated turned score in two dimensions."""
    a = (1.0 - 1.0 / (1.0 + w**2)) * math.log(growth)
    return {"nll.ode": a + np.exp(-a) - 1.0, "B": 0.5 * a, "nll.marginal": a, "U": a}


def conclude(p: Parameters, results: Results, sheet: Sheet) -> None:
    """Everything the study shows."""
    exact = _measure(p, results)
    off = np.concatenate([values - lines for _, values, lines in exact])
    worst = float(np.abs(off).max())
    sheet.number("closed_form.residual", worst, note="package against closed forms, largest")
    sheet.law("the package reproduces the closed forms", off, within=_EXACT, detail="nats")
    residual = [row["residual"] for row in results if "residual" in row]
    sheet.law("nll.marginal = B + K1 + score error", residual, within=_EXACT, detail="nats")
    pairs = [results.where(kind=kind) for kind in ("scaled", "rotation", "mixture")]
    gaps = np.concatenate([rows.column("marginal") - rows.column("bound") for rows in pairs])
    sheet.law("B <= nll.marginal", gaps, relation=">=", within=_EXACT, detail="nats")
    below = sum(int((r.column("ode") < r.column("bound") - _EXACT).sum()) for r in pairs)
    total = sum(len(rows) for rows in pairs)
    sheet.check(
        "B <= nll.ode",
        "explained",
        f"not a theorem: {below} of {total} scores lie below, by terminal mismatch and drift",
    )
    drawn(sheet, "scaled", _scaled_figure, p, results)
    drawn(sheet, "exceptions", _exceptions_figure, p, results)
    _tables(results, sheet)


def _measure(p: Parameters, results: Results) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """(name, the package's excess over S0, its closed form) of every curve."""
    found = []
    for kind, key, form in (("scaled", "factor", scaled), ("rotation", "turn", rotation)):
        rows = results.where(kind=kind)
        lines = form(rows.column(key), p["growth"])
        for name, line in lines.items():
            found.append((kind, rows.column(_SHORT[name]) - rows.column("s0"), line))
    return found


def _draw(axes: Axes, x: np.ndarray, lines: dict[str, np.ndarray]) -> None:
    for name, line in lines.items():
        role, width, dash = _STYLE[name]
        axes.plot(x, line, color=PALETTE[role], lw=width, ls=dash)
    ends = (lines["nll.ode"], lines["B"])
    look = {"color": PALETTE["heat"], "alpha": 0.13, "lw": 0}
    axes.fill_between(x, *ends, where=(ends[0] < ends[1]).tolist(), **look)
    axes.set_xlim(x[0], x[-1])
    tidy(axes)


def _dots(axes: Axes, key: str, rows: Results, names: Iterable[str], factor: float = 1.0) -> None:
    for name in names:
        short = _SHORT[name]
        excess = (rows.column(short) - rows.column("s0")) * factor
        colour = PALETTE[_STYLE[name][0]]
        axes.plot(rows.column(key), excess, "o", ms=2.6, color=colour, mew=0, clip_on=False)


def _name(axes: Axes, x: float, y: float, text: str, name: str, **more: Any) -> None:
    axes.text(x, y, text, color=PALETTE[_STYLE[name][0]], **more)


def _scaled_figure(p: Parameters, results: Results) -> Figure:
    """A score that is right but for a factor c, on a Gaussian. Left: the flow's likelihood lies
    below the bound wherever the score is too small. Right: near c = 1 the bound is a straight line
    and the likelihood a parabola. Lines: closed forms; dots: the package."""
    rows, growth = results.where(kind="scaled"), p["growth"]
    figure, (wide, near) = panels(2, height=280)
    c = np.linspace(p["factors"][0], p["factors"][1], 401)
    wide.axhline(0.0, color=PALETTE["muted"], lw=0.7)
    _draw(wide, c, scaled(c, growth))
    _dots(wide, "factor", rows, _SHORT)
    wide.set(xlabel="c, size of the score (1: true)", ylabel="excess over S₀ (nats)")
    at = {name: float(line[0]) for name, line in scaled(np.array([0.66]), growth).items()}
    _name(wide, 0.67, at["nll.marginal"] + 0.015, "nll.marginal", "nll.marginal")
    _name(wide, 0.53, 0.205, "B", "B")
    _name(wide, 0.53, -0.045, "nll.ode", "nll.ode")
    _name(wide, 1.34, 0.15, "U", "U", ha="right")
    _name(wide, 1.36, 0.025, "nll.ode", "nll.ode")
    _name(wide, 1.23, -0.32, "B", "B")
    _name(wide, 1.27, -0.15, "nll.marginal", "nll.marginal")
    c = np.linspace(0.9, 1.1, 201)
    near.axhline(0.0, color=PALETTE["muted"], lw=0.7)
    _draw(near, c, {name: line * 1e3 for name, line in scaled(c, growth).items()})
    inside = Results(row for row in rows if 0.9 <= row["factor"] <= 1.1)
    _dots(near, "factor", inside, _SHORT, 1e3)
    near.set(xlabel="c", ylabel="excess over S₀ (10⁻³ nats)")
    _name(near, 0.903, 22.0, "nll.ode < B", "B")
    _name(near, 0.948, 44.0, "B: first order", "B")
    _name(near, 1.097, 12.0, "nll.ode: second order", "nll.ode", ha="right")
    return figure


def _exceptions_figure(p: Parameters, results: Results) -> Figure:
    """Two ways below the bound that have nothing to do with the score's size. Left: a calibrated
    score with a rotating error. Right: the true score of a uniform pixel, started at noise of
    deviation ε and asked for clean pixels."""
    figure, (turned, cut) = panels(2, height=280)
    rows = results.where(kind="rotation")
    w = np.linspace(0.0, max(float(rows.column("turn").max()), 0.6), 201)
    lines = rotation(w, p["growth"])
    del lines["U"]  # the marginal's, exactly
    _draw(turned, w, lines)
    _dots(turned, "turn", rows, lines)
    turned.set_ylim(bottom=0.0)
    turned.set(xlabel="w, rotating part of the score", ylabel="excess over S₀ (nats)")
    y = {name: float(np.interp(0.7 * w[-1], w, line)) for name, line in lines.items()}
    _name(turned, 0.66 * w[-1], y["nll.marginal"], "nll.marginal = U", "nll.marginal", ha="right")
    _name(turned, 0.66 * w[-1], y["B"] + 0.01, "B", "B", ha="right")
    _name(turned, 0.72 * w[-1], y["nll.ode"] - 0.045, "nll.ode", "nll.ode")
    rows = results.where(kind="truncation").sorted("deviation")
    e = rows.column("deviation")
    curves = {"B": (_EDGE * e, rows.column("s0")), "nll.ode": (_CLEAN * e, rows.column("ode"))}
    cut.fill_between(e, _CLEAN * e, _EDGE * e, color=PALETTE["heat"], alpha=0.13, lw=0)
    for name, (line, dots) in curves.items():
        cut.plot(e, line, color=PALETTE[_STYLE[name][0]], lw=2.0)
        cut.plot(e, dots, "o", ms=3.0, color=PALETTE[_STYLE[name][0]], mew=0)
    cut.set(xscale="log", yscale="log", ylabel="excess over S(0) (nats a pixel)")
    cut.set_xlabel("ε, deviation of the first noise (pixel range 1)")
    cut.patch.set_visible(False)
    _name(cut, 0.0092, 0.022, "B = S(t_min) = 1.806 ε", "B", ha="right")
    _name(cut, 0.011, 0.0068, "nll.ode = 0.955 ε", "nll.ode")
    return figure


def _tables(results: Results, sheet: Sheet) -> None:
    names = ("sigma", "marginal", "ode", "bound", "elbo", "score_error", "terminal", "drift")
    lines = [
        [row["process"], row["score"], *(round(row[name], 6) for name in names)]
        for row in results.where(kind="mixture")
    ]
    said = "½N(−1, 0.04) + ½N(1, 0.04), VE(10) and VP(0.1, 20), matched prior; nats."
    sheet.table("mixture", ["process", "score", *names], lines, said)
    terms = ("s1", "schedule.entropy", "schedule.k1", "unit.entropy", "unit.k1")
    heads = ["process", "sigma", "centred", "S1", "S_pi", "K1", "S_pi of N(0,1)", "K1 of N(0,1)"]
    lines = [
        [row["process"], row["sigma"], "yes" if row["centred"] else "no"]
        + [round(row[name], 6) for name in terms]
        for row in results.where(kind="pixel")
    ]
    said = "A uniform pixel on [0, 1] (centred: [−½, ½]) at t = 1, nats a pixel."
    sheet.table("pixel", heads, lines, said)
    exact = results.where(kind="mixture", process="ve", score="exact")[0]["s0"]
    rows = results.where(kind="solver")
    lines = [[row["steps"], round(row["ode"], 6), round(row["ode"] - exact, 6)] for row in rows]
    said = "The mixture under VE(25), true score, explicit Euler in model time; nats."
    sheet.table("solver", ["Euler steps", "nll.ode", "error"], lines, said)
    for row in rows:
        sheet.number(f"solver.euler_{row['steps']}", row["ode"] - exact, note="error of nll.ode")
    for row in results.where(kind="pixel", process="vp", centred=True):
        short = row["unit.k1"] + 0.5 * (row["s1"] - row["unit.entropy"])
        note = "nll.marginal less the bound with N(0, 1)'s entropy, true score, a pixel"
        sheet.number(f"reference.vp_{row['sigma']:g}", short, note=note)
    sheet.number("truncation.bound", _EDGE, unit="nats per ε", note="S(t_min) of a uniform pixel")
    sheet.number("truncation.ode", _CLEAN, unit="nats per ε", note="clean pixel, true score")
    sheet.finding(
        "The bound holds for the marginal likelihood in every case. The probability-flow "
        "likelihood falls below it for scores that are too small, for calibrated ones that "
        "rotate, and for the true score itself when integration starts at finite noise."
    )
