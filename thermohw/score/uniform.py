r"""Exact score of uniform pixels: a box convolved with a Gaussian, coordinate by coordinate.

x_t = alpha x_0 + sigma z with x_0 uniform on a box. In units of sigma, with y the distance from the
centre of the moved box and H = alpha (width/2)/sigma its half width,

    Z = Phi(y + H) - Phi(y - H),              p_t(x) = Z/(2 H sigma)
    sigma s       = [phi(y + H) - phi(y - H)]/Z
    sigma^2 ds/dx = [(y - H) phi(y - H) - (y + H) phi(y + H)]/Z - (sigma s)^2

p is even in y and s odd, so only y >= 0 is worked out. Three regimes keep every digit:

- inside, y < H - 1: the difference of the Phi is close to 1 and is taken as it stands;
- at the edge and outside: everything is divided by phi(y - H), which leaves Mills ratios
  M(z) = sqrt(pi/2) erfcx(z/sqrt 2) and exp(-2 y H), finite however far out;
- a box much narrower than the noise, H < 0.05: the quotients lose digits like 1/H. There the
  posterior of the clean pixel is a tilted box, sigma s = E[w] - y and sigma^2 ds/dx = Var[w] - 1
  with w on [-H, H] of density ~ exp(y w - w^2/2), and eight Gauss-Legendre nodes give E and Var.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from thermohw.errors import InputError
from thermohw.noise import Random, normal, uniform
from thermohw.process import Process
from thermohw.score.base import Constants, Estimate, ExactScore, Field
from thermohw.target import UniformPixels

__all__ = ["UniformField", "UniformScore"]

_NARROW = 0.05
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(8)


class UniformField(Field):
    """The score of one p_t.

    Args:
        low: lower edge of the moved box, shape (d,) or one number for all coordinates.
        high: its upper edge.
        sigma: noise standard deviation, likewise, > 0.
    """

    def __init__(
        self, low: float | np.ndarray, high: float | np.ndarray, sigma: float | np.ndarray
    ) -> None:
        half = (np.asarray(high) - low) / (2.0 * np.asarray(sigma))
        self._constants = Constants(0.5 * (np.asarray(low) + high), 1.0 / np.asarray(sigma), half)
        self._narrow, self._wide = bool(np.all(half < _NARROW)), bool(np.all(half >= _NARROW))

    def _scaled(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """ln(sigma p), sigma s and sigma^2 ds/dx of every coordinate, each of the shape of x."""
        centre, rate, half = self._constants.like(x)
        y = (x - centre).mul_(rate)
        size = y.abs()
        if self._narrow:
            log_p, score, slope = _tilted(size, half)
        elif self._wide:
            log_p, score, slope = _box(size, half)
        else:
            narrow = half < _NARROW
            pairs = zip(_tilted(size, half), _box(size, half), strict=True)
            log_p, score, slope = (torch.where(narrow, a, b) for a, b in pairs)
        return log_p, torch.copysign(score, -y), slope

    def __call__(self, x: Tensor) -> Tensor:
        """Score at states x of shape (paths, dim)."""
        return self._scaled(x)[1] * self._constants.like(x)[1]

    def with_divergence(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Score (paths, dim) and exact divergence (paths,)."""
        _, score, slope = self._scaled(x)
        rate = self._constants.like(x)[1]
        return score * rate, (slope * rate.square()).sum(1)

    def log_prob(self, x: Tensor) -> Tensor:
        """Log density, shape (paths,)."""
        return (self._scaled(x)[0] + self._constants.like(x)[1].log()).sum(1)


