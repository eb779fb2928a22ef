r"""A network score for circuits with inductors, read off the network of the data alone.

The state w of a Langevin process tells of the data x_0 what d numbers tell (`process.sufficient`),

    y = R w,   R = N K^T P,     P = C^-1,   N = (K^T P K)^-1

with decay K and noise C of w given the data: y = x_0 + N(0, N). Any head for Gaussian noise gives
the score s_y of the law of y, hence the posterior mean D = y + N s_y, hence the score of the joint
law, for momenta and positions at once:

    s(w, t) = -P (w - K D)

What the momenta do is exact; only D is learned. An untrained head with the data's mean and
covariance is the joint Gaussian of these moments, and a Gaussian target is exact.

Divergence:  tr(W grad s) = -tr(W P) + tr(R W P K (1 + N s_y')).  For equal cells N and R W P K are
numbers, and the head's own divergence serves; else its trace is weighted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from thermohw.process import Langevin
from thermohw.score.network.clock import NoiseMoments
from thermohw.score.network.gaussian import GaussianHead
from thermohw.score.network.levels import LevelsHead
from thermohw.score.network.plain import PlainHead
from thermohw.score.network.trunk import Modulation, Parameters, Trunk

__all__ = ["JointHead"]


@dataclass(frozen=True, eq=False)
class JointHead:
    """The head of the data, read at y, and the joint score made of it.

    Attributes:
        process: the Langevin process of the whole state.
        inner: head of the data alone, under `Observed(process)`.
    """

    one_trace: ClassVar[bool] = False
    process: Langevin
    inner: GaussianHead | LevelsHead | PlainHead

    @property
    def kind(self) -> str:
        """That of the inner head; the process says the rest."""
        return self.inner.kind

    @property
    def trunk(self) -> Trunk:
        """The network."""
        return self.inner.trunk

    @property
    def finest(self) -> float:
        """Variance below which noise hides nothing of the data."""
        return self.inner.finest

    @cached_property
    def narrowest(self) -> float:
        """Variance of the narrowest mode, momenta included."""
        return min(self.inner.narrowest, float(np.linalg.eigvalsh(self.process.momentum)[0]))

    @cached_property
    def mean(self) -> np.ndarray:
        """Of the joint law at t = 0, shape (n,)."""
        return self.process.joint(self.inner.mean, self.inner.covariance)[0]

    @cached_property
    def covariance(self) -> np.ndarray:
        """Of the joint law at t = 0, shape (n, n)."""
        return self.process.joint(self.inner.mean, self.inner.covariance)[1]

    def moments(self, times: Sequence[float]) -> NoiseMoments:
        """The inner head's, and P, K^T, R^T, N."""
        inner = self.inner.moments(times)
        rows = []
        for t in times:
            decay, precision, noise = self.process.statistic(t)
            read = noise @ decay.T @ precision
            strength = read @ (0.5 * self.process.diffusion(t)) @ precision @ decay
            rows.append((decay.T, precision, read.T, noise, strength))
        names = ("joint_decay", "joint_precision", "joint_read", "joint_noise", "joint_strength")
        own = {
            name: torch.as_tensor(np.stack([row[i] for row in rows]))
            for i, name in enumerate(names)
        }
        return NoiseMoments(inner.values | own, inner.fine)

    def _joint(self, moments: NoiseMoments, w: Tensor, y: Tensor, score: Tensor) -> Tensor:
        denoised = y + score @ moments["joint_noise"]
        return (denoised @ moments["joint_decay"] - w) @ moments["joint_precision"]

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
        y = x @ moments["joint_read"]
        inner = self.inner.score(parameters, modulation, moments, y, dropout=dropout)
        return self._joint(moments, x, y, inner)

    def score_and_divergence(
        self,
        parameters: Parameters,
        modulation: Modulation,
        moments: NoiseMoments,
        x: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Score (times, n, dim) and its exact divergence (times, n); one time only."""
        identity = torch.eye(x.shape[-1], dtype=x.dtype, device=x.device)
        return self.score_and_trace(parameters, modulation, moments, x, identity)

    def score_and_trace(
        self,
        parameters: Parameters,
        modulation: Modulation,
        moments: NoiseMoments,
        x: Tensor,
        weight: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Score and tr(W grad s) for one symmetric W of shape (dim, dim); one time only."""
        y = x @ moments["joint_read"]
        precision, noise = moments["joint_precision"], moments["joint_noise"]
        spread = precision @ moments["joint_decay"].transpose(-1, -2)  # P K
        mixing = moments["joint_read"].transpose(-1, -2) @ weight @ spread  # R W P K
        settled = (weight * precision).sum((-2, -1))[:, None]
        if self.process.alike:
            inner, trace = self.inner.score_and_divergence(parameters, modulation, moments, y)
            trace = y.shape[-1] + noise[:, :1, 0] * trace
            trace = mixing[:, :1, 0] * trace
        else:
            assert isinstance(self.inner, GaussianHead)
            inner, trace = self.inner.score_and_divergence(
                parameters, modulation, moments, y, weight=mixing @ noise
            )
            trace = mixing.diagonal(dim1=-2, dim2=-1).sum(-1)[:, None] + trace
        return self._joint(moments, x, y, inner), trace - settled

    def direct_trace(
        self, parameters: Parameters, modulation: Modulation, moments: NoiseMoments, x: Tensor
    ) -> Tensor | None:
        """tr(D grad s) with D of the process and the network's outputs held fixed, shape
        (times, n); None where the inner head has no such share. One time only.
        """
        if not isinstance(self.inner, LevelsHead):
            return None
        y = x @ moments["joint_read"]
        trace = self.inner.direct_divergence(parameters, modulation, moments, y)
        trace = y.shape[-1] + moments["joint_noise"][:, :1, 0] * trace
        weight = torch.as_tensor(0.5 * self.process.diffusion(0.0)).to(x)
        settled = (weight * moments["joint_precision"]).sum((-2, -1))[:, None]
        return moments["joint_strength"][:, :1, 0] * trace - settled

    def to_dict(self) -> dict[str, Any]:
        """That of the inner head."""
        return self.inner.to_dict()

    def arrays(self) -> dict[str, np.ndarray]:
        """Those of the inner head."""
        return self.inner.arrays()
