r"""Critical exponents, measured on the fixed points of whatever has a symmetric transition.

The distance from the transition is counted on the noise-to-signal ratio v/a^2 (noise over squared
decay; under a variance-exploding process the variance itself),

    eps = 1 - (v/a^2)/(v/a^2)_c,    so that    beta/beta_c - 1 = eps/(1 - eps)

m is the displacement of the fixed point from the symmetric one in units of the data, along the
unstable direction e, and h a probe in the equation of state, m = <y> at m + h: a constant a h/v
added to the score.

    m ~ eps^beta                at h = 0, below               (1/2)
    dm/dh ~ |eps|^-gamma        at h = 0, above and below     (1, amplitudes above : below = 2)
    h ~ m^delta                 at eps = 0                    (3)

in brackets what a smooth odd equation of state gives (mean field, Landau). Exponents are slopes of
logarithms on a stated window, and the window matters: on eps in [1e-3, 1e-1] two deltas give .493.
The interval of a slope is Student's of the fit at 95 %, widened by the difference of the slopes of
the upper and the lower half of the window, which is what the next order of the law does to it.
Limits at eps -> 0 are a parabola's, with the straight line's difference for an error.

What is asked for must be there: no transition gives no exponents but the reason; data without
reflection symmetry about the fixed point, transitions that jump and windows with too few points
are refused.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from thermohw.errors import InputError
from thermohw.process import Process
from thermohw.transitions.drift import FrozenDrift, source_of
from thermohw.transitions.ensemble import signal
from thermohw.transitions.fixed_points import CriticalTime, FixedPoint, critical_time, ordered

__all__ = ["FEWEST_POINTS", "Exponents", "CriticalRatio", "PowerLaw", "exponents", "power_law"]

FEWEST_POINTS = 6
"""Points below which no slope with an interval is fitted."""
_LEVEL = 0.975  # two-sided 95 %
_ASYMMETRY = 1e-8  # of the terms that cancel
_JUMP = 0.1  # an order parameter that grows more slowly than eps to this power has jumped


@dataclass(frozen=True)
class PowerLaw:
    """y = amplitude * x^exponent on a window.

    Attributes:
        exponent: slope of ln y over ln x.
        stderr: its standard error from the scatter about the line.
        bend: slope of the upper half of the window less that of the lower half.
        interval: 95 % interval, Student's of the fit widened by the bend.
        amplitude: at x = 1, of the fit.
        window: (smallest, largest) x.
        count: points.
    """

    exponent: float
    stderr: float
    bend: float
    interval: tuple[float, float]
    amplitude: float
    window: tuple[float, float]
    count: int


@dataclass(frozen=True)
class CriticalRatio:
    """A ratio extrapolated to eps -> 0.

    Attributes:
        value: constant of the parabola through the points.
        error: standard error of the fit, and the difference from a straight line's constant.
        mean: average over the window, not extrapolated.
        window: (smallest, largest) distance.
    """

    value: float
    error: float
    mean: float
    window: tuple[float, float]


@dataclass(frozen=True, eq=False)
class Exponents:
    """Exponents and amplitudes of one transition; all None where `critical.time` is.

    Attributes:
        critical: the transition, its definition and criterion, or why there is none.
        beta: of the order parameter over eps, exponent 1/2 in mean field.
        gamma_above: minus the exponent of the response on the noise side is gamma.
        gamma_below: the same on the data side.
        delta: h over m.
        ratio: response above over response below at equal |eps|; a `CriticalRatio`.
        squared_amplitude: m^2/(beta/beta_c - 1); a `CriticalRatio`.
    """

    critical: CriticalTime
    beta: PowerLaw | None = None
    gamma_above: PowerLaw | None = None
    gamma_below: PowerLaw | None = None
    delta: PowerLaw | None = None
    ratio: CriticalRatio | None = None
    squared_amplitude: CriticalRatio | None = None


def power_law(x: Any, y: Any) -> PowerLaw:
    """Fit y ~ x^p by a line through the logarithms.

    Args:
        x: shape (n,), positive, at least a factor of 3 from end to end.
        y: shape (n,), positive.

    Raises:
        InputError: fewer than `FEWEST_POINTS` points, a window too narrow, numbers not positive.
    """
    from scipy.special import stdtrit

    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if x.ndim != 1 or x.shape != y.shape or len(x) < FEWEST_POINTS:
        problem = f"a slope takes {FEWEST_POINTS} points at least, got {x.shape} and {y.shape}"
        raise InputError(problem, where="transitions.fit")
    if not (np.isfinite(x).all() and np.isfinite(y).all() and min(x.min(), y.min()) > 0.0):
        raise InputError("logarithms need positive finite numbers", where="transitions.fit")
    order = np.argsort(x)
    u, w = np.log(x[order]), np.log(y[order])
    if u[-1] - u[0] < math.log(3.0):
        problem = f"a slope takes a window of a factor 3 at least, got {math.exp(u[-1] - u[0]):.3g}"
        raise InputError(problem, where="transitions.fit")

    def line(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
        centred = a - a.mean()
        slope = float(centred @ b / (centred @ centred))
        return slope, float(b.mean() - slope * a.mean())

    slope, offset = line(u, w)
    left = w - offset - slope * u
    error = math.sqrt(float(left @ left) / (len(u) - 2) / float(np.square(u - u.mean()).sum()))
    half = (len(u) + 1) // 2
    bend = line(u[-half:], w[-half:])[0] - line(u[:half], w[:half])[0]
    reach = float(stdtrit(len(u) - 2, _LEVEL)) * error + abs(bend)
    return PowerLaw(slope, error, bend, (slope - reach, slope + reach), math.exp(offset),
                    (float(x[order[0]]), float(x[order[-1]])), len(u))  # fmt: skip


def exponents(
    data: Any,
    *,
    process: Process | None = None,
    definition: str = "score",
    eps: tuple[float, float] = (1e-5, 1e-3),
    field: tuple[float, float] = (1e-7, 1e-5),
    points: int = 13,
    **options: Any,
) -> Exponents:
    """Exponents beta, gamma, delta, amplitude ratio and amplitude of a symmetric transition.

    Args:
        data: noiseless data, a score, or a source of `source_of`.
        process: of noiseless data.
        definition: "score", "sde" or "flow".
        eps: window of the distance from the transition, 0 < smallest < largest < 1.
        field: window of h, in units of the square root of the critical v/a^2.
        points: of each window, evenly spaced in the logarithm.
        options: window, centre, points along the branch... of `critical_time`.

    Raises:
        InputError: data without reflection symmetry about the fixed point, a transition that jumps,
            fewer than `FEWEST_POINTS` points or points that double precision does not resolve.
    """
    _require_window(eps, "eps", 1.0)
    _require_window(field, "field", math.inf)
    if points < FEWEST_POINTS:
        problem = f"a slope takes {FEWEST_POINTS} points at least, got {points}"
        raise InputError(problem, where="transitions.points")
    source = source_of(data, process)
    critical = critical_time(source, definition, **options)
    if critical.point is None:
        return Exponents(critical)
    probe = _Probe(FrozenDrift(source, definition), critical.point)
    probe.require_reflection()
    wanted = np.geomspace(eps[0], eps[1], points)
    below = [probe.state(probe.time(e)) for e in wanted]
    away = np.array([probe.eps(p.t) for p in below])  # as the times were rounded
    m = np.array([probe.moment(p) for p in below])
    if m[0] > m[-1] * (eps[0] / eps[1]) ** _JUMP:
        problem = (
            f"the order parameter jumps at the critical time {critical.time:.6g}: it is {m[0]:.3g}"
            f" at eps {eps[0]:g} and {m[-1]:.3g} at {eps[1]:g}; the transition is not continuous"
        )
        raise InputError(problem, where="transitions.exponents")
    above = [probe.centre_at(probe.time(-e)) for e in wanted]
    far = np.array([-probe.eps(p.t) for p in above])
    chi_above = np.array([probe.response(p) for p in above])
    chi_below = np.array([probe.response(p) for p in below])
    h = np.geomspace(field[0], field[1], points) * math.sqrt(probe.critical_ratio)
    at_h = np.array([probe.moment(probe.state(critical.point.t, f), f) for f in h])
    return Exponents(
        critical,
        beta=power_law(away, m),
        gamma_above=power_law(far, chi_above),
        gamma_below=power_law(away, chi_below),
        delta=power_law(at_h, h),
        ratio=_limit(wanted, chi_above * far / (chi_below * away)),
        squared_amplitude=_limit(away, m**2 / (away / (1.0 - away))),
    )


class _Probe:
    """States near one critical point, in the variables of the equation of state."""

    def __init__(self, drift: FrozenDrift, point: FixedPoint) -> None:
        self.drift, self.point, self.process = drift, point, drift.source.process
        self.critical_ratio = self._ratio(point.t)

    def _ratio(self, t: float) -> float:
        decay, noise = signal(self.process, t)
        return noise / decay**2

    def time(self, eps: float) -> float:
        """Noise time at a distance eps; negative on the noise side."""
        t = self.process.time_at_log_snr(-math.log(self.critical_ratio * (1.0 - eps)))
        if not 0.0 < t <= self.process.duration:
            problem = f"eps {eps:g} lies beyond the end of the process; choose a smaller window"
            raise InputError(problem, where="transitions.eps")
        return t

    def eps(self, t: float) -> float:
        """Distance at a noise time."""
        return 1.0 - self._ratio(t) / self.critical_ratio

    def centre_at(self, t: float) -> FixedPoint:
        """The symmetric point at another time: it keeps its place in units of the data, or nearly
        so, and Newton's method finds it."""
        from thermohw.transitions.fixed_points import newton

        decay, here = signal(self.process, t)[0], signal(self.process, self.point.t)[0]
        found = newton(self.drift, t, self.point.x * (decay / here))
        return self._known(found, t)

    def state(self, t: float, h: float = 0.0) -> FixedPoint:
        """The ordered fixed point under a probe h."""
        decay, noise = signal(self.process, t)
        centre = self.point.x if t == self.point.t else self.centre_at(t).x
        found = ordered(self.drift, t, centre, self.point.direction, force=decay * h / noise)
        return self._known(found, t)

    def moment(self, point: FixedPoint, h: float = 0.0) -> float:
        """m of a fixed point: its displacement along e in units of the data, less the probe."""
        decay = signal(self.process, point.t)[0]
        centre = self.point.x if point.t == self.point.t else self.centre_at(point.t).x
        return float(self.point.direction @ (point.x - centre)) / decay - h

    def response(self, point: FixedPoint) -> float:
        """dm/dh along e: -c_1 (e J^-1 e)/v - 1."""
        noise = signal(self.process, point.t)[1]
        jacobian = self.drift.jacobian(point.x, point.t)
        solved = np.linalg.lstsq(jacobian, self.point.direction, rcond=1e-10)[0]
        factor = self.drift.coefficients(point.t)[1]
        return -factor * float(self.point.direction @ solved) / noise - 1.0

    def require_reflection(self) -> None:
        """The drift at the two sides of the centre adds up to nothing."""
        t, centre, unit = self.point.t, self.point.x, self.point.direction
        for share in (0.1, 0.5, 1.0, 2.0):
            r = share * math.sqrt(signal(self.process, t)[1]) * unit
            sum_ = self.drift.value(centre + r, t) + self.drift.value(centre - r, t)
            size = float(np.linalg.norm(sum_)) / self.drift.scale(centre + r, t)
            if size > _ASYMMETRY:
                problem = (
                    "exponents are those of a drift that is odd about its fixed point; here the"
                    f" two sides differ by {size:.2g} of it, the data lack that symmetry"
                )
                raise InputError(problem, where="transitions.exponents")

    def _known(self, found: FixedPoint | None, t: float) -> FixedPoint:
        if found is None:
            problem = f"no fixed point was resolved at noise time {t:.9g}; choose a wider window"
            raise InputError(problem, where="transitions.exponents")
        return found


def _limit(x: np.ndarray, y: np.ndarray) -> CriticalRatio:
    """y at x -> 0 by a parabola, and what a straight line says otherwise."""
    table = np.vander(x / x.max(), 3, increasing=True)
    inverse = np.linalg.pinv(table)
    fit = inverse @ y
    scatter = float(np.square(y - table @ fit).sum()) / (len(x) - 3)
    straight = np.linalg.lstsq(table[:, :2], y, rcond=None)[0]
    error = math.sqrt(scatter * float(inverse[0] @ inverse[0])) + abs(float(fit[0] - straight[0]))
    return CriticalRatio(float(fit[0]), error, float(y.mean()), (float(x.min()), float(x.max())))


def _require_window(window: tuple[float, float], name: str, most: float) -> None:
    if not 0.0 < window[0] < window[1] < most:
        problem = f"expected 0 < smallest < largest < {most:g}, got {window!r}"
        raise InputError(problem, where=f"transitions.{name}")
