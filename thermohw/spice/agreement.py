"""Two ensembles of the same protocol, the simulator's and the package's: means and z-scores."""

from __future__ import annotations

from dataclasses import dataclass
from math import hypot, sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["LARGEST", "Agreement", "compare"]

LARGEST = 4.0
"""Most standard errors between two means that agree."""


@dataclass(frozen=True)
class Agreement:
    """Means of two samples, quantity by quantity.

    Attributes:
        label: what was compared.
        rows: name -> (mean, standard error, mean, standard error): the simulator's, ours.
        unit: of every row.
        residual: largest first-law residual of a simulated cell, kT_ref.
    """

    label: str
    rows: dict[str, tuple[float, float, float, float]]
    unit: dict[str, str]
    residual: float

    def z(self, name: str) -> float:
        """Difference in standard errors."""
        one, error, other, own = self.rows[name]
        return (one - other) / hypot(error, own)

    @property
    def holds(self) -> bool:
        """Every mean within `LARGEST` standard errors."""
        return all(abs(self.z(name)) <= LARGEST for name in self.rows)

    def __str__(self) -> str:
        word = "agrees" if self.holds else "DIFFERS"
        lines = [f"{self.label}: {word}; simulator / thermohw, first law of every cell within "
                 f"{self.residual:.1g} kT"]  # fmt: skip
        for name, (one, error, other, own) in self.rows.items():
            lines.append(f"  {name:<18}{one:+.4f} +- {error:.4f} / {other:+.4f} +- {own:.4f} "
                         f"{self.unit[name]} (z {self.z(name):+.1f})")  # fmt: skip
        return "\n".join(lines)


def compare(
    label: str,
    simulator: dict[str, NDArray[Any]],
    ours: dict[str, NDArray[Any]],
    *,
    unit: dict[str, str],
    residual: float,
) -> Agreement:
    """Means of arrays over their samples.

    Args:
        label: what is compared.
        simulator: name -> values, shape (cells,).
        ours: the same names, shape (paths,).
        unit: by name.
        residual: see `Agreement`.
    """

    def moments(values: NDArray[Any]) -> tuple[float, float]:
        return float(np.mean(values)), float(np.std(values, ddof=1)) / sqrt(len(values))

    rows = {name: (*moments(simulator[name]), *moments(ours[name])) for name in simulator}
    return Agreement(label, rows, unit, residual)
