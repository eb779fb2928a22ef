"""Entropy of a cloud of end states, where no formula gives it.

Nearest neighbours (Kozachenko and Leonenko 1987), for three dimensions or less:

    S = psi(n) - psi(k) + ln V_d + (d/n) sum_i ln r_i

with r_i the distance to the k-th neighbour and V_d the unit ball's volume.

Beyond that no estimator is trustworthy; the cross-entropy -E_q ln p_model(x_N) is an UPPER bound of
S, so a slack computed with it can only be too large, and only a negative one is a violation.
"""

from __future__ import annotations

from math import lgamma, log, pi, sqrt
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.spatial import KDTree
from scipy.special import digamma

from thermohw.estimate import Estimate

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["nearest_neighbour_entropy"]


def nearest_neighbour_entropy(x: NDArray[Any], *, neighbours: int = 4) -> tuple[float, float]:
    """Differential entropy of samples in at most three dimensions.

    Args:
        x: samples, shape (n, d), d <= 3.
        neighbours: k; larger is smoother and more biased.

    Returns:
        (entropy in nats in the units of x, standard error). The error is that of the mean of the
        log distances; neighbouring balls overlap, so it is widened by the known factor for
        correlated k-neighbour terms, at most sqrt(1 + 1/k).
    """
    n, d = x.shape
    assert d <= 3 and n > neighbours
    distance = KDTree(x).query(x, k=neighbours + 1)[0][:, -1]
    logs = np.log(np.maximum(distance, np.finfo(float).tiny))
    ball = 0.5 * d * log(pi) - lgamma(0.5 * d + 1.0)
    value, error = d * Estimate.from_paths(logs)
    value += float(digamma(n) - digamma(neighbours)) + ball
    return value, error * sqrt(1.0 + 1.0 / neighbours)
