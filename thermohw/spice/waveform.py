r"""Piecewise-linear waveforms: the portable form in which noise and recorded control reach a deck.

A waveform is linear between its points and constant beyond its ends, which is what a PWL source of
every circuit simulator does. Two kinds are made here:

    staircase      held levels; from one to the next in a short linear ramp CENTRED on the edge, so
                   that the integral over whole pieces is that of the ideal steps (end pieces aside)
    interpolated   a straight line from sample to sample

Johnson noise of power 2 T gamma (thermal units) held for h is sqrt(2 T gamma / h) times a standard
normal. Times are in R_ref C_ref, values in thermal units; `cards` turns both into SI.

Integrals are exact: int_0^t is a quadratic on every segment.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["RAMP", "STEPS", "Waveform", "interpolated", "largest_step", "sharpened", "staircase"]

STEPS = 8
"""Fewest steps of a simulator in the longest piece."""

RAMP = 1e-4
"""Width of a staircase's ramps, in units of the shorter of the two pieces it joins. ngspice merges
corners closer than 5e-5 of its largest step, and its first step after a corner is of order one: the
ramp must be long enough to be seen and short enough not to matter."""


@dataclass(frozen=True, eq=False)
class Waveform:
    """Channels that are linear between common points.

    Attributes:
        times: shape (M,), strictly increasing, R_ref C_ref.
        values: shape (M, channels), thermal units.
    """

    times: NDArray[Any]
    values: NDArray[Any]

    def __post_init__(self) -> None:
        assert self.values.ndim == 2 and len(self.times) == len(self.values) > 0
        assert (np.diff(self.times) > 0).all(), "the points of a waveform are in order"

    @property
    def channels(self) -> int:
        """Number of channels."""
        return self.values.shape[1]

    def at(self, times: NDArray[Any]) -> NDArray[Any]:
        """Values at times (n,), shape (n, channels)."""
        columns = [np.interp(times, self.times, column) for column in self.values.T]
        return np.stack(columns, axis=1) if columns else np.zeros((len(times), 0))

    def integral(self, times: NDArray[Any]) -> NDArray[Any]:
        """int_0^t at times (n,) inside the waveform, shape (n, channels), exact."""
        steps = np.diff(self.times)[:, None]
        areas = 0.5 * steps * (self.values[1:] + self.values[:-1])
        total = np.concatenate([np.zeros((1, self.channels)), np.cumsum(areas, axis=0)])
        place = np.clip(np.searchsorted(self.times, times, side="right") - 1, 0, None)
        rest = (np.asarray(times) - self.times[place])[:, None]
        return total[place] + 0.5 * rest * (self.values[place] + self.at(times))

    def pwl(self, channel: int, seconds: float, unit: float) -> str:
        """PWL(...) of one channel in SI, on continuation lines of a few points.

        Args:
            channel: which.
            seconds: SI size of the unit of time.
            unit: SI size of the unit of the values.
        """
        pairs = [
            f"{t * seconds:.17g} {v * unit:.17g}"
            for t, v in zip(self.times, self.values[:, channel], strict=True)
        ]
        rows = [" ".join(pairs[i : i + 4]) for i in range(0, len(pairs), 4)]
        return "PWL(" + "\n+ ".join(rows) + ")"


def largest_step(edges: NDArray[Any]) -> float:
    """A simulator's largest step for pieces between edges; in shorter pieces corners force it."""
    lengths = np.diff(edges)
    return float(min(lengths.max() / STEPS, 2000.0 * lengths.min()))


def staircase(edges: NDArray[Any], levels: NDArray[Any], ramp: float = RAMP) -> Waveform:
    """Levels held between edges, joined by centred ramps.

    Args:
        edges: shape (N + 1,), increasing, R_ref C_ref.
        levels: shape (N, channels), thermal units.
        ramp: width of a ramp over the shorter of its two pieces; wider where a simulator that
            takes `largest_step` would miss it.
    """
    edges, levels = np.asarray(edges, float), np.asarray(levels, float)
    lengths = np.diff(edges)
    half = 0.5 * np.maximum(
        ramp * np.minimum(lengths[1:], lengths[:-1]), RAMP * largest_step(edges)
    )
    inner = np.stack([edges[1:-1] - half, edges[1:-1] + half], axis=1).reshape(-1)
    times = np.concatenate([edges[:1], inner, edges[-1:]])
    return Waveform(times, np.repeat(levels, 2, axis=0))


def sharpened(steps: Waveform, factor: float) -> Waveform:
    """The same staircase with ramps `factor` times as wide."""
    edges = steps.times[1:-1].reshape(-1, 2)
    middle, half = edges.mean(axis=1), 0.5 * factor * np.diff(edges, axis=1)[:, 0]
    inner = np.stack([middle - half, middle + half], axis=1).reshape(-1)
    return Waveform(np.concatenate([steps.times[:1], inner, steps.times[-1:]]), steps.values)


def interpolated(times: NDArray[Any], values: NDArray[Any]) -> Waveform:
    """A straight line from sample to sample; times (N,), values (N, channels)."""
    return Waveform(np.asarray(times, float), np.asarray(values, float))
