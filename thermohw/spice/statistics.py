r"""The simulator's own statistics: an ensemble of cells with noise of its own making.

Nothing of this package's noise, steppers or ledger takes part: cells start empty, thermalise for
`rest` under Johnson noise that ngspice draws (TRRANDOM, reproducible through `setseed`), then
generate under a score written as behavioural sources; meters give work and heat. What is compared
are means, with their standard errors, so that this is a slow and blunt check beside the one path by
path, and an independent one.

Held noise of interval h biases the variance of a node by -(h/RC)^2/12 and its heat by less than 1 %
at h = RC/50, the default.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np

from thermohw.control import make_plan
from thermohw.control.realisation import require_clock
from thermohw.errors import InputError
from thermohw.estimate import Estimate
from thermohw.spice.board import RandomNoise
from thermohw.spice.deck import CELLS, Deck, make_deck
from thermohw.spice.law_cards import require_cards
from thermohw.spice.runner import run_deck

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.control import Protocol

__all__ = ["REST", "CellResults", "ensemble_deck", "run_ensemble"]

REST = 5.0
"""Thermalisation before generation, R_ref C_ref."""


@dataclass(frozen=True, eq=False)
class CellResults:
    """What the cells did.

    Attributes:
        samples: final states, model units, shape (cells, n).
        work: of all sources during generation, kT_ref, shape (cells,).
        heat: into every bath from the very start, kT_ref, shape (cells, K).
        energy: stored at the end, kT_ref, shape (cells,).
    """

    samples: NDArray[Any]
    work: NDArray[Any]
    heat: NDArray[Any]
    energy: NDArray[Any]

    @staticmethod
    def mean(values: NDArray[Any]) -> Estimate:
        """Mean over the cells; unpacks as (value, standard error)."""
        return Estimate.from_paths(values)

    @property
    def residual(self) -> float:
        """Largest |energy - work + heat| of a cell, which started empty; kT_ref."""
        return float(np.abs(self.energy - self.work + self.heat.sum(axis=1)).max())

    def __str__(self) -> str:
        work, heat = self.mean(self.work), self.mean(self.heat.sum(axis=1))
        return (
            f"{len(self.work)} cells: work {work.text('.4g')} kT, heat since the empty start "
            f"{heat.text('.4g')} kT, first law within {self.residual:.1g} kT"
        )


def ensemble_deck(
    protocol: Protocol,
    cells: int,
    *,
    seed: int = 1,
    rest: float = REST,
    interval: float = 0.02,
    reltol: float = 1e-5,
) -> Deck:
    """A deck of cells that thermalise and generate under noise of their own.

    Args:
        protocol: continuous control with a score that can be written as sources.
        cells: copies of the circuit, at most `CELLS`.
        seed: of the simulator's generator, positive.
        rest: thermalisation before generation, R_ref C_ref.
        interval: of the noise, R_ref C_ref.
        reltol: the simulator's relative tolerance.

    Raises:
        InputError: clocked control, another score, or more cells than pay in one deck.
    """
    require_clock(protocol, "netlists have elements of")
    if not 1 <= cells <= CELLS:
        raise InputError(f"{cells}: expected 1 to {CELLS} cells in a deck", where="--cells")
    if seed < 1:
        raise InputError(f"{seed}: the simulator takes positive seeds", where="simulate.seed")
    if protocol.realisation != "clock":
        raise InputError(
            f"{protocol.realisation!r}: the elements of a deck are fixed; only 'clock' is written",
            where="protocol.realisation",
        )
    plan, device = make_plan(protocol), protocol.device
    return make_deck(
        device, duration=rest + plan.schedule.duration, step=interval,
        noise=RandomNoise(seed, interval), control=require_cards(plan, rest), cells=cells,
        reltol=reltol, title=f"{device.name}, {protocol.wiring}, {protocol.control}, "
        f"{cells} cells, noise of seed {seed}, {rest:g} R C of thermalisation first",
    )  # fmt: skip


def run_ensemble(
    protocol: Protocol,
    cells: int,
    *,
    seed: int = 1,
    rest: float = REST,
    interval: float = 0.02,
    reltol: float = 1e-5,
) -> CellResults:
    """Let the simulator generate samples.

    Args:
        protocol: continuous control with a score that can be written as sources.
        cells: how many samples, in decks of at most `CELLS`.
        seed: of the first deck; the next ones count on.
        rest: thermalisation before generation, R_ref C_ref.
        interval: of the noise, R_ref C_ref.
        reltol: the simulator's relative tolerance.

    Raises:
        InputError: what `ensemble_deck` or `run_deck` raises.
    """
    device, parts = protocol.device, []
    for number in range(ceil(cells / CELLS)):
        deck = ensemble_deck(protocol, min(CELLS, cells - number * CELLS), seed=seed + number,
                             rest=rest, interval=interval, reltol=reltol)  # fmt: skip
        run = run_deck(deck)
        parts.append([part.copy() for part in run.split(run.values[-1])])
    efforts, work, heat, _ = (np.concatenate(part) for part in zip(*parts, strict=True))
    efforts = efforts / device.effort_scale
    energy = 0.5 * ((efforts @ device.capacitance) * efforts).sum(axis=1)
    return CellResults(protocol.to_model(efforts), work.sum(axis=1), heat, energy)
