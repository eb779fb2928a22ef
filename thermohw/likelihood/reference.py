r"""A Gaussian whose share of every integral is known in closed form and taken out of it.

For data of mean m_0 and covariance C_0 the noised moments obey dm/dt = F m and
dC/dt = F C + C F^T + 2 D, hence

    d/dt ln det C = 2 tr F + 2 tr(D C^-1),
    int tr(D C_t^-1) dt = (1/2) ln(det C_T / det C_tmin) - int tr F dt.

The Gaussian's score g(x) = -C_t^-1 (x - m_t) has tr(D grad g) = -tr(D C_t^-1) everywhere. Any
score of data with those moments comes close to it, above all where noise dominates, so that

- quadratures over time sum the difference only: on images an order of magnitude less, and zero at
  late times;
- averages over the noise z in x_t = centre + noise^{1/2} z lose most of their variance when the
  quadratic form that g makes of x is replaced by its mean given the data point (`moments`).

Neither changes an expectation, however bad a description of the data the Gaussian is.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from thermohw.likelihood.timeline import Moment, Timeline

__all__ = ["Reference"]


class Reference:
    """The Gaussian reference of one data set on one timeline.

    Attributes:
        timeline: the clock.
        covariance: of the data, shape (dim, dim), model units.
        mean: of the data, shape (dim,), model units.
    """

    def __init__(
        self, timeline: Timeline, covariance: np.ndarray, mean: np.ndarray | None = None
    ) -> None:
        self.timeline = timeline
        self.covariance = np.atleast_2d(np.asarray(covariance, dtype=np.float64))
        dim = len(self.covariance)
        self.mean = np.zeros(dim) if mean is None else np.asarray(mean, dtype=np.float64)

    @cached_property
    def _modes(self) -> tuple[np.ndarray, np.ndarray]:
        values, vectors = np.linalg.eigh(self.covariance)
        return values, vectors

    def _log_det(self, t: float) -> float:
        spread = self.timeline.process.propagate(self.mean, self.covariance, t)[1]
        return float(np.linalg.slogdet(spread)[1])

    def precision(self, t: float) -> np.ndarray:
        """C_t^-1, shape (dim, dim)."""
        process = self.timeline.process
        if process.isotropic:  # one eigendecomposition serves all times
            decay, noise = process.transition(t)
            values, vectors = self._modes
            return (vectors / (float(decay) ** 2 * values + float(noise))) @ vectors.T
        return np.linalg.inv(process.propagate(self.mean, self.covariance, t)[1])

    def score(self, t: float) -> tuple[Tensor, Tensor]:
        """(slope, m_t) of g(x) = slope (x - m_t): shapes (dim, dim) and (dim,)."""
        mean = self.timeline.process.propagate(self.mean, self.covariance, t)[0]
        return torch.as_tensor(-self.precision(t)), torch.as_tensor(mean)

    def trace(self, moment: Moment) -> float:
        """tr(D C_t^-1) per unit of diffusion time."""
        if isinstance(moment.mobility, Tensor):
            return float((self.precision(moment.time) * moment.mobility.numpy()).sum())
        decay, noise = self.timeline.process.transition(moment.time)
        return moment.mobility * float((1.0 / (decay**2 * self._modes[0] + noise)).sum())

    @cached_property
    def integral(self) -> float:
        """int tr(D C_t^-1) dt over [t_min, T], nats."""
        process = self.timeline.process
        change = self._log_det(process.duration) - self._log_det(process.t_min)
        return 0.5 * change - self.timeline.log_volume(len(self.covariance))
