r"""What the average of a board's readings is known to miss, beside the scatter that it shows.

Readings k = q+1 .. q+n after a start at rest, s_0 = 0, of a process with steady mean m, covariance
P and transition Phi from one reading to the next, are not stationary yet. With T the mean of
Phi^k and V the covariance of a stationary average (see average.py), the mean of the readings

    has expectation  m - T m        and covariance  V - T P T^T,

and their covariance about the mean over all readings and paths has expectation

    P + (1/n) sum_k Phi^k (m m^T - P) Phi^kT - T m m^T T^T - (V - T P T^T)/paths,

the last term being what a finite average takes away. Sums of powers are doubled,
(1 + Phi)(1 + Phi^2)(1 + Phi^4) ..., which neither inverts nor cancels.

A converter rounds v to steps of l. Over Gaussian v of spread s the mean of e = round(v) - v is a
Fourier series in the place of the mean on the grid; its rms over that unknown place,

    r(s) = l sqrt( sum_k exp(-(2 pi k s/l)^2) / (2 pi^2 k^2) ),      r(0) = l/sqrt(12),

is what no number of readings averages away: all of l/sqrt(12) without noise, nothing once noise
dithers it. Second moments gain l^2/12 (Sheppard's correction) between readings that are rounded
together, and E[(v - m) e] = s^2 E[e'] (Stein), E[e'] of rms sqrt(2 sum_k exp(-(2 pi k s/l)^2)).

An amplifier that saturates, o = V_s tanh(w/V_s), asks its input for w/A0 instead of o/A0: as an
offset of (o - w)/A0. One that slews forgets its start later than the linear law; then a path
without noise is played and its readings are averaged instead. Round-off is bounded by the machine's
precision times the largest entries of a step, the steps that are remembered and the readings that
were added. What noise that slews or saturates does to second moments is not known and not included.

References:
    Widrow and Kollar, Quantization Noise, Cambridge University Press (2008).
"""

from __future__ import annotations

from functools import cached_property
from math import pi
from typing import TYPE_CHECKING, Any

import numpy as np

from thermohw.circuit import active_law
from thermohw.circuit.recursion import congruent_sum, power_sum
from thermohw.solver.average import average_covariance, product_error
from thermohw.solver.stepper import ActiveStepper

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.circuit import MappedSystem

__all__ = ["Shortfall", "rounding_left"]

_PRECISION = float(np.finfo(np.float64).eps)
_HARMONICS = np.arange(1, 201)


