r"""Score fields of Gaussian mixtures at one time, each written for what it costs.

With posterior weights r_k(x) proportional to w_k N(x; m_k, C_k) and y_k = C_k^-1 (m_k - x),

    s = sum_k r_k y_k,         div s = sum_k r_k (|y_k|^2 - tr C_k^-1) - |s|^2,
    tr(W grad s) = sum_k r_k ((y_k - s)^T W (y_k - s) - tr(W C_k^-1)).

- `GaussianField`: K = 1. Affine: one fused operation.
- `PairField`: d = 1, K = 2. One logistic function of x; a tile of states needs 4 operations, 6 when
  the variances differ. (The logistic function is several times cheaper than tanh on a CPU.)
- `SharedField`: all C_k equal. The logits are linear in x and s = -C^-1 (x - m) plus the mean of
  C^-1 (m_k - m) over r: two matrix products, and nothing of shape (paths, K, dim).
- `GeneralField`: the rest, a loop over components. It also has the log density, for every mixture:
  a logsumexp of whitened distances, good as far into the tails as the exponent reaches.

Posterior weights are laid out (K, paths): a softmax along the first axis runs over whole vectors of
states, thirty times faster than one along a short last axis.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from thermohw.score.base import Constants, Field
from thermohw.target import MixtureLaw

__all__ = ["GaussianField", "GeneralField", "PairField", "SharedField", "mixture_field"]


def mixture_field(law: MixtureLaw) -> Field:
    """The cheapest field of this mixture."""
    if len(law.weights) == 1:
        return GaussianField(law)
    if law.dim == 1 and len(law.weights) == 2:
        return PairField(law)
    if np.array_equal(law.spread, np.broadcast_to(law.spread[:1], law.spread.shape)):
        return SharedField(law)
    return GeneralField(law)


class GaussianField(Field):
    """s = C^-1 (m - x), with the cheapest form of C^-1: a float, a vector or a matrix."""

    symmetric = True

    def __init__(self, law: MixtureLaw) -> None:
        spread, mean = law.spread[0], law.means[0]
        slope = -1.0 / spread if law.diagonal else -np.linalg.inv(spread)
        offset = -slope * mean if law.diagonal else -slope @ mean
        self._trace = float(slope.sum() if law.diagonal else np.trace(slope))
        self._matrix = not law.diagonal
        self._float = float(slope[0]) if law.diagonal and np.ptp(slope) == 0.0 else None
        self._centred = self._float is not None and not offset.any()
        constant = float(offset[0]) if np.ptp(offset) == 0.0 else torch.as_tensor(offset)
        self._slope = torch.as_tensor(slope)
        self.affine = self._slope if self._float is None else self._float, constant
        self._constants = Constants(constant, slope if self._float is None else self._float)

    def __call__(self, x: Tensor) -> Tensor:
        """Score at states x of shape (paths, dim)."""
        offset, slope = self._constants.like(x)
        if self._centred:
            return torch.mul(x, slope)
        if self._float is not None:
            return torch.add(offset, x, alpha=self._float)
        return torch.addmm(offset, x, slope) if self._matrix else torch.addcmul(offset, x, slope)

    def with_divergence(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Score (paths, dim) and exact divergence (paths,)."""
        return self(x), x.new_full((len(x),), self._trace)

    def weighted_divergence(self, x: Tensor, weight: Tensor) -> Tensor:
        """tr(W grad s) of one W (dim, dim), the same for all states, shape (paths,)."""
        slope, weight = self._slope, weight.double().cpu()
        trace = (weight * slope).sum() if self._matrix else (weight.diagonal() * slope).sum()
        return x.new_full((len(x),), float(trace))


