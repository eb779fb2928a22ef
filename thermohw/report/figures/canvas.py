"""One look for every figure, and SVG that lives inside a page.

A figure is drawn at the size at which a phone shows it (about 380 CSS pixels); a desktop puts two
side by side, so that type has the same size everywhere. Colours are roles ("heat", "data"): in the
page they become CSS variables, which is how a figure follows light and dark; in a bitmap they are
the light palette. The palette stays apart under the common colour-vision deficiencies, and lines
carry their names, so that nothing rests on colour alone.

Text stays text. Nothing depends on the clock or on pyplot's state: equal numbers give equal bytes.
"""

from __future__ import annotations

import io
import re
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from thermohw.report.figures.allowed import allowed
from thermohw.report.numerals import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from matplotlib.axes import Axes

__all__ = [
    "DPI",
    "INK",
    "PALETTE",
    "Picture",
    "document",
    "house_style",
    "inline",
    "name_lines",
    "new_figure",
    "plain_words",
    "png",
    "renamed",
    "svg",
    "tidy",
]

PALETTE = {
    "ink": "#1b2026",
    "muted": "#5d6873",
    "line": "#d5dae0",
    "paper": "#fefefe",
    "generated": "#0a7872",
    "data": "#8b939c",
    "heat": "#c4472a",
    "work": "#2465ab",
    "stored": "#727b86",
    "pumping": "#7a4ea4",
}
"""Role -> colour on light paper; the page's style sheet names the same roles for dark paper."""

INK = PALETTE["ink"]
DPI = 100  # a figure's inches are hundreds of CSS pixels

_STYLE: Any = {
    "svg.fonttype": "none",
    "font.family": "DejaVu Sans",
    "font.size": 8.0,  # points; at 100 dots an inch this is 11 CSS pixels
    "axes.labelsize": 8.0,
    "xtick.labelsize": 7.6,
    "ytick.labelsize": 7.6,
    "axes.edgecolor": PALETTE["muted"],
    "axes.labelcolor": PALETTE["muted"],
    "xtick.color": PALETTE["muted"],
    "ytick.color": PALETTE["muted"],
    "text.color": PALETTE["ink"],
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.major.size": 3.0,
    "ytick.major.size": 3.0,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "lines.solid_capstyle": "round",
    "lines.linewidth": 1.5,
    "axes.unicode_minus": True,
    "path.simplify": True,
}


@dataclass(frozen=True)
class Picture:
    """A figure for the page.

    Attributes:
        svg: markup to be put into HTML as it is.
        alt: what a reader who cannot see it should know.
        caption: one or two sentences under it.
        title: a few words above it.
    """

    svg: str
    alt: str
    caption: str = ""
    title: str = ""


def new_figure(width: int = 380, height: int = 250) -> Figure:
    """An empty figure without background, in CSS pixels."""
    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI)
    figure.patch.set_visible(False)
    return figure


def svg(draw: Callable[[], Figure], *, name: str, alt: str) -> str:
    """Draw a figure in the house style and give it as markup for a page.

    Args:
        draw: makes the figure; called with the style in force.
        name: unique on the page; keeps the identifiers of figures apart.
        alt: text alternative.
    """
    with plain_words():
        return inline(document(draw, name=name), name, alt)


def document(draw: Callable[[], Figure], *, name: str) -> str:
    """Draw a figure in the house style and give it as an SVG document of its own, light colours."""
    buffer = io.StringIO()
    with house_style({"svg.hashsalt": name}):
        draw().savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


@contextmanager
def plain_words() -> Iterator[None]:
    """Names come from files: a dollar sign in one is no mathematics."""
    with matplotlib.rc_context({"text.parse_math": False}):
        yield


@contextmanager
def house_style(extra: Mapping[str, Any] | None = None) -> Iterator[None]:
    """The style of every figure: what is drawn inside looks like the rest."""
    style: Any = {**_STYLE, **(extra or {})}
    with matplotlib.rc_context(style):
        yield


def png(draw: Callable[[], Figure], *, scale: float = 1.0) -> bytes:
    """Draw a figure in the house style and give it as a PNG file on light paper."""
    buffer = io.BytesIO()
    with house_style():
        figure = draw()
        figure.patch.set_visible(True)
        figure.patch.set_facecolor("white")
        figure.savefig(buffer, format="png", dpi=DPI * scale, metadata={"Software": None})
    return buffer.getvalue()


