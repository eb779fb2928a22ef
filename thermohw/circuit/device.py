"""A linear noise circuit as a stochastic port-Hamiltonian system (thermal units, float64).

State z = node charges (inductor fluxes join it behind them), stored energy H = z.H''z / 2, efforts
H''z = node voltages. Every dissipative element k has a direction b_k in state space, a coefficient
gamma_k, a temperature T_k and its own source e_k:

    dz   = J H''z dt - sum_k b_k dy_k + B i dt
    dy_k = gamma_k X_k dt - sqrt(2 T_k gamma_k) dW_k,       X_k = b_k . H''z - e_k

y_k is the charge that flows OUT of the state along b_k. Heat into bath k is X_k o dy_k, work of its
source -e_k o dy_k, work of a port v i dt. Written as one linear SDE,

    dz = -A z dt + S e dt + B i dt + N dW,     A = (sum_k gamma_k b_k b_k^T - J) H''
    S_k = gamma_k b_k,   N_k = b_k sqrt(2 T_k gamma_k)

A need not be normal and the temperatures need not agree, so nothing here assumes detailed balance.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.linalg import solve_continuous_lyapunov

from thermohw.circuit.scale import Scale

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from thermohw.datasheet import Datasheet

__all__ = ["LinearDevice"]


@dataclass(frozen=True, eq=False)
class LinearDevice:
    """A linear circuit with n state variables, K dissipative elements and P current ports.

    Attributes:
        name: the datasheet's name.
        scale: SI size of the thermal units.
        nodes: names of the n_nodes nodes; they are the leading state variables.
        elements: names of the K dissipative elements; each bath is named after its element.
        hessian: H'', shape (n, n), inverse capacitance.
        structure: J, shape (n, n), skew.
        directions: b_k as rows, shape (K, n).
        coefficients: gamma_k, shape (K,).
        temperatures: T_k / T_ref, shape (K,).
        controlled: indices of the elements that carry a controlled source.
        datasheet: where the numbers came from (None for a device built by hand).
    """

    name: str
    scale: Scale
    nodes: tuple[str, ...]
    elements: tuple[str, ...]
    hessian: NDArray[Any]
    structure: NDArray[Any]
    directions: NDArray[Any]
    coefficients: NDArray[Any]
    temperatures: NDArray[Any]
    controlled: tuple[int, ...]
    datasheet: Datasheet | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        n, k = self.hessian.shape[0], len(self.elements)
        assert self.hessian.shape == (n, n) and self.structure.shape == (n, n)
        assert self.directions.shape == (k, n)
        assert self.coefficients.shape == (k,) and self.temperatures.shape == (k,)
        assert np.allclose(self.structure, -self.structure.T), "J must be skew"

    @property
    def dim(self) -> int:
        """Number of state variables n."""
        return self.hessian.shape[0]

    @cached_property
    def drift_matrix(self) -> NDArray[Any]:
        """A in dz = -A z dt, shape (n, n)."""
        dissipation = self.directions.T @ (self.coefficients[:, None] * self.directions)
        return (dissipation - self.structure) @ self.hessian

    @cached_property
    def source_matrix(self) -> NDArray[Any]:
        """S in dz = S e dt, shape (n, K): column k is gamma_k b_k."""
        return self.directions.T * self.coefficients

    @cached_property
    def port_matrix(self) -> NDArray[Any]:
        """B in dz = B i dt, shape (n, P): one current port at every node."""
        return np.eye(self.dim)[:, : len(self.nodes)]

    @cached_property
    def noise_matrix(self) -> NDArray[Any]:
        """N in dz = N dW, shape (n, K)."""
        return self.directions.T * np.sqrt(2.0 * self.temperatures * self.coefficients)

    @cached_property
    def capacitance(self) -> NDArray[Any]:
        """Inverse Hessian, shape (n, n): the Maxwell capacitance matrix in units of C_ref."""
        return np.linalg.inv(self.hessian)

    @cached_property
    def stationary_covariance(self) -> NDArray[Any]:
        """Steady Cov(z) without control, shape (n, n), from the Lyapunov equation A P + P A^T = N
        N^T.
        """
        noise = self.noise_matrix @ self.noise_matrix.T
        covariance = solve_continuous_lyapunov(self.drift_matrix, noise)
        return 0.5 * (covariance + covariance.T)

    @cached_property
    def effort_drift(self) -> NDArray[Any]:
        """A_v in dv = -A_v v dt for the efforts v = H''z, shape (n, n)."""
        return self.hessian @ self.drift_matrix @ self.capacitance

    @cached_property
    def effort_diffusion(self) -> NDArray[Any]:
        """2 D_v, the noise covariance rate of the efforts, shape (n, n)."""
        noise = self.hessian @ self.noise_matrix
        return noise @ noise.T

    @cached_property
    def uncoupled(self) -> bool:
        """True when every state variable is a node with exactly one grounded resistor."""
        n = self.dim
        return (
            len(self.elements) == n == len(self.nodes)
            and not self.structure.any()
            and np.array_equal(self.directions, np.eye(n))
            and np.array_equal(self.hessian, np.diag(np.diag(self.hessian)))
        )

    @cached_property
    def time_constants(self) -> NDArray[Any]:
        """Relaxation times 1/Re(eigenvalues of A), longest first, in R_ref C_ref."""
        return np.sort(1.0 / np.linalg.eigvals(self.drift_matrix).real)[::-1]

    @cached_property
    def unit_hessian(self) -> bool:
        """H'' is the identity: charges and voltages are the same numbers in thermal units."""
        return np.array_equal(self.hessian, np.eye(self.dim))

    def efforts(self, state: torch.Tensor) -> torch.Tensor:
        """Node voltages H''z of states (paths, n), thermal units, same shape."""
        if self.unit_hessian:
            return state
        diagonal = np.diag(self.hessian)
        if np.array_equal(self.hessian, np.diag(diagonal)):
            return state * state.new_tensor(diagonal)
        return state @ state.new_tensor(self.hessian)

    def energy(self, state: torch.Tensor) -> torch.Tensor:
        """Stored energy z.H''z/2 of states (paths, n): float64, shape (paths,), in k T_ref."""
        state = state.double()
        return 0.5 * (state * self.efforts(state)).sum(-1)
