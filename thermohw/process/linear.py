r"""Exact transition moments of a linear stochastic process with constant coefficients.

For

    dx = -A x dt + B dW,     B2 = B B^T = 2D    (any A: unstable, non-normal, singular)

the law of x_t given x_0 is N(Phi x_0, Q) with

    Phi(t) = e^{-A t},      Q(t) = int_0^t e^{-A s} B2 e^{-A^T s} ds.

The stationary shortcut Q = P - Phi P Phi^T, with P from the Lyapunov equation, needs a stable A
and loses every digit when t is small; the shortcut through the symmetric part of A is wrong for a
non-normal A. Here Q is built from what has no cancellation. On a step h with |A| h <= 1/2 both
series

    Phi(h) - 1 = sum_{n>=1} (-A h)^n / n!
    Q(h)       = sum_{n>=1} h^n/n! L^{n-1}(B2),      L(X) = -(A X + X A^T)

converge to round-off in about twenty terms, and the semigroup property doubles the step as a sum
of positive matrices:

    Q(2h) = Q(h) + Phi(h) Q(h) Phi(h)^T,          Phi(2h) - 1 = 2 E + E^2,   E = Phi(h) - 1.

The relative error of Q stays near k * 1e-16 after k = log2(2 |A| t) doublings; what remains for a
stiff, coupled A is the conditioning of e^{-A t} itself, |A| t * 1e-16. A diagonal A has a closed
form without any such loss.

Reference: C. F. Van Loan, "Computing integrals involving the matrix exponential", IEEE Trans.
Autom. Control 23, 395 (1978).
"""

from __future__ import annotations

import math

import numpy as np

__all__ = ["linear_transition"]

_NORM = 0.5  # |A| h of one series step: |L| h <= 1, so that term n is below 1/n!
_TERMS = 22  # 1/22! = 9e-22


def linear_transition(A: np.ndarray, B2: np.ndarray, t: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean map and covariance of dx = -A x dt + B dW over a time t.

    Args:
        A: rate matrix, shape (d, d), 1/time.
        B2: noise matrix B B^T = 2D, shape (d, d), symmetric, variance/time.
        t: time, >= 0, same unit as 1/A.

    Returns:
        Phi = e^{-A t} and Q = int_0^t e^{-A s} B2 e^{-A^T s} ds, float64 arrays of shape (d, d);
        Q exactly symmetric.
    """
    A = np.asarray(A, dtype=np.float64)
    B2 = np.asarray(B2, dtype=np.float64)
    assert A.ndim == 2 and A.shape[0] == A.shape[1] == B2.shape[0] == B2.shape[1], (
        "A and B2 are (d, d)"
    )
    assert t >= 0.0 and math.isfinite(t), "time runs forward"
    if not np.any(A - np.diag(np.diagonal(A))):
        return _diagonal(np.diagonal(A), B2, t)
    size = float(np.linalg.norm(A, 1)) * t
    doublings = max(0, math.ceil(math.log2(size / _NORM))) if size > 0 else 0
    growth, Q = _series(A, B2, math.ldexp(t, -doublings))
    identity = np.eye(len(A))
    for _ in range(doublings):
        phi = identity + growth
        Q = Q + phi @ Q @ phi.T
        growth = 2.0 * growth + growth @ growth
    return identity + growth, 0.5 * (Q + Q.T)


def _series(A: np.ndarray, B2: np.ndarray, h: float) -> tuple[np.ndarray, np.ndarray]:
    """Phi(h) - 1 and Q(h) by their Taylor series, smallest terms added first."""
    powers, moments = [-A * h], [B2 * h]
    for n in range(2, _TERMS + 1):
        powers.append(powers[-1] @ (-A * h) / n)
        product = A @ moments[-1]
        moments.append(-(product + product.T) * (h / n))
    return sum(reversed(powers)), sum(reversed(moments))  # type: ignore[return-value]


def _diagonal(rates: np.ndarray, B2: np.ndarray, t: float) -> tuple[np.ndarray, np.ndarray]:
    """The same for A = diag(rates): Q_ij = B2_ij (1 - e^{-(a_i + a_j) t}) / (a_i + a_j)."""
    pair = rates[:, None] + rates[None, :]
    safe = np.where(pair == 0.0, 1.0, pair)
    return np.diag(np.exp(-rates * t)), B2 * np.where(pair == 0.0, t, -np.expm1(-safe * t) / safe)
