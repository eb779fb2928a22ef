r"""Integral fluctuation theorems on the actual tick kernel.

A run is a Markov chain: tick n draws x' from K_n(.|x). Pair it with a backward chain on the same
device with the schedule reversed, whose control is evaluated at the backward tick's own start x':

    even   K~_n(x | x')      control e_{n+1}(x')      a source in series is an even force
    odd    K~_n(x, I | x')   control -e_{n+1}(x')     an injected current is an odd flow: it
                             with I = int v dt        changes sign

    Sigma = ln q_0(x_0) - ln rho(x_N) + sum_n ln K_n / K~_n,        < e^{-Sigma} > = 1

for every tick size and any normalised density rho, because it is a ratio of normalised path
densities; q_0 is the density really sampled. The mean of Sigma tends to the entropy production of
the continuously controlled even (emf) or odd (current) circuit as h -> 0, not to the books of a
clocked emf run. Kernels must be Gaussian: held ticks and Euler steps are, Heun and splitting are
not.

With inductors a path is reversed with their currents counted backwards, for the circuit's own
rotation runs on while the film runs back: the backward chain's kernels are those of the mirror
image, J -> -J, in the same coordinates (node voltages even, inductor currents odd). It is the same
device with its odd coordinates flipped, so the chain can be run. The state's own kernel serves both
parities there: what a port has moved shows in the fluxes of the inductors beside it.

Residuals whitened by the tick's Cholesky factor give ln K up to a constant that cancels between K
and K~.
"""

from __future__ import annotations

from functools import lru_cache, partial
from math import sqrt
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from thermohw.circuit import mirror, tick_moments
from thermohw.circuit.tick import augmented_system, square_root_covariance

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.circuit import LinearDevice
    from thermohw.integrate import Carry, Step

__all__ = ["PathRatio", "state_law"]


class PathRatio:
    """Observer that sums ln K_n / K~_n of every path for the even and the odd backward chain;
    float64.

    Args:
        device: the circuit.
        wiring: "emf" or "current"; fixes what the sources do, not which theorems are tested.
        kernel: "held" (exact tick) or "euler".
        odd: also the odd chain (held ticks need `flux` drawn).
    """

    name = "fluctuation"
    sums = False

    def __init__(self, device: LinearDevice, wiring: str, *, kernel: str, odd: bool = True) -> None:
        assert kernel in ("held", "euler")
        self.device, self.wiring, self.kernel, self.odd = device, wiring, kernel, odd
        self.laws = lru_cache(maxsize=None)(partial(self._laws, device))
        self.returns = self.laws
        if device.gyrating:
            self.returns = lru_cache(maxsize=None)(partial(self._laws, mirror(device)))

    def init(self, state: torch.Tensor) -> Carry:
        """Nothing summed; the start states are kept for the boundary term."""
        carry = {"start": state.double(), "even": torch.zeros(len(state), dtype=torch.float64)}
        if self.odd:
            carry["odd"] = torch.zeros(len(state), dtype=torch.float64)
        return carry

    def update(self, carry: Carry, step: Step) -> None:
        """Add one tick's log ratios."""
        assert step.control is not None and step.next_control is not None
        x, y = step.start.double(), step.end.double()
        c, d = step.control.source.double(), step.next_control.source.double()
        propagator, response, white = self.laws(step.piece.duration)[:3]
        forward = (y - x @ propagator - c @ response) @ white
        propagator, response, white = self.returns(step.piece.duration)[:3]
        backward = (x - y @ propagator - d @ response) @ white
        half = 0.5 / step.piece.temperature  # whitened at the device's own temperature
        carry["even"].add_(half * (backward.square().sum(1) - forward.square().sum(1)))
        if not self.odd:
            return
        if self.device.gyrating:
            propagator, response, white = self.returns(step.piece.duration)[:3]
            backward = (x - y @ propagator + d @ response) @ white
        elif self.kernel == "held":
            assert step.flux is not None
            propagator, response, white = self.laws(step.piece.duration)[3:]
            flux = step.flux.double()
            x, y = torch.cat([x, flux], 1), torch.cat([y, flux], 1)
            n = step.start.shape[1]
            forward = (y - x[:, :n] @ propagator - c @ response) @ white
            backward = (x - y[:, :n] @ propagator + d @ response) @ white
        else:
            backward = (x - y @ propagator + d @ response) @ white
        carry["odd"].add_(half * (backward.square().sum(1) - forward.square().sum(1)))

    def result(self, carry: Carry, state: torch.Tensor) -> Carry:
        """Summed log ratios "even" (and "odd"), nats, without the boundary term."""
        return {k: carry[k] for k in ("even", "odd") if k in carry}

    def _laws(self, device: LinearDevice, h: float) -> tuple[torch.Tensor, ...]:
        """Right-multipliers (propagator, response, whitener) of the end state, then of (end state,
        flux).
        """
        if self.kernel == "euler" or device.gyrating:
            return state_law(device, self.wiring, self.kernel, h)
        n, k = device.dim, len(device.elements)
        columns, moments = _columns(device, self.wiring), tick_moments(device, h)
        factor = _held_factor(device, h)
        propagator = np.concatenate([moments.propagator, moments.flow_state[k:]])
        response = np.concatenate([moments.input, moments.flow_input[k:]])[:, columns]
        even = _rows(moments.propagator, moments.input[:, columns], np.linalg.inv(factor[:n, :n]))
        return even + _rows(propagator, response, np.linalg.inv(factor))


