"""Entropy and energy rates over a run: the model's account and the circuit's, apart.

plug-in (model)          expectations over the noised data with the model's score in the place of
                         the law's own: intrinsic (production of generation), exchange, and their
                         sum, the system's
physical (this wiring)   what the paths of this run gave to baths and took from sources, kT, and the
                         pumping E div u, nats; sums over all paths, averaged over bins of ticks

The two agree (heat = -exchange) for an exact score, continuous control and the emf wiring only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from thermohw.report.figures.canvas import PALETTE, Picture, name_lines, new_figure, svg, tidy
from thermohw.report.numerals import plain, power

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from thermohw.report.clock import Clock
    from thermohw.report.facts import Facts

__all__ = ["model_rates", "physical_rates"]

_BINS = 32  # coarser than stored: a bin's mean then stands out of its sampling noise


def model_rates(facts: Facts, clock: Clock) -> Picture | None:
    """The plug-in decomposition; None where the run was stored without likelihood."""
    profile = facts.likelihood.get("profile")
    if not profile or "intrinsic" not in profile:
        return None
    t = np.asarray(profile["time"], dtype=np.float64)
    order = np.argsort(-t)
    t = t[order]
    inside = (t >= clock.model_time[-1]) & (t <= clock.model_time[0])
    intrinsic, exchange = (np.asarray(profile[n])[order] for n in ("intrinsic", "exchange"))
    curves = {
        "intrinsic": (intrinsic, "pumping"),
        "exchange": (exchange, "heat"),
        "system": (intrinsic + exchange, "ink"),
    }
    x = clock.at_model_times(t)[inside]
    heights = {
        name: clock.rates(values, t, facts.process, facts.units)[inside]
        for name, (values, _) in curves.items()
    }
    factor, times = _readable(np.concatenate(list(heights.values())))
    heights = {name: factor * line for name, line in heights.items()}

    def draw() -> Figure:
        figure = new_figure(380, 265)
        axes = figure.add_axes((0.125, 0.165, 0.685, 0.745))
        axes.axhline(0.0, color=PALETTE["muted"], lw=0.7)
        for name, (_, role) in curves.items():
            axes.plot(x, heights[name], color=PALETTE[role], lw=1.6)
        _limits(axes, np.concatenate(list(heights.values())))
        tidy(axes)
        clock.dress(axes, model=True)
        axes.set_ylabel(f"{times}nats per {clock.per}")
        name_lines(axes, x, {n: (h, PALETTE[curves[n][1]]) for n, h in heights.items()})
        return figure

    terms = _integrals(profile)
    listed = ", ".join(f"{name} {plain(value, 3)}" for name, value in terms.items())
    alt = f"Plug-in entropy rates of the model over generation. Integrals in nats: {listed}."
    caption = f"Integrals over generation, nats: {listed}."
    return Picture(svg(draw, name="rates-model", alt=alt), alt, caption, "plug-in (model)")


def physical_rates(facts: Facts, clock: Clock) -> Picture | None:
    """Heat, work and pumping of the run; None where no profile was stored."""
    if facts.profile is None:
        return None
    edges = np.asarray(facts.schedule["profile_edges"])
    keep = np.unique(np.linspace(0, len(edges) - 1, min(_BINS, len(edges) - 1) + 1).round()).astype(
        int
    )
    sums = np.add.reduceat(facts.profile, keep[:-1], axis=0) / facts.paths
    place = clock.at_ticks(edges[keep])
    rates = sums / np.diff(place)[:, None]
    factor, times = _readable(rates)
    rates = factor * rates
    curves = {"heat": (rates[:, 0], "heat"), "work": (rates[:, 1], "work")}
    if np.any(facts.profile[:, 2]):
        curves["pumping"] = (rates[:, 2], "pumping")

    def draw() -> Figure:
        figure = new_figure(380, 265)
        axes = figure.add_axes((0.125, 0.165, 0.685, 0.745))
        axes.axhline(0.0, color=PALETTE["muted"], lw=0.7)
        for heights, role in curves.values():
            axes.stairs(heights, place, color=PALETTE[role], lw=1.5, baseline=None)
        _limits(axes, np.concatenate([h for h, _ in curves.values()]))
        tidy(axes)
        clock.dress(axes, model=True)
        unit = "kT (pumping: nats)" if len(curves) > 2 else "kT"
        axes.set_ylabel(f"{times}{unit} per {clock.per}")
        middles = 0.5 * (place[1:] + place[:-1])
        name_lines(axes, middles, {n: (h, PALETTE[role]) for n, (h, role) in curves.items()})
        return figure

    totals = zip(curves, sums.sum(0), strict=False)  # curves are the leading columns
    listed = ", ".join(f"{name} {plain(float(total), 3)}" for name, total in totals)
    alt = f"Rates measured on the circuit over generation. Totals per sample: {listed}."
    caption = f"Totals per sample: {listed} ({'kT and nats' if len(curves) > 2 else 'kT'})."
    title = f"physical (this wiring: {facts.wiring}, {facts.protocol['control']})"
    return Picture(svg(draw, name="rates-physical", alt=alt), alt, caption, title)


def _readable(values: np.ndarray) -> tuple[float, str]:
    """A factor of a thousand or more that makes small rates readable, and what to write for it."""
    largest = float(np.abs(values[np.isfinite(values)]).max(initial=0.0))
    if largest >= 0.05 or largest == 0.0:
        return 1.0, ""
    exponent = 3 * round(float(np.log10(largest)) / 3.0)
    return 10.0**-exponent, f"{power(exponent)} "


def _integrals(profile: dict[str, np.ndarray]) -> dict[str, float]:
    weight = np.asarray(profile["weight"])
    parts = {name: float(weight @ np.asarray(profile[name])) for name in ("intrinsic", "exchange")}
    return {**parts, "system": parts["intrinsic"] + parts["exchange"]}


def _limits(axes: object, values: np.ndarray) -> None:
    """Room for every curve, zero included."""
    from matplotlib.axes import Axes

    assert isinstance(axes, Axes)
    finite = values[np.isfinite(values)]
    low, high = min(0.0, float(finite.min())), max(0.0, float(finite.max()))
    span = (high - low) or 1.0
    axes.set_ylim(low - 0.06 * span, high + 0.06 * span)
