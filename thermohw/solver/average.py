"""How far an average of readings of a relaxing circuit can be trusted.

Readings x_0 .. x_{n-1} of a stationary linear process, h apart, with x_{k+1} = Phi x_k + noise and
covariance P, are correlated. The covariance of their mean is, exactly,

    V = (n P + S P + P S^T)/n^2,     S = sum_{k=1}^{n-1} (n - k) Phi^k
                                       = (n Phi (1 - Phi) - Phi (1 - Phi^n)) (1 - Phi)^-2

which for dx = -(A x - b) dt + sqrt(2/beta) dW, A symmetric, becomes 2 A^-2/(beta D) for a long time
D = n h: the law of one over time with its constant. The second moments of such readings follow by
Wick's theorem; for the same process

    E |C_hat - C|_F^2 = (2/(beta^2 D)) (sum_ab 1/(l_a l_b (l_a + l_b)) + sum_a 1/(2 l_a^3))

with the eigenvalues l of A, C = A^-1/beta and readings much denser than the correlation time.

Without that limit: products x x^T of stationary Gaussian readings are themselves readings of a
linear process, with Phi (x) Phi and the covariance that Wick's theorem gives them, P (x) P and the
same with two indices swapped, so that V of it is the covariance of their mean.

Measured errors come from batches: the time is cut into batches much longer than the slowest motion,
whose means are as good as independent, whatever the correlation inside them.
"""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = ["Batches", "average_covariance", "covariance_error", "mean_error", "product_error"]

_MOST = 16  # batches of a path
_LENGTH = 20.0  # slowest motions in a batch


def average_covariance(phi: NDArray[Any], covariance: NDArray[Any], n: int) -> NDArray[Any]:
    """V of the module: covariance of the mean of n stationary readings, shape (d, d)."""
    one = np.eye(len(phi))
    rest = np.linalg.inv(one - phi)
    sums = (n * phi @ (one - phi) - phi @ (one - np.linalg.matrix_power(phi, n))) @ rest @ rest
    return (n * covariance + sums @ covariance + covariance @ sums.T) / n**2


def product_error(
    phi: NDArray[Any], covariance: NDArray[Any], n: int, show: NDArray[Any]
) -> NDArray[Any]:
    """E (C_hat - C)^2 of every entry, C_hat the mean product of n readings show . x, shape (N, N).

    Args:
        phi: transition from one reading to the next, shape (d, d).
        covariance: P, shape (d, d).
        n: readings.
        show: what is read of x, shape (N, d).
    """
    d = len(phi)
    pairs = np.kron(covariance, covariance)
    swapped = pairs.reshape(d, d, d, d).transpose(0, 1, 3, 2).reshape(d * d, d * d)
    mean = average_covariance(np.kron(phi, phi), pairs + swapped, n)
    both = np.kron(show, show)
    return np.einsum("ai,ij,aj->a", both, mean, both, optimize=True).reshape(len(show), -1)


def mean_error(matrix: NDArray[Any], temperature: float, duration: float) -> float:
    """E |x_bar - A^-1 b|^2 = 2 tr(A^-2)/(beta D) of the ideal process, long times.

    Args:
        matrix: A, symmetric positive definite.
        temperature: 1/beta.
        duration: D, in the time unit of dx = -(A x - b) dt + ...
    """
    return 2.0 * temperature * float(np.sum(np.linalg.eigvalsh(matrix) ** -2.0)) / duration


def covariance_error(matrix: NDArray[Any], duration: float) -> float:
    """E |beta C_hat - A^-1|_F^2 of the ideal process, long times; see the module."""
    values = np.linalg.eigvalsh(matrix)
    pairs = 1.0 / (np.outer(values, values) * (values[:, None] + values))
    return 2.0 * float(pairs.sum() + (0.5 / values**3).sum()) / duration


class Batches:
    """Sums of readings and of their products, path by path and batch by batch.

    Memory does not grow with the number of readings.

    Args:
        paths: how many.
        dim: of a reading.
        readings: how many will come.
        spacing: time between them.
        slowest: time constant of the slowest motion, in the unit of `spacing`.
        products: keep second moments too.
    """

    def __init__(
        self, paths: int, dim: int, readings: int, *, spacing: float, slowest: float, products: bool
    ) -> None:
        fits = int(readings * spacing / (_LENGTH * slowest))
        self.count = max(1, min(_MOST, fits, readings))
        self.readings, self.seen = readings, 0
        self.sums = np.zeros((self.count, paths, dim))
        self.products = np.zeros((self.count, paths, dim, dim)) if products else None
        ends = -(-np.arange(self.count + 1) * readings // self.count)
        self._sizes = np.diff(ends).astype(np.float64)

    def add(self, x: NDArray[Any]) -> None:
        """One reading of every path, shape (paths, dim)."""
        place = min(self.seen * self.count // self.readings, self.count - 1)
        self.sums[place] += x
        if self.products is not None:
            self.products[place] += x[:, :, None] * x[:, None, :]
        self.seen += 1

    def checkpoint(self) -> dict[str, Any]:
        """What has been added up so far."""
        kept = {"readings/seen": self.seen, "readings/sums": self.sums}
        return kept | ({} if self.products is None else {"readings/products": self.products})

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.seen, self.sums = int(saved["readings/seen"]), np.array(saved["readings/sums"])
        if self.products is not None:
            self.products = np.array(saved["readings/products"])

    def mean(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Mean over everything and its standard error, shapes (dim,); nan from one batch."""
        return _spread(self.sums / self._sizes[:, None, None], self._sizes)

    def by_path(self) -> NDArray[Any]:
        """What every path alone says of the mean, shape (paths, dim)."""
        return self.sums.sum(0) / self._sizes.sum()

    def covariance_by_path(self) -> NDArray[Any]:
        """What every path alone says of the covariance about the mean of all, shape (paths, dim,
        dim).
        """
        assert self.products is not None
        mean, local = self.mean()[0], self.by_path()
        crossed = local[:, :, None] * mean
        whole = self.products.sum(0) / self._sizes.sum()
        return whole - crossed - np.swapaxes(crossed, -1, -2) + np.outer(mean, mean)

    def covariance(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Covariance about the mean of everything, and its standard error, shapes (dim, dim)."""
        assert self.products is not None
        sizes = self._sizes[:, None, None]
        mean, local = self.mean()[0], self.sums / sizes
        crossed = local[..., :, None] * mean
        about = self.products / sizes[..., None] - crossed - np.swapaxes(crossed, -1, -2)
        return _spread(about + np.outer(mean, mean), self._sizes)


def _spread(values: NDArray[Any], sizes: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Mean and standard error of values (batches, paths, ...), batches weighted by their size."""
    weight = sizes / sizes.sum()
    shape = (-1,) + (1,) * (values.ndim - 1)
    mean = (values * weight.reshape(shape)).sum(0).mean(0)
    units = values.shape[0] * values.shape[1]
    if units < 2:
        return mean, np.full_like(mean, np.nan)
    scatter = (((values - mean) * weight.reshape(shape)) ** 2).sum((0, 1)) / values.shape[1] ** 2
    return mean, np.sqrt(scatter) * sqrt(units / (units - 1.0))
