"""What clock_speed concludes: figures, tables and checks."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from thermohw.circuit import load_device
from thermohw.experiments.clock_speed.compute import KT
from thermohw.experiments.shared.figures import bars, drawn, ticks_at
from thermohw.program.clock import injected_power
from thermohw.study import Parameters, Results, Row, Sheet
from thermohw.study.figures import COLOURS, PALETTE, panels, shades


def conclude(p: Parameters, results: Results, sheet: Sheet) -> None:
    """Two figures, two tables, four checks."""
    device = load_device("quartic-langevin")
    # The generator's band is as many relaxation rates wide at every lambda; power in watt.
    bandwidth = p["bandwidth"] / (2.0 * np.pi * device.scale.time)
    power = {f: sum(injected_power(device, f, bandwidth * f)) for f in p["factors"]}
    factors = sorted(p["factors"])
    same, rest = _statistics(results, factors), _rest(results)
    said = "differences from lambda = 1, at equal lambda times time"
    sheet.law("the same statistics at every lambda", same, detail=said)
    said = "<x^2> and <x^4> against quadrature"
    sheet.law("relaxation ends where the quartic energy says", rest, detail=said)
    books = _books(results, factors, sheet)
    said = "heat and work over lambda, entropy and dissipation against those of lambda = 1"
    sheet.law("joules grow as lambda, nats stay", books, detail=said)
    theorem = results.where(kind="program")
    z = theorem.column("jarzynski") - theorem.column("ratio")
    z = z / theorem.column("jarzynski.stderr")
    effective = float(theorem.column("effective").min())
    name = "<exp(-A)> = Z1/Z0 of the program"
    detail = f"{effective:.3g} effective paths"
    if theorem.column("trusted").all():
        sheet.law(name, z, detail=f"{detail} or more")
    else:
        sheet.check(name, "not-applicable", f"{detail}: too few, or too heavy a tail")
    _generator(p, theorem, power, sheet)
    drawn(sheet, "time", _time_figure, results, factors)
    drawn(sheet, "cost", _cost_figure, results, factors, power)
    first, last = (theorem.where(factor=f)[0] for f in (factors[0], factors[-1]))
    gain, ratio = factors[-1] / factors[0], last["heat"] / first["heat"]
    shares = [row["heat.stderr"] / row["heat"] for row in (first, last)]
    spread = ratio * float(np.linalg.norm(shares))
    sheet.finding(
        f"At lambda = {factors[-1]:g} the program takes "
        f"{last['duration'] * 1e9:.4g} ns instead of {first['duration'] * 1e9:.4g} ns "
        f"and its heat is {ratio:.3g} +- {spread:.1g} times as large ({gain:g} expected): the same "
        f"{last['entropy']:.3g} nats at a hotter bath."
    )
    share = power[factors[-1]] * last["duration"] / last["heat"]
    sheet.finding(
        f"Injected noise of {p['bandwidth']:g} relaxation rates' bandwidth puts {share:.3g} times "
        "the program's heat into the resistor on top; what the generator and the couplings draw "
        "from their supplies is not included."
    )


def _statistics(results: Results, factors: list[float]) -> np.ndarray:
    """Differences from lambda = 1 in standard errors."""
    found = []
    keys = {"relaxation": ("x2", "x4"), "inversion": ("covariance",),
            "program": ("left", "end.x2")}  # fmt: skip
    for kind, names in keys.items():
        base = results.where(kind=kind, factor=1.0)[0]
        for name in names:
            for factor in factors[1:]:
                row = results.where(kind=kind, factor=factor)[0]
                found.append(_difference(row, base, name))
    return np.concatenate(found)


def _difference(row: Row, base: Row, name: str, scale: float = 1.0) -> np.ndarray:
    """(value / scale - value at lambda = 1) in standard errors; what has none drops out."""
    a, b, ea, eb = (np.atleast_1d(r[key]) for key in (name, f"{name}.stderr") for r in (row, base))
    error = np.sqrt((ea / scale) ** 2 + eb**2)
    return ((a / scale - b)[error > 0.0]) / error[error > 0.0]


def _rest(results: Results) -> list[float]:
    """Last moments of the relaxation against the quadrature, standard errors."""
    return [
        float((row[name][-1] - row[f"rest.{name}"]) / row[f"{name}.stderr"][-1])
        for row in results.where(kind="relaxation")
        for name in ("x2", "x4")
    ]


def _books(results: Results, factors: list[float], sheet: Sheet) -> np.ndarray:
    """The table of the program, and all deviations from the claim in standard errors."""
    program, rows, off = results.where(kind="program"), [], []
    base = program.where(factor=1.0)[0]
    for factor in factors:
        row = program.where(factor=factor)[0]
        words = [f"{factor:g}", f"{row['duration'] * 1e9:.5g}"]
        for key in ("work", "heat", "entropy", "dissipated", "left"):
            unit, scale = (KT, factor) if key in ("work", "heat") else (1.0, 1.0)
            words.append(f"{row[key] / unit:.4g} ± {row[f'{key}.stderr'] / unit:.2g}")
            if factor != 1.0 and key != "left":
                off.append(_difference(row, base, key, scale))
        rows.append(words)
        sheet.number(
            f"heat.{factor:g}", row["heat"] / KT, row["heat.stderr"] / KT, "kT",
            note="of the tipping program, at the effective temperature, k T at 300 K",
        )  # fmt: skip
    sheet.table(
        "program",
        ["λ", "time (ns)", "work (kT)", "heat (kT)", "entropy (nats)", "dissipated (nats)",
         "in the left well"],
        rows,
        "A quartic well that becomes two and is tipped over; k T at 300 K, means over paths.",
    )  # fmt: skip
    return np.concatenate(off)


def _generator(p: Parameters, program: Results, power: dict[float, float], sheet: Sheet) -> None:
    """What the noise above the bath's costs, apart from the heat."""
    rows = []
    for row in program.sorted("factor"):
        factor = row["factor"]
        values = (factor, 300.0 * factor, row["heat"] / KT, power[factor] * row["duration"] / KT)
        forms = zip(values, ("g", "g", ".4g", ".4g"), strict=True)
        rows.append([*(f"{v:{form}}" for v, form in forms), "not included", "not included"])
    sheet.table(
        "generator",
        ["λ", "effective T (K)", "heat (kT)", f"injected noise, {p['bandwidth']:g}/(2πRC) λ (kT)",
         "generator's supply", "couplings' supply"],
        rows,
        "Where the energy of the program goes; the injected noise's share needs a bandwidth, the "
        "supplies need a design, and no published number gives either.",
    )  # fmt: skip


