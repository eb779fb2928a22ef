r"""A multivariate normal law in model units, such as the prior side of a process.

    ln p(x) = -(1/2) (x - m)^T C^-1 (x - m) - (1/2) ln det(2 pi C)      (nats)
    S       = (1/2) ln det(2 pi e C)

The covariance is a float c (C = c times the identity, the isotropic processes) or a full matrix.
Densities follow the dtype of the points they are asked for; samples are float64.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from thermohw.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from thermohw.noise import Random

__all__ = ["Normal"]


@dataclass(frozen=True, eq=False)
class Normal:
    """N(mean, covariance).

    Attributes:
        mean: shape (d,), float64.
        covariance: variance of every coordinate (float), or matrix of shape (d, d).

    Raises:
        InputError: the covariance is not symmetric positive definite.
    """

    mean: np.ndarray
    covariance: float | np.ndarray

    def __post_init__(self) -> None:
        mean = np.atleast_1d(np.array(self.mean, dtype=np.float64))
        assert mean.ndim == 1, "the mean is a vector"
        object.__setattr__(self, "mean", mean)
        if np.ndim(self.covariance) == 0:
            object.__setattr__(self, "covariance", float(self.covariance))
        else:
            matrix = np.array(self.covariance, dtype=np.float64)
            assert matrix.shape == (len(mean), len(mean)), "covariance is (d, d)"
            object.__setattr__(self, "covariance", matrix)
        if not (np.isfinite(mean).all() and np.isfinite(self.covariance).all()):
            raise InputError("mean and covariance of a normal law must be finite")
        _ = self.factor

    @property
    def dim(self) -> int:
        """Number of coordinates d."""
        return len(self.mean)

    @property
    def matrix(self) -> np.ndarray:
        """The covariance as a matrix of shape (d, d), whatever it was given as."""
        if isinstance(self.covariance, float):
            return np.diag(np.full(self.dim, self.covariance))
        return np.asarray(self.covariance)

    @cached_property
    def factor(self) -> float | np.ndarray:
        """Standard deviation, or lower Cholesky factor of shape (d, d)."""
        try:
            if isinstance(self.covariance, float):
                if self.covariance <= 0.0:
                    raise np.linalg.LinAlgError
                return math.sqrt(self.covariance)
            return np.linalg.cholesky(self.covariance)
        except np.linalg.LinAlgError:
            raise InputError("the covariance of a normal law must be positive definite") from None

    @cached_property
    def log_det(self) -> float:
        """Log determinant of the covariance as a (d, d) matrix."""
        if isinstance(self.factor, float):
            return self.dim * 2.0 * math.log(self.factor)
        return 2.0 * float(np.log(np.diagonal(self.factor)).sum())

    @property
    def entropy(self) -> float:
        """Differential entropy (1/2) ln det(2 pi e C), nats, model units."""
        return 0.5 * (self.dim * (1.0 + math.log(2.0 * math.pi)) + self.log_det)

    def log_prob(self, x: Tensor) -> Tensor:
        """Log density, nats.

        Args:
            x: points, shape (paths, d), model units.

        Returns:
            ln p(x), shape (paths,), in the dtype of x.
        """
        import torch

        centred = x - torch.as_tensor(self.mean, dtype=x.dtype, device=x.device)
        if isinstance(self.factor, float):
            square = centred.div_(self.factor).square().sum(1)
        else:
            root = torch.as_tensor(self.factor, dtype=x.dtype, device=x.device)
            square = torch.linalg.solve_triangular(root, centred.T, upper=False).square().sum(0)
        return -0.5 * square - 0.5 * (self.dim * math.log(2.0 * math.pi) + self.log_det)

    def sample(self, n: int, generator: Random) -> Tensor:
        """Draw n independent samples, shape (n, d), float64, model units."""
        import torch

        from thermohw.noise import normal

        z = normal(n, self.dim, generator)
        if isinstance(self.factor, float):
            return z.mul_(self.factor).add_(torch.as_tensor(self.mean))
        return torch.addmm(torch.as_tensor(self.mean), z, torch.as_tensor(self.factor).T)