class Shortfall:
    """Known errors of an average of readings, in the unit of x.

    Args:
        system: on the board, which starts at rest.
        quiet: q, readings that do not count.
        readings: n, that do.
        spacing: between readings, R C.
        inner: steps of the simulation in a spacing.
        paths: that are averaged.
        slewing: whether amplifiers may leave the linear law on the way.
    """

    def __init__(
        self,
        system: MappedSystem,
        *,
        quiet: int,
        readings: int,
        spacing: float,
        inner: int,
        paths: int,
        slewing: bool,
    ) -> None:
        self.system, self.quiet, self.readings, self.paths = system, quiet, readings, paths
        self.spacing, self.inner, self.slewing = spacing, inner, slewing
        self.law = law = active_law(system.device, False)
        self.phi, self.mean = law.transition(spacing)[0], law.mean(system.sources)
        self.first = np.linalg.matrix_power(self.phi, quiet + 1)
        self.window = self.first @ power_sum(self.phi, readings) / readings
        self.show = law.reading[system.outputs] / system.unit
        bits = system.adc_bits
        self.grid = 0.0 if bits is None else 2.0 * system.full_scale / 2**bits / system.volts

    @cached_property
    def spread(self) -> NDArray[Any]:
        """V - T P T^T, of the states of one path, shape (dim, dim)."""
        p, window = self.law.covariance, self.window
        return average_covariance(self.phi, p, self.readings) - window @ p @ window.T

    @cached_property
    def dither(self) -> NDArray[Any]:
        """Covariance of the first reading that counts, the least noisy, shape (N, N)."""
        p = self.law.covariance
        return self.show @ (p - self.first @ p @ self.first.T) @ self.show.T

    def mean_error(self) -> NDArray[Any]:
        """Standard error of the mean, closed form, shape (N,)."""
        return np.sqrt(_diagonal(self.show @ self.spread @ self.show.T) / self.paths)

    def mean_bias(self) -> NDArray[Any]:
        """How far the mean may be off beside its scatter, shape (N,)."""
        away = self._played() if self.slewing else self.show @ (self._bend() - self._late)
        left = rounding_left(np.sqrt(_diagonal(self.dither)), self.grid)
        return np.abs(away) + left + self._roundoff(np.abs(self.show @ self.mean).max())

    def covariance_error(self) -> NDArray[Any]:
        """Standard error of the covariance by Wick's theorem, shape (N, N)."""
        square = product_error(self.phi, self.law.covariance, self.readings, self.show)
        return np.sqrt(np.maximum(square, 0.0) / self.paths)

    def covariance_bias(self) -> NDArray[Any]:
        """How far the covariance may be off beside its scatter, shape (N, N)."""
        p, late = self.law.covariance, self._late
        young = self.first @ (np.outer(self.mean, self.mean) - p) @ self.first.T
        away = congruent_sum(self.phi, young, self.readings) / self.readings
        away = self.show @ (away - np.outer(late, late) - self.spread / self.paths) @ self.show.T
        size = np.abs(self.show @ p @ self.show.T)
        # Products of readings carry the square of the mean, which is taken off again.
        whole = size.max() + np.abs(self.show @ self.mean).max() ** 2
        return np.abs(away) + self._rounded_products(size) + self._roundoff(whole)

    @property
    def _late(self) -> NDArray[Any]:
        """T m: what the mean of the states lacks."""
        return self.window @ self.mean

    def _bend(self) -> NDArray[Any]:
        """What saturating amplifiers shift the states at rest by."""
        amps, law = self.system.device.amplifiers, self.law
        poled = law.poled
        swing, out = amps.swing[poled], self.mean[law.free_count :]
        bounded = np.isfinite(swing)
        size = np.where(bounded, swing, 1.0)
        share = np.clip(out / size, -1.0 + 1e-12, 1.0 - 1e-12)
        kick = np.zeros(law.states)
        excess = np.where(bounded, size * np.arctanh(share) - out, 0.0)
        kick[law.free_count :] = -amps.rate[poled] * amps.leak[poled] * excess
        return np.linalg.solve(law.drift_matrix, kick)

    def _played(self) -> NDArray[Any]:
        """Mean of exact readings of a path without noise, less what the law tends to."""
        system, total = self.system, np.zeros(self.system.dim)
        stepper = ActiveStepper(
            system.device, self.spacing / self.inner, system.sources, books=False
        )
        state, still = np.zeros((1, self.law.states)), np.zeros((1, stepper.normals))
        for n in range(1, (self.quiet + self.readings) * self.inner + 1):
            state, efforts, _ = stepper.step(state, still)
            if n % self.inner == 0 and n > self.quiet * self.inner:
                total += system.read_exact(efforts)[0]
        tends = system.read_exact(self.law.effort_mean(system.sources))
        return total / self.readings - tends

    def _rounded_products(self, size: NDArray[Any]) -> NDArray[Any]:
        """What converters add to second moments, shape (N, N)."""
        if not self.grid:
            return np.zeros_like(size)
        variance = _diagonal(self.dither)
        apart = variance[:, None] + variance - 2.0 * np.abs(self.dither)
        together = np.exp(-2.0 * (pi / self.grid) ** 2 * np.maximum(apart, 0.0))
        waves = np.exp(-((2.0 * pi / self.grid) ** 2) * np.multiply.outer(variance, _HARMONICS**2))
        slope = np.sqrt(2.0 * waves.sum(-1))
        return self.grid**2 / 12.0 * together + size * (slope[:, None] + slope)

    def _roundoff(self, size: float) -> float:
        slowest = 1.0 / float(np.real(self.law.rates).min())
        # The exponential of a step loses as many digits as its largest entries have, and the step
        # is repeated until the slowest motion forgets.
        stiff = float(np.linalg.norm(self.law.drift_matrix, 1)) + self.inner / self.spacing
        stiff += float(np.abs(self.law.input(self.system.sources)).sum())
        return _PRECISION * (slowest * stiff + self.readings) * size


def rounding_left(spread: NDArray[Any], grid: float) -> NDArray[Any]:
    """r(s): rms error that rounding to a grid leaves in the mean of Gaussian readings.

    Args:
        spread: of the readings, any shape.
        grid: step of the converter, in the same unit; 0 without one.
    """
    if grid == 0.0:
        return np.zeros_like(spread)
    waves = np.multiply.outer((2.0 * pi * spread / grid) ** 2, _HARMONICS**2)
    found = (np.exp(-waves) / (2.0 * pi**2 * _HARMONICS**2)).sum(-1)
    beyond = np.exp(-waves[..., -1]) / (2.0 * pi**2 * _HARMONICS[-1])  # of the harmonics left out
    return grid * np.sqrt(found + beyond)


def _diagonal(matrix: NDArray[Any]) -> NDArray[Any]:
    """Variances, which round-off must not make negative."""
    return np.maximum(np.diag(matrix), 0.0)
