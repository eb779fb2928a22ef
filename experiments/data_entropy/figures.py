"""Figures of the study data_entropy."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from thermohw.experiments.shared.figures import ticks_at
from thermohw.study import Row
from thermohw.study.figures import COLOURS, PALETTE, flat, panels, tidy

_NAMES = {"E1": "E1 plug-in", "E2": "E2 inversion", "E3": "E3 evidence bound"}
_GREY = PALETTE["muted"]
_MARKS = {"E1": "o", "E2": "s", "E3": "^"}
_ESTIMATES = [(_MARKS[name], COLOURS[i], label) for i, (name, label) in enumerate(_NAMES.items())]
_FAMILIES = {"gaussian": "Gaussian", "mixture": "mixture", "uniform": "uniform pixels"}


def _legend(figure: Figure, marks: Iterable[tuple[str, str, str]], *, faces: bool = False) -> None:
    """One row above the plots; (mark, colour, label) without their error bars."""
    look: dict[str, Any] = {"ls": "none", "ms": 5}
    handles = [
        Line2D([], [], marker=mark, color=colour, label=label, **look)
        for mark, colour, label in marks
    ]
    if faces:
        handles += [
            Line2D([], [], marker="o", color=_GREY, mfc=face, label=label, **look)
            for face, label in ((_GREY, "raw"), ("none", "calibrated"))
        ]
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles), frameon=False)


def bias(rows: Sequence[Row], families: Sequence[str]) -> Figure:
    """Error of the estimates of S0 against dimension, nats per coordinate: raw networks, filled,
    and the same rescaled by their calibration, open. Zero is the known entropy; bars are standard
    errors over held-out points. The vertical scales differ."""
    figure, axes = panels(len(families), width=300, height=260)
    for panel, family in zip(flat(axes), families, strict=True):
        own = [row for row in rows if row["family"] == family]
        for i, name in enumerate(_NAMES):
            for kind, face, shift in (("raw", None, 0.96), ("calibrated", "none", 1.04)):
                x = [row["size"] * shift * 1.25 ** (i - 1) for row in own]
                y = [row[f"{kind}.{name}"] for row in own]
                error = [row[f"{kind}.{name}.stderr"] for row in own]
                look: dict[str, Any] = {"color": COLOURS[i], "mfc": face or COLOURS[i]}
                panel.errorbar(x, y, error, fmt=_MARKS[name], ms=4.5, lw=0.9, **look)
        panel.axhline(0.0, color=PALETTE["ink"], lw=0.7, zorder=0)
        panel.set_xscale("log")
        panel.set_title(_FAMILIES[family])
        panel.set_xlabel("dimensions")
        tidy(panel)
        sizes = sorted({row["size"] for row in own})
        ticks_at(panel, sizes)
        panel.set_xlim(0.6 * sizes[0], 1.6 * sizes[-1])
    flat(axes)[0].set_ylabel("estimate − S₀, nats per coordinate")
    _legend(figure, _ESTIMATES, faces=True)
    return figure


def expected(rows: Sequence[Row], families: Sequence[str]) -> Figure:
    """The error of E3. Left: against K1 + half of int g^2 E|s - s*|^2, which it equals. Right:
    against the distance of E1 from E3, all that is to be seen when S0 is unknown. Points above the
    line are estimates that agree better with each other than with S0."""
    figure, axes = panels(2, width=340, height=300)
    for panel, label in zip(axes, ("from the score's error", "|E1 − E3|"), strict=True):
        values = []
        for i, family in enumerate(families):
            for kind, face in (("raw", COLOURS[i]), ("calibrated", "none")):
                own = [row for row in rows if row["family"] == family]
                y = [row[f"{kind}.E3"] for row in own]
                x = [row[f"{kind}.E3.expected"] for row in own]
                if panel is axes[1]:
                    x = [abs(row[f"{kind}.E1"] - row[f"{kind}.E3"]) for row in own]
                error = [row[f"{kind}.E3.stderr"] for row in own]
                panel.errorbar(x, y, error, fmt="o", color=COLOURS[i], mfc=face, ms=4.5, lw=0.9)
                values += [value for value in x + y if value > 0.0]
        ends = [0.7 * min(values), 1.4 * max(values)]
        panel.plot(ends, ends, color=PALETTE["ink"], lw=0.7, zorder=0)
        panel.set(xscale="log", yscale="log", xlim=ends, ylim=ends)
        panel.set_xlabel(f"{label}, nats per coordinate")
        tidy(panel)
        powers = [p for p in (1e-4, 1e-3, 1e-2, 0.1, 1.0) if ends[0] < p < 1.01 * ends[1]]
        ticks_at(panel, powers, powers)
    axes[0].set_title("what it should be")
    axes[1].set_title("what the estimates' agreement says")
    axes[0].set_ylabel("E3 − S₀, nats per coordinate")
    _legend(figure, [("o", COLOURS[i], _FAMILIES[f]) for i, f in enumerate(families)], faces=True)
    return figure


def digits_spread(rows: Sequence[Row]) -> Figure:
    """Digits: the three estimates of an unknown S0 about their mean, nats per pixel, raw and
    calibrated. Agreement after calibration says that the score is consistent with itself, not that
    it is right."""
    figure, panel = panels(1, width=420, height=230)
    for row, kind in enumerate(("calibrated", "raw")):
        for i, name in enumerate(_NAMES):
            x = [cell[f"{kind}.{name}"] for cell in rows]
            error = [cell[f"{kind}.{name}.stderr"] for cell in rows]
            y = row + 0.2 * (1 - i) + 0.05 * (np.arange(len(x)) - 0.5 * (len(x) - 1))
            panel.errorbar(x, y, xerr=error, fmt=_MARKS[name], color=COLOURS[i], ms=4.5, lw=0.9)
    panel.axvline(0.0, color=PALETTE["ink"], lw=0.7)
    panel.set_xlabel("estimate less the mean of the three, nats per pixel")
    tidy(panel)
    panel.set_yticks([0, 1], ["calibrated", "raw"])
    panel.set_ylim(-0.5, 1.5)
    _legend(figure, _ESTIMATES)
    return figure
