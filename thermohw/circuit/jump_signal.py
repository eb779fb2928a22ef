r"""Mean currents of a jump device, its rest points, and small signals about them.

Where an electron more or less does not matter (q/C far below kT/q) the mean voltages obey

    C dv/dt = i(v),    i = sum_k q (lambda_k+ - lambda_k-) S_k,

the rates taken at v itself. A root of i is a rest point, stable where every eigenvalue of C^-1 G
has a positive real part; G = -di/dv. Small fluctuations about a stable one are linear and Gaussian,

    C dv = -G v dt + dI,    <dI dI^T> = sum_k q^2 (lambda_k+ + lambda_k-) S_k S_k^T dt,

shot noise of one-sided density 2q(I+ + I-) in every conductor. Where only conductors to fixed
potentials end on a node i and their gates are fixed, that is one resistor 1/g_i with a temperature

    T_i = [2q sum_k (I_k+ + I_k-)] / (4 k_B g_i),

the temperature T of the conductors at zero bias, larger under bias: a conductor that is biased by V
with its gate held has (e^{qV/kT} + 1)/2 times T (MOS below threshold), a tunnel junction (qV/2kT)
coth(qV/2kT) times.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from thermohw.circuit.jump import ELEMENTARY_CHARGE, JumpDevice, bose
from thermohw.errors import InputError
from thermohw.units import K_B

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["SmallSignal", "mean_rates", "rest_points", "small_signal", "stable_points"]

_MOST_NODES = 6
"""Corners of the cube of supply voltages are tried as starts up to this many nodes."""


@dataclass(frozen=True, eq=False)
class SmallSignal:
    """A jump device about a point of fixed voltages, SI.

    Attributes:
        voltages: of the nodes, shape (n,), volt.
        forward: q lambda_k+ of every conductor, shape (K,), ampere.
        backward: q lambda_k-, shape (K,), ampere.
        conductance: G = -di/dv, shape (n, n), siemens.
        noise: one-sided density of the noise currents into the nodes, shape (n, n), A^2/Hz.
        time_constants: 1/Re of the eigenvalues of C^-1 G, shape (n,), second, longest first when
            all are positive; a negative one grows.
    """

    voltages: NDArray[Any]
    forward: NDArray[Any]
    backward: NDArray[Any]
    conductance: NDArray[Any]
    noise: NDArray[Any]
    time_constants: NDArray[Any]

    @property
    def current(self) -> NDArray[Any]:
        """Net current of every conductor, shape (K,), ampere."""
        return self.forward - self.backward

    @property
    def current_noise(self) -> NDArray[Any]:
        """One-sided density 2q(I+ + I-) of every conductor's shot noise, shape (K,), A^2/Hz."""
        return 2.0 * ELEMENTARY_CHARGE * (self.forward + self.backward)

    @property
    def fano(self) -> NDArray[Any]:
        """(I+ + I-)/|I| of every conductor, shape (K,): coth(qV/2kT), infinite at zero bias."""
        with np.errstate(divide="ignore"):
            return (self.forward + self.backward) / np.abs(self.current)

    @property
    def stable(self) -> bool:
        """Every small deviation decays."""
        return bool((self.time_constants > 0.0).all())

    @property
    def effective_temperatures(self) -> NDArray[Any]:
        """Noise over 4 k_B times conductance of every node by itself, shape (n,), kelvin."""
        return np.diag(self.noise) / (4.0 * K_B * np.diag(self.conductance))


