r"""What a forward (noising) process is: a linear SDE with Gaussian transitions, and its clocks.

    dx = F(t) x dt + g(t) dW,     t in [0, T],  t = 0 the data, t = T the prior side   (model units)
    x_t | x_s ~ N(decay x_s, noise)

`Process` fixes the vocabulary; the subclasses are the chapters. "Isotropic" processes (OU, VP,
VE) act on every coordinate alike, so decay, noise, F and g g^T are floats that multiply the
identity and the process fits any dimension. `Relaxation`, the process a coupled circuit runs by
itself, has matrices there.

Two clocks. The diffusion time sigma(t) = int_0^t g^2/2 is what fixed hardware counts in units of
its time constant over theta; the log signal-to-noise ratio ln(decay^2/noise) is what the
difficulty of denoising depends on. Both are strictly monotone and both are inverted in closed
form. Every formula is written so that t -> 0 keeps full relative accuracy (expm1, log1p).

t_min: with t_min > 0 generation stops there and every "data" quantity means the law at t_min.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np

from thermohw.errors import InputError
from thermohw.process.normal import Normal

__all__ = ["Process", "require"]


_FAINT, _QUIET = 1e-300, 1e-15  # the least factor, the least variance
_SHORTEST = 1e-9  # duration: the noise of its ticks is squared and inverted


def require(condition: bool, where: str, problem: str) -> None:
    """Raise InputError(problem, where=where) unless the condition holds."""
    if not condition:
        raise InputError(problem, where=where)


class Process(ABC):
    """A forward process.

    Attributes:
        kind: name in a SPEC.
        duration: T, model time.
        t_min: smallest model time that generation reaches, 0 <= t_min < T.
        dim: number of coordinates; None when any dimension will do.
        isotropic: every matrix of the process is a float times the identity.
    """

    kind: ClassVar[str]
    isotropic: ClassVar[bool] = True
    duration: float
    t_min: float

    @property
    def dim(self) -> int | None:
        """Number of coordinates; None when any dimension will do."""
        return None

    @abstractmethod
    def transition(self, t: float, start: float = 0.0) -> tuple[Any, Any]:
        """(decay, noise) of x_t | x_start ~ N(decay x_start, noise): floats, or arrays (d, d)."""

    @abstractmethod
    def drift(self, t: float) -> Any:
        """F(t) in dx = F x dt + g dW, 1/model time: float, or array (d, d)."""

    @abstractmethod
    def diffusion(self, t: float) -> Any:
        """Noise power g g^T = 2D at t, variance per model time: float g^2, or array (d, d)."""

    @abstractmethod
    def diffusion_time(self, t: float) -> float:
        """int_0^t g^2/2 (isotropic processes) or t (relaxation)."""

    @abstractmethod
    def model_time(self, diffusion_time: float) -> float:
        """Inverse of `diffusion_time`."""

    @abstractmethod
    def log_snr(self, t: float) -> float:
        """ln(decay^2/noise) at t; +inf at t = 0. Relaxation: of its slowest mode."""

    @abstractmethod
    def time_at_log_snr(self, log_snr: float) -> float:
        """Inverse of `log_snr`."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """The whole process as plain numbers and lists; `process_from_dict` rebuilds it exactly."""

    def propagate(
        self, mean: np.ndarray, covariance: Any, t: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Mean (d,) and covariance (d, d) of x_t, given those of x_0."""
        mean = np.atleast_1d(np.asarray(mean, dtype=np.float64))
        identity = np.eye(len(mean))
        covariance = np.asarray(covariance, dtype=np.float64)
        covariance = covariance * identity if covariance.ndim == 0 else covariance
        decay, noise = self.transition(t)
        if self.isotropic:
            return decay * mean, decay**2 * covariance + noise * identity
        return decay @ mean, decay @ covariance @ decay.T + noise

    def irreversible(self, t: float) -> Any:
        """Share of `drift` that dissipates; the rest rotates without loss (odd variables)."""
        return self.drift(t)

    def narrowest(self, variance: float, t: float) -> Any:
        """Covariance of p_t for data of one variance, model units: float, or array (d, d)."""
        decay, noise = self.transition(t)
        if self.isotropic:
            return float(decay) ** 2 * variance + float(noise)
        return variance * decay @ decay.T + noise

    def conditional(self, t: float) -> tuple[Any, Any]:
        """(decay, noise) of x_t given what a score is trained against: the whole of x_0."""
        return self.transition(t)

    def prior(self, kind: str, mean: np.ndarray, covariance: Any) -> Normal:
        """The law that generation starts from, at t = T.

        Args:
            kind: "schedule" for N(0, noise(T)), blind to the data; "matched" for the mean and
                covariance of p_T.
            mean: mean of the data x_0, shape (d,), model units.
            covariance: covariance of the data x_0, float or shape (d, d).

        Returns:
            A normal law of dimension d.

        Raises:
            InputError: another kind, or data whose dimension is not the process's.
        """
        dim = len(np.atleast_1d(mean))
        if self.dim not in (None, dim):
            raise InputError(
                f"the process has {self.dim} coordinates but the data have {dim}", where="process"
            )
        if kind == "schedule":
            return Normal(np.zeros(dim), self.transition(self.duration)[1])
        if kind == "matched":
            return Normal(*self.propagate(mean, covariance, self.duration))
        raise InputError(
            f"{kind!r} is not a prior; choose schedule or matched", where="process.prior"
        )

    def _check_times(self) -> None:
        """Refuse a duration or t_min that no run can use."""
        where = f"process ({self.kind})"
        ok = math.isfinite(self.duration) and self.duration > 0.0
        require(ok, where, f"duration must be positive and finite, got {self.duration!r}")
        words = f"duration {self.duration!r} is too short for doubles: at least {_SHORTEST:g}"
        require(self.duration >= _SHORTEST, where, words)
        ok = 0.0 <= self.t_min < self.duration
        require(
            ok, where, f"t_min must lie in [0, duration = {self.duration:g}), got {self.t_min!r}"
        )

    def _check_ends(self) -> None:
        """Refuse what adds no noise, or leaves nothing of the data that a double could hold."""
        try:
            decay, noise = (float(x) for x in self.transition(self.duration))  # type: ignore
        except (OverflowError, ValueError, ZeroDivisionError):
            decay, noise = 0.0, math.inf
        require(
            _FAINT < abs(decay) < 1.0 / _FAINT and _QUIET < noise < 1.0 / _FAINT,
            f"process ({self.kind})",
            f"over its duration it multiplies the data by {decay:.3g} and adds noise of variance "
            f"{noise:.3g}: more or less than numbers of double precision can follow",
        )
