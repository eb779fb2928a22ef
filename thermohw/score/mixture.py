r"""Exact score of a Gaussian mixture under any linear process.

    p_0 = sum_k w_k N(m_k, C_k)   ->   p_t = sum_k w_k N(Phi m_k, Phi C_k Phi^T + Q)

with Phi and Q the decay and noise of the process, floats or matrices. Weights do not change.

Where S(t) has no quadrature it is split into what is known and what x tells of its component k,

    S = sum_k w_k S_k + E_x sum_k r_k ln(r_k/w_k),      r_k(x) the posterior weights,

S_k the entropy of a Gaussian. Only the second part is averaged over samples: it is between 0 and
-sum w_k ln w_k whatever the dimension, and vanishes with the noise, where -ln p_t scatters by
sqrt(d/2). Every t has samples of its own, so that the errors of two entropies are independent.
"""

from __future__ import annotations

import math
import struct

import numpy as np
import torch
from torch import Tensor

from thermohw.noise import Random
from thermohw.process import Process
from thermohw.score.base import Estimate, ExactScore, Field
from thermohw.score.mixture_fields import GeneralField, mixture_field
from thermohw.target import GaussianMixture, MixtureLaw

__all__ = ["MixtureScore"]

_SAMPLES = 65_536
_KNOWN = 4  # densities that are kept


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
        self._densities: dict[float, GeneralField] = {}

    def law(self, t: float) -> MixtureLaw:
        """The mixture p_t, model units."""
        return self.target.law.propagate(*self.process.transition(t))

    def at(self, t: float) -> Field:
        """The field at model time t."""
        return mixture_field(self.law(t))

    def log_prob(self, x: Tensor, t: float) -> Tensor:
        """Log density ln p_t(x), nats, model units, shape (paths,), dtype of x."""
        field = self._densities.get(t)  # every tile asks for those of both ends
        if field is None:
            field = GeneralField(self.law(t))
            if len(self._densities) < _KNOWN:
                self._densities[t] = field
        return field.log_prob(x)

    def sample(self, n: int, t: float, generator: Random) -> Tensor:
        """Draw n samples of p_t, shape (n, dim), float64, model units."""
        return self.law(t).sample(n, generator)

    def entropy(self, t: float) -> Estimate:
        """S(t): closed form for one Gaussian, quadrature where one exists, else samples."""
        law = self.law(t)
        value = law.entropy()
        return _sampled_entropy(law, t) if value is None else Estimate(value, 0.0)


def _sampled_entropy(law: MixtureLaw, t: float) -> Estimate:
    """Entropy of p_t from a stream that belongs to t, with its standard error."""
    words = struct.unpack("<2I", struct.pack("<d", t))
    seed = int(np.random.SeedSequence(words).generate_state(1, np.uint32)[0])
    x = law.sample(_SAMPLES, torch.Generator().manual_seed(seed))
    log_share = GeneralField(law).log_posterior(x)
    log_weights = torch.as_tensor(np.log(law.weights))[:, None]
    told = (log_share.exp() * (log_share - log_weights)).sum(0)
    log_det = np.linalg.slogdet(law.covariances)[1]
    own = 0.5 * (law.dim * math.log(2.0 * math.pi * math.e) + float(law.weights @ log_det))
    return Estimate(own + float(told.mean()), float(told.std()) / math.sqrt(_SAMPLES))
