r"""A mixture of Gaussians as plain numbers: moments, samples, and its entropy.

    p(x) = sum_k w_k N(x; m_k, C_k)

A linear process with Gaussian noise maps it to another one, m_k -> Phi m_k and
C_k -> Phi C_k Phi^T + Q, so this is the law of the data and of every p_t.

Entropy. One component: (1/2) ln det(2 pi e C). Several components that share their covariance
differ only within the span of their whitened means: the other directions are Gaussian and
independent, and what is left to integrate has the dimension of that span. In one dimension the
integral of -p ln p is taken by Gauss-Legendre panels no wider than half the local standard
deviation; in two dimensions by the trapezoidal rule in the whitened coordinates of each component,
which converges geometrically for analytic integrands and is accepted only when halving the step
agrees to 1e-8. Beyond that, and for more than 64 modes in the plane, the entropy has no cheap exact
value and None is returned.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

    from thermohw.noise import Random

__all__ = ["MixtureLaw"]

_LOG_2PI = math.log(2.0 * math.pi)
_AT_ONCE = 2**22  # densities of modes at points held in memory
_MOST_PLANE = 64  # modes in two dimensions: their integral takes 10^5 points for every pair


@dataclass(frozen=True, eq=False)
class MixtureLaw:
    """sum_k w_k N(m_k, C_k).

    Attributes:
        weights: shape (K,), positive, summing to 1.
        means: shape (K, d).
        spread: variances of shape (K, d), or covariances of shape (K, d, d).
    """

    weights: np.ndarray
    means: np.ndarray
    spread: np.ndarray

    @property
    def dim(self) -> int:
        """Number of coordinates d."""
        return self.means.shape[1]

    @property
    def diagonal(self) -> bool:
        """The spread holds variances, not matrices."""
        return self.spread.ndim == 2

    @property
    def covariances(self) -> np.ndarray:
        """Covariance of each component, shape (K, d, d)."""
        return self.spread[:, :, None] * np.eye(self.dim) if self.diagonal else self.spread

    @property
    def mean(self) -> np.ndarray:
        """Mean of the mixture, shape (d,)."""
        return self.weights @ self.means

    @property
    def covariance(self) -> np.ndarray:
        """Covariance of the mixture, shape (d, d): within plus between components."""
        centred = self.means - self.mean
        within = np.einsum("k,kij->ij", self.weights, self.covariances)
        return within + (self.weights[:, None] * centred).T @ centred

    @property
    def narrowest(self) -> float:
        """Smallest eigenvalue of any component's covariance."""
        return float(np.min(self.spread if self.diagonal else np.linalg.eigvalsh(self.spread)))

    @property
    def factors(self) -> np.ndarray:
        """Standard deviations (K, d), or lower Cholesky factors (K, d, d)."""
        return np.sqrt(self.spread) if self.diagonal else np.linalg.cholesky(self.spread)

    def propagate(self, decay: float | np.ndarray, noise: float | np.ndarray) -> MixtureLaw:
        """The law of decay x + z, z ~ N(0, noise): floats, or matrices of shape (d, d)."""
        if np.ndim(decay) == 2 and not (
            _is_diagonal(decay) and _is_diagonal(noise) and self.diagonal
        ):
            spread = np.asarray(decay) @ self.covariances @ np.asarray(decay).T + noise
            return MixtureLaw(self.weights, self.means @ np.asarray(decay).T, spread)
        if np.ndim(decay) == 2:
            decay, noise = np.diagonal(decay), np.diagonal(noise)
        elif not self.diagonal:
            noise = noise * np.eye(self.dim)
        return MixtureLaw(self.weights, decay * self.means, decay**2 * self.spread + noise)

    def sample(self, n: int, generator: Random) -> Tensor:
        """Draw n samples, shape (n, d), float64."""
        import torch

        from thermohw.noise import normal, uniform

        z = normal(n, self.dim, generator)
        factors, means = torch.as_tensor(self.factors), torch.as_tensor(self.means)
        if len(self.weights) == 1 and self.diagonal:
            return torch.addcmul(means[0], factors[0], z)
        if len(self.weights) == 1:
            which = torch.zeros(n, dtype=torch.long)
        else:
            edges = torch.as_tensor(np.cumsum(self.weights)[:-1])
            u = uniform(n, 1, generator)[:, 0]
            which = torch.searchsorted(edges, u, right=True)
        if self.diagonal:
            return torch.addcmul(means[which], factors[which], z)
        x = means[which]
        for k, factor in enumerate(factors):
            # Column by column: the bits of a row must not depend on its neighbours.
            rows = (which == k).nonzero()[:, 0]
            columns, part = z[rows].T.contiguous(), x[rows].T.contiguous()
            for j in range(self.dim):
                part[j:].addcmul_(factor[j:, j : j + 1], columns[j])
            x[rows] = part.T
        return x

    def log_prob(self, x: np.ndarray) -> np.ndarray:
        """Log density at points x of shape (n, d), float64: shape (n,), nats."""
        terms = []
        for w, m, c in zip(self.weights, self.means, self.factors, strict=True):
            z = (x - m) / c if self.diagonal else np.linalg.solve(c, (x - m).T).T
            log_det = np.log(c if self.diagonal else np.diagonal(c)).sum()
            terms.append(math.log(w) - log_det - 0.5 * np.square(z).sum(1))
        from scipy.special import logsumexp  # a third of numpy's own start-up, for entropies only

        return np.asarray(logsumexp(terms, axis=0)) - 0.5 * self.dim * _LOG_2PI

    def entropy(self) -> float | None:
        """-int p ln p in nats, or None where no exact value is to be had (see the module)."""
        if len(self.weights) == 1:
            log_det = np.linalg.slogdet(self.covariances[0])[1]
            return 0.5 * float(self.dim * (1.0 + _LOG_2PI) + log_det)
        if self.dim > 1 and np.array_equal(
            self.spread, np.broadcast_to(self.spread[:1], self.spread.shape)
        ):
            return self._shared_entropy()
        if self.dim == 1:
            return self._line_entropy()
        return self._plane_entropy() if self.dim == 2 else None

    def _shared_entropy(self) -> float | None:
        """Components of one covariance: whiten, and keep the span of the means."""
        factor = np.linalg.cholesky(self.covariances[0])
        white = np.linalg.solve(factor, (self.means - self.means[0]).T)
        basis, size, _ = np.linalg.svd(white, full_matrices=False)
        rank = int((size > 1e-13 * max(size[0], 1.0)).sum())
        volume = float(np.log(np.diagonal(factor)).sum())
        rest = 0.5 * (self.dim - rank) * (1.0 + _LOG_2PI) + volume
        if rank == 0:
            return rest
        span = MixtureLaw(
            self.weights, (basis[:, :rank].T @ white).T, np.ones((len(self.weights), rank))
        )
        inner = span._line_entropy() if rank == 1 else span._plane_entropy() if rank == 2 else None
        return None if inner is None else rest + inner

    def _line_entropy(self) -> float:
        """One dimension: Gauss-Legendre panels of half a standard deviation out to 12 of them."""
        deviation = np.sqrt(self.spread.reshape(-1))
        edges = np.unique(self.means[:, 0] + deviation * np.arange(-12.0, 12.25, 0.5)[:, None])
        even = math.ceil(min((edges[-1] - edges[0]) / (0.5 * deviation.min()), len(edges)))
        if even < len(edges) // 4:  # many modes over one another: their panels would be slivers
            edges = np.linspace(edges[0], edges[-1], even + 1)
        nodes, weights = np.polynomial.legendre.leggauss(16)
        total, several = 0.0, max(1, _AT_ONCE // (16 * len(self.weights)))
        for start in range(0, len(edges) - 1, several):
            part = edges[start : start + several + 1]
            half, middle = 0.5 * np.diff(part)[:, None], 0.5 * (part[1:] + part[:-1])[:, None]
            log_p = self.log_prob((middle + half * nodes).reshape(-1, 1))
            total += float(((half * weights).reshape(-1) * np.exp(log_p) * log_p).sum())
        return -total

    def _plane_entropy(self) -> float | None:
        """Two dimensions: trapezoidal rule around each component, or None if not converged."""

        if len(self.weights) > _MOST_PLANE:
            return None

        def at(h: float) -> float:
            line = np.arange(-8.5, 8.5 + h / 2, h)
            z = np.stack(np.meshgrid(line, line, indexing="ij"), -1).reshape(-1, 2)
            mass = np.exp(-0.5 * np.square(z).sum(1)) * h**2 / (2.0 * math.pi)
            total = 0.0
            for w, m, c in zip(self.weights, self.means, self.factors, strict=True):
                total -= w * float(mass @ self.log_prob(m + (z * c if self.diagonal else z @ c.T)))
            return total

        coarse, fine = at(0.1), at(0.05)
        return fine if abs(fine - coarse) < 1e-8 else None


def _is_diagonal(matrix: Any) -> bool:
    return not np.any(matrix - np.diag(np.diagonal(matrix)))