def _box(y: Tensor, half: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """ln(sigma p), |sigma s| and sigma^2 ds/dx for y >= 0 from normal integrals."""
    near, far = y - half, y + half
    inside = near < -1.0
    edge = near.clamp(min=-1.0)  # where the Mills form is evaluated; the other branch replaces it
    decay = torch.exp(-2.0 * y * half)  # phi(far)/phi(near)
    mills = _mills(edge) - decay * _mills(far)
    mass = 0.5 * (torch.erfc(near * math.sqrt(0.5)) - torch.erfc(far * math.sqrt(0.5)))
    density = torch.exp(-0.5 * near.square()) * (1.0 / math.sqrt(2.0 * math.pi))
    # phi(near) over the mass of the box, in whichever form is safe
    peak = torch.where(inside, density / mass.clamp(min=0.5), 1.0 / mills)
    score = -torch.expm1(-2.0 * y * half) * peak
    slope = (near - far * decay) * peak - score.square()
    log_mass = torch.where(
        inside,
        mass.clamp(min=0.5).log(),
        mills.log() - 0.5 * near.square() - 0.5 * math.log(2.0 * math.pi),
    )
    return log_mass - torch.log(2.0 * half), score, slope


def _mills(z: Tensor) -> Tensor:
    """(1 - Phi(z))/phi(z)."""
    return torch.special.erfcx(z * math.sqrt(0.5)) * math.sqrt(0.5 * math.pi)


def _tilted(y: Tensor, half: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The same for a narrow box: moments of w on [-H, H], weighted by exp(y (w - H) - w^2/2)."""
    total, first, second = torch.zeros_like(y), torch.zeros_like(y), torch.zeros_like(y)
    lean = y * half
    for node, weight in zip(_NODES, _WEIGHTS, strict=True):
        w = half * float(node)
        mass = 0.5 * float(weight) * torch.exp(lean * float(node - 1.0) - 0.5 * w.square())
        total += mass
        first.addcmul_(mass, w)
        second.addcmul_(mass, w.square())
    mean = first / total
    log_p = total.log() + lean - 0.5 * y.square() - 0.5 * math.log(2.0 * math.pi)
    return log_p, y - mean, (second / total).addcmul_(mean, mean, value=-1.0).sub_(1.0)


class UniformScore(ExactScore):
    """The score of uniform pixels under a process that treats them one by one.

    Attributes:
        target: the data.
        process: the forward process.
    """

    target: UniformPixels

    def __init__(self, target: UniformPixels, process: Process) -> None:
        self.target, self.process, self.dim = target, process, target.dim
        self.narrowest = target.narrowest

    def _moved(self, t: float) -> tuple[float | np.ndarray, float | np.ndarray, float | np.ndarray]:
        """Lower edge, upper edge and noise deviation at t: floats, or shape (d,)."""
        decay, noise = self.process.transition(t)
        if not self.process.isotropic:
            decay, noise = np.diagonal(decay), np.diagonal(noise)
        return decay * self.target.low, decay * (self.target.low + 1.0), np.sqrt(noise)

    def at(self, t: float) -> UniformField:
        """The field at model time t.

        Raises:
            InputError: t = 0 (or no noise on some pixel), where the score of a box is a delta.
        """
        low, high, sigma = self._moved(t)
        if not np.all(sigma > 0.0):
            problem = "a box has no score without noise; give a t_min > 0"
            raise InputError(problem, where="process.t_min")
        return UniformField(low, high, sigma)

    def log_prob(self, x: Tensor, t: float) -> Tensor:
        """Log density ln p_t(x), nats, model units, shape (paths,), dtype of x."""
        low, high, sigma = self._moved(t)
        if np.all(sigma > 0.0):
            return UniformField(low, high, sigma).log_prob(x)
        assert t == 0.0, "noise reaches every pixel or none"
        inside = ((x >= self.target.low) & (x <= self.target.low + 1.0)).all(1)
        return torch.where(inside, 0.0, -math.inf).to(x.dtype)

    def sample(self, n: int, t: float, generator: Random) -> Tensor:
        """Draw n samples of p_t, shape (n, dim), float64, model units."""
        low, high, sigma = (torch.as_tensor(v, dtype=torch.float64) for v in self._moved(t))
        u = uniform(n, self.dim, generator)
        z = normal(n, self.dim, generator)
        return u.mul_(high - low).add_(low).addcmul_(sigma, z)

    def entropy(self, t: float) -> Estimate:
        """S(t), nats, model units: Gauss-Legendre panels of half a noise deviation."""
        edges = [np.broadcast_to(v, (self.dim,)) for v in self._moved(t)]
        if t == 0.0:
            return Estimate(0.0, 0.0)
        kinds, counts = np.unique(np.stack(edges, 1), axis=0, return_counts=True)
        total = sum(
            count * _pixel_entropy(*kind) for kind, count in zip(kinds, counts, strict=True)
        )
        return Estimate(float(total), 0.0)


def _pixel_entropy(low: float, high: float, sigma: float) -> float:
    """-int p ln p of one pixel."""
    steps = sigma * np.arange(-12.0, 12.25, 0.5)
    edges = np.unique(np.concatenate([low + steps, high + steps]))
    nodes, weights = np.polynomial.legendre.leggauss(16)
    half, middle = 0.5 * np.diff(edges)[:, None], 0.5 * (edges[1:] + edges[:-1])[:, None]
    x = torch.as_tensor((middle + half * nodes).reshape(-1, 1))
    log_p = UniformField(low, high, sigma).log_prob(x).numpy()
    return -float(((half * weights).reshape(-1) * np.exp(log_p) * log_p).sum())
