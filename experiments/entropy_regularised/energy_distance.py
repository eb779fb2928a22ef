r"""Energy distance of samples to fresh data, without the bias of finite samples.

    D = 2 E|x - y| - E|x - x'| - E|y - y'|  >= 0,       0 only for equal laws

x, x' samples, y, y' data. Pairs of a point with itself are left out of the means, so that the
estimate has no floor: its expectation is D at every number of samples, zero where the laws agree
(and the estimate then is as often negative as positive).

Standard errors by the jackknife over groups of samples: the statistic without each group in turn.
Where the laws agree the statistic is degenerate and the jackknife errs upwards. The data's own
share is given apart, since samplers that are compared meet the same data.

G. Szekely and M. Rizzo, J. Stat. Plann. Inference 143, 1249 (2013),
https://doi.org/10.1016/j.jspi.2013.03.018
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Apart:
    """An energy distance, in the unit of the states.

    Attributes:
        value: the estimate.
        without: the estimate without each group of samples, shape (groups,).
        without_data: the estimate without each group of data, shape (groups,).
    """

    value: float
    without: np.ndarray
    without_data: np.ndarray

    @property
    def stderr(self) -> float:
        """Standard error over samples and data."""
        return math.hypot(jackknife(self.without), jackknife(self.without_data))

    def minus(self, other: Apart) -> tuple[float, float]:
        """How much farther than another set of samples, and the standard error over samples.

        Group by group: the samples are paired, and the data are the same.
        """
        return self.value - other.value, jackknife(self.without - other.without)


def jackknife(without: np.ndarray) -> float:
    """Standard error from leave-one-out estimates, shape (groups,)."""
    n = len(without)
    return math.sqrt((n - 1) / n * float(((without - without.mean()) ** 2).sum()))


@dataclass(frozen=True)
class Fresh:
    """Data that samples are compared with, their own distances worked out once.

    Attributes:
        groups: the points, in groups.
        own: sums of distances between groups, shape (groups, groups).
    """

    groups: list[Tensor]
    own: np.ndarray

    @classmethod
    def of(cls, y: Tensor, groups: int = 16) -> Fresh:
        """From points of shape (m, dim), m >= 2 groups."""
        split = list(torch.tensor_split(y.double(), groups))
        return cls(split, _sums(split, split))

    @property
    def spread(self) -> float:
        """E|y - y'|."""
        m = sum(map(len, self.groups))
        return float(self.own.sum()) / (m * (m - 1))


def energy_distance(x: Tensor, fresh: Fresh) -> Apart:
    """Distance of samples x of shape (n, dim), n >= 2 groups, to data."""
    ys, groups = fresh.groups, len(fresh.groups)
    xs = list(torch.tensor_split(x.double(), groups))
    across, own, other = _sums(xs, ys), _sums(xs, xs), fresh.own
    n, m = np.array([len(g) for g in xs]), np.array([len(g) for g in ys])

    def value(keep_x: np.ndarray, keep_y: np.ndarray) -> float:
        a, b = float((n * keep_x).sum()), float((m * keep_y).sum())
        mixed = keep_x @ across @ keep_y / (a * b)
        return float(
            2.0 * mixed
            - keep_x @ own @ keep_x / (a * (a - 1.0))
            - keep_y @ other @ keep_y / (b * (b - 1.0))
        )

    all_of, but = np.ones(groups), 1.0 - np.eye(groups)
    return Apart(
        value(all_of, all_of),
        np.array([value(row, all_of) for row in but]),
        np.array([value(all_of, row) for row in but]),
    )


def _sums(left: list[Tensor], right: list[Tensor]) -> np.ndarray:
    """Sums of distances between groups, shape (groups, groups)."""
    ends = np.cumsum([0, *(len(g) for g in right)])
    whole = torch.cat(right)
    rows = []
    for group in left:
        columns = torch.cdist(group, whole).sum(0).numpy()
        rows.append(np.add.reduceat(columns, ends[:-1]))
    return np.array(rows)
