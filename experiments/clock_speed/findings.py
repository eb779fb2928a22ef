"""What clock_speed concludes: figures, tables and checks."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from thermohw.circuit import load_device
from thermohw.experiments.clock_speed.compute import KT
from thermohw.experiments.shared.figures import bars, ticks_at
from thermohw.program.clock import injected_power
from thermohw.study import Results, Sheet
from thermohw.study.figures import COLOURS, PALETTE, panels, shades


def conclude(p: dict[str, Any], results: Results, sheet: Sheet) -> None:
    """Two figures, two tables, four checks."""
    device = load_device("quartic-langevin")
    # The generator's band is as many relaxation rates wide at every lambda; power in watt.
    bandwidth = p["bandwidth"] / (2.0 * np.pi * device.scale.time)
    power = {f: sum(injected_power(device, f, bandwidth * f)) for f in p["factors"]}
    factors = sorted(p["factors"])
    same = _statistics(results, factors)
    sheet.law(
        "the same statistics at every lambda",
        same,
        detail=f"largest of {len(same)} differences from lambda = 1, at equal lambda times time: "
        f"{np.abs(same).max():.2f} standard errors",
    )
    rest = _rest(results)
    sheet.law(
        "relaxation ends where the quartic energy says",
        rest,
        detail="<x^2> and <x^4> against quadrature: at most "
        f"{np.abs(rest).max():.2f} standard errors",
    )
    books = _books(results, factors, sheet)
    sheet.law(
        "joules grow as lambda, nats stay",
        books,
        detail="heat and work over lambda, entropy and dissipation: at most "
        f"{np.abs(books).max():.2f} standard errors from those of lambda = 1",
    )
    theorem = results.where(kind="program")
    z = theorem.column("jarzynski") - theorem.column("ratio")
    z = z / theorem.column("jarzynski.stderr")
    effective = float(theorem.column("effective").min())
    name = "<exp(-A)> = Z1/Z0 of the program"
    detail = f"at most {np.abs(z).max():.2f} standard errors; {effective:.3g} effective paths"
    if theorem.column("trusted").all():
        sheet.law(name, z, detail=f"{detail} or more")
    else:
        sheet.check(name, "not-applicable", f"{detail}: too few, or too heavy a tail")
    _generator(p, results, factors, power, sheet)
    sheet.figure(
        "time",
        _time_figure(results, factors),
        "Left: a quartic unit relaxes from x = 0; right: the covariance of four coupled units "
        "approaches the inverse of a matrix, error relative to it. Both in physical time, one line "
        "a lambda; each is the first one moved to the left by ln lambda. Dotted: rest, and the "
        "error that as many paths leave.",
    )
    sheet.figure(
        "cost",
        _cost_figure(results, factors, power),
        "Left: heat of the tipping program at the effective temperature, in k T at 300 K, against "
        "what the injected noise alone puts into the resistor meanwhile. Right: entropy "
        "of the same heat. Dashed: the mean of all dots, times lambda on the left.",
    )
    first, last = (theorem.where(factor=f) for f in (factors[0], factors[-1]))
    gain = factors[-1] / factors[0]
    ratio = _one(last, "heat") / _one(first, "heat")
    shares = [_one(row, "heat.stderr") / _one(row, "heat") for row in (first, last)]
    spread = ratio * float(np.linalg.norm(shares))
    sheet.finding(
        f"At lambda = {factors[-1]:g} the program takes "
        f"{_one(last, 'duration') * 1e9:.4g} ns instead of {_one(first, 'duration') * 1e9:.4g} ns "
        f"and its heat is {ratio:.3g} +- {spread:.1g} times as large ({gain:g} expected): the same "
        f"{_one(last, 'entropy'):.3g} nats at a hotter bath."
    )
    share = power[factors[-1]] * _one(last, "duration") / _one(last, "heat")
    sheet.finding(
        f"Injected noise of {p['bandwidth']:g} relaxation rates' bandwidth puts {share:.3g} times "
        "the program's heat into the resistor on top; what the generator and the couplings draw "
        "from their supplies is not included."
    )


def _one(rows: Results, key: str) -> float:
    return float(rows.column(key)[0])


def _statistics(results: Results, factors: list[float]) -> np.ndarray:
    """Differences from lambda = 1 in standard errors."""
    found = []
    keys = {"relaxation": ("x2", "x4"), "inversion": ("covariance",),
            "program": ("left", "end.x2")}  # fmt: skip
    for kind, names in keys.items():
        for name in names:
            base = results.where(kind=kind, factor=1.0)
            for factor in factors[1:]:
                rows = results.where(kind=kind, factor=factor)
                found.append(_difference(rows, base, name))
    return np.concatenate(found)


def _difference(rows: Results, base: Results, name: str, scale: float = 1.0) -> np.ndarray:
    """(value / scale - value at lambda = 1) in standard errors; what has none drops out."""
    a, b = (np.atleast_1d(r.column(name)[0]) for r in (rows, base))
    ea, eb = (np.atleast_1d(r.column(f"{name}.stderr")[0]) for r in (rows, base))
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
    base = program.where(factor=1.0)
    for factor in factors:
        row = program.where(factor=factor)
        rows.append(
            [
                f"{factor:g}",
                f"{_one(row, 'duration') * 1e9:.5g}",
                *(f"{_one(row, k) / KT:.4g} ± {_one(row, k + '.stderr') / KT:.2g}"
                  for k in ("work", "heat")),
                *(f"{_one(row, k):.4g} ± {_one(row, k + '.stderr'):.2g}"
                  for k in ("entropy", "dissipated", "left")),
            ]
        )  # fmt: skip
        for key, scale in (
            ("heat", factor),
            ("work", factor),
            ("entropy", 1.0),
            ("dissipated", 1.0),
        ):
            if factor != 1.0:
                off.append(_difference(row, base, key, scale))
        sheet.number(
            f"heat.{factor:g}", _one(row, "heat") / KT, _one(row, "heat.stderr") / KT, "kT",
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


def _generator(
    p: dict[str, Any],
    results: Results,
    factors: list[float],
    power: dict[float, float],
    sheet: Sheet,
) -> None:
    """What the noise above the bath's costs, apart from the heat."""
    rows = []
    for factor in factors:
        row = results.where(kind="program", factor=factor)
        time, heat = _one(row, "duration"), _one(row, "heat")
        rows.append(
            [
                f"{factor:g}",
                f"{300.0 * factor:g}",
                f"{heat / KT:.4g}",
                f"{power[factor] * time / KT:.4g}",
                "not included",
                "not included",
            ]
        )
    sheet.table(
        "generator",
        ["λ", "effective T (K)", "heat (kT)", f"injected noise, {p['bandwidth']:g}/(2πRC) λ (kT)",
         "generator's supply", "couplings' supply"],
        rows,
        "Where the energy of the program goes; the injected noise's share needs a bandwidth, the "
        "supplies need a design, and no published number gives either.",
    )  # fmt: skip


