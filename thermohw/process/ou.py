r"""Ornstein-Uhlenbeck process: the bare relaxation of a matched RC node.

    dx = -x dt + sqrt(2) dW,    decay = e^{-t},   noise = 1 - e^{-2t}
    sigma(t) = int g^2/2 = t,   snr = 1/(e^{2t} - 1)

Model time is physical time in units of RC when the node's thermal variance is the unit of x.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from thermohw.process.base import Process

__all__ = ["OU"]


@dataclass(frozen=True)
class OU(Process):
    """dx = -x dt + sqrt(2) dW over `duration` (model time)."""

    duration: float = 3.0
    t_min: float = 0.0
    kind: ClassVar[str] = "ou"

    def __post_init__(self) -> None:
        self._check_times()
        self._check_ends()

    def transition(self, t: float, start: float = 0.0) -> tuple[float, float]:
        """(e^{-(t - start)}, 1 - e^{-2 (t - start)})."""
        return math.exp(start - t), -math.expm1(2.0 * (start - t))

    def drift(self, t: float) -> float:
        """F = -1."""
        return -1.0

    def diffusion(self, t: float) -> float:
        """g^2 = 2."""
        return 2.0

    def diffusion_time(self, t: float) -> float:
        """int_0^t g^2/2 = t."""
        return t

    def model_time(self, diffusion_time: float) -> float:
        """Inverse of `diffusion_time`: the identity."""
        return diffusion_time

    def log_snr(self, t: float) -> float:
        """-ln(e^{2t} - 1), written so that neither end overflows."""
        return -2.0 * t - math.log(-math.expm1(-2.0 * t)) if t > 0.0 else math.inf

    def time_at_log_snr(self, log_snr: float) -> float:
        """(1/2) ln(1 + e^{-log_snr})."""
        return 0.5 * float(np.logaddexp(0.0, -log_snr))

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers; see `process_from_dict`."""
        return {"kind": self.kind, "duration": self.duration, "t_min": self.t_min}
