"""What thermodynamic_linear_algebra concludes: figures, numbers and checks."""

from __future__ import annotations

import numpy as np

from thermohw.estimate import Estimate
from thermohw.experiments.shared.estimates import pair
from thermohw.experiments.shared.figures import rms_bars, ticks_at
from thermohw.experiments.thermodynamic_linear_algebra.compute import PARTS
from thermohw.study import Parameters, Results, Sheet
from thermohw.study.figures import COLOURS, panels, shades
from thermohw.units import K_B

_KINDS = {"solve": "solution", "invert": "inverse"}


def conclude(p: Parameters, results: Results, sheet: Sheet) -> None:
    """Figures, numbers and checks."""
    _errors_against_time(p, results, sheet)
    _imperfections(p, results, sheet, list(PARTS))
    _dimensions(p, results, sheet)
    _energies(p, results, sheet)


def _errors_against_time(p: Parameters, results: Results, sheet: Sheet) -> None:
    """Relative rms error of one run against averaging time."""
    figure, axes = panels(2, sharey=True)
    for axis, (kind, label) in zip(axes, _KINDS.items(), strict=True):
        for board, colour, marker in (("real", COLOURS[1], "s"), ("ideal", COLOURS[0], "o")):
            rows = results.where(kind="time", board=board)
            time, square = rows.column("micro") / 1e3, rows.column(kind)
            error = rows.column(f"{kind}.stderr")
            said = f"{board} board, simulated"
            rms_bars(axis, time, square, error, fmt=marker, color=colour, label=said)
            law, floor = rows.column(f"{kind}.law"), rows.column(f"{kind}.floor")
            dense = np.geomspace(time.min(), time.max(), 60)
            line = np.sqrt(law[0] * time[0] / dense + floor[0])
            said = "law 1/D" if board == "ideal" else "law and floor"
            axis.plot(dense, line, color=colour, lw=1.2, label=said)
            if board == "real":
                axis.axhline(np.sqrt(floor[0]), color=colour, lw=0.9, ls=(0, (3, 3)))
        axis.set(xscale="log", yscale="log", title=f"error of the {label}")
        axis.set_xlabel("averaging time on the board (ms)")
    axes[0].set_ylabel("relative error of one run (rms)")
    axes[0].legend()
    sheet.figure(
        "time",
        figure,
        "Error of one run against the time it averages, on the ideal board and on the nominal one "
        "with the spread of its parts. Lines are closed forms, nothing is fitted; the dashed line "
        "is the floor of the parts. Converters are on for the real board and not in its closed "
        "form.",
    )
    real, last = (
        results.where(kind="time", board=board, micro=p["micros"][-1])[0]
        for board in ("real", "ideal")
    )
    for kind, label in _KINDS.items():
        square, law = Estimate(*pair(last, kind)), last[f"{kind}.law"]
        note = f"squared error of the {label} over the closed form, longest time"
        sheet.number(f"{kind}.constant", square * (1.0 / law), unit="1", published=1.0, note=note)
        name = f"the error of the {label} is the closed form's"
        sheet.law(name, square, law, detail="squared relative errors at the longest time")
        note = f"relative error of the {label} that the parts leave for ever"
        sheet.number(f"{kind}.floor", float(np.sqrt(real[f"{kind}.floor"])), unit="1", note=note)
    slew = float(results.where(kind="slew").column("difference").max())
    note = "largest effect of slew and swing limits on an unknown, same noise"
    sheet.number("slew.difference", slew, unit="1", note=note)
    sheet.check(
        "amplifiers stay in their linear range",
        "holds" if slew < 1e-3 else "explained",
        f"limits of slew and swing move an unknown by {slew:.2g} of the solution at most",
    )
    sheet.finding(
        "Averaging works as the closed forms say, "
        f"{last['solve'] / last['solve.law']:.3f} and {last['invert'] / last['invert.law']:.3f} of "
        "their variance, until the parts stop it: at "
        f"{np.sqrt(real['solve.floor']):.2g} for the solution, "
        f"{np.sqrt(real['invert.floor']):.2g} for the inverse."
    )


def _imperfections(p: Parameters, results: Results, sheet: Sheet, parts: list[str]) -> None:
    """What every part leaves for ever, over random systems."""
    figure, axis = panels(width=560, height=320)
    places = np.arange(len(parts))[::-1]
    rows = []
    for shift, (kind, label), colour in zip((0.14, -0.14), _KINDS.items(), COLOURS, strict=False):
        all_of = [results.where(kind="parts", part=part).column(kind) for part in parts]
        middle = np.array([np.median(values) for values in all_of])
        low, high = (np.array([f(values) for values in all_of]) for f in (np.min, np.max))
        shown = middle > 1e-9
        spread = np.array([middle - low, high - middle])[:, shown]
        look = {"xerr": spread, "fmt": "o", "color": colour, "label": label}
        axis.errorbar(middle[shown], places[shown] + shift, **look)
        for place in places[~shown]:
            axis.annotate(
                f"{label}: none", (0.0, place + shift), xycoords=("axes fraction", "data"),
                xytext=(6, 0), textcoords="offset points", va="center", fontsize=7.2, color=colour,
            )  # fmt: skip
        rows.append((middle, high))
    axis.set_xscale("log")
    axis.set_yticks(places, parts)
    axis.set_ylim(-0.6, len(parts) - 0.4)
    axis.set_xlabel("relative error that never averages away")
    axis.legend(loc="center left", bbox_to_anchor=(0.0, 0.36))
    sheet.figure(
        "parts",
        figure,
        f"One imperfection at a time, {p['systems']} random systems of {p['dimension']} unknowns "
        f"and condition {p['condition']:g}, closed forms: "
        "median, smallest and largest. An offset moves the mean and leaves the covariance alone.",
    )
    sheet.table(
        "floor",
        ["imperfection", "solution, median", "largest", "inverse, median", "largest"],
        [[part, *(float(v[i]) for pair in rows for v in pair)] for i, part in enumerate(parts)],
        "Relative errors that never average away.",
    )
    offset = results.where(kind="parts", part="offset 0.5 mV")
    second = float(offset.column("invert").max())
    sheet.check(
        "offset kills the first moment, not the second",
        "holds" if second < 1e-9 < offset.column("solve").min() else "violated",
        f"solution off by {np.median(offset.column('solve')):.2g} (median), inverse by {second:.1g}"
        ": as reported of a rig of programmable analog arrays, whose means were far off while its "
        "covariances were not",
    )
    harm = dict(zip(parts, rows[0][0], strict=True))  # median error of a solution
    largest = max(parts[:-1], key=harm.__getitem__)
    sheet.finding(
        f"Of single imperfections, {largest} harms a solution most; an inverse does not "
        "feel offsets at all."
    )


