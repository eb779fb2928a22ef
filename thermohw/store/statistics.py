"""What is kept of a channel in place of its paths: moments, extremes, a histogram.

Of n values x, fed a tile at a time,

    mean      S_p = sum (x - mean)^p, p = 2, 3, 4      minimum, maximum      counts of cells

The sums of two tiles are joined exactly (Chan, Golub and LeVeque 1979; Pebay 2008, equation 2.1):
no large number is subtracted from another, and a tile's rounding is all that their order changes.

Cells are of equal width in asinh((x - centre)/scale), centre and scale the mean and the standard
deviation of the first tile: nearly linear within a standard deviation, where a cell is 0.03 of one
wide, and of equal relative width, 3 %, far out, up to 1024 standard deviations, beyond which all is
counted in the outermost cells. The grid is fixed by the first tile, so counts of tiles simply add,
in any order. A quantile is looked up in the counts: the cell that it lies in is exact, its place
inside is interpolated, and the rank of what is answered differs from what was asked by at most the
share of that cell, of a Gaussian 1.2 %.

(Sketches of libraries were weighed: KLL and REQ of datasketches draw random bits of their own,
t-digests depend on how tiles are cut, and DDSketch counts relative to zero, where a heat of a
thousand kT with a spread of one has a single cell. Neither is bit-identical after a resume.)
"""

from __future__ import annotations

from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

from thermohw.errors import InputError
from thermohw.estimate import Estimate

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["CELLS", "COLUMNS", "EDGES", "Statistics"]

COLUMNS = (
    "count", "mean", "square", "cube", "fourth", "minimum", "maximum", "centre", "scale",
)  # fmt: skip
"""What the table of a channel holds, S_2 to S_4 under "square", "cube" and "fourth"."""

CELLS = 512
"""Cells of a histogram."""

_FAR = 1024.0  # standard deviations of the first tile, from where on cells are one
_REACH = float(np.arcsinh(_FAR))
EDGES = np.sinh(np.linspace(-_REACH, _REACH, CELLS + 1))
"""Edges of the cells in units of scale, from centre, shape (CELLS + 1,)."""


