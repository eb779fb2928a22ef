r"""Exact held tick of any linear network, with the exact conditional mean of every bath's heat.

The charges y through all elements (and int v dt at the ports, where they work) are drawn from their
exact joint Gaussian; the end state follows, z' = z - sum_k b_k y_k + J I + B c h with I = int H''z
dt (drawn wherever inductors need it for J, or a port for its work). Where several baths
share nodes, the heat of each is a quadratic functional of the path inside the tick, not a function
of what was drawn. What is booked is its exact conditional mean given (z, c, y, I):

    E[ int X_k o dy_k | z, y, I ] = int Xbar_k(s) dybar_k(s) + const_k,

with the bar the mean path given everything drawn. That path solves the linear system of the tick
driven by the mean noise, wbar(s) = M^T e^{F^T (h - s)} P^T L^{-T} xi, where L xi is the drawn noise
and P picks (y, I) out of the augmented state. Both factors are smooth, so Gauss-Legendre nodes
integrate them to round-off; const_k follows from the known mean heat of the tick. Sums over baths
close the first law exactly; the mean of each bath is exact at any tick length; only its fluctuation
inside a tick is missing, so these heats must not enter fluctuation theorems. A circuit with one
bath has no such freedom: its heat is a function of what was drawn. Ticks longer than the fastest
time constant (with inductors: than the time in which the fastest energy exchange turns by a radian)
are cut into equal pieces first.

Noise reaches a coordinate that is many inductors and capacitors away from the next resistor with a
high power of h only, so that some direction of (y, I) may be quiet to round-off and L^-T without
meaning; circuits with inductors take the mean path from `bridge`, which needs no inverse, the
others from `charges`, whose maps stay small however many resistors a board has.
"""

from __future__ import annotations

from functools import lru_cache
from math import ceil
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from scipy.linalg import expm

from thermohw.circuit.tick import TickMoments, augmented_system, energy_units, tick_moments
from thermohw.integrate.bridge import bridge
from thermohw.integrate.charges import mean_heat, mean_path
from thermohw.integrate.step import Step
from thermohw.integrate.terminals import Terminals

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.circuit import LinearDevice
    from thermohw.control import Control, Piece
    from thermohw.integrate.step import Act
    from thermohw.noise import NoiseSource

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

    def heat(self, known: torch.Tensor) -> torch.Tensor:
        """Conditional mean heat of every bath, shape (paths, K)."""
        shape = len(known), -1, len(self.constant)
        force, rate = (known @ self.force).view(shape), (known @ self.rate).view(shape)
        return (force * rate).sum(1) + self.constant


class _Sparse(NamedTuple):
    """The same without inductors, through the n charges of every node; rates are gamma X + spread
    lambda + hold.
    """

    flows: torch.Tensor
    path: torch.Tensor  # (n + c + r, nodes * n)
    pull: torch.Tensor  # (r, nodes * n)
    hold: torch.Tensor  # (r, K)
    across: torch.Tensor  # (n, K): X of charges
    spread: torch.Tensor  # (n, K): flows of multipliers
    gamma: torch.Tensor  # (K,)
    weights: torch.Tensor  # (nodes, 1)
    constant: torch.Tensor

    def heat(self, known: torch.Tensor) -> torch.Tensor:
        """Conditional mean heat of every bath, shape (paths, K)."""
        n, k = self.across.shape
        drawn, emf = known[:, -len(self.pull) :], known[:, n : n + k]
        force = (known @ self.path).view(len(known), -1, n) @ self.across - emf[:, None]
        rate = (drawn @ self.pull).view(len(known), -1, n) @ self.spread
        rate += force * self.gamma + (drawn @ self.hold)[:, None]
        return (force.mul_(rate) * self.weights).sum(1) + self.constant


