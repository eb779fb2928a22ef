"""Samples that are pictures: grids on one grey scale, film strips from noise to digit.

Bitmaps are enlarged by whole factors before they are stored, so that a browser's own scaling never
makes pixels unequal. Low values are paper, high values ink; colour images are shown as they are.
"""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.image import imsave

from thermohw.report.numerals import plain, quantity

if TYPE_CHECKING:
    from thermohw.report.clock import Clock
    from thermohw.report.excerpts import Film, Samples

__all__ = ["Bitmap", "compose", "film_strip", "grids", "levels"]

_NO_METADATA: Any = {"Software": None}  # versions belong to the run, not to its picture
_GAP = 1  # image pixels between two samples


@dataclass(frozen=True)
class Bitmap:
    """A picture made of pixels.

    Attributes:
        source: data URI of a PNG.
        width: pixels.
        height: pixels.
        alt: text alternative.
        title: a few words above it.
        marks: labels of its columns, if it has any.
        ink: grey on paper, to be inverted on dark paper.
    """

    source: str
    width: int
    height: int
    alt: str
    title: str = ""
    marks: tuple[str, ...] = ()
    ink: bool = True


def levels(samples: Samples) -> tuple[float, float]:
    """The grey scale that every picture of a page shares: the range of the held-out data.

    Rounded to a hundredth of itself, which takes dithering back to whole grey levels.
    """
    source = samples.generated if samples.held_out is None else samples.held_out
    low, high = float(source.min()), float(source.max())
    if high <= low:
        return low, low + 1.0
    digits = 2 - int(np.floor(np.log10(high - low)))
    return round(low, digits), round(high, digits)


def grids(samples: Samples, shape: tuple[int, ...], *, side: int = 8) -> list[Bitmap]:
    """Generated and held-out samples in square grids, as many of both."""
    scale = levels(samples)
    shown = [("generated", samples.generated)]
    if samples.held_out is not None:
        shown.append((samples.source, samples.held_out))
    side = max(1, min(side, int(min(len(rows) for _, rows in shown) ** 0.5)))
    bitmaps = []
    for title, rows in shown:
        picture = compose(rows[: side * side], shape, side, scale)
        mean = plain(float(rows.mean()), 3)
        alt = f"{side} by {side} grid of samples, {title}; mean grey level {mean}."
        bitmaps.append(_bitmap(picture, alt, title))
    return bitmaps


def film_strip(film: Film, samples: Samples, shape: tuple[int, ...], clock: Clock) -> Bitmap:
    """Rows are paths, columns are moments: noise becomes a sample."""
    frames, paths, _ = film.states.shape
    rows = film.states.swapaxes(0, 1).reshape(paths * frames, -1)
    picture = compose(rows, shape, frames, levels(samples))
    seconds = clock.seconds[film.step]
    marks = tuple(
        quantity(float(s), "s", 2) if clock.linear else quantity(float(seconds[-1] - s), "s", 2)
        for s in seconds
    )
    if not clock.linear:
        marks = (*marks[:-1], "0 s")
    alt = (
        f"{paths} samples at {frames} moments of the run, from noise at the left to the generated "
        "pictures at the right."
    )
    return _bitmap(picture, alt, marks=marks)


def compose(
    rows: np.ndarray, shape: tuple[int, ...], columns: int, scale: tuple[float, float]
) -> np.ndarray:
    """Samples (n, dim) side by side: RGB bytes, low values white for grey pictures."""
    low, high = scale
    level = np.clip((rows - low) / ((high - low) or 1.0), 0.0, 1.0)
    tall, wide = shape[:2]
    colour = len(shape) == 3 and shape[2] == 3
    pixels = level.reshape(len(rows), tall, wide, -1)
    pixels = pixels if colour else np.repeat(1.0 - pixels.mean(-1, keepdims=True), 3, -1)
    lines = -(-len(rows) // columns)
    gap = _GAP * max(1, wide // 12)
    sheet = np.ones((lines * (tall + gap) - gap, columns * (wide + gap) - gap, 3))
    for i, picture in enumerate(pixels):
        y, x = (i // columns) * (tall + gap), (i % columns) * (wide + gap)
        sheet[y : y + tall, x : x + wide] = picture
    return (255.0 * sheet).round().astype(np.uint8)


def _bitmap(picture: np.ndarray, alt: str, title: str = "", marks: tuple[str, ...] = ()) -> Bitmap:
    factor = max(1, round(800 / picture.shape[1]))
    large = picture.repeat(factor, 0).repeat(factor, 1)
    buffer = io.BytesIO()
    imsave(buffer, large, format="png", metadata=_NO_METADATA)
    source = "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
    grey = bool((picture[..., 0] == picture[..., 1]).all())
    return Bitmap(source, large.shape[1], large.shape[0], alt, title, marks, grey)
