r"""Noise of the steps: is every bath as hot as the file says?

A step leaves a residual r (`thermohw.books.residuals`) that is exactly N(0, Sigma), whatever the
score. The run summed its squares in V^2 (A^2 for inductor currents) in bins of ticks; here Sigma is
worked out from the device, protocol and schedule in the file, so that a run that was hotter than
its file says, or had other capacitors, is found out whatever the run itself believed.

noise_temperature    x = sum r^2/sum Sigma_ii - 1 of all coordinates, of each, and of each bin. The
    mean of n squares has the relative error sqrt(2/n); squares of unequal size count as n = (sum
    S)^2/sum S^2, joined ones as their correlations say; z is Wilson and Hilferty's cube root,
    normal to few degrees of freedom. Beside it the run's own r^2/Sigma. Rounding adds at most (4
    numbers of the size of the largest voltage, each at the unit roundoff)^2 to r^2, which is added
    to the error: 1e-9 of the noise of a thermal node in float32 at ticks of 1e-3 R C. Coordinates
    where it would pass a tenth (noise that arrives through inductors within a short tick) are left
    out. A constant force that no record mentions adds no noise to speak of, but E r = 0: the mean
    of r/sqrt(Sigma_ii) over N = paths x steps has the error 1/sqrt(N), that over n coordinates

        sqrt(sum_ij Sigma_ij/sqrt(Sigma_ii Sigma_jj) / N)/n

    (averaged over steps), and rounding moves it by at most its 4 numbers over sqrt(Sigma_ii).

The most improbable number is judged as the largest of its family, and of as many families, would
be. Where all is well the number of everything together is printed, with its power.

References:
    Wilson and Hilferty, PNAS 17, 684 (1931).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import cbrt, copysign, inf, isfinite, sqrt
from typing import TYPE_CHECKING

import numpy as np

from thermohw.audit.recorded import Recorded
from thermohw.audit.verdict import Check, not_applicable
from thermohw.books import Kernels, without_kernel
from thermohw.books.profile import bin_edges
from thermohw.books.residuals import SUMS
from thermohw.errors import InputError
from thermohw.estimate import HOLDS, Estimate, called_of, judge, largest_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["HIDDEN", "Deviation", "drift_deviations", "judged", "mean_square", "noise_deviations",
           "noise_temperature", "reaches", "rounding_power", "slopes", "unrecorded"]  # fmt: skip

# float64: not its roundoff, but what two routes to the same matrices agree to.
_UNIT = {"float32": 2.0**-24, "float64": 2.0**-46}
_ROUNDED = 4.0
HIDDEN = 0.1
"""Share of a coordinate's noise that rounding may add; beyond it the coordinate is left out."""


@dataclass(frozen=True)
class Deviation:
    """A number that ought to be 0.

    Attributes:
        family: which kind of numbers it is one of.
        what: of what, in words.
        value: relative excess, or slope.
        stderr: its standard error.
        count: numbers in the family.
        lean: its skewness; 2 stderr for a mean of squares.
        freedom: degrees of freedom of Student's law with tails as heavy: of a slope, whose error is
            a sum over paths that push unequally; of a mean of products.
    """

    family: str
    what: str
    value: float
    stderr: float
    count: int = 1
    lean: float = 0.0
    freedom: float = inf

    @property
    def z(self) -> float:
        """The deviation as a normal deviate."""
        z, lean = Estimate(self.value, self.stderr, self.freedom).z(), self.lean
        if lean == 0.0 or not isfinite(z):
            return z
        spread = lean**2 / 36.0  # 2/(9 n) of the n squares whose mean leans as much, lean^2 = 8/n
        return copysign(1.0, lean) * (cbrt(1.0 + 0.5 * lean * z) - 1.0 + spread) / sqrt(spread)

    def reach(self, z: float) -> float:
        """The value that has this z, on the side where it takes more."""
        if self.lean != 0.0:
            spread = self.lean**2 / 36.0
            z = ((1.0 - spread + z * sqrt(spread)) ** 3 - 1.0) / (0.5 * abs(self.lean))
        return Estimate(0.0, self.stderr, self.freedom).reach(z)


def noise_temperature(recorded: Recorded) -> Check:
    """Mean square of the residuals against the baths of the file."""
    name = "noise_temperature"
    reason = unrecorded(recorded)
    if reason:
        return not_applicable(name, reason)
    found, hidden = noise_deviations(recorded)
    also = f"; rounding hides the noise of {', '.join(hidden)}" if hidden else ""
    if not found:
        return not_applicable(name, also[2:])
    drifts = drift_deviations(recorded)
    found += drifts
    if drifts:
        called = reaches(drifts, found)
        also += "; a force that no record mentions would be seen if it moved a step by "
        also += f"{max(called):.2%} of its noise"
    return judged(name, found, also)


def reaches(some: list[Deviation], found: list[Deviation]) -> list[float]:
    """What would have been called, of some of the numbers that are judged."""
    families = len({one.family for one in found})
    return [one.reach(called_of(families, one.count)) for one in some]


