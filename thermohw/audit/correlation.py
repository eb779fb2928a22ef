r"""Is the noise of the coordinates as correlated as the file says, and no more?

The run sums products of residuals over pairs of coordinates, or of groups of them
(`thermohw.books.correlations`); here their covariances are worked out from the device, protocol
and schedule in the file. In units of what the noise of each should be, C_gh is then compared

    each pair     the correlation of two coordinates or sums over groups
    neighbours    the mean of those that follow each other in the device's order
    all pairs     the mean of all: noise that everything has in common, which every pair shows a
                  little of
    each group, all groups     the variance of a sum, which correlations within the group raise

Each is the mean of a quadratic form r^T B r of Gaussian residuals, S = Sigma/(T h) step by step:

    mean tr B S,    variance 2 tr (B S)^2,    third cumulant 8 tr (B S)^3,    fourth 48 tr (B S)^4,

all divided by powers of the paths; its skewness is taken out as that of chi-square, and what is
left of its fourth cumulant as Student's. Of a pair that should be uncorrelated the error is
1/sqrt(paths x watched steps). The most improbable number is judged as the largest of its family,
and of as many families (`thermohw.audit.residuals`); what is printed where all is well is the worst
pair, with the correlation that would have been called of it.
"""

from __future__ import annotations

from math import hypot, inf, sqrt
from typing import TYPE_CHECKING

import numpy as np

from thermohw.audit.residuals import HIDDEN, Deviation, judged, rounding_power, unrecorded
from thermohw.audit.verdict import Check, not_applicable
from thermohw.books import Kernels
from thermohw.books.correlations import coordinate_groups, watched_ticks
from thermohw.errors import InputError
from thermohw.estimate import called_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.audit.recorded import Recorded

__all__ = ["correlation_deviations", "noise_correlation"]

_LEANS = 1e-9  # below, a skewness is round-off


def noise_correlation(recorded: Recorded) -> Check:
    """Products of the residuals of different coordinates against the baths of the file."""
    name = "noise_correlation"
    reason = unrecorded(recorded)
    if not reason and recorded.setting.device.dim == 1:
        reason = "a single coordinate"
    if not reason and "products" not in recorded.residuals:
        reason = "the run recorded no products of residuals"
    if reason:
        return not_applicable(name, reason)
    found = correlation_deviations(recorded)
    if not found:
        return not_applicable(name, "rounding hides the noise of all coordinates but one")
    families = len({one.family for one in found})
    also = "".join(
        f"; {one.what} {one.value:+.2g} (seen if {one.reach(called_of(families, 1)):.1g} off)"
        for one in found[1:]
        if one.count == 1
    )
    also += f" (on {len(watched_ticks(recorded.plan.schedule.ticks))} ticks)"
    return judged(name, found, also)


def correlation_deviations(recorded: Recorded) -> list[Deviation]:
    """Excess correlations: the worst pair first."""
    groups, names = coordinate_groups(recorded.setting.device), recorded.setting.device.coordinates
    steps, weights = _steps(recorded, groups)
    device, paths, total = recorded.setting.device, recorded.paths, steps.sum(0)
    products, first = recorded.residuals["products"], [int(group[0]) for group in groups]
    if products.shape != total.shape:
        raise InputError(
            "products of residuals are not of as many coordinates as the device has: the file was "
            "changed after the run; use the original",
            where=str(recorded.path),
        )
    unit, sizes = device.effort_scale[first], np.array([len(group) for group in groups])
    slip = rounding_power(recorded) * sizes * weights / np.diag(total)
    seen = np.flatnonzero(slip <= HIDDEN)
    if len(seen) < 2:
        return []
    scale = 1.0 / np.sqrt(np.diag(total))[seen]
    within = np.ix_(seen, seen)
    excess = products / np.outer(unit, unit) / paths - total
    excess = excess[within] * np.outer(scale, scale)
    steps = steps[:, seen[:, None], seen] * np.outer(scale, scale)
    kinds, slips = np.array(first)[seen] >= len(device.nodes), np.sqrt(slip[seen])
    p = len(seen)
    words = [
        names[g[0]] if len(g) == 1 else f"{names[g[0]]}..{names[g[-1]]}"
        for g in (groups[i] for i in seen)
    ]
    rows, columns = np.triu_indices(p, 1)
    pairs = [
        _of_pair(
            f"correlation of the noise of {words[i]} and {words[j]}",
            excess, steps, int(i), int(j), paths, len(rows), float(slips[i] * slips[j]),
        )
        for i, j in zip(rows, columns, strict=True)
    ]  # fmt: skip
    pairs.sort(key=lambda one: -abs(one.z))

    def mean(family: str, what: str, form: NDArray[np.float64]) -> Deviation:
        added = float(np.abs(form) @ slips @ slips)
        return _of_form(family, what, excess, steps, form, paths, added)

    found, eye = pairs, np.eye(p)
    near = np.diag((kinds[1:] == kinds[:-1]).astype(float), 1)
    if p > 2 and near.any():
        found.append(mean("neighbours", "mean of neighbours", 0.5 * (near + near.T) / near.sum()))
    if p > 2:
        found.append(mean("together", "mean of all pairs", (1.0 - eye) / (p * (p - 1))))
    if sizes.max() > 1:
        for i, word in enumerate(words):
            traces = [float((steps[:, i, i] ** k).sum()) for k in (2, 3, 4)]
            what, value = f"variance of the noise of {word} together", float(excess[i, i])
            found.append(_deviation("group", what, value, traces, paths, p, float(slips[i] ** 2)))
        found.append(mean("groups", "mean variance of a group's sum", eye / p))
    return found


