r"""Data seen through a circuit with inductors: the noise that is left once all of it is used.

A state w_t of a Langevin process tells of the data what y = x_0 + N(0, I(t)^-1) tells, no more and
no less (`process.sufficient`). Of y this is the process,

    dy = g dW,     noise(t) = I^-1,     g g^T = d(I^-1)/dt = I^-1 K^T C^-1 B2 C^-1 K I^-1,

a variance-exploding one on a clock of the circuit's own; what has to be learned is its score alone.
Every network for plain Gaussian noise can, and the losses are equal: whatever the circuit,

    (1/2) int E|s_th - s_c|^2_G dt = (1/2) int E (D_th - x_0) . (-dI/dt) (D_th - x_0) dt,

for equal cells (I = snr 1) an integral over the signal-to-noise ratio in which no circuit is left.
That is why networks trained on RC and on RLC arrays over the same range of snr are the same, and so
are their evidence bounds.

Reference for the integral over snr: D. Kingma et al., "Variational diffusion models", NeurIPS 2021,
https://arxiv.org/abs/2107.00630
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from thermohw.process.base import Process
from thermohw.process.langevin import Langevin

__all__ = ["Observed"]


@dataclass(frozen=True)
class Observed(Process):
    """y = x_0 + noise of covariance I(t)^-1.

    Attributes:
        of: the process of the whole state.
        isotropic: I is a multiple of the identity: equal cells of one datum each.
    """

    of: Langevin
    kind: ClassVar[str] = "observed"

    @property
    def isotropic(self) -> bool:  # type: ignore[override]
        """The noise is one number."""
        return self.of.alike

    @property
    def duration(self) -> float:  # type: ignore[override]
        """That of the whole state."""
        return self.of.duration

    @property
    def t_min(self) -> float:  # type: ignore[override]
        """That of the whole state."""
        return self.of.t_min

    @property
    def dim(self) -> int | None:
        """Number of data coordinates."""
        return len(self.of.positions)

    def _noise(self, t: float) -> Any:
        if self.isotropic:
            return 0.0 if t <= 0.0 else 1.0 / self.of.cells[0][0]._information(t)
        return np.zeros((self.dim,) * 2) if t <= 0.0 else self.of.statistic(t).noise  # type: ignore[operator]

    def transition(self, t: float, start: float = 0.0) -> tuple[Any, Any]:
        """(1, I(t)^-1 - I(start)^-1): floats for equal cells, else (d, d)."""
        noise = self._noise(t) - (self._noise(start) if start > 0.0 else 0.0)
        return (1.0, float(noise)) if self.isotropic else (np.eye(len(noise)), noise)

    def drift(self, t: float) -> Any:
        """None."""
        return 0.0 if self.isotropic else np.zeros((self.dim,) * 2)  # type: ignore[operator]

    def diffusion(self, t: float) -> Any:
        """g g^T, t > 0."""
        whole = self.of.cells[0][0] if self.isotropic else self.of
        seen = whole.statistic(t)
        gain = seen.precision @ seen.decay @ seen.noise
        strength = gain.T @ whole.diffusion(t) @ gain
        return float(strength[0, 0]) if self.isotropic else strength

    def diffusion_time(self, t: float) -> float:
        """Half the noise for equal cells, else t."""
        return 0.5 * self._noise(t) if self.isotropic else t

    def model_time(self, diffusion_time: float) -> float:
        """Inverse of `diffusion_time`."""
        if not self.isotropic or diffusion_time <= 0.0:
            return diffusion_time
        return self.time_at_log_snr(-math.log(2.0 * diffusion_time))

    def log_snr(self, t: float) -> float:
        """ln(tr I(t) / d), exact where that of the whole state is a table; +inf at t = 0."""
        if t <= 0.0:
            return math.inf
        cells = self.of.cells
        total = sum(len(places) * one._information(t) for one, places in cells)
        return math.log(total / len(self.of.positions))

    def time_at_log_snr(self, log_snr: float) -> float:
        """Inverse of `log_snr`, to round-off."""
        from scipy.optimize import brentq  # a fifth of a second, for this inverse only

        guess = self.of.time_at_log_snr(log_snr)
        low, high = 0.8 * guess, 1.25 * guess
        while self.log_snr(low) < log_snr:
            low *= 0.8
        while self.log_snr(high) > log_snr:
            high *= 1.25
        return float(brentq(lambda t: self.log_snr(t) - log_snr, low, high, rtol=1e-13))  # type: ignore[arg-type]

    def to_dict(self) -> dict[str, Any]:
        """What the whole state does."""
        return {"kind": self.kind, "of": self.of.to_dict()}
