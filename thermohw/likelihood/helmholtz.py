r"""Which part of a score error moves the marginals: its gradient part under the noised law.

The error d = s - s_true changes the velocity of the probability flow by D d. Split it, at one time,

    d = grad phi + r,     div(p_t D r) = 0,
    E[d . D d] = E[grad phi . D grad phi] + E[r . D r]        (orthogonal under p_t),

phi the minimiser of E[(d - grad phi) . D (d - grad phi)]. The law p_t feels an error only through
div(p_t D d), so the solenoidal part r turns probability around without moving any: to first order
the model's marginals know phi alone. In one dimension everything is a gradient. Otherwise

- both scores affine (`LinearSplit`): p_t is Gaussian with covariance C, d = M (x - m) + const, and
  the symmetric slope S of grad phi solves D S C + C S D = D M C + C M^T D. With C = V V^T and
  D = V L V^T (simultaneous congruence) this is elementwise in V^T S V. Exact in any dimension;
- two dimensions and a known law: `poisson.GridSplit`, convergent;
- any dimension, from samples: `features.FeatureSplit`, a lower estimate of the gradient part.

That only the gradient part enters the marginals is the continuity equation; the decomposition is
the Helmholtz-Hodge one (Bhatia et al., IEEE Trans. Vis. Comput. Graph. 19, 2013) with weight p_t.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from thermohw.likelihood.ensemble import Draw
from thermohw.likelihood.timeline import Moment, apply
from thermohw.process import Process
from thermohw.score import Field, Score
from thermohw.target import Target

__all__ = ["LinearSplit", "Split", "WholeSplit", "captured", "symmetric_slope"]


class Split(Protocol):
    """A way to the gradient part of a score error."""

    @property
    def note(self) -> str:
        """What qualifies the result; empty where it is exact."""
        ...

    def __call__(self, wrong: Tensor, draw: Draw, moment: Moment) -> Tensor:
        """Gradient part at one moment.

        Args:
            wrong: d at the points of the draw, shape (n, dim), model units.
            draw: points of p_t.
            moment: when.

        Returns:
            Values whose mean is E[grad phi . D grad phi], nats per unit of diffusion time, reduced
            as the draw is: shape (paths,), or (1,) on a grid.
        """
        ...


def captured(wrong: Tensor, gradient: Tensor, mobility: float | Tensor) -> Tensor:
    """2 d . D g - g . D g, shape (n,): d . D d less what the gradient g leaves of it."""
    return ((2.0 * wrong - gradient) * apply(mobility, gradient)).sum(1)


@dataclass(frozen=True)
class WholeSplit:
    """One dimension: every error is a gradient."""

    note: str = ""

    def __call__(self, wrong: Tensor, draw: Draw, moment: Moment) -> Tensor:
        """See `Split`."""
        return draw.reduce(captured(wrong, wrong, moment.mobility))


@dataclass(frozen=True)
class LinearSplit:
    """Both scores affine: exact in any dimension.

    Attributes:
        score: the model.
        truth: the score of a Gaussian law.
        target: that law at t = 0.
    """

    score: Score
    truth: Score
    target: Target
    note: str = ""

    def __call__(self, wrong: Tensor, draw: Draw, moment: Moment) -> Tensor:
        """See `Split`."""
        t, dim = moment.time, wrong.shape[1]
        process: Process = self.score.process
        mean, covariance = process.propagate(self.target.mean, self.target.covariance, t)
        model, true = (_affine(score.at(t), dim) for score in (self.score, self.truth))
        error = model[0] - true[0]
        constant = model[1] - true[1] + error @ mean
        mobility = moment.mobility
        matrix = mobility.numpy() if isinstance(mobility, Tensor) else np.eye(dim)
        slope = torch.as_tensor(symmetric_slope(error, covariance, matrix))
        gradient = (draw.x - torch.as_tensor(mean)) @ slope + torch.as_tensor(constant)
        return draw.reduce(captured(wrong, gradient, mobility))


def _affine(field: Field, dim: int) -> tuple[np.ndarray, np.ndarray]:
    """(slope, offset) of shapes (dim, dim) and (dim,)."""
    assert field.affine is not None, "a linear split needs affine scores"
    slope, offset = (np.asarray(part, dtype=np.float64) for part in field.affine)
    return slope if slope.ndim == 2 else np.eye(dim) * slope, np.zeros(dim) + offset


def symmetric_slope(error: np.ndarray, covariance: np.ndarray, mobility: np.ndarray) -> np.ndarray:
    """S of grad phi = S (x - m) for the error M (x - m) under N(m, C).

    Args:
        error: M, shape (dim, dim).
        covariance: C, symmetric positive definite.
        mobility: D, symmetric, positive semidefinite.

    Returns:
        The symmetric S with D S C + C S D = D M C + C M^T D, shape (dim, dim). Directions that a
        singular D does not reach count for nothing and get 0.
    """
    inverse = np.linalg.inv(np.linalg.cholesky(covariance))
    values, vectors = np.linalg.eigh(inverse @ mobility @ inverse.T)
    frame = vectors.T @ inverse  # V^-1
    right = mobility @ error @ covariance
    known = frame @ (right + right.T) @ frame.T
    pairs = np.add.outer(values, values)
    reached = pairs > 1e-13 * values.max()
    inner = np.divide(known, pairs, out=np.zeros_like(known), where=reached)
    return frame.T @ inner @ frame