def unrecorded(recorded: Recorded) -> str:
    """Why there are no residuals; empty where there are."""
    if not recorded.residuals:
        return without_kernel(recorded.plan) or "the run recorded no residuals"
    return ""


def judged(name: str, found: list[Deviation], also: str) -> Check:
    """The most improbable of several numbers; the first is of everything together."""
    families = len({one.family for one in found})
    # What is no number is as improbable as can be.
    judged = [
        largest_of(largest_of(one.z, one.count), families) if isfinite(one.z) else np.inf
        for one in found
    ]
    worst = int(np.abs(judged).argmax())
    status, whole, most = judge(float(judged[worst])), found[0], found[worst]
    one = whole if status == HOLDS else most
    power = one.reach(called_of(families, one.count))
    detail = f"{one.what} off by {one.value:+.3%} +- {one.stderr:.3%}, z = {one.z:+.2f}"
    if one is not whole:
        detail += f"; {whole.what} {whole.value:+.3%} +- {whole.stderr:.3%}"
    if len(found) > 1:
        detail += f"; most improbable of {len(found)} numbers in {families} families: {most.what}, "
        detail += f"{most.value:+.3%}, z = {most.z:+.2f} ({judged[worst]:+.2f} as the largest)"
    return Check(name, status, one.value, 0.0, one.stderr, detail + also, power=power)


