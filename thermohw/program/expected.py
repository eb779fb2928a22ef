r"""Mean heats and works of a linear circuit's program, from second moments alone.

Without fourth powers and biases the state has mean zero and a covariance P that every tick maps,
whatever the paths did. In energies with stiffness K,

    jump of a parameter   E[W_p] = tr[(K' - K) P]/2
    exact tick            P' = d P d + s^2,   E[Q_k] = K_kk (P_kk - P'_kk)/2      a resistor a node
    midpoint tick         z' = M z + G xi,  E[Q_k] = h gamma_k f_k.C f_k - sqrt(2 h T_k gamma_k)
                          f_k.G_k/2,  f_k = K b_k,  C = [(1 + M) P (1 + M)^T + G G^T]/4

with M = (1 + hA/2)^-1 (1 - hA/2), A = (mobility - structure) K and G the noise of the midpoint:
what the ticks that were played do on average, no limit of short ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.linalg import solve_continuous_lyapunov

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.circuit.passive import PassiveDevice
    from thermohw.program.drive import PreparedDrive

__all__ = ["mean_accounts", "start_covariance"]

_MOST, _TICKS = 2e9, 30_000  # multiplications, and ticks: a few seconds


def mean_accounts(made: PreparedDrive) -> tuple[NDArray[Any], NDArray[Any], float] | str:
    """Mean heat into every bath (K,) and work of every parameter (P,), in k T_ref a path, and mean
    entropy of the baths, sum_k int dQ_k/(k T_k), in nats; or, in words, why they are not known.
    """
    play = made.play
    if play.stepper not in ("exact", "midpoint"):
        return f"mean heats of the {play.stepper} stepper have no closed form"
    n, ticks = len(play.first.structure), len(play.steps)
    if 20.0 * n**3 * ticks > _MOST or ticks > _TICKS:
        return f"{ticks} ticks of {n} coordinates take too long to work out"
    device, p = play.first, start_covariance(made)
    if p is None or device.landscape.bias.any():
        return "the covariance of the start is not known"
    heat, work, medium = np.zeros(len(device.coefficients)), np.zeros(play.sources), 0.0
    for tick, (jumps, following) in enumerate(play.stages()):
        stiffness = device.landscape.quadratic
        for source, after in jumps:
            work[source] += 0.5 * float(((after.quadratic - stiffness) * p).sum())
            stiffness = after.quadratic
        device = following
        if tick < ticks:
            step = _exact if play.stepper == "exact" else _midpoint
            p, booked = step(device, float(play.steps[tick]), p)
            heat += booked
            medium += float((booked / device.temperatures).sum())
    return heat, work, medium


def start_covariance(made: PreparedDrive) -> NDArray[Any] | None:
    """Covariance of the start states, charges and fluxes, shape (n, n); None where it is not
    known.
    """
    device = made.play.first
    stiffness = device.landscape.quadratic
    if made.started == "zero":
        return np.zeros_like(stiffness)
    if made.started == "equilibrium" and device.temperature is not None:
        return device.temperature * np.linalg.inv(stiffness)
    if made.started == "steady":
        flow = (device.mobility - device.structure) @ stiffness
        return solve_continuous_lyapunov(flow, device.noise_matrix @ device.noise_matrix.T)
    return None


def _exact(device: PassiveDevice, h: float, p: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    stiffness = np.diag(device.landscape.quadratic)
    decay = np.exp(-device.coefficients * np.diag(device.directions) ** 2 * stiffness * h)
    end = decay[:, None] * p * decay
    end[np.diag_indices_from(end)] += device.temperatures / stiffness * (1.0 - decay**2)
    return end, 0.5 * stiffness * (np.diag(p) - np.diag(end))


def _midpoint(
    device: PassiveDevice, h: float, p: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any]]:
    stiffness, one = device.landscape.quadratic, np.eye(len(p))
    half = 0.5 * h * (device.mobility - device.structure) @ stiffness
    left = np.linalg.inv(one + half)
    m, g = left @ (one - half), np.sqrt(h) * left @ device.noise_matrix
    middle = 0.25 * ((one + m) @ p @ (one + m).T + g @ g.T)
    force = device.directions @ stiffness  # f_k as rows
    kick = np.sqrt(2.0 * h * device.temperatures * device.coefficients)
    pushed = h * device.coefficients * np.einsum("ki,ij,kj->k", force, middle, force)
    return m @ p @ m.T + g @ g.T, pushed - 0.5 * kick * np.einsum("ki,ik->k", force, g)
