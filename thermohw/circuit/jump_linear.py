r"""The linear circuit that the small fluctuations of a jump device are.

About a stable rest point a jump device is C dv = -G v dt + dI with <dI dI^T> = B dt. Split G into
its symmetric part and the rest and solve B w = 2 k_B theta sym(G) w with w.sym(G) w = 1: the
columns b_i = sym(G) w_i give

    sym(G) = sum_i b_i b_i^T,     B = sum_i 2 k_B theta_i b_i b_i^T,     J = sym(G) - G,

resistors along b_i with temperatures theta_i, and a gyrating part that moves energy without loss: a
`LinearDevice`. Where G and B are diagonal (the outputs of inverters whose gates are held) resistor
i belongs to node i, with conductance g_i and its effective temperature:

    C dv = -g v dt + diag(sqrt(2 k_B T_i g_i)) dW

Two such nodes of unequal temperatures coupled by a capacitor are a gyrator (Filliger and Reimann,
Phys. Rev. Lett. 99, 230602, 2007; two inverters: arXiv:2605.26267). With the capacitances a and b
of the nodes including the coupling c,

    heat per time from node 1 to node 2 = k_B (T_1 - T_2) c^2 g_1 g_2 / ((g_1 b + g_2 a)(a b - c^2))
                                        = c <v_2 dv_1 - v_1 dv_2>/(2 dt)

The second line is c times the rate at which the voltages sweep area. This effective heat is what
the fluctuations carry; the heat that the transistors' baths receive is far larger, the bias times
the current.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import scipy

from thermohw.circuit.device import LinearDevice
from thermohw.circuit.jump_signal import SmallSignal, small_signal, stable_points
from thermohw.circuit.scale import Scale
from thermohw.errors import InputError
from thermohw.units import K_B

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.circuit.jump import JumpDevice

__all__ = ["gyration", "linearised", "principal_axes"]


def linearised(device: JumpDevice, voltages: NDArray[Any] | None = None) -> LinearDevice:
    """The linear noise circuit of small fluctuations about a stable rest point.

    Args:
        device: the circuit.
        voltages: of the rest point, shape (n,), volt; by default the stable one, the first of
            several.

    Returns:
        A circuit of the same nodes whose voltages are deviations from the rest point. An element
        is named after its node where it belongs to one, else "mode0", "mode1", ...

    Raises:
        InputError: voltages where the mean current does not vanish or that are not stable, or a
            point at which the conductors amplify (sym(G) not positive definite).
    """
    if voltages is not None and np.shape(voltages) != (device.dim,):
        raise InputError(f"expected {device.dim} voltages, one for every node", where=device.name)
    point = stable_points(device)[0] if voltages is None else small_signal(device, voltages)
    _check(device, point)
    loss = 0.5 * (point.conductance + point.conductance.T)
    capacitance = device.capacitance
    n, order = device.dim, np.argsort(np.diag(capacitance))[(device.dim - 1) // 2]
    # 2 k_B theta is the density of noise per conductance; `noise` is one-sided, twice as much.
    temperatures, vectors = scipy.linalg.eigh(point.noise / (4.0 * K_B), loss)
    rows = (loss @ vectors).T
    diagonal = not (_off(loss).any() or _off(point.noise).any())
    if diagonal:
        rows, temperatures = np.diag(np.sqrt(np.diag(loss))), point.effective_temperatures
    size = np.abs(rows).max(1)
    coefficients = size**2
    scale = Scale(
        capacitance=float(capacitance[order, order]),
        resistance=float(1.0 / loss[order, order]),
        temperature=float(np.sort(temperatures)[(n - 1) // 2]),
    )
    hessian = np.linalg.inv(capacitance / scale.capacitance)
    structure = (loss - point.conductance) * scale.resistance
    return LinearDevice(
        name=device.name,
        scale=scale,
        nodes=device.nodes,
        elements=device.nodes if diagonal else tuple(f"mode{i}" for i in range(n)),
        hessian=0.5 * (hessian + hessian.T),
        structure=0.5 * (structure - structure.T),
        directions=rows / size[:, None],
        coefficients=coefficients * scale.resistance,
        temperatures=temperatures / scale.temperature,
        controlled=(),
    )


def gyration(device: LinearDevice) -> NDArray[Any]:
    """Rates at which the steady voltages sweep area, shape (n, n), V^2/s, antisymmetric.

    Entry (i, j) is <v_i dv_j - v_j dv_i>/(2 dt); it vanishes in equilibrium. Over 2 pi times the
    root of the determinant of the covariance it counts turns per second.
    """
    count = len(device.nodes)
    drift = device.effort_drift[:count, :count]
    flow = device.effort_covariance[:count, :count] @ drift.T
    return 0.5 * (flow.T - flow) * device.scale.voltage**2 / device.scale.time


def principal_axes(covariance: NDArray[Any]) -> tuple[float, float]:
    """Angle of the long axis of a 2 x 2 covariance (radian, -pi/2 to pi/2) and long over short."""
    assert covariance.shape == (2, 2)
    (xx, xy), (_, yy) = covariance
    angle = 0.5 * np.arctan2(2.0 * xy, xx - yy)
    values = np.linalg.eigvalsh(covariance)
    return float(angle), float(np.sqrt(values[1] / values[0]))


def _off(matrix: NDArray[Any]) -> NDArray[Any]:
    """Off-diagonal part, with what is round-off of the diagonal set to zero."""
    size = np.sqrt(np.abs(np.outer(np.diag(matrix), np.diag(matrix))))
    off = matrix - np.diag(np.diag(matrix))
    return np.where(np.abs(off) > 1e-12 * size, off, 0.0)


def _check(device: JumpDevice, point: SmallSignal) -> None:
    net = np.abs(device.jumps.T @ point.current)
    traffic = np.abs(device.jumps).T @ (point.forward + point.backward)
    if (net > 1e-6 * traffic).any():
        raise InputError(
            "the mean current into a node does not vanish at these voltages; leave them out to "
            "take a stable rest point",
            where=device.name,
        )
    if not point.stable:
        raise InputError("small deviations grow at this rest point", where=device.name)
    if np.linalg.eigvalsh(point.conductance + point.conductance.T)[0] <= 0.0:
        raise InputError(
            "the conductors amplify at this rest point: no passive linear circuit has these small "
            "signals",
            where=device.name,
        )
