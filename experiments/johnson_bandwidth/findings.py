"""Figures, table and checks of the study johnson_bandwidth."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from thermohw.circuit import load_device
from thermohw.circuit.noises import added_covariance, mean_power
from thermohw.estimate import Estimate
from thermohw.experiments.johnson_bandwidth.compute import HORIZON, source_of
from thermohw.experiments.shared.estimates import estimates, pair
from thermohw.experiments.shared.figures import bars, drawn
from thermohw.study import Parameters, Results, Sheet
from thermohw.study.figures import PALETTE, panels

_COLOUR = {"one-pole": "heat", "staircase": "work", "interpolated": "generated"}
_MARK = {"one-pole": "o", "staircase": "s", "interpolated": "^"}
FOLLOWS, HELD = 2.6975, 3.4810  # k T, white noise


def closed_forms(shape: str, bandwidth: float) -> dict[str, float]:
    """Free node on noise of the density of its resistor, in k T and R C.

    A current's whole mean power heats R, so the variance it keeps up is that power; in series the
    generator heats R directly, too.
    """
    device = load_device("rc1")
    series = source_of(shape, bandwidth)
    node = replace(series, element=None, port=np.ones(1))
    return {
        "variance": mean_power(device, node),
        "at_samples": float(added_covariance(device, node)[0, 0]),
        "power": mean_power(device, series),
    }


def conclude(p: Parameters, results: Results, sheet: Sheet) -> None:
    """Everything the study shows."""
    free, driven = results.where(kind="free"), results.where(kind="driven")
    known = [closed_forms(row["shape"], row["bandwidth"]) for row in free]
    exact = np.array([form["variance"] for form in known])
    z = (free.column("variance") - exact) / free.column("variance.stderr")
    sheet.law("variance of a free node", z, detail="runs against their closed forms")
    # The source's own answer to the noise is left out of the closed form: some 2 of 4 a B kT a RC.
    held = driven.where(hold=p["hold"])
    power = np.array([closed_forms(row["shape"], row["bandwidth"])["power"] for row in held])
    excess = np.abs(held.column("injected") / HORIZON - power)
    errors = held.column("injected.stderr") / HORIZON
    sheet.law(
        "power of the generator",
        [Estimate(float(e), float(s)) for e, s in zip(excess, errors, strict=True)],
        2.0,
        relation="<=",
        detail=f"driven runs against the free node's closed form: at most {excess.max():.2f} kT a "
        f"RC apart (the source's answer explains 2)",
    )
    # Six numbers of the size of the energy exchanged are rounded a piece: six standard deviations
    # of that walk are 8 sqrt(pieces) 2^-53 of it.
    exchanged = sum(np.abs(driven.column(name)) for name in ("work", "injected", "heat"))
    rounding = 8.0 * 2.0**-53 * np.sqrt(driven.column("pieces")) * exchanged
    sheet.law(
        "first law", driven.column("residual") / rounding, within=1.0,
        detail=f"largest residual of a path {driven.column('residual').max():.1e} kT, over what "
        "rounding explains; both works and the heat are booked apart",
    )  # fmt: skip
    top = max(p["bandwidths"])
    _limits(driven, top, p, sheet)
    drawn(sheet, "free", _free_figure, p, free, driven)
    drawn(sheet, "driven", _driven_figure, p, driven)
    _table(free, driven, sheet)
    one = closed_forms("one-pole", top)
    sheet.finding(
        f"A node needs noise to ten times its own corner: at B = {10 / 6.283:.2g}/RC one-pole "
        "noise leaves 9 % of kT/C out, at a hundred times 1 %. Interpolated samples lose half a "
        "sample interval over RC, held ones a third, averaged over time."
    )
    sheet.finding(
        "What a held source works depends on the noise's bandwidth, not on its strength: noise "
        "slower than a tick lets it work as if it followed the noise (2.70 kT), noise faster than "
        "a tick costs it the white-noise value (3.48 kT). The samples are as good either way."
    )
    sheet.finding(
        f"The generator takes {one['power']:.0f} kT a RC at a corner of {top:g}/RC, "
        f"{HORIZON * one['power'] / FOLLOWS:.0f} times the work of the source in a run; its power "
        "grows in proportion to the bandwidth. Injected noise is not a bath."
    )


def _limits(driven: Results, top: float, p: Parameters, sheet: Sheet) -> None:
    """Works at the widest and the narrowest noise against the two values for white noise."""
    low = min(p["bandwidths"])
    for shape in _COLOUR:
        for hold, name, published, words in (
            (0.0, "follows", FOLLOWS, "source follows"),
            (p["hold"], "held", HELD, "held"),
        ):
            row = driven.where(shape=shape, bandwidth=top, hold=hold)[0]
            note = f"{words}, B = {top:g}/RC; published: white noise"
            found = pair(row, "work")
            sheet.number(f"work.{name}.{shape}", *found, unit="kT", published=published, note=note)
    rows = [driven.where(shape=s, bandwidth=b, hold=h)[0] for s in _COLOUR
            for b, h in ((low, 0.0), (low, p["hold"]))]  # fmt: skip
    works = estimates(rows, "work")
    gaps = [held - follows for follows, held in zip(works[::2], works[1::2], strict=True)]
    sheet.law(
        "slow noise does nothing during a tick",
        gaps,
        detail=f"at B = {low:g}/RC held and following sources differ by at most "
        f"{max(abs(gap.value) for gap in gaps):.3f} kT",
    )
    follows = [driven.where(shape=s, bandwidth=top, hold=0.0)[0] for s in _COLOUR]
    # A bandwidth B leaves some 1/(2 pi B) of the noise out.
    slack = 0.15 * FOLLOWS * 10.0 / (6.283 * top)
    sheet.law(
        "a source that follows works as with white noise",
        [Estimate(abs(row["work"] - FOLLOWS), row["work.stderr"]) for row in follows], slack,
        relation="<=", detail=f"{FOLLOWS} kT at B = {top:g}/RC (bandwidth explains {slack:.2g} kT)",
    )  # fmt: skip


def _free_figure(p: Parameters, free: Results, driven: Results) -> Figure:
    """A node that only a generator shakes. Left: its variance, averaged over time. Right: the power
    that a generator in series drives through the resistor; a bath would take none. Lines: closed
    forms of a free node; marks: runs, on the right those of the mixture."""
    figure, (left, right) = panels(2, height=280)
    bands = np.geomspace(min(p["bandwidths"]), max(p["bandwidths"]), 40)
    for shape, role in _COLOUR.items():
        forms = [closed_forms(shape, float(b)) for b in bands]
        own = free.where(shape=shape).sorted("bandwidth")
        held = driven.where(shape=shape, hold=p["hold"]).sorted("bandwidth")
        look: dict[str, Any] = {"fmt": _MARK[shape], "ms": 4, "color": PALETTE[role]}
        for axes, name in ((left, "variance"), (right, "power")):
            axes.plot(bands, [form[name] for form in forms], color=PALETTE[role], lw=1.6)
        bars(left, own, "bandwidth", "variance", label=shape, **look)
        bars(right, held, "bandwidth", "injected", unit=HORIZON, **look)
    left.axhline(1.0, color=PALETTE["muted"], lw=0.8, ls=":")
    left.set(xscale="log", ylim=(0.0, 1.1), ylabel="variance (kT/C)")
    right.set(xscale="log", yscale="log", ylabel="power of the generator (kT per RC)")
    for axes in (left, right):
        axes.set_xlabel("corner or sample rate (1/RC)")
    left.legend(loc="lower right")
    return figure


def _driven_figure(p: Parameters, rows: Results) -> Figure:
    """A mixture generated on that noise. Left: work of the controlled source; filled marks follow
    the state, open ones are held for a hundredth of RC. Right: distance of the samples from the
    mixture (W1, dotted: what perfect samples have)."""
    figure, (left, right) = panels(2, height=280)
    for shape, role in _COLOUR.items():
        for hold in (0.0, p["hold"]):
            own = rows.where(shape=shape, hold=hold).sorted("bandwidth")
            look: dict[str, Any] = {"mfc": "none", "ls": (0, (4, 2))} if hold else {}
            look |= {"marker": _MARK[shape], "ms": 4, "color": PALETTE[role], "lw": 1.2}
            bars(left, own, "bandwidth", "work", label=None if hold else shape, **look)
            right.plot(own.column("bandwidth"), own.column("distance"), **look)
    for value, words, dash in (
        (HELD, "white noise, held", (0, (4, 2, 1, 2))),
        (FOLLOWS, "white noise, follows", ":"),
    ):
        left.axhline(value, color=PALETTE["ink"], lw=0.8, ls=dash, label=words)
    left.set(xscale="log", ylabel="work of the controlled source (kT)")
    left.set_ylim(top=HELD + 0.15)
    left.legend(loc="center left", bbox_to_anchor=(0.0, 0.66))
    floor = float(np.mean(rows.column("floor")))
    right.axhline(floor, color=PALETTE["ink"], lw=0.8, ls=":")
    right.set(xscale="log", yscale="log", ylabel="W₁ to the mixture (V₀)")
    for axes in (left, right):
        axes.set_xlabel("corner or sample rate (1/RC)")
    return figure


def _table(free: Results, driven: Results, sheet: Sheet) -> None:
    rows = []
    for row in driven:
        node = free.where(shape=row["shape"], bandwidth=row["bandwidth"])[0]
        source = "held" if row["hold"] else "follows"
        values = [node["variance"], row["work"], row["work.stderr"]]
        values += [row["heat"] - row["injected"], row["injected"], row["distance"]]
        numbers = [round(value, n) for value, n in zip(values, (4, 3, 3, 3, 1, 4), strict=True)]
        rows.append([row["shape"], row["bandwidth"], source, *numbers])
    sheet.table(
        "driven",
        ["noise", "B (1/RC)", "source", "free variance (kT/C)", "work", "+-",
         "heat less injected", "injected work", "W1"],
        rows,
        caption="Five RC of generation, kT a sample; the free node's variance beside it. Heat less "
        "injected work is what a bath at T would have taken.",
    )  # fmt: skip