def _time_figure(results: Results, factors: list[float]) -> Figure:
    figure, (left, right) = panels(2, height=270)
    colours = shades(len(factors))
    rows = results.where(kind="relaxation", factor=1.0)
    for factor, colour in zip(factors, colours, strict=True):
        row = results.where(kind="relaxation", factor=factor)
        time, value = row.column("time")[0][1:] * 1e9, row.column("x2")[0][1:]
        error = row.column("x2.stderr")[0][1:]
        left.fill_between(time, value - 2 * error, value + 2 * error, color=colour, alpha=0.2, lw=0)
        left.plot(time, value, color=colour, lw=1.6, label=f"λ = {factor:g}")
        row = results.where(kind="inversion", factor=factor)
        right.plot(row.column("time")[0][1:] * 1e9, row.column("error")[0][1:], color=colour,
                   lw=1.6)  # fmt: skip
    left.axhline(_one(rows, "rest.x2"), color=PALETTE["muted"], lw=0.9, ls=":")
    floor = _one(results.where(kind="inversion", factor=1.0), "floor")
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
    figure, (left, right) = panels(2, height=270)
    program, x = results.where(kind="program").sorted("factor"), np.array(factors)

    def values(key: str) -> np.ndarray:
        return program.column(key)

    heat = values("heat") / KT
    left.plot(x, (heat / x).mean() * x, color=PALETTE["muted"], lw=0.9, ls="--")
    dots: dict[str, Any] = {"fmt": "o", "ms": 3}
    bars(left, program, x, "heat", unit=KT, color=COLOURS[1], **dots)
    injected = np.array([power[f] for f in factors]) * values("duration") / KT
    left.plot(x[x > 1], injected[x > 1], "s", color=COLOURS[2], ms=4)
    left.annotate("heat", (x[-1], heat[-1]), xytext=(-6, 6), textcoords="offset points", ha="right",
                  color=COLOURS[1])  # fmt: skip
    left.annotate("injected noise", (x[-1], injected[-1]), xytext=(-8, 4), ha="right",
                  textcoords="offset points", color=COLOURS[2])  # fmt: skip
    left.set(xscale="log", yscale="log", xlabel="λ", ylabel="energy (k T at 300 K)",
             title="joules of one program")  # fmt: skip
    nats = values("entropy")
    right.axhline(float(nats.mean()), color=PALETTE["muted"], lw=0.9, ls="--")
    bars(right, program, x, "entropy", color=COLOURS[0], **dots)
    right.set(
        xscale="log",
        xlabel="λ",
        ylabel="entropy of the bath (nats)",
        title="nats of the same",
        ylim=(0.85 * float(nats.min()), 1.15 * float(nats.max())),
    )
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
