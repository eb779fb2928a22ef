"""Figures of rc_vs_rlc."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from thermohw.experiments.rc_vs_rlc.compute import closed_work
from thermohw.experiments.shared.figures import bars, ticks_at
from thermohw.study import Parameters, Results
from thermohw.study.figures import PALETTE, panels, tidy

_COLOURS = {False: PALETTE["generated"], True: PALETTE["heat"]}
_KINDS = [
    ("emf", "continuous", "in series,\nfollowing"), ("emf", "clocked", "in series,\nheld"),
    ("current", "continuous", "current,\nfollowing"), ("current", "clocked", "current,\nheld"),
]  # fmt: skip


def _name(quality: float) -> str:
    return "RC" if quality == 0.0 else f"RLC, Q = {quality:g}"


def distances(p: Parameters, learned: Results) -> Figure:
    """Samples of both arrays against training images, at equal numbers of score evaluations,
    sources in series and held. Bars: scatter that right samples would have (left), standard error
    (right)."""
    figure, axes = panels(2, width=350, height=270)
    held = learned.where(wiring="emf", control="clocked")
    for q in (0.0, p["quality"]):
        rows, colour = held.where(quality=q), _COLOURS[q > 0.0]
        x = rows.column("ticks") * (1.03 if q else 0.97)
        look: dict[str, Any] = {"fmt": "o-", "color": colour, "ms": 3.5, "label": _name(q)}
        bars(axes[0], rows, x, "distance", error=".spread", **look)
        bars(axes[1], rows, x, "nearest", error=".error", **look)
    floor = float(np.mean(held.column("distance.floor")))
    real = float(np.mean(held.column("nearest.real")))
    axes[0].axhline(
        floor, color=PALETTE["muted"], lw=0.9, ls="--", label="samples of the right law"
    )
    axes[1].axhline(real, color=PALETTE["muted"], lw=0.9, ls="--", label="held-out images")
    for panel, word in zip(axes, ("sliced W2", "distance to nearest image"), strict=True):
        tidy(panel)
        panel.set_xscale("log", base=2)
        ticks_at(panel, p["ticks"])
        panel.set(xlabel="score evaluations an image", ylabel=f"{word}, grey levels")
        panel.legend()
    return figure


def gallery(p: Parameters, learned: Results) -> Figure:
    """Digits of both arrays after {ticks} score evaluations, the first paths of each run, none left
    out; every run has its own noise."""
    last = learned.where(wiring="emf", control="clocked", ticks=p["ticks"][-1])
    pair = [last.where(quality=q)[0] for q in (0.0, p["quality"])]
    shown = [(_name(row["quality"]), row["pictures"]) for row in pair]
    shown.append(("training images", pair[0]["real"]))
    figure, axes = panels(3, width=235, height=440)
    for panel, (name, pictures) in zip(axes, shown, strict=True):
        pixels = np.asarray(pictures).reshape(-1, 8, 8)[:32]
        rows = -(-len(pixels) // 4)
        sheet = np.full((rows * 9 - 1, 4 * 9 - 1), np.nan)
        for i, picture in enumerate(pixels):
            top, left = 9 * (i // 4), 9 * (i % 4)
            sheet[top : top + 8, left : left + 8] = picture
        panel.imshow(sheet, cmap="gray_r", vmin=0.0, vmax=17.0, interpolation="nearest")
        panel.set_axis_off()
        panel.set_title(name)
    return figure


def energies(p: Parameters, learned: Results, known: Results) -> Figure:
    """Work by wiring and control. On the left the score is exact and black lines are 2 dE - 2 dS, 2
    dE - 4 dS and 2 dE; on the right networks."""
    figure, axes = panels(2, width=380, height=290)
    rows = [
        (known, p["fine"][-1], "Gaussian of the digits' moments, exact score"),
        (learned, p["ticks"][-1], "digits, network"),
    ]
    for panel, (runs, ticks, title) in zip(axes, rows, strict=True):
        for place, (wiring, control, _) in enumerate(_KINDS):
            for q in (0.0, p["quality"]):
                row = runs.where(quality=q, wiring=wiring, control=control, ticks=ticks)[0]
                at = place + (0.19 if q else -0.19)
                panel.bar(at, row["work"], 0.36, color=_COLOURS[q > 0.0],
                          label=_name(q) if place == 0 else None)  # fmt: skip
                panel.errorbar(at, row["work"], row["work.error"], color=PALETTE["ink"], lw=0.9)
                if runs is known:
                    wanted = closed_work(row)
                    panel.plot([at - 0.18, at + 0.18], [wanted] * 2, color=PALETTE["ink"], lw=1.4,
                               label="closed form" if place == 0 and q else None)  # fmt: skip
        panel.axhline(0.0, color=PALETTE["ink"], lw=0.7)
        tidy(panel)
        panel.set_xticks(range(4), [name for *_, name in _KINDS])
        panel.set_title(title)
        panel.set_ylabel("work of the sources, kT an image")
        panel.legend()
    return figure


def _damped(rows: Results) -> Results:
    return Results(row for row in rows if row["quality"] > 0.0).sorted("quality")


def qualities(p: Parameters, nll: Results, runs: Results, values: list[float]) -> Figure:
    """Quality factor: likelihood, samples and work (held, full lines; following, dashed) at equal
    ranges of snr and {ticks} ticks."""
    figure, axes = panels(3, width=250, height=250)
    held = runs.where(data="digits", wiring="emf", ticks=p["ticks"][-1])
    found = nll.where(network=0, points=p["points_more"])
    clocked, free = (held.where(control=control) for control in ("clocked", "continuous"))
    series = [
        ("NLL, nats an image", found, "ode", ".error"),
        ("sliced W2, grey levels", clocked, "distance", ".spread"),
        ("work, kT an image", clocked, "work", ".error"),
    ]
    rlc, rc = PALETTE["heat"], PALETTE["generated"]
    for panel, (label, rows, name, error) in zip(axes, series, strict=True):
        bars(panel, _damped(rows), "quality", name, error=error, fmt="o-", color=rlc, ms=3.5,
             label="RLC")  # fmt: skip
        panel.axhline(rows.where(quality=0.0)[0][name], color=rc, lw=1.1, label="RC")
        tidy(panel)
        panel.set_xscale("log")
        ticks_at(panel, values)
        panel.set(xlabel="quality factor Q", ylabel=label)
    bars(axes[2], _damped(free), "quality", "work", error=".error", fmt="s--", color=rlc, ms=3.0)
    axes[2].axhline(free.where(quality=0.0)[0]["work"], color=rc, lw=1.1, ls="--")
    axes[2].set_ylim(0.0, None)
    axes[0].legend()
    return figure