def mean_rates(device: JumpDevice, voltages: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Rates (forward, backward), each (..., K) in 1/s, with the nodes held at fixed voltages.

    Args:
        device: the circuit.
        voltages: of the nodes, shape (..., n), k T_ref/q.
    """
    x = _across(device, voltages) / device.temperatures
    gate = device.control[:, : device.dim], device.control[:, device.dim :]
    level = device.log_rates + voltages @ gate[0].T + gate[1] @ device.supply_voltages
    with np.errstate(over="ignore"):  # a search for rest points may stray far
        forward, backward = np.exp(level), np.exp(level - x)
    tunnels = device.tunnelling
    forward = np.where(tunnels, forward * bose(x), forward)
    return forward, np.where(tunnels, np.exp(device.log_rates) * bose(-x), backward)


def small_signal(device: JumpDevice, voltages: NDArray[Any]) -> SmallSignal:
    """Currents, conductances and noise with the nodes held at fixed voltages.

    Args:
        device: the circuit.
        voltages: of the nodes, shape (n,), volt.
    """
    at = np.asarray(voltages, dtype=float) / device.voltage_unit
    forward, backward = mean_rates(device, at)
    unit = ELEMENTARY_CHARGE / device.voltage_unit
    conductance = -_slopes(device, at) * unit
    both = ELEMENTARY_CHARGE**2 * (forward + backward)
    decay = np.real(np.linalg.eigvals(np.linalg.solve(device.capacitance, conductance)))
    with np.errstate(divide="ignore"):
        times = 1.0 / decay
    return SmallSignal(
        voltages=np.asarray(voltages, dtype=float),
        forward=ELEMENTARY_CHARGE * forward,
        backward=ELEMENTARY_CHARGE * backward,
        conductance=conductance,
        noise=2.0 * np.einsum("k,ki,kj->ij", both, device.jumps, device.jumps),
        time_constants=np.sort(times)[::-1],
    )


def rest_points(device: JumpDevice) -> tuple[SmallSignal, ...]:
    """Points of zero mean current, stable or not, by the voltage of the first node.

    Found from the corners and the middle of the cube of supply voltages, by relaxation and by
    Newton's method; a circuit of more than six nodes is relaxed from its rest voltages alone.
    """
    from scipy.optimize import root  # with integrate a fifth of a second, for these circuits only

    low = min([0.0, *device.supply_voltages])
    high = max([0.0, *device.supply_voltages])
    middle = np.full(device.dim, 0.5 * (low + high))
    starts = [device.rest_voltages, middle]
    if device.dim <= _MOST_NODES:
        corners = itertools.product((0.9 * low + 0.1 * high, 0.1 * low + 0.9 * high),
                                    repeat=device.dim)  # fmt: skip
        starts += [np.array(corner) for corner in corners]
    found: list[NDArray[Any]] = []
    for start in starts:
        for guess in (start, _relaxed(device, start)):
            solution = root(_flow, guess, args=(device,), jac=_log_slopes, tol=1e-12)
            point = np.asarray(solution.x)
            residual = np.abs(_flow(point, device)).max()
            if residual < 1e-8 and not any(np.allclose(point, old, atol=1e-6) for old in found):
                found.append(point)
    points = [small_signal(device, point * device.voltage_unit) for point in found]
    return tuple(sorted(points, key=lambda point: tuple(np.round(point.voltages, 9))))


def stable_points(device: JumpDevice) -> tuple[SmallSignal, ...]:
    """The stable ones among `rest_points`.

    Raises:
        InputError: none was found; the circuit oscillates, or its voltages run away.
    """
    points = tuple(point for point in rest_points(device) if point.stable)
    if not points:
        raise InputError("no stable rest point found: the circuit oscillates", where=device.name)
    return points


def _across(device: JumpDevice, voltages: NDArray[Any]) -> NDArray[Any]:
    """v_a - v_b of every conductor, shape (..., K)."""
    return device.drawn @ device.supply_voltages - voltages @ device.jumps.T


def _currents(device: JumpDevice, voltages: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Net charges per second into the nodes, and the traffic that scales them, both (n,)."""
    forward, backward = mean_rates(device, voltages)
    return device.jumps.T @ (forward - backward), np.abs(device.jumps).T @ (forward + backward)


def _flow(voltages: NDArray[Any], device: JumpDevice) -> NDArray[Any]:
    """Net over total traffic of every node, shape (n,): the same roots as the currents."""
    net, traffic = _currents(device, voltages)
    return net / traffic


def _log_slopes(voltages: NDArray[Any], device: JumpDevice) -> NDArray[Any]:
    """Derivatives of `_flow`, shape (n, n)."""
    net, traffic = _currents(device, voltages)
    up, down = _rate_slopes(device, voltages)
    total = np.abs(device.jumps).T @ (up + down)
    return _slopes(device, voltages) / traffic[:, None] - (net / traffic**2)[:, None] * total


def _rate_slopes(device: JumpDevice, voltages: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """d lambda+- / dv, each (K, n), 1/s per k T_ref/q."""
    forward, backward = mean_rates(device, voltages)
    gate = device.control[:, : device.dim]
    own = -device.jumps / device.temperatures[:, None]  # dx/dv
    x = _across(device, voltages) / device.temperatures
    up, down = forward[:, None] * gate, backward[:, None] * (gate - own)
    tunnels = device.tunnelling[:, None]
    rate = np.exp(device.log_rates)
    up = np.where(tunnels, (rate * _bose_slope(x))[:, None] * own, up)
    return up, np.where(tunnels, -(rate * _bose_slope(-x))[:, None] * own, down)


def _slopes(device: JumpDevice, voltages: NDArray[Any]) -> NDArray[Any]:
    """Derivatives of the net charges into the nodes, shape (n, n), 1/s per k T_ref/q."""
    up, down = _rate_slopes(device, voltages)
    return device.jumps.T @ (up - down)


def _bose_slope(x: NDArray[Any]) -> NDArray[Any]:
    """Derivative of x / (1 - e^-x); 1/2 at zero."""
    small = np.abs(x) < 1e-4
    safe = np.where(small, 1.0, x)
    value = bose(safe)
    return np.where(small, 0.5 + x / 6.0, value / safe + value - value**2 / safe)


def _relaxed(device: JumpDevice, start: NDArray[Any]) -> NDArray[Any]:
    """Where the mean voltages go from a start, in the fastest node's own time."""
    from scipy.integrate import solve_ivp

    _, traffic = _currents(device, start)
    stiffness = np.diag(device.hessian)
    span = 1e4 / float((traffic * stiffness).min())

    def rate(time: float, voltages: NDArray[Any]) -> NDArray[Any]:
        return device.hessian @ _currents(device, voltages)[0]

    def slope(time: float, voltages: NDArray[Any]) -> NDArray[Any]:
        return device.hessian @ _slopes(device, voltages)

    run = solve_ivp(rate, (0.0, span), start, method="LSODA", jac=slope, rtol=1e-8, atol=1e-10)
    return run.y[:, -1]
