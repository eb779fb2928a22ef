r"""Products of residuals: noise that two coordinates share.

Squares of residuals (`thermohw.books.residuals`) do not see noise that nodes have in common: it
leaves every one of them as hot as it should be. Its covariance does,

    C_gh = sum over watched steps and paths of s_g s_h/(T h),     s_g = sum of r_i, i in group g,

which is paths x sum_k (Sigma(h_k)/h_k)_gh to its exact error, the residuals being Gaussian and
independent from step to step. Dividing by T h, which the schedule says, weighs the steps of uneven
grids alike; sums are kept in V^2 (V A, A^2), for an audit to divide by its own Sigma.

Up to 64 coordinates every group is one of them, so that each pair is covered. Beyond, products of
all pairs would cost as much as the run: there are 64 groups of neighbours (32 of nodes and 32 of
inductors where there are both). A sum over a group has a variance, which correlations within it
raise, and covariances with the other sums: noise common to many nodes, or to neighbours, shows as
well as if every pair were there, that of two nodes of n shows 64/n of itself.

Watched are an eighth of the ticks, at least 16 and at most 64, first and last among them: below 2 %
of the run's time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.circuit import LinearDevice

__all__ = ["coordinate_groups", "watched_ticks"]

_GROUPS = 64
_FEWEST, _MOST, _SHARE = 16, 64, 8


def watched_ticks(ticks: int) -> NDArray[Any]:
    """Ticks whose steps' products are summed, in order."""
    count = min(ticks, _MOST, max(_FEWEST, ticks // _SHARE))
    return np.unique(np.linspace(0, ticks - 1, count).round().astype(np.int64))


def coordinate_groups(device: LinearDevice) -> list[NDArray[Any]]:
    """Coordinates of every group, in order; a group has one unit."""
    n, nodes = device.dim, len(device.nodes)
    if n <= _GROUPS:
        return [np.array([i]) for i in range(n)]
    kinds = [part for part in (np.arange(nodes), np.arange(nodes, n)) if len(part)]
    return [g for part in kinds for g in np.array_split(part, _GROUPS // len(kinds)) if len(g)]