def _of_pair(
    what: str,
    excess: NDArray[np.float64],
    steps: NDArray[np.float64],
    i: int,
    j: int,
    paths: int,
    count: int,
    slip: float,
) -> Deviation:
    """`_of_form` of r_i r_j, B S having but two eigenvalues, (S_ij +- sqrt(S_ii S_jj))/2."""
    middle, spread = 0.5 * steps[:, i, j], 0.5 * np.sqrt(steps[:, i, i] * steps[:, j, j])
    up, down = middle + spread, middle - spread
    traces = [float((up**k + down**k).sum()) for k in (2, 3, 4)]
    return _deviation("pair", what, float(excess[i, j]), traces, paths, count, slip)


def _of_form(
    family: str,
    what: str,
    excess: NDArray[np.float64],
    steps: NDArray[np.float64],
    form: NDArray[np.float64],
    paths: int,
    slip: float,
) -> Deviation:
    """Excess of the mean of r^T B r."""
    bs = form @ steps
    square = bs @ bs
    traces = [
        float(np.einsum("kii->", square)),
        float(np.einsum("kij,kji->", square, bs)),
        float(np.einsum("kij,kji->", square, square)),
    ]
    return _deviation(family, what, float((form * excess).sum()), traces, paths, 1, slip)


def _deviation(
    family: str,
    what: str,
    value: float,
    traces: list[float],
    paths: int,
    count: int,
    slip: float,
) -> Deviation:
    """A mean over paths with the traces of (B S)^2, ^3 and ^4, summed over steps."""
    second, third, fourth = traces
    variance = 2.0 * second / paths
    lean = 8.0 * third / paths**2 / variance**1.5
    # Tails beyond those of the chi-square that leans as much; Student's with as heavy ones.
    tails = 48.0 * fourth / paths**3 / variance**2 - 1.5 * lean**2
    freedom = 4.0 + 6.0 / tails if tails > 0.0 else inf
    lean = lean if abs(lean) > _LEANS else 0.0
    return Deviation(family, what, value, hypot(sqrt(variance), slip), count, lean, freedom)


def _steps(
    recorded: Recorded, groups: list[NDArray[np.int64]]
) -> tuple[NDArray[np.float64], float]:
    """(Sigma/h between groups for every watched step, shape (steps, groups, groups), sum of 1/(T
    h)), thermal units.
    """
    plan, kernels = recorded.plan, Kernels(recorded.plan)
    watched = set(watched_ticks(plan.schedule.ticks).tolist())
    pieces = [piece for piece in plan.timeline if piece.tick in watched]
    member = np.zeros((recorded.setting.device.dim, len(groups)))
    for g, group in enumerate(groups):
        member[group, g] = 1.0
    member, tables = member[kernels.order], {}
    for h in {piece.duration for piece in pieces}:
        tables[h] = np.einsum(
            "cip,ciq->pq", member, kernels.at(h).noise @ member / h, optimize=True
        )
    steps = np.stack([tables[piece.duration] for piece in pieces])
    return steps, sum(1.0 / (piece.temperature * piece.duration) for piece in pieces)
