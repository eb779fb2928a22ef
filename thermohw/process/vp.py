r"""Variance-preserving process: an Ornstein-Uhlenbeck process on a stretched clock.

    dx = -(beta/2) x dt + sqrt(beta) dW,  beta(t) = beta_min + (beta_max - beta_min) t,  t in [0, 1]
    b(t) = int_0^t beta = beta_min t + (beta_max - beta_min) t^2/2
    decay = e^{-b/2},   noise = 1 - e^{-b},   sigma(t) = int g^2/2 = b/2

With beta from 0.1 to 20 the whole process lasts b(1)/2 = 5.025 time constants of a matched RC node.

Reference: Y. Song et al., "Score-based generative modeling through SDEs", ICLR 2021,
https://arxiv.org/abs/2011.13456
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from thermohw.process.base import Process, require

__all__ = ["VP"]


@dataclass(frozen=True)
class VP(Process):
    """Linear-beta variance-preserving process over T = 1.

    Attributes:
        beta_min: beta(0) >= 0.
        beta_max: beta(1) >= beta_min, > 0.
        t_min: smallest model time reached.
    """

    beta_min: float = 0.1
    beta_max: float = 20.0
    t_min: float = 0.0
    kind: ClassVar[str] = "vp"
    duration: ClassVar[float] = 1.0

    def __post_init__(self) -> None:
        self._check_times()
        ok = 0.0 <= self.beta_min <= self.beta_max < math.inf and self.beta_max > 0.0
        got = f"got {self.beta_min!r} and {self.beta_max!r}"
        require(ok, "process (vp)", f"needs 0 <= beta_min <= beta_max and beta_max > 0, {got}")
        self._check_ends()

    def transition(self, t: float, start: float = 0.0) -> tuple[float, float]:
        """(e^{-b/2}, 1 - e^{-b}) with b = int_start^t beta."""
        slope = self.beta_max - self.beta_min
        b = (t - start) * (self.beta_min + 0.5 * slope * (t + start))
        return math.exp(-0.5 * b), -math.expm1(-b)

    def drift(self, t: float) -> float:
        """F = -beta(t)/2."""
        return -0.5 * self.diffusion(t)

    def diffusion(self, t: float) -> float:
        """g^2 = beta(t)."""
        return self.beta_min + (self.beta_max - self.beta_min) * t

    def diffusion_time(self, t: float) -> float:
        """b(t)/2."""
        return 0.5 * t * (self.beta_min + 0.5 * (self.beta_max - self.beta_min) * t)

    def model_time(self, diffusion_time: float) -> float:
        """Inverse of `diffusion_time`: the root of the quadratic that has no cancellation."""
        if diffusion_time == 0.0:
            return 0.0
        root = math.sqrt(self.beta_min**2 + 4.0 * (self.beta_max - self.beta_min) * diffusion_time)
        return 4.0 * diffusion_time / (self.beta_min + root)

    def log_snr(self, t: float) -> float:
        """-ln(e^b - 1), b = 2 sigma(t)."""
        b = 2.0 * self.diffusion_time(t)
        return -b - math.log(-math.expm1(-b)) if b > 0.0 else math.inf

    def time_at_log_snr(self, log_snr: float) -> float:
        """Time at which b = ln(1 + e^{-log_snr})."""
        return self.model_time(0.5 * float(np.logaddexp(0.0, -log_snr)))

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers; see `process_from_dict`."""
        schedule = {"beta_min": self.beta_min, "beta_max": self.beta_max}
        return {"kind": self.kind, **schedule, "duration": self.duration, "t_min": self.t_min}