def renamed(picture: Picture, prefix: str) -> Picture:
    """The same figure with identifiers of its own, to be shown a second time on a page."""
    return replace(picture, svg=re.sub(r'(id="|"#|url\(#)', rf"\1{prefix}", picture.svg))


def tidy(axes: Axes, *, x: int = 5, y: int = 5) -> None:
    """Few round ticks with real minus signs, no frame above and to the right."""
    for axis, most in ((axes.xaxis, x), (axes.yaxis, y)):
        axis.set_major_locator(MaxNLocator(most, steps=[1, 2, 5, 10]))
        axis.set_major_formatter(FuncFormatter(lambda value, _: plain(round(value, 12), 4)))
    axes.patch.set_visible(False)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def name_lines(
    axes: Axes, x: np.ndarray, lines: Mapping[str, tuple[np.ndarray, str]], *, gap: float = 13.0
) -> None:
    """Write the name of every line beside it instead of a legend.

    Where the lines end apart, the names stand at their right ends, pushed apart so that none covers
    another; where they meet at the end, they stand inside, where the lines are farthest apart.

    Args:
        axes: with its limits settled.
        x: common abscissae, shape (n,).
        lines: name -> (heights of shape (n,), colour).
        gap: least distance of two baselines, CSS pixels.
    """
    low, high = axes.get_ylim()
    pixels = axes.get_window_extent().height * DPI / axes.figure.dpi
    heights = np.array([line for line, _ in lines.values()])
    apart = _apart(heights) * pixels / (high - low)
    # A name is about a fifth of the axis wide, so the edges are no place for one.
    part = (x - x.min()) / (float(np.ptp(x)) or 1.0)
    inside = int(np.argmax(np.where((part > 0.15) & (part < 0.85), apart, -1.0)))
    if apart[-1] < 0.5 * gap and apart[inside] > 1.5 * gap:
        axes.set_ylim(low - gap / pixels * (high - low), high + gap / pixels * (high - low))
        for name, (line, colour) in lines.items():
            up = line[inside] >= 0.0
            axes.annotate(
                name,
                (float(x[inside]), float(line[inside])),
                (0, 4 if up else -4),
                textcoords="offset points",
                ha="center",
                va="bottom" if up else "top",
                color=colour,
            )
        return
    places = sorted(
        ((float(line[-1]) - low) / (high - low) * pixels, name, colour)
        for name, (line, colour) in lines.items()
    )
    spots = [min(max(place[0], 4.0), pixels) for place in places]
    for i in range(1, len(spots)):
        spots[i] = max(spots[i], spots[i - 1] + gap)
    surplus = spots[-1] - (pixels + 4.0)
    for i in reversed(range(len(spots))):
        if surplus <= 0.0:
            break
        spots[i] -= surplus
        surplus = spots[i - 1] + gap - spots[i] if i else 0.0
    for spot, (_, name, colour) in zip(spots, places, strict=True):
        axes.annotate(
            name,
            (1.0, spot / pixels),
            xycoords="axes fraction",
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            color=colour,
            annotation_clip=False,
        )


def _apart(heights: np.ndarray) -> np.ndarray:
    """Smallest distance between two of the lines at every abscissa."""
    ordered = np.sort(heights, axis=0)
    return np.diff(ordered, axis=0).min(0) if len(heights) > 1 else np.zeros(heights.shape[1])


def inline(document: str, name: str, alt: str) -> str:
    """An SVG document as an element of an HTML page: no prologue, no namespaces, no own colours.

    Whoever drew it, nothing comes along but shapes and text (`allowed`).

    Raises:
        ValueError: it is no drawing.
    """
    size, body = allowed(document)
    body = re.sub(r'<g id="[^"]*"', "<g", body)
    for role, colour in PALETTE.items():
        body = body.replace(colour, f"var(--{role})")
    # Fonts are the page's; matplotlib's own were only there to measure the text.
    body = re.sub(r"font: ([\d.]+px) [^;\"]*", r"font-size: \1", body)
    label, own = (
        text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
        for text in (alt, name)
    )
    box = f'viewBox="{size}" role="img" aria-label="{label}"'
    return f'<svg class="figure" id="{own}" {box}>\n{body.strip()}'
