"""Covariances of every two coordinates, each held against its law for itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from thermohw.estimate import Estimate

__all__ = ["pair_covariances"]

_FEWEST_ROWS = 4096  # samples looked at however many coordinates there are
_PRODUCTS = 2**32  # of coordinates in pairs, where more than a cloud of samples is taken


def pair_covariances(
    x: np.ndarray, covariance: np.ndarray, called: float
) -> tuple[list[tuple[int, int, Estimate]], float]:
    """(i, j, excess) of the covariances of centred samples (n, d) that are more than two standard
    errors off (no others can be called: a skewed mean of 30 samples is 3 at most there), and the
    deviation, as a correlation, that makes |z| = `called` for the middle one of all pairs.

    Student's 2 n/(2 + kappa) degrees of freedom (`thermohw.estimate`) with the excess kurtosis of a
    product of Gaussians that correlate by r, 6 (r^4 + 6 r^2 + 1)/(1 + r^2)^2: 6 to 12. Without it
    the largest of many products of 100 samples passes |z| = 4 twenty times too often.
    """
    row, column = np.triu_indices(x.shape[1], 1)
    if not len(row):
        return [], 0.0
    x = x[: max(_FEWEST_ROWS, _PRODUCTS // x.shape[1] ** 2)]
    n = len(x)
    first, second, third = (power.T @ power for power in (x, x * x, x * x * x))
    first, second, third = (sums[row, column] / n for sums in (first, second, third))
    # Central moments of the products, from raw ones: sums over paths are matrix products.
    square = n * (second - first**2)
    cube = n * (third - 3.0 * first * second + 2.0 * first**3)
    sd, law = np.sqrt(np.diag(covariance)), covariance[row, column]
    size = sd[row] * sd[column]
    r2, excess = (law / size) ** 2, first - law
    freedom = 2.0 * n / (2.0 + 6.0 * (r2**2 + 6.0 * r2 + 1.0) / (1.0 + r2) ** 2)

    def estimate(k: int) -> Estimate:
        found = Estimate.from_sums(n, *map(float, (excess[k], square[k], cube[k])))
        return replace(found, freedom=float(freedom[k]))

    error = np.sqrt(np.maximum(square, 0.0) / n / (n - 1))
    middle = int(np.argsort(error / size)[len(size) // 2])
    reach = Estimate(0.0, float(error[middle]), float(freedom[middle])).reach(called)
    far = np.flatnonzero(~(np.abs(excess) <= 2.0 * error)).tolist()
    return [(int(row[k]), int(column[k]), estimate(k)) for k in far], reach / float(size[middle])
