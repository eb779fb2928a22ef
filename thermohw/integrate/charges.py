r"""The mean path of a tick of resistors and capacitors, given the charges that were drawn.

With the drawn noise L xi of (y, I) and mu = L^-T xi, the mean noise given xi is wbar(s) = M^T
lambda(s), lambda(s) = e^{F^T (h - s)} P^T mu. Its parts for y and I do not change in time, that for
the state is

    lambda_z(s) = kappa(h - s)^T g,     g = (b.H'')^T gamma mu_y + H''^T B mu_I,
    wbar(s)     = sqrt(2 T gamma) (b.lambda_z(s) - mu_y),     kappa(s) = int_0^s e^{-A u} du

and the mean state that starts at z with inputs c = (e, i)

    z(s) = e^{-A s} z + kappa(s) ([S B] c - N sigma mu_y) + J(s) g,
    J(s) = int_0^s e^{-A (s - u)} N N^T kappa(h - u)^T du.

All of it is elementwise in the circuit's modes (`circuit.modes`). A path is n numbers at a
quadrature node, whatever the number of elements K, and so are the multipliers lambda_z: boards of
many resistors keep maps of n columns and spread them over their elements when a tick is taken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.linalg import solve_triangular

from thermohw.circuit.modes import modes
from thermohw.circuit.tick import tick_moments

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.circuit import LinearDevice

__all__ = ["MeanPath", "mean_heat", "mean_path"]

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(16)


class MeanPath(NamedTuple):
    """Linear maps from the start z, the inputs c and the drawn normals xi, at m quadrature nodes.

    Attributes:
        factor: L of what is drawn, shape (r, r).
        weights: of the nodes, summing to h, shape (m,).
        path: mean state from (z, c, xi), shape (m, n, n + c + r).
        pull: b-independent part lambda_z of the mean noise from xi, shape (m, n, r).
        hold: mu_y from xi, shape (K, r).
    """

    factor: NDArray[Any]
    weights: NDArray[Any]
    path: NDArray[Any]
    pull: NDArray[Any]
    hold: NDArray[Any]


def mean_path(device: LinearDevice, h: float, drawn: int) -> MeanPath:
    """The maps of a tick of duration h of which the first `drawn` of (y, I) are drawn."""
    own, k = modes(device), len(device.elements)
    factor = tick_moments(device, h).factor[:drawn, :drawn]
    mu = solve_triangular(factor, np.eye(drawn), lower=True).T
    source, sigma = device.source_matrix, _sigma(device)
    flows = np.concatenate([source, device.port_matrix], axis=1)  # rates of (y, I) are its H''
    inputs = own.into @ flows
    g = own.out.T @ (device.hessian @ flows[:, :drawn] @ mu)
    held = own.into @ ((device.noise_matrix * sigma) @ mu[:k])
    noise = own.into @ device.noise_matrix
    spread = noise @ noise.T
    nodes, weights = _rule(float(own.rates[-1]) * h)
    times = 0.5 * h * (1.0 + nodes)
    paths, pulls = [], []
    for s in times:
        past = 0.5 * s * (1.0 + _NODES)
        decay = np.exp(-np.outer(s - past, own.rates))
        ahead = own.integral((h - past)[:, None])
        bent = spread * np.einsum("u,ui,uj->ij", 0.5 * s * _WEIGHTS, decay, ahead)
        through = own.integral(float(s))
        rows = [own.decay(float(s))[:, None] * own.into, through[:, None] * inputs,
                bent @ g - through[:, None] * held]  # fmt: skip
        paths.append(own.out @ np.concatenate(rows, axis=1))
        pulls.append(own.into.T @ (own.integral(h - float(s))[:, None] * g))
    return MeanPath(factor, 0.5 * h * weights, np.stack(paths), np.stack(pulls), mu[:k])


def mean_heat(device: LinearDevice, h: float) -> NDArray[Any]:
    """Mean heat of a tick that starts at z = 0 without input, shape (K,): int gamma_k (E X_k^2 -
    T_k b_k.H''b_k) ds.
    """
    own = modes(device)
    noise = own.into @ device.noise_matrix
    pairs = (own.rates[:, None] + own.rates)[None]
    s = (0.5 * h * (1.0 + _NODES))[:, None, None]
    grown = -np.expm1(-pairs * s) / np.where(pairs == 0.0, 1.0, pairs)
    grown = np.where(pairs == 0.0, s, grown)
    total = (noise @ noise.T) * np.tensordot(0.5 * h * _WEIGHTS, grown, axes=1)
    across = device.directions @ device.hessian
    seen = across @ own.out
    stiffness = np.einsum("ki,ki->k", across, device.directions)
    square = np.einsum("ki,ij,kj->k", seen, total, seen)
    return device.coefficients * (square - device.temperatures * stiffness * h)


def _sigma(device: LinearDevice) -> NDArray[Any]:
    """Noise strength of every element, sqrt(2 T gamma), shape (K,)."""
    return np.sqrt(2.0 * device.temperatures * device.coefficients)


def _rule(length: float) -> tuple[NDArray[Any], NDArray[Any]]:
    """Gauss-Legendre nodes and weights for products of exponentials of rates up to `length` a tick.

    n nodes miss x^{2n} n!^4/((2n + 1) (2n)!^3) of an e^{-x s}, here with x = 2 length: below 1e-15.
    """
    count = 4 if length < 0.1 else 6 if length < 0.5 else 10
    return np.polynomial.legendre.leggauss(count)