def _dimensions(p: Parameters, results: Results, sheet: Sheet) -> None:
    """Time for an inverse to 5 percent against its size."""
    rows = results.where(kind="dimension")
    n, needed, settling = (rows.column(key) for key in ("n", "needed", "settling"))
    figure, (left, right) = panels(2)
    square, error, law = (rows.column(f"invert{end}") for end in ("", ".stderr", ".law"))
    rms_bars(left, n, square, error, label="simulated")
    left.plot(n, np.sqrt(law), color=COLOURS[0], lw=1.2, label="law")
    left.set(xscale="log", ylim=(0.0, None), ylabel="relative error of the inverse")
    left.set_title("error after 0.4 ms")
    right.plot(n, needed / 1e3, "o-", color=COLOURS[1], label="averaging, error 5 %")
    right.plot(n, settling / 1e3, "s-", color=COLOURS[0], label="settling, ten slowest motions")
    right.set(xscale="log", yscale="log", ylabel="time on the board (ms)")
    right.set_title("time of an inverse")
    for axis in (left, right):
        axis.set_xlabel("dimension")
        axis.legend()
        ticks_at(axis, n)
    sheet.figure(
        "dimension",
        figure,
        f"Inverses of matrices of condition {p['condition']:g} on the ideal board. Left: error of "
        "one run of 0.4 ms. Right: the time the closed form asks for an error of 5 %, and the time "
        "that the start takes to be forgotten.",
    )
    slope, own = (
        float(np.polyfit(np.log(n), np.log(time), 1)[0]) for time in (needed, needed / settling)
    )
    note = "of the time of an inverse of given relative error; direct methods take 3"
    sheet.number("dimension.exponent", slope, unit="1", note=note)
    said = "the law is for long times"
    sheet.law("the law holds in every dimension", (square - law) / error, detail=said)
    note = "the same in units of the matrix's slowest motion"
    sheet.number("dimension.exponent_own", own, unit="1", note=note)
    sheet.finding(
        f"At fixed condition the time of an inverse of given relative error grows as dimension to "
        f"the power {slope:.2f}, and {own:.2f} in units of the slowest motion: the largest entry, "
        "which stands for the unit conductance, shrinks with dimension here and so quickens the "
        "board."
    )


def _energies(p: Parameters, results: Results, sheet: Sheet) -> None:
    """Error against the heat of the resistors, with their own noise alone."""
    rows = results.where(kind="energy")
    heat, square = rows.column("heat") / (300.0 * K_B), rows.column("solve")
    error, constant = rows.column("solve.stderr"), rows.column("constant")
    figure, axis = panels(width=480)
    for micro, colour in zip(p["energy_micros"], shades(len(p["energy_micros"])), strict=True):
        these = rows.column("micro") == micro
        said = f"simulated, {micro / 1e3:g} ms"
        rms_bars(axis, heat[these], square[these], error[these], color=colour, label=said)
    dense = np.geomspace(heat.min() / 2, heat.max() * 2, 50)
    level = float(np.median(constant))
    axis.plot(dense, np.sqrt(level / dense), color=COLOURS[5], lw=1.0, label="closed form")
    axis.set(xscale="log", yscale="log", ylabel="relative error of a solution")
    axis.set_xlabel("heat of the resistors while averaging (k T)")
    axis.legend()
    sheet.figure(
        "energy",
        figure,
        "Solutions on a board whose only imperfection is the noise of its own resistors at 300 K: "
        "higher voltages and longer times are the same, error squared times heat is a number of "
        "k T.",
    )
    note = "squared relative error times heat of the resistors, closed form"
    sheet.number("energy.constant", level, unit="kT", note=note)
    z = (square * heat - constant) / (error * heat)
    sheet.law("error squared times heat is a constant", z, detail="voltages and times")
    real = results.where(kind="time", board="real", micro=p["micros"][-1])[0]
    note = "of the board's energy that its amplifiers' supplies take at rest"
    sheet.number("energy.static_share", real["static"] / real["joules"], unit="1", note=note)
    note = f"of a solution averaged for {p['micros'][-1] / 1e3:g} ms on the real board"
    sheet.number("energy.board", real["joules"], unit="J", note=note)
    note = "the same over the heat that its error needs by resistor noise"
    least = level * 300.0 * K_B / real["solve"]
    sheet.number("energy.over_limit", real["joules"] / least, unit="1", note=note)
    sheet.finding(
        f"Thermal noise alone asks for {level:.3g} kT of heat divided by the squared relative "
        f"error. The board spends {100 * real['static'] / real['joules']:.1f} % of its "
        "energy in supplies at rest."
    )
