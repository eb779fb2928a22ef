"""What sensitivity concludes: the table with z, two figures, whether it is the published one."""

from __future__ import annotations

from math import hypot, sqrt
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from scipy.stats import chi2

from thermohw.experiments.sensitivity.published import BY_NAME, PublishedRow, chosen
from thermohw.experiments.shared.figures import drawn
from thermohw.study import Parameters, Results, Row, Sheet
from thermohw.study.figures import PALETTE, flat, panels, tidy

_PRINTED = 20000  # paths of the published table
_PRINTED_W1 = 0.007  # standard error of its W1
_TITLES = {"w1": "W1 error [V0]", "emf": "series work [kT]", "current": "current work [kT]"}


def conclude(p: Parameters, results: Results, sheet: Sheet) -> None:
    """The table with z, two figures, and whether it is the published one."""
    rows = [_compare(row, results, p) for row in chosen(p)]
    drawn(sheet, "table", dots, rows)
    if len({r["row"].group for r in rows} & {"hold", "latency", "pole"}) == 3:
        drawn(sheet, "delay", delays, rows)
    quantities = ("w1", "emf", "current")
    z = np.array([[r["z"][q] for q in quantities] for r in rows])
    columns = ["row", "W1", "here", "z", "series", "here", "z", "shunt", "here", "z"]
    lines = []
    for r in rows:
        line: list[Any] = [r["row"].name]
        for q in quantities:
            line += [getattr(r["row"], q), r[q], round(r["z"][q], 2)]
        lines.append(line)
    sheet.table("table", columns, lines, "As published, here, and "
                "their difference in standard errors: W1 (V0), work in series and in shunt (kT a "
                "sample). Errors are ours.")  # fmt: skip
    worst = np.unravel_index(np.abs(z).argmax(), z.shape)
    for k, q in enumerate(quantities):
        total = float((z[:, k] ** 2).sum())
        chance, note = float(chi2.sf(total, len(z))), "that independent rows would differ more"
        sheet.number(f"chi2.{q}", total, unit="1", note=f"sum of z^2 over {len(z)} rows")
        sheet.number(f"chance.{q}", chance, unit="1", note=note)
    name = f"{rows[worst[0]]['row'].name}, {quantities[worst[1]]}"
    sheet.number("z.largest", float(np.abs(z).max()), unit="1", note=name)
    sheet.law(
        "the published table is reproduced",
        z.ravel(),
        detail=f"largest |z| of {name}; {(np.abs(z) > 2).sum()} beyond 2 where "
        f"{0.0455 * z.size:.1f} are expected",
    )
    _numpy_route(p, results, sheet)
    _findings(rows, sheet, z.size, float(np.abs(z).max()))


def _compare(row: PublishedRow, results: Results, p: Parameters) -> Row:
    """Our means with errors, and z against the print, of one row."""
    ours: dict[str, Any] = {"row": row, "z": {}}
    mine = [r for r in results if r["row"] == row.name and r["route"] != "numpy"]
    for wiring in ("emf", "current"):
        part = [r for r in mine if r["route"] == wiring]
        spread = float(np.mean([r[f"{wiring}_spread"] for r in part]))
        mean, error = np.mean([r[wiring] for r in part]), spread / sqrt(p["paths"] * len(part))
        printed = hypot(spread / sqrt(_PRINTED), 0.01 / sqrt(12.0))
        ours[wiring] = (float(mean), error)
        ours[f"{wiring}_both"] = hypot(error, printed)
        ours["z"][wiring] = (float(mean) - getattr(row, wiring)) / hypot(error, printed)
    w1 = float(np.mean([r["w1"] for r in mine]))
    error = float(np.mean([r["w1_error"] for r in mine])) / sqrt(len(mine))
    # A distance of few samples is larger: take the difference of the floors out, in squares.
    floor = float(np.mean([r["floor"] for r in mine]))
    same = sqrt(max(w1**2 - floor**2 * (1.0 - p["paths"] / _PRINTED), 0.0))
    ours["w1"], ours["w1_both"] = (same, error), hypot(error, _PRINTED_W1, 0.001 / sqrt(12.0))
    ours["z"]["w1"] = (same - row.w1) / ours["w1_both"]
    return ours


