r"""Exact score of a Gaussian mixture under any linear process.

    p_0 = sum_k w_k N(m_k, C_k)   ->   p_t = sum_k w_k N(Phi m_k, Phi C_k Phi^T + Q)

with Phi and Q the decay and noise of the process, floats or matrices. Weights do not change.
"""

from __future__ import annotations

import torch
from torch import Tensor

from thermohw.process import Process
from thermohw.score.base import Estimate, ExactScore, Field
from thermohw.score.mixture_fields import GeneralField, mixture_field
from thermohw.target import GaussianMixture, MixtureLaw

__all__ = ["MixtureScore"]


class MixtureScore(ExactScore):
    """The score of a Gaussian or a mixture of Gaussians.

    Attributes:
        target: the data.
        process: the forward process.
    """

    target: GaussianMixture

    def __init__(self, target: GaussianMixture, process: Process) -> None:
        self.target, self.process, self.dim = target, process, target.dim
        self.narrowest = target.narrowest

    def law(self, t: float) -> MixtureLaw:
        """The mixture p_t, model units."""
        return self.target.law.propagate(*self.process.transition(t))

    def at(self, t: float) -> Field:
        """The field at model time t."""
        return mixture_field(self.law(t))

    def log_prob(self, x: Tensor, t: float) -> Tensor:
        """Log density ln p_t(x), nats, model units, shape (paths,), dtype of x."""
        return GeneralField(self.law(t)).log_prob(x)

    def sample(self, n: int, t: float, generator: torch.Generator) -> Tensor:
        """Draw n samples of p_t, shape (n, dim), float64, model units."""
        return self.law(t).sample(n, generator)

    def entropy(self, t: float) -> Estimate:
        """S(t): closed form for one Gaussian, quadrature where one exists, else samples."""
        value = self.law(t).entropy()
        return self._sampled_entropy(t) if value is None else Estimate(value, 0.0)
