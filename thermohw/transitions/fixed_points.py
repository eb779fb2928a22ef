r"""Fixed points of a drift frozen at one noise time, followed over noise time.

    0 = c_0 x + c_1 s(x, t) (+ c_1 f, a probe),      lambda = eigenvalues of c_0 + c_1 ds/dx

Stable where every lambda is negative; a data set with a continuous symmetry has marginal directions
(lambda = 0) along the manifold on its ordered branch. Newton's steps are least-norm ones, so that
they do not run along such a manifold, and end where rounding lets the residual shrink no more.

Critical time: a fixed point that is stable on the noise side is followed towards the data (natural
continuation: the last two points predict the next) until its largest eigenvalue crosses zero, and
the crossing is found by Brent's method on the continued point. There the branch loses stability to
ordered ones along the eigenvector (symmetry breaking). Where the eigenvalue does not cross, there
is no critical time, and the answer is None with the reason in words. A branch that stays stable
also tells that the data have no exact symmetry: one of the modes takes the symmetric point over.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from thermohw.errors import InputError
from thermohw.process import Process
from thermohw.transitions.drift import CRITERIA, FrozenDrift, source_of
from thermohw.transitions.ensemble import numbers, signal

__all__ = [
    "CriticalTime",
    "FixedPoint",
    "critical_time",
    "critical_times",
    "follow",
    "newton",
    "ordered",
]

_CONVERGED = 1e-10  # residual over the terms that cancel
_ROUNDING = 1e-12  # of an eigenvalue over the scale of its terms
_FLAT = 1e-10  # singular values over the largest: directions of a symmetry
_NEAR = 1e-3  # of the step between two points of a branch: where a crossing is looked at again
_STEPS = 80


@dataclass(frozen=True, eq=False)
class FixedPoint:
    """A fixed point at one noise time.

    Attributes:
        t: noise time.
        x: the state, model units, shape (d,).
        eigenvalues: real parts, descending, shape (d,), 1/model time (of the score: 1/variance).
        direction: unit vector of the largest, shape (d,), of the symmetric part of the Jacobian.
        scale: size that eigenvalues are small against where they vanish.
    """

    t: float
    x: np.ndarray
    eigenvalues: np.ndarray
    direction: np.ndarray
    scale: float

    @property
    def stable(self) -> bool:
        """No eigenvalue is positive beyond rounding (marginal directions are not unstable)."""
        return bool(self.eigenvalues[0] <= _ROUNDING * self.scale)

    @property
    def marginal(self) -> int:
        """How many eigenvalues are zero to rounding: dimensions of a manifold of fixed points."""
        return int((np.abs(self.eigenvalues) <= _ROUNDING * self.scale).sum())


@dataclass(frozen=True, eq=False)
class CriticalTime:
    """When a symmetric point loses its stability, by one definition.

    Attributes:
        definition: "score", "sde" or "flow".
        criterion: what vanishes at a fixed point, in words.
        time: critical noise time, or None where there is none in the window.
        reason: why there is none; where there is one, what happens.
        window: (earliest, latest) noise times that were searched.
        point: the fixed point at the critical time, or None.
    """

    definition: str
    criterion: str
    time: float | None
    reason: str
    window: tuple[float, float]
    point: FixedPoint | None = None


def newton(
    drift: FrozenDrift, t: float, start: np.ndarray, *, force: np.ndarray | float = 0.0
) -> FixedPoint | None:
    """The fixed point that Newton's method finds from a start, or None where it finds none.

    Args:
        drift: of one definition.
        t: noise time, in (0, duration].
        start: shape (d,), model units.
        force: added to the score, shape (d,).
    """
    x = np.array(start, dtype=np.float64)
    value = drift.value(x, t, force)
    size = float(np.linalg.norm(value))
    jacobian = drift.jacobian(x, t)
    for _ in range(_STEPS):
        if size == 0.0 or not np.isfinite(jacobian).all():
            break
        step = -np.linalg.lstsq(jacobian, value, rcond=_FLAT)[0]
        share = 1.0
        least = (
            0.5 if size <= _CONVERGED * drift.scale(x, t) else 1e-4
        )  # near the floor of rounding
        while share >= least:
            trial = x + share * step
            found = drift.value(trial, t, force)
            length = float(np.linalg.norm(found))
            if length < (1.0 - 0.25 * share) * size:
                break
            share *= 0.5
        else:
            break
        x, value, size = trial, found, length
        jacobian = drift.jacobian(x, t)
    if not size <= _CONVERGED * drift.scale(x, t):
        return None
    return _described(drift, t, x, jacobian)


def _described(drift: FrozenDrift, t: float, x: np.ndarray, jacobian: np.ndarray) -> FixedPoint:
    symmetric = 0.5 * (jacobian + jacobian.T)
    values, vectors = np.linalg.eigh(symmetric)
    values = values[::-1]
    if np.abs(jacobian - jacobian.T).max() > 1e-9 * max(np.abs(jacobian).max(), 1e-300):
        values = np.sort(np.linalg.eigvals(jacobian).real)[::-1]  # a learned score may rotate
    linear, factor = drift.coefficients(t)
    scale = abs(linear) + factor / signal(drift.source.process, t)[1]
    return FixedPoint(t, x, values, vectors[:, -1], scale)


def follow(drift: FrozenDrift, times: Any, start: Any) -> list[FixedPoint]:
    """A fixed point followed over noise times; the list ends early where the branch does.

    Args:
        drift: of one definition.
        times: noise times in the order in which to follow.
        start: near the fixed point at the first of them, shape (d,), model units.
    """
    branch: list[FixedPoint] = []
    guess = numbers(start, "transitions.start")
    for t in np.asarray(times, dtype=np.float64):
        if len(branch) > 1:
            last, before = branch[-1], branch[-2]
            ahead = (t - last.t) / (last.t - before.t)
            guess = last.x + ahead * (last.x - before.x)
        found = newton(drift, float(t), guess)
        if found is None and branch:
            found = newton(drift, float(t), branch[-1].x)
        if found is None:
            break
        branch.append(found)
        guess = found.x
    return branch


def critical_time(
    data: Any,
    definition: str,
    *,
    process: Process | None = None,
    window: tuple[float, float] | None = None,
    centre: Any = None,
    points: int = 129,
) -> CriticalTime:
    """The noise time at which the symmetric point loses its stability, by one definition.

    Under OU and VP the drifts of "sde" and "flow" are symmetric about 0 alone: centre the data.

    Args:
        data: noiseless data, a score, or a source of `source_of`.
        definition: "score", "sde" or "flow".
        process: of noiseless data.
        window: (earliest, latest) noise times to search. Default: t_min or duration/10^4, duration.
        centre: shape (d,) or a number, model units: the symmetric point, which must be a fixed
            point at every time searched. Default: the fixed point found from the mean of the data.
        points: noise times on the way, evenly spaced in log(decay^2/noise).

    Raises:
        InputError: another definition or window, or a centre that is no fixed point.
    """
    drift = FrozenDrift(source_of(data, process), definition)
    low, high = _window(drift.source.process, window)
    if not 3 <= points <= 10**6:
        raise InputError(f"expected 3 to 10^6, got {points!r}", where="transitions.points")

    def none(reason: str) -> CriticalTime:
        return CriticalTime(definition, drift.criterion, None, reason, (low, high))

    times = _times(drift.source.process, low, high, points)
    start = drift.source.process.transition(high)[0] * drift.source.guess()
    if centre is not None:
        start = np.broadcast_to(numbers(centre, "transitions.centre"), (drift.dim,))
        _require_fixed(drift, start, (high, 0.5 * (low + high), low))
    branch = follow(drift, times, start)
    among = f"at noise times from {low:.6g} to {high:.6g}"
    if not branch:
        return none(f"no {drift.criterion} was found at the noise end, {high:.6g}")
    largest = np.array([p.eigenvalues[0] / p.scale for p in branch])
    if largest[0] >= -_ROUNDING:
        if np.all(np.abs(largest) <= _ROUNDING):
            return none(f"none: {drift.criterion} is marginal, its drift vanishes {among}")
        crossed = np.flatnonzero(largest < -_ROUNDING)
        if len(crossed):
            stable = f"stable again at {branch[crossed[0]].t:.6g}"
            return none(f"none: {drift.criterion} is unstable at the noise end and {stable}")
        return none(f"none: {drift.criterion} stays unstable {among}")
    unstable = np.flatnonzero(largest > _ROUNDING)
    if not len(unstable):
        if len(branch) < points:
            ends = f"ends at {branch[-1].t:.6g} while it is stable; the data have no symmetry"
            return none(f"none: the branch of the {drift.criterion} {ends}")
        least = f"its largest eigenvalue stays below {largest.max():.3g} of the largest term"
        return none(f"none: {drift.criterion} stays stable {among}; {least}")
    after = int(unstable[0])
    before = int(np.flatnonzero(largest[:after] < -_ROUNDING)[-1])
    point = _crossing(drift, branch[before], branch[after])
    if point is None:
        at = f"between {branch[after].t:.6g} and {branch[before].t:.6g}"
        left = f"leaves for another state {at}; the data have no symmetry about it"
        return none(f"none: the branch of the {drift.criterion} {left}")
    reason = f"the largest eigenvalue at the {drift.criterion} crosses zero"
    return CriticalTime(definition, drift.criterion, point.t, reason, (low, high), point)


def critical_times(data: Any, *, process: Process | None = None, **options: Any) -> dict[
    str, CriticalTime
]:  # fmt: skip
    """All three definitions, by name; arguments as of `critical_time`."""
    source = source_of(data, process)
    return {name: critical_time(source, name, **options) for name in CRITERIA}


def ordered(
    drift: FrozenDrift,
    t: float,
    centre: np.ndarray,
    direction: np.ndarray,
    *,
    force: float = 0.0,
) -> FixedPoint | None:
    """The nearest fixed point that a state displaced from the centre falls to, or None.

    The drift along the line centre + r direction is bracketed where it turns from outward to
    inward; from its root Newton's method goes on in all coordinates.

    Args:
        drift: of one definition.
        t: noise time.
        centre: shape (d,), model units.
        direction: unit vector, shape (d,).
        force: added to the score along the direction.
    """
    from scipy.optimize import brentq

    push = force * direction

    def outward(r: float) -> float:
        return float(direction @ drift.value(centre + r * direction, t, push))

    decay, noise = signal(drift.source.process, t)
    unit = math.sqrt(noise)
    grid = unit * np.geomspace(1e-5, 1e3, 65)
    low = None
    for r in grid:
        if outward(r) > 0.0:
            low = float(r)
        elif low is not None:
            found_at: Any = brentq(outward, low, float(r), xtol=1e-15 * unit)
            root = float(found_at)
            found = newton(drift, t, centre + root * direction, force=push)
            # on its way to the root Newton must not have fallen back to the centre
            return found if found and np.linalg.norm(found.x - centre) > 0.1 * root else None
    return None


def _window(process: Process, window: tuple[float, float] | None) -> tuple[float, float]:
    low, high = (
        (max(process.t_min, 1e-4 * process.duration), process.duration)
        if window is None
        else (float(window[0]), float(window[1]))
    )
    if not 0.0 < low < high <= process.duration:
        problem = f"expected 0 < earliest < latest <= {process.duration:g}, got {low:g}, {high:g}"
        raise InputError(problem, where="transitions.window")
    return low, high


def _times(process: Process, low: float, high: float, points: int) -> np.ndarray:
    """Noise times from high to low, evenly spaced in the log signal-to-noise ratio."""
    snr = np.linspace(process.log_snr(high), process.log_snr(low), points)[1:-1]
    return np.array([high, *(process.time_at_log_snr(float(s)) for s in snr), low])


def _require_fixed(drift: FrozenDrift, centre: np.ndarray, times: tuple[float, ...]) -> None:
    for t in times:
        value = float(np.linalg.norm(drift.value(centre, t)))
        if value > 1e-6 * drift.scale(centre, t):
            problem = (
                f"is no {drift.criterion}: it is {value:.3g} there at noise time {t:.6g};"
                " the data have no symmetry about it"
            )
            raise InputError(problem, where="transitions.centre")


def _crossing(drift: FrozenDrift, before: FixedPoint, after: FixedPoint) -> FixedPoint | None:
    """The point between two of a branch whose largest eigenvalue is zero."""
    from scipy.optimize import brentq

    class _Lost(Exception):
        pass

    def continued(t: float) -> FixedPoint:
        ahead = (t - before.t) / (after.t - before.t)
        found = newton(drift, t, before.x + ahead * (after.x - before.x))
        if found is None:
            raise _Lost
        return found

    def largest(t: float) -> float:
        return float(continued(t).eigenvalues[0])

    try:
        t: Any = brentq(largest, after.t, before.t, xtol=1e-15, rtol=1e-15)  # type: ignore[arg-type]
        point = continued(float(t))
        # Where a branch ends in a fold, Newton's method leaps to another one, and the eigenvalue
        # changes sign in the leap. Through a crossing both go on smoothly.
        near = _NEAR * (before.t - after.t)
        early, late = continued(point.t - near), continued(point.t + near)
    except _Lost:
        return None
    bent = float(np.linalg.norm(early.x - 2.0 * point.x + late.x))
    through = -early.eigenvalues[0] / late.eigenvalues[0] if late.eigenvalues[0] else math.nan
    smooth = bent <= _NEAR * math.sqrt(signal(drift.source.process, point.t)[1])
    return point if smooth and 0.5 < through < 2.0 else None
