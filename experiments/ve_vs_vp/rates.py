r"""The law Se + 2 Si = phi of one score along one run, its repair, and the errors of both.

Per unit of diffusion time, with f = F x and the model's score s; per point, so that differences
keep their common noise:

    Si = |s - f|^2        Se = div b - |b|^2 + 2 b.s,  b = -f + 2 s        phi = F^2 |x|^2 + F d
    Se + 2 Si - phi = 2 (|s|^2 + div s) - 2 F (d + x.s)

Of a s + b x the four moments |s|^2, div s, x.s, |x|^2 are known from those of s. (a, b) are
fitted to other points: their noise enters a residual through its slopes, point by point (delta
method), so that times at which the same points were used are added with their correlation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from thermohw.likelihood import ExactTrace, GridEnsemble, SampleEnsemble, Timeline
from thermohw.likelihood.ensemble import Draw
from thermohw.likelihood.moments import moment_values
from thermohw.likelihood.reference import Reference
from thermohw.process import Process
from thermohw.score import Score
from thermohw.study import Row
from thermohw.target import Target

FAINT = 1e-6  # Si over E|s|^2 below which a ratio is not given


@dataclass(frozen=True)
class Rates:
    """Per unit of diffusion time, for f = F x: arrays over points, times, whatever.

    Attributes:
        norm, trace, position, square: E|s|^2, E[div s], E[x.s], E|x|^2.
        drift: F.
        dim: d.
    """

    norm: Any
    trace: Any
    position: Any
    square: Any
    drift: float
    dim: int

    def mended(self, a: Any, b: Any) -> Rates:
        """Those of a s + b x."""
        return Rates(
            a * a * self.norm + 2.0 * a * b * self.position + b * b * self.square,
            a * self.trace + b * self.dim, a * self.position + b * self.square, self.square,
            self.drift, self.dim,
        )  # fmt: skip

    @property
    def intrinsic(self) -> Any:
        """Si, plug-in."""
        return self.norm - 2.0 * self.drift * self.position + self.drift**2 * self.square

    @property
    def exchange(self) -> Any:
        """Se, plug-in."""
        f = self.drift
        return -f * self.dim + 2.0 * self.trace - f * f * self.square + 2.0 * f * self.position

    @property
    def flux(self) -> Any:
        """phi, what the law adds to the -2 : 1."""
        return self.drift**2 * self.square + self.drift * self.dim

    @property
    def residual(self) -> Any:
        """Se + 2 Si - phi."""
        return self.exchange + 2.0 * self.intrinsic - self.flux

    @property
    def heat(self) -> Any:
        """Q/kT of a source in series with the noisy resistor, on p_t."""
        f = self.drift
        b_square = f * f * self.square - 4.0 * f * self.position + 4.0 * self.norm
        return b_square - f * self.dim + 2.0 * self.trace

    def production(self, fisher: Any) -> Any:
        """Pi of that source, on p_t with E|s*|^2 = fisher: |b - s*|^2 by Stein."""
        f = self.drift
        system = -f * self.dim + 2.0 * self.trace + fisher
        return self.heat + system


class Mirrored:
    """Held-out points and noise z, then the same points and -z, and so on.

    What is odd in z, most of the noise of s_cond, cancels over an even number of draws.
    """

    def __init__(self, process: Process, points: Tensor, generator: torch.Generator) -> None:
        self._base, self._last = SampleEnsemble(process, points, generator), None

    def draw(self, t: float) -> Draw:
        """Points of p_t."""
        if self._last is None:
            self._last = self._base.draw(t)
            return self._last
        first, self._last = self._last, None
        assert first.centre is not None
        mirrored = 2.0 * first.centre - first.x
        return first._replace(x=mirrored, conditional=-first.conditional)


class Instant:
    """Everything about p_t that a process, a target and held-out points fix, at given times.

    Args:
        process: the forward process.
        target: the data.
        ensemble: where expectations come from.
        repeats: draws at each time; even for paired ones.
    """

    def __init__(
        self, process: Process, target: Target, ensemble: GridEnsemble | Mirrored, *,
        repeats: int = 1,
    ) -> None:  # fmt: skip
        self.timeline = Timeline.of(process, target.narrowest if target.analytic else 0.0)
        self.reference = Reference(self.timeline, target.covariance, target.mean)
        self.ensemble, self.repeats = ensemble, repeats

    @torch.no_grad()
    def rates(self, score: Score, t: float) -> tuple[Rates, dict[str, np.ndarray]]:
        """Rates and further forms per point, shape (points,), or (1,) for a quadrature."""
        process, floor = self.timeline.process, self.timeline.floor
        moment = self.timeline.at(math.log(process.diffusion_time(t) + floor))
        truth = getattr(self.ensemble, "exact", None)
        sums: dict[str, Tensor] = {}
        for _ in range(self.repeats):
            draw = self.ensemble.draw(t)
            new = moment_values(
                score, draw, moment, truth=truth, trace=ExactTrace(), reference=self.reference
            )
            sums = {name: value + sums.get(name, 0.0) for name, value in new.items()}
        forms = {name: (value / self.repeats).numpy() for name, value in sums.items()}
        drift = float(moment.drift) if isinstance(moment.drift, float) else math.nan
        position = forms["drift_score"] / drift if drift else np.zeros_like(forms["norm"])
        rates = Rates(
            forms["norm"], forms["trace"], position, forms["second_moment"], drift, score.dim
        )
        return rates, forms


def mend(rates: Rates, cross: np.ndarray, *, both: bool) -> tuple[np.ndarray, np.ndarray]:
    """The calibration (a, b) from noised points, and the influence of each point on it.

    Args:
        rates: per point.
        cross: E[s_cond.s] per point.
        both: project on s and x; else on s alone, b = 0.

    Returns:
        (a, b), and the influences (2, points): their mean square over n is the squared error.
    """
    n, xs, xx = (np.mean(v) for v in (rates.norm, rates.position, rates.square))
    if not both:
        a = float(np.mean(cross) / n)
        influence = (cross - a * rates.norm) / n
        return np.array([a, 0.0]), np.stack([influence, np.zeros_like(influence)])
    matrix = np.array([[n, xs], [xs, xx]])
    a, b = np.linalg.solve(matrix, np.array([float(np.mean(cross)), -float(rates.dim)]))
    scale = cross - a * rates.norm - b * rates.position
    place = -rates.dim - a * rates.position - b * rates.square
    return np.array([a, b]), np.linalg.solve(matrix, np.stack([scale, place]))


def slopes(rates: Rates, a: float, b: float) -> np.ndarray:
    """d residual/d(a, b) of the mean rates of a s + b x."""
    forms = (rates.norm, rates.trace, rates.position, rates.square)
    (n, tr, xs, xx), f = (float(np.mean(form)) for form in forms), rates.drift
    scale = 2.0 * (2.0 * a * n + 2.0 * b * xs + tr) - 2.0 * f * xs
    return np.array([scale, 2.0 * (2.0 * a * xs + 2.0 * b * xx + rates.dim) - 2.0 * f * xx])


class Account:
    """The law's residual along a run, with errors of the test's points and of the calibration's."""

    def __init__(self) -> None:
        self.rows: list[tuple[float, float, float]] = []  # residual, its error, ratio
        self.test: Any = 0.0
        self.fitted: Any = 0.0

    def add(
        self, rates: Rates, weight: float, pair: tuple[float, float] = (1.0, 0.0),
        influence: np.ndarray | None = None,
    ) -> None:  # fmt: skip
        """One time, of weight int dsigma; `influence` of the points that (a, b) was fitted to."""
        mended = rates.mended(*pair)
        fitted = np.zeros(2) if influence is None else slopes(rates, *pair) @ influence
        self.test = self.test + weight * mended.residual
        self.fitted = self.fitted + weight * fitted
        intrinsic, norm = float(np.mean(mended.intrinsic)), float(np.mean(mended.norm))
        # at the far end of a drift both rates vanish and their ratio is round-off
        known = intrinsic > FAINT * norm
        ratio = float(np.mean(mended.exchange)) / intrinsic if known else math.nan
        self.rows.append((*_mean(mended.residual, fitted), ratio))

    def columns(self, name: str) -> Row:
        """Arrays over the times, and the integral."""
        names = ("residual", "residual_error", "ratio", "total", "total_error")
        values = (*np.array(self.rows).T, *_mean(self.test, self.fitted))
        return {f"{name}.{part}": value for part, value in zip(names, values, strict=True)}


def _mean(test: np.ndarray, fitted: np.ndarray) -> tuple[float, float]:
    """Mean over the test's points, and the error that both sets of points leave."""
    parts = [v.std(ddof=1) / math.sqrt(v.size) if v.size > 2 else 0.0 for v in (test, fitted)]
    return float(np.mean(test)), math.hypot(*parts)
