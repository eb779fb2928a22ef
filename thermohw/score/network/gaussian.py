r"""A network score for continuous data: the score of the Gaussian of equal moments, plus a network.

With Phi, Sigma the decay and noise of the process, m and C the data's mean and covariance,

    M = Phi C Phi^T + Sigma,                                             covariance of x_t
    s(x, t) = -M^{-1} (x - Phi m) + B F(u, t),   u = M^{-1/2} (x - Phi m)
    B = rho V diag(v_j^T N v_j)^{-1/2} V^T,    N = nu Phi Phi^T + Sigma
    rho^2 = tr(Phi C Phi^T)/tr M

F is the trunk, V the eigenvectors of M (B is diagonal in them), and nu the variance of the data's
narrowest mode: 1/sqrt(N) is the size a score can have where the data have structure, and rho takes
the network away where noise has made everything Gaussian. A Gaussian target is therefore exact
before the first training step, and every score is exact in the limit of large noise.

Any linear process will do, matrices included; the symmetric root M^{-1/2} keeps u smooth in time
where eigenvalues cross.

Divergence:  div s = -tr M^{-1} + tr(B F' M^{-1/2}), by the trunk's fixed trace.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from thermohw.score.network.clock import NoiseMoments
from thermohw.score.network.head import DataHead
from thermohw.score.network.trunk import Modulation, Parameters

__all__ = ["GaussianHead"]


@dataclass(frozen=True, eq=False)
class GaussianHead(DataHead):
    """Preconditioner and read-out for continuous data under any process; see `DataHead`."""

    kind: ClassVar[str] = "gaussian"
    one_trace: ClassVar[bool] = True  # one matrix for all states: the trunk's fixed trace

    @cached_property
    def _principal(self) -> tuple[np.ndarray, np.ndarray]:
        """Eigenvalues and eigenvectors of the data covariance."""
        values, vectors = np.linalg.eigh(self.covariance)
        return np.maximum(values, 0.0), vectors

    def moments(self, times: Sequence[float]) -> NoiseMoments:
        """Preconditioner at increasing model times, float64."""
        rows = [self._isotropic(t) if self.process.isotropic else self._matrix(t) for t in times]
        values = {name: torch.as_tensor(np.stack([row[name] for row in rows])) for name in rows[0]}
        return NoiseMoments(values)

    def _isotropic(self, t: float) -> dict[str, np.ndarray]:
        decay, noise = (float(v) for v in self.process.transition(t))
        variances, _ = self._principal
        total = decay**2 * variances + noise
        rho = math.sqrt(decay**2 * variances.mean() / total.mean())
        size = np.full_like(total, rho / math.sqrt(decay**2 * self.narrowest + noise))
        return self._row(decay * self.mean, total, size)

    def _matrix(self, t: float) -> dict[str, np.ndarray]:
        decay, noise = self.process.transition(t)
        total, vectors = np.linalg.eigh(decay @ self.covariance @ decay.T + noise)
        narrow = np.einsum(
            "ij,ik,kj->j", vectors, self.process.narrowest(self.narrowest, t), vectors
        )
        rho = math.sqrt(np.trace(decay @ self.covariance @ decay.T) / total.sum())
        return self._row(decay @ self.mean, total, rho / np.sqrt(narrow)) | {"basis": vectors}

    @staticmethod
    def _row(centre: np.ndarray, total: np.ndarray, size: np.ndarray) -> dict[str, np.ndarray]:
        return {
            "centre": centre[None],
            "precision": 1.0 / total[None],
            "whiten": 1.0 / np.sqrt(total[None]),
            "size": size[None],
        }

    def _apply(self, moments: NoiseMoments, name: str, z: Tensor) -> Tensor:
        """V diag(spectrum) V^T z for every state."""
        basis = self._basis(moments, z)
        return ((z @ basis) * moments[name]) @ basis.transpose(-1, -2)

    def _basis(self, moments: NoiseMoments, like: Tensor) -> Tensor:
        """V: shape (dim, dim) where one basis serves all times, else (times, dim, dim)."""
        if "basis" in moments.values:
            return moments["basis"]
        return torch.as_tensor(self._principal[1]).to(like.device, like.dtype)

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
        z = x - moments["centre"]
        u = self._apply(moments, "whiten", z)
        residual = self.trunk(parameters, modulation, u, dropout)
        return self._apply(moments, "size", residual) - self._apply(moments, "precision", z)

    def score_and_divergence(
        self,
        parameters: Parameters,
        modulation: Modulation,
        moments: NoiseMoments,
        x: Tensor,
        *,
        weight: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Score (times, n, dim) and its exact divergence (times, n), or tr(W grad s) for one W of
        shape (times, dim, dim).
        """
        z = x - moments["centre"]
        u = self._apply(moments, "whiten", z)
        residual, slopes = self.trunk.with_slopes(parameters, modulation, u)
        score = self._apply(moments, "size", residual) - self._apply(moments, "precision", z)
        # M^{-1/2} and B share their basis, so their product is diagonal in it
        basis = self._basis(moments, x)
        if weight is not None:
            back = basis.transpose(-1, -2)
            turned = back @ weight @ basis
            mixing = (basis * moments["whiten"]) @ turned @ (basis * moments["size"]).mT
            own = (turned.diagonal(dim1=-2, dim2=-1)[:, None] * moments["precision"]).sum(-1)
            return score, self.trunk.fixed_trace(parameters, slopes, mixing) - own
        mixing = (basis * (moments["whiten"] * moments["size"])) @ basis.transpose(-1, -2)
        trace = self.trunk.fixed_trace(parameters, slopes, mixing)
        return score, trace - moments["precision"].sum(-1)
