r"""What a state of a circuit with inductors tells of the data, and the noise level that follows.

The data x_0, d numbers, are laid on the positions of w = (p, x); the noise reaches them through the
momenta (`process.langevin`). Given the data alone,

    w_t | x_0 ~ N(K x_0, C),        K the decay's columns of the positions, C(t) its covariance.

What w_t still tells of the data is in d numbers. With the Fisher information I(t) = K^T C^-1 K,

    y = I^-1 K^T C^-1 w = x_0 + noise of covariance I^-1

is sufficient, and what is left of w is Gaussian and independent of the data. So the score of the
joint law is that of plain Gaussian noise of covariance I^-1, through the posterior mean D(y) of the
data:

    grad_w ln p_t(w) = -C^-1 (w - K D(y)),                       dI/dt = -K^T C^-1 B2 C^-1 K

(`process.observed` is the process of y). An array of equal cells sees every datum in noise of one
variance, as an RC array does: the same denoiser serves both.

Noise level. The signal-to-noise ratio is tr I / d. It falls strictly, also while data
and noise rotate from positions to momenta and back. It is tabulated in ln t, and ln snr is linear
between the entries, so that the clock has an exact inverse.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from thermohw.process.normal import Normal
from thermohw.process.relaxation import Relaxation

if TYPE_CHECKING:
    from torch import Tensor

    from thermohw.noise import Random

__all__ = ["Statistic", "PhaseSpace"]

_LEVELS = 257


class Statistic(NamedTuple):
    """What a state w of n coordinates tells of d data, see the module; float64 arrays.

    Attributes:
        decay: K, shape (n, d).
        precision: C^-1, shape (n, n).
        noise: I^-1, shape (d, d).
    """

    decay: np.ndarray
    precision: np.ndarray
    noise: np.ndarray


class PhaseSpace(Relaxation):
    """A relaxation of positions and momenta, by what its states tell of the data.

    Attributes:
        positions: indices of the coordinates that carry the data, in the data's order.
        momentum: covariance of the other coordinates at t = 0, shape (n - d, n - d).
    """

    positions: Sequence[int]
    momentum: Any

    @property
    @abstractmethod
    def momenta(self) -> tuple[int, ...]:
        """Indices of the noisy coordinates, ascending."""

    @property
    @abstractmethod
    def cells(self) -> tuple[tuple[PhaseSpace, np.ndarray], ...]:
        """Every distinct part that nothing joins to others, and the coordinates of its copies."""

    @property
    def alike(self) -> bool:
        """Equal cells of one datum each: I(t) is a multiple of the identity."""
        return len(self.cells) == 1 and len(self.cells[0][0].positions) == 1

    def statistic(self, t: float) -> Statistic:
        """K, C^-1 and I^-1 at t > 0, one cell at a time."""
        n, d = self.dim, len(self.positions)
        order = np.full(n, -1)
        order[list(self.positions)] = np.arange(d)
        decay, precision, noise = np.zeros((n, d)), np.zeros((n, n)), np.zeros((d, d))
        for one, places in self.cells:
            own, spread = one.conditional(t)
            own, size = own[:, list(one.positions)], np.sqrt(np.diag(spread))
            inverse = np.linalg.inv(spread / size / size[:, None]) / size / size[:, None]
            data = order[places[:, list(one.positions)]]
            rows, columns = places[:, :, None], places[:, None, :]
            decay[rows, data[:, None, :]] = own
            precision[rows, columns] = 0.5 * (inverse + inverse.T)
            spread_of_data = np.linalg.inv(own.T @ inverse @ own)
            noise[data[:, :, None], data[:, None, :]] = 0.5 * (spread_of_data + spread_of_data.T)
        return Statistic(decay, precision, noise)

    def read(self, w: Tensor, t: float) -> Tensor:
        """y, the data and noise of covariance I^-1, from states w of shape (paths, n); at t = 0 the
        positions. A linear read-out of positions and momenta together; shape (paths, d).
        """
        if t <= 0.0:
            return w[:, list(self.positions)]
        seen = self.statistic(t)
        return w @ w.new_tensor(seen.precision @ seen.decay @ seen.noise)

    def lay(self, y: Tensor, t: float, generator: Random) -> Tensor:
        """States at t that read y of shape (paths, d), all else drawn from its law; (paths, n)."""
        if t <= 0.0:
            rest = Normal(np.zeros(len(self.momenta)), self.momentum)
            w = y.new_empty(len(y), self.dim)
            w[:, list(self.positions)] = y
            w[:, list(self.momenta)] = rest.sample(len(y), generator).to(y)
            return w
        w = Normal(np.zeros(self.dim), self.conditional(t)[1]).sample(len(y), generator).to(y)
        return w + (y - self.read(w, t)) @ y.new_tensor(self.statistic(t).decay).T

    def rest_nll(self, w: Tensor, t: float) -> Tensor:
        """-ln of the density of all in w that does not tell of the data, shape (paths,), nats.

        p_t(w) = p(y) times it, and it is the same whatever the data: what is left of w beside y
        is independent of them.
        """
        away, precision = w, np.zeros((self.dim, self.dim))
        if t <= 0.0:
            p = list(self.momenta)
            precision[np.ix_(p, p)] = np.linalg.inv(self.momentum)
        else:
            seen = self.statistic(t)
            precision, away = seen.precision, w - self.read(w, t) @ w.new_tensor(seen.decay).T
        square = ((away @ away.new_tensor(precision)) * away).sum(-1)
        return 0.5 * (square - len(self.momenta)) + self.rest_entropy(t)

    def rest_entropy(self, t: float) -> float:
        """Mean of `rest_nll` over the process's own law, nats, model units; at t = 0 the entropy of
        the momenta.
        """
        if t <= 0.0:
            volume = float(np.linalg.slogdet(self.momentum)[1])
        else:
            seen = self.statistic(t)
            volume = -float(np.linalg.slogdet(seen.precision)[1] + np.linalg.slogdet(seen.noise)[1])
        return 0.5 * (len(self.momenta) * (1.0 + math.log(2.0 * math.pi)) + volume)

    def log_snr(self, t: float) -> float:
        """ln(tr I(t) / d), see the module; +inf at t = 0."""
        if t <= 0.0:
            return math.inf
        return float(_line(math.log(t), *self._levels))

    def time_at_log_snr(self, log_snr: float) -> float:
        """Inverse of `log_snr`."""
        times, levels = self._levels
        return math.exp(float(_line(log_snr, levels[::-1], times[::-1])))

    @cached_property
    def _levels(self) -> tuple[np.ndarray, np.ndarray]:
        """ln t, increasing, and ln snr, decreasing, float64 arrays."""
        times = np.linspace(math.log(1e-9 * self.duration), math.log(2.0 * self.duration), _LEVELS)
        total = np.zeros(_LEVELS)
        for one, places in self.cells:
            total += len(places) * np.array([one._information(math.exp(t)) for t in times])
        x = self.positions
        # Round-off of ever smaller numbers must not turn the clock back.
        levels = np.minimum.accumulate(np.log(total / len(x)) - 1e-12 * np.arange(_LEVELS))
        return times, levels

    def _information(self, t: float) -> float:
        """tr I(t)."""
        decay, noise = self.conditional(t)
        size = np.sqrt(np.diag(noise))
        root = np.linalg.cholesky(noise / size / size[:, None])
        seen = np.linalg.solve(root, decay[:, list(self.positions)] / size[:, None])
        return float(np.square(seen).sum())


def _line(at: float, x: np.ndarray, y: np.ndarray) -> float:
    """Piecewise linear through increasing x, its end pieces going on."""
    i = min(max(int(np.searchsorted(x, at)), 1), len(x) - 1)
    slope = (y[i] - y[i - 1]) / (x[i] - x[i - 1])
    return float(y[i - 1] + slope * (at - x[i - 1]))