class _Node(NamedTuple):
    """A quadrature node inside the tick: responses to (z, c, xi)."""

    weight: float
    path: NDArray[Any]  # of the state, (n, n + c + r)
    noise: NDArray[Any]  # of dW/dt, (K, n + c + r)


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
        drawn = flux or wiring == "current" or device.gyrating
        self.ports = device.port_matrix.shape[1] if drawn else 0
        self.elements = len(device.elements)
        self._longest = 1.0 / _fastest(device)
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
            known = torch.cat([z, inputs, noise.normals(self.normals, piece.tick)], 1)
            flows = known @ maps.flows
            heat = heat + maps.heat(known)
            y = flows[:, :k]
            charge = charge + y
            z = z - self.terminals.collect(y)
            if self.device.gyrating:
                z = z + self.terminals.gyrate(flows[:, k:])
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
        heat_correction = heat - force * charge
        return Step(
            piece, state, z, control, following, force, charge, heat_correction, emf, current, flux
        )

    def _maps(self, h: float) -> _Maps | _Sparse:
        device, k = self.device, self.elements
        if not device.gyrating:
            return self._sparse(h)
        moments: TickMoments = tick_moments(device, h)
        gamma = device.coefficients[:, None]
        across = device.directions @ device.hessian
        sigma = augmented_system(device)[2][device.dim : device.dim + k]
        factor, nodes = self._given_integrals(h)
        forces, rates = [], []
        for weight, path, noise in nodes:
            force = across @ path[: device.dim]
            force[:, device.dim : device.dim + k] -= np.eye(k)
            forces.append(force)
            rates.append(weight * (gamma * force + sigma @ noise))
        known = factor.shape[1]
        constant = self._mean_heat(h) - sum(
            np.einsum("kr,kr->k", x[:, -known:], y[:, -known:])
            for x, y in zip(forces, rates, strict=True)
        )
        responses = np.concatenate([moments.flow_state, moments.flow_input], axis=1)[:known]
        return _Maps(
            flows=self._transposed(np.concatenate([responses, factor], axis=1)),
            force=self._transposed(np.concatenate(forces)),
            rate=self._transposed(np.concatenate(rates)),
            constant=torch.tensor(constant, dtype=self.dtype),
        )

    def _sparse(self, h: float) -> _Sparse:
        device, drawn = self.device, self.elements + self.ports
        moments, mean = tick_moments(device, h), mean_path(device, h, drawn)
        gamma, across = device.coefficients[:, None], device.directions @ device.hessian
        power = 2.0 * device.temperatures[:, None] * gamma
        constant = mean_heat(device, h)
        for weight, path, pull in zip(mean.weights, mean.path, mean.pull, strict=True):
            force = across @ path[:, -drawn:]
            rate = gamma * force - power * (device.directions @ pull - mean.hold)
            constant -= weight * np.einsum("kr,kr->k", force, rate)
        responses = np.concatenate([moments.flow_state, moments.flow_input], axis=1)[:drawn]
        return _Sparse(
            flows=self._transposed(np.concatenate([responses, mean.factor], axis=1)),
            path=self._transposed(np.concatenate(mean.path)),
            pull=self._transposed(np.concatenate(mean.pull)),
            hold=self._transposed(power * mean.hold),
            across=self._transposed(across),
            spread=self._transposed(-power * device.directions),
            gamma=torch.tensor(device.coefficients, dtype=self.dtype),
            weights=torch.tensor(mean.weights[:, None], dtype=self.dtype),
            constant=torch.tensor(constant, dtype=self.dtype),
        )

    def _given_integrals(self, h: float) -> tuple[NDArray[Any], list[_Node]]:
        """Factor of what is drawn, and (weight, mean path, mean noise) at the quadrature nodes, as
        responses to (z, c, xi), where noise passes through inductors."""
        device, n = self.device, self.device.dim
        f, g, m = augmented_system(device)
        a, c = f.shape[0], g.shape[1]
        unit = energy_units(device)
        drawn = bridge(unit[:, None] * f / unit, unit[:, None] * m, h, slice(n, None))
        driven = np.zeros((a + c, a + c))
        driven[:a, :a], driven[:a, a:] = unit[:, None] * f / unit, unit[:, None] * g
        nodes = []
        for time, weight, path, noise in zip(*drawn[1:], strict=True):
            free = expm(driven * time)[:n]
            bent = path[:n] / unit[:n, None]
            free = free / unit[:n, None]
            whole = np.concatenate([free[:, :n] * unit[:n], free[:, a:], bent], axis=1)
            quiet = np.zeros((len(noise), n + c))
            nodes.append(_Node(weight, whole, np.concatenate([quiet, noise], axis=1)))
        return drawn.factor / unit[n:, None], nodes

    def _mean_heat(self, h: float) -> NDArray[Any]:
        """Mean heat of a tick that starts at z = 0 without input: int gamma_k (E X_k^2 - T_k
        b_k.H''b_k) ds.
        """
        device, n = self.device, self.device.dim
        f, _, m = augmented_system(device)
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


def _fastest(device: LinearDevice) -> float:
    """A bound on the rates of a device, per R_ref C_ref."""
    if not device.gyrating:
        return float(np.linalg.norm(augmented_system(device)[0], 2))
    # Where energy swings between charges and fluxes their units differ: measure in energy.
    root = np.linalg.cholesky(device.hessian)
    dissipation = device.source_matrix @ device.directions
    return float(np.linalg.norm(root.T @ (dissipation - device.structure) @ root, 2))
