r"""The law of one step of a run, by a short route of its own.

Every stepper moves a linear circuit by a linear map, whatever the controller does. In efforts
v = H''z (node voltages, inductor currents), with f = H''S e or H''B c what the sources push,

    v' = Phi v + sum_j Psi_j f_j + N(0, Sigma),     a = effort drift, d = effort diffusion 2 D

    held tick    Phi = e^{-a h}, Psi = int_0^h e^{-a s} ds, Sigma = int_0^h e^{-a s} d e^{-a^T s} ds
    euler        1 - a h, h, d h
    splitting    F^2, h F (the middle source), F Q F^T + Q, with F and Q held for h/2
    heun         1 - a h + (a h)^2/2; (h/2)(1 - a h) (source at the start) and h/2 (at the
                 predictor); (1 - a h/2) d h (1 - a h/2)^T

Heun: with x = (1 - a h) v + h f_0 + N the predictor, v' = v + (h/2)(f_0 - a v + f_1 - a x) + N.
With inductors continuous steppers turn by R = e^{H'' J h/2} before and after: Phi -> R Phi R, Psi
-> R Psi, Sigma -> R Sigma R^T, a and d those of the resistors. Under held control sources with a
memory w' = M w push by all their states, Psi_j = int_0^h e^{-a (h - s)} (e^{M s})_{last, j} ds.

The steppers take these numbers from the modes of an augmented system of charges, by quadrature
(`thermohw.circuit.tick`); here they come from the drift of the efforts alone, a Taylor series for
a short time and doubling,

    Phi(2t) = Phi Phi,    Psi(2t) = Psi + Phi Psi,    Sigma(2t) = Sigma + Phi Sigma Phi^T,

in which nothing cancels: the h^3 of a node that noise reaches through an inductor is as accurate as
the h of its neighbour. A factor that is wrong on one route shows against the other.
"""

from __future__ import annotations

from math import ceil, inf, log2
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.linalg import expm

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.circuit import LinearDevice
    from thermohw.control import Plan

__all__ = ["Kernel", "Kernels", "without_kernel"]

_SMALL = 4  # coordinates of a part, at most, that is worked on by column
_TERMS = 19  # of the series at |a| t <= 1/2: 1/20! is below round-off


class Kernel(NamedTuple):
    """The law of one step; the circuit falls into equal parts of m coordinates that nothing joins.

    Attributes:
        decay: Phi, shape (parts, m, m).
        push: Psi_j for every source value that moved the state, each (parts, m, m).
        noise: Sigma at the device's own temperatures, shape (parts, m, m), thermal units.
    """

    decay: NDArray[Any]
    push: tuple[NDArray[Any], ...]
    noise: NDArray[Any]

    @property
    def variance(self) -> NDArray[Any]:
        """Sigma_ii, shape (parts, m)."""
        return np.einsum("cii->ci", self.noise)


def without_kernel(plan: Plan) -> str:
    """Why the steps of a plan have no such law, in words; empty where they have."""
    lag = plan.chain.lag
    if plan.stepper == "reference":
        return "the reference integrator does not say what pushed inside its steps"
    if lag.is_ideal:
        return ""
    if not plan.clocked:
        return "a continuous source with a memory moves inside the step"
    if lag.slew < inf:
        return "a slew-limited source is no linear system"
    if not plan.protocol.board.uncoupled:
        return "a source with a memory moves a coupled circuit in a staircase"
    return ""


