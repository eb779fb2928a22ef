r"""Waveforms of noise sources, piece by piece: the exact mean of a source over every piece.

A circuit responds to a source through its integral, so a piece of length h holds the mean of the
source over it. With r = h/T and phi = e^-r, one pole's mean over a piece and its end, given its
start, are jointly Gaussian:

    end    phi xi + ...              Var = sigma^2 (1 - phi^2)
    mean   (1 - phi)/r xi + ...      Var = sigma^2 (2 r - 3 + 4 phi - phi^2)/r^2
                                     Cov = sigma^2 (1 - phi)^2/r

Samples of staircase and interpolated noise begin with a piece. Telegraph noise is an exact Markov
chain from piece to piece and holds its state at a piece's start.
"""

from __future__ import annotations

from math import exp, expm1
from typing import TYPE_CHECKING

import numpy as np
import torch

from thermohw.noise import Stream, TickNoise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from thermohw.circuit.noises import NoiseInput

__all__ = ["WaveNoise", "Waveforms"]


class Waveforms:
    """Values of noise sources on consecutive pieces of equal length, for neighbouring paths.

    Args:
        sources: of the device; sample intervals are whole numbers of pieces.
        duration: of a piece, thermal time.
        noise: of the paths.
    """

    def __init__(self, sources: Sequence[NoiseInput], duration: float, noise: WaveNoise) -> None:
        kinds = {"poles": _Poles, "telegraph": _Telegraph}
        self._noise = noise
        self._parts = [kinds.get(s.kind, _Samples)(s, duration, noise) for s in sources]

    def at(self, piece: int) -> torch.Tensor:
        """Means over a piece, asked for in order, shape (paths, sources), float64."""
        self._noise.piece = piece + 1
        return torch.stack([part.next() for part in self._parts], dim=1)


class WaveNoise:
    """Standard normals and uniform numbers of noise sources, piece by piece.

    Args:
        seed: of the run.
        first: index of the first path.
        paths: how many.

    Attributes:
        piece: which one is asked for; 0 before the first.
    """

    def __init__(self, seed: int, first: int, paths: int) -> None:
        self._noise = TickNoise(seed, first, paths, dtype=torch.float64, stream=Stream.WAVEFORMS)
        self.piece = 0

    def normals(self, width: int) -> torch.Tensor:
        """The next ones of the piece, shape (paths, width)."""
        return self._noise.normals(width, self.piece)

    def uniform(self) -> torch.Tensor:
        """The next one of the piece, shape (paths,)."""
        return torch.special.ndtr(self.normals(1)[:, 0])


class _Poles:
    """A sum of one-pole noises."""

    def __init__(self, source: NoiseInput, h: float, draw: WaveNoise) -> None:
        self._draw, r = draw, h / source.times
        sigma = np.sqrt(source.variances)
        end = np.array([-expm1(-2.0 * x) for x in r])
        mixed = np.array([expm1(-x) ** 2 / x for x in r])
        mean = np.array([_mean_variance(x) for x in r])
        self._decay = torch.tensor([exp(-x) for x in r], dtype=torch.float64)
        self._share = torch.tensor([-expm1(-x) / x for x in r], dtype=torch.float64)
        self._kick = torch.tensor(sigma * np.sqrt(end))
        self._follow = torch.tensor(sigma * mixed / np.sqrt(end))
        self._rest = torch.tensor(sigma * np.sqrt(np.maximum(mean - mixed**2 / end, 0.0)))
        self._count = len(r)
        self._value = draw.normals(len(r)) * torch.tensor(sigma)

    def next(self) -> torch.Tensor:
        normals = self._draw.normals(2 * self._count)
        one, two = normals[:, : self._count], normals[:, self._count :]
        mean = (self._value * self._share + one * self._follow + two * self._rest).sum(1)
        self._value = self._value * self._decay + one * self._kick
        return mean


def _mean_variance(r: float) -> float:
    """(2 r - 3 + 4 e^-r - e^-2r)/r^2, by its series where the sum cancels."""
    if r < 0.02:
        return r * (2.0 / 3.0 - r / 2.0 + 7.0 * r**2 / 30.0 - r**3 / 12.0)
    return (2.0 * r - 3.0 + 4.0 * exp(-r) - exp(-2.0 * r)) / r**2


class _Samples:
    """Staircase or interpolated noise."""

    def __init__(self, source: NoiseInput, h: float, draw: WaveNoise) -> None:
        self._draw, self._size = draw, float(source.variances[0]) ** 0.5
        self._pieces = max(1, round(float(source.times[0]) / h))
        self._straight = source.kind == "interpolated"
        self._place = 0
        self._value, self._ahead = self._fresh(), self._fresh()

    def _fresh(self) -> torch.Tensor:
        return self._draw.normals(1)[:, 0] * self._size

    def next(self) -> torch.Tensor:
        if self._place == self._pieces:
            self._value, self._ahead, self._place = self._ahead, self._fresh(), 0
        self._place += 1
        if not self._straight:
            return self._value
        return torch.lerp(self._value, self._ahead, (self._place - 0.5) / self._pieces)


class _Telegraph:
    """Two levels with exponential waiting times."""

    def __init__(self, source: NoiseInput, h: float, draw: WaveNoise) -> None:
        assert source.levels is not None
        self._draw = draw
        self._size, rest, full = source.levels
        self._share = full / (rest + full)
        self._decay = exp(-h * (1.0 / rest + 1.0 / full))
        self._high = draw.uniform() < self._share

    def next(self) -> torch.Tensor:
        value = self._high.double() * self._size
        chance = self._share + (self._high.double() - self._share) * self._decay
        self._high = self._draw.uniform() < chance
        return value
