r"""Statistics of entropy_regularised: paired changes, what shrinking would do, ticks that suffice.

A change is between two trainings that differ in the penalty alone: same first weights, data order
and noise. Over seeds it has the t-interval of its mean; a verdict over several weights divides the
5 % by their number (Bonferroni). The held-out points are the same throughout: an interval says how
far other trainings would differ, not other points.

Shrinking a score s with N = (1/2) int g^2 E|s|^2 dt and T = (1/2) int g^2 E div s dt to c s:

    U -> U + (c^2 - 1) N + 2 (c - 1) T        Q/kT -> 4 c^2 N + 2 c T        (on the noised law)

-T/N is the calibration factor of the whole score, 1 where it is calibrated.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from thermohw.experiments.shared.estimates import reach
from thermohw.study import Parameters, Results


@dataclass(frozen=True)
class Change:
    """A mean over seeds.

    Attributes:
        mean: the mean.
        half: half width of its 95 % interval; NaN for a single seed.
        sure: the same at 5 % shared among several comparisons.
    """

    mean: float
    half: float
    sure: float

    def __str__(self) -> str:
        spread = f" ± {self.half:.2g}" if math.isfinite(self.half) else " (one seed)"
        digits = max(0, 1 - math.floor(math.log10(self.half))) if self.half > 0.0 else 3
        return f"{self.mean:+.{min(digits, 5)}f}{spread}"

    @property
    def known(self) -> bool:
        """Whether there are seeds enough for an interval."""
        return math.isfinite(self.half)

    @property
    def sign(self) -> int:
        """-1, 0 or 1: below zero, undecided, above, at 5 % shared among the comparisons."""
        if not math.isfinite(self.sure) or abs(self.mean) <= self.sure:
            return 0
        return 1 if self.mean > 0.0 else -1


def change(values: np.ndarray, comparisons: int = 1) -> Change:
    """Mean over seeds of values of shape (seeds,)."""
    mean = float(values.mean())
    if len(values) < 2:
        return Change(mean, math.nan, math.nan)
    return Change(mean, reach(values), reach(values, max(1, comparisons)))


class Trainings(Results):
    """Rows of one set of data and one kind; values of one weight in order of the seeds."""

    @classmethod
    def of(cls, results: Results, data: str, kind: str = "trained") -> Trainings:
        """Those among all results."""
        return cls(row for row in results if row["data"] == data and row["kind"] == kind)

    def at(self, weight: float, name: str) -> np.ndarray:
        """A value of all seeds, shape (seeds,); of values along the ticks that of the finest."""
        rows = self.where(weight=weight).sorted("repeat")
        return np.array([float(np.ravel(row[name])[-1]) for row in rows])

    def paired(self, weight: float, name: str, comparisons: int = 1) -> Change:
        """A value less that of weight zero, seed by seed."""
        return change(self.at(weight, name) - self.at(0.0, name), comparisons)

    def shrunk(self, weight: float) -> dict[str, np.ndarray]:
        """ "elbo" (nats) and "heat" (kT) on the noised law, shape (seeds,), that the networks of
        weight zero have once divided by 1 + weight.
        """
        c, norm = 1.0 / (1.0 + weight), self.at(0.0, "norm")
        trace = 0.5 * self.at(0.0, "surplus") - norm
        elbo = self.at(0.0, "elbo") + (c**2 - 1.0) * norm + 2.0 * (c - 1.0) * trace
        return {"elbo": elbo, "heat": 4.0 * c**2 * norm + 2.0 * c * trace}

    def factor(self, weight: float) -> np.ndarray:
        """-T/N of the networks of one weight, shape (seeds,)."""
        return 1.0 - 0.5 * self.at(weight, "surplus") / self.at(weight, "norm")

    def margin(self, p: Parameters) -> float:
        """That of the energy distance, model units: a share of the mean distance of the data."""
        name = "margin" if self[0]["data"] == "mixture" else "digits_margin"
        return p[name] * float(self[0]["spread"])

    def needed(self, p: Parameters, weight: float, name: str = "raw") -> np.ndarray:
        """Ticks that suffice, shape (seeds,)."""
        rows = self.where(weight=weight).sorted("repeat")
        return np.array([enough(r["ticks"], r[f"{name}.extra"], self.margin(p)) for r in rows])


def enough(ticks: list[int], extra: np.ndarray, margin: float) -> float:
    """From how many ticks on the extra distance, shape (grids,), stays within the margin.

    Interpolated on logarithmic axes between the last grid outside and the first inside; the first
    of `ticks` where all grids are within: the true number may be smaller.
    """
    outside = np.flatnonzero(np.asarray(extra) > margin)
    if not outside.size:
        return float(ticks[0])
    last = int(outside[-1])
    # the finest grid has no extra, so there is one inside; noise may make it negative there
    above, below = float(extra[last]), max(float(extra[last + 1]), 0.1 * margin)
    share = math.log(above / margin) / math.log(above / below)
    return float(ticks[last] * (ticks[last + 1] / ticks[last]) ** share)