def _time_figure(results: Results, factors: list[float]) -> Figure:
    """Left: a quartic unit relaxes from x = 0; right: the covariance of four coupled units
    approaches the inverse of a matrix, error relative to it. Both in physical time, one line a
    lambda; each is the first one moved to the left by ln lambda. Dotted: rest, and the error that
    as many paths leave."""
    figure, (left, right) = panels(2, height=270)
    colours = shades(len(factors))
    rows = results.where(kind="relaxation", factor=1.0)
    for factor, colour in zip(factors, colours, strict=True):
        row = results.where(kind="relaxation", factor=factor)[0]
        time, value, error = row["time"][1:] * 1e9, row["x2"][1:], row["x2.stderr"][1:]
        left.fill_between(time, value - 2 * error, value + 2 * error, color=colour, alpha=0.2, lw=0)
        left.plot(time, value, color=colour, lw=1.6, label=f"λ = {factor:g}")
        row = results.where(kind="inversion", factor=factor)[0]
        right.plot(row["time"][1:] * 1e9, row["error"][1:], color=colour, lw=1.6)
    left.axhline(rows[0]["rest.x2"], color=PALETTE["muted"], lw=0.9, ls=":")
    floor = results.where(kind="inversion", factor=1.0)[0]["floor"]
    right.axhline(floor, color=PALETTE["muted"], lw=0.9, ls=":")
    left.set(xscale="log", xlabel="time (ns)", ylabel="⟨x²⟩", title="a quartic unit relaxes",
             ylim=(0.0, None))  # fmt: skip
    right.set(xscale="log", yscale="log", xlabel="time (ns)", ylabel="relative error of A⁻¹",
              title="four linear units invert a matrix")  # fmt: skip
    left.legend(loc="lower right")
    left.set_yticks(np.arange(0.0, 0.05, 0.01))
    _decades(left, x=True)
    _decades(right, x=True, y=True)
    return figure


def _cost_figure(results: Results, factors: list[float], power: dict[float, float]) -> Figure:
    """Left: heat of the tipping program at the effective temperature, in k T at 300 K, against what
    the injected noise alone puts into the resistor meanwhile. Right: entropy of the same heat.
    Dashed: the mean of all dots, times lambda on the left."""
    figure, (left, right) = panels(2, height=270)
    program, x = results.where(kind="program").sorted("factor"), np.array(factors)
    heat, nats = program.column("heat") / KT, program.column("entropy")
    left.plot(x, (heat / x).mean() * x, color=PALETTE["muted"], lw=0.9, ls="--")
    dots: dict[str, Any] = {"fmt": "o", "ms": 3}
    bars(left, program, x, "heat", unit=KT, color=COLOURS[1], **dots)
    injected = np.array([power[f] for f in factors]) * program.column("duration") / KT
    left.plot(x[x > 1], injected[x > 1], "s", color=COLOURS[2], ms=4)
    left.annotate("heat", (x[-1], heat[-1]), xytext=(-6, 6), textcoords="offset points", ha="right",
                  color=COLOURS[1])  # fmt: skip
    left.annotate("injected noise", (x[-1], injected[-1]), xytext=(-8, 4), ha="right",
                  textcoords="offset points", color=COLOURS[2])  # fmt: skip
    left.set(xscale="log", yscale="log", xlabel="λ", ylabel="energy (k T at 300 K)",
             title="joules of one program")  # fmt: skip
    right.axhline(float(nats.mean()), color=PALETTE["muted"], lw=0.9, ls="--")
    bars(right, program, x, "entropy", color=COLOURS[0], **dots)
    right.set(xscale="log", xlabel="λ", ylabel="entropy of the bath (nats)",
              title="nats of the same")  # fmt: skip
    right.set_ylim(0.85 * float(nats.min()), 1.15 * float(nats.max()))
    for axes in (left, right):
        ticks_at(axes, x)
    _decades(left, y=True)
    return figure


def _decades(axes: Axes, *, x: bool = False, y: bool = False) -> None:
    """Powers of ten as ticks of logarithmic axes."""
    for name, wanted, limits in (("x", x, axes.get_xlim()), ("y", y, axes.get_ylim())):
        if wanted:
            low, high = np.log10(limits)
            ticks_at(axes, **{name: 10.0 ** np.arange(np.ceil(low), np.floor(high) + 1.0)})
