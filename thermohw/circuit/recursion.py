r"""Second moments of a linear recursion, summed over any number of steps at once.

x_{k+1} = Phi x_k + ... with the steady mean m and covariance P, started with mean m + d and
covariance P + D, has at step k the mean m + Phi^k d and the covariance P + Phi^k D Phi^kT, so that

    sum E x x^T = n (m m^T + P) + T d m^T + m (T d)^T + sum_k Phi^k (d d^T + D) Phi^kT
    sum E x     = n m + T d,        T = 1 + Phi + ... + Phi^(n-1),        k = 0 .. n - 1.

Sums of powers are doubled, (1 + Phi)(1 + Phi^2)(1 + Phi^4) ..., which neither inverts nor cancels
and costs the logarithm of the steps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["congruent_sum", "power_sum", "summed_moments"]


def power_sum(phi: NDArray[Any], n: int) -> NDArray[Any]:
    """1 + Phi + ... + Phi^(n-1), by doubling."""
    total, power, weight = np.zeros_like(phi), np.eye(len(phi)), phi
    part = np.eye(len(phi))  # the sum over 2^k powers; weight is Phi^(2^k)
    while n:
        if n & 1:
            total, power = total + power @ part, power @ weight
        part, weight, n = part + weight @ part, weight @ weight, n >> 1
    return total


def congruent_sum(phi: NDArray[Any], x: NDArray[Any], n: int) -> NDArray[Any]:
    """X + Phi X Phi^T + ... + Phi^(n-1) X Phi^(n-1)^T, by doubling."""
    total, power, weight, part = np.zeros_like(x), np.eye(len(phi)), phi, x
    while n:
        if n & 1:
            total, power = total + power @ part @ power.T, power @ weight
        part, weight, n = part + weight @ part @ weight.T, weight @ weight, n >> 1
    return total


def summed_moments(
    phi: NDArray[Any],
    steady: tuple[NDArray[Any], NDArray[Any]],
    start: tuple[NDArray[Any], NDArray[Any]],
    n: int,
) -> NDArray[Any]:
    """Sum over k = 0 .. n - 1 of E (x_k, 1)(x_k, 1)^T, shape (dim + 1, dim + 1).

    Args:
        phi: transition, shape (dim, dim).
        steady: mean (dim,) and covariance (dim, dim) that the recursion tends to.
        start: mean and covariance of x_0.
        n: how many.
    """
    mean, shift = steady[0], start[0] - steady[0]
    late = power_sum(phi, n) @ shift
    crossed = np.outer(late, mean)
    square = n * (np.outer(mean, mean) + steady[1]) + crossed + crossed.T
    square += congruent_sum(phi, np.outer(shift, shift) + start[1] - steady[1], n)
    first = n * mean + late
    return np.block([[square, first[:, None]], [first[None, :], np.array([[float(n)]])]])
