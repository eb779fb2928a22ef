"""What `cmos_bit` shows: the law of the bit, error times, heat, and the fluctuation theorem."""

from __future__ import annotations

from typing import Any

import numpy as np

from thermohw.experiments.shared.figures import bars
from thermohw.study import Parameters, Results, Sheet
from thermohw.study.figures import COLOURS, panels
from thermohw.units import K_B, engineering

_VT = K_B * 300.0 / 1.602176634e-19  # volt at 300 K, the sheet's temperature
_KT = K_B * 300.0
_JUMPS, _GAUSS, _THIRD = COLOURS[:3]
_DOTS: dict[str, Any] = {"error": "_error", "fmt": "o", "color": _JUMPS}
_SQUARES: dict[str, Any] = {"error": "_error", "fmt": "s", "mfc": "none", "color": _GAUSS}


def conclude(p: Parameters, results: Results, sheet: Sheet) -> None:
    """Four figures, one table, six checks."""
    exact, gauss = results.where(kind="exact"), results.where(kind="gaussian")
    bias, time = exact.column("bias"), exact.column("time")
    ratio = time / gauss.column("time")
    _law(results, sheet)
    _times(results, sheet, p)
    _heat(results, sheet)
    _theorem(results, sheet)
    slope = np.diff(np.log10(time)) / np.diff(bias * 1e-3 / _VT)
    sheet.number("error_time.decades_per_thermal_voltage", slope[-1], unit="1",
                 note=f"between {bias[-2]:g} and {bias[-1]:g} mV")  # fmt: skip
    sheet.number(
        "gaussian.errors_too_often", ratio[-1], unit="1", note=f"factor at {bias[-1]:g} mV"
    )
    rows = [
        (row["bias"], row["electrons"], engineering(row["time"], "s", 3),
         engineering(other["time"], "s", 3), row["time"] / other["time"],
         engineering(row["heat"], "W", 3), row["time"] * row["heat"] / _KT)
        for row, other in zip(exact, gauss, strict=True)
    ]  # fmt: skip
    sheet.table(
        "biases",
        ["bias (mV)", "electrons of a state", "error time", "if noise were Gaussian",
         "ratio", "heat", "kT burnt per error"],
        rows,
        "Each bias exactly: master equation for jumps, sparse systems for the Gaussian.",
    )  # fmt: skip
    grows = bool((np.diff(np.log(time)) > 0.0).all() and (np.diff(slope) > 0.0).all())
    sheet.check(
        "error_time_exponential",
        "holds" if grows else "violated",
        f"{slope[0]:.2f} to {slope[-1]:.2f} decades per kT/q of bias, never falling",
    )
    sheet.law(
        "first_law_of_the_steady_state",
        exact.column("heat") / exact.column("power"),
        1.0,
        within=1e-10,  # what the audit allows a path in double precision
        detail="heat into four baths over power of two supplies less one",
    )
    sheet.finding(
        f"Between {bias[0]:g} and {bias[-1]:g} mV of bias the error time of a bit of "
        f"{p['capacitance']} nodes grows from {engineering(time[0], 's', 2)} to "
        f"{engineering(time[-1], 's', 2)}, by the end {slope[-1]:.1f} decades for every kT/q "
        f"({1e3 * _VT:.1f} mV), while its heat grows from "
        f"{engineering(exact.column('heat')[0], 'W', 2)} to "
        f"{engineering(exact.column('heat')[-1], 'W', 2)}."
    )
    sheet.finding(
        f"Gaussian noise of the same strength gets typical fluctuations right and rare ones wrong: "
        f"it loses the bit {ratio[0]:.2f} times as often at {bias[0]:g} mV and {ratio[-1]:.2f} "
        f"times as often at {bias[-1]:g} mV, which would not show in any variance."
    )


def _known(rows: Results, name: str, biases: np.ndarray) -> np.ndarray:
    """A column at some of its biases."""
    known = dict(zip(rows.column("bias"), rows.column(name), strict=True))
    return np.array([known[bias] for bias in biases])


def _law(results: Results, sheet: Sheet) -> None:
    laws = results.where(kind="law")
    figure, axes = panels(len(laws))
    image = None
    for axis, row in zip(np.atleast_1d(axes), laws, strict=True):
        axis.set_facecolor("#440154")  # the lowest colour of the map
        chart, low = np.asarray(row["chart"]) / np.log(10.0), 1e3 * np.asarray(row["low"])
        extent = (low[0], -low[0], low[1], -low[1])
        image = axis.imshow(chart.T, origin="lower", extent=extent, vmin=-10.0, vmax=-1.5,
                            cmap="viridis", aspect="equal")  # fmt: skip
        axis.set(xlabel="voltage of a (mV)", ylabel="voltage of b (mV)",
                 title=f"bias {row['bias']:g} mV", xlim=(-95, 95), ylim=(-95, 95))  # fmt: skip
    assert image is not None
    figure.colorbar(image, ax=list(np.atleast_1d(axes)), label="log10 probability of a state",
                    shrink=0.8)  # fmt: skip
    sheet.figure(
        "law",
        figure,
        "Stationary law of the two voltages, every pixel one number of electrons on each node. "
        "Below ln 2 kT/q (17.9 mV) there is one state, above it two; what lies between them "
        "becomes exponentially rare.",
    )


