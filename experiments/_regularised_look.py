"""How entropy_regularised draws: names and colours of the data, marks along lambda.

lambda spans decades and begins at zero: its values stand at equal distances.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from thermohw.experiments._regularised_numbers import change
from thermohw.study.figures import PALETTE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "NAMES",
    "PLAYED",
    "SHRUNK",
    "TRAINED",
    "TUNED",
    "colours",
    "lambda_axis",
    "marks",
    "positions",
]

TRAINED, PLAYED, SHRUNK, TUNED = (PALETTE[role] for role in ("generated", "heat", "muted", "work"))
NAMES = {
    "mixture": "mixture",
    "digits": "digits",
    "few": "few digits",
    "bare": "few digits, bare",
}
_ROLES = {"mixture": "generated", "digits": "heat", "few": "work", "bare": "pumping"}


def colours(data: list[str]) -> list[str]:
    """A colour for each set of data, always the same."""
    return [PALETTE[_ROLES[name]] for name in data]


def positions(p: dict[str, Any]) -> np.ndarray:
    """Where each lambda stands."""
    return np.arange(len(p["weights"]), dtype=float)


def lambda_axis(axes: Axes, p: dict[str, Any]) -> None:
    """A horizontal axis of lambda."""
    axes.set_xticks(positions(p), [f"{w:g}" for w in p["weights"]])
    axes.set_xlabel("λ")
    axes.set_xlim(-0.4, len(p["weights"]) - 0.6)


def marks(
    axes: Axes,
    p: dict[str, Any],
    values: Callable[[float], np.ndarray],
    *,
    shift: float = 0.0,
    line: str = "none",
    **look: Any,
) -> None:
    """Means over seeds and 95 % intervals along lambda."""
    found = [change(values(w)) for w in p["weights"]]
    mean, half = (np.array([getattr(f, k) for f in found]) for k in ("mean", "half"))
    axes.errorbar(positions(p) + shift, mean, np.nan_to_num(half), ls=line, **look)
