r"""Exact held tick of any linear network, with the exact conditional mean of every bath's heat.

The charges y through all elements (and int v dt at the ports, where they work) are drawn from their
exact joint Gaussian; the end state follows, z' = z - sum_k b_k y_k + B i h. Where several baths
share nodes, the heat of each is a quadratic functional of the path inside the tick, not a function
of what was drawn. What is booked is its exact conditional mean given (z, c, y, I):

    E[ int X_k o dy_k | z, y, I ] = int Xbar_k(s) dybar_k(s) + const_k,

with the bar the mean path given everything drawn. That path solves the linear system of the tick
driven by the mean noise, wbar(s) = M^T e^{F^T (h - s)} P^T L^{-T} xi, where L xi is the drawn noise
and P picks (y, I) out of the augmented state. Both factors are smooth, so Gauss-Legendre nodes
integrate them to round-off; const_k follows from the known mean heat of the tick. Sums over baths
close the first law exactly; the mean of each bath is exact at any tick length; only its fluctuation
inside a tick is missing, so these heats must not enter fluctuation theorems. Ticks longer than the
fastest time constant are cut into equal pieces first.
"""

from __future__ import annotations

from functools import lru_cache
from math import ceil
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from scipy.linalg import expm, solve_triangular

from thermohw.circuit.tick import TickMoments, augmented_system, tick_moments
from thermohw.integrate.step import Step
from thermohw.integrate.terminals import Terminals

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.circuit import LinearDevice
    from thermohw.control import Control, Piece
    from thermohw.integrate.noise import NoiseSource
    from thermohw.integrate.step import Act

__all__ = ["HeldNetwork"]

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(10)


class _Maps(NamedTuple):
    """Right-multiplying matrices from (z, c, xi) to flows, and to X and dy/ds at the quadrature
    nodes.
    """

    flows: torch.Tensor  # (n + c + r, K + P)
    force: torch.Tensor  # (n + c + r, nodes * K)
    rate: torch.Tensor  # (n + c + r, nodes * K), weights included
    constant: torch.Tensor  # (K,)


