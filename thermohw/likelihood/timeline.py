r"""The clock in which likelihood integrals are taken, and their nested quadrature rule.

Every quantity of this room is an integral over noising with the weight g^2/2 dt = dsigma, sigma
the process's diffusion time (for matrix processes g g^T/2 dt = D dsigma with dsigma = dt). Score
and divergence change when the noise passes a structure of the data, whatever its scale, so equal
steps belong to equal factors of the noise. The variable is

    u = ln(sigma + floor),    dsigma = e^u du,

the logarithm of the noise-to-signal ratio while the noise is small, linear in the process's own
clock when it is large. Below the floor it turns linear too, so that t = 0 lies at a finite u. Laws
that are smooth down to their narrowest mode stop changing there: the floor is half its variance
(over D). Data with edges - dequantised grey levels, uniform pixels - keep changing down to t_min,
E|s|^2 ~ 1/sqrt(sigma): there the floor is ten times the first noise.

In u the integrals use Fejer's second rule, the interior Chebyshev points

    u_j = centre - halfwidth * cos(j pi/(n + 1)),    n + 1 = 7 * 2^k,

which converges exponentially for smooth integrands, never evaluates an end point (where a
conditional score may be singular), and is nested: halving n + 1 takes every second point. Its
error is what the interpolating series b_0 U_0 + ... + b_{n-1} U_{n-1} of Chebyshev polynomials of
the second kind leaves out; int U_k = 2/(k+1) or 0, so the last coefficients measure it: 2|b_n|/n.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from thermohw.process import Process

__all__ = ["COUNTS", "Moment", "Timeline", "apply"]

COUNTS = (6, 13, 27, 55, 111, 223, 447)  # nested numbers of quadrature points


def apply(matrix: float | Tensor, x: Tensor) -> Tensor:
    """matrix x for every row of x, shape (paths, dim); a float multiplies the identity."""
    return x @ matrix.T.to(x) if isinstance(matrix, Tensor) else matrix * x


def _coefficient(value: Any) -> float | Tensor:
    return float(value) if np.ndim(value) == 0 else torch.as_tensor(np.asarray(value))


@dataclass(frozen=True)
class Moment:
    """One instant of the noising process, with its rates per unit of diffusion time.

    Attributes:
        time: t, model time.
        stretch: dsigma/du = sigma + floor.
        rate: dsigma/dt, diffusion time per model time.
        drift: F dt/dsigma, float or shape (dim, dim).
        mobility: D = g g^T/2 dt/dsigma: exactly 1.0 for isotropic processes, else (dim, dim).
        dissipative: the drift's share that dissipates, see `Process.irreversible`; None: all of it.
    """

    time: float
    stretch: float
    rate: float
    drift: float | Tensor
    mobility: float | Tensor
    dissipative: float | Tensor | None = None

    @property
    def irreversible(self) -> float | Tensor:
        """Drift without what only rotates."""
        return self.drift if self.dissipative is None else self.dissipative


@dataclass(frozen=True)
class Timeline:
    """The interval [t_min, T] of a process on the logarithmic clock.

    Attributes:
        process: the forward process.
        floor: diffusion time added under the logarithm; >= 0, and > 0 where t_min = 0.
    """

    process: Process
    floor: float

    @classmethod
    def of(cls, process: Process, narrowest: float = 0.0) -> Timeline:
        """The timeline suited to data whose narrowest mode has variance `narrowest` (model units).

        Args:
            process: the forward process.
            narrowest: variance of the narrowest mode of a smooth law, model units; 0 where the law
                is unknown or has edges.
        """
        if narrowest > 0.0:
            strength = 1.0
            if not process.isotropic:
                strength = 0.5 * float(np.linalg.eigvalsh(process.diffusion(process.t_min))[-1])
            return cls(process, 0.5 * narrowest / strength)
        first, last = (process.diffusion_time(t) for t in (process.t_min, process.duration))
        return cls(process, max(10.0 * first, 1e-6 * last))

    @cached_property
    def ends(self) -> tuple[float, float]:
        """u at t_min and at T."""
        spans = (self.process.t_min, self.process.duration)
        first, last = (math.log(self.process.diffusion_time(t) + self.floor) for t in spans)
        return first, last

    @property
    def span(self) -> float:
        """Length of the interval in u."""
        return self.ends[1] - self.ends[0]

    def at(self, u: float) -> Moment:
        """The moment at position u."""
        process = self.process
        stretch = math.exp(u)
        time = process.model_time(max(stretch - self.floor, 0.0))
        time = min(max(time, process.t_min), process.duration)
        if not process.isotropic:
            mobility = _coefficient(0.5 * process.diffusion(time))
            drift, dissipative = (
                _coefficient(part) for part in (process.drift(time), process.irreversible(time))
            )
            return Moment(time, stretch, 1.0, drift, mobility, dissipative)
        rate = 0.5 * float(process.diffusion(time))
        return Moment(time, stretch, rate, float(process.drift(time)) / rate, 1.0)

    def position(self, time: float) -> float:
        """u at model time t: the inverse of `at`."""
        return math.log(self.process.diffusion_time(time) + self.floor)

    def log_volume(self, dim: int) -> float:
        """int_{t_min}^T E[div f] dt = ln |det decay(T | t_min)|, exact (Liouville), nats."""
        decay = self.process.transition(self.process.duration, self.process.t_min)[0]
        if self.process.isotropic:
            return dim * math.log(abs(float(decay)))
        return float(np.linalg.slogdet(np.asarray(decay))[1])

    def rule(
        self, count: int, ends: tuple[float, float] | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Fejer's second rule with `count` points.

        Args:
            count: how many.
            ends: a part of the timeline; default all of it.

        Returns:
            Positions u, increasing, and weights for int du, both of shape (count,).
        """
        angle = np.arange(1, count + 1) * math.pi / (count + 1)
        odd = np.arange(1, count + 1, 2)
        weights = 4.0 * np.sin(angle) / (count + 1) * (np.sin(np.outer(angle, odd)) / odd).sum(1)
        first, last = ends or self.ends
        half = 0.5 * (last - first)
        return first + half * (1.0 - np.cos(angle)), half * weights

    def remainder(self, values: Tensor, ends: tuple[float, float] | None = None) -> Tensor:
        """Size of what the rule leaves out, from the last coefficients of the interpolating series.

        Args:
            values: integrand at the points of `rule`, shape (count, ...).
            ends: the part of the timeline it was taken on.

        Returns:
            Estimated error of the integral, shape (...).
        """
        count = len(values)
        angle = torch.arange(1, count + 1, dtype=values.dtype) * math.pi / (count + 1)
        last = torch.arange(count - max(4, count // 8), count, dtype=values.dtype) + 1.0
        sines = torch.sin(last[:, None] * angle) * torch.sin(angle) * (2.0 / (count + 1))
        tail = torch.tensordot(sines, values, dims=1).abs().amax(0)
        first, last = ends or self.ends
        return tail * (last - first) / count
