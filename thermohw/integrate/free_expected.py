r"""Mean heats and works of a free run with noise sources, as its pieces have them.

Over a piece a source rests at its mean u, and every source is a linear Markov process from piece to
piece: u = c.s + eps, s' = B s + eta (poles; the sample that holds, and the next one where they are
joined by straight lines; the level of telegraph noise about its mean, whose second moments are
those of a pole). Charges and source states together map x = (z, s) linearly, the same way every
period of the samples, so their second moments are summed over all periods at once
(`thermohw.circuit.recursion`). Inside a piece

    X_k(t) = b_k.H''(Phi(t) z + G(t) u) - e_k
    E Q_k  = gamma_k int (E X_k^2 + Var_k(t) - T_k b_k.H'' b_k) dt       Var_k: of the baths' noise
    E W    = int E[u p.H''z(t)] dt at a node;   -gamma_k int E[u X_k] dt in series with element k

by Gauss-Legendre points: nothing here is shared with the stepper, which draws charges.
"""

from __future__ import annotations

from math import exp, lcm
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.linalg import block_diag, expm, solve_discrete_lyapunov

from thermohw.circuit.recursion import summed_moments

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from thermohw.circuit.noises import NoiseInput
    from thermohw.integrate.free import PreparedFree

__all__ = ["FreeMeans", "free_means"]

_MOST, _COST = 30_000, 2e8  # pieces of a period of all samples; multiplications, some seconds
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(12)


class FreeMeans(NamedTuple):
    """Means of a free run.

    Attributes:
        accounts: "heat.<bath>", "work.<source>" -> k T_ref a path.
        mean: of the efforts at the end, thermal units, shape (n,).
        covariance: of the same, shape (n, n).
    """

    accounts: dict[str, float]
    mean: NDArray[Any]
    covariance: NDArray[Any]


def free_means(made: PreparedFree) -> FreeMeans | str:
    """Means in closed form; or, in words, why they take too long to work out."""
    pieces = _Pieces(made)
    if (phases := min(pieces.period, made.count)) > _MOST or phases * pieces.size**3 > _COST:
        return f"the samples of its noise sources have a common period of {pieces.period} pieces"
    device, sources = made.device, made.noises
    # Heat and work are linear in the second moments: those of all pieces are added up first.
    moments = np.sum(list(pieces.before()), axis=0)
    heat, work = pieces.heat(moments), pieces.work(moments)
    mean, covariance = pieces.end
    n = device.dim
    table = {f"heat.{b}": float(x) for b, x in zip(device.elements, heat, strict=True)}
    table |= {f"work.{s.name}": float(x) for s, x in zip(sources, work, strict=True)}
    hessian = device.hessian
    return FreeMeans(table, hessian @ mean[:n], hessian @ covariance[:n, :n] @ hessian)


class _Phase(NamedTuple):
    """x' = step x + offset + noise of covariance `kick`; u = read (x, 1) + noise of `blur`."""

    step: NDArray[Any]
    kick: NDArray[Any]
    read: NDArray[Any]
    blur: NDArray[Any]


