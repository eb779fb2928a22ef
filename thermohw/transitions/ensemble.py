r"""The noiseless data that a noisy state may have come from, as a Boltzmann ensemble.

A state x at noise time t was some x_0 once, x = a x_0 + sqrt(v) z with (a, v) the decay and noise
of the process. Measured in units of the data, x/a = x_0 + noise of variance v/a^2 =: 1/beta, and

    rho(y | x) = phi(y) exp{-beta (|y|^2/2 - x.y)}/Z(x)    phi the law of the data, x for x/a
    F(x) = -ln Z/beta                                      free energy, <y> = -grad F
    s(x) = beta (<y> - x) = -beta grad(|x|^2/2 + F)        score
    x = <y>                                                its zeros: equation of state
    chi = d<y>/dx = beta C,    C = Cov(y | x)              susceptibility matrix
    chi_sc = beta C (1 - beta C)^-1                        response of m = <y> at m + h to h

<y> is the order parameter. The Jacobian of the score is beta (beta C - 1): a state is a mode of p_t
exactly where beta times the largest eigenvalue of C is below 1, and there chi_sc is positive.

Units: model units of the data; entropies and ln Z in nats; beta in 1/variance. Formulas derived
anew for L. Ambrogioni, "The statistical thermodynamics of generative diffusion models", Entropy 27,
291 (2025), https://arxiv.org/abs/2310.17467, whose own normalisation may differ.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from thermohw.errors import InputError
from thermohw.process import Process
from thermohw.target import MixtureLaw

__all__ = ["Noiseless", "NoiselessState", "Patterns", "Smooth", "numbers", "signal"]

_MOST = 2**24  # entries of a table of points


@dataclass(frozen=True, eq=False)
class NoiselessState:
    """The ensemble of noiseless data given one state.

    Attributes:
        x: the state over the decay a, shape (d,).
        beta: inverse variance of the noise in units of the data, a^2/v.
        log_partition: ln Z(x), nats.
        mean: order parameter <y>, shape (d,).
        covariance: C = Cov(y | x), shape (d, d).
    """

    x: np.ndarray
    beta: float
    log_partition: float
    mean: np.ndarray
    covariance: np.ndarray

    @property
    def free_energy(self) -> float:
        """F = -ln Z/beta."""
        return -self.log_partition / self.beta

    @property
    def potential(self) -> float:
        """|x|^2/2 + F, of which generation is the descent; -beta times it is ln p_t up to a
        constant."""
        return 0.5 * float(self.x @ self.x) + self.free_energy

    @property
    def score(self) -> np.ndarray:
        """beta (<y> - x), shape (d,): the score with respect to x/a."""
        return self.beta * (self.mean - self.x)

    @property
    def hessian(self) -> np.ndarray:
        """beta (beta C - 1), shape (d, d): the Jacobian of `score`."""
        return self.beta * (self.susceptibility - np.eye(len(self.x)))

    @property
    def susceptibility(self) -> np.ndarray:
        """beta C = d<y>/dx, shape (d, d)."""
        return self.beta * self.covariance

    @property
    def gain(self) -> float:
        """The largest eigenvalue of beta C: 1 where the state loses its stability."""
        return float(np.linalg.eigvalsh(self.susceptibility)[-1])

    @property
    def response(self) -> np.ndarray:
        """beta C (1 - beta C)^-1 = dm/dh of m = <y> at x = m + h, shape (d, d). It has negative
        eigenvalues where the state is unstable.

        Raises:
            InputError: beta C has an eigenvalue 1 to rounding; the response is infinite.
        """
        gains, basis = np.linalg.eigh(self.susceptibility)
        left = 1.0 - gains
        if np.abs(left).min() <= 8.0 * np.finfo(float).eps * max(1.0, float(gains[-1])):
            problem = "beta C has an eigenvalue 1: at a critical point the response is infinite"
            raise InputError(problem, where="transitions.response")
        return (basis * (gains / left)) @ basis.T


class Noiseless(ABC):
    """A law of noiseless data whose ensembles are known.

    Attributes:
        dim: number of coordinates.
    """

    dim: int

    @abstractmethod
    def solve(self, x: np.ndarray, beta: float) -> tuple[float, np.ndarray, np.ndarray]:
        """ln Z, <y> of shape (d,), C of shape (d, d), at x of shape (d,)."""

    def moments(self, x: np.ndarray, beta: float) -> tuple[np.ndarray, np.ndarray]:
        """<y> and C of `solve`, all that a score takes."""
        return self.solve(x, beta)[1:]

    @property
    @abstractmethod
    def mean(self) -> np.ndarray:
        """Mean of the data, shape (d,)."""

    def state(self, x: Any, beta: float) -> NoiselessState:
        """The ensemble at x in units of the data (under a variance-exploding process: the state).

        Args:
            x: shape (d,); a number where d = 1.
            beta: inverse variance of the noise, > 0.

        Raises:
            InputError: another shape, or a beta that is not positive and finite.
        """
        point = numbers(x, "transitions.x")
        if point.shape != (self.dim,):
            problem = f"expected {self.dim} coordinates, got shape {point.shape}"
            raise InputError(problem, where="transitions.x")
        beta = float(beta)
        if not 0.0 < beta < math.inf:
            problem = f"must be positive and finite, got {beta!r}"
            raise InputError(problem, where="transitions.beta")
        return NoiselessState(point, beta, *self.solve(point, beta))

    def given(self, x: Any, t: float, process: Process) -> NoiselessState:
        """The ensemble at state x, model units, shape (d,), of a process at noise time t > 0.

        Raises:
            InputError: as of `state` and `signal`.
        """
        decay, noise = signal(process, t)
        return self.state(numbers(x, "transitions.x") / decay, decay**2 / noise)


class Patterns(Noiseless):
    """A discrete data set: N points with weights.

    Args:
        points: shape (N, d); a flat list is N points in one dimension.
        weights: shape (N,), positive; they are normalised. Default: equal.

    Raises:
        InputError: shapes that do not fit, points that are not finite, weights not positive.
    """

    def __init__(self, points: Any, weights: Any = None) -> None:
        table = numbers(points, "transitions.points")
        table = table[:, None] if table.ndim == 1 else table
        if table.ndim != 2 or not table.size or table.size > _MOST:
            problem = f"expected N points of shape (N, d), got shape {table.shape}"
            raise InputError(problem, where="transitions.points")
        count, self.dim = table.shape
        share = np.ones(count) if weights is None else numbers(weights, "transitions.weights")
        if share.shape != (count,) or share.min() <= 0.0:
            problem = f"expected {count} positive numbers"
            raise InputError(problem, where="transitions.weights")
        self.points, self.shares = table, share / share.sum()
        self._prior = np.log(self.shares)
        self._half = 0.5 * np.square(table).sum(1)

    @property
    def mean(self) -> np.ndarray:
        """Weighted mean of the points, shape (d,)."""
        return self.shares @ self.points

    def weights(self, x: Any, beta: float) -> np.ndarray:
        """Boltzmann weights rho(y_n | x), shape (N,), at x in units of the data."""
        energy = self._prior + beta * (self.points @ numbers(x, "transitions.x") - self._half)
        share = np.exp(energy - energy.max())
        return share / share.sum()

    def solve(self, x: np.ndarray, beta: float) -> tuple[float, np.ndarray, np.ndarray]:
        """ln Z, <y>, C by the sum over all points."""
        energy = self._prior + beta * (self.points @ x - self._half)
        top = float(energy.max())
        share = np.exp(energy - top)
        total = float(share.sum())
        share /= total
        mean = share @ self.points
        centred = self.points - mean
        return top + math.log(total), mean, (share[:, None] * centred).T @ centred


class Smooth(Noiseless):
    """A mixture of Gaussians, sum_k w_k N(m_k, C_k), of which a component leaves given x

    N(m_k + V_k beta (x - m_k), V_k),      V_k = C_k (1 + beta C_k)^-1.

    Args:
        law: the mixture, for instance `target.law`.
    """

    def __init__(self, law: MixtureLaw) -> None:
        self.law, self.dim = law, law.dim
        # V_k shares the eigenvectors of C_k, whatever beta is
        self._values, self._basis = np.linalg.eigh(law.covariances)

    @property
    def mean(self) -> np.ndarray:
        """Mean of the mixture, shape (d,)."""
        return self.law.mean

    def solve(self, x: np.ndarray, beta: float) -> tuple[float, np.ndarray, np.ndarray]:
        """ln Z, <y>, C in closed form."""
        wide = 1.0 + beta * self._values
        away = np.einsum("kij,ki->kj", self._basis, x - self.law.means)
        log = np.log(self.law.weights) - 0.5 * np.log(wide).sum(1)
        log = log - 0.5 * beta * (np.square(away) / wide).sum(1)
        top = float(log.max())
        share = np.exp(log - top)
        total = float(share.sum())
        share /= total
        left = self._values / wide
        means = self.law.means + np.einsum("kij,kj->ki", self._basis, beta * left * away)
        mean = share @ means
        centred = means - mean
        inner = np.einsum("k,kij,kj,klj->il", share, self._basis, left, self._basis)
        covariance = inner + (share[:, None] * centred).T @ centred
        return top + math.log(total) + 0.5 * beta * float(x @ x), mean, covariance


def signal(process: Process, t: float) -> tuple[float, float]:
    """Decay a and noise v of an isotropic process at t > 0.

    Raises:
        InputError: a process with matrices, or a time outside (0, duration].
    """
    if not process.isotropic:
        problem = "one beta needs a process that treats all coordinates alike (ou, vp, ve)"
        raise InputError(problem, where="process")
    if not 0.0 < t <= process.duration:
        problem = f"expected a noise time in (0, {process.duration:g}], got {t!r}"
        raise InputError(problem, where="transitions.t")
    decay, noise = process.transition(t)
    return float(decay), float(noise)


def numbers(value: Any, where: str) -> np.ndarray:
    """Finite float64 numbers of at least one axis.

    Raises:
        InputError: what is no array of finite numbers.
    """
    try:
        table = np.atleast_1d(np.asarray(value, dtype=np.float64))
    except (TypeError, ValueError):
        raise InputError("expected numbers", where=where) from None
    if not np.isfinite(table).all():
        raise InputError("expected finite numbers", where=where)
    return table