class PairField(Field):
    r"""Two components on a line: s = y_2 + r (y_1 - y_2), r = 1/(1 + e^-L), L the log odds.

    L = c + b x + a x^2,     ds/dx = -1/v_2 + r (1/v_2 - 1/v_1) + r (1 - r) (y_1 - y_2)^2
    """

    symmetric = True

    def __init__(self, law: MixtureLaw) -> None:
        m, v = law.means[:, 0], law.spread.reshape(2)
        square, linear, constant = (
            -0.5 / v,
            m / v,
            np.log(law.weights) - 0.5 * (m**2 / v + np.log(v)),
        )
        self._a, self._b = float(square[0] - square[1]), float(linear[0] - linear[1])
        self._rate = -1.0 / v
        self._gap = (
            self._rate[0] - self._rate[1]
        )  # slope of y_1 - y_2; zero when variances are equal
        self._constants = Constants(
            constant[0] - constant[1], self._b, linear[1], self._b, self._rate[1]
        )

    def _parts(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """L, y_2 and, unless it is a constant, y_1 - y_2."""
        c, b, offset, jump, _ = self._constants.like(x)
        y = torch.add(offset, x, alpha=self._rate[1])
        if self._a == 0.0:
            return torch.add(c, x, alpha=self._b), y, None
        odds = torch.addcmul(c, torch.add(b, x, alpha=self._a), x)
        return odds, y, torch.add(jump, x, alpha=self._gap)

    def __call__(self, x: Tensor) -> Tensor:
        """Score at states x of shape (paths, dim)."""
        odds, y, difference = self._parts(x)
        r = odds.sigmoid_()
        return y.add_(r, alpha=self._b) if difference is None else y.addcmul_(r, difference)

    def with_divergence(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Score (paths, dim) and exact divergence (paths,)."""
        odds, y, difference = self._parts(x)
        base = self._constants.like(x)[4]
        # r (1 - r), from both sides: of a difference no digit is left where r is nearly 1
        spread = (-odds).sigmoid_()
        r = odds.sigmoid_()
        spread.mul_(r)
        if difference is None:
            return y.add_(r, alpha=self._b), torch.add(base, spread, alpha=self._b**2)[:, 0]
        slope = torch.add(base, r, alpha=self._gap).addcmul_(spread, difference.square())
        return y.addcmul_(r, difference), slope[:, 0]

    def weighted_divergence(self, x: Tensor, weight: Tensor) -> Tensor:
        """W ds/dx of one W (1, 1), shape (paths,)."""
        return self.divergence(x) * weight.to(x)[0, 0]


class SharedField(Field):
    """Components of one covariance C around their common mean m."""

    symmetric = True

    def __init__(self, law: MixtureLaw) -> None:
        spread, centre = law.spread[0], law.mean
        gaps = law.means - centre  # (K, d)
        precision = 1.0 / spread if law.diagonal else np.linalg.inv(spread)
        pull = gaps * precision if law.diagonal else gaps @ precision  # C^-1 (m_k - m)
        logits = np.log(law.weights) - 0.5 * (gaps * pull).sum(1)
        self._diagonal = law.diagonal
        self._trace = -float(np.sum(precision) if law.diagonal else np.trace(precision))
        self._constants = Constants(
            centre, logits[:, None], pull, -precision, np.square(pull).sum(1)
        )

    def _parts(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Posterior weights (paths, K), their mean pull (paths, d), and -C^-1 (x - m)."""
        centre, logits, pull, slope, _ = self._constants.like(x)
        centred = x - centre
        r = torch.softmax(torch.addmm(logits, pull, centred.T), dim=0).T
        return r, r @ pull, centred.mul_(slope) if self._diagonal else centred @ slope

    def __call__(self, x: Tensor) -> Tensor:
        """Score at states x of shape (paths, dim)."""
        _, pull, linear = self._parts(x)
        return linear.add_(pull)

    def with_divergence(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Score (paths, dim) and exact divergence (paths,)."""
        r, pull, linear = self._parts(x)
        divergence = (r @ self._constants.like(x)[4]).sub_(pull.square().sum(1)).add_(self._trace)
        return linear.add_(pull), divergence

    def weighted_divergence(self, x: Tensor, weight: Tensor) -> Tensor:
        """tr(W grad s) of one W (dim, dim), shape (paths,)."""
        r, pull, _ = self._parts(x)
        _, _, pulls, slope, _ = self._constants.like(x)
        weight = weight.to(x)
        trace = (weight.diagonal() * slope).sum() if self._diagonal else (weight * slope).sum()
        squares = (pulls @ weight).mul_(pulls).sum(1)  # bounded, so little cancels below
        return (r @ squares).sub_((pull @ weight).mul_(pull).sum(1)).add_(trace)


class GeneralField(Field):
    """Any mixture, component by component; W_k whitens, C_k^-1 = W_k^T W_k."""

    symmetric = True

    def __init__(self, law: MixtureLaw) -> None:
        self._diagonal = law.diagonal
        self._components: list[tuple[Constants, float, float]] = []
        for w, m, factor in zip(law.weights, law.means, law.factors, strict=True):
            whiten = 1.0 / factor if law.diagonal else np.linalg.inv(factor)
            log_det = np.log(factor if law.diagonal else np.diagonal(factor)).sum()
            constant = math.log(w) - log_det - 0.5 * law.dim * math.log(2.0 * math.pi)
            trace = float(np.square(whiten).sum())
            self._components.append((Constants(m, whiten), float(constant), trace))

    def _parts(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """ln w_k N(x; m_k, C_k), shape (K, paths), and whitened distances W_k (x - m_k)."""
        logits, whitened = [], []
        for constants, constant, _ in self._components:
            m, whiten = constants.like(x)
            z = (x - m).mul_(whiten) if self._diagonal else (x - m) @ whiten.T
            whitened.append(z)
            square = z[:, 0].square() if z.shape[1] == 1 else z.square().sum(1)
            logits.append(square.mul_(-0.5).add_(constant))
        return torch.stack(logits), whitened

    def _pull(self, k: int, z: Tensor) -> Tensor:
        """y_k = -W_k^T z."""
        whiten = self._components[k][0].like(z)[1]
        return -z * whiten if self._diagonal else -z @ whiten

    def log_prob(self, x: Tensor) -> Tensor:
        """Log density, shape (paths,)."""
        levels = self._parts(x)[0]
        return levels[0] if len(levels) == 1 else torch.logsumexp(levels, dim=0)

    def log_posterior(self, x: Tensor) -> Tensor:
        """ln r_k(x), shape (K, paths)."""
        return torch.log_softmax(self._parts(x)[0], dim=0)

    def __call__(self, x: Tensor) -> Tensor:
        """Score at states x of shape (paths, dim)."""
        logits, whitened = self._parts(x)
        r = torch.softmax(logits, dim=0)
        score = torch.zeros_like(x)
        for k, z in enumerate(whitened):
            score.addcmul_(r[k, :, None], self._pull(k, z))
        return score

    def with_divergence(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Score (paths, dim) and exact divergence (paths,)."""
        logits, whitened = self._parts(x)
        r = torch.softmax(logits, dim=0)
        score, divergence = torch.zeros_like(x), x.new_zeros(len(x))
        for k, z in enumerate(whitened):
            pull = self._pull(k, z)
            score.addcmul_(r[k, :, None], pull)
            divergence.addcmul_(r[k], pull.square().sum(1).sub_(self._components[k][2]))
        return score, divergence.sub_(score.square().sum(1))

    def weighted_divergence(self, x: Tensor, weight: Tensor) -> Tensor:
        """tr(W grad s) of one W (dim, dim), shape (paths,)."""
        logits, whitened = self._parts(x)
        r, weight = torch.softmax(logits, dim=0), weight.to(x)
        pulls = [self._pull(k, z) for k, z in enumerate(whitened)]
        score, trace = torch.zeros_like(x), x.new_zeros(len(x))
        for k, pull in enumerate(pulls):
            score.addcmul_(r[k, :, None], pull)
        for k, pull in enumerate(pulls):
            whiten = self._components[k][0].like(x)[1]
            rows = weight.diagonal() * whiten if self._diagonal else whiten @ weight
            centred = pull.sub_(score)  # where one component is alone, nothing is left to cancel
            square = (centred @ weight).mul_(centred).sum(1)
            trace.addcmul_(r[k], square.sub_((rows * whiten).sum()))
        return trace