class _Pieces:
    """All pieces of a run."""

    def __init__(self, made: PreparedFree) -> None:
        self.made, device = made, made.device
        models = [_markov(source, made.h) for source in made.noises]
        self.period = lcm(*(len(model.phases) for model in models)) if models else 1
        self.offset = np.array([source.mean for source in made.noises])
        n, drives = device.dim, [source.drive(device) for source in made.noises]
        self.drive = np.array(drives).reshape(-1, n).T
        self.models, self.n = models, n
        self.size = n + sum(len(model.start) for model in models)
        self._moved = self._free(made.h)
        self.times = 0.5 * made.h * (1.0 + _NODES), 0.5 * made.h * _WEIGHTS
        self.end = np.zeros(0), np.zeros((0, 0))

    def _free(self, t: float) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Phi, G and the covariance that the baths add, a time t into a piece."""
        device, n, width = self.made.device, self.n, self.drive.shape[1]
        block = np.zeros((n + width, n + width))
        block[:n, :n], block[:n, n:] = -device.drift_matrix, self.drive
        moved = expm(block * t)
        phi, steady = moved[:n, :n], device.stationary_covariance
        return phi, moved[:n, n:], steady - phi @ steady @ phi.T

    def _phase(self, number: int) -> _Phase:
        phi, gain, baths = self._moved
        parts = [model.phases[number % len(model.phases)] for model in self.models]
        inner, kick = _blocks([p.step for p in parts]), _blocks([p.kick for p in parts])
        reads, mixed = (
            _blocks([row[None, :] for row in rows])
            for rows in ([p.read for p in parts], [p.mixed for p in parts])
        )
        blur, states = _blocks([np.full((1, 1), p.blur) for p in parts]), len(inner)
        n = self.n
        step = np.zeros((n + states + 1, n + states + 1))
        step[:n, :n], step[:n, n:-1], step[:n, -1] = phi, gain @ reads, gain @ self.offset
        step[n:-1, n:-1], step[-1, -1] = inner, 1.0
        noise = np.zeros_like(step)
        noise[:n, :n], noise[:n, n:-1] = baths + gain @ blur @ gain.T, gain @ mixed
        noise[n:-1, :n], noise[n:-1, n:-1] = noise[:n, n:-1].T, kick
        read = np.hstack([np.zeros((len(parts), n)), reads, self.offset[:, None]])
        return _Phase(step, noise, read, blur)

    def before(self) -> Iterator[NDArray[Any]]:
        """Second moments of (z, u) before the pieces of a phase, summed over all of them."""
        made, n = self.made, self.n
        start = _blocks([made.start_covariance, *(model.start for model in self.models)])
        size = len(start)
        whole, left = divmod(made.count, self.period)
        phases = [self._phase(number) for number in range(min(self.period, made.count))]
        first, spread = np.zeros(size), start
        if whole:
            step, kick = np.eye(size + 1), np.zeros((size + 1, size + 1))
            for phase in phases:
                step, kick = phase.step @ step, phase.step @ kick @ phase.step.T + phase.kick
            phi, offset = step[:size, :size], step[:size, size]
            mean = np.linalg.solve(np.eye(size) - phi, offset)
            covariance = solve_discrete_lyapunov(phi, kick[:size, :size])
            moments = summed_moments(phi, (mean, covariance), (first, start), whole)
            for phase in phases:
                yield self._seen(phase, moments, whole)
                moments = phase.step @ moments @ phase.step.T + whole * phase.kick
            decay = np.linalg.matrix_power(phi, whole)
            first = mean - decay @ mean
            spread = covariance + decay @ (start - covariance) @ decay.T
        moments = np.block([[spread + np.outer(first, first), first[:, None]],
                            [first[None, :], np.ones((1, 1))]])  # fmt: skip
        for phase in phases[:left]:
            yield self._seen(phase, moments, 1)
            moments = phase.step @ moments @ phase.step.T + phase.kick
        first = moments[:size, size]
        self.end = first[:n], moments[:n, :n] - np.outer(first[:n], first[:n])

    def _seen(self, phase: _Phase, moments: NDArray[Any], many: int) -> NDArray[Any]:
        states = np.hstack([np.eye(self.n), np.zeros((self.n, len(moments) - self.n))])
        seen = np.vstack([states, phase.read])
        found = seen @ moments @ seen.T
        found[self.n :, self.n :] += many * phase.blur
        return found

    def _forces(self) -> Iterator[tuple[float, NDArray[Any], NDArray[Any], NDArray[Any]]]:
        """Weight, X_k and p.H''z as rows over (z, u), and the baths' variance of X_k."""
        device, sources = self.made.device, self.made.noises
        force = device.directions @ device.hessian
        ports = np.array([s.port for s in sources]).reshape(-1, self.n) @ device.hessian
        held = np.zeros((len(force), len(sources)))
        for j, source in enumerate(sources):
            if source.element is not None:
                held[source.element, j] = 1.0
        for t, weight in zip(*self.times, strict=True):
            phi, gain, baths = self._free(t)
            moved = np.hstack([phi, gain])
            across = force @ moved
            across[:, self.n :] -= held
            yield weight, across, ports @ moved, np.einsum("ki,ij,kj->k", force, baths, force)

    def heat(self, moments: NDArray[Any]) -> NDArray[Any]:
        """Into every bath in all pieces, shape (K,)."""
        device, total = self.made.device, np.zeros(len(self.made.device.elements))
        b = device.directions
        stiffness = np.einsum("ki,ij,kj->k", b, device.hessian, b)
        for weight, across, _, noise in self._forces():
            square = np.einsum("ki,ij,kj->k", across, moments, across)
            square += self.made.count * (noise - device.temperatures * stiffness)
            total += weight * device.coefficients * square
        return total

    def work(self, moments: NDArray[Any]) -> NDArray[Any]:
        """Of every source in all pieces, shape (S,)."""
        device, total = self.made.device, np.zeros(len(self.made.noises))
        for weight, across, ports, _ in self._forces():
            for j, source in enumerate(self.made.noises):
                own = moments[self.n + j]
                if source.element is None:
                    total[j] += weight * ports[j] @ own
                else:
                    k = source.element
                    total[j] -= weight * device.coefficients[k] * across[k] @ own
        return total


