"""The demon's story: what a clocked run removed, gave and paid, added up over time.

entropy removed    -(S(t) - S(0)) of the noised data, from the model's own rates: the plug-in
                   account, whose integral is exact for the exact score
heat given         into all baths so far, the mean over this run's paths
information paid   sum of I_k of the readings so far; infinite for exact readings, and left out

Information is nats and may be a thousand times the rest, so that it has a panel of its own over
the same time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from thermohw.report.figures.canvas import PALETTE, Picture, name_lines, new_figure, svg, tidy
from thermohw.report.numerals import plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from thermohw.report.clock import Clock
    from thermohw.report.facts import Facts

__all__ = ["demon_story"]

_TITLE = "added up over the run, per sample"
_LABELS = -0.185  # of the axes' width: where the names of both vertical axes stand
_Curve = tuple[np.ndarray, np.ndarray, str]  # places, heights, role


def demon_story(facts: Facts, clock: Clock) -> Picture | None:
    """The three sums over time; None for continuous control, or without a profile."""
    if not facts.clocked or facts.profile is None:
        return None
    edges = clock.at_ticks(np.asarray(facts.schedule["profile_edges"]))
    curves: dict[str, _Curve] = {}
    removed = _removed(facts, clock)
    if removed is not None:
        curves["entropy removed"] = (*removed, "ink")
    curves["heat given"] = (edges, _from_zero(facts.profile[:, 0] / facts.paths), "heat")
    told = facts.information.get("per_reading")
    paid = None if told is None else _from_zero(np.asarray(told, dtype=np.float64))
    if paid is not None and len(paid) != facts.ticks + 1:
        paid = None

    def draw() -> Figure:
        two = paid is not None
        figure = new_figure(380, 370 if two else 250)
        low, high = (0.46, 0.455) if two else (0.165, 0.735)
        axes = figure.add_axes((0.14, low, 0.64, high))
        axes.axhline(0.0, color=PALETTE["muted"], lw=0.7)
        for x, y, role in curves.values():
            axes.plot(x, y, color=PALETTE[role], lw=1.6)
        _limits(axes, np.concatenate([y for _, y, _ in curves.values()]))
        tidy(axes)
        clock.dress(axes, model=True)
        axes.set_ylabel("nats; heat in kT")
        axes.yaxis.set_label_coords(_LABELS, 0.5)
        named = {n: (np.interp(edges, x, y), PALETTE[r]) for n, (x, y, r) in curves.items()}
        name_lines(axes, edges, {n.replace(" ", "\n"): line for n, line in named.items()}, gap=26.0)
        if paid is not None:
            axes.set_xlabel("")
            axes.tick_params(labelbottom=False)
            below = figure.add_axes((0.14, 0.115, 0.64, 0.275))
            place = clock.at_ticks(np.arange(facts.ticks + 1))
            below.plot(place, paid, color=PALETTE["pumping"], lw=1.6)
            _limits(below, paid)
            tidy(below, y=3)
            clock.dress(below)
            below.set_ylabel("nats")
            below.yaxis.set_label_coords(_LABELS, 0.5)
            line = {"information\npaid": (paid, PALETTE["pumping"])}
            name_lines(below, place, line, gap=26.0)
        return figure

    words = [f"{name} {plain(float(y[-1]), 4)}" for name, (_, y, _) in curves.items()]
    remarks = []
    if paid is None:
        remarks.append(_no_information(facts))
    else:
        words.append(f"information paid {plain(float(paid[-1]), 4)}")
        if bool(facts.information.get("bound", False)):
            remarks.append("Information is an upper bound: that of the analog readings.")
    if removed is None:
        remarks.append("The run was stored without its likelihood: no entropy on the way.")
    totals = f"At the end, per sample: {', '.join(words)} (nats; heat in kT)."
    caption = " ".join([totals, *remarks])
    alt = f"Entropy removed, heat given and information paid, added up over the run. {caption}"
    return Picture(svg(draw, name="demon-story", alt=alt), alt, caption, _TITLE)


def _removed(facts: Facts, clock: Clock) -> tuple[np.ndarray, np.ndarray] | None:
    """Places and -(S(t) - S(0)) from the model's rates; None without them."""
    profile = facts.likelihood.get("profile")
    if not profile or "intrinsic" not in profile:
        return None
    t = np.asarray(profile["time"], dtype=np.float64)
    order = np.argsort(-t)
    system, weight = (
        np.asarray(row, dtype=np.float64)[order]
        for row in (
            np.asarray(profile["intrinsic"]) + np.asarray(profile["exchange"]),
            profile["weight"],
        )
    )
    share = weight * system
    inside = np.cumsum(share) - 0.5 * share  # a node stands for the stretch around it
    place = clock.at_model_times(t[order])
    places = np.concatenate([[0.0], place, [clock.end]])
    return places, -np.concatenate([[0.0], inside, [share.sum()]])


def _from_zero(parts: np.ndarray) -> np.ndarray:
    return np.concatenate([[0.0], np.cumsum(parts)])


def _no_information(facts: Facts) -> str:
    """Why no information is drawn."""
    if facts.protocol.get("reading_noise") is None and facts.protocol.get("adc_bits") is None:
        return "Readings without noise carry infinite information: no curve can show it."
    return "What each reading told is not known tick by tick: no curve of it."


def _limits(axes: object, values: np.ndarray) -> None:
    from matplotlib.axes import Axes

    assert isinstance(axes, Axes)
    low, high = min(0.0, float(values.min())), max(0.0, float(values.max()))
    span = (high - low) or 1.0
    axes.set_ylim(low - 0.06 * span, high + 0.12 * span)
