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
(`thermohw.books.theorems`).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log
from typing import TYPE_CHECKING

import numpy as np

from thermohw.books.theorems import ExponentialMean
from thermohw.errors import InputError
from thermohw.estimate import Estimate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.program.books import Driven
    from thermohw.program.schedule import Program

__all__ = ["Crooks", "Jarzynski", "crooks", "jarzynski"]


@dataclass(frozen=True)
class Jarzynski:
    """An exponential average held against the ratio of partition functions.

    Attributes:
        mean: <exp(-A)>: its average, what carries it, whether it is to be trusted.
        expected: Z_1/Z_0.
        naive: <exp(-W/T_0)> of the work alone; far from `expected` where T moves.
        dissipated: <A> + ln Z_1/Z_0, nats, not negative.
    """

    mean: ExponentialMean
    expected: float
    naive: ExponentialMean
    dissipated: Estimate

    @property
    def z(self) -> float:
        """Of the average against `expected`, as a normal deviate."""
        return self.mean.z(self.expected)

    def __str__(self) -> str:
        (average, stderr), (naive, error) = self.mean.average, self.naive.average
        few = "" if self.mean.trusted else "; too few to mean anything"
        return (
            f"<exp(-A)> = {average:.6g} +- {stderr:.2g}, Z1/Z0 = {self.expected:.6g} "
            f"(z {self.z:+.2f}, {self.mean.effective:.3g} effective paths{few})\n"
            f"<exp(-W/T0)> = {naive:.6g} +- {error:.2g} (z {self.naive.z(self.expected):+.1f})\n"
            f"<A> + ln Z1/Z0 = {self.dissipated.value:.4g} +- {self.dissipated.stderr:.2g} nats"
        )


@dataclass(frozen=True)
class Crooks:
    """Forward and backward distributions held against each other.

    Attributes:
        centres: A at the middle of every bin that both runs reach, nats.
        log_ratio: ln P_F(A)/P_B(-A) there, for a figure.
        log_ratio_stderr: its standard error.
        slope: d ln(P_F/P_B)/dA, most likely value without bins; 1 by the theorem.
        log_partition_change: ln Z_1/Z_0 at slope 1, Bennett's acceptance ratio.
        expected: ln Z_1/Z_0; None where unknown.
    """

    centres: NDArray[np.float64]
    log_ratio: NDArray[np.float64]
    log_ratio_stderr: NDArray[np.float64]
    slope: Estimate
    log_partition_change: Estimate
    expected: float | None

    def __str__(self) -> str:
        (slope, slope_error), (ratio, ratio_error) = self.slope, self.log_partition_change
        known = "" if self.expected is None else f", exact {self.expected:.5g}"
        return (
            f"ln P_F(A)/P_B(-A): slope {slope:.4f} +- {slope_error:.2g} (1 expected), "
            f"ln Z1/Z0 = {ratio:.5g} +- {ratio_error:.2g}{known}"
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
    first = run.ends[0].temperature
    assert first is not None
    return Jarzynski(
        mean=ExponentialMean.of(exponent),
        expected=exp(run.log_partition_change),
        naive=ExponentialMean.of(run.kt(run.work.sum(1)) / first),
        dissipated=Estimate.from_paths(exponent) + run.log_partition_change,
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
    return Crooks(
        centres=0.5 * (edges[1:] + edges[:-1])[kept],
        log_ratio=np.log(ahead / len(a)) - np.log(behind / len(b)),
        log_ratio_stderr=np.sqrt(1.0 / ahead + 1.0 / behind),
        slope=_logistic(a, b, free=True)[1],
        log_partition_change=_logistic(a, b, free=False)[0],
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
) -> list[Estimate]:
    """Most likely c, and s where it is free (else 1), of ln P_F/P_B = c + s A."""
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
    return [Estimate(float(x), float(error)) for x, error in zip(found, errors, strict=True)]


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
