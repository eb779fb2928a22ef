"""Figures of the study sensitivity."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from thermohw.study.figures import PALETTE, flat, panels, tidy

_TITLES = {"w1": "W1 error [V0]", "emf": "series work [kT]", "current": "current work [kT]"}


def dots(rows: list[dict[str, Any]]) -> Figure:
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


def delays(rows: list[dict[str, Any]]) -> Figure:
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
