"""Figures, numbers and checks of the study thermodynamic_linear_algebra."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from thermohw.estimate import Estimate
from thermohw.study.figures import COLOURS, panels

if TYPE_CHECKING:
    from thermohw.study import Results, Sheet

__all__ = ["errors_against_time", "imperfections"]

_KINDS = {"solve": "solution", "invert": "inverse"}


def errors_against_time(p: dict[str, Any], results: Results, sheet: Sheet) -> None:
    """Relative rms error of one run against averaging time."""
    figure, axes = panels(2, sharey=True)
    worst = {}
    for axis, (kind, label) in zip(axes, _KINDS.items(), strict=True):
        for board, colour, marker in (("real", COLOURS[1], "s"), ("ideal", COLOURS[0], "o")):
            rows = results.where(kind="time", board=board)
            time, square = rows.column("micro") / 1e3, rows.column(kind)
            error = rows.column(f"{kind}.stderr")
            axis.errorbar(
                time,
                np.sqrt(square),
                0.5 * error / np.sqrt(square),
                fmt=marker,
                color=colour,
                label=f"{board} board, simulated",
            )
            law, floor = rows.column(f"{kind}.law"), rows.column(f"{kind}.floor")
            dense = np.geomspace(time.min(), time.max(), 60)
            line = np.sqrt(law[0] * time[0] / dense + floor[0])
            axis.plot(
                dense,
                line,
                color=colour,
                lw=1.2,
                label="law 1/D" if board == "ideal" else "law and floor",
            )
            if board == "real":
                axis.axhline(np.sqrt(floor[0]), color=colour, lw=0.9, ls=(0, (3, 3)))
            worst[kind, board] = np.abs(square - law - floor) / error
        axis.set(
            xscale="log",
            yscale="log",
            xlabel="averaging time on the board (ms)",
            title=f"error of the {label}",
        )
    axes[0].set_ylabel("relative error of one run (rms)")
    axes[0].legend()
    sheet.figure(
        "time",
        figure,
        "Error of one run against the time it averages, on the ideal board and on the nominal one "
        "with the spread of its parts. Lines are closed forms, nothing is fitted; the dashed line "
        "is the floor of the parts. Converters are on for the real board and not in its closed "
        "form.",
    )
    last = results.where(kind="time", board="ideal", micro=p["micros"][-1])[0]
    for kind, label in _KINDS.items():
        sheet.number(
            f"{kind}.constant",
            last[kind] / last[f"{kind}.law"],
            stderr=last[f"{kind}.stderr"] / last[f"{kind}.law"],
            unit="1",
            published=1.0,
            note=f"squared error of the {label} over the closed form, longest time",
        )
        square = Estimate(last[kind], last[f"{kind}.stderr"])
        ratio = abs(square.z(last[f"{kind}.law"]))
        sheet.law(
            f"the error of the {label} is the closed form's",
            square,
            last[f"{kind}.law"],
            detail=f"{ratio:.2f} standard errors apart at the longest time (squared relative "
            "errors)",
        )
        real = results.where(kind="time", board="real", micro=p["micros"][-1])[0]
        sheet.number(
            f"{kind}.floor",
            float(np.sqrt(real[f"{kind}.floor"])),
            unit="1",
            note=f"relative error of the {label} that the parts leave for ever",
        )
    slew = float(results.where(kind="slew").column("difference").max())
    sheet.number(
        "slew.difference",
        slew,
        unit="1",
        note="largest effect of slew and swing limits on an unknown, same noise",
    )
    sheet.check(
        "amplifiers stay in their linear range",
        "holds" if slew < 1e-3 else "explained",
        f"limits of slew and swing move an unknown by {slew:.2g} of the solution at most",
    )
    sheet.finding(
        "Averaging works as the closed forms say, "
        f"{last['solve'] / last['solve.law']:.3f} and {last['invert'] / last['invert.law']:.3f} of "
        "their variance, until the parts stop it: at "
        f"{np.sqrt(real['solve.floor']):.2g} for the solution, "
        f"{np.sqrt(real['invert.floor']):.2g} for the inverse."
    )


def imperfections(p: dict[str, Any], results: Results, sheet: Sheet, parts: list[str]) -> None:
    """What every part leaves for ever, over random systems."""
    figure, axis = panels(width=560, height=320)
    places = np.arange(len(parts))[::-1]
    rows = []
    for shift, (kind, label), colour in zip((0.14, -0.14), _KINDS.items(), COLOURS, strict=False):
        all_of = [results.where(kind="parts", part=part).column(kind) for part in parts]
        middle = np.array([np.median(values) for values in all_of])
        low, high = (np.array([f(values) for values in all_of]) for f in (np.min, np.max))
        shown = middle > 1e-9
        spread = np.array([middle - low, high - middle])[:, shown]
        axis.errorbar(
            middle[shown],
            places[shown] + shift,
            xerr=spread,
            fmt="o",
            color=colour,
            label=label,
        )
        for place in places[~shown]:
            axis.annotate(
                f"{label}: none",
                (0.0, place + shift),
                xycoords=("axes fraction", "data"),
                xytext=(6, 0),
                textcoords="offset points",
                va="center",
                fontsize=7.2,
                color=colour,
            )
        rows.append((middle, high))
    axis.set_xscale("log")
    axis.set_yticks(places, parts)
    axis.set_ylim(-0.6, len(parts) - 0.4)
    axis.set_xlabel("relative error that never averages away")
    axis.legend(loc="center left", bbox_to_anchor=(0.0, 0.36))
    sheet.figure(
        "parts",
        figure,
        f"One imperfection at a time, {p['systems']} random systems of {p['dimension']} unknowns "
        f"and condition {p['condition']:g}, closed forms: "
        "median, smallest and largest. An offset moves the mean and leaves the covariance alone.",
    )
    sheet.table(
        "floor",
        ["imperfection", "solution, median", "largest", "inverse, median", "largest"],
        [[part, *(float(v[i]) for pair in rows for v in pair)] for i, part in enumerate(parts)],
        "Relative errors that never average away.",
    )
    offset = results.where(kind="parts", part="offset 0.5 mV")
    second = float(offset.column("invert").max())
    sheet.check(
        "offset kills the first moment, not the second",
        "holds" if second < 1e-9 < offset.column("solve").min() else "violated",
        f"solution off by {np.median(offset.column('solve')):.2g} (median), inverse by {second:.1g}"
        ": as reported of a rig of programmable analog arrays, whose means were far off while its "
        "covariances were not",
    )
    largest = max(
        parts[:-1],
        key=lambda part: np.median(results.where(kind="parts", part=part).column("solve")),
    )
    sheet.finding(
        f"Of single imperfections, {largest} harms a solution most; an inverse does not "
        "feel offsets at all."
    )
