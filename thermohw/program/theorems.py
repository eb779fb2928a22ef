r"""Fluctuation theorems of a program: what the spread of the books must obey.

For a circuit that starts in equilibrium at (H_0, beta_0) and is led to (H_1, beta_1), whatever the
speed and wherever it ends,

    A = int d_t(beta H)(z_t) dt = int beta d_t H dt + int H d_t beta dt
    Jarzynski      < exp(-A) > = Z_1 / Z_0
    Crooks         P_F(A) / P_B(-A) = exp(A) Z_1/Z_0        B: the program backwards, from Z_1
    second law     < A > >= -ln Z_1/Z_0

(C. Jarzynski, Phys. Rev. Lett. 78, 2690 (1997); G. Crooks, Phys. Rev. E 60, 2721 (1999); with a
temperature that changes the exponent is A and no longer the work over one temperature.) The naive
average < exp(-W / T_0) > of the work alone misses int H d_t beta: while T(t) moves it depends on
the speed and equals no ratio of partition functions.

Averages of exponentials are carried by rare paths: `trusted` says whether enough of them were seen
(`thermohw.exponential`).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log
from typing import TYPE_CHECKING

import numpy as np

from thermohw.errors import InputError
from thermohw.estimate import Estimate
from thermohw.exponential import ExponentialMean

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.program.books import Driven
    from thermohw.program.schedule import Program

__all__ = ["Crooks", "Jarzynski", "crooks", "jarzynski"]


@dataclass(frozen=True)
class Jarzynski:
    """An exponential average held against the ratio of partition functions.

    Attributes:
        average: <exp(-A)>.
        stderr: its standard error.
        expected: Z_1/Z_0.
        z: of the average against `expected`, as a normal deviate.
        effective: number of paths that carry the average.
        trusted: enough of them, and no tail of weights too heavy for an error bar.
        naive: <exp(-W/T_0)> of the work alone.
        naive_stderr: its standard error.
        naive_z: of the naive average likewise; large where T moves.
        dissipated: <A> + ln Z_1/Z_0, nats, not negative.
        dissipated_stderr: its standard error.
    """

    average: float
    stderr: float
    expected: float
    z: float
    effective: float
    trusted: bool
    naive: float
    naive_stderr: float
    naive_z: float
    dissipated: float
    dissipated_stderr: float

    def __str__(self) -> str:
        few = "" if self.trusted else "; too few to mean anything"
        return (
            f"<exp(-A)> = {self.average:.6g} +- {self.stderr:.2g}, Z1/Z0 = {self.expected:.6g} "
            f"(z {self.z:+.2f}, {self.effective:.3g} effective paths{few})\n"
            f"<exp(-W/T0)> = {self.naive:.6g} +- {self.naive_stderr:.2g} (z {self.naive_z:+.1f})\n"
            f"<A> + ln Z1/Z0 = {self.dissipated:.4g} +- {self.dissipated_stderr:.2g} nats"
        )


@dataclass(frozen=True)
class Crooks:
    """Forward and backward distributions held against each other.

    Attributes:
        centres: A at the middle of every bin that both runs reach, nats.
        log_ratio: ln P_F(A)/P_B(-A) there, for a figure.
        log_ratio_stderr: its standard error.
        slope: d ln(P_F/P_B)/dA, most likely value without bins; 1 by the theorem.
        slope_stderr: its standard error.
        log_partition_change: ln Z_1/Z_0 at slope 1, Bennett's acceptance ratio.
        log_partition_change_stderr: its standard error.
        expected: ln Z_1/Z_0; None where unknown.
    """

    centres: NDArray[np.float64]
    log_ratio: NDArray[np.float64]
    log_ratio_stderr: NDArray[np.float64]
    slope: float
    slope_stderr: float
    log_partition_change: float
    log_partition_change_stderr: float
    expected: float | None

    def __str__(self) -> str:
        known = "" if self.expected is None else f", exact {self.expected:.5g}"
        return (
            f"ln P_F(A)/P_B(-A): slope {self.slope:.4f} +- {self.slope_stderr:.2g} (1 expected), "
            f"ln Z1/Z0 = {self.log_partition_change:.5g} +- "
            f"{self.log_partition_change_stderr:.2g}{known}"
        )


def jarzynski(run: Driven) -> Jarzynski:
    """The generalised Jarzynski equality on the paths of a run.

    Args:
        run: started from equilibrium, all baths at one temperature that may change in time.

    Raises:
        InputError: a run without that start, without one temperature, or without a known
            equilibrium at its last parameters.
    """
    exponent = _exponent(run)
    if run.paths < 2:
        raise InputError("one path has no average; give more paths", where="jarzynski")
    if run.log_partition_change is None:
        raise InputError("Z at the last parameters is not known: more than two coupled quartic "
                         "units", where="jarzynski")  # fmt: skip
    expected = exp(run.log_partition_change)
    carried = ExponentialMean.of(exponent)
    average = carried.average
    first = run.ends[0].temperature
    assert first is not None
    naive = ExponentialMean.of(run.kt(run.work.sum(1)) / first).average
    dissipated = Estimate.from_paths(exponent)
    return Jarzynski(
        average=average.value,
        stderr=average.stderr,
        expected=expected,
        z=_score(average, expected),
        effective=carried.effective,
        trusted=carried.trusted,
        naive=naive.value,
        naive_stderr=naive.stderr,
        naive_z=_score(naive, expected),
        dissipated=dissipated.value + run.log_partition_change,
        dissipated_stderr=dissipated.stderr,
    )


def crooks(forward: Driven, backward: Driven, *, bins: int = 24, least: int = 20) -> Crooks:
    """How ln P_F(A)/P_B(-A) depends on A.

    Slope and ratio are fitted to the paths themselves: which run a path comes from, given its A,
    is a logistic law in slope * A + ln Z_1/Z_0, and at slope 1 its most likely ratio is Bennett's
    (C. Bennett, J. Comput. Phys. 22, 245 (1976)). The histogram is for a figure.

    Args:
        forward: a run from equilibrium.
        backward: a run of `program.reversed()` from equilibrium.
        bins: of the histogram, over the range that both reach.
        least: counts a bin needs in either run; fewer make the logarithm's error lie.

    Raises:
        InputError: runs without A, programs that are not each other's reverse, distributions that
            hardly overlap.
    """
    a, b = _exponent(forward), -_exponent(backward)
    there, back = forward.program, backward.program
    assert there is not None and back is not None
    if forward.device is not backward.device and forward.device.name != backward.device.name:
        raise InputError("the two runs are of different devices", where="crooks")
    if not _mirrored(there, back):
        raise InputError("the second run does not play the first one's program backwards; use "
                         "program.reversed()", where="crooks")  # fmt: skip
    low, high = max(a.min(), b.min()), min(a.max(), b.max())
    edges = np.linspace(low, high, bins + 1) if high > low else np.zeros(2)
    ahead, behind = (np.histogram(x, edges)[0].astype(float) for x in (a, b))
    kept = (ahead >= least) & (behind >= least)
    if kept.sum() < 3:
        raise InputError(
            f"the two distributions share {int(kept.sum())} bins of at least {least} paths; "
            "a slower program or more paths make them overlap",
            where="crooks",
        )
    ahead, behind = ahead[kept], behind[kept]
    (level, slope), errors = _logistic(a, b, free=True)
    (ratio, _), ratio_errors = _logistic(a, b, free=False)
    return Crooks(
        centres=0.5 * (edges[1:] + edges[:-1])[kept],
        log_ratio=np.log(ahead / len(a)) - np.log(behind / len(b)),
        log_ratio_stderr=np.sqrt(1.0 / ahead + 1.0 / behind),
        slope=slope,
        slope_stderr=errors[1],
        log_partition_change=ratio,
        log_partition_change_stderr=ratio_errors[0],
        expected=forward.log_partition_change,
    )


def _mirrored(there: Program, back: Program) -> bool:
    """Whether one program is the other's film backwards, at every knot and on both its sides."""
    if there.keys != back.keys or not np.isclose(there.duration, back.duration, rtol=1e-9):
        return False
    mirror = there.reversed()
    if mirror.knots.shape != back.knots.shape:
        return False
    times = np.allclose(mirror.knots, back.knots, rtol=0.0, atol=1e-9 * there.duration)
    size = np.abs(back.corners()).max(0)
    return times and bool((np.abs(mirror.corners() - back.corners()) <= 1e-6 * size).all())