def state_law(device: LinearDevice, wiring: str, kernel: str, h: float) -> tuple[torch.Tensor, ...]:
    """The law of the end state of a step: x' = x @ propagator + c @ response + noise.

    Args:
        device: n state variables.
        wiring: "emf" or "current".
        kernel: "held" (exact tick) or "euler".
        h: its length, R_ref C_ref.

    Returns:
        propagator (n, n), response (sources, n) and the whitener (n, n) of residuals, all of them
        right-multipliers, float64, at the device's own temperatures.
    """
    n, columns = device.dim, _columns(device, wiring)
    if kernel == "euler":
        g = np.concatenate([device.source_matrix, device.port_matrix], axis=1)[:, columns]
        factor = _cholesky(device.noise_matrix * sqrt(h))
        return _rows(np.eye(n) - h * device.drift_matrix, h * g, np.linalg.inv(factor))
    moments = tick_moments(device, h)
    if device.gyrating:
        # A square root by QR keeps the quiet fluxes, which a covariance would round away.
        root = np.asarray(np.linalg.qr((moments.end_noise @ moments.factor).T, mode="r")).T
    else:
        root = _held_factor(device, h)[:n, :n]
    return _rows(moments.propagator, moments.input[:, columns], np.linalg.inv(root))


def _columns(device: LinearDevice, wiring: str) -> list[int]:
    """Inputs of a device that its wiring controls."""
    k = len(device.elements)
    return list(device.controlled) if wiring == "emf" else list(range(k, k + device.dim))


def _held_factor(device: LinearDevice, h: float) -> NDArray[Any]:
    """Square root of the covariance of (end state, flux), lower triangular."""
    n, k = device.dim, len(device.elements)
    f, _, m = augmented_system(device)
    keep = list(range(n)) + list(range(n + k, f.shape[0]))
    # Reorder so that the kept components lead; the QR factor then needs no differences of
    # covariances.
    order = keep + list(range(n, n + k))
    return square_root_covariance(f[np.ix_(order, order)], m[order], h, slice(0, len(keep)))


def _cholesky(half: NDArray[Any]) -> NDArray[Any]:
    return np.linalg.cholesky(half @ half.T)


def _rows(*matrices: NDArray[Any]) -> tuple[torch.Tensor, ...]:
    return tuple(torch.tensor(np.ascontiguousarray(m.T)) for m in matrices)
