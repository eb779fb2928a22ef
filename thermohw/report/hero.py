"""One compact picture of a run, for a README: samples beside data, and the energy budget.

1600 pixels wide on white. It is drawn from the same excerpts and the same audit as the page, so the
two cannot disagree.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from thermohw import outputs
from thermohw.report.clock import Clock
from thermohw.report.energy import Bar, ledger
from thermohw.report.excerpts import Samples, Traces, read_samples, read_traces
from thermohw.report.facts import Facts, read_facts
from thermohw.report.figures.canvas import INK, PALETTE, new_figure, plain_words, png, tidy
from thermohw.report.figures.density import histogram
from thermohw.report.figures.images import compose, levels
from thermohw.report.figures.traces import draw_fan
from thermohw.report.numerals import joules
from thermohw.report.overview import headline, title
from thermohw.report.verdicts import Verdicts
from thermohw.report.write import destination
from thermohw.store import RunReader

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["hero"]

_WIDTH, _HEIGHT = 800, 310  # CSS pixels, drawn twice as fine
_SIDE = 8
_LABELS = {"work.": "work of sources", "heat": "heat into baths", "energy.": "stored energy"}


def hero(path: str | Path, out: str | Path, *, audit: Any = None) -> Path:
    """Draw the picture of a run.

    Args:
        path: a finished run file.
        out: PNG to write, 1600 pixels wide.
        audit: an audit made earlier (its JSON, or the object); default made now.

    Returns:
        The picture.

    Raises:
        StoreError: not a run file, damaged, unfinished, or of another program.
        InputError: the picture cannot be written where it should go.
    """
    source, target = Path(path), destination(Path(out), Path(path))
    if audit is None:
        from thermohw.audit import audit as audit_run

        audit = audit_run(source)
    verdicts = Verdicts.of(audit)
    with RunReader.open(source) as run:
        facts = read_facts(run)
        samples = read_samples(run, facts)
        traces = read_traces(run, facts, paths=40)
    with plain_words():
        drawn = png(lambda: _draw(facts, samples, traces, verdicts), scale=2.0)
    outputs.write(target, drawn)
    return target


def _draw(facts: Facts, samples: Samples, traces: Traces | None, verdicts: Verdicts) -> Figure:
    figure = new_figure(_WIDTH, _HEIGHT)
    top = headline(verdicts, facts)
    words = f"{top.kt} of heat a sample, {top.energy}" if top.kt else top.energy
    figure.text(0.02, 0.925, title(facts), size=13, weight="bold", color=INK)
    figure.text(0.98, 0.925, words, size=10.5, ha="right", color=PALETTE["muted"])
    shape = None if facts.target is None else facts.target.image_shape
    if shape is not None:
        _grids(figure, samples, shape)
    else:
        _curves(figure, facts, samples, traces)
    _budget(figure, ledger(verdicts, facts), facts.units["energy"])
    return figure


def _grids(figure: Figure, samples: Samples, shape: tuple[int, ...]) -> None:
    shown = [("generated", samples.generated)]
    if samples.held_out is not None:
        shown.append((samples.source, samples.held_out))
    side = max(1, min(_SIDE, int(min(len(rows) for _, rows in shown) ** 0.5)))
    for i, (name, rows) in enumerate(shown):
        left = 0.02 + 0.325 * i
        axes = figure.add_axes((left, 0.05, 0.295, 0.76))
        axes.imshow(compose(rows[: side * side], shape, side, levels(samples)), aspect="equal")
        axes.set_anchor("NW")
        axes.set_axis_off()
        figure.text(left, 0.84, name, size=9.5, weight="bold")


def _curves(figure: Figure, facts: Facts, samples: Samples, traces: Traces | None) -> None:
    left, index = 0.02, 0
    if traces is not None:
        index = traces.index
        axes = figure.add_axes((0.075, 0.145, 0.235, 0.665))
        draw_fan(axes, None, traces, samples, Clock.of(facts))
        figure.text(0.02, 0.84, "from noise to samples", size=9.5, weight="bold")
        left = 0.345
    beside = figure.add_axes((left + 0.045, 0.145, 0.625 - left, 0.665))
    histogram(beside, samples, index)
    tidy(beside)
    beside.set_xlabel("sample, data units")
    figure.text(left, 0.84, "generated", size=9.5, weight="bold", color=PALETTE["generated"])
    figure.text(left + 0.105, 0.84, f"and {samples.against(index)}", size=9.5)


def _budget(figure: Figure, budget: tuple[list[Bar], float], kt: float) -> None:
    """Work, heat and stored energy under each other, named and numbered above each bar."""
    bars, zero = budget
    axes = figure.add_axes((0.71, 0.05, 0.27, 0.76))
    axes.set_xlim(0.0, 100.0)
    axes.set_ylim(2.75, -0.6)
    axes.set_axis_off()
    figure.text(0.71, 0.84, "energy per sample", size=9.5, weight="bold")
    rows = {}
    for bar in bars:  # of the heats the last one is the total
        for kind, label in _LABELS.items():
            if bar.name.startswith(kind):
                rows[label] = bar
    for i, (label, bar) in enumerate(rows.items()):
        axes.barh(i, bar.width, 0.24, left=bar.left, color=PALETTE[bar.role])
        axes.plot([zero, zero], [i - 0.19, i + 0.19], color=INK, lw=0.9)
        if bar.error is not None:
            axes.plot([bar.error[0], sum(bar.error)], [i, i], color=INK, lw=1.0)
        axes.text(0, i - 0.25, label, size=8.5)
        axes.text(0, i + 0.36, bar.main, size=8, weight="bold")
        si = joules(None if bar.value is None else bar.value * kt)
        axes.text(100, i + 0.36, si, size=7.5, ha="right", color=PALETTE["muted"])
