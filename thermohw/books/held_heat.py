r"""The heat of a held tick given where the state is thought to be: a quadratic form and a number.

Let the state at the start of a tick have mean m and covariance P whatever was read, and let the
sources c rest until its end. Then, with X_j = b_j.H''z - e_j across element j,

    E sum_j Q_j/kT_j = sum_j (gamma_j/kT_j) int_0^h ( E X_j(s)^2 - kT_j b_j.H''b_j ) ds
                     = w^T M w + tr M_zz P + const,        w = (m, c), M_zz the state's part of M.

Summed over the ticks of a run with m, P those of a Kalman filter after each reading, this is the
mean of the medium's entropy given all readings; adding (1/2) ln det P_N^-/P_0 + sum I_k, which is
-(1/2) sum ln det P_k^+/P_{k+1}^- and no matter of chance, completes the squares,

    sum_j (gamma_j/kT_j) int E[ (X_j + kT_j b_j . grad ln q)^2 ] ds >= 0,

q the conditional Gaussian of that moment: since sum_j gamma_j T_j b_j b_j^T is half the noise,
what is added is (1/2) d ln det P/ds = sum_j gamma_j ( T_j b_j.P^-1 b_j - b_j.H''b_j ).

At one temperature the integral is an energy balance, for sources in series with the resistors.
With z* = Z c the steady state under the held sources, where no charge flows into any node, d = m -
z*, X* the forces there and P_eq = kT H''^-1,

    E Q/kT = (1/2)[ d^T G d + tr P_eq^-1 (P - P') ] + h sum_j gamma_j X*_j^2/kT
    G = P_eq^-1 - Phi^T P_eq^-1 Phi,      tr P_eq^-1 (P - P') = tr G P - tr P_eq^-1 Sigma,

P' = Phi P Phi^T + Sigma the covariance at the end. At several the state never rests in equilibrium:
the responses are integrated at Gauss-Legendre nodes (`thermohw.books.balance`).
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from thermohw.books.balance import held_responses
from thermohw.circuit import tick_moments

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.circuit import LinearDevice

__all__ = ["HeldHeat", "held_heat"]


class HeldHeat(NamedTuple):
    """E sum_j Q_j/kT_j of one tick, see the module; thermal units.

    Attributes:
        matrix: M, shape (n + c, n + c), symmetric, of charges and source values.
        constant: what neither state nor sources change, nats.
    """

    matrix: NDArray[Any]
    constant: float


@lru_cache(maxsize=1024)
def held_heat(device: LinearDevice, h: float) -> HeldHeat:
    """The form of a tick of a circuit of resistors and capacitors under held emf sources.

    Args:
        device: any linear device without inductors.
        h: duration, R_ref C_ref.
    """
    one = float(np.ptp(device.temperatures)) == 0.0
    return _balance(device, h) if one else integrated(device, h)


def _balance(device: LinearDevice, h: float) -> HeldHeat:
    """One temperature: the energy balance about the steady state."""
    moments, temperature = tick_moments(device, h), float(device.temperatures[0])
    elements, chosen = len(device.elements), list(device.controlled)
    steady = np.linalg.solve(device.drift_matrix, device.source_matrix[:, chosen])  # z* = Z c
    away = np.concatenate([np.eye(device.dim), -steady], 1)  # d = (1, -Z) w
    decay = moments.propagator
    stiffness = device.hessian / temperature
    lost = stiffness - decay.T @ stiffness @ decay
    across = device.directions @ device.hessian @ steady - np.eye(elements)[:, chosen]  # X* by c
    force = np.concatenate([np.zeros((elements, device.dim)), across], 1)
    matrix = 0.5 * away.T @ lost @ away
    matrix += h / temperature * (force.T * device.coefficients) @ force
    constant = -0.5 * float(np.sum(stiffness * moments.end_covariance))
    return HeldHeat(matrix, constant)


def integrated(device: LinearDevice, h: float) -> HeldHeat:
    """Any temperatures: the mean of every bath's heat over its own, integrated over the tick."""
    total, constant = None, 0.0
    for response, aged, weight in held_responses(device, "emf", h):
        rows = response * np.sqrt(weight * device.coefficients / device.temperatures)[:, None]
        total = rows.T @ rows if total is None else total + rows.T @ rows
        spread = aged * device.coefficients / device.temperatures
        constant += float(spread.sum())
    assert total is not None
    own = np.einsum("ki,ij,kj->k", device.directions, device.hessian, device.directions)
    return HeldHeat(total, constant - h * float(device.coefficients @ own))
