"""How several studies draw what they stored: values with their errors, few plain ticks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from thermohw.study import Results, Sheet


def bars(
    axes: Axes, rows: Results, x: str | np.ndarray, y: str, *, error: str = ".stderr",
    unit: float = 1.0, **look: Any,
) -> None:  # fmt: skip
    """A column in some unit with its standard errors, which `error` behind its name calls."""
    across = rows.column(x) if isinstance(x, str) else x
    axes.errorbar(across, rows.column(y) / unit, rows.column(f"{y}{error}") / unit, **look)


def rms_bars(
    axes: Axes, x: np.ndarray, square: np.ndarray, stderr: np.ndarray, **look: Any
) -> None:
    """The root of a mean square, with the error that the square's leaves it."""
    root = np.sqrt(square)
    axes.errorbar(x, root, 0.5 * stderr / root, fmt=look.pop("fmt", "o"), **look)


def ticks_at(axes: Axes, x: Any = None, y: Any = None) -> None:
    """Ticks at these values, named as they are, and no others."""
    axes.minorticks_off()
    for values, place in ((x, axes.set_xticks), (y, axes.set_yticks)):
        if values is not None:
            place(values, [f"{value:g}" for value in values])


def drawn(sheet: Sheet, name: str, make: Callable[..., Figure], *data: Any, **words: Any) -> None:
    """A figure whose caption is the docstring of what draws it from `data`, words put in."""
    caption = " ".join((make.__doc__ or "").split())
    sheet.figure(name, make(*data), caption.format(**words) if words else caption)
