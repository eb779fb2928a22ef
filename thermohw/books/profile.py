"""Heat and work over time: ensemble sums in a fixed number of bins of ticks.

The memory is the number of bins, whatever the number of ticks. Rates follow by dividing by the
paths and by the bins' durations.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.control import Schedule
    from thermohw.integrate import Carry, Step

__all__ = ["CHANNELS", "Profile", "bin_edges"]

CHANNELS = ("heat", "work", "divergence")
"""Columns of a profile: heat into all baths (k T_ref), work of all sources (k T_ref), int div u
(nats).
"""


def bin_edges(ticks: int, bins: int = 128) -> NDArray[Any]:
    """Tick indices at which the bins begin and end, shape (bins + 1,) or fewer for short runs."""
    return np.unique(np.linspace(0, ticks, min(bins, ticks) + 1).round().astype(np.int64))


class Profile:
    """Observer of ensemble sums per bin of ticks.

    Args:
        schedule: the ticks.
        bins: how many bins at most.
    """

    name = "profile"
    sums = True

    def __init__(self, schedule: Schedule, *, bins: int = 128) -> None:
        self.edges = bin_edges(schedule.ticks, bins)
        self._bin = np.searchsorted(self.edges, np.arange(schedule.ticks), side="right") - 1

    def bins(self, ticks: NDArray[Any]) -> NDArray[Any]:
        """Bins of ticks."""
        return self._bin[ticks]

    def init(self, state: torch.Tensor) -> Carry:
        """Zeros, shape (bins, channels)."""
        return {"sums": torch.zeros(len(self.edges) - 1, len(CHANNELS), dtype=torch.float64)}

    def update(self, carry: Carry, step: Step) -> None:
        """Add the tile's sums of one step."""
        row = carry["sums"][int(self._bin[step.piece.tick])]
        charge = step.charge.reshape(-1)
        heat = torch.dot(step.force.reshape(-1), charge)
        if step.heat_correction is not None:
            heat = heat + step.heat_correction.sum()
        row[0] += heat
        if step.emf is not None:
            row[1] -= torch.dot(step.emf.reshape(-1), charge)
        elif step.current is not None and step.flux is not None:
            row[1] += torch.dot(step.current.reshape(-1), step.flux.reshape(-1))
        if step.work_correction is not None:
            row[1] += step.work_correction.sum()
        if step.control is not None and step.control.divergence is not None:
            row[2] += step.control.divergence.sum() * step.piece.duration

    def result(self, carry: Carry, state: torch.Tensor) -> Carry:
        """Sums over the tile's paths, shape (bins, channels)."""
        return {"profile": carry["sums"]}
