"""Exact laws of a circuit with active elements while its amplifiers stay in their linear range.

The augmented vector a = (s, y, x, U, I), the state s = (Z_F, w) followed by the charges through the
elements and the transconductors, the injected charges and the integrals of inductor currents, obeys

    da = F a dt + (G e + g0) dt + M dW

with constant sources e. From F, G and M everything follows by linear algebra, for any A = -F_ss:

    stationary mean      A m = G_s e + g0_s             covariance  A P + P A^T = N N^T
    transition over h    e^{-A h}, and int_0^h e^{-A s} N N^T e^{-A^T s} ds by quadrature of the
                         impulse response (never P - e^{-Ah} P e^{-A^T h}, which cancels)
    mean energy rates    a force f = u . s + u0 and a flow r with dr = (r_F s + r_0) dt + r_M dW:
                         E[f o dr]/dt = u.P r_F + f(m) (r_F m + r_0) + u_N . r_M / 2,  u_N = u N

The last term is the Stratonovich correction of a force that feels the noise of its own flow. Rates
are those of the steady state; sum of works = sum of heats, which tests them against each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy

from thermohw.circuit.tick import square_root_covariance
from thermohw.errors import InputError
from thermohw.units import engineering

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.circuit.active import ActiveDevice

__all__ = ["ActiveLaw", "ActiveRates", "FlowMaps", "active_law", "require_stable"]


@dataclass(frozen=True, eq=False)
class FlowMaps:
    """Force and flow of every account, rows over efforts, outputs and the augmented vector.

    A force is effort . eps + output . o + constant - its own sources; a flow is flow . a +
    storage . Delta eps, the second for charges that amplifiers bring to nodes they hold.
    """

    names: tuple[str, ...]  # "heat.r0", "work.emf.r0", "work.gm", "work.noise.n0", "work.a0"
    signs: NDArray[Any]  # +1 for works, -1 for heats: dH = signs . accounts
    effort: NDArray[Any]
    output: NDArray[Any]
    source: NDArray[Any]
    flow: NDArray[Any]
    storage: NDArray[Any]


@dataclass(frozen=True, eq=False)
class ActiveRates:
    """Mean steady power of every account, k T_ref per R_ref C_ref; `signs . rates` is zero."""

    names: tuple[str, ...]
    rates: NDArray[Any]
    signs: NDArray[Any]

    def __getitem__(self, name: str) -> float:
        return float(self.rates[self.names.index(name)])


class ActiveLaw:
    """The linear law of a device; see the module.

    Args:
        device: the circuit; limits of slew and swing are left out.
        flows: also carry the flows that the books need.
    """

    def __init__(self, device: ActiveDevice, *, flows: bool = True) -> None:
        self.device = device
        free, amps, maps = device.free, device.amplifiers, device.efforts
        self.poled = amps.poled
        k, t, i = len(device.elements), len(device.transconductors), len(device.injections)
        f, p, n = len(free), len(self.poled), len(device.storage)
        self.states, self.free_count = f + p, f
        sizes = (f, p, k, t, i, len(device.fluxes)) if flows else (f, p)
        edges = np.cumsum((0, *sizes))
        self.size = int(edges[-1])
        self.slices = [slice(int(a), int(b)) for a, b in zip(edges[:-1], edges[1:], strict=True)]
        z, w = self.slices[:2]
        # response of da/dt to efforts
        across = device.coefficients[:, None] * device.directions
        carried = device.transconductances[:, None] * device.control_incidence
        reply = np.zeros((self.size, n))
        reply[z] = (
            device.structure - device.directions.T @ across - device.output_incidence.T @ carried
        )[free]
        rate, leak = amps.rate[self.poled], amps.leak[self.poled]
        reply[w] = rate[:, None] * amps.sense[self.poled]
        source = np.zeros((self.size, k))
        source[z] = (device.directions.T * device.coefficients)[free]
        noise = np.zeros((self.size, k + i + p))
        johnson = np.sqrt(2.0 * device.temperatures * device.coefficients)
        injected = np.sqrt(device.strengths)
        noise[z, :k] = (device.directions.T * johnson)[free]
        noise[z, k : k + i] = (device.places.T * injected)[free]
        noise[w, k + i :] = np.diag(rate * np.sqrt(amps.noise[self.poled]))
        if flows:
            y, x, u, current = self.slices[2:]
            reply[y], reply[x] = across, carried
            reply[current] = np.eye(n)[len(device.nodes) :]
            source[y] = -np.diag(device.coefficients)
            noise[y, :k] = -np.diag(johnson)
            noise[u, k : k + i] = np.diag(injected)
        self.reply, self.source, self.noise = reply, source, noise
        self.generator = np.zeros((self.size, self.size))
        self.generator[:, z] = reply @ maps.charge
        self.generator[:, w] = reply @ maps.output
        self.generator[w, w] -= np.diag(rate * leak)
        self.constant = reply @ maps.constant
        self.constant[w] += rate * amps.offset[self.poled]

    @cached_property
    def drift_matrix(self) -> NDArray[Any]:
        """A in ds = -A s dt, shape (dim, dim); not symmetric."""
        return -self.generator[: self.states, : self.states]

    @cached_property
    def rates(self) -> NDArray[Any]:
        """Eigenvalues of A; every real part is positive in a stable circuit."""
        return np.linalg.eigvals(self.drift_matrix)

    def input(self, sources: NDArray[Any] | None = None) -> NDArray[Any]:
        """Constant part of da/dt under sources e (K,), shape (size,)."""
        return self.constant if sources is None else self.constant + self.source @ sources

    def mean(self, sources: NDArray[Any] | None = None) -> NDArray[Any]:
        """Steady mean of s, shape (dim,)."""
        return np.linalg.solve(self.drift_matrix, self.input(sources)[: self.states])

    @cached_property
    def covariance(self) -> NDArray[Any]:
        """Steady covariance of s, shape (dim, dim)."""
        noise = self.noise[: self.states]
        found = scipy.linalg.solve_continuous_lyapunov(self.drift_matrix, noise @ noise.T)
        return 0.5 * (found + found.T)

    @cached_property
    def reading(self) -> NDArray[Any]:
        """Efforts as eps = reading s + constant, shape (n, dim)."""
        maps = self.device.efforts
        return np.concatenate([maps.charge, maps.output], axis=1)

    @cached_property
    def outputs(self) -> NDArray[Any]:
        """Amplifier outputs as o = outputs s + constant, shape (m, dim)."""
        maps = self.device.efforts
        return np.concatenate([maps.all_charge, maps.all_output], axis=1)

    def effort_mean(self, sources: NDArray[Any] | None = None) -> NDArray[Any]:
        """Steady mean of the efforts, shape (n,)."""
        return self.reading @ self.mean(sources) + self.device.efforts.constant

    @property
    def effort_covariance(self) -> NDArray[Any]:
        """Steady covariance of the efforts, shape (n, n)."""
        return self.reading @ self.covariance @ self.reading.T

    @lru_cache(maxsize=64)  # noqa: B019 - laws live as long as what uses them
    def transition(self, h: float) -> tuple[NDArray[Any], NDArray[Any]]:
        """e^{F h} (size, size) and a factor L of the covariance of a after h, L L^T, exact."""
        return scipy.linalg.expm(self.generator * h), square_root_covariance(
            self.generator, self.noise, h
        )

    @cached_property
    def books(self) -> FlowMaps:
        """Accounts of the device; needs the flows."""
        d = self.device
        k, t, i, m = (len(x) for x in (d.elements, d.transconductors, d.injections,
                                       d.amplifiers.names))  # fmt: skip
        n, count = len(d.storage), 2 * k + t + i + m
        effort, output = np.zeros((count, n)), np.zeros((count, m))
        source, flow, storage = (np.zeros((count, w)) for w in (k, self.size, n))
        _, _, y, x, u, current = (np.arange(self.size)[s] for s in self.slices)
        heat, emf = np.arange(k), k + np.arange(k)
        gm, injected, amp = 2 * k + np.arange(t), 2 * k + t + np.arange(i), count - m + np.arange(m)
        effort[heat], source[heat], source[emf] = d.directions, -np.eye(k), -np.eye(k)
        flow[heat, y] = flow[emf, y] = 1.0
        effort[gm], flow[gm, x] = -d.output_incidence, 1.0
        effort[injected], flow[injected, u] = d.places, 1.0
        hold = d.amplifiers.hold
        output[amp], storage[amp] = np.eye(m), hold @ d.storage
        flow[np.ix_(amp, y)] = hold @ d.directions.T
        flow[np.ix_(amp, x)] = hold @ d.output_incidence.T
        flow[np.ix_(amp, u)] = -hold @ d.places.T
        flow[np.ix_(amp, current)] = -hold @ d.structure[:, len(d.nodes) :]
        names = (
            *(f"heat.{name}" for name in d.elements),
            *(f"work.emf.{name}" for name in d.elements),
            *(f"work.{name}" for name in d.transconductors),
            *(f"work.noise.{name}" for name in d.injections),
            *(f"work.{name}" for name in d.amplifiers.names),
        )
        signs = np.where(np.arange(count) < k, -1.0, 1.0)
        return FlowMaps(names, signs, effort, output, source, flow, storage)

    def steady_rates(self, sources: NDArray[Any] | None = None) -> ActiveRates:
        """Exact mean power of every account in the steady state.

        Args:
            sources: e (K,), thermal units; None: all at rest.
        """
        books, maps, s = self.books, self.device.efforts, self.states
        force, path = self._pairs
        rest = books.effort @ maps.constant + books.output @ maps.all_constant
        if sources is not None:
            rest = rest + books.source @ sources
        mean, constant = self.mean(sources), self.input(sources)
        flow_state, flow_noise = path @ self.generator[:, :s], path @ self.noise
        level, current = force @ mean + rest, flow_state @ mean + path @ constant
        rates = np.einsum("ai,ij,aj->a", force, self.covariance, flow_state) + level * current
        rates = rates + 0.5 * np.einsum("ai,ai->a", force @ self.noise[:s], flow_noise)
        return ActiveRates(books.names, rates, books.signs)

    @cached_property
    def _pairs(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Responses of forces to s, and of flows to a: what eps brings moves with the state."""
        books, s = self.books, self.states
        force = books.effort @ self.reading + books.output @ self.outputs
        path = books.flow.copy()
        path[:, :s] += books.storage @ self.reading
        return force, path

    @lru_cache(maxsize=64)  # noqa: B019 - laws live as long as what uses them
    def midpoint_bias(self, h: float) -> NDArray[Any]:
        """What the noise inside a step of h adds to E[int f o dr] beyond E[mean f * flow], shape
        (accounts,).

        From s = 0 without input, where all motion is noise: int_0^h (u.C(t) r_F + u_N.r_M/2) dt
        with the covariance C(t), less u.Cov(s, flow)/2 at h. It is of first order in h relative to
        the account, and its sum over works less heats is zero.
        """
        s, (force, path) = self.states, self._pairs
        drift, noise = self.generator[:s, :s], self.noise[:s]
        panels = int(np.clip(np.ceil(h * np.abs(self.rates).max()), 1, 256))
        nodes, weights = np.polynomial.legendre.leggauss(10)
        total = np.zeros((s, s))  # int C dt = int (h - t) e^{-At} N N^T e^{-A^T t} dt
        for panel in range(panels):
            for node, weight in zip(nodes, weights, strict=True):
                t = h * (panel + 0.5 * (1.0 + node)) / panels
                response = scipy.linalg.expm(drift * t) @ noise
                total += 0.5 * h / panels * weight * (h - t) * (response @ response.T)
        exact = np.einsum("ai,ij,aj->a", force, total, path @ self.generator[:, :s])
        exact += 0.5 * h * np.einsum("ai,ai->a", force @ noise, path @ self.noise)
        factor = self.transition(h)[1]
        return exact - 0.5 * np.einsum("ai,ai->a", force @ factor[:s], path @ factor)


@lru_cache(maxsize=64)
def active_law(device: ActiveDevice, flows: bool = True) -> ActiveLaw:
    """The law of a device, worked out once."""
    return ActiveLaw(device, flows=flows)


def require_stable(device: ActiveDevice) -> ActiveDevice:
    """The device, if it comes to rest.

    Raises:
        InputError: with the eigenvalue of A that keeps or lets a motion grow, per second.
    """
    rates = active_law(device, False).rates
    worst = complex(rates[np.argmin(np.real(rates))])
    if worst.real <= 1e-12 * np.abs(rates).max():
        grows = "grows" if worst.real < -1e-12 * np.abs(rates).max() else "never comes to rest"
        per_second = engineering(-worst.real / device.scale.time, "")
        turns = abs(worst.imag) / device.scale.time
        ring = f", turning at {engineering(turns, '')} rad/s" if turns > 1e-9 * abs(worst) else ""
        raise InputError(
            f"unstable loop: a motion {grows}, eigenvalue {per_second}/s{ring}; weaken the active "
            "element or add a conductance that outweighs it",
            where=device.name,
        )
    return device
