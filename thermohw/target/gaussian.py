r"""Gaussian and Gaussian-mixture targets: everything about them is known.

    p_0(x) = sum_k w_k N(x; m_k, diag(s_k^2)),      or one Gaussian with a full covariance.

Model units are data units (shift 0, scale 1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from thermohw.errors import InputError
from thermohw.intake import MOST_MATRIX, require_room
from thermohw.target.base import Target
from thermohw.target.law import MixtureLaw

if TYPE_CHECKING:
    from torch import Tensor

    from thermohw.noise import Random

__all__ = ["MOST_MODES", "GaussianMixture", "gaussian", "gaussian_mixture"]

MOST_MODES = 512
"""Of a mixture: every score of every path at every tick, and every panel of an entropy, asks all.
"""
_NARROWEST = 1e-9  # a deviation: float32 holds the inverse of its fourth power, 1e36
_FARTHEST = 1e15  # of a unit: doubles, which round at 2e-16, lose anything smaller beside it


class GaussianMixture(Target):
    """A law p_0 that is a mixture of Gaussians.

    Attributes:
        law: weights, means and covariances in model units.
    """

    scale = 1.0

    def __init__(self, law: MixtureLaw, table: dict[str, Any]) -> None:
        self.law = law
        self._table = table
        self.kind = table["kind"]
        count = len(law.weights)
        self.name = (
            f"{law.dim}-d Gaussian" if count == 1 else f"{law.dim}-d mixture of {count} Gaussians"
        )
        self.dim = law.dim
        self.shift = np.zeros(law.dim)
        self.mean, self.covariance, self.narrowest = law.mean, law.covariance, law.narrowest
        self.entropy = law.entropy()

    def sample(self, n: int, generator: Random) -> Tensor:
        """Draw n samples, shape (n, dim), float64, model units."""
        return self.law.sample(n, generator)

    def to_dict(self) -> dict[str, Any]:
        """The table the constructor was given, complete and JSON-ready."""
        return dict(self._table)


def gaussian(mean: Any = 0.0, std: Any = None, *, covariance: Any = None) -> GaussianMixture:
    """One Gaussian.

    Args:
        mean: float or shape (d,).
        std: standard deviation of every coordinate: float or shape (d,). Default 1.
        covariance: shape (d, d), instead of std.

    Returns:
        The target; model units are data units.

    Raises:
        InputError: shapes that do not fit, a covariance not positive definite, or both given.
    """
    centre = np.atleast_1d(_numbers(mean, "target.mean"))
    if centre.ndim != 1:
        raise InputError(
            f"expected one list of numbers, got shape {centre.shape}", where="target.mean"
        )
    dim = len(centre)
    if not dim:
        raise InputError("expected at least one number, got an empty list", where="target.mean")
    table: dict[str, Any] = {"kind": "gaussian", "mean": centre.tolist()}
    if covariance is None:
        deviation = _deviations([1.0 if std is None else std], 1, dim, "target.std")
        table["std"] = deviation[0].tolist()
        return GaussianMixture(MixtureLaw(np.ones(1), centre[None], deviation**2), table)
    if std is not None:
        raise InputError("give std or covariance, not both", where="target.covariance")
    matrix = np.atleast_2d(_numbers(covariance, "target.covariance"))
    where = "target.covariance"
    if matrix.shape != (dim, dim):
        raise InputError(
            f"expected shape {(dim, dim)} as the mean has {dim} entries, got {matrix.shape}",
            where=where,
        )
    if not np.allclose(matrix, matrix.T, rtol=1e-12) or np.linalg.eigvalsh(matrix)[0] <= 0.0:
        raise InputError("must be symmetric and positive definite", where=where)
    if np.linalg.eigvalsh(matrix)[0] < _NARROWEST**2:
        problem = f"its narrowest direction must have a deviation of {_NARROWEST:g} at least"
        raise InputError(problem, where=where)
    table["covariance"] = matrix.tolist()
    return GaussianMixture(MixtureLaw(np.ones(1), centre[None], matrix[None]), table)


def gaussian_mixture(means: Any, stds: Any = 1.0, weights: Any = None) -> GaussianMixture:
    """A mixture of Gaussians with diagonal covariances.

    Args:
        means: shape (K, d); a flat list of K numbers is read as K components in one dimension.
        stds: one float for all, one per component (K,), or one per component and coordinate (K, d).
        weights: shape (K,), positive, summing to 1. Default: equal.

    Returns:
        The target; model units are data units.

    Raises:
        InputError: shapes that do not fit, a std not positive, weights that do not sum to 1.
    """
    centres = _numbers(means, "target.means")
    centres = centres[:, None] if centres.ndim == 1 else centres
    if centres.ndim != 2 or centres.size == 0:
        raise InputError(
            f"expected a list of K points, got shape {centres.shape}", where="target.means"
        )
    count, dim = centres.shape
    if count > MOST_MODES:
        raise InputError(
            f"a mixture of {count} modes: at most {MOST_MODES} are followed; a data set of its "
            "samples (kind = 'array') may have any number",
            where="target.means",
        )
    require_room(8.0 * count * dim**2, f"covariances of {count} modes in {dim} dimensions",
                 "target.means", most=MOST_MATRIX)  # fmt: skip
    deviation = _deviations(stds, count, dim, "target.stds")
    w = np.full(count, 1.0 / count) if weights is None else _numbers(weights, "target.weights")
    if w.shape != (count,):
        raise InputError(
            f"expected {count} weights, one per mean, got shape {w.shape}", where="target.weights"
        )
    if not (w > 0.0).all() or abs(w.sum() - 1.0) > 1e-6:
        raise InputError(
            f"weights must be positive and sum to 1, got {w.tolist()}", where="target.weights"
        )
    table = {
        "kind": "gaussian_mixture",
        "means": centres.tolist(),
        "stds": deviation.tolist(),
        "weights": w.tolist(),
    }
    return GaussianMixture(MixtureLaw(w / w.sum(), centres, deviation**2), table)


def _numbers(value: Any, where: str) -> np.ndarray:
    """A finite float64 array, or one clear line."""
    try:
        array = np.array(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"expected numbers, got {value!r}", where=where) from None
    if not np.isfinite(array).all():
        raise InputError(f"expected finite numbers, got {value!r}", where=where)
    if (np.abs(array) > _FARTHEST).any():
        raise InputError(f"expected numbers up to {_FARTHEST:g}, got {value!r}", where=where)
    return array


def _deviations(value: Any, count: int, dim: int, where: str) -> np.ndarray:
    """Standard deviations of shape (count, dim) from one float, one per component, or all."""
    array = _numbers(value, where)
    array = array[:, None] if array.ndim == 1 else array
    if array.ndim > 2 or (array.ndim == 2 and array.shape not in ((count, 1), (count, dim))):
        raise InputError(
            f"expected one number, {count}, or {count} x {dim}; got shape {array.shape}",
            where=where,
        )
    if not (array > 0.0).all():
        raise InputError(f"standard deviations must be positive, got {value!r}", where=where)
    if not (array >= _NARROWEST).all():
        problem = f"expected standard deviations of {_NARROWEST:g} at least, got {value!r}"
        raise InputError(problem, where=where)
    return np.array(np.broadcast_to(array, (count, dim)))
