r"""The gradient part of a score error in two dimensions, on a grid.

phi of `helmholtz` solves the weighted Poisson equation (isotropic D)

    div(p grad phi) = div(p d),      no flux through the border.

Finite volumes: phi lives on cells, p and the normal component of d on the faces between them, and
phi minimises sum_faces p (d - difference of phi over the cell size)^2. The discrete split is
then orthogonal exactly, as the continuous one is, and converges with the square of the cell size;
the values of two grids are extrapolated, (4 fine - coarse)/3, to fourth order.

Cells whose faces all lie below 1e-16 of the largest density are left out: they weigh nothing and
would only spoil the matrix, which is scaled by its diagonal for the same reason. phi is free up
to a constant (on every island of probability); a shift of the scaled matrix by 1e-14 fixes it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from scipy import sparse
from scipy.sparse.linalg import splu
from torch import Tensor

from thermohw.likelihood.ensemble import Draw
from thermohw.likelihood.timeline import Moment
from thermohw.score import ExactScore, Score
from thermohw.target import Target

__all__ = ["GridSplit", "split_on_grid"]

_NEGLIGIBLE = math.log(1e-16)
_REACH = 8.5  # half width of the box in standard deviations: exp(-8.5^2/2) = 2e-16
_MOST = 384  # cells per side


class _Faces(NamedTuple):
    """Faces normal to one axis: weight p, component of d, the two cells, and the cell size."""

    p: np.ndarray
    d: np.ndarray
    before: np.ndarray
    after: np.ndarray
    size: float


@dataclass(frozen=True)
class GridSplit:
    """Two dimensions, a known law and an isotropic process.

    Attributes:
        score: the model.
        truth: the exact score, which knows p_t.
        target: its moments and narrowest mode place the grid.
        cells: cells per side of the finer grid; more where a narrow mode needs them.
    """

    score: Score
    truth: ExactScore
    target: Target
    cells: int = 96
    note: str = ""

    def __call__(self, wrong: Tensor, draw: Draw, moment: Moment) -> Tensor:
        """See `helmholtz.Split`; one value for all paths."""
        value = torch.full((len(wrong),), self.value(moment.time), dtype=torch.float64)
        return draw.reduce(value)

    def value(self, t: float) -> float:
        """E|grad phi|^2 at model time t, extrapolated."""
        process = self.score.process
        mean, covariance = process.propagate(self.target.mean, self.target.covariance, t)
        half = _REACH * np.sqrt(np.diagonal(covariance))
        decay, noise = process.transition(t)
        narrow = math.sqrt(float(decay) ** 2 * self.target.narrowest + float(noise))
        wanted = max(self.cells, math.ceil(6.0 * float(half.max()) / narrow))  # a third of a mode
        count = min(wanted, _MOST) // 2 * 2
        model, true = self.score.at(t), self.truth.at(t)

        def part(count: int) -> float:
            return split_on_grid(
                lambda x: model(x) - true(x),
                lambda x: self.truth.log_prob(x, t),
                box=(mean - half, mean + half),
                count=count,
            )[0]

        fine = part(count)
        return fine + (fine - part(count // 2)) / 3.0


def split_on_grid(
    error: Callable[[Tensor], Tensor],
    log_prob: Callable[[Tensor], Tensor],
    *,
    box: tuple[np.ndarray, np.ndarray],
    count: int,
) -> tuple[float, float]:
    """Split a field on one grid.

    Args:
        error: x (n, 2) -> d (n, 2), float64.
        log_prob: x (n, 2) -> ln p (n,), up to a constant.
        box: lower and upper corner, shape (2,) each; p must be negligible outside.
        count: cells per side.

    Returns:
        (E|grad phi|^2, E|r|^2): gradient and solenoidal part, with an error of second order in the
        cell size that cancels in their sum.
    """
    low, high = (np.asarray(corner, dtype=np.float64) for corner in box)
    size = (high - low) / count
    cells = np.arange(count * count).reshape(count, count)
    both = []
    for axis in (0, 1):
        spots = [low[k] + size[k] * (np.arange(count) + 0.5) for k in (0, 1)]
        spots[axis] = low[axis] + size[axis] * np.arange(1, count)
        x = torch.as_tensor(np.stack(np.meshgrid(*spots, indexing="ij"), -1).reshape(-1, 2))
        log_p = log_prob(x).numpy()
        kept = log_p > log_p.max() + _NEGLIGIBLE
        p = np.exp(log_p[kept] - log_p.max())
        before = np.take(cells, np.arange(count - 1), axis).reshape(-1)[kept]
        after = np.take(cells, np.arange(1, count), axis).reshape(-1)[kept]
        d = error(x[torch.as_tensor(kept)]).numpy()[:, axis]
        both.append(_Faces(p / p.sum(), d, before, after, float(size[axis])))
    slope_of, p, d = _difference(both, count * count)
    weighted = slope_of.T @ sparse.diags(p)
    operator = weighted @ slope_of
    scale = sparse.diags(1.0 / np.sqrt(operator.diagonal()))
    matrix = scale @ operator @ scale + 1e-14 * sparse.identity(operator.shape[0])
    factors = splu(matrix.tocsc(), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0)
    slope = slope_of @ (scale @ factors.solve(scale @ (weighted @ d)))
    gradient = float(p @ ((2.0 * d - slope) * slope))
    return gradient, float(p @ d**2) - gradient


def _difference(both: list[_Faces], cells: int) -> tuple[sparse.csr_matrix, np.ndarray, np.ndarray]:
    """Differences of a function on the used cells over all faces; p and d of the faces."""
    before, after = (np.concatenate([getattr(f, k) for f in both]) for k in ("before", "after"))
    p, d = (np.concatenate([getattr(f, k) for f in both]) for k in ("p", "d"))
    inverse = np.concatenate([np.full(len(f.p), 1.0 / f.size) for f in both])
    used = np.unique(np.concatenate([before, after]))
    place = np.full(cells, -1)
    place[used] = np.arange(len(used))
    row = np.arange(len(p))
    values = np.concatenate([inverse, -inverse])
    where = (np.concatenate([row, row]), np.concatenate([place[after], place[before]]))
    return sparse.csr_matrix((values, where), shape=(len(p), len(used))), p, d
