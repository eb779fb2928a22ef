r"""Mean heat and work of one node whose source rests between ticks, from its law on a grid.

A node at one temperature, read exactly, holds a source for a tick: with c(z) the voltage at which
it would come to rest and phi = e^-h (thermal units, h in units of R C),

    z' = m(z) + sqrt(1 - phi^2) n,      m(z) = phi z + (1 - phi) c(z),

so that its density after the tick is that of m(z), smeared with a Gaussian. Where m rises (ticks
short against the loop) the density of m is q/m' at m^-1; the smearing is a product of Fourier
transforms. Means of a tick follow from z and c alone:

    emf        W = c (m(z) - z)                          charge moved through the source
    current    W = c [ h c + (1 - phi)(z - c) ]          charge of the source times voltage
    dE = (m^2 + 1 - phi^2 - z^2)/2,      Q = W - dE

This is the law of the device's own ticks, not of the noised data: the O(h) by which the two differ
is in it. An independent route to what runs measure, too.
"""

from __future__ import annotations

from math import ceil, exp, log2, sqrt
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from scipy.interpolate import CubicSpline

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.control import Plan
    from thermohw.process import Normal
    from thermohw.score import ExactScore

__all__ = ["HeldLaw", "held_law"]

_REACH = 11.0  # standard deviations to either side
_PER_WIDTH = 16.0  # grid points in the narrowest mode's standard deviation
_MOST = 2**24  # grid points times ticks


class HeldLaw(NamedTuple):
    """Means of one sample, kT.

    Attributes:
        heat: into the resistor.
        work: of the source.
        mass: what is left of the probability: 1 up to the error of the grid.
    """

    heat: float
    work: float
    mass: float


def held_law(plan: Plan, score: ExactScore, start: Normal | None = None) -> HeldLaw | None:
    """Follow the law of one node through all ticks.

    Args:
        plan: one node, clocked, exact prompt readings, one temperature and resistance.
        score: the exact law whose density at the first tick the node starts from.
        start: another start, model units.

    Returns:
        None where ticks are so long that m does not rise, or the grid would be too large.
    """
    protocol, schedule = plan.protocol, plan.schedule
    unit = float(protocol.to_thermal(np.ones(1))[0])  # thermal volts of a model unit
    lengths = np.asarray(schedule.relaxations, dtype=np.float64)
    times = schedule.model_time
    grid = _grid(score, times, lengths, unit)
    if grid is None:
        return None
    step = float(grid[1] - grid[0])
    frequency = 2.0 * np.pi * np.fft.rfftfreq(len(grid), step)
    model = torch.from_numpy(grid / unit)[:, None]
    first = score.log_prob(model, float(times[0])) if start is None else start.log_prob(model)
    density = np.exp(first.numpy()) / unit
    heat = work = 0.0
    column = torch.from_numpy(grid)[:, None]
    for n, h in enumerate(lengths):
        phi = exp(-h)
        rest = plan.laws[n].sources(column)[:, 0].numpy()
        mean = phi * grid + (1.0 - phi) * rest
        weight = density * step
        moved = rest * (mean - grid)
        if protocol.wiring == "current":
            moved = rest * (h * rest + (1.0 - phi) * (grid - rest))
        change = 0.5 * (mean**2 + 1.0 - phi**2 - grid**2)
        work += float(weight @ moved)
        heat += float(weight @ (moved - change))
        kept = weight > 1e-18 * weight.max()
        inside = slice(int(kept.argmax()), len(kept) - int(kept[::-1].argmax()))
        if not (np.diff(mean[inside]) > 0.0).all():
            return None
        density = _moved(grid, density, mean, inside)
        spread = np.exp(-0.5 * (1.0 - phi**2) * frequency**2)
        density = np.clip(np.fft.irfft(np.fft.rfft(density) * spread, len(grid)), 0.0, None)
    return HeldLaw(heat, work, float(density.sum() * step))


def _grid(
    score: ExactScore, times: NDArray[np.float64], lengths: NDArray[np.float64], unit: float
) -> NDArray[np.float64] | None:
    """As wide as the law ever is, as fine as its narrowest mode ever asks for."""
    target, process = score.target, score.process
    assert target is not None
    ends, widths = [], []
    for t in times:
        mean, covariance = process.propagate(target.mean, target.covariance, float(t))
        decay, noise = (float(part) for part in process.transition(float(t)))
        ends.append(abs(float(mean[0])) + _REACH * sqrt(float(covariance[0, 0])))
        widths.append(sqrt(decay**2 * target.narrowest + noise))
    half = unit * max(ends)
    count = 2 ** ceil(log2(2.0 * half * _PER_WIDTH / (unit * min(widths))))
    if count * len(lengths) > _MOST:
        return None
    return np.linspace(-half, half, count, endpoint=False)


def _moved(
    grid: NDArray[np.float64],
    density: NDArray[np.float64],
    mean: NDArray[np.float64],
    inside: slice,
) -> NDArray[np.float64]:
    """Density of m(z) on the grid: splines of z and of ln of the density over m."""
    there = mean[inside]
    slope = CubicSpline(grid[inside], there)(grid[inside], 1)
    spline = CubicSpline(there, density[inside] / slope)
    within = (grid >= there[0]) & (grid <= there[-1])
    moved = np.zeros_like(grid)
    moved[within] = np.clip(spline(grid[within]), 0.0, None)
    return moved