def _logistic(
    forward: NDArray[np.float64], backward: NDArray[np.float64], *, free: bool
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Most likely (c, s) of ln P_F/P_B = c + s A and their standard errors; s = 1 unless free."""
    a = np.concatenate([forward, backward])
    label = np.concatenate([np.ones(len(forward)), np.zeros(len(backward))])
    rows = np.stack([np.ones_like(a), a], 1)[:, : 2 if free else 1]
    offset = log(len(forward) / len(backward)) + (0.0 if free else a)
    found = np.zeros(rows.shape[1])
    found[0] = -0.5 * (np.mean(forward) + np.mean(backward))
    found[1:] = 1.0

    def likelihood(at: NDArray[np.float64]) -> float:
        x = rows @ at + offset
        return float((label * x - np.logaddexp(0.0, x)).sum())

    information = np.eye(len(found))
    for _ in range(100):
        chance = 0.5 * (1.0 + np.tanh(0.5 * (rows @ found + offset)))
        # The weights are rounded up from zero, where far-off distributions would leave none.
        information = (rows * (chance * (1.0 - chance) + 1e-300)[:, None]).T @ rows
        step = np.linalg.solve(information, rows.T @ (label - chance))
        now, size = likelihood(found), 1.0
        while likelihood(found + size * step) < now and size > 1e-10:
            size *= 0.5
        found = found + size * step
        if np.abs(step).max() < 1e-10:
            break
    # Forward and backward numbers are fixed, not drawn: Bennett's own error is smaller by that.
    covariance = np.linalg.inv(information)
    covariance[0, 0] -= 1.0 / len(forward) + 1.0 / len(backward)
    errors = np.sqrt(np.diag(covariance))
    return (found[0], found[1] if free else 1.0), (errors[0], errors[1] if free else 0.0)


def _exponent(run: Driven) -> NDArray[np.float64]:
    if run.program is None:
        raise InputError("a free run has no program: nothing to test", where="theorem")
    if run.started != "equilibrium":
        raise InputError(f"started from '{run.started}'; the theorem holds from equilibrium",
                         where="theorem")  # fmt: skip
    if run.exponent is None:
        raise InputError("the baths differ in temperature; the theorem needs one at a time",
                         where="theorem")  # fmt: skip
    return run.exponent


def _score(average: Estimate, expected: float) -> float:
    """As a normal deviate; a constant (no work at all) is right to round-off or infinitely far."""
    off = average - expected
    return 0.0 if off.stderr == 0.0 and abs(off.value) < 1e-12 else off.z()
