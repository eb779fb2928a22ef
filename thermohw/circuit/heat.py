"""Mean heat of each element, for any number of baths and any law of the state.

With X_k = b_k . H''z - e_k the force across element k, the mean heat rate into its bath is

    continuous control     Qdot_k = gamma_k ( E X_k^2 - T_k E[b_k . grad X_k] )
    held e_k, tick -> 0    Qdot_k = gamma_k ( E X_k^2 - T_k b_k . H'' b_k )

in thermal units (k T_ref per R_ref C_ref). They differ because a controller that follows the noise
inside a tick does work on it that a held source cannot do. With e = 0 both are the steady heat of
each resistor; for the Gaussian steady state of the bare network they become traces of the Lyapunov
covariance, circulating heat between different temperatures included. The second law of the bare
network follows from the same forces: production = sum_k (gamma_k / T_k) E[(X_k + T_k b_k . grad ln
q)^2].
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from thermohw.circuit.device import LinearDevice

__all__ = ["heat_rate", "steady_heat", "steady_production"]


def heat_rate(
    device: LinearDevice,
    force: torch.Tensor,
    source_divergence: torch.Tensor | None = None,
) -> torch.Tensor:
    """Integrand of the mean heat rate of every element; its average over paths is Qdot_k.

    It is the low-variance estimator of heat: no noise increment enters.

    Args:
        device: the circuit.
        force: X_k of every path, shape (paths, K), thermal units.
        source_divergence: b_k . grad_z e_k of a source that follows the state continuously, shape
            (paths, K); None for a held source.

    Returns:
        Shape (paths, K), k T_ref per R_ref C_ref.
    """
    gamma = force.new_tensor(device.coefficients)
    temperature = force.new_tensor(device.temperatures)
    stiffness = force.new_tensor(_stiffness(device))
    gradient = stiffness if source_divergence is None else stiffness - source_divergence
    return gamma * (force * force - temperature * gradient)


def steady_heat(device: LinearDevice) -> NDArray[Any]:
    """Heat rate into every bath in the uncontrolled steady state, shape (K,); it sums to zero."""
    force = device.directions @ device.hessian
    mean_square = np.einsum("ki,ij,kj->k", force, device.stationary_covariance, force)
    return device.coefficients * (mean_square - device.temperatures * _stiffness(device))


def steady_production(device: LinearDevice) -> float:
    """Entropy production rate of the uncontrolled steady state, nats per R_ref C_ref, as a sum of
    squares.

    Independent of `steady_heat`: the second law says that it equals sum_k Qdot_k / T_k.
    """
    precision = np.linalg.inv(device.stationary_covariance)
    # grad ln q = -P^-1 z, so X_k + T_k b_k . grad ln q is a linear form in z.
    form = device.directions @ device.hessian - (
        device.temperatures[:, None] * (device.directions @ precision)
    )
    square = np.einsum("ki,ij,kj->k", form, device.stationary_covariance, form)
    return float(np.sum(device.coefficients / device.temperatures * square))


def _stiffness(device: LinearDevice) -> NDArray[Any]:
    """b_k . H'' b_k, shape (K,)."""
    return np.einsum("ki,ij,kj->k", device.directions, device.hessian, device.directions)