class Kernels:
    """The laws of a plan's steps, one for every length.

    Args:
        plan: a protocol worked out, see `without_kernel`.
        prompt: take sources to follow at once, whatever they remember: as a filter does.

    Attributes:
        order: coordinates of the device, part by part, shape (parts, m); one part where parts are
            not equal and small.
        feeds: which source feeds coordinate i of every part, shape (parts,) for each of the m; None
            where none does. None altogether for one joined circuit.
        entry: what the sources push, f: factors (n,) of the sources that feed; for one joined
            circuit f = u @ entry, shape (sources, n).
    """

    def __init__(self, plan: Plan, *, prompt: bool = False) -> None:
        device = plan.protocol.board
        self._method = "held" if plan.clocked else plan.stepper
        self._lag = None if prompt or plan.chain.lag.is_ideal else plan.chain.lag.matrix
        emf, turns = plan.drive.wiring == "emf", device.gyrating and not plan.clocked
        self.order, self.feeds, self.entry = _divide(device, emf)
        self._turn: NDArray[Any] | None = None
        if device.uncoupled:
            stiffness, gamma = np.diag(device.hessian), device.coefficients
            self._drift = (stiffness * gamma)[:, None, None]
            self._diffusion = (2.0 * device.temperatures * gamma * stiffness**2)[:, None, None]
            return
        loss = device.directions.T @ (device.coefficients[:, None] * device.directions)
        self._drift = self._cut(device.hessian @ loss if turns else device.effort_drift)
        self._diffusion = self._cut(device.effort_diffusion)
        if turns:
            self._turn = self._cut(-device.hessian @ device.structure)

    def _cut(self, matrix: NDArray[Any]) -> NDArray[Any]:
        """Blocks on the diagonal, shape (parts, m, m)."""
        return matrix[self.order[:, :, None], self.order[:, None, :]]

    def at(self, h: float) -> Kernel:
        """The law of a step of length h, in the R C in force."""
        kernel = getattr(self, f"_{self._method}")(h)
        if self._turn is None:
            return kernel
        r = _relax(self._turn, 0.0 * self._turn, 0.5 * h)[0]
        pushes = tuple(r @ push for push in kernel.push)
        return Kernel(r @ kernel.decay @ r, pushes, _around(r, kernel.noise))

    def _held(self, h: float) -> Kernel:
        decay, push, noise = _relax(self._drift, self._diffusion, h)
        if self._lag is None:
            return Kernel(decay, (push,), noise)
        m = len(self._lag)
        rates, which = np.unique(self._drift[:, 0, 0], return_inverse=True)
        block = np.zeros((len(rates), m + 1, m + 1))
        block[:, 0, 0], block[:, 0, -1], block[:, 1:, 1:] = -rates, 1.0, self._lag
        rows = np.asarray(expm(block * h))[which.reshape(-1), 0, 1:]
        return Kernel(decay, tuple(rows[:, j, None, None] for j in range(m)), noise)

    def _euler(self, h: float) -> Kernel:
        one = np.eye(self._drift.shape[-1])
        return Kernel(one - h * self._drift, (h * one + 0.0 * self._drift,), h * self._diffusion)

    def _heun(self, h: float) -> Kernel:
        one, a = np.eye(self._drift.shape[-1]), h * self._drift
        pushes = (0.5 * h * (one - a), 0.5 * h * one + 0.0 * a)
        return Kernel(one - a + 0.5 * a @ a, pushes, _around(one - 0.5 * a, h * self._diffusion))

    def _splitting(self, h: float) -> Kernel:
        free, _, noise = _relax(self._drift, self._diffusion, 0.5 * h)
        return Kernel(free @ free, (h * free,), _around(free, noise) + noise)


def _divide(
    device: LinearDevice, emf: bool
) -> tuple[NDArray[Any], list[NDArray[Any] | None] | None, NDArray[Any]]:
    """(order, feeds, entry) of `Kernels`."""
    n = device.dim
    if device.uncoupled:
        home = np.zeros(n, dtype=np.int64)
        driven = list(device.controlled) if emf else range(n)
        home[driven] = np.arange(len(driven))
        factor = np.zeros(n)
        factor[driven] = np.diag(device.hessian)[driven]
        factor *= device.coefficients if emf else 1.0
        return np.arange(n)[:, None], [home], factor
    inlet = device.source_matrix[:, list(device.controlled)] if emf else device.port_matrix
    entry = np.ascontiguousarray((device.hessian @ inlet).T)
    parts = device.components
    small = len({len(part) for part in parts}) == 1 and len(parts[0]) <= _SMALL
    if not small or ((entry != 0.0).sum(0) > 1).any():
        return np.arange(n)[None], None, entry
    order, home = np.stack(parts), np.abs(entry).argmax(0)
    factor = entry[home, np.arange(n)]
    fed = [home[column] if factor[column].any() else None for column in order.T]
    return order, fed, factor


def _around(matrix: NDArray[Any], middle: NDArray[Any]) -> NDArray[Any]:
    """matrix middle matrix^T, of every part."""
    return matrix @ middle @ matrix.swapaxes(1, 2)


def _relax(
    a: NDArray[Any], d: NDArray[Any], h: float
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """(e^{-a h}, int e^{-a s} ds, int e^{-a s} d e^{-a^T s} ds) of blocks (parts, m, m)."""
    if a.shape[-1] == 1 and (a > 0.0).all():
        return np.exp(-a * h), -np.expm1(-a * h) / a, -0.5 * np.expm1(-2.0 * a * h) / a * d
    size = float(np.abs(a).sum(2).max()) * h
    doublings = max(0, ceil(log2(2.0 * size))) if size > 0.0 else 0
    t = h / 2.0**doublings
    power, rate = np.eye(a.shape[-1]) + 0.0 * a, t * d
    decay, push, noise = power, t * power, rate
    for j in range(1, _TERMS + 1):
        power = (-t / j) * (a @ power)
        rate = (-t / (j + 1)) * (a @ rate + rate @ a.swapaxes(1, 2))
        decay, push, noise = decay + power, push + t / (j + 1) * power, noise + rate
    for _ in range(doublings):
        noise, push = noise + _around(decay, noise), push + decay @ push
        decay = decay @ decay
    return decay, push, noise
