r"""What each imperfection of a score-driven node costs: a published table, row by row.

One RC node generates a two-hump mixture, 0.3 N(-2, 0.3^2) + 0.7 N(1.5, 0.4^2), from five RC of the
OU process with its exact score. One thing at a time is imperfect: how long a control value is held,
how late it comes, how many bits a reading or a source has, where sources saturate, gain, bath
temperature, offset, bandwidth. Each row has the W1 distance of the samples to the mixture, and the
work of a source in series with the resistor ("emf") and of an injected current.

Reference values (closed forms): work 2.6975 kT for instantaneous series control, 3.481 kT for
sampled series control as the hold goes to zero, 1.914 kT for the current.

Every printed number is held against ours with both statistical errors: that of 20,000 independent
paths for the print (works: the per-path spread measured here; W1: 0.007) and that of the repeats
here; two or three printed digits add their rounding. A plain numpy simulation of every row stands
beside both, so that a row that differs can be told apart from a wrong one.
"""

from __future__ import annotations

from math import hypot, sqrt
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import chi2

from thermohw.errors import InputError
from thermohw.experiments._sensitivity_figures import delays, dots
from thermohw.experiments._sensitivity_numpy import simulate_row
from thermohw.experiments._sensitivity_rows import ROWS, PublishedRow, mixture, protocol
from thermohw.study import Cell, Study
from thermohw.tolerance import measure
from thermohw.tolerance.measure import line_quality

if TYPE_CHECKING:
    from collections.abc import Mapping

    from thermohw.study import Results, Sheet, Tools

__all__ = ["STUDY"]

_PRINTED = 20000  # paths of the published table
_PRINTED_W1 = 0.007  # standard error of its W1
_BY_NAME = {row.name: row for row in ROWS}


def cells(p: Mapping[str, Any]) -> list[Cell]:
    """One cell a row, wiring and repeat; one a row of the numpy route."""
    rows = _chosen(p)
    base = {"paths": p["paths"], "seed": p["seed"]}
    return [
        {"row": row.name, "route": route, "repeat": repeat, **base}
        for row in rows
        for repeat in range(p["repeats"])
        for route in ("emf", "current")
    ] + [
        {"row": row.name, "route": "numpy", "repeat": 0, **base} for row in rows if p["numpy"]
    ]  # fmt: skip


def _chosen(p: Mapping[str, Any]) -> list[PublishedRow]:
    unknown = sorted(set(p["rows"]) - set(_BY_NAME))
    if unknown:
        raise InputError(f"{unknown[0]!r}: expected names of the table's rows", where="rows")
    return [row for row in ROWS if not p["rows"] or row.name in p["rows"]]


def compute(cell: Cell, tools: Tools) -> dict[str, Any]:
    """Distance and work of one ensemble, with per-path spreads."""
    row, paths = _BY_NAME[cell["row"]], cell["paths"]
    if cell["route"] == "numpy":
        rng = np.random.default_rng([cell["seed"], ROWS.index(row), 1])
        x, series, shunt = simulate_row(row, paths, rng)
        quality = line_quality(x, mixture())
        return {
            "w1": quality.value, "w1_error": quality.stderr, "floor": quality.floor,
            "emf": series.mean(), "emf_spread": series.std(ddof=1),
            "current": shunt.mean(), "current_spread": shunt.std(ddof=1),
        }  # fmt: skip
    wiring = cell["route"]
    seed = 1000 * cell["seed"] + 100 * cell["repeat"] + ROWS.index(row)
    found = measure(protocol(row, wiring), paths=paths, seed=seed)
    work = found.paths[f"work.{wiring}"]
    quality = found.quality
    return {
        "w1": quality.value, "w1_error": quality.stderr, "floor": quality.floor,
        wiring: work.mean(), f"{wiring}_spread": work.std(ddof=1),
    }  # fmt: skip


def conclude(p: Mapping[str, Any], results: Results, sheet: Sheet) -> None:
    """The table with z, two figures, and whether it is the published one."""
    rows = [_compare(row, results, p) for row in _chosen(p)]
    sheet.figure(
        "table",
        dots(rows),
        "Published (rings) and here (dots, with the standard errors of the print and ours "
        "together), row by row.",
    )
    if len({r["row"].group for r in rows} & {"hold", "latency", "pole"}) == 3:
        sheet.figure(
            "delay",
            delays(rows),
            "Holding, waiting and a slow amplifier do nearly the same: what counts is the mean age "
            "of the control, half the hold plus the latency, or one over the pole.",
        )
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
        sheet.number(f"chi2.{q}", total, unit="1", note=f"sum of z^2 over {len(z)} rows")
        sheet.number(f"chance.{q}", float(chi2.sf(total, len(z))), unit="1",
                     note="that independent rows would differ more")  # fmt: skip
    name = f"{rows[worst[0]]['row'].name}, {quantities[worst[1]]}"
    sheet.number("z.largest", float(np.abs(z).max()), unit="1", note=name)
    sheet.law(
        "the published table is reproduced",
        z.ravel(),
        detail=f"{z.size} numbers, largest |z| {np.abs(z).max():.2f} ({name}), "
        f"{(np.abs(z) > 2).sum()} beyond 2 where {0.0455 * z.size:.1f} are expected",
    )
    _numpy_route(p, results, sheet)
    _findings(rows, sheet, z.size, float(np.abs(z).max()))


def _compare(row: PublishedRow, results: Results, p: Mapping[str, Any]) -> dict[str, Any]:
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


def _numpy_route(p: Mapping[str, Any], results: Results, sheet: Sheet) -> None:
    """Ours against plain numpy, where it ran."""
    found = [r for r in results if r["route"] == "numpy"]
    if not found:
        return
    lines, gaps = [], {}
    for r in found:
        ours = _compare(_BY_NAME[r["row"]], results, p)
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
    words = max(gaps, key=lambda name: abs(gaps[name]))
    sheet.law(
        "thermohw and plain numpy agree",
        list(gaps.values()),
        detail=f"{2 * len(found)} works, largest |z| {abs(gaps[words]):.2f} ({words})",
    )


def _findings(rows: list[dict[str, Any]], sheet: Sheet, count: int, worst: float) -> None:
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


STUDY = Study(
    title="One imperfection at a time",
    question="What does each stage between node and source cost, in samples and in work?",
    parameters={"paths": 20000, "repeats": 2, "rows": [], "numpy": True, "seed": 0},
    quick={
        "repeats": 1,
        "numpy": False,
        "rows": [
            "hold 0.05 tau",
            "hold 0.1 tau",
            "hold 0.2 tau",
            "latency 0.1 tau",
            "ADC 3 bit over +-4 V0",
            "DAC 4 bit over +-40",
            "saturation at 4",
            "amplifier pole 10 per tau",
        ],
    },
    cells=cells,
    compute=compute,
    conclude=conclude,
)