class HeldNetwork:
    """Exact tick of a general linear device.

    Args:
        device: any linear device.
        wiring: "emf" or "current".
        dtype: state dtype.
        flux: draw int v dt even where no port works.
    """

    def __init__(
        self, device: LinearDevice, wiring: str, *, dtype: torch.dtype, flux: bool = False
    ) -> None:
        self.device, self.dtype = device, dtype
        self.terminals = Terminals(device, wiring, dtype=dtype)
        self.ports = device.port_matrix.shape[1] if (flux or wiring == "current") else 0
        self.elements = len(device.elements)
        rate = np.linalg.norm(augmented_system(device)[0], 2)
        self._longest = 1.0 / float(rate)
        self._port_matrix = torch.tensor(device.port_matrix.T, dtype=dtype)
        self.normals = self.elements + self.ports
        self.maps = lru_cache(maxsize=None)(self._maps)

    def pieces(self, duration: float) -> int:
        """Equal parts that a tick is cut into so that each is shorter than the fastest time
        constant.
        """
        return max(1, ceil(duration / self._longest))

    def step(
        self,
        piece: Piece,
        state: torch.Tensor,
        control: Control | None,
        *,
        noise: NoiseSource,
        act: Act | None,
    ) -> Step:
        """One exact tick; see `Stepper.step`."""
        parts = self.pieces(piece.duration)
        h = piece.duration / parts
        emf, current = self.terminals.emf(control), self.terminals.current(control)
        zeros = state.new_zeros(len(state), self.elements)
        idle = state.new_zeros(len(state), self._port_matrix.shape[0])
        inputs = torch.cat([zeros if emf is None else emf, idle if current is None else current], 1)
        maps, k = self.maps(h), self.elements
        z, charge, heat = state, zeros, zeros
        flux = None if self.ports == 0 else state.new_zeros(len(state), self.ports)
        for _ in range(parts):
            known = torch.cat([z, inputs, noise.normals(self.normals)], 1)
            flows = known @ maps.flows
            force = (known @ maps.force).view(len(z), -1, k)
            rate = (known @ maps.rate).view(len(z), -1, k)
            heat = heat + (force * rate).sum(1) + maps.constant
            y = flows[:, :k]
            charge = charge + y
            z = z - self.terminals.collect(y)
            if current is not None:
                z = z.add(current @ self._port_matrix, alpha=h)
            if flux is not None:
                flux = flux + flows[:, k:]
        force = 0.5 * self.terminals.across(
            self.terminals.voltage(state) + self.terminals.voltage(z)
        )
        if emf is not None:
            force = force - emf
        following = None if act is None else act(z)
        excess = heat - force * charge
        return Step(piece, state, z, control, following, force, charge, excess, emf, current, flux)

    def _maps(self, h: float) -> _Maps:
        device, n, k = self.device, self.device.dim, self.elements
        moments: TickMoments = tick_moments(device, h)
        f, g, m = augmented_system(device)
        a, c, r = f.shape[0], g.shape[1], k + self.ports
        # Van Loan's pair: augmented state driven by its inputs and by the mean noise given what
        # was drawn.
        factor = moments.factor[:r, :r]
        pick = np.zeros((r, a))
        pick[:, n : n + r] = np.eye(r)
        costate = (
            pick.T @ solve_triangular(factor, np.eye(r), lower=True).T
        )  # lambda(h) = P^T L^-T xi
        at_end = expm(f.T * h) @ costate  # lambda(0), shape (a, r)
        system = np.zeros((2 * a + c, 2 * a + c))
        system[:a, :a], system[:a, a : 2 * a], system[:a, 2 * a :] = f, m @ m.T, g
        system[a : 2 * a, a : 2 * a] = -f.T
        start = np.zeros((2 * a + c, n + c + r))
        start[:n, :n] = np.eye(n)
        start[2 * a :, n : n + c] = np.eye(c)
        start[a : 2 * a, n + c :] = at_end
        across = device.directions @ device.hessian
        forces, rates = [], []
        for node, weight in zip(_NODES, _WEIGHTS, strict=True):
            path = expm(system * (0.5 * h * (1.0 + node))) @ start
            force = across @ path[:n]
            force[:, n : n + k] -= np.eye(k)
            rate = device.coefficients[:, None] * force + m[n : n + k] @ (m.T @ path[a : 2 * a])
            forces.append(force)
            rates.append(0.5 * h * weight * rate)
        constant = self._mean_heat(h, m, f) - sum(
            np.einsum("kr,kr->k", x[:, n + c :], y[:, n + c :])
            for x, y in zip(forces, rates, strict=True)
        )
        flows = np.concatenate([moments.flow_state, moments.flow_input, moments.factor], axis=1)[:r]
        flows = flows[:, : n + c + r]
        return _Maps(
            flows=self._transposed(flows),
            force=self._transposed(np.concatenate(forces)),
            rate=self._transposed(np.concatenate(rates)),
            constant=torch.tensor(constant, dtype=self.dtype),
        )

    def _mean_heat(self, h: float, m: NDArray[Any], f: NDArray[Any]) -> NDArray[Any]:
        """Mean heat of a tick that starts at z = 0 without input: int gamma_k (E X_k^2 - T_k
        b_k.H''b_k) ds.
        """
        device, n = self.device, self.device.dim
        across = device.directions @ device.hessian
        drift, noise = f[:n, :n], m[:n] @ m[:n].T
        total = np.zeros(len(device.elements))
        for outer, weight in zip(_NODES, _WEIGHTS, strict=True):
            s = 0.5 * h * (1.0 + outer)
            covariance = np.zeros((n, n))
            for inner, share in zip(_NODES, _WEIGHTS, strict=True):
                propagator = expm(drift * (0.5 * s * (1.0 + inner)))
                covariance += 0.5 * s * share * propagator @ noise @ propagator.T
            total += 0.5 * h * weight * np.einsum("ki,ij,kj->k", across, covariance, across)
        stiffness = np.einsum("ki,ki->k", across, device.directions)
        return device.coefficients * (total - device.temperatures * stiffness * h)

    def _transposed(self, matrix: NDArray[Any]) -> torch.Tensor:
        return torch.tensor(np.ascontiguousarray(matrix.T), dtype=self.dtype)
