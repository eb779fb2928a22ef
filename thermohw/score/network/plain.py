r"""A network score that is told two numbers of the data: the convention of the published tutorials.

    s(x, t) = F(u, t)/sigma,    u = (x - decay m)/sqrt(decay^2 v + sigma^2)

with sigma^2 the noise of the process, m the mean of all coordinates together and v their variance,
so that u and the training target have variance one at every noise level. Nothing else of the law of
the data is built in: F, the trunk, must learn even a Gaussian, and an untrained network is s = 0.
Against the other heads this shows what a network has really learned. Isotropic processes only.

Divergence:  div s = tr F'/(sigma sqrt(decay^2 v + sigma^2)), by the trunk's fixed trace.

Reference: Y. Song et al., "Score-based generative modeling through stochastic differential
equations", ICLR 2021, https://arxiv.org/abs/2011.13456, and its tutorial code, which divides by
sigma
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from thermohw.errors import InputError
from thermohw.score.network.clock import NoiseMoments
from thermohw.score.network.head import DataHead
from thermohw.score.network.trunk import Modulation, Parameters

__all__ = ["PlainHead"]


@dataclass(frozen=True, eq=False)
class PlainHead(DataHead):
    """Scaling of inputs and outputs, nothing more: of a `DataHead`'s mean and covariance the score
    takes the average and the mean diagonal alone.

    Raises:
        InputError: a process that is not isotropic.
    """

    kind: ClassVar[str] = "plain"
    one_trace: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not self.process.isotropic:
            problem = "the plain head needs an isotropic process (ou, vp, ve)"
            raise InputError(problem, where="score.architecture.head")

    def moments(self, times: Sequence[float]) -> NoiseMoments:
        """Scalars of the preconditioner at model times, shapes (times, 1, 1), float64."""
        mean, variance = float(self.mean.mean()), float(np.trace(self.covariance)) / len(self.mean)
        variance += float(self.mean.var())  # of a coordinate drawn from all of them
        rows = []
        for t in times:
            decay, noise = (float(v) for v in self.process.transition(t))
            shrink = 1.0 / math.sqrt(decay**2 * variance + noise)
            rows.append((decay * mean, shrink, 1.0 / math.sqrt(noise)))
        columns = torch.tensor(rows, dtype=torch.float64).T.reshape(3, -1, 1, 1)
        return NoiseMoments(dict(zip(("centre", "shrink", "size"), columns, strict=True)))

    def score(
        self,
        parameters: Parameters,
        modulation: Modulation,
        moments: NoiseMoments,
        x: Tensor,
        *,
        dropout: torch.Generator | None = None,
    ) -> Tensor:
        """Score at states x of shape (times, n, dim); same shape."""
        u = (x - moments["centre"]) * moments["shrink"]
        return self.trunk(parameters, modulation, u, dropout) * moments["size"]

    def score_and_divergence(
        self, parameters: Parameters, modulation: Modulation, moments: NoiseMoments, x: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Score (times, n, dim) and its exact divergence (times, n)."""
        u = (x - moments["centre"]) * moments["shrink"]
        outputs, slopes = self.trunk.with_slopes(parameters, modulation, u)
        identity = torch.eye(x.shape[-1], dtype=x.dtype, device=x.device)
        trace = self.trunk.fixed_trace(parameters, slopes, identity)
        return outputs * moments["size"], trace * (moments["shrink"] * moments["size"])[..., 0]
