"""Exact moments of one tick: a linear circuit with inputs held constant for a time h.

Between controller updates a linear circuit is a linear SDE with constant input, so the next state
AND the integrals the books need are jointly Gaussian. The augmented vector a = (z, y, I), with y
the charges through the elements and I = int H''z dt at the ports, obeys

    da = F a dt + G c dt + M dW,    c = (e, i)
    F = [-A 0 0; gamma b.H'' 0 0; B^T H'' 0 0]     G = [S B; -gamma 0; 0 0]     M = [N; -sigma; 0]

Means come from one matrix exponential. The covariance int r r^T ds of the impulse responses r(s) =
e^{F s} M is never formed as a
difference: P - e^{-Ah} P e^{-A^T h} loses all digits for short ticks, and Var(int dW | ends) = h -
    2 tanh(h/2) = h^3/12 - ...
cancels. Instead the responses at Gauss-Legendre nodes, weighted by the square root of their
weights, are stacked and QR-factorised: R^T is the covariance's Cholesky factor with full relative
accuracy at any h, for any A, normal or not.

Circuits of resistors and capacitors take all exponentials from their modes (`modes`): a board of 64
nodes and 176 resistors has ticks of 304 augmented coordinates, hundreds of them, and one
decomposition.

Charges and port integrals determine the end state, z' = z - sum_k b_k y_k + J I + B c h. Without
inductors (J = 0) charges alone do: the minimal set to sample is y, and (y, I) where a port works or
inductors move what the integrals of their currents and of the node voltages say.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy

from thermohw.circuit.modes import modes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.circuit.device import LinearDevice

__all__ = [
    "TickMoments",
    "augmented_system",
    "energy_units",
    "square_root_covariance",
    "tick_moments",
]

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(16)
_FEW = np.polynomial.legendre.leggauss(8)  # a panel no longer than the fastest mode: 1e-18


@dataclass(frozen=True, eq=False)
class TickMoments:
    """The joint law of (z', y, I) after one held tick, given the start state z and the inputs c =
    (e, i).

    Attributes:
        duration: h, in R_ref C_ref.
        propagator: e^{-Ah}, shape (n, n).
        input: response of z' to c, shape (n, K + P).
        flow_state: response of (y, I) to z, shape (K + P, n).
        flow_input: response of (y, I) to c, shape (K + P, K + P).
        factor: lower-triangular L with Cov(y, I) = L L^T, shape (K + P, K + P).
        end_noise: the matrix whose product with the (y, I) noise is the noise of z', shape (n, K +
            P).
    """

    duration: float
    propagator: NDArray[Any]
    input: NDArray[Any]
    flow_state: NDArray[Any]
    flow_input: NDArray[Any]
    factor: NDArray[Any]
    end_noise: NDArray[Any]

    @property
    def end_covariance(self) -> NDArray[Any]:
        """Cov(z' | z), shape (n, n)."""
        half = self.end_noise @ self.factor
        return half @ half.T


def augmented_system(
    device: LinearDevice,
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """F (a, a), G (a, K + P) and M (a, K) of da = F a dt + G c dt + M dW, with a = n + K + P."""
    n, k, p = device.dim, len(device.elements), device.port_matrix.shape[1]
    f = np.zeros((n + k + p, n + k + p))
    f[:n, :n] = -device.drift_matrix
    f[n : n + k, :n] = device.source_matrix.T @ device.hessian
    f[n + k :, :n] = device.port_matrix.T @ device.hessian
    g = np.zeros((n + k + p, k + p))
    g[:n, :k] = device.source_matrix
    g[:n, k:] = device.port_matrix
    g[n : n + k, :k] = -np.diag(device.coefficients)
    m = np.zeros((n + k + p, k))
    m[:n] = device.noise_matrix
    m[n : n + k] = -np.diag(np.sqrt(2.0 * device.temperatures * device.coefficients))
    return f, g, m


def square_root_covariance(
    f: NDArray[Any],
    m: NDArray[Any],
    h: float,
    rows: slice = slice(None),
) -> NDArray[Any]:
    """Lower-triangular L with L L^T = int_0^h (e^{Fs} M)(e^{Fs} M)^T ds restricted to `rows`.

    Panels double in length away from s = 0 so that each spans at most one fastest time constant or
    its own distance from the origin, and never more than a radian or so of the fastest
    oscillation; inside a panel the responses are products of two exponentials.

    Args:
        f: generator, shape (a, a).
        m: noise input, shape (a, k).
        h: duration.
        rows: which components of the augmented vector to keep, r of them.

    Returns:
        Shape (r, r), with a non-negative diagonal.
    """
    rate = float(np.linalg.norm(f, 2))
    ringing = float(np.abs(np.linalg.eigvals(f).imag).max())
    longest = 2.0 / max(ringing, 1.0 / h)
    edges: list[float] = [0.0]
    while edges[-1] < h:
        panel = max(edges[-1], 1.0 / max(rate, 1.0 / h))
        edges.append(min(h, edges[-1] + min(panel, longest)))
    samples = []
    for left, right in zip(edges[:-1], edges[1:], strict=True):
        half = 0.5 * (right - left)
        times = left + half * (1.0 + _NODES)
        responses = (
            scipy.linalg.expm(f * times[:, None, None]) @ m
        )  # one call: a third of 16 is overhead
        for response, weight in zip(responses, _WEIGHTS, strict=True):
            samples.append(np.sqrt(half * weight) * response[rows].T)
    stacked = np.concatenate(samples)
    if (
        len(stacked) < stacked.shape[1]
    ):  # few baths, many coordinates: R must be square all the same
        stacked = np.pad(stacked, ((0, stacked.shape[1] - len(stacked)), (0, 0)))
    return _lower(stacked)


def _lower(stacked: NDArray[Any]) -> NDArray[Any]:
    """L with L L^T = S^T S and a non-negative diagonal, S with at least as many rows as columns."""
    r = np.asarray(np.linalg.qr(stacked, mode="r"))
    return (r * np.where(np.diag(r) < 0, -1.0, 1.0)[:, None]).T


def energy_units(device: LinearDevice) -> NDArray[Any]:
    """Factors that turn the augmented vector (z, y, I) into roots of energies, shape (a,).

    Where energy swings between charges and fluxes the units of both matter: a matrix exponential is
    accurate to its largest entry, and in these units the swing has entries of order one.
    """
    stiffness = np.sqrt(np.diag(device.hessian))
    across = np.sqrt(np.einsum("ki,ij,kj->k", device.directions, device.hessian, device.directions))
    return np.concatenate([stiffness, across, 1.0 / stiffness])


@lru_cache(maxsize=1024)
def tick_moments(device: LinearDevice, h: float) -> TickMoments:
    """Exact joint moments of a held tick of duration h (in R_ref C_ref) of any linear device."""
    assert h > 0
    if not device.gyrating and device.dim > 1:
        return _relaxing_moments(device, h)
    n = device.dim
    f, g, m = augmented_system(device)
    a, c = f.shape[0], g.shape[1]
    unit = energy_units(device) if device.gyrating else None
    if unit is not None:
        f, g, m = unit[:, None] * f / unit, unit[:, None] * g, unit[:, None] * m
    block = np.zeros((a + c, a + c))
    block[:a, :a], block[:a, a:] = f, g
    mean = scipy.linalg.expm(block * h)
    factor = square_root_covariance(f, m, h, slice(n, None))
    if unit is not None:
        mean[:a] /= unit[:, None]
        mean[:, :a] *= unit
        factor = factor / unit[n:, None]
    return TickMoments(
        duration=h,
        propagator=mean[:n, :n],
        input=mean[:n, a:],
        flow_state=mean[n:a, :n],
        flow_input=mean[n:a, a:],
        factor=factor,
        end_noise=np.concatenate([-device.directions.T, device.structure], axis=1),
    )


def _relaxing_moments(device: LinearDevice, h: float) -> TickMoments:
    """The same for resistors and capacitors, from the circuit's modes."""
    own, source = modes(device), device.source_matrix
    inputs = np.concatenate([source, device.port_matrix], axis=1)
    count, k = inputs.shape[1], source.shape[1]
    # Rates of (y, I) by state: gamma b.H'' and B^T H''.
    rates = np.concatenate([source, device.port_matrix], axis=1).T @ device.hessian
    through = own.matrix(own.integral(h))
    flow_input = rates @ own.matrix(own.twice(h)) @ inputs
    flow_input[:k, :k] -= h * np.diag(device.coefficients)
    noise, n = augmented_system(device)[2], device.dim
    inward, outward = own.into @ noise[:n], rates @ own.out
    edges = [0.0, min(h, 1.0 / max(float(own.rates[-1]), 1.0 / h))]
    while edges[-1] < h:
        edges.append(min(h, 2.0 * edges[-1]))
    nodes, weights = _FEW if len(edges) == 2 else (_NODES, _WEIGHTS)
    samples = []
    for left, right in zip(edges[:-1], edges[1:], strict=True):
        half = 0.5 * (right - left)
        for node, weight in zip(nodes, weights, strict=True):
            response = (outward * own.integral(left + half * (1.0 + node))) @ inward
            response[:k] += noise[n : n + k]
            samples.append(np.sqrt(half * weight) * response.T)
    stacked = np.concatenate(samples)
    stacked = np.pad(stacked, ((0, max(0, count - len(stacked))), (0, 0)))
    return TickMoments(
        duration=h,
        propagator=own.matrix(own.decay(h)),
        input=through @ inputs,
        flow_state=rates @ through,
        flow_input=flow_input,
        factor=_lower(stacked),
        end_noise=np.concatenate([-device.directions.T, device.structure], axis=1),
    )
