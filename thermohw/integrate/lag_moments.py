r"""The exact joint law of a node and of what its source works while it moves (numpy, float64).

Between decisions a source with memory runs through e(s) = sum_j w_j psi_j(s), psi_j(s) = [e^{M
s}]_{last, j}, with its states w at the start of the tick (`thermohw.control.chain.lag`). A node of
rate a = gamma k (k = 1/C, charge z, v = k z) then obeys, with beta = gamma (emf) or 1 (current),

    z(s) = e^{-a s} z + sum_j w_j zeta_j(s) + noise
    zeta_j(s) = beta int_0^s e^{-a (s-r)} psi_j(r) dr

and what the source works is linear in the path,

    emf      W = -int e dy = -sum_j w_j Y_j,    Y_j = int psi_j dy
    current  W = int i v dt = sum_j w_j Y_j,    Y_j = int psi_j v dt

(z', Y_1 ... Y_m) is therefore one Gaussian given (z, w). Its mean coefficients and the square root
of its covariance, int_0^h G(r) G(r)^T dr with G the response to a kick dW at time r,

    G_z = sigma e^{-a (h-r)},   K_j(r) = int_r^h psi_j(s) e^{-a (s-r)} ds
    G_j = sigma (a K_j - psi_j) (emf),   sigma k K_j (current)

come from Gauss-Legendre panels that are graded towards the start, where a fast source moves; the
root is a QR factor of the weighted samples of G, which needs no difference of covariances and does
not mind that some direction is quiet (emf: sum_j Y_j over all shapes that add up to 1 is the charge
itself).
"""

from __future__ import annotations

from math import ceil, log2
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.linalg import expm

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["LagMoments", "lag_moments"]

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(16)


class LagMoments(NamedTuple):
    """Moments of a tick of one node with m source states.

    Attributes:
        decay: of z.
        shift: zeta_j(h), shape (m,).
        own: coefficient of z in Y_j, shape (m,).
        cross: coefficient of w_i in Y_j, entry [i, j], shape (m, m).
        area: int psi_j dt, shape (m,).
        root: lower triangular square root of the covariance of (z', Y), shape (1 + m, 1 + m).
        advance: e^{M h}, shape (m, m).
    """

    decay: float
    shift: NDArray[Any]
    own: NDArray[Any]
    cross: NDArray[Any]
    area: NDArray[Any]
    root: NDArray[Any]
    advance: NDArray[Any]


def lag_moments(
    matrix: NDArray[Any],
    h: float,
    *,
    stiffness: float,
    conductance: float,
    temperature: float,
    emf: bool,
) -> LagMoments:
    """Moments of a tick of length h.

    Args:
        matrix: M, shape (m, m).
        h: tick length, R_ref C_ref.
        stiffness: k = 1/C of the node.
        conductance: gamma of its resistor.
        temperature: of its bath, T/T_ref.
        emf: the source is in series with the resistor, else a current into the node.
    """
    rate, m = stiffness * conductance, len(matrix)
    beta, sigma = (conductance if emf else 1.0), np.sqrt(2.0 * temperature * conductance)
    times, weights = _panels(h, max(rate, float(np.abs(np.diag(matrix)).max())))
    psi = expm(matrix * times[:, None, None])[:, -1, :]  # (times, m)
    free = np.exp(-rate * times)
    # zeta by the linear system (z, w) driven by its source; K_j by the same run backwards.
    driven = np.zeros((m + 1, m + 1))
    driven[0, 0], driven[0, -1], driven[1:, 1:] = -rate, beta, matrix
    zeta = expm(driven * times[:, None, None])[:, 0, 1:]
    back = np.zeros((2 * m, 2 * m))
    back[:m, :m], back[:m, m:] = matrix - rate * np.eye(m), np.eye(m)
    gathered = expm(back * (h - times)[:, None, None])[:, :m, m:]  # int_0^{h-r} e^{(M-a) t} dt
    ahead = np.einsum("ti,tij->tj", gathered[:, -1, :], expm(matrix * times[:, None, None]))
    if emf:
        own = rate * (weights * free) @ psi
        cross = (stiffness * zeta - psi).T @ (conductance * weights[:, None] * psi)
        kicks = sigma * (rate * ahead - psi)
    else:
        own = stiffness * (weights * free) @ psi
        cross = stiffness * zeta.T @ (weights[:, None] * psi)
        kicks = sigma * stiffness * ahead
    response = np.column_stack([sigma * np.exp(-rate * (h - times)), kicks])
    upper = np.asarray(np.linalg.qr(response * np.sqrt(weights)[:, None], mode="r"))
    signs = np.where(np.diag(upper) < 0.0, -1.0, 1.0)
    return LagMoments(
        decay=float(np.exp(-rate * h)),
        shift=expm(driven * h)[0, 1:],
        own=own,
        cross=cross,
        area=weights @ psi,
        root=(signs[:, None] * upper).T,
        advance=expm(matrix * h),
    )


def _panels(h: float, fastest: float) -> tuple[NDArray[Any], NDArray[Any]]:
    """Quadrature times and weights on [0, h], panels doubling from the fastest time on."""
    count = max(0, ceil(log2(max(h * fastest, 1.0)))) + 1
    edges = np.concatenate([[0.0], h * 0.5 ** np.arange(count - 1, -1, -1)])
    middle, half = 0.5 * (edges[1:] + edges[:-1]), 0.5 * np.diff(edges)
    times = (middle[:, None] + half[:, None] * _NODES).ravel()
    return times, (half[:, None] * _WEIGHTS).ravel()
