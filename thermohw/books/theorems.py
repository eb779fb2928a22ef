"""<e^{-x}> over paths, and whether it may be trusted: one mean and one rule for every theorem.

Jarzynski's equality, integral and detailed fluctuation theorems and Sagawa and Ueda's are averages
of exponentials, carried by rare paths. The mean is summed a chunk at a time relative to the largest
exponent seen so far, so that it neither overflows nor depends on the order of chunks beyond
rounding.

Whether it can be trusted is read off its weights w = e^{-x}. The effective sample number
(sum w)^2/sum w^2 counts the paths that carry it, but cannot see paths that should have occurred and
did not. The tail can: a generalised Pareto law is fitted to the 3 sqrt(n) largest weights. Its
index k below 1/2 means a finite variance and an honest error bar, up to 0.7 a slow but usable
average, beyond that none (Vehtari, Simpson, Gelman, Yao and Gabry, "Pareto smoothed importance
sampling", 2015; fit of Zhang and Stephens 2009). Trusted is an average that at least 100 effective
samples carry and whose index is below 0.7; `honest` is the error bar of one whose index is below
1/2.

Both are read off the sample itself. Paths that are rare as a kind - one in ten thousand crosses
from hump to hump and weighs as much as all others - leave no trace in a sample that has none of
them, and the average is then too small, never too large. So an average ABOVE what a theorem says is
a deviation, while one below is one only where weights hardly differ (`even`): at least a quarter of
the paths effective, and an index below a quarter.

A process that is its own reverse (`own_reverse`: electrons in their stationary law, a circuit that
stationary noise shakes) tells more: e^{-x} P(x) is P at -x, so that what paths below -s add to the
average is the share of paths above s. With s where fewer than ten paths are left on the other side,
an average that lacks no more than that share is no deviation: electrons that jump seldom, of which
none happened to jump back.

The skewness of the weights counts in the error bar as that of any mean.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import exp, sqrt
from typing import TYPE_CHECKING

import numpy as np

from thermohw.estimate import EXPLAINED, HOLDS, NOT_APPLICABLE, VIOLATED, Estimate, judge

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ENOUGH", "HEAD", "ExponentialMean"]

ENOUGH = 100.0
"""Effective samples that an average of exponentials needs."""

HEAD = 65_536
"""Paths, the first ones, by which the share of x is told."""

_SLOW, _HEAVY = 0.5, 0.7  # tail index of a slow and of a useless average
_FEW = 10  # paths that show a kind
_SHARE, _LIGHT = 0.25, 0.25  # effective paths, and tail index, of weights that hardly differ


@dataclass
class ExponentialMean:
    """Running <e^{-x}>.

    Attributes:
        paths: how many there will be; a tail index looks at the largest 3 sqrt(paths) weights.
        own_reverse: the process, run backwards, is itself; see the module.
    """

    paths: int
    own_reverse: bool = False
    top: np.ndarray = field(default_factory=lambda: np.empty(0))
    head: np.ndarray = field(default_factory=lambda: np.empty(0))
    count: int = 0
    shift: float = -float("inf")
    first: float = 0.0
    second: float = 0.0
    third: float = 0.0

    @classmethod
    def of(cls, exponents: NDArray[np.float64], *, own_reverse: bool = False) -> ExponentialMean:
        """<e^{-x}> of all paths at once, shape (paths,)."""
        made = cls(len(exponents), own_reverse)
        made.add(exponents)
        return made

    @property
    def keep(self) -> int:
        """So many of the largest exponents are kept for the tail."""
        return int(3.0 * sqrt(self.paths)) + 2

    def add(self, values: np.ndarray) -> None:
        """Merge a chunk of x, shape (chunk,)."""
        top = max(self.shift, float((-values).max()))
        fade = exp(self.shift - top) if self.count else 0.0
        weights = np.exp(-values - top)
        self.first = self.first * fade + float(weights.sum())
        self.second = self.second * fade**2 + float((weights**2).sum())
        self.third = self.third * fade**3 + float((weights**3).sum())
        self.shift, self.count = top, self.count + len(values)
        if self.own_reverse:
            self.head = np.concatenate([self.head, values[: HEAD - len(self.head)]])
        pool = np.concatenate([self.top, -values])
        self.top = (
            np.partition(pool, len(pool) - self.keep)[-self.keep :]
            if len(pool) > self.keep
            else pool
        )

    @property
    def average(self) -> Estimate:
        """<e^{-x}> with the jackknife's standard error, which for a mean is the usual one."""
        n = self.count
        mean, square, cube = self.first / n, self.second / n, self.third / n
        spread = n * max(square - mean**2, 0.0)
        lean = n * (cube - 3.0 * mean * square + 2.0 * mean**3)
        return Estimate.from_sums(n, mean, spread, lean) * exp(min(self.shift, 700.0))

    @property
    def effective(self) -> float:
        """(sum w)^2 / sum w^2, w = e^{-x}: how many paths carry the average."""
        return self.first**2 / self.second if self.second > 0.0 else 0.0

    @property
    def trusted(self) -> bool:
        """Whether enough paths carry the average for it to say anything; see the module."""
        return self.effective >= ENOUGH and self.tail < _HEAVY

    @property
    def honest(self) -> bool:
        """Whether its weights have a variance, so that a deviation is one."""
        return self.tail < _SLOW

    @property
    def even(self) -> bool:
        """Whether weights differ so little that an average below its law is a deviation."""
        return self.effective >= _SHARE * self.count and self.tail < _LIGHT

    @property
    def unseen(self) -> float:
        """What paths that are too few to have been seen may add to the average; see the module."""
        if not self.own_reverse:
            return 0.0
        if self.count <= _FEW:
            return float("inf")
        return float(np.mean(self.head > np.sort(self.top)[-_FEW]))

    @property
    def power(self) -> float:
        """The smallest deviation that would have been called, on the side where it takes more."""
        return self.average.power() + self.unseen

    def z(self, expected: float = 1.0) -> float:
        """The deviation from what a theorem says; a constant is right to round-off, or nowhere."""
        off = self.average - expected
        return 0.0 if off.stderr == 0.0 and abs(off.value) < 1e-12 else off.z()

    def judge_against(self, expected: float = 1.0) -> str:
        """Status of the average against what a theorem says; see the module."""
        if not self.trusted:
            return NOT_APPLICABLE
        z = self.z(expected)
        status = judge(z)
        if status == VIOLATED and z < 0.0 and not self.even:
            return NOT_APPLICABLE
        if status != HOLDS and z < 0.0 and self.unseen:
            filled = self.average + self.unseen
            if judge(filled.z(expected), relation=">=") == HOLDS:
                return NOT_APPLICABLE
        return EXPLAINED if status == VIOLATED and not self.honest else status

    def weight(self) -> str:
        """What carries it, in words."""
        return (
            f"effective sample number {self.effective:.3g} of {self.count}, tail index "
            f"{self.tail:.2f}"
        )

    @property
    def tail(self) -> float:
        """Index k of the tail of the weights; infinite with too few paths to tell."""
        count = min(self.count // 5, int(3.0 * sqrt(self.count)), self.keep - 1)
        if count < 10:
            return float("inf")
        ordered = np.sort(self.top)[-count - 1 :] - self.shift
        return _pareto_index(np.exp(ordered[1:]) - np.exp(ordered[0]))


def _pareto_index(excess: np.ndarray) -> float:
    """Index of a generalised Pareto law fitted to excesses over a threshold, ascending; drawn
    towards 1/2 with the weight of ten points.
    """
    n = len(excess)
    if not excess[0] < excess[-1]:
        return 0.0  # all weights alike: no tail
    excess = np.maximum(excess, 1e-300)
    grid = np.arange(1, 31 + int(sqrt(n))) - 0.5
    slopes = (
        1.0 / excess[-1]
        + (1.0 - np.sqrt((30 + int(sqrt(n))) / grid)) / 3.0 / excess[int(n / 4 + 0.5) - 1]
    )
    shapes = np.log1p(-slopes[:, None] * excess).mean(1)
    score = n * (np.log(-slopes / shapes) - shapes - 1.0)
    weights = np.exp(score - score.max())
    slope = float((slopes * weights).sum() / weights.sum())
    return (float(np.log1p(-slope * excess).mean()) * n + 5.0) / (n + 10.0)
