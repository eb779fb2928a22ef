r"""What a run's filter did at a few ticks: enough to do it again.

    m+ = m- + K (r - m-)                 the update by a reading
    m- = Phi m+ + sum of the pushes      the prediction, over the pieces of the tick before

A controller that filters its readings acts on m+, and everything that is compared with what it saw
is compared with that: a wrong filter would explain itself. So reading, prediction and estimate of a
few paths are kept at the ticks where states and sources are (`thermohw.books.residuals`), with the
estimate of the tick before and the sources in force since. An audit works K, Phi and the pushes out
from the device in the file and does both again.

None of that sees how large the noise of a reading really was. What a reading says beyond the
prediction does: for a linear filter

    E (r - m-)_i^2 = (P- + R)_ii        whatever the control and the start law's shape,

so the squares are summed along every path, and their first three powers over paths.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from thermohw.books.residuals import kept_paths, kept_ticks, source_scale

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.control import Piece, Plan
    from thermohw.integrate import Carry, Step

__all__ = ["SURPRISES", "Updates", "pieces_before"]

SURPRISES = ("sum", "square", "cube")
"""Columns of `surprise`: sums over paths of x, x^2 and x^3, x a path's sum of (r - m-)^2."""


def pieces_before(plan: Plan) -> list[list[Piece]]:
    """Pieces of the tick before every kept one, in order; none before the first."""
    found: dict[int, list[Piece]] = {int(tick): [] for tick in kept_ticks(plan.schedule.ticks)}
    for piece in plan.timeline:
        if piece.tick + 1 in found:
            found[piece.tick + 1].append(piece)
    return list(found.values())


class Updates:
    """Observer of runs that filter their readings.

    Args:
        plan: with reading noise.
    """

    name = "filter"
    sums = True

    def __init__(self, plan: Plan) -> None:
        self._plan, self._before = plan, pieces_before(plan)
        self._slot = {int(tick): s for s, tick in enumerate(kept_ticks(plan.schedule.ticks))}
        self._first: dict[int, float] = {}  # when a decision starts to act
        for piece in plan.timeline:
            self._first.setdefault(piece.applies, piece.start)

    def init(self, state: torch.Tensor) -> Carry:
        """Nothing kept."""
        n = state.shape[1]
        kept = len(self._slot), kept_paths(len(state), n)
        most = max(map(len, self._before), default=0)
        carry = {
            name: torch.zeros(*kept, n, dtype=torch.float64)
            for name in ("reading", "predicted", "estimate", "before")
        }
        sources = max(most, 1), len(source_scale(self._plan))
        carry["source"] = torch.zeros(*kept, *sources, dtype=torch.float64)
        carry["surprise"] = torch.zeros(len(state), n, dtype=torch.float64)
        return carry

    def update(self, carry: Carry, step: Step) -> None:
        """Keep what a decision was made of, once it acts, and what acts before the next."""
        control, rows = step.control, carry["reading"].shape[1]
        if control is None:
            return
        self._keep_source(carry, step.piece, control.source[:rows])
        if control.reading is None:  # at rest, or of an older checkpoint
            return
        assert control.predicted is not None and control.estimate is not None
        if step.piece.start == self._first.get(control.tick):
            told = self._plan.chain.sense.undo(control.reading).double()
            carry["surprise"].add_((told - control.predicted.double()).square_())
        told = control.reading, control.predicted, control.estimate
        self._keep_reading(carry, control.tick, *(values[:rows] for values in told))

    def keep(
        self, carry: Carry, piece: Piece, read: NDArray[Any] | None, applied: NDArray[Any] | None
    ) -> None:
        """The same of a compiled tick: what was read at a piece's start, (voltage, reading,
        predicted, estimate), and the sources in force, each of the first rows; None for none.
        """
        rows = carry["reading"].shape[1]
        if read is not None:
            told = (torch.from_numpy(values[:rows]) for values in read[1:])
            self._keep_reading(carry, piece.tick, *told)
        if applied is not None:
            self._keep_source(carry, piece, torch.from_numpy(applied[:rows]))

    def _keep_source(self, carry: Carry, piece: Piece, source: torch.Tensor) -> None:
        slot = self._slot.get(piece.tick + 1)
        if slot is not None:
            carry["source"][slot, :, self._before[slot].index(piece)] = source.double()

    def _keep_reading(
        self, carry: Carry, tick: int, reading: torch.Tensor, predicted: torch.Tensor,
        estimate: torch.Tensor,
    ) -> None:  # fmt: skip
        if tick in self._slot:
            slot = self._slot[tick]
            carry["reading"][slot] = reading.double()
            carry["predicted"][slot] = predicted.double()
            carry["estimate"][slot] = estimate.double()
        if tick + 1 in self._slot:
            carry["before"][self._slot[tick + 1]] = estimate.double()

    def result(self, carry: Carry, state: torch.Tensor) -> Carry:
        """reading, predicted, estimate, before (ticks, paths, n) in V and A; source (ticks, paths,
        pieces, sources) in V or A; surprise (n + 1, 3) of every coordinate and, last, of their sum,
        thermal units.
        """
        efforts = torch.from_numpy(self._plan.protocol.board.effort_scale)
        source = torch.from_numpy(source_scale(self._plan))
        squares = carry["surprise"]
        x = torch.cat([squares, squares.sum(1, True)], 1)
        found = {
            name: table * (source if name == "source" else efforts)
            for name, table in carry.items()
            if name != "surprise"
        }
        return found | {"surprise": torch.stack([x.sum(0), (x**2).sum(0), (x**3).sum(0)], 1)}