class Statistics:
    """Running statistics of a channel, of each of its entries where it has an axis.

    Args:
        width: trailing shape of the channel, () or (n,).

    Attributes:
        table: shape (*width, 9), the columns `COLUMNS`; powers of the channel's unit.
        cells: counts, shape (*width, CELLS), int64.
    """

    def __init__(self, width: tuple[int, ...] = ()) -> None:
        self.table = np.zeros((*width, len(COLUMNS)))
        self.cells = np.zeros((*width, CELLS), np.int64)

    def __repr__(self) -> str:
        rows = (f"{n} {np.array2string(np.asarray(self[n]), precision=4, threshold=6)}"
                for n in ("mean", "minimum", "maximum"))  # fmt: skip
        return f"<Statistics of {self.count} paths: {', '.join(rows)}>"

    @classmethod
    def of(cls, values: ArrayLike) -> Statistics:
        """Of all values at once, shape (paths[, n])."""
        array = np.asarray(values, np.float64)
        made = cls(array.shape[1:])
        made.add(array)
        return made

    def add(self, values: NDArray[Any]) -> None:
        """Count some paths, shape (paths[, n]), at least one."""
        columns = np.asarray(values, np.float64).reshape(len(values), -1).T
        table = self.table.reshape(-1, len(COLUMNS))
        cells = self.cells.reshape(-1, CELLS)
        for row, counts, x in zip(table, cells, columns, strict=True):
            _add(row, counts, np.ascontiguousarray(x))

    def __getitem__(self, name: str) -> NDArray[np.float64]:
        """A column of the table, shape width."""
        return self.table[..., COLUMNS.index(name)]

    @property
    def count(self) -> int:
        """Paths seen."""
        return int(self["count"].max(initial=0.0))

    @property
    def mean(self) -> NDArray[np.float64]:
        """Mean over paths, shape width."""
        return self["mean"]

    @property
    def variance(self) -> NDArray[np.float64]:
        """Variance over paths, shape width."""
        return self["square"] / max(self.count - 1, 1)

    @property
    def stderr(self) -> NDArray[np.float64]:
        """Standard error of the mean, shape width; nan of a single path."""
        return np.sqrt(self.variance / self.count) if self.count > 1 else np.full_like(
            self.mean, np.nan)  # fmt: skip

    @property
    def skewness(self) -> NDArray[np.float64]:
        """S_3/n / (S_2/n)^(3/2), shape width; 0 of what does not vary."""
        return self._shape("cube", 1.5)

    @property
    def kurtosis(self) -> NDArray[np.float64]:
        """S_4/n / (S_2/n)^2, 3 of a Gaussian, shape width; 0 of what does not vary."""
        return self._shape("fourth", 2.0)

    def estimate(self) -> Estimate:
        """The mean with its standard error, of a channel without an axis."""
        row = dict(zip(COLUMNS, self.table.tolist(), strict=True))
        return Estimate.from_sums(self.count, row["mean"], row["square"], row["cube"])

    def edges(self) -> NDArray[np.float64]:
        """Edges of the cells, the channel's unit, shape (*width, CELLS + 1); the outermost cells
        also count what lies beyond.
        """
        return self["centre"][..., None] + self["scale"][..., None] * EDGES

    def quantile(self, share: float) -> NDArray[np.float64]:
        """The value below which a share of the paths lies, 0 <= share <= 1, shape width; see the
        module for how exact that is.

        Raises:
            InputError: no share.
        """
        if not isinstance(share, Real) or not 0.0 <= float(share) <= 1.0:
            raise InputError(f"{share!r}: expected one number from 0 to 1", where="quantile")
        edges = self.edges().reshape(-1, CELLS + 1)
        low, high = self["minimum"].reshape(-1), self["maximum"].reshape(-1)
        found = np.empty(len(edges))
        for i, counts in enumerate(self.cells.reshape(-1, CELLS)):
            rank = np.concatenate([[0.0], np.cumsum(counts)]) / max(counts.sum(), 1)
            marks = np.clip(edges[i], low[i], high[i])
            marks[0], marks[-1] = low[i], high[i]
            full = np.flatnonzero(counts)  # of empty cells no edge is the place of a rank
            at = min(int(np.searchsorted(rank[full + 1], share)), len(full) - 1)
            cell = full[at]
            part = (share - rank[cell]) / (rank[cell + 1] - rank[cell])
            found[i] = marks[cell] + min(max(part, 0.0), 1.0) * (marks[cell + 1] - marks[cell])
        return found.reshape(self.mean.shape)

    def _shape(self, name: str, power: float) -> NDArray[np.float64]:
        n, square = max(self.count, 1), self["square"]
        spread = np.where(square > 0.0, square / n, 1.0)
        return np.where(square > 0.0, self[name] / n / spread**power, 0.0)


def _add(row: NDArray[np.float64], counts: NDArray[np.int64], x: NDArray[np.float64]) -> None:
    """Join a tile's values of one entry, shape (paths,), to its row and counts, in place."""
    n, m = row[0], float(len(x))
    with np.errstate(invalid="ignore", over="ignore"):  # what is no number stays none
        mean = float(x.mean())
        away = x - mean
        squared = away * away
        s2, s3, s4 = float(squared.sum()), float(squared @ away), float(squared @ squared)
        low, high = float(x.min()), float(x.max())
        if n == 0.0:
            spread = float(np.sqrt(s2 / m))
            # Rounding of a constant is no scale: cells a millionth of its size tell it is one.
            scale = spread if spread > 1e-12 * abs(mean) else 1e-6 * abs(mean) or 1.0
            row[:] = (m, mean, s2, s3, s4, low, high, mean, scale)
        else:
            total, d = n + m, mean - row[1]
            part = d / total
            row[4] += s4 + d * part**3 * n * m * (n * n - n * m + m * m) + 4.0 * part * (
                n * s3 - m * row[3]) + 6.0 * part**2 * (n * n * s2 + m * m * row[2])  # fmt: skip
            row[3] += s3 + d * part**2 * n * m * (n - m) + 3.0 * part * (n * s2 - m * row[2])
            row[2] += s2 + d * part * n * m
            row[1] += part * m
            row[0] = total
            row[5], row[6] = np.minimum(row[5], low), np.maximum(row[6], high)
        place = (np.arcsinh((x - row[7]) / row[8]) + _REACH) * (0.5 * CELLS / _REACH)
        # What is no number is counted too, in the last cell; its mean says that it is none.
        at = np.fmin(np.fmax(place, 0.0), CELLS - 1).astype(np.intp)
        at[np.isnan(place)] = CELLS - 1
    counts += np.bincount(at, minlength=CELLS)
