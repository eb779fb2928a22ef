r"""A score made consistent with itself: each noise level rescaled by its own calibration factor.

    s_cal(x, t) = c_t s(x, t),     c_t = E[s_true . D s]/E[s . D s] = E[s_cond . D s]/E[s . D s]

with x_t = decay x_0 + noise^{1/2} z, s_cond = grad ln p(x_t | x_0) and 2D = g g^T (D drops out for
isotropic processes). Among all multiples of s this one is closest to the true score, and it alone
has E[s_cal . D (s_cal - s_true)] = 0. On the law p_t it then follows exactly that

- exchange and intrinsic rates stand at -2 : 1 where f = 0;
- E|s_true|^2 - E|s_cal|^2 = E|s_true - s_cal|^2;
- the marginal likelihood equals the evidence bound, and, where the prior is p_T, the three
  estimates of the data's entropy equal each other.

No true score is needed, only data. They must not be the points of the later evaluation: c_t would
have been fitted to their noise. Validation points are the default; training points flatter a score
that has memorised them.

Estimation.  With r_t = c_t - 1 = E[(s_cond - s) . D s]/E[s . D s] most of the noise cancels where
noise dominates, since s_cond - s is then small. Where it does not, s_cond = -noise^{-1/2} z is huge
and hardly correlated with s; every z is therefore used together with -z, which of s_cond . s leaves
only the odd part of s, a directional derivative. The standard error is that of a ratio of means
over points (delta method), std((a_i - r b_i)/mean b)/sqrt(n), a_i and b_i the sums of a point.

Between the times of the table c_t is a monotone cubic (PCHIP) in the log signal-to-noise ratio: no
overshoot, continuous slope. Outside of it the end values hold.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Integral
from typing import Any

import numpy as np
import torch
from scipy.interpolate import PchipInterpolator
from torch import Tensor

from thermohw.errors import InputError
from thermohw.intake import whole
from thermohw.process import Process
from thermohw.score.base import Field, Score, _ScaledField
from thermohw.target import Target
from thermohw.target.units import refuse_units

__all__ = ["CalibratedScore", "calibrated"]

_DRAWS = 2048  # at least so many noised points per time, more in few dimensions
_PAIRS = 64  # and at most so many from one point, whose own scatter they cannot average out
_ROWS = 8192  # noised points evaluated together
_FINEST = 1e-3  # noise at the first time of the table over the narrowest variance


class CalibratedScore(Score):
    """c_t times a score.

    Attributes:
        base: the score that is rescaled.
        log_snr: clock of the table, shape (times,), increasing (towards the data).
        factors: c_t there, shape (times,).
        stderrs: and their standard errors, shape (times,).
    """

    def __init__(
        self, base: Score, log_snr: np.ndarray, factors: np.ndarray, stderrs: np.ndarray
    ) -> None:
        self.base = base
        self.process, self.dim = base.process, base.dim
        self.target = base.target
        self.narrowest = getattr(base, "narrowest", 0.0)
        columns = [np.array(v, dtype=np.float64) for v in (log_snr, factors, stderrs)]
        self.log_snr, self.factors, self.stderrs = columns
        whole = all(v.shape == self.log_snr.shape and np.isfinite(v).all() for v in columns)
        if not whole or len(self.log_snr) < 2 or not (np.diff(self.log_snr) > 0.0).all():
            raise InputError(
                "a calibration needs two or more times in order of log SNR, a finite factor and a "
                "standard error at each",
                where="score.calibration",
            )
        self._factor = PchipInterpolator(self.log_snr, self.factors)
        self._stderr = PchipInterpolator(self.log_snr, self.stderrs)

    def factor(self, t: float) -> float:
        """c_t at model time t."""
        return float(self._factor(self._clock(t)))

    def stderr(self, t: float) -> float:
        """Standard error of c_t from the noise of its estimate, at model time t."""
        return float(self._stderr(self._clock(t)))

    def interpolation_error(self) -> float:
        """Largest |c| by which every second time misses the times between.

        An upper estimate of what interpolation adds: the full table's own is 4 to 16 times smaller.
        It contains the noise of the table, so it is never far below the standard errors.
        """
        if len(self.log_snr) < 5:
            return math.nan
        coarse = PchipInterpolator(self.log_snr[::2], self.factors[::2])
        inside = slice(1, 2 * ((len(self.log_snr) - 1) // 2), 2)
        return float(np.abs(coarse(self.log_snr[inside]) - self.factors[inside]).max())

    def at(self, t: float) -> Field:
        """The field c_t s at model time t; affine, and with exact divergence, where s is."""
        return _ScaledField(self.base.at(t), self.factor(t))

    def to_dict(self) -> dict[str, Any]:
        """The table as plain lists, JSON-ready; `from_dict` rebuilds the score exactly."""
        return {
            "log_snr": self.log_snr.tolist(),
            "factor": self.factors.tolist(),
            "stderr": self.stderrs.tolist(),
        }

    @classmethod
    def from_dict(cls, base: Score, mapping: Mapping[str, Any]) -> CalibratedScore:
        """The inverse of `to_dict`, on the same base.

        Raises:
            InputError: a column is missing, or no table of finite numbers.
        """
        try:
            names = ("log_snr", "factor", "stderr")
            columns = [np.asarray(mapping[name], dtype=np.float64) for name in names]
        except (KeyError, TypeError, ValueError) as error:
            problem = f"not a whole calibration ({type(error).__name__}: {error})"
            raise InputError(problem, where="score.calibration") from None
        return cls(base, *columns)

    def _clock(self, t: float) -> float:
        return min(max(self.process.log_snr(t), self.log_snr[0]), self.log_snr[-1])


@torch.no_grad()
def calibrated(
    score: Score,
    target: Target,
    *,
    generator: torch.Generator,
    points: Tensor | int | None = None,
    pairs: int | None = None,
    times: int = 33,
) -> CalibratedScore:
    """Estimate the calibration factors of a score and wrap it by them.

    Args:
        score: the model.
        target: the data.
        generator: points, where they are drawn here, and noise come from it.
        points: data to calibrate on, shape (points, dim), model units, none of which may be used in
            the evaluation; or how many of the target's validation points to draw. Default: 2048,
            65536/dim if that is more, or all that a data set has.
        pairs: noise vectors per point and time, each used with both signs; default as many as make
            up the default number of points, at most 64.
        times: in the table, equally spaced in log SNR, >= 2.

    Returns:
        The calibrated score.

    Raises:
        InputError: points of the wrong shape, in other than model units or too few of them, or a
            score that vanishes.
    """
    if pairs is not None:
        pairs = whole(pairs, 1, "pairs")
    x0 = _points(target, points, generator)
    if x0.ndim != 2 or x0.shape[1] != score.dim or len(x0) < 2:
        shape = f"(>= 2, {score.dim}), got {tuple(x0.shape)}"
        raise InputError(f"points to calibrate on must have shape {shape}", where="points")
    if not torch.isfinite(x0).all():
        raise InputError("points to calibrate on must be finite", where="points")
    refuse_units(x0.cpu().numpy(), target, "points to calibrate on")
    if times < 2:
        raise InputError(f"a calibration needs 2 or more times, got {times}", where="times")
    pairs = pairs or min(_PAIRS, math.ceil(_draws(target) / len(x0)))
    process = score.process
    clock = np.linspace(*_range(process, target), times)
    factors, stderrs = np.empty(times), np.empty(times)
    for i, level in enumerate(clock):
        t = min(max(process.time_at_log_snr(float(level)), process.t_min), process.duration)
        factors[i], stderrs[i] = _factor(score.at(t), process, t, x0, pairs, generator)
    if not np.isfinite(factors).all():
        raise InputError("the score vanishes: there is nothing to calibrate", where="score")
    return CalibratedScore(score, clock, factors, stderrs)


def _points(target: Target, points: Tensor | int | None, generator: torch.Generator) -> Tensor:
    if isinstance(points, Tensor):
        return points.to(torch.float64)
    if points is None:
        points = min(_draws(target), getattr(target, "counts", {}).get("validation", 2**62))
    if not isinstance(points, Integral) or isinstance(points, bool) or points < 2:
        got = points if isinstance(points, int | float) else type(points).__name__
        raise InputError(
            "expected a torch tensor of shape (points, dim) in model units, or a whole number >= 2 "
            f"of validation points, got {got}",
            where="points",
        )
    return target.validation(int(points), generator)


def _draws(target: Target) -> int:
    return max(_DRAWS, 2**16 // target.dim)


def _range(process: Process, target: Target) -> tuple[float, float]:
    """Log SNR at T and at the first noise that matters, increasing."""
    last = process.log_snr(process.duration)
    # At t_min = 0: below a thousandth of the narrowest variance the noised law is the data's own.
    finest = -math.log(_FINEST * max(target.narrowest, 1e-9))
    first = process.log_snr(process.t_min) if process.t_min > 0.0 else max(finest, last + 1.0)
    return last, first


def _factor(
    field: Field,
    process: Process,
    t: float,
    x0: Tensor,
    pairs: int,
    generator: torch.Generator,
) -> tuple[float, float]:
    """c_t and its standard error."""
    decay, noise = process.transition(t)
    if process.isotropic:
        deviation = math.sqrt(float(noise))
        root: Any = deviation
        inverse: Any = 1.0 / deviation
        strength: Any = 1.0
        centre = float(decay) * x0
    else:
        values, vectors = np.linalg.eigh(np.asarray(noise))
        spread = np.sqrt(np.clip(values, 0.0, None))
        factor = vectors * spread
        root, inverse = torch.as_tensor(factor.T), torch.as_tensor(np.linalg.pinv(factor))
        strength = torch.as_tensor(0.5 * np.asarray(process.diffusion(t)))
        centre = x0 @ torch.as_tensor(np.asarray(decay)).T

    def times(z: Tensor, matrix: Any) -> Tensor:
        return z @ matrix if isinstance(matrix, Tensor) else z * matrix

    # Accumulates (s_cond - s) . D s and s . D s for every point.
    excess, norm = torch.zeros(len(x0), dtype=torch.float64), torch.zeros(len(x0)).double()
    together = max(1, _ROWS // len(x0))
    for done in range(0, pairs, together):
        copies = min(together, pairs - done)
        z = torch.randn(copies * len(x0), x0.shape[1], dtype=torch.float64, generator=generator)
        moved = times(z, root)
        for sign in (1.0, -1.0):
            s = field(torch.add(centre.repeat(copies, 1), moved, alpha=sign))
            pushed = times(s, strength)
            conditional = times(z, inverse).mul_(-sign)
            excess += ((conditional - s) * pushed).sum(1).view(copies, -1).sum(0)
            norm += (s * pushed).sum(1).view(copies, -1).sum(0)
    mean = float(norm.mean())
    if not mean > 0.0:
        return math.nan, math.nan
    r = float(excess.mean()) / mean
    spread = float((excess - r * norm).std()) / (mean * math.sqrt(len(x0)))
    return 1.0 + r, spread
