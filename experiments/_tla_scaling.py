"""How time grows with dimension, and error falls with energy: thermodynamic_linear_algebra."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from thermohw.study.figures import COLOURS, panels, shades
from thermohw.units import K_B

if TYPE_CHECKING:
    from thermohw.study import Results, Sheet

__all__ = ["dimensions", "energies"]


def dimensions(p: dict[str, Any], results: Results, sheet: Sheet) -> None:
    """Time for an inverse to 5 percent against its size."""
    rows = results.where(kind="dimension")
    n, needed, settling = (rows.column(key) for key in ("n", "needed", "settling"))
    figure, (left, right) = panels(2)
    square, error, law = (rows.column(f"invert{end}") for end in ("", ".stderr", ".law"))
    left.errorbar(n, np.sqrt(square), 0.5 * error / np.sqrt(square), fmt="o", label="simulated")
    left.plot(n, np.sqrt(law), color=COLOURS[0], lw=1.2, label="law")
    left.set(
        xscale="log",
        ylim=(0.0, None),
        xlabel="dimension",
        ylabel="relative error of the inverse",
        title="error after 0.4 ms",
    )
    left.legend()
    right.plot(n, needed / 1e3, "o-", color=COLOURS[1], label="averaging, error 5 %")
    right.plot(n, settling / 1e3, "s-", color=COLOURS[0], label="settling, ten slowest motions")
    right.set(
        xscale="log",
        yscale="log",
        xlabel="dimension",
        ylabel="time on the board (ms)",
        title="time of an inverse",
    )
    right.legend()
    for axis in (left, right):
        axis.set_xticks(n, [f"{int(v)}" for v in n])
        axis.minorticks_off()
    sheet.figure(
        "dimension",
        figure,
        f"Inverses of matrices of condition {p['condition']:g} on the ideal board. Left: error of "
        "one run of 0.4 ms. Right: the time the closed form asks for an error of 5 %, and the time "
        "that the start takes to be forgotten.",
    )
    slope = float(np.polyfit(np.log(n), np.log(needed), 1)[0])
    sheet.number(
        "dimension.exponent",
        slope,
        unit="1",
        note="of the time of an inverse of given relative error; direct methods take 3",
    )
    z = (square - law) / error
    sheet.law(
        "the law holds in every dimension",
        z,
        detail=f"largest deviation {np.abs(z).max():.2f} standard errors; the law is for long "
        "times",
    )
    own = float(np.polyfit(np.log(n), np.log(needed / settling), 1)[0])
    sheet.number(
        "dimension.exponent_own",
        own,
        unit="1",
        note="the same in units of the matrix's slowest motion",
    )
    sheet.finding(
        f"At fixed condition the time of an inverse of given relative error grows as dimension to "
        f"the power {slope:.2f}, and {own:.2f} in units of the slowest motion: the largest entry, "
        "which stands for the unit conductance, shrinks with dimension here and so quickens the "
        "board."
    )


def energies(p: dict[str, Any], results: Results, sheet: Sheet) -> None:
    """Error against the heat of the resistors, with their own noise alone."""
    rows = results.where(kind="energy")
    heat, square = rows.column("heat") / (300.0 * K_B), rows.column("solve")
    error, constant = rows.column("solve.stderr"), rows.column("constant")
    figure, axis = panels(width=480)
    for micro, colour in zip(p["energy_micros"], shades(len(p["energy_micros"])), strict=True):
        these = rows.column("micro") == micro
        axis.errorbar(
            heat[these],
            np.sqrt(square[these]),
            0.5 * error[these] / np.sqrt(square[these]),
            fmt="o",
            color=colour,
            label=f"simulated, {micro / 1e3:g} ms",
        )
    dense = np.geomspace(heat.min() / 2, heat.max() * 2, 50)
    level = float(np.median(constant))
    axis.plot(dense, np.sqrt(level / dense), color=COLOURS[5], lw=1.0, label="closed form")
    axis.set(
        xscale="log",
        yscale="log",
        xlabel="heat of the resistors while averaging (k T)",
        ylabel="relative error of a solution",
    )
    axis.legend()
    sheet.figure(
        "energy",
        figure,
        "Solutions on a board whose only imperfection is the noise of its own resistors at 300 K: "
        "higher voltages and longer times are the same, error squared times heat is a number of "
        "k T.",
    )
    sheet.number(
        "energy.constant",
        level,
        unit="kT",
        note="squared relative error times heat of the resistors, closed form",
    )
    product = square * heat
    z = (product - constant) / (error * heat)
    sheet.law(
        "error squared times heat is a constant",
        z,
        detail=f"largest deviation {np.abs(z).max():.2f} standard errors over {len(z)} voltages "
        "and times",
    )
    real = results.where(kind="time", board="real", micro=p["micros"][-1])[0]
    sheet.number(
        "energy.static_share",
        real["static"] / real["joules"],
        unit="1",
        note="of the board's energy that its amplifiers' supplies take at rest",
    )
    sheet.number(
        "energy.board",
        real["joules"],
        unit="J",
        note=f"of a solution averaged for {p['micros'][-1] / 1e3:g} ms on the real board",
    )
    sheet.number(
        "energy.over_limit",
        real["joules"] / (level * 300.0 * K_B / real["solve"]),
        unit="1",
        note="the same over the heat that its error needs by resistor noise",
    )
    sheet.finding(
        f"Thermal noise alone asks for {level:.3g} kT of heat divided by the squared relative "
        f"error. The board spends {100 * real['static'] / real['joules']:.1f} % of its "
        "energy in supplies at rest."
    )
