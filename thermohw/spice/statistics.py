r"""The simulator's own statistics: an ensemble of cells with noise of its own making.

Nothing of this package's noise, steppers or ledger takes part: cells start empty, thermalise for
`rest` under Johnson noise that ngspice draws (TRRANDOM, reproducible through `setseed`), then
generate under the mixture's score written as behavioural sources; meters give work and heat. What
is compared are means, with their standard errors, so that this is a slow and blunt check beside the
one path by path, and an independent one.

Held noise of interval h biases the variance of a node by -h^2/12 and its heat by less than 1 % at
h = RC/50, the default.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from thermohw.control import make_plan
from thermohw.errors import InputError
from thermohw.spice.board import RandomNoise
from thermohw.spice.deck import CELLS, make_deck
from thermohw.spice.mixture_cards import MixtureCards
from thermohw.spice.runner import run_deck

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.control import Protocol

__all__ = ["Ensemble", "run_ensemble"]


@dataclass(frozen=True, eq=False)
class Ensemble:
    """What the cells did.

    Attributes:
        samples: final states, model units, shape (cells, nodes).
        work: of all sources during generation, kT_ref, shape (cells,).
        heat: into every bath from the very start, kT_ref, shape (cells, K).
        energy: stored at the end, kT_ref, shape (cells,).
    """

    samples: NDArray[Any]
    work: NDArray[Any]
    heat: NDArray[Any]
    energy: NDArray[Any]

    @staticmethod
    def mean(values: NDArray[Any]) -> tuple[float, float]:
        """Mean and its standard error."""
        return float(values.mean()), float(values.std(ddof=1)) / sqrt(len(values))

    def __str__(self) -> str:
        work, heat = self.mean(self.work), self.mean(self.heat.sum(axis=1))
        residual = np.abs(self.energy - self.work + self.heat.sum(axis=1)).max()
        return (
            f"{len(self.work)} cells: work {work[0]:.4g} +- {work[1]:.2g} kT, heat {heat[0]:.4g} "
            f"+- {heat[1]:.2g} kT, first law within {residual:.1g} kT"
        )


def run_ensemble(
    protocol: Protocol,
    cells: int,
    *,
    seed: int = 1,
    rest: float = 5.0,
    interval: float = 0.02,
    reltol: float = 1e-5,
) -> Ensemble:
    """Let the simulator generate samples.

    Args:
        protocol: continuous control with the exact score of a mixture.
        cells: how many samples, in decks of `CELLS`.
        seed: of the first deck; the next ones count on.
        rest: thermalisation before generation, R_ref C_ref.
        interval: of the noise, R_ref C_ref.
        reltol: the simulator's relative tolerance.

    Raises:
        InputError: clocked control, another score, or what `run_deck` raises.
    """
    if protocol.control != "continuous":
        raise InputError("an ensemble needs control = 'continuous'", where="protocol.control")
    plan, device = make_plan(protocol), protocol.device
    control = MixtureCards(plan, rest=rest)
    parts = []
    for number in range(ceil(cells / CELLS)):
        count = min(CELLS, cells - number * CELLS)
        deck = make_deck(
            device, duration=rest + plan.schedule.duration, step=interval,
            noise=RandomNoise(seed + number, interval), control=control, cells=count,
            reltol=reltol, title=f"{device.name}, ensemble, seed {seed + number}",
        )  # fmt: skip
        run = run_deck(deck)
        parts.append([part.copy() for part in run.split(run.values[-1])])
    efforts, work, heat, _ = (np.concatenate(part) for part in zip(*parts, strict=True))
    efforts = efforts / device.effort_scale
    state = efforts @ device.capacitance
    nodes = len(device.nodes)
    return Ensemble(
        efforts[:, :nodes] * sqrt(protocol.theta), work.sum(axis=1), heat,
        0.5 * (state * efforts).sum(axis=1),
    )  # fmt: skip