def _times(results: Results, sheet: Sheet, p: Parameters) -> None:
    exact, gauss = results.where(kind="exact"), results.where(kind="gaussian")
    jumps, langevin = results.where(kind="jumps"), results.where(kind="langevin")
    figure, (left, right) = panels(2)
    bias = exact.column("bias")
    left.plot(bias, exact.column("time"), color=_JUMPS, label="jumps, exact")
    left.plot(bias, gauss.column("time"), "--", color=_GAUSS, label="Gaussian noise")
    bars(left, jumps, "bias", "time", label="jumps, paths", **_DOTS)
    bars(left, langevin, "bias", "time", label="Gaussian, paths", **_SQUARES)
    left.set(yscale="log", xlabel="bias (mV)", ylabel="error time (s)",
             title="how long the bit lasts")  # fmt: skip
    left.legend()
    right.plot(bias, exact.column("time") / gauss.column("time"), "o-", color=_GAUSS)
    right.axhline(1.0, color="grey", lw=0.8)
    right.set(xlabel="bias (mV)", ylabel="error rate, Gaussian over jumps",
              title="what Gaussian noise gets wrong")  # fmt: skip
    sheet.figure(
        "error_times",
        figure,
        f"Mean time from one state of the bit until it has gone half way into the other, nodes of "
        f"{p['capacitance']}. Lines are exact; points are {p['paths']} paths each. Right: a "
        "Gaussian with the same mean and variance of every current loses the bit too often.",
    )

    played, late = jumps.column("bias"), 0.02 * langevin.column("time")
    z = (jumps.column("time") - _known(exact, "time", played)) / jumps.column("time_error")
    sheet.law("paths_against_master_equation", z)
    # Steps of 1/60 of the relaxation: the level is seen 0.3 electrons late, 2 %.
    gap = langevin.column("time") - _known(gauss, "time", langevin.column("bias"))
    sheet.law("langevin_against_its_limit", gap / np.hypot(langevin.column("time_error"), late))
    sheet.number("first_law.residual", float(jumps.column("residual").max()), unit="1",
                 note="of the energy exchanged, worst path")  # fmt: skip


def _heat(results: Results, sheet: Sheet) -> None:
    exact, jumps = results.where(kind="exact"), results.where(kind="jumps")
    bias, heat = exact.column("bias"), exact.column("heat")
    figure, (left, right) = panels(2)
    left.plot(bias, 1e15 * heat, color=_JUMPS, label="exact")
    left.plot(bias, 1e15 * exact.column("still"), ":", color=_THIRD, label="mean currents at rest")
    bars(left, jumps, "bias", "heat", unit=1e-15, label="paths", **_DOTS)
    left.set(xlabel="bias (mV)", ylabel="heat (fW)", title="what remembering burns", ylim=(0, None))
    left.legend()
    right.plot(bias, heat * exact.column("time") / _KT, "o-", color=_THIRD)
    right.set(yscale="log", xlabel="bias (mV)", ylabel="heat until an error (kT)",
              title="the price of an error-free stretch")  # fmt: skip
    sheet.figure(
        "heat",
        figure,
        "Heat of the four transistors together. Mean currents at the rest point leave out what "
        "fluctuations through curved characteristics add. Right: heat of one error time.",
    )
    z = (jumps.column("heat") - _known(exact, "heat", jumps.column("bias"))) / jumps.column(
        "heat_error"
    )
    sheet.law("heat_against_master_equation", z)


def _theorem(results: Results, sheet: Sheet) -> None:
    rows = results.where(kind="theorem")
    x, events = rows.column("x"), rows.column("events")
    expected = np.exp(events * (0.5 * x**2 - x * np.tanh(0.5 * x)))
    grid = np.linspace(0.0, float(x.max()) * 1.05, 200)
    traffic = 4.0 / (4.0 + grid**2)
    figure, (left, right) = panels(2)
    bars(left, rows, "x", "jumps", label="jumps", **_DOTS)
    bars(left, rows, "x", "gaussian", label="Gaussian", **_SQUARES)
    left.axhline(1.0, color=_JUMPS, lw=1.0)
    left.plot(grid, np.exp(traffic * (0.5 * grid**2 - grid * np.tanh(0.5 * grid))), "--",
              color=_GAUSS)  # fmt: skip
    left.set(xlabel="bias over kT/q", ylabel=r"$\langle e^{-\Sigma}\rangle$",
             title="the fluctuation theorem asks for 1")  # fmt: skip
    left.legend()
    wide = np.linspace(1e-3, 8.0, 200)
    right.plot(wide, 0.5 * wide / np.tanh(0.5 * wide), color=_JUMPS, label="shot noise")
    right.axhline(1.0, ls="--", color=_GAUSS, label="a Gaussian that obeys the theorem")
    right.set(xlabel="bias over kT/q", ylabel="noise over 4kT I/V",
              title="how much noise there is", ylim=(0, None))  # fmt: skip
    right.legend()
    sheet.figure(
        "theorem",
        figure,
        "One junction at a fixed bias. Left: jumps obey the fluctuation theorem at every bias, a "
        "Gaussian of the same mean and variance does not (dashed: closed form; the wait grows "
        "shorter with the bias, 4/(4 + x^2) events on average). Right: it would need less noise "
        "than the junction has.",
    )
    for name, wanted in (("jumps", 1.0), ("gaussian", expected)):
        z = (rows.column(name) - wanted) / rows.column(f"{name}_error")
        sheet.law(f"theorem_of_{'a_' * (name == 'gaussian')}{name}", z)
    sheet.finding(
        f"At {x[-1]:g} kT/q a junction's jumps give <exp(-Sigma)> = {rows.column('jumps')[-1]:.3f} "
        f"+- {rows.column('jumps_error')[-1]:.3f}, Gaussian noise of the same mean and variance "
        f"{rows.column('gaussian')[-1]:.2f} +- {rows.column('gaussian_error')[-1]:.2f}: it would "
        "let current run against the bias too often. A datasheet that asks for it must say "
        "approximate = true."
    )