def _numpy_route(p: Parameters, results: Results, sheet: Sheet) -> None:
    """Ours against plain numpy, where it ran."""
    found = [r for r in results if r["route"] == "numpy"]
    if not found:
        return
    lines, gaps = [], {}
    for r in found:
        ours = _compare(BY_NAME[r["row"]], results, p)
        line: list[Any] = [r["row"], (r["w1"], r["w1_error"])]
        for wiring in ("emf", "current"):
            error = r[f"{wiring}_spread"] / sqrt(p["paths"])
            gap = (ours[wiring][0] - r[wiring]) / hypot(error, ours[wiring][1])
            line += [(r[wiring], error), round(gap, 2)]
            gaps[f"{r['row']}, {wiring}"] = gap
        lines.append(line)
    columns = ["row", "W1", "series work", "z (ours - numpy)", "current work", "z (ours - numpy)"]
    sheet.table(
        "numpy", columns, lines, "The same rows by plain numpy, none of the package's code."
    )
    said = f"works, largest |z| of {max(gaps, key=lambda name: abs(gaps[name]))}"
    sheet.law("thermohw and plain numpy agree", list(gaps.values()), detail=said)


def _findings(rows: list[Row], sheet: Sheet, count: int, worst: float) -> None:
    by_name = {r["row"].name: r for r in rows}
    sheet.finding(
        f"All {count} published numbers lie within {worst:.1f} standard errors of ours."
        if worst < 4.0
        else f"Some of the {count} published numbers differ by up to {worst:.1f} standard errors."
    )
    fine, coarse = by_name.get("hold 0.01 tau"), by_name.get("hold 0.2 tau")
    if fine is not None and coarse is not None:
        sheet.finding(
            f"A value held for 0.2 tau costs {coarse['emf'][0]:.2f} kT instead of "
            f"{fine['emf'][0]:.2f}, and the samples are {coarse['w1'][0]:.2f} V0 off: cheaper work "
            "is worse samples."
        )
    dac = by_name.get("DAC 4 bit over +-40")
    adc = by_name.get("ADC 4 bit over +-4 V0")
    if dac is not None and adc is not None:
        sheet.finding(
            f"Four bits are enough to read (W1 {adc['w1'][0]:.3f} V0) and not to drive "
            f"({dac['w1'][0]:.3f} V0): the source's range is set by the scores of the last moments."
        )


def dots(rows: list[Row]) -> Figure:
    """Published (rings) and here (dots, with the standard errors of the print and ours together),
    row by row."""
    figure, axes = panels(3)
    width = figure.get_size_inches()[0]
    figure.set_size_inches(width, max(2.4, 0.22 * len(rows) + 0.8))
    y = np.arange(len(rows))[::-1]
    for k, (axis, (name, title)) in enumerate(zip(flat(axes), _TITLES.items(), strict=True)):
        ours = np.array([r[name][0] for r in rows])
        errors = np.array([r[f"{name}_both"] for r in rows])
        printed = np.array([getattr(r["row"], name) for r in rows])
        axis.errorbar(ours, y, xerr=errors, fmt="o", ms=3.5, color=PALETTE["generated"],
                      label="here", zorder=3)  # fmt: skip
        axis.plot(printed, y, "o", ms=7, mfc="none", color=PALETTE["work"], label="published")
        axis.set_xlabel(title)
        axis.set_yticks(y, [r["row"].name for r in rows] if k == 0 else [""] * len(y))
        axis.set_ylim(-0.7, len(rows) - 0.3)
        axis.grid(axis="y", alpha=0.3)
    flat(axes)[0].legend(loc="lower right")
    return figure


def delays(rows: list[Row]) -> Figure:
    """Holding, waiting and a slow amplifier do nearly the same: what counts is the mean age of the
    control, half the hold plus the latency, or one over the pole."""
    figure, axes = panels(2)
    styles = {"hold": ("o", "generated"), "latency": ("s", "work"), "pole": ("^", "heat")}
    for axis, name in zip(flat(axes), ("w1", "emf"), strict=True):
        for group, (marker, role) in styles.items():
            part = [r for r in rows if r["row"].group == group]
            age = [_age(r["row"]) for r in part]
            axis.plot(age, [r[name][0] for r in part], marker, color=PALETTE[role], label=group)
        axis.set(xlabel="mean age of the control [tau]", ylabel=_TITLES[name])
        tidy(axis)
    flat(axes)[0].legend()
    return figure


def _age(row: Any) -> float:
    """Half the hold plus latency, or one over the pole."""
    if row.group == "pole":
        return 1.0 / row.keys["amplifier_pole"]
    return 2.5 / row.ticks + row.keys.get("latency", 0.0)