def _blocks(parts: list[NDArray[Any]]) -> NDArray[Any]:
    """Block-diagonal; of nothing (0, 0)."""
    return np.asarray(block_diag(*parts)) if parts else np.zeros((0, 0))


class _Step(NamedTuple):
    """s' = step s + eta, u = read.s + eps; `kick`, `blur`, `mixed` their covariances."""

    step: NDArray[Any]
    kick: NDArray[Any]
    read: NDArray[Any]
    blur: float
    mixed: NDArray[Any]


class _Markov(NamedTuple):
    """A source from piece to piece: its phases, and the covariance of s at the start."""

    phases: list[_Step]
    start: NDArray[Any]


def _markov(source: NoiseInput, h: float) -> _Markov:
    if source.kind == "poles":
        return _poles(source, h)
    if source.kind == "telegraph":
        decay, variance = exp(-h / float(source.times[0])), float(source.variances[0])
        kick = np.array([[variance * (1.0 - decay**2)]])
        held = _Step(np.array([[decay]]), kick, np.ones(1), 0.0, np.zeros(1))
        return _Markov([held], np.array([[variance]]))
    variance, many = float(source.variances[0]), max(1, round(float(source.times[0]) / h))
    straight, phases = source.kind == "interpolated", []
    for place in range(many):
        late = (place + 0.5) / many if straight else 0.0
        step, kick = np.eye(2), np.zeros((2, 2))
        if place == many - 1:  # the next sample begins
            step, kick[1, 1] = np.array([[0.0, 1.0], [0.0, 0.0]]), variance
        phases.append(_Step(step, kick, np.array([1.0 - late, late]), 0.0, np.zeros(2)))
    return _Markov(phases, variance * np.eye(2))


def _poles(source: NoiseInput, h: float) -> _Markov:
    """The mean of a pole over a piece, given its start, and its end (`waveforms`)."""
    r, variance = h / source.times, source.variances
    decay = np.exp(-r)
    share = -np.expm1(-r) / r
    end = variance * -np.expm1(-2.0 * r)
    mixed = variance * np.expm1(-r) ** 2 / r
    blur = float(sum(v * _averaged(x) for v, x in zip(variance, r, strict=True)))
    one = _Step(np.diag(decay), np.diag(end), share, blur, mixed)
    return _Markov([one], np.diag(variance))


def _averaged(r: float) -> float:
    """Variance of the mean over r correlation times, given the start: (2/r^2) int_0^r (1 - e^-a)^2
    da, in closed form or, where that cancels, by quadrature.
    """
    if r > 1.0:
        return (2.0 * r - 3.0 + 4.0 * exp(-r) - exp(-2.0 * r)) / r**2
    return float(np.sum(_WEIGHTS * np.expm1(-0.5 * r * (1.0 + _NODES)) ** 2)) / r
