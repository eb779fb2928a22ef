r"""A data set as a target: rows in three splits, dequantised, centred and scaled.

Dequantisation.   A measured level n on a grid of spacing `step` becomes n + step u, u uniform on
[0, 1), drawn anew every time a row is used: the density then exists, and its NLL bounds the
discrete one. The mean rises by step/2 and every variance by step^2/12; the moments here are these
expectations, not those of one draw.

    shift = training mean,     scale^2 = mean training variance of a coordinate
    x = (row + step u - shift)/scale:  mean 0, variance 1 averaged over coordinates

No direction can be narrower than the dequantisation noise, (step^2/12)/scale^2: `narrowest` is the
smallest eigenvalue of the training covariance, which contains that floor. Only the training rows
enter shift, scale and moments; validation and test rows stay unseen. Rows of bytes stay bytes in
memory and become doubles when they are drawn.
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from thermohw.errors import InputError
from thermohw.intake import MOST_MATRIX, require_room
from thermohw.target.base import Target
from thermohw.target.moments import moments

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from thermohw.noise import Random

__all__ = ["TEST", "TRAIN", "VALIDATION", "DataSet"]

TRAIN, VALIDATION, TEST = 0, 1, 2
_FAR = 1e50  # standard deviations: beyond, what is computed of a row may be no double


class DataSet(Target):
    """Rows of real data.

    Attributes:
        rows: all rows as read, shape (n, dim), data units, before dequantisation.
        split: TRAIN, VALIDATION or TEST of each row, shape (n,), int8.
        step: quantisation step in data units; 0 for continuous data.
        counts: number of rows in each split.
    """

    analytic = False
    entropy = None

    def __init__(
        self,
        rows: np.ndarray,
        split: np.ndarray,
        *,
        table: dict[str, Any],
        name: str,
        step: float,
        image_shape: tuple[int, ...] | None = None,
    ) -> None:
        self._table = table
        self.kind = table["kind"]
        self.rows, self.split, self.step = rows, np.asarray(split, dtype=np.int8), float(step)
        self.name, self.image_shape = name, image_shape
        self.dim = rows.shape[1]
        size = 8.0 * self.dim**2
        require_room(size, f"the covariance of {self.dim} coordinates", "target", most=MOST_MATRIX)
        require_room(8.0 * rows.size, f"data of shape {rows.shape}", "target")
        kept = rows if rows.dtype == np.uint8 else rows.astype(np.float64)  # bytes stay bytes
        self._parts = {part: kept[self.split == part] for part in (TRAIN, VALIDATION, TEST)}
        noise = self.step**2 / 12.0
        with np.errstate(all="ignore"):
            centre, covariance = moments(self._parts[TRAIN])
            covariance[np.diag_indices(self.dim)] += noise
        if not np.isfinite(covariance).all():
            raise InputError(
                "its values are too large: their squares are no doubles", where="target"
            )
        self.scale = math.sqrt(float(np.trace(covariance)) / self.dim)
        if self.scale == 0.0:
            raise InputError(
                "all training rows are equal: there is nothing to model", where="target"
            )
        self.shift = centre + 0.5 * self.step
        ends = np.array([rows.min(0), rows.max(0)], dtype=np.float64) - self.shift
        if not np.abs(ends).max() / self.scale < _FAR:
            raise InputError(
                f"a value lies more than {_FAR:g} standard deviations from the mean of the "
                "training rows",
                where="target",
            )
        self.mean = np.zeros(self.dim)
        self.covariance = covariance / self.scale**2
        smallest = float(np.linalg.eigvalsh(self.covariance)[0])
        self.narrowest = max(smallest, noise / self.scale**2)
        if self.narrowest < 1e-10:
            raise InputError(
                "the training rows do not span every direction, so they have no density; "
                "dequantise = STEP adds the rounding noise of levels STEP apart",
                where="target.dequantise",
            )

    @cached_property
    def _pools(self) -> dict[int, Tensor]:
        """The rows of each split as tensors, which share their memory."""
        import torch

        return {part: torch.as_tensor(rows) for part, rows in self._parts.items()}

    @property
    def counts(self) -> dict[str, int]:
        """Rows in each split."""
        names = {"train": TRAIN, "validation": VALIDATION, "test": TEST}
        return {name: len(self._parts[part]) for name, part in names.items()}

    def sample(self, n: int, generator: Random) -> Tensor:
        """Draw n dequantised training rows with replacement, (n, dim), float64, model units."""
        from thermohw.noise import choice

        pool = self._pools[TRAIN]
        which = choice(n, len(pool), generator)
        return self._standardise(pool[which], generator)

    def training(self, n: int | None, generator: torch.Generator) -> Tensor:
        """Training rows, dequantised; as `held_out`."""
        return self._pick(TRAIN, n, generator)

    def validation(self, n: int | None, generator: torch.Generator) -> Tensor:
        """Validation rows, dequantised; as `held_out`."""
        return self._pick(VALIDATION, n, generator)

    def held_out(self, n: int | None, generator: torch.Generator) -> Tensor:
        """Draw n different test rows, dequantised, shape (n, dim), float64, model units.

        Raises:
            InputError: there are fewer than n of them.
        """
        return self._pick(TEST, n, generator)

    def _pick(self, part: int, n: int | None, generator: torch.Generator) -> Tensor:
        """Rows of one split: all in order (n None), or n without replacement."""
        import torch

        pool = self._pools[part]
        if n is not None:
            if n > len(pool):
                word = ("training", "validation", "test")[part]
                raise InputError(
                    f"asked for {n} {word} rows, the data set has {len(pool)}", where="target"
                )
            pool = pool[torch.randperm(len(pool), generator=generator)[:n]]
        return self._standardise(pool, generator)

    def _standardise(self, rows: Tensor, generator: Random) -> Tensor:
        """(row + step u - shift)/scale."""
        from thermohw.noise import uniform

        rows = rows.double()
        if self.step:
            u = uniform(len(rows), rows.shape[1], generator)
            rows = rows.add(u, alpha=self.step)
        return (rows - rows.new_tensor(self.shift)).div_(self.scale)

    def to_dict(self) -> dict[str, Any]:
        """The table the constructor was given; the rows travel in `arrays`."""
        return dict(self._table)

    def arrays(self) -> dict[str, np.ndarray]:
        """Rows and split: the data set itself, so that a stored run needs no other file."""
        return {"rows": self.rows, "split": self.split}
