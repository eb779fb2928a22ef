"""A linear noise circuit as a stochastic port-Hamiltonian system (thermal units, float64).

State z = (q, phi), node charges and behind them inductor fluxes; stored energy H = z.H''z / 2 with
H'' = blkdiag(C^-1, L^-1); efforts H''z = (v, i), node voltages and inductor currents. Every
dissipative element k has a direction b_k in state space, a coefficient gamma_k, a temperature T_k
and its own source e_k:

    dz   = J H''z dt - sum_k b_k dy_k + B c dt
    dy_k = gamma_k X_k dt - sqrt(2 T_k gamma_k) dW_k,       X_k = b_k . H''z - e_k

    resistor between nodes      b_k = e_a - e_b, gamma_k = 1/R, e_k volts in series with it
    series resistance of an L   b_k = e_phi, gamma_k = R, e_k amperes in parallel with it

J is skew: an inductor from a to b takes its current out of node a, puts it into b, and its flux
grows by v_a - v_b, so J = [0 -M^T; M 0] with the incidence matrix M. Ports c are a current into
every node and an emf in every inductor's branch. y_k is the charge (flux) that flows OUT of the
state along b_k. Heat into bath k is X_k o dy_k, work of its source -e_k o dy_k, work of a port
(H''z).B c dt. Written as one linear SDE,

    dz = -A z dt + S e dt + B c dt + N dW,     A = (sum_k gamma_k b_k b_k^T - J) H''
    S_k = gamma_k b_k,   N_k = b_k sqrt(2 T_k gamma_k)

A need not be normal and the temperatures need not agree, so nothing here assumes detailed balance.
With one temperature the steady state is exp(-H/T): Cov(v) = T C^-1, Cov(i) = T L^-1, <v i> = 0.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import scipy

from thermohw.circuit.landscape import Landscape
from thermohw.circuit.passive import PassiveDevice, Wired
from thermohw.circuit.scale import Scale
from thermohw.errors import InputError

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from thermohw.datasheet import Datasheet

__all__ = ["LinearDevice", "require_linear"]


@dataclass(frozen=True, eq=False)
class LinearDevice(Wired, PassiveDevice):
    """A linear circuit with n state variables, K dissipative elements and P ports.

    Attributes:
        name: the datasheet's name.
        scale: SI size of the thermal units.
        nodes: names of the n_nodes nodes; they are the leading state variables.
        elements: names of the K dissipative elements; each bath is named after its element.
        hessian: H'', shape (n, n), inverse capacitance (and inverse inductance).
        structure: J, shape (n, n), skew.
        directions: b_k as rows, shape (K, n).
        coefficients: gamma_k, shape (K,).
        temperatures: T_k / T_ref, shape (K,).
        controlled: indices of the elements that carry a controlled source.
        datasheet: where the numbers came from (None for a device built by hand).
        fluxes: names of the inductors; their fluxes are the trailing state variables.
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
    fluxes: tuple[str, ...] = ()
    runs_with: ClassVar[str] = "th.Protocol(device, process, score, ...) or th.Drive(device, ...)"
    kinds: ClassVar[tuple[str, ...]] = ("protocol", "program")

    def __post_init__(self) -> None:
        n, k = self.hessian.shape[0], len(self.elements)
        assert self.hessian.shape == (n, n) and self.structure.shape == (n, n)
        assert len(self.nodes) + len(self.fluxes) == n
        assert self.directions.shape == (k, n)
        assert self.coefficients.shape == (k,) and self.temperatures.shape == (k,)
        assert np.array_equal(self.structure, -self.structure.T), "J must be skew"

    @cached_property
    def landscape(self) -> Landscape:
        """H."""
        return Landscape(self.hessian, np.zeros(self.dim), np.zeros(self.dim))

    def read(self, state: NDArray[Any]) -> NDArray[Any]:
        """Node voltages (V) and inductor currents (A) of states (..., n), same shape."""
        return state @ self.hessian * self.effort_scale

    def state_of(self, readings: NDArray[Any]) -> NDArray[Any]:
        """The inverse of `read`."""
        return np.linalg.solve(self.hessian, (readings / self.effort_scale).T).T

    def at(
        self, landscape: Landscape, coefficients: NDArray[Any], temperatures: NDArray[Any]
    ) -> LinearDevice:
        """The same circuit at other parameters."""
        numbers = {"coefficients": coefficients, "temperatures": temperatures}
        made = replace(self, hessian=landscape.quadratic, **numbers)
        object.__setattr__(made, "landscape", landscape)  # with what is known of it
        return made

    @cached_property
    def drift_matrix(self) -> NDArray[Any]:
        """A in dz = -A z dt, shape (n, n)."""
        return (self.mobility - self.structure) @ self.hessian

    @cached_property
    def source_matrix(self) -> NDArray[Any]:
        """S in dz = S e dt, shape (n, K): column k is gamma_k b_k."""
        return self.directions.T * self.coefficients

    @cached_property
    def port_matrix(self) -> NDArray[Any]:
        """B in dz = B c dt, shape (n, P): a current into every node, an emf in every inductor's
        branch.
        """
        return np.eye(self.dim)

    @cached_property
    def capacitance(self) -> NDArray[Any]:
        """Inverse Hessian, shape (n, n): the Maxwell capacitance matrix in units of C_ref, then the
        inductance matrix in units of R_ref^2 C_ref.
        """
        return np.linalg.inv(self.hessian)

    @cached_property
    def components(self) -> tuple[NDArray[Any], ...]:
        """Indices of the state variables of every part of the circuit that nothing joins to the
        rest, each ascending, in the order of their first variable.
        """
        ends = (self.directions != 0.0).astype(float)
        joined = (self.hessian != 0.0) | (self.structure != 0.0) | (ends.T @ ends > 0.0)
        count, label = scipy.sparse.csgraph.connected_components(joined, directed=False)
        return tuple(np.flatnonzero(label == i) for i in range(count))

    @cached_property
    def stationary_covariance(self) -> NDArray[Any]:
        """Steady Cov(z) without control, shape (n, n): A P + P A^T = N N^T.

        With one temperature P = T C exactly. Otherwise the difference from that law obeys the same
        Lyapunov equation with the noise of the excess temperatures alone, solved in coordinates
        R^T z, H'' = R R^T, whose square is the energy: spreads of values and of units cost few
        digits there.
        """
        if self.uncoupled:
            noise = self.noise_matrix @ self.noise_matrix.T
            return np.diag(np.diag(noise) / (2.0 * np.diag(self.drift_matrix)))
        base = float(np.sort(self.temperatures)[(len(self.temperatures) - 1) // 2])
        covariance = base * self.capacitance
        excess = 2.0 * (self.temperatures - base) * self.coefficients
        if excess.any():
            root = np.linalg.cholesky(self.hessian)
            back = np.linalg.inv(root).T
            turned = root.T @ self.drift_matrix @ back
            across = self.directions @ root
            noise = across.T @ (excess[:, None] * across)
            for part in self._parts:
                block = np.ix_(part, part)
                found = scipy.linalg.solve_continuous_lyapunov(turned[block], noise[block])
                covariance += back[:, part] @ found @ back[:, part].T
        return 0.5 * (covariance + covariance.T)

    @cached_property
    def effort_covariance(self) -> NDArray[Any]:
        """Steady covariance of the efforts (v, i) without control, shape (n, n)."""
        return self.hessian @ self.stationary_covariance @ self.hessian

    @property
    def _parts(self) -> tuple[NDArray[Any], ...]:
        """What matrix equations are solved over: arrays of ringing cells one cell at a time."""
        return self.components if self.gyrating else (np.arange(self.dim),)

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
    def rates(self) -> NDArray[Any]:
        """Eigenvalues of A, shape (n,), per R_ref C_ref; complex for motions that ring."""
        a = self.drift_matrix
        if self.uncoupled:
            return np.diag(a)
        return np.concatenate([np.linalg.eigvals(a[np.ix_(part, part)]) for part in self._parts])

    @cached_property
    def time_constants(self) -> NDArray[Any]:
        """Relaxation times 1/Re(eigenvalues of A), longest first, in R_ref C_ref; for a motion that
        rings the decay time of its amplitude.
        """
        return np.sort(1.0 / np.real(self.rates))[::-1]

    @cached_property
    def resonances(self) -> NDArray[Any]:
        """Natural angular frequency |a| and quality |a| / (2 Re a) of every motion that rings,
        shape (m, 2), slowest first; a is an eigenvalue of A and Q = 1/2 critical damping.
        """
        # A double eigenvalue splits by the root of the round-off.
        ringing = self.rates[np.imag(self.rates) > 1e-6 * np.abs(self.rates)]
        ringing = ringing[np.argsort(np.abs(ringing))]
        return np.stack([np.abs(ringing), 0.5 * np.abs(ringing) / np.real(ringing)], axis=1)

    @cached_property
    def unit_hessian(self) -> bool:
        """H'' is the identity: charges and voltages are the same numbers in thermal units."""
        return np.array_equal(self.hessian, np.eye(self.dim))

    def efforts(self, state: torch.Tensor) -> torch.Tensor:
        """Node voltages and inductor currents H''z of states (paths, n), thermal units, same
        shape.
        """
        if self.unit_hessian:
            return state
        diagonal = np.diag(self.hessian)
        if np.array_equal(self.hessian, np.diag(diagonal)):
            return state * state.new_tensor(diagonal)
        return state @ state.new_tensor(self.hessian)

    def charges(self, efforts: torch.Tensor) -> torch.Tensor:
        """States (paths, n) of efforts, the inverse of `efforts`."""
        if self.unit_hessian:
            return efforts
        return efforts @ efforts.new_tensor(self.capacitance)

    def energy(self, state: torch.Tensor) -> torch.Tensor:
        """Stored energy z.H''z/2 of states (paths, n): float64, shape (paths,), in k T_ref."""
        state = state.double()
        product = state * self.efforts(state)
        # A sum over one column is a slow way to copy it.
        return 0.5 * (product[..., 0] if self.dim == 1 else product.sum(-1))


def require_linear(device: Any, where: str) -> LinearDevice:
    """The device, if it is a passive linear circuit.

    Args:
        device: of any kind; each says in `runs_with` what plays it, and in `kinds` which runs.
        where: named in the error.

    Raises:
        InputError: another kind of device, naming what to use instead.
    """
    if isinstance(device, LinearDevice):
        return device
    instead = getattr(device, "runs_with", "the room that simulates this kind of device")
    raise InputError(
        f"{getattr(device, 'name', device)} is no passive linear circuit, which this needs; it "
        f"runs with {instead}",
        where=where,
    )
