"""Figures, numbers and findings of `spu_gaussian`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thermohw.experiments.shared.figures import rms_bars
from thermohw.study import Parameters, Results, Row, Sheet
from thermohw.study.figures import PALETTE, panels

_TITLES = {
    "ideal": "ideal parts", "johnson": "tolerance, Johnson noise", "tolerance": "tolerance 1 %",
    "stray": "stray capacitance", "bandwidth": "noise of one pole", "converter": "coarse converter",
    "bank": "capacitor bank", "all": "all of them", "matrix": "inverse of a matrix",
}  # fmt: skip


def conclude(p: Parameters, results: Results, sheet: Sheet) -> None:
    """Curves, floors, the price of correlated samples, the resolution of a bank."""
    rows = {row["case"]: row for row in results.where(kind="error")}
    _curves(rows, sheet)
    _floors(p, rows, sheet)
    _intervals(p, results, sheet)
    _bank(p, rows, results, sheet)
    _checks(rows, sheet)


def _percent(axis: Any) -> None:
    axis.set_major_formatter(lambda value, _: f"{100 * value:g} %")
    axis.set_minor_formatter(lambda *_: "")


def _points(axes: Any, row: Any, colour: str, label: str) -> None:
    axes.plot(row["far_count"], np.sqrt(row["far"]), color=colour)
    rms_bars(axes, row["count"], row["square"], row["square_stderr"], color=colour, label=label)


def _curves(rows: dict[str, Row], sheet: Sheet) -> None:
    figure, axes = panels()
    _points(axes, rows["ideal"], PALETTE["generated"], "ideal parts")
    _points(axes, rows["bandwidth"], PALETTE["work"], "noise of one pole")
    _points(axes, rows["all"], PALETTE["heat"], "all imperfections")
    count = np.asarray(rows["ideal"]["far_count"])
    apart = rows["ideal"]["independent"] / np.sqrt(count)
    axes.plot(count, apart, "--", color=PALETTE["muted"], label="independent samples")
    axes.set(xscale="log", yscale="log", xlabel="samples N", ylabel="error of the covariance")
    _percent(axes.yaxis)
    axes.legend()
    sheet.figure(
        "error",
        figure,
        "Relative error of the sampled covariance (root mean square of the Frobenius norm) against "
        "kT/C. Points: chains of exact samples, mean over boards with standard error. Lines: "
        "closed form with the autocorrelation of the board and, where parts are imperfect, the "
        "floor of the same boards, also for more samples than were drawn. Dashed: what "
        "independent samples would do.",
    )
    ideal, last = rows["ideal"], rows["all"]
    sheet.number("constant K of error = sqrt(K/N)", ideal["constant"] ** 2, unit="1")
    sheet.number("K of independent samples", ideal["independent"] ** 2, unit="1")
    where = (ideal["constant"] / last["floor"]) ** 2
    sheet.number("samples at which floor and scatter are equal", where, unit="1")
    sheet.finding(
        f"With ideal parts the error is {ideal['constant']:.1f} over the root of the "
        f"number of samples, {ideal['constant'] / ideal['independent']:.1f} times that of "
        "independent samples, because the converter reads the oscillators faster than they forget."
    )
    sheet.finding(
        f"With all imperfections the error stops at {100 * last['floor']:.1f} %: from "
        f"{where:,.0f} samples on the parts, not the samples, decide."
    )


def _floors(p: Parameters, rows: dict[str, Row], sheet: Sheet) -> None:
    cases = [case for case in _TITLES if case not in ("ideal", "matrix")]
    floors = np.array([rows[case]["floor"] for case in cases])
    order = np.argsort(floors)
    figure, axes = panels()
    shown = np.maximum(floors[order], 0.0)
    colours = [PALETTE["heat" if cases[i] == "all" else "generated"] for i in order]
    axes.barh(range(len(order)), shown, color=colours, height=0.6)
    axes.set_yticks(range(len(order)), [_TITLES[cases[i]] for i in order])
    axes.tick_params(axis="y", length=0)
    for y, value in enumerate(shown):
        text = "none" if value < 1e-6 else f"{100 * value:.2g} %"
        axes.text(value + 0.01 * shown.max(), y, text, va="center", fontsize=7.6)
    axes.set(xlabel="floor of the error", xlim=(0.0, 1.16 * shown.max()))
    _percent(axes.xaxis)
    sheet.figure(
        "floors",
        figure,
        "What is left with endless samples, one imperfection at a time. Under the resistors' own "
        "(Johnson) noise of the mismatch only the capacitors' share is left. The board's own "
        "values are all in its bank.",
    )
    remarks = {
        "johnson": "R, L and C off by a tolerance, noise of the resistors themselves",
        "tolerance": "the same parts, noise injected with one strength for all cells",
        "stray": f"0 to {2 * p['stray'] * 1e3:g} pF more to ground at every cell",
        "bandwidth": f"noise with one pole at {p['bandwidth']:g} MHz",
        "converter": f"{p['bits']} bits over plus and minus {p['span']:g} standard deviations",
        "bank": f"every capacitor from a bank of {p['bank']} binary ones",
        "all": "together",
    }
    table = []
    for case in cases:
        floor, root = 100 * rows[case]["floor"], math.sqrt(rows[case]["square"][-1])
        last = (100 * root, 50 * rows[case]["square_stderr"][-1] / root)
        table.append([_TITLES[case], remarks[case], floor, last])
        sheet.number(f"floor.{case}", floor, unit="%")
    sheet.table(
        "floors",
        ["imperfection", "what it is here", "floor (%)", "error after all samples (%)"],
        table,
        f"Relative error of the covariance; {rows['all']['count'][-1]:,.0f} samples a board.",
    )
    worst = cases[int(max(range(len(cases)), key=lambda i: floors[i] * (cases[i] != "all")))]
    sheet.finding(
        f"The largest single imperfection is the {_TITLES[worst]} "
        f"({100 * rows[worst]['floor']:.1f} %)."
    )
    share = rows["johnson"]["floor"] / rows["tolerance"]["floor"]
    sheet.finding(
        "Where the noise is the resistors' own, kT C^-1 knows neither R nor L, and the same parts "
        f"leave {share:.2f} of the floor that injected noise of equal strength leaves."
    )


def _intervals(p: Parameters, results: Results, sheet: Sheet) -> None:
    row = results.where(kind="intervals")[0]
    interval, cost = np.asarray(row["interval"]), np.asarray(row["cost"])
    figure, (left, right) = panels(2)
    left.plot(interval, cost, color=PALETTE["generated"])
    left.text(p["interval"] * 1.1, cost.max() * 0.6, "12 MHz" if p["interval"] == 1 / 12 else "",
              fontsize=7.6)  # fmt: skip
    left.axhline(1.0, color=PALETTE["muted"], linestyle="--")
    right.plot(interval, cost * interval, color=PALETTE["generated"])
    for axes in (left, right):
        axes.axvline(p["interval"], color=PALETTE["muted"], linestyle=":")
        axes.set(xscale="log", yscale="log", xlabel="time between readings (us)")
    left.set_ylabel("readings per independent one")
    right.set_ylabel("time per independent one (us)")
    sheet.figure(
        "interval",
        figure,
        "What correlation costs, in closed form. Left: how many readings carry as much as one "
        "independent sample. Right: the time they take; faster reading stops paying where the "
        "curve is flat. Peaks: readings in step with half periods of the cells. Dotted: the "
        "interval of the chains.",
    )
    fastest = float((cost * interval).min())
    sheet.number("shortest time per independent sample", fastest, unit="us")
    now = float(np.interp(p["interval"], interval, cost * interval))
    sheet.finding(
        f"An independent sample takes at least {fastest:.2g} us of the board, however fast it is "
        f"read; readings {p['interval'] * 1e3:.0f} ns apart take {now:.2g} us."
    )


def _bank(p: Parameters, rows: dict[str, Row], results: Results, sheet: Sheet) -> None:
    bits = np.array(sorted(results.where(kind="bank").distinct("bank")))
    spread: list[NDArray[Any]] = [
        np.quantile(results.where(kind="bank", bank=int(b))[0]["floor"], [0.1, 0.5, 0.9])
        for b in bits
    ]
    low, middle, high = np.array(spread).T
    figure, (left, right) = panels(2)
    left.fill_between(bits, low, high, color=PALETTE["generated"], alpha=0.2, linewidth=0)
    left.plot(bits, middle, "o-", color=PALETTE["generated"])
    left.set(yscale="log", xlabel="capacitors in a bank", ylabel="floor of the inverse",
             xticks=bits)  # fmt: skip
    _percent(left.yaxis)
    _points(right, rows["matrix"], PALETTE["heat"], "as read from the board")
    right.axhline(rows["matrix"]["floor"], color=PALETTE["muted"], linestyle="--", label="floor")
    right.set(xscale="log", yscale="log", xlabel="samples N", ylabel="error of the inverse")
    _percent(right.yaxis)
    right.legend()
    sheet.figure(
        "inverse",
        figure,
        "Inverting a matrix by setting it as capacitances and sampling. Left: the error that a "
        "bank of binary capacitors leaves, median and middle 80 % of random matrices of 8 x 8. "
        f"Right: one such matrix on boards with banks of {p['bank']} and all other imperfections.",
    )
    four = float(np.interp(4, bits, middle))
    sheet.number("floor of a bank of four (median)", 100 * four, unit="%")
    slope = np.polyfit(bits[2:], np.log2(middle[2:]), 1)[0] if len(bits) > 3 else math.nan
    sheet.number("slope of the bank's floor", slope, unit="bits per capacitor", published=-1.0)
    sheet.finding(
        f"A bank of four capacitors, as on the published board, inverts a random matrix to "
        f"{100 * four:.1f} %; every further capacitor halves that."
    )


def _checks(rows: dict[str, Row], sheet: Sheet) -> None:
    zs = {case: float(row["miss"][-1] / row["miss_stderr"][-1]) for case, row in rows.items()}
    sheet.law(
        "closed form",
        list(zs.values()),
        detail="squared error of the chains over the closed form with autocorrelation and floor, "
        f"after all samples, worst of {_TITLES[max(zs, key=lambda case: abs(zs[case]))]}",
    )
    sheet.law(
        "same circuit",
        float(rows["ideal"]["against_package"]),
        within=1e-12,  # 16^2 roundings in a Lyapunov equation whose rates span a factor of 36
        detail="drift and covariance written here against those of the device",
    )
    last = rows["johnson"]
    sheet.check(
        "equilibrium knows no R",
        "holds" if last["floor"] < rows["tolerance"]["floor"] else "violated",
        "floor of parts off by their tolerance under their own noise, below that under injected "
        "noise",
    )
