"""Figures of rc_vs_rlc."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from thermohw.experiments.rc_vs_rlc.compute import closed_work
from thermohw.study.figures import PALETTE, panels, tidy

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from thermohw.study import Results


_COLOURS = {False: PALETTE["generated"], True: PALETTE["heat"]}
_KINDS = [
    ("emf", "continuous", "in series,\nfollowing"),
    ("emf", "clocked", "in series,\nheld"),
    ("current", "continuous", "current,\nfollowing"),
    ("current", "clocked", "current,\nheld"),
]
Drawn = tuple[str, "Figure", str]


def _name(quality: float) -> str:
    return "RC" if quality == 0.0 else f"RLC, Q = {quality:g}"


def distances(p: dict[str, Any], learned: Results) -> Drawn:
    """Sample quality against the number of score evaluations."""
    figure, axes = panels(2, width=350, height=270)
    held = learned.where(wiring="emf", control="clocked")
    for q in (0.0, p["quality"]):
        rows, colour = held.where(quality=q), _COLOURS[q > 0.0]
        x = rows.column("ticks") * (1.03 if q else 0.97)
        axes[0].errorbar(x, rows.column("distance"), rows.column("distance.spread"), fmt="o-",
                         color=colour, markersize=3.5, label=_name(q))  # fmt: skip
        axes[1].errorbar(x, rows.column("nearest"), rows.column("nearest.error"), fmt="o-",
                         color=colour, markersize=3.5, label=_name(q))  # fmt: skip
    floor = float(np.mean(held.column("distance.floor")))
    real = float(np.mean(held.column("nearest.real")))
    axes[0].axhline(
        floor, color=PALETTE["muted"], lw=0.9, ls="--", label="samples of the right law"
    )
    axes[1].axhline(real, color=PALETTE["muted"], lw=0.9, ls="--", label="held-out images")
    for panel, word in zip(axes, ("sliced W2", "distance to nearest image"), strict=True):
        tidy(panel)
        panel.set_xscale("log", base=2)
        panel.set_xticks(p["ticks"], [str(n) for n in p["ticks"]])
        panel.minorticks_off()
        panel.set(xlabel="score evaluations an image", ylabel=f"{word}, grey levels")
        panel.legend()
    caption = (
        "Samples of both arrays against training images, at equal numbers of score evaluations, "
        "sources in series and held. Bars: scatter that right samples would have (left), standard "
        "error (right)."
    )
    return "distances", figure, caption


def gallery(p: dict[str, Any], learned: Results) -> Drawn:
    """Pictures side by side."""
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
    caption = (
        f"Digits of both arrays after {p['ticks'][-1]} score evaluations, the first "
        "paths of each run, none left out; every run has its own noise."
    )
    return "gallery", figure, caption


def energies(p: dict[str, Any], learned: Results, known: Results) -> Drawn:
    """Work by wiring and control, both arrays; the Gaussian beside its closed form."""
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
    caption = (
        "Work by wiring and control. On the left the score is exact and black lines are "
        "2 dE - 2 dS, 2 dE - 4 dS and 2 dE; on the right networks."
    )
    return "energies", figure, caption


def qualities(p: dict[str, Any], nll: Results, runs: Results, values: list[float]) -> Drawn:
    """Likelihood, samples, energy against the quality factor."""
    figure, axes = panels(3, width=250, height=250)
    held = runs.where(data="digits", wiring="emf", ticks=p["ticks"][-1])
    found = nll.where(network=0, points=p["points_more"])
    series = [
        ("NLL, nats an image", found, "ode", "ode.error", "muted"),
        (
            "sliced W2, grey levels",
            held.where(control="clocked"),
            "distance",
            "distance.spread",
            "",
        ),
        ("work, kT an image", held.where(control="clocked"), "work", "work.error", "held"),
    ]
    for panel, (label, rows, name, error, _) in zip(axes, series, strict=True):
        y, bars = (np.array([rows.where(quality=q)[0][k] for q in values]) for k in (name, error))
        panel.errorbar(
            values, y, bars, fmt="o-", color=PALETTE["heat"], markersize=3.5, label="RLC"
        )
        flat = rows.where(quality=0.0)[0][name]
        panel.axhline(flat, color=PALETTE["generated"], lw=1.1, label="RC")
        tidy(panel)
        panel.set_xscale("log")
        panel.set_xticks(values, [f"{q:g}" for q in values])
        panel.minorticks_off()
        panel.set(xlabel="quality factor Q", ylabel=label)
    free = held.where(control="continuous")
    y, bars = (
        np.array([free.where(quality=q)[0][k] for q in values]) for k in ("work", "work.error")
    )
    axes[2].errorbar(values, y, bars, fmt="s--", color=PALETTE["heat"], markersize=3.0)
    axes[2].axhline(free.where(quality=0.0)[0]["work"], color=PALETTE["generated"], lw=1.1, ls="--")
    axes[2].set_ylim(0.0, None)
    axes[0].legend()
    caption = (
        "Quality factor: likelihood, samples and work (held, full lines; following, dashed) at "
        f"equal ranges of snr and {p['ticks'][-1]} ticks."
    )
    return "qualities", figure, caption
