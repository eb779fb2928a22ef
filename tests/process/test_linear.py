"""Transition moments of linear processes against 40-digit arithmetic and structural identities."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from thermohw.process.linear import linear_transition

NON_NORMAL = np.array([[1.0, 2.0], [0.0, 1.5]])
RLC = np.array([[0.0, -1.0], [1.0, 0.1]])  # noise on the second coordinate only: Q_11 = O(t^3)
UNSTABLE = np.array([[-0.7, 0.3, 0.1], [0.2, 0.9, -1.0], [0.4, 1.0, 0.5]])
SINGULAR = np.array([[1.0, -1.0], [-1.0, 1.0]])  # a floating pair: the common mode never relaxes
CASES = {
    "non-normal": (NON_NORMAL, np.eye(2)),
    "rlc": (RLC, np.diag([0.0, 0.2])),
    "unstable": (UNSTABLE, np.array([[2.0, 0.5, 0.0], [0.5, 1.0, 0.2], [0.0, 0.2, 0.7]])),
    "singular": (SINGULAR, np.eye(2)),
    "diagonal": (
        np.diag([1.0, 3.0, 0.0]),
        np.array([[2.0, 0.5, 0.1], [0.5, 1.0, 0.2], [0.1, 0.2, 0.7]]),
    ),
}


def van_loan(A: np.ndarray, B2: np.ndarray, t: float) -> tuple[np.ndarray, np.ndarray]:
    """The block-exponential route in 60-digit arithmetic: its cancellation does not matter."""
    with mpmath.workdps(60):
        d = len(A)
        block = mpmath.zeros(2 * d)
        for i in range(d):
            for j in range(d):
                block[i, j] = mpmath.mpf(float(A[i, j])) * t
                block[i, d + j] = mpmath.mpf(float(B2[i, j])) * t
                block[d + i, d + j] = -mpmath.mpf(float(A[j, i])) * t
        e = mpmath.expm(block)
        phi = e[d:, d:].T
        return (np.array(m.tolist(), dtype=float).reshape(d, d) for m in (phi, phi * e[:d, d:]))  # type: ignore[return-value]


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("t", [1e-9, 1e-4, 0.3, 1.0, 7.0])
def test_relative_accuracy(name: str, t: float) -> None:
    """Every entry to 1e-12 of its own diagonal scale (round-off is 1e-16 a doubling)."""
    A, B2 = CASES[name]
    phi, Q = linear_transition(A, B2, t)
    phi_exact, Q_exact = van_loan(A, B2, t)
    scale = np.sqrt(np.outer(np.diagonal(Q_exact), np.diagonal(Q_exact)))
    np.testing.assert_allclose(phi, phi_exact, rtol=0, atol=1e-13 * np.abs(phi_exact).max())
    assert np.all(np.abs(Q - Q_exact) <= 1e-12 * scale)
    assert np.array_equal(Q, Q.T)


def test_published_value() -> None:
    """The non-normal example whose symmetric-part shortcut is wrong by tens of percent."""
    _, Q = linear_transition(NON_NORMAL, np.eye(2), 1.0)
    np.testing.assert_allclose(Q, [[0.66814, -0.20171], [-0.20171, 0.31674]], atol=5e-6)


@pytest.mark.parametrize("name", CASES)
def test_semigroup_and_equation_of_motion(name: str) -> None:
    """Q(s+t) = Q(t) + Phi(t) Q(s) Phi(t)^T, and dQ/dt = B2 - A Q - Q A^T by differences."""
    A, B2 = CASES[name]
    phi, Q = linear_transition(A, B2, 0.7)
    _, Q_s = linear_transition(A, B2, 0.55)
    np.testing.assert_allclose(
        linear_transition(A, B2, 1.25)[1], Q + phi @ Q_s @ phi.T, rtol=1e-12, atol=1e-14
    )
    h = 1e-3
    weights = {-2: 1 / 12, -1: -2 / 3, 1: 2 / 3, 2: -1 / 12}
    slope = sum(w * linear_transition(A, B2, 0.7 + k * h)[1] for k, w in weights.items()) / h
    # truncation h^4/30 |L|^5 |Q| <= 1e-12 * 3e2, round-off 1e-16 / h
    np.testing.assert_allclose(slope, B2 - A @ Q - Q @ A.T, atol=1e-9)


def test_stationary_limit() -> None:
    """A stable A forgets its start: Q tends to the Lyapunov solution."""
    _, Q = linear_transition(NON_NORMAL, np.eye(2), 60.0)
    np.testing.assert_allclose(NON_NORMAL @ Q + Q @ NON_NORMAL.T, np.eye(2), atol=1e-13)
    assert linear_transition(RLC, np.diag([0.0, 0.2]), 0.0)[1].max() == 0.0
