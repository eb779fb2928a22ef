r"""A circuit of nonlinear conductors as bidirectional Poisson jumps of single electrons.

The state is the number of elementary charges on every node, N, a vector of integers. Conductor k
joins terminals a and b (a node, a supply or ground); a forward event moves one charge q from a to
b, a backward event one from b to a, each a Poisson process whose rate depends on the voltages:

    N -> N + S_k  at rate  lambda_k+(N),        N -> N - S_k  at rate  lambda_k-(N)

S_k is -1 at a and +1 at b where these are nodes. With the Maxwell capacitance matrix C of the nodes
and C_s, the capacitances between nodes and supplies of voltage V,

    v = C^-1 (q N + C_s V),     H(N) = (q N).C^-1 (q N)/2 = energy of the field less a constant

and local detailed balance holds with the FINITE energy of the jump. Every rate is evaluated at the
voltages half way through the jump, v + C^-1 q S_k / 2, where the difference across the conductor
times q is exactly the energy that the event hands to its bath, charging energy q^2/2C included:

    ln( lambda_k+(N) / lambda_k-(N + S_k) ) = Q_k / kT_k,    Q_k = q (v_a - v_b)|half way

so that with all supplies at zero and one temperature the equilibrium is exp(-H/kT) on integers
exactly (Freitas, Delvenne and Esposito, arXiv:2008.10578 and 2103.01184; Wyatt and Coram's test).
Two families of rates, with V the difference across the conductor and V_T = kT_k/q:

    exponential  lambda+ = exp(l_k + w_k . v),   lambda- = lambda+ exp(-V/V_T)       MOS, diode
    tunnelling   lambda+ = (V_T/qR) x/(1 - e^-x), x = V/V_T, lambda- the same of -x  tunnel junction

The tunnelling current is V/R at every bias. At fixed voltages every such conductor has the Fano
factor coth(qV/2kT): shot noise 2qI far from equilibrium, Johnson noise 4kT/R at zero bias.

Units: charge q, energy k T_ref, voltage k T_ref/q, capacitance q^2/(k T_ref); time in seconds.
Heat is positive INTO the bath of a conductor, work positive when done BY a supply.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from thermohw.units import ELEMENTARY_CHARGE, K_B

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.datasheet import Datasheet

__all__ = ["ELEMENTARY_CHARGE", "JumpDevice", "bose"]


def bose(x: NDArray[Any]) -> NDArray[Any]:
    """x / (1 - exp(-x)), elementwise; 1 at x = 0, where its two factors are 0/0."""
    small = np.abs(x) < 1e-8
    safe = np.where(small, 1.0, x)
    # Far below zero expm1(-x) overflows to infinity and the rate is the zero it should be.
    with np.errstate(over="ignore"):
        return np.where(small, 1.0 + 0.5 * x, safe / -np.expm1(-safe))


@dataclass(frozen=True, eq=False)
class JumpDevice:
    """A circuit of n nodes, S supplies and K conductors that pass one electron at a time.

    Attributes:
        name: the datasheet's name.
        nodes: names of the n nodes.
        supplies: names of the S supplies.
        elements: names of the K conductors; each bath is named after its conductor.
        temperature: T_ref, kelvin.
        hessian: C^-1, shape (n, n), k T_ref/q^2.
        supply_capacitance: C_s, shape (n, S), q^2/(k T_ref).
        supply_voltages: V, shape (S,), k T_ref/q.
        jumps: S_k as rows, shape (K, n), -1, 0 or 1.
        drawn: charges that each supply delivers in a forward event, shape (K, S), -1, 0 or 1.
        temperatures: T_k / T_ref, shape (K,).
        log_rates: ln of a rate in 1/s, shape (K,): l_k, or ln(V_T/qR) of a tunnel junction.
        control: w_k over the nodes and then the supplies, shape (K, n + S), q/(k T_ref); zero for a
            tunnel junction.
        tunnelling: which conductors are tunnel junctions, shape (K,), bool.
        approximate: True when the datasheet asks for Gaussian noise in place of jumps, marked
            approximate there.
        datasheet: where the numbers came from (None for a device built by hand).
    """

    name: str
    nodes: tuple[str, ...]
    supplies: tuple[str, ...]
    elements: tuple[str, ...]
    temperature: float
    hessian: NDArray[Any]
    supply_capacitance: NDArray[Any]
    supply_voltages: NDArray[Any]
    jumps: NDArray[Any]
    drawn: NDArray[Any]
    temperatures: NDArray[Any]
    log_rates: NDArray[Any]
    control: NDArray[Any]
    tunnelling: NDArray[Any]
    approximate: bool = False
    datasheet: Datasheet | None = field(default=None, repr=False)
    runs_with: ClassVar[str] = "th.Jumps(device, ...), or th.simulate_jumps(device, ...) at once"
    kinds: ClassVar[tuple[str, ...]] = ("jumps",)

    def __post_init__(self) -> None:
        n, s, k = len(self.nodes), len(self.supplies), len(self.elements)
        assert self.hessian.shape == (n, n) and np.allclose(self.hessian, self.hessian.T)
        assert self.supply_capacitance.shape == (n, s) and self.supply_voltages.shape == (s,)
        assert self.jumps.shape == (k, n) and self.drawn.shape == (k, s)
        assert self.log_rates.shape == self.temperatures.shape == self.tunnelling.shape == (k,)
        assert self.control.shape == (k, n + s)
        assert not self.control[self.tunnelling].any()

    @property
    def dim(self) -> int:
        """Number of nodes n."""
        return len(self.nodes)

    @property
    def energy_unit(self) -> float:
        """k T_ref, joule."""
        return K_B * self.temperature

    @property
    def voltage_unit(self) -> float:
        """k T_ref/q, volt: 25.85 mV at 300 K."""
        return self.energy_unit / ELEMENTARY_CHARGE

    @cached_property
    def capacitance(self) -> NDArray[Any]:
        """Maxwell capacitance matrix of the nodes, shape (n, n), farad."""
        unit = ELEMENTARY_CHARGE / self.voltage_unit
        return np.linalg.inv(self.hessian) * unit

    @cached_property
    def rest_voltages(self) -> NDArray[Any]:
        """Voltages of uncharged nodes, C^-1 C_s V, shape (n,), k T_ref/q."""
        return self.hessian @ self.supply_capacitance @ self.supply_voltages

    @cached_property
    def event_jumps(self) -> NDArray[Any]:
        """Change of N in each of the 2K events, forward ones first, shape (2K, n)."""
        return np.concatenate([self.jumps, -self.jumps])

    def voltages(self, state: NDArray[Any]) -> NDArray[Any]:
        """Node voltages of states (..., n), same shape, k T_ref/q."""
        return state @ self.hessian + self.rest_voltages

    def charges(self, voltages: NDArray[Any]) -> NDArray[Any]:
        """The inverse of `voltages`: charges, not rounded, of voltages (..., n) in k T_ref/q."""
        return (voltages - self.rest_voltages) @ np.linalg.inv(self.hessian)

    def energy(self, state: NDArray[Any]) -> NDArray[Any]:
        """Energy of the field of states (..., n) less that of no charge, shape (...), k T_ref."""
        return 0.5 * np.einsum("...i,ij,...j->...", state, self.hessian, state)

    @cached_property
    def heat_form(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Slopes (n, 2K) and offsets (2K,) of the heat of every event, k T_ref.

        The heat of an event in state N is N @ slopes + offsets, into its conductor's bath.
        """
        slope = -self.hessian @ self.jumps.T
        level = self.drawn @ self.supply_voltages - self.jumps @ self.rest_voltages
        charging = 0.5 * np.einsum("ki,ij,kj->k", self.jumps, self.hessian, self.jumps)
        return (
            np.concatenate([slope, -slope], axis=1),
            np.concatenate([level - charging, -level - charging]),
        )

    @cached_property
    def exponent_form(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Slopes (n, 2K) and offsets (2K,) of what a rate is a function of.

        For exponential conductors N @ slopes + offsets is the logarithm of the rate (1/s), for
        tunnel junctions the heat of the event over kT_k, x, and the rate is exp(log_rate) bose(x).
        """
        heat_slope, heat_level = self.heat_form
        count = len(self.elements)
        hot = np.concatenate([self.temperatures, self.temperatures])
        gate = self.control[:, : self.dim] @ self.hessian
        level = (
            self.log_rates
            + self.control[:, : self.dim] @ self.rest_voltages
            + self.control[:, self.dim :] @ self.supply_voltages
        )
        shift = 0.5 * np.einsum("ki,ki->k", gate, self.jumps)
        # A backward event starts where the forward one ends: the same half-way voltages seen from
        # the other side, so the gate's shift changes its sign, and the heat's is in its own form.
        slope = np.concatenate([gate.T, gate.T], axis=1)
        offset = np.concatenate([level + shift, level - shift])
        slope[:, count:] += heat_slope[:, count:] / self.temperatures
        offset[count:] += heat_level[count:] / self.temperatures
        tunnels = np.concatenate([self.tunnelling, self.tunnelling])
        slope = np.where(tunnels, heat_slope / hot, slope)
        return slope, np.where(tunnels, heat_level / hot, offset)

    def event_rates(self, state: NDArray[Any]) -> NDArray[Any]:
        """Rates of the 2K events in states (..., n), forward ones first, shape (..., 2K), 1/s."""
        slope, offset = self.exponent_form
        return self.rates_of(state @ slope + offset)

    def rates_of(self, exponent: NDArray[Any]) -> NDArray[Any]:
        """Rates (..., 2K) in 1/s of exponents (..., 2K); see `exponent_form`."""
        if not self.tunnelling.any():
            return np.exp(exponent)
        tunnels = np.concatenate([self.tunnelling, self.tunnelling])
        prefactor = np.exp(np.concatenate([self.log_rates, self.log_rates])[tunnels])
        rates = np.empty_like(exponent)
        rates[..., ~tunnels] = np.exp(exponent[..., ~tunnels])
        rates[..., tunnels] = prefactor * bose(exponent[..., tunnels])
        return rates

    def event_heat(self, state: NDArray[Any]) -> NDArray[Any]:
        """Heat into the conductor's bath of each event, shape (..., 2K), k T_ref."""
        slope, offset = self.heat_form
        return state @ slope + offset

    def supply_work(
        self, counts: NDArray[Any], start: NDArray[Any], end: NDArray[Any]
    ) -> NDArray[Any]:
        """Work of every supply, shape (paths, S), k T_ref.

        A supply delivers the charges that jump out of it and the charge that its capacitors take up
        when the voltages of the nodes change.

        Args:
            counts: forward less backward events of every conductor, shape (paths, K).
            start: charges at the start, shape (paths, n).
            end: charges at the end, shape (paths, n).
        """
        polarised = (end - start) @ self.hessian @ self.supply_capacitance
        return self.supply_voltages * (counts @ self.drawn - polarised)
