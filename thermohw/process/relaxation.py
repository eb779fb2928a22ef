r"""Relaxation: the forward process that a circuit runs when nobody controls it.

    dx = -A x dt + B dW,   B B^T = B2 = 2D,      x_t | x_s ~ N(e^{-A (t-s)} x_s, Q(t - s))

A and B2 are the device's own matrices in model units, time in units of its reference RC. Nodes
may be coupled, baths may have different temperatures, A need not be normal nor stable; Q is exact
(`linear_transition`).

There is no single signal-to-noise ratio. The clock of the slowest mode stands for the process:
with l^H A = a l^H, |l| = 1 and Re a the smallest, the amplitude l^H x obeys a scalar equation of
rate Re a and noise q = l^H B2 l, so

    snr = 2 Re a / (q (e^{2 Re a t} - 1)).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from thermohw.errors import InputError
from thermohw.process.base import Process, require
from thermohw.process.linear import linear_transition

__all__ = ["MOST_COUPLED", "Relaxation"]

MOST_COUPLED = 2048
"""Coordinates of a process that is given by its matrices."""


@dataclass(frozen=True, eq=False)
class Relaxation(Process):
    """dx = -A x dt + B dW with constant matrices.

    Attributes:
        A: rate matrix, shape (d, d), 1/model time.
        B2: noise matrix B B^T = 2D, shape (d, d), symmetric positive semidefinite.
        duration: T, model time (the device's reference RC).
        t_min: smallest model time reached.
    """

    A: np.ndarray
    B2: np.ndarray
    duration: float = 3.0
    t_min: float = 0.0
    kind: ClassVar[str] = "relaxation"
    isotropic: ClassVar[bool] = False

    def __post_init__(self) -> None:
        self._check_times()
        where = "process (relaxation)"
        for name in ("A", "B2"):
            matrix = np.atleast_2d(np.array(getattr(self, name), dtype=np.float64))
            square = matrix.ndim == 2 and matrix.shape[0] == matrix.shape[1] == len(
                np.atleast_2d(self.A)
            )
            require(square, where, f"{name} must be a square matrix, got shape {matrix.shape}")
            require(
                len(matrix) <= MOST_COUPLED,
                where,
                f"{len(matrix)} coordinates: at most {MOST_COUPLED}, whose matrices files keep as "
                "text",
            )
            require(bool(np.isfinite(matrix).all()), where, f"{name} must be finite")
            object.__setattr__(self, name, matrix)
        scale = float(np.abs(self.B2).max())
        symmetric = np.allclose(self.B2, self.B2.T, rtol=0.0, atol=1e-12 * scale)
        require(
            symmetric and scale > 0.0, where, "the noise matrix 2D must be symmetric and not zero"
        )
        lowest = float(np.linalg.eigvalsh(self.B2)[0])
        require(
            lowest > -1e-12 * scale,
            where,
            f"the noise matrix 2D has a negative eigenvalue {lowest:.3g}",
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Relaxation) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash((self.A.tobytes(), self.B2.tobytes(), self.duration, self.t_min))

    @property
    def dim(self) -> int:
        """Number of coordinates d."""
        return len(self.A)

    @property
    def diagonal(self) -> bool:
        """The coordinates neither couple nor share noise."""
        return not any(np.any(m - np.diag(np.diagonal(m))) for m in (self.A, self.B2))

    def transition(self, t: float, start: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
        """(e^{-A (t - start)}, Q(t - start)), float64 arrays of shape (d, d)."""
        return linear_transition(self.A, self.B2, t - start)

    def drift(self, t: float) -> np.ndarray:
        """F = -A."""
        return -self.A

    def diffusion(self, t: float) -> np.ndarray:
        """2D = B2."""
        return self.B2

    def diffusion_time(self, t: float) -> float:
        """Model time is the device's own time."""
        return t

    def model_time(self, diffusion_time: float) -> float:
        """Inverse of `diffusion_time`: the identity."""
        return diffusion_time

    @cached_property
    def slowest(self) -> tuple[float, float]:
        """(Re a, q): decay rate of the slowest mode and noise power in its amplitude."""
        values, vectors = np.linalg.eig(self.A.T)
        index = int(np.argmin(np.real(values)))
        left = np.asarray(vectors[:, index], dtype=np.complex128)
        power = float(np.real(np.vdot(left, self.B2 @ left)) / np.real(np.vdot(left, left)))
        if power <= 1e-14 * float(np.abs(self.B2).max()):
            raise InputError(
                "no noise reaches the slowest mode, so it has no noise level",
                where="process (relaxation)",
            )
        return float(np.real(values[index])), power

    def log_snr(self, t: float) -> float:
        """Log of 2a/(q (e^{2at} - 1)), the slowest mode's."""
        rate, power = self.slowest
        if t <= 0.0:
            return math.inf
        if rate > 0.0:  # the exponential is taken out so that a long relaxation does not overflow
            return -2.0 * rate * t - math.log(power * -math.expm1(-2.0 * rate * t) / (2.0 * rate))
        return -math.log(power * (t if rate == 0.0 else math.expm1(2.0 * rate * t) / (2.0 * rate)))

    def time_at_log_snr(self, log_snr: float) -> float:
        """Inverse of `log_snr`; +inf beyond what an unstable slowest mode ever reaches."""
        rate, power = self.slowest
        if rate == 0.0:
            return math.exp(-log_snr) / power
        if rate > 0.0:
            return float(np.logaddexp(0.0, math.log(2.0 * rate / power) - log_snr)) / (2.0 * rate)
        ratio = 2.0 * rate * math.exp(-log_snr) / power
        return math.log1p(ratio) / (2.0 * rate) if ratio > -1.0 else math.inf

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and nested lists; see `process_from_dict`."""
        matrices = {"A": self.A.tolist(), "B2": self.B2.tolist()}
        return {"kind": self.kind, **matrices, "duration": self.duration, "t_min": self.t_min}
