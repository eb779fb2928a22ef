r"""The noise clock of a network score: where between clean and noise a model time lies.

With lambda(t) = ln(decay^2/noise) the log signal-to-noise ratio of the process, training
times are spread over

    position = (lambda_clean - lambda(t)) / (lambda_clean - lambda(T))  in [0, 1].

The clean end is t_min, but never cleaner than noise of a thousandth of nu, the variance of the
finest structure of the data (the narrowest mode, or one grey level): less noise hides nothing, and
a process with t_min = 0 has no finite clean end. Before it the score is s(x, t) = s(x, t_clean).

The network is told ln(e^-lambda + nu/10) instead, again mapped to [0, 1]: the same at large noise,
but standing still where the noise is too small to change the law. What it has learned there at one
noise level serves all the others; their training targets are the noisiest of all.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from thermohw.process import Process

__all__ = ["NoiseMoments", "NoiseClock"]

_CLEAN = 1e-3  # of nu: where the training ends
_STILL = 0.1  # of nu: noise below this hardly changes the score


@dataclass(frozen=True)
class NoiseClock:
    """Positions of model times along the noise.

    Attributes:
        process: the forward process.
        finest: nu, model units.
        earliest: t_clean, model time.
        ends: lambda at the clean end and at T.
    """

    process: Process
    finest: float
    earliest: float = field(init=False)
    ends: tuple[float, float] = field(init=False)

    def __post_init__(self) -> None:
        clean = self.process.time_at_log_snr(-math.log(_CLEAN * self.finest))
        earliest = max(self.process.t_min, min(clean, 0.5 * self.process.duration))
        ends = self.process.log_snr(earliest), self.process.log_snr(self.process.duration)
        object.__setattr__(self, "earliest", earliest)
        object.__setattr__(self, "ends", ends)

    @property
    def span(self) -> float:
        """Range of lambda that is covered, > 0."""
        return self.ends[0] - self.ends[1]

    def clip(self, t: float) -> float:
        """The model time whose score stands for t."""
        return min(max(t, self.earliest), self.process.duration)

    def conditioning(self, times: Sequence[float]) -> Tensor:
        """What the network is told about every time, in [0, 1], shape (times,), float64."""
        levels = np.array([self.process.log_snr(self.clip(t)) for t in times])
        ends = np.array(self.ends)
        low, high = np.log(np.exp(-ends) + _STILL * self.finest)
        return torch.as_tensor(
            (np.log(np.exp(-levels) + _STILL * self.finest) - low) / (high - low)
        )

    def times(self, positions: Sequence[float]) -> list[float]:
        """Model times at positions in [0, 1] that are linear in lambda."""
        levels = (self.ends[0] - self.span * float(p) for p in positions)
        return [self.clip(self.process.time_at_log_snr(level)) for level in levels]


@dataclass(frozen=True)
class NoiseMoments:
    """What a preconditioner works out for some model times, in increasing order.

    Attributes:
        values: tensors with the times along the first axis; vectors have shape (times, 1, dim).
        fine: how many of the times, from the first, count as low noise.
    """

    values: dict[str, Tensor]
    fine: int = 0

    def __getitem__(self, name: str) -> Tensor:
        return self.values[name]

    def take(self, index: Tensor) -> NoiseMoments:
        """The moments of some of the times, index increasing."""
        fine = int((index < self.fine).sum())
        return NoiseMoments({name: v[index] for name, v in self.values.items()}, fine)

    def like(self, x: Tensor) -> NoiseMoments:
        """In the dtype and on the device of x."""
        return NoiseMoments({k: v.to(x.device, x.dtype) for k, v in self.values.items()}, self.fine)
