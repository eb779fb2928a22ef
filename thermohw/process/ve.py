r"""Variance-exploding process: noise is added and nothing decays.

    dx = sigma^t dW,    decay = 1,    noise = var(t) - var(s),    t in [0, 1]
    var(t) = (sigma^{2t} - 1)/(2 ln sigma)

var(1) = 21.497577 for sigma = 10 and 96.928250 for sigma = 25; sigma(t) = int g^2/2 = var(t)/2.

Reference: Y. Song et al., "Score-based generative modeling through SDEs", ICLR 2021,
https://arxiv.org/abs/2011.13456
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from thermohw.process.base import Process, require

__all__ = ["VE"]


@dataclass(frozen=True)
class VE(Process):
    """g = sigma^t over T = 1.

    Attributes:
        sigma: base of the exponential, > 1.
        t_min: smallest model time reached.
    """

    sigma: float = 25.0
    t_min: float = 0.0
    kind: ClassVar[str] = "ve"
    duration: ClassVar[float] = 1.0

    def __post_init__(self) -> None:
        self._check_times()
        require(
            1.0 < self.sigma < math.inf,
            "process (ve)",
            f"sigma must be larger than 1, got {self.sigma!r}",
        )
        self._check_ends()

    @property
    def _rate(self) -> float:
        """2 ln sigma, the growth rate of g^2."""
        return 2.0 * math.log(self.sigma)

    def transition(self, t: float, start: float = 0.0) -> tuple[float, float]:
        """(1, var(t) - var(start)), the difference taken without cancellation."""
        rate = self._rate
        return 1.0, math.exp(rate * start) * math.expm1(rate * (t - start)) / rate

    def drift(self, t: float) -> float:
        """F = 0."""
        return 0.0

    def diffusion(self, t: float) -> float:
        """g^2 = sigma^{2t}."""
        return math.exp(self._rate * t)

    def diffusion_time(self, t: float) -> float:
        """var(t)/2."""
        return 0.5 * math.expm1(self._rate * t) / self._rate

    def model_time(self, diffusion_time: float) -> float:
        """Inverse of `diffusion_time`."""
        return math.log1p(2.0 * self._rate * diffusion_time) / self._rate

    def log_snr(self, t: float) -> float:
        """-ln var(t)."""
        return -math.log(2.0 * self.diffusion_time(t)) if t > 0.0 else math.inf

    def time_at_log_snr(self, log_snr: float) -> float:
        """Time at which var = e^{-log_snr}."""
        return self.model_time(0.5 * math.exp(-log_snr))

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers; see `process_from_dict`."""
        return {
            "kind": self.kind,
            "sigma": self.sigma,
            "duration": self.duration,
            "t_min": self.t_min,
        }
