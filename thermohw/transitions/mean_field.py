r"""Laws of noiseless data whose ensembles are known in closed form.

- `two_deltas(a)`: +-a with equal weights: <y> = a tanh(beta a x), the Curie-Weiss equation.
- `Sphere(d, r)`: uniform on the sphere of radius r in R^d. With kappa = beta r |x|, nu = d/2 - 1,

      Z e^{beta r^2/2} = Gamma(d/2) (2/kappa)^nu I_nu(kappa) = 0F1(; d/2; kappa^2/4)
      <y> = r A x/|x|,   A(kappa) = I_{d/2}/I_{d/2-1} = kappa/(d + kappa^2/(d + 2 + kappa^2/(...
      C = r^2 (1 - A^2 - (d - 1) A/kappa) along x,    r^2 A/kappa across it

  The continued fraction (Gauss) has no under- or overflow at any d; it is d = 1's tanh (Lambert).
- `CurieWeiss(n, J)`: n spins +-1 with phi ~ exp(J M^2/2n), M their sum ("diffused Ising", all
  coupled). A Gaussian field u per spin decouples them, exp(J M^2/2n) = E exp(u M), u ~ N(0, J/n):
  exact at finite n by the trapezoidal rule in u.
- `IsingChain(n, K)`: open chain, phi ~ exp(K sum y_i y_{i+1}). Given x it is a Markov chain:
  transfer matrices give ln Z and <y>, and Cov(y_i, y_j) = Var(y_i) times the product of
  lambda_l = P(+ | +) - P(+ | -) between them.

All lose the symmetric point x = 0 at beta lambda_max(C) = 1, C the covariance of the data: a^2,
r^2/d, 1/(1 - J) and e^{2K} for n -> infinity.

Source: Ambrogioni (see `ensemble`), sections on two deltas, hyperspherical manifolds and the
diffused Ising model; formulas derived anew.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from thermohw.errors import InputError
from thermohw.transitions.ensemble import Noiseless, Patterns

__all__ = ["CurieWeiss", "IsingChain", "Sphere", "bessel_ratio", "two_deltas"]

_LOG2 = math.log(2.0)
_STEP = 0.25  # of sqrt(J/n): integrands are entire, the rule is off by exp(-2 pi^2/_STEP^2)
_MOST_SPINS = 4096


def two_deltas(a: float = 1.0) -> Patterns:
    """+-a with equal weights, in one dimension.

    Raises:
        InputError: a not positive.
    """
    _positive(a, "a")
    return Patterns([-float(a), float(a)])


class Sphere(Noiseless):
    """Uniform on the sphere |y| = radius in R^dim; dim = 1 is two deltas.

    Raises:
        InputError: a dimension below 1 or a radius that is not positive.
    """

    def __init__(self, dim: int, radius: float = 1.0) -> None:
        self.dim, self.radius = _count(dim, "dim", 1, 10**7), _positive(radius, "radius")

    @property
    def mean(self) -> np.ndarray:
        """The centre."""
        return np.zeros(self.dim)

    def radial(self, kappa: float) -> tuple[float, float, float]:
        """A(kappa), A/kappa and dA/dkappa."""
        ratio = float(bessel_ratio(self.dim, kappa))
        across = ratio / kappa if kappa > 0.0 else 1.0 / self.dim
        return ratio, across, 1.0 - ratio**2 - (self.dim - 1) * across

    def solve(self, x: np.ndarray, beta: float) -> tuple[float, np.ndarray, np.ndarray]:
        """ln Z, <y>, C."""
        kappa = beta * self.radius * float(np.linalg.norm(x))
        log = _log_sphere(self.dim, kappa) - 0.5 * beta * self.radius**2
        return log, *self.moments(x, beta)

    def moments(self, x: np.ndarray, beta: float) -> tuple[np.ndarray, np.ndarray]:
        """<y> and C, without the integral that ln Z takes."""
        length = float(np.linalg.norm(x))
        kappa = beta * self.radius * length
        ratio, across, along = self.radial(kappa)
        unit = x / length if length > 0.0 else x
        covariance = across * np.eye(self.dim) + (along - across) * np.outer(unit, unit)
        return self.radius * ratio * unit, self.radius**2 * covariance

    def order_parameter(self, beta: float) -> float:
        """The length m = r A(beta r m) that solves the equation of state, 0 above the transition.

        Below it the root in (0, r) is bracketed and found by Brent's method.

        Raises:
            InputError: beta not positive.
        """
        from scipy.optimize import brentq

        scale = _positive(beta, "beta") * self.radius**2
        if scale <= self.dim:
            return 0.0

        def excess(m: float) -> float:
            return float(bessel_ratio(self.dim, scale * m)) / m - 1.0

        over = scale / self.dim - 1.0
        low = min(1e-3, 1e-3 * math.sqrt(over))
        if excess(low) <= 0.0:  # closer to the transition than double precision resolves
            return 0.0
        root: Any = brentq(excess, low, 1.0, xtol=1e-15, rtol=1e-15)  # type: ignore[arg-type]
        return self.radius * float(root)


class CurieWeiss(Noiseless):
    """`spins` spins +-1, all coupled: phi ~ exp(J M^2/2n).

    Args:
        spins: n, 1 to 4096.
        coupling: J >= 0; below 1 the data themselves are disordered.

    Raises:
        InputError: another n, or a coupling that is negative or above 4.
    """

    def __init__(self, spins: int, coupling: float) -> None:
        self.dim = _count(spins, "spins", 1, _MOST_SPINS)
        self.coupling = _coupling(coupling, 0.0)
        self._log_prior = self._field(np.zeros(self.dim))[0]

    @property
    def mean(self) -> np.ndarray:
        """Zero, by symmetry."""
        return np.zeros(self.dim)

    def _field(self, h: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        """ln sum_y exp(J M^2/2n + h.y), <y> and C of spins in fields h, shape (n,)."""
        n, strength = self.dim, self.coupling
        if strength == 0.0:
            mean = np.tanh(h)
            return float(_log_2cosh(h).sum()), mean, np.diag(_sech2(h))
        # exponent -n u^2/2J + sum ln 2cosh(h_i + u): u within J of 0, curvature at most n/J
        width = math.sqrt(strength / n)
        reach = strength + 12.0 * width
        u = np.linspace(-reach, reach, 2 * math.ceil(reach / (_STEP * width)) + 1)
        together, back = np.unique(h, return_inverse=True)  # equal fields are worked out once
        count = np.bincount(back)
        fields = together[:, None] + u
        log = count @ _log_2cosh(fields) - 0.5 * n * np.square(u) / strength
        top = float(log.max())
        share = np.exp(log - top)
        total = float(share.sum()) * (u[1] - u[0])
        share /= share.sum()
        m = np.tanh(fields)
        mean = m @ share
        centred = m - mean[:, None]
        between = (centred * share) @ centred.T
        covariance = between[np.ix_(back, back)]
        # a spin squared is 1; the average of 1 - tanh^2 has poles where that of products has none
        np.fill_diagonal(covariance, 1.0 - np.square(mean[back]))
        log_z = top + math.log(total) - 0.5 * math.log(2.0 * math.pi * strength / n)
        return log_z, mean[back], covariance

    def solve(self, x: np.ndarray, beta: float) -> tuple[float, np.ndarray, np.ndarray]:
        """ln Z, <y>, C."""
        log, mean, covariance = self._field(beta * x)
        return log - self._log_prior - 0.5 * beta * self.dim, mean, covariance


class IsingChain(Noiseless):
    """Open chain of `spins` spins +-1: phi ~ exp(K sum y_i y_{i+1}).

    Args:
        spins: n, 1 to 4096.
        coupling: K, of either sign, at most 4 in size.

    Raises:
        InputError: another n or K.
    """

    def __init__(self, spins: int, coupling: float) -> None:
        self.dim = _count(spins, "spins", 1, _MOST_SPINS)
        self.coupling = _coupling(coupling, -4.0)

    @property
    def mean(self) -> np.ndarray:
        """Zero, by symmetry."""
        return np.zeros(self.dim)

    def solve(self, x: np.ndarray, beta: float) -> tuple[float, np.ndarray, np.ndarray]:
        """ln Z, <y>, C by messages from the far end and conditional means from the near one."""
        n, k, h = self.dim, self.coupling, beta * x
        # message u_i = (1/2) ln of what lies beyond i, given y_i = + over given -: a field on i
        u, constant = np.zeros(n), 0.0
        for i in range(n - 1, 0, -1):
            f = h[i] + u[i]
            plus, minus = _log_2cosh(f + k), _log_2cosh(f - k)
            u[i - 1] = math.atanh(math.tanh(k) * math.tanh(f))
            constant += 0.5 * float(plus + minus)
        mean, slope = np.empty(n), np.zeros(n)
        mean[0] = math.tanh(h[0] + u[0])
        for i in range(1, n):
            up, down = math.tanh(h[i] + u[i] + k), math.tanh(h[i] + u[i] - k)
            mean[i] = 0.5 * (up + down) + 0.5 * (up - down) * mean[i - 1]
            slope[i] = 0.5 * (up - down)
        covariance = np.diag(1.0 - np.square(mean))
        for i in range(n - 1):
            covariance[i, i + 1 :] = covariance[i, i] * np.cumprod(slope[i + 1 :])
        covariance += np.triu(covariance, 1).T
        log = constant + float(_log_2cosh(h[0] + u[0]))
        prior = n * _LOG2 + (n - 1) * float(_log_2cosh(k) - _LOG2)
        return log - prior - 0.5 * beta * n, mean, covariance


def bessel_ratio(dim: int, kappa: Any) -> Any:
    """A(kappa) = I_{dim/2}(kappa)/I_{dim/2-1}(kappa), kappa >= 0 of any shape, to rounding.

    Backwards through the continued fraction, from where its terms have outgrown kappa.
    """
    kappa = np.asarray(kappa, dtype=np.float64)
    largest = float(kappa.max(initial=0.0))
    if largest > 1e4 * max(1.0, dim):
        # 1 - (d-1)/2k + (d-1)(d-3)/8k^2 + (d-1)(d-3)/8k^3: next term below (d/k)^4
        far = 1.0 / np.maximum(kappa, 1.0)
        c = (dim - 1) * (dim - 3) / 8.0
        tail = 1.0 - 0.5 * (dim - 1) * far + c * far**2 + c * far**3
        near = bessel_ratio(dim, np.minimum(kappa, 1e4 * max(1.0, dim)))
        return np.where(kappa > 1e4 * max(1.0, dim), tail, near)
    if dim == 1:
        return np.tanh(kappa)
    square: Any = np.square(kappa) if kappa.ndim else largest**2  # floats are ten times faster
    value = 0.0 * square
    for j in range(math.ceil(largest / 1.5 + 12.0 * math.sqrt(largest)) + 40, 0, -1):
        value = square / (dim + 2 * j + value)
    return kappa / (dim + value)


def _log_sphere(dim: int, kappa: float) -> float:
    """ln 0F1(; d/2; kappa^2/4), the integral of A from 0: Gauss-Legendre panels that double."""
    if kappa == 0.0:
        return 0.0
    if dim == 1:
        return float(_log_2cosh(np.asarray(kappa)) - _LOG2)
    nodes, weights = np.polynomial.legendre.leggauss(24)
    edges = [0.0, min(kappa, 0.5 * dim)]
    while edges[-1] < kappa:
        edges.append(min(1.5 * edges[-1], kappa))
    total = 0.0
    for low, high in zip(edges[:-1], edges[1:], strict=True):
        half = 0.5 * (high - low)
        total += half * float(weights @ bessel_ratio(dim, low + half * (nodes + 1.0)))
    return total


def _log_2cosh(x: Any) -> Any:
    size = np.abs(x)
    return size + np.log1p(np.exp(-2.0 * size))


def _sech2(x: np.ndarray) -> np.ndarray:
    """1 - tanh^2 without its cancellation."""
    decay = np.exp(-2.0 * np.abs(x))
    return 4.0 * decay / np.square(1.0 + decay)


def _positive(value: float, name: str) -> float:
    if isinstance(value, str) or not 0.0 < float(value) < math.inf:
        problem = f"must be positive and finite, got {value!r}"
        raise InputError(problem, where=f"transitions.{name}")
    return float(value)


def _coupling(value: float, least: float) -> float:
    if isinstance(value, str) or not least <= float(value) <= 4.0:
        problem = f"expected {least:g} to 4, got {value!r}"
        raise InputError(problem, where="transitions.coupling")
    return float(value)


def _count(value: int, name: str, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        problem = f"expected a whole number from {least} to {most}, got {value!r}"
        raise InputError(problem, where=f"transitions.{name}")
    return value
