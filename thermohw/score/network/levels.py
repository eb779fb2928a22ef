r"""A network score for grey levels: what a pixel may be is known, what it is a network learns.

Dequantised data are x_0 = level + uniform noise, coordinate by coordinate. Measure them in levels,
y = (value - lowest edge)/step, and let y = y_0 + omega z be the noisy coordinate with the decay
divided out (isotropic processes). Given the probabilities pi_k of the levels k = 0..L-1, apart from
what the coordinate's own noisy value says, the posterior mean D of y_0 is exact:

    D = y + omega R,   R = sum_k pi_k [phi(a_k) - phi(a_{k+1})]
                           / sum_k pi_k [Phi(a_{k+1}) - Phi(a_k)],       a_k = (k - y)/omega

and the score is R/sigma, sigma^2 the noise in model units. Every edge of the density, [0, 1) of an
empty pixel first of all, is in these formulas; the network need not learn it. For omega > 3 the
bins are Gaussians of variance 1/12, which is right to omega^-4/2880 and has no cancellation.

Where pi comes from.   With z = (2k + 1 - L)/(L - 1) in [-1, 1],

    ln pi_k = -(k + 1/2 - c)^2/(2 v) + o_1 [k = 0] + o_2 [k = L-1] + o_3 z + o_4 z^2 + const.

c and v are the mean and variance of a coordinate given all the *other* noisy ones under the
Gaussian of equal moments. With A = C (C + omega^2)^{-1} the denoiser of that Gaussian,

    c_i = m_i + sum_{j != i} A_ij (y_j - m_j)/(1 - A_ii),       v_i = omega^2 A_ii/(1 - A_ii),

free of the coordinate's own noise, so that nothing is counted twice. The network gives the four
numbers o of each coordinate. A share 1e-4 spread evenly over all levels keeps ink where the
training set has none possible. An untrained network is a Gaussian with edges, and the score is
exact for large noise.

Divergence:  div s = (tr dD/dy - dim)/sigma^2, where y_i acts on D_i directly, as a posterior
variance, and through o; c_i does not depend on y_i. The second part is the trunk's varying trace
with multipliers dD_i/do.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from thermohw.score.network.clock import NoiseMoments
from thermohw.score.network.head import DataHead
from thermohw.score.network.trunk import Modulation, Parameters

__all__ = ["LevelsHead"]

_FINE = 3.0  # noise in levels up to which bins have edges
_FAR = 4.0  # noise deviations beyond the outermost edges where D stops following y
_EVEN = 1e-4  # share of the probability that every level has a part of
_KINDS = 4
_Slopes = Literal["direct", "all"] | None  # which derivatives a read-out is asked for


def _bins(tail: Tensor) -> Tensor:
    """2 Phi(a_{k+1}) - 2 Phi(a_k) from tails that jump by 2 at a = 0."""
    change = tail[:-1] - tail[1:]
    return torch.add(change, change < 0.0, alpha=2)


class _Readout(NamedTuple):
    """R = (D - y)/omega, and, where asked for, dD/dy at fixed o and dD/do (4, times, n, dim)."""

    residual: Tensor
    direct: Tensor | None = None
    through: Tensor | None = None


@dataclass(frozen=True, eq=False)
class LevelsHead(DataHead):
    """Preconditioner and read-out for dequantised data under an isotropic process; see `DataHead`.

    Attributes:
        lowest: lower edge of level 0 of every coordinate, shape (dim,), model units.
        step: spacing of the levels, model units.
        levels: their number L.
    """

    kind: ClassVar[str] = "levels"
    one_trace: ClassVar[bool] = False  # multipliers differ between states: a varying trace
    lowest: np.ndarray
    step: float
    levels: int

    @property
    def finest(self) -> float:
        """Variance below which noise hides nothing of the data: that of one level."""
        return min(self.narrowest, self.step**2 / 12.0)

    @classmethod
    def outputs(cls, dim: int) -> int:
        """Numbers it wants from the trunk."""
        return _KINDS * dim

    @cached_property
    def _principal(self) -> tuple[np.ndarray, np.ndarray]:
        """Eigenvalues and eigenvectors of the data covariance, in levels."""
        values, vectors = np.linalg.eigh(self.covariance / self.step**2)
        return np.maximum(values, 0.0), vectors

    def moments(self, times: Sequence[float]) -> NoiseMoments:
        """Preconditioner at increasing model times, float64."""
        values, vectors = self._principal
        rows, fine = [], 0
        for t in times:
            decay, noise = (float(v) for v in self.process.transition(t))
            sigma = math.sqrt(noise)
            omega = sigma / (decay * self.step)
            shrink = values / (values + omega**2)
            own = vectors**2 @ shrink
            fine += omega <= _FINE
            rows.append(
                {
                    "to_levels": np.full((1, 1), 1.0 / (decay * self.step)),
                    "sigma": np.full((1, 1), sigma),
                    "omega": np.full((1, 1), omega),
                    "shrink": shrink[None],
                    "own": own[None],
                    "others": 1.0 / (vectors**2 @ (omega**2 / (values + omega**2)))[None],
                    "input": np.full((1, 1), (values.mean() + omega**2) ** -0.5),
                }
            )
        return NoiseMoments(
            {name: torch.as_tensor(np.stack([row[name] for row in rows])) for name in rows[0]}, fine
        )

    @cached_property
    def _shared(self) -> dict[tuple[torch.dtype, torch.device], tuple[Tensor, ...]]:
        return {}

    def _constants(self, x: Tensor) -> tuple[Tensor, ...]:
        """Lowest edge, mean (levels), eigenvectors, bin centres and z of every level."""
        key = x.dtype, x.device
        if key not in self._shared:
            k = np.arange(self.levels)
            z = (2.0 * k + 1.0 - self.levels) / (self.levels - 1.0)
            numbers = (
                self.lowest,
                (self.mean - self.lowest) / self.step,
                self._principal[1],
                k + 0.5,
                z,
            )
            self._shared[key] = tuple(torch.as_tensor(v).to(x.device, x.dtype) for v in numbers)
        return self._shared[key]

    def _prepare(self, moments: NoiseMoments, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """y, c and 1/v in levels, and what the trunk reads."""
        lowest, mean, vectors, *_ = self._constants(x)
        y = x * moments["to_levels"] - lowest / self.step
        z = y - mean
        denoised = ((z @ vectors) * moments["shrink"]) @ vectors.T
        c = mean + (denoised - moments["own"] * z) * moments["others"]
        precision = 1.0 / (moments["omega"].square() * moments["own"] * moments["others"])
        return y, c, precision, z * moments["input"]

    def _log_prior(self, outputs: Tensor, c: Tensor, precision: Tensor) -> Tensor:
        """ln pi_k but for a constant, shape (levels, times, n, dim)."""
        z = self._constants(c)[4].view(-1, 1, 1, 1)
        first, last, tilt, bend = outputs.chunk(_KINDS, dim=-1)
        half = 0.5 * (self.levels - 1.0)
        sharp = precision * half**2
        slope = torch.addcmul(tilt, sharp, (c - 0.5 * self.levels) / half)
        log = torch.addcmul(slope, z, torch.add(bend, sharp, alpha=-0.5)) * z
        return torch.cat([log[:1] + first, log[1:-1], log[-1:] + last])

    def _edges(self, y: Tensor, omega: Tensor, log_prior: Tensor, slopes: _Slopes) -> _Readout:
        """The exact read-out."""
        inside = torch.clamp(y, -_FAR * omega, self.levels + _FAR * omega)
        edges = torch.arange(self.levels + 1, dtype=y.dtype, device=y.device).view(-1, 1, 1, 1)
        scale = math.sqrt(0.5) / omega
        # b = a/sqrt(2). Cut off where everything is zero for all purposes: denormal numbers are a
        # hundred times slower.
        b = (edges * scale - inside * scale).clamp(-7.07, 7.07)
        bell = torch.exp(b * -b)  # sqrt(2 pi) phi(a)
        # 2 - 2 Phi(a) above zero and -2 Phi(a) below it, so that far bins keep their digits
        tail = torch.copysign(torch.erfc(b.abs()), b)
        mass, pull = _bins(tail), bell[:-1] - bell[1:]
        share = torch.softmax(log_prior, 0)

        def average(bins: Tensor, whole: Tensor) -> Tensor:
            """sum_k pi_k bins_k, the sum of all bins being known."""
            return (1.0 - _EVEN) * (share * bins).sum(0) + (_EVEN / self.levels) * whole

        total = average(mass, _bins(tail[:: self.levels])[0])
        ratio = math.sqrt(2.0 / math.pi) * average(pull, bell[0] - bell[-1]) / total
        residual = ratio + (inside - y) / omega
        if slopes is None:
            return _Readout(residual)
        moment = b * bell
        curve = average(moment[:-1] - moment[1:], moment[0] - moment[-1]) / total
        direct = (1.0 + (2.0 / math.sqrt(math.pi)) * curve - ratio.square()) * (inside == y)
        if slopes == "direct":
            return _Readout(residual, direct)
        gradient = omega * (math.sqrt(2.0 / math.pi) * pull - ratio * mass) / total
        return _Readout(residual, direct, self._through(share, gradient))

    def _smooth(self, y: Tensor, omega: Tensor, log_prior: Tensor, slopes: _Slopes) -> _Readout:
        """The read-out with Gaussian bins."""
        centres = self._constants(y)[3].view(-1, 1, 1, 1)
        variance = omega.square() + 1.0 / 12.0
        keep = 1.0 / (12.0 * variance)  # how far D follows y inside a bin
        share = torch.softmax(log_prior, 0)
        pi = (1.0 - _EVEN) * share + _EVEN / self.levels
        # Gaussian factors over that of the nearest level: none of the sums can vanish
        nearest = y - (y.floor() + 0.5).clamp(0.5, self.levels - 0.5)
        excess = (y - centres).square_().sub_(nearest.square())
        weight = pi * excess.mul_(-0.5 / variance).exp_()
        weight = weight / weight.sum(0)
        level = (weight * centres).sum(0)
        residual = (1.0 - keep) * (level - y) / omega
        if slopes is None:
            return _Readout(residual)
        away = centres - level
        direct = keep + (1.0 - keep) * (weight * away.square()).sum(0) / variance
        if slopes == "direct":
            return _Readout(residual, direct)
        return _Readout(residual, direct, self._through(share, (1.0 - keep) * weight * away / pi))

    def _through(self, share: Tensor, gradient: Tensor) -> Tensor:
        """dD/do from dD/dpi, shape (4, times, n, dim)."""
        z = self._constants(share)[4].view(-1, 1, 1, 1)
        pulled = (1.0 - _EVEN) * share * (gradient - (share * gradient).sum(0))
        tilted = pulled * z
        return torch.stack([pulled[0], pulled[-1], tilted.sum(0), (tilted * z).sum(0)])

    def _read(
        self, moments: NoiseMoments, y: Tensor, log_prior: Tensor, *, slopes: _Slopes = None
    ) -> _Readout:
        """Low-noise times with edges, the others with Gaussian bins."""
        omega, cut = moments["omega"], moments.fine
        parts = []
        if cut > 0:
            parts.append(self._edges(y[:cut], omega[:cut], log_prior[:, :cut], slopes))
        if cut < len(omega):
            parts.append(self._smooth(y[cut:], omega[cut:], log_prior[:, cut:], slopes))
        if len(parts) == 1:
            return parts[0]
        residual = torch.cat([part.residual for part in parts])
        assert slopes is None, "divergences are asked for one time at a time"
        return _Readout(residual)

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
        y, c, precision, u = self._prepare(moments, x)
        outputs = self.trunk(parameters, modulation, u, dropout)
        read = self._read(moments, y, self._log_prior(outputs, c, precision))
        return read.residual / moments["sigma"]

    def score_and_divergence(
        self, parameters: Parameters, modulation: Modulation, moments: NoiseMoments, x: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Score (times, n, dim) and its exact divergence (times, n); one time only."""
        y, c, precision, u = self._prepare(moments, x)
        outputs, slopes = self.trunk.with_slopes(parameters, modulation, u)
        read = self._read(moments, y, self._log_prior(outputs, c, precision), slopes="all")
        assert read.direct is not None and read.through is not None
        indirect = self.trunk.varying_trace(parameters, slopes, read.through)
        trace = read.direct.sum(-1) + indirect * moments["input"][..., 0]
        return read.residual / moments["sigma"], (trace - x.shape[-1]) / moments["sigma"].square()[
            ..., 0
        ]

    def direct_divergence(
        self, parameters: Parameters, modulation: Modulation, moments: NoiseMoments, x: Tensor
    ) -> Tensor:
        """Divergence at fixed outputs o, shape (times, n): sharp in time and as cheap as a score;
        what acts through o is smooth and costs a trace of the trunk. One time only."""
        y, c, precision, u = self._prepare(moments, x)
        outputs = self.trunk(parameters, modulation, u)
        read = self._read(moments, y, self._log_prior(outputs, c, precision), slopes="direct")
        assert read.direct is not None
        return (read.direct.sum(-1) - x.shape[-1]) / moments["sigma"].square()[..., 0]

    def to_dict(self) -> dict[str, Any]:
        """What is not an array."""
        return super().to_dict() | {"step": self.step, "levels": self.levels}

    def arrays(self) -> dict[str, np.ndarray]:
        """Preconditioner as float64 arrays."""
        return super().arrays() | {"lowest": self.lowest}