def _stored(recorded: Recorded) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(sums, power) as the run left them.

    Raises:
        InputError: they are not of the device and schedule in the file.
    """
    n, plan = recorded.setting.device.dim, recorded.plan
    sums, power = recorded.residuals["sums"], recorded.residuals["power"]
    steps = recorded.paths * len(plan.timeline)
    bins = len(bin_edges(plan.schedule.ticks, len(power))) - 1
    columns = (len(SUMS), len(SUMS) - 1)  # older files have no drift
    shapes = sums.shape in [(n, k) for k in columns] and power.shape == (bins, n)
    if not shapes or (sums[:, 0] != steps).any():
        raise InputError(
            "residuals are not of as many steps and coordinates as device, protocol and paths say: "
            "the file was changed after the run; use the original",
            where=str(recorded.path),
        )
    return sums, power


def slopes(recorded: Recorded) -> list[Deviation]:
    """Slope of the residual on the push of the sources and on the pull of the circuit: of all
    coordinates together, and of each. Empty where no source pushes.
    """
    sums, _ = _stored(recorded)
    table: dict[str, NDArray[np.float64]] = {n: c for n, c in zip(SUMS, sums.T, strict=False)}
    if not table["asked"].any() or table["reach"].sum() == 0.0:
        return []
    kinds = (
        ("push of the sources on", 1.0, ("push", "reach", "asked", "asked.cross")),
        ("pull of the circuit on", -1.0, ("pull", "pulled", "pulled", "pulled.cross")),
    )
    together, apart, freedom = [], [], 0.5 * (recorded.paths - 1)  # as of any mean over paths
    for family, sign, columns in kinds:
        slope, reach, own, cross = (table[column] for column in columns)
        total, moved = float(reach.sum()), np.flatnonzero(reach)
        if total == 0.0:
            continue
        value, error = sign * float(slope.sum()) / total, sqrt(float(cross.sum())) / abs(total)
        what = f"{family} all coordinates"
        together.append(Deviation(family, what, value, error, freedom=freedom))
        for i in moved if len(moved) > 1 else ():
            what = f"{family} {recorded.setting.device.coordinates[i]}"
            value, error = sign * float(slope[i] / reach[i]), sqrt(float(own[i])) / abs(reach[i])
            apart.append(
                Deviation(f"{family} each", what, value, float(error), len(moved), freedom=freedom)
            )
    return together + apart


def noise_deviations(recorded: Recorded) -> tuple[list[Deviation], list[str]]:
    """Relative excess of the noise power of all coordinates, of each, of each bin, and of each by
    the run's own measure; and the names of the coordinates that rounding hides.
    """
    device, paths = recorded.setting.device, recorded.paths
    sums, power = _stored(recorded)
    kernels, variance, squares, steps, seen = _expected(recorded, len(power))
    order, names = kernels.order, device.coordinates
    rounding = rounding_power(recorded) * steps[:, None, None] / variance
    hidden = [names[i] for i in order[~seen]]
    if not seen.any():
        return [], hidden
    measured = (power / device.effort_scale**2)[:, order] / paths
    excess = np.where(seen, measured / variance - 1.0, 0.0)
    # Covariance of excesses: 2 sum Sigma_ij^2/(paths sum Sigma_ii sum Sigma_jj).
    spread = 2.0 / paths * squares / (variance[..., :, None] * variance[..., None, :])
    weight = np.where(seen, 1.0 / np.einsum("bcii->bci", spread), 0.0)

    def mean(family: str, what: str, w: NDArray[np.float64], count: int = 1) -> Deviation:
        total = w.sum()
        error = np.sqrt(np.einsum("bci,bcij,bcj->", w, spread, w)) / total
        slip = (w * rounding).sum() / total
        return mean_square(family, what, (w * excess).sum() / total, np.hypot(error, slip), count)

    found = [mean("all", "noise power of all coordinates", weight)]
    visible, bins = np.argwhere(seen), len(power)
    edges = bin_edges(recorded.plan.schedule.ticks, bins)
    own = np.einsum("bci->ci", rounding * steps[:, None, None]) / steps.sum()
    for c, i in visible:
        what, count = f"noise power of {names[order[c, i]]}", len(visible)
        single = np.zeros_like(seen)
        single[c, i] = True
        if count > 1:
            found.append(mean("each", what, weight * single, count))
        total, noise = sums[order[c, i], :2]
        what += " as the run itself measured it"
        error = np.hypot(sqrt(2.0 / total), own[c, i])
        found.append(mean_square("own", what, noise / total - 1.0, error, count))
    for b in range(bins if bins > 1 else 0):
        first, last = edges[b], edges[b + 1] - 1
        what = f"noise power in ticks {first} to {last}"
        found.append(mean("bin", what, weight * (np.arange(bins) == b)[:, None, None], bins))
    return found, hidden


def drift_deviations(recorded: Recorded) -> list[Deviation]:
    """Mean of the residuals over their own spread, of all coordinates and of each that rounding
    does not hide; empty in older files.
    """
    sums, power = _stored(recorded)
    if sums.shape[1] < len(SUMS):
        return []
    plan, names = recorded.plan, recorded.setting.device.coordinates
    kernels, *_, seen = _expected(recorded, len(power))
    order = kernels.order
    visible, total = np.argwhere(seen), float(sums[0, 0])
    if not len(visible):
        return []
    # Means over steps: of sum_ij Sigma_ij/sqrt(Sigma_ii Sigma_jj), and of 1/sqrt(T Sigma_ii).
    lengths = np.array([piece.duration for piece in plan.timeline])
    coldness = np.array([piece.temperature for piece in plan.timeline]) ** -0.5
    joint, inverse = 0.0, np.zeros(order.shape)
    for h in np.unique(lengths):
        kernel, now = kernels.at(float(h)), lengths == h
        weight = np.where(seen, 1.0, 0.0) / np.sqrt(np.where(seen, kernel.variance, 1.0))
        alike = np.einsum("ci,cij,cj->", weight, kernel.noise, weight)
        joint += now.mean() * max(float(alike), 0.0)
        inverse += coldness[now].sum() / len(lengths) * weight
    slip = sqrt(rounding_power(recorded)) * inverse
    mean, n = sums[order, SUMS.index("drift")] / total, len(visible)
    error = np.hypot(sqrt(joint / total) / n, slip[seen].mean())
    what = "mean residual of all coordinates"
    found = [Deviation("drift", what, float(mean[seen].mean()), float(error))]
    for c, i in visible if n > 1 else ():
        what = f"mean residual of {names[order[c, i]]}"
        error = np.hypot(sqrt(1.0 / total), slip[c, i])
        found.append(Deviation("drift each", what, float(mean[c, i]), float(error), n))
    return found


def mean_square(family: str, what: str, value: float, stderr: float, count: int = 1) -> Deviation:
    """A mean of squares: chi-square, 2/stderr^2 of them."""
    return Deviation(family, what, float(value), float(stderr), count, lean=2.0 * float(stderr))


def _expected(
    recorded: Recorded, bins: int
) -> tuple[
    Kernels, NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]
]:
    """Kernels and their sums over the steps of every bin, thermal units: of T Sigma_ii (bins,
    parts, m), of (T Sigma_ij)^2 (bins, parts, m, m), and how many steps there are (bins,); last
    the coordinates whose noise rounding does not hide, (parts, m).
    """
    plan, kernels = recorded.plan, Kernels(recorded.plan)
    edges = bin_edges(plan.schedule.ticks, bins)
    ticks, lengths, heats = (
        np.array([getattr(piece, name) for piece in plan.timeline])
        for name in ("tick", "duration", "temperature")
    )
    home = np.searchsorted(edges, ticks, side="right") - 1
    parts, m = kernels.order.shape
    variance, squares = np.zeros((bins, parts, m)), np.zeros((bins, parts, m, m))
    distinct, which = np.unique(lengths, return_inverse=True)
    groups = np.split(np.argsort(which, kind="stable"), np.cumsum(np.bincount(which))[:-1])
    for h, group in zip(distinct, groups, strict=True):
        kernel = kernels.at(float(h))
        heat = np.bincount(home[group], heats[group], bins)
        square = np.bincount(home[group], heats[group] ** 2, bins)
        for b in np.unique(home[group]):
            variance[b] += heat[b] * kernel.variance
            squares[b] += square[b] * kernel.noise**2
    steps = np.bincount(home, minlength=bins).astype(float)
    seen = rounding_power(recorded) * steps.sum() <= HIDDEN * variance.sum(0)
    return kernels, variance, squares, steps, seen


def rounding_power(recorded: Recorded) -> float:
    """What rounding adds to the square of a residual at most, thermal units."""
    peaks = recorded.peaks or {}
    largest = max(peaks.get("voltage", 0.0), peaks.get("current", 0.0))
    return (_ROUNDED * _UNIT[recorded.simulate["dtype"]] * largest) ** 2
