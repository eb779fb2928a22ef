r"""The mean path of a tick given what was drawn, for circuits with quiet directions.

Everything drawn at the end of a tick is x = int r(s) dW, with the impulse responses r(s) = P e^{F
s} M of lag s = h - u. Weighted by the roots of Gauss-Legendre weights and stacked, the responses
are a tall matrix S with S^T S = Cov(x); with S = Q R the factor drawn with is L = R^T, x = L xi,
and the mean noise given x is S Cov^-1 L xi = Q R R^-1 R^-T R^T xi:

    sqrt(w_j) wbar(h - s_j) = Q_j xi

No inverse appears, and Q stays orthonormal where R is nearly singular: noise that reaches a
coordinate through many inductors and capacitors only goes with a high power of h. Where R is
singular to 1e-10, S = U s V^T takes its place, L = V s and Q = U, and directions below 1e-10 of the
loudest are neither drawn nor known (1e-20 of the variance).

The mean path follows from wbar by integration: the integrand is smooth, known at the Gauss nodes,
and the integral of its interpolating polynomial up to each node is a fixed matrix.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.polynomial import legendre
from scipy.linalg import expm

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Bridge", "bridge"]

_NODES, _WEIGHTS = legendre.leggauss(16)
_QUIET = 1e-10


def _cumulative() -> NDArray[Any]:
    """C_ij = int_{-1}^{x_i} l_j(x) dx of the Lagrange polynomials at the Gauss nodes."""
    count = len(_NODES)
    to_modes = (
        legendre.legvander(_NODES, count - 1).T * _WEIGHTS * (np.arange(count) + 0.5)[:, None]
    )
    integrals = [legendre.legval(_NODES, legendre.legint(row, lbnd=-1.0)) for row in np.eye(count)]
    return np.stack(integrals, axis=1) @ to_modes


_CUMULATIVE = _cumulative()


class Bridge(NamedTuple):
    """Responses to the r standard normals that a tick draws, at the Gauss nodes.

    Attributes:
        factor: L with x = L xi, shape (r, r).
        times: of the nodes, shape (16,).
        weights: of the nodes, summing to h, shape (16,).
        path: of the augmented state, shape (16, a, r).
        noise: of the noise dW/dt, shape (16, k, r).
    """

    factor: NDArray[Any]
    times: NDArray[Any]
    weights: NDArray[Any]
    path: NDArray[Any]
    noise: NDArray[Any]


def bridge(f: NDArray[Any], m: NDArray[Any], h: float, rows: slice) -> Bridge:
    """Mean path of da = F a dt + M dW from a = 0, given the rows of a(h).

    Args:
        f: shape (a, a), with |F| h of order one, in units that make all components comparable.
        m: shape (a, k).
        h: duration of the tick.
        rows: which components are drawn, r of them.
    """
    times, weights = 0.5 * h * (1.0 + _NODES), 0.5 * h * _WEIGHTS
    ahead = [expm(f * t) for t in times]
    # The nodes are symmetric: the lag of node j is the time of its mirror image.
    responses = np.stack([(e @ m)[rows].T for e in reversed(ahead)])
    stacked = (np.sqrt(weights)[:, None, None] * responses).reshape(-1, responses.shape[2])
    count, drawn = stacked.shape
    # Few baths and many coordinates: rows of zeros make R square and change nothing.
    q, factor = _root(np.pad(stacked, ((0, max(0, drawn - count)), (0, 0))))
    noise = q[:count].reshape(responses.shape) / np.sqrt(weights)[:, None, None]
    # a(t_i) = e^{F t_i} int_0^{t_i} e^{-F u} M wbar(u) du
    back = np.stack([np.linalg.solve(e, m @ w) for e, w in zip(ahead, noise, strict=True)])
    summed = 0.5 * h * np.tensordot(_CUMULATIVE, back, axes=1)
    path = np.stack([e @ part for e, part in zip(ahead, summed, strict=True)])
    return Bridge(factor, times, weights, path, noise)


def _root(stacked: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """(Q, L) with Q L^T = S and Q^T Q = 1, but for directions that are too quiet."""
    q, r = np.linalg.qr(stacked)
    loud = np.abs(np.diag(r))
    if loud.min() > _QUIET * loud.max():
        sign = np.where(np.diag(r) < 0.0, -1.0, 1.0)
        return q * sign, (r * sign[:, None]).T
    u, s, vt = np.linalg.svd(stacked, full_matrices=False)
    keep = s > _QUIET * s[0]
    return u * keep, vt.T * (s * keep)
