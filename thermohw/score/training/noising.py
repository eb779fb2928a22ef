r"""What a network score is trained on: noised data, the times they are noised to, and the loss.

The training loss is the evidence bound itself. For any score s_th and noised points
x_t = Phi x_0 + root z, with the conditional score s_c = -root^{-T} z and G = g g^T,

    U = -E ln prior(x_T) - int tr F dt + (1/2) int E[s_th . G s_th - 2 s_th . G s_c] dt

bounds E[-ln p] from above, in nats. Its s_th-dependent part has the same gradient as
(1/2) int E|s_th - s_c|_G^2 dt. For isotropic processes G dt = noise dlambda, lambda the log
signal-to-noise ratio: every e-fold of noise counts alike.

Times are cells of equal width in lambda. A training step draws them stratified, 70 % within the
band of noise variances from a ninth of the finest structure's to four times the widest mode's,
where there is something to learn, and divides the loss by that density. The validation bound takes
evenly spaced cells and the same draws every time, so that its differences are those of the weights.

Reference: Y. Song et al., "Maximum likelihood training of score-based diffusion models", NeurIPS
2021, https://arxiv.org/abs/2101.09258
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from thermohw.errors import InputError
from thermohw.score.network import Head
from thermohw.score.network.clock import NoiseClock

__all__ = ["NoiseLevels"]

_CELLS = 512
_IN_BAND = 0.7


class NoiseLevels:
    """Noise levels, importance weights and transitions of a training.

    Args:
        head: what is trained; supplies process, moments and narrowest mode.

    Attributes:
        moments: preconditioner of every cell, float32.
        span: range of lambda that is covered.
        features: what the trunk is told about every cell, shape (cells, 1, bumps), float32.
    """

    def __init__(self, head: Head) -> None:
        process, self._head = head.process, head
        clock = NoiseClock(process, head.finest)
        positions = (np.arange(_CELLS) + 0.5) / _CELLS
        times = clock.times(positions.tolist())
        self._clock, self.span = clock, clock.span
        self.moments = head.moments(times).like(torch.empty(0))
        self.features = head.trunk.features(clock.conditioning(times)).float()
        self._cumulative = torch.as_tensor(np.cumsum(_density(head, clock, positions)))
        rows = [_transition(head, clock, t, p) for t, p in zip(times, positions, strict=True)]
        names = ("decay", "root", "inverse", "weight")
        self._transitions = {
            name: torch.as_tensor(np.stack([row[i] for row in rows])).float()
            for i, name in enumerate(names)
        }

    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Cells, increasing, and the number of cells each stands for; both of shape (count,)."""
        offset = torch.rand((), generator=generator, dtype=torch.float64)
        levels = (torch.arange(count, dtype=torch.float64) + offset) / count
        index = torch.searchsorted(self._cumulative, levels * self._cumulative[-1], right=True)
        index = index.clamp(max=_CELLS - 1)
        density = torch.diff(self._cumulative, prepend=self._cumulative.new_zeros(1))
        return index, (1.0 / (count * density[index])).float()

    def even(self, count: int) -> tuple[Tensor, Tensor]:
        """The same for evenly spaced cells."""
        index = ((torch.arange(count, dtype=torch.float64) + 0.5) * (_CELLS / count)).long()
        return index, torch.full((count,), _CELLS / count)

    def noised(self, x0: Tensor, z: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
        """x_t and the conditional score s_c, shapes (count, n, dim), from data and normals."""
        decay, root, inverse = (self._transitions[k][index] for k in ("decay", "root", "inverse"))
        return _times(decay, x0) + _times(root, z), -_times(inverse, z)

    def loss(self, s: Tensor, conditional: Tensor, index: Tensor, cells: Tensor) -> Tensor:
        """(1/2) int E|s - s_c|_G^2 dt, nats."""
        error = _times(self._transitions["weight"][index], s - conditional)
        return 0.5 * (error.square().sum(-1).mean(-1) * cells).sum()

    def entropy(self, s: Tensor, index: Tensor, cells: Tensor) -> Tensor:
        """(1/2) int E[s . G s] dt, nats: the score's share of the forward plug-in entropy change.

        Added to `loss` with a factor lambda it moves the minimiser from s to s/(1 + lambda).
        """
        own = _times(self._transitions["weight"][index], s)
        return 0.5 * (own.square().sum(-1).mean(-1) * cells).sum()

    def bound(self, s: Tensor, conditional: Tensor, index: Tensor, cells: Tensor) -> Tensor:
        """(1/2) int E[s . G s - 2 s . G s_c] dt, nats."""
        weight = self._transitions["weight"][index]
        own, other = _times(weight, s), _times(weight, conditional)
        product = (own * (own - 2.0 * other)).sum(-1, dtype=torch.float64)
        return 0.5 * (product.mean(-1) * cells).sum()

    def ends(self, x0: Tensor) -> float:
        """-E ln N(x_T; its moments) - int tr F dt for data x0 of shape (n, dim), nats."""
        process, head = self._head.process, self._head
        law = process.prior("matched", head.mean, head.covariance)
        decay, noise = process.transition(process.duration)
        rest = process.transition(process.duration, self._clock.earliest)[0]
        identity = np.eye(len(head.mean))
        decay, noise, rest = (v * identity if np.ndim(v) == 0 else v for v in (decay, noise, rest))
        away = (x0.numpy() - head.mean) @ decay.T
        spread = away.T @ away / len(away) + noise
        covariance = law.matrix
        mahalanobis = float(np.trace(np.linalg.solve(covariance, spread)))
        volume = len(head.mean) * math.log(2.0 * math.pi) + np.linalg.slogdet(covariance)[1]
        return 0.5 * (volume + mahalanobis) - float(np.linalg.slogdet(rest)[1])


def _times(matrix: Tensor, x: Tensor) -> Tensor:
    """matrix x for every state x (count, n, dim); numbers have shape (count, 1, 1)."""
    return matrix * x if matrix.shape[-1] == 1 else x @ matrix.transpose(-1, -2)


def _density(head: Head, clock: NoiseClock, positions: np.ndarray) -> np.ndarray:
    """Share of the training times that each cell gets."""
    widest = float(np.linalg.eigvalsh(head.covariance)[-1])
    clean, noisy = math.log(9.0 / head.finest), -math.log(4.0 * widest)
    levels = clock.ends[0] - clock.span * positions
    inside = (levels <= clean) & (levels >= noisy)
    if not 0 < inside.sum() < len(inside):
        return np.full(len(positions), 1.0 / len(positions))
    return np.where(inside, _IN_BAND / inside.sum(), (1.0 - _IN_BAND) / (~inside).sum())


def _transition(
    head: Head, clock: NoiseClock, t: float, position: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """decay, root and root^{-1} of x_t, and the root of G dt of the cell; (1, 1) or (dim, dim)."""
    process = head.process
    decay, noise = process.conditional(t)
    if process.isotropic:
        sigma = math.sqrt(float(noise))
        weight = sigma * math.sqrt(clock.span / _CELLS)
        return tuple(np.full((1, 1), v) for v in (float(decay), sigma, 1.0 / sigma, weight))  # type: ignore[return-value]
    values, vectors = np.linalg.eigh(noise)
    if not values[0] > 1e-13 * values[-1]:
        problem = f"no noise reaches some coordinate by t = {t:.3g}; raise t_min"
        raise InputError(problem, where="process.t_min")
    first, last = clock.times([position - 0.5 / _CELLS, position + 0.5 / _CELLS])
    strength, basis = np.linalg.eigh(process.diffusion(t))
    weight = (basis * np.sqrt(np.maximum(strength, 0.0) * (last - first))) @ basis.T
    root, inverse = ((vectors * f) @ vectors.T for f in (np.sqrt(values), 1.0 / np.sqrt(values)))
    return decay, root, inverse, weight
