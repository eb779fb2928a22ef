"""Recording voltages, controls and scores at chosen tick boundaries.

The one observer whose memory grows, on purpose and only until it is drained: the pipeline empties
it after every time block. A frame belongs to the start of a tick: voltages then, and the source
values in force from then on, with the score they were made from (with latency those of an earlier
reading, zero before the first arrives). The last frame is the end of the run, with the source last
in force.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from thermohw.control import Control, Plan
    from thermohw.integrate.observer import Carry
    from thermohw.integrate.step import Step

__all__ = ["Recorder", "saved_ticks"]


def saved_ticks(ticks: int, every: int) -> NDArray[Any]:
    """Ticks whose start is saved: every `every`-th and the end; empty for every = 0."""
    if every == 0:
        return np.zeros(0, dtype=np.int64)
    return np.unique(np.append(np.arange(0, ticks, every), ticks))


class Recorder:
    """Observer that keeps frames until they are drained: in its carry, but not in a checkpoint,
    since they are drained before every commit.

    Args:
        plan: the run's plan.
        ticks: tick indices to keep, see `saved_ticks`.
        score: also keep the score.
    """

    name = "recorder"
    sums = False

    def __init__(
        self, plan: Plan, ticks: Sequence[int] | NDArray[Any], *, score: bool = True
    ) -> None:
        self.plan, self.score = plan, score
        self._wanted = {int(tick) for tick in ticks}

    def wants(self, tick: int) -> bool:
        """Whether the start of a tick is kept."""
        return tick in self._wanted

    def init(self, state: torch.Tensor) -> Carry:
        """Nothing kept."""
        carry: Any = {"frames": [], "last": None}
        return carry

    def update(self, carry: Carry, step: Step) -> None:
        """Keep the start of a wanted tick; after the last tick also its end."""
        piece, last = step.piece, cast(Any, carry)
        if step.control is not None:
            last["last"] = step.control
        if piece.reads and piece.tick in self._wanted:
            self._keep(last["frames"], step.start, last["last"])
        if piece.ends_tick and piece.tick + 1 == self.plan.schedule.ticks:
            if piece.tick + 1 in self._wanted:
                self._keep(last["frames"], step.end, last["last"], seen=step.start)

    def drain(self, carry: Carry) -> dict[str, torch.Tensor]:
        """The frames kept since the last call, shape (frames, paths, n) by channel; thermal and
        model units.
        """
        kept: Any = carry
        frames, kept["frames"] = kept["frames"], []
        if not frames:
            return {}
        return {name: torch.stack([frame[name] for frame in frames]) for name in frames[0]}

    def result(self, carry: Carry, state: torch.Tensor) -> Carry:
        """Nothing beyond the drained frames."""
        return {}

    def _keep(
        self,
        frames: list[Any],
        state: torch.Tensor,
        control: Control | None,
        *,
        seen: torch.Tensor | None = None,
    ) -> None:
        """A frame of a state; its score is of the state that was `seen`, if that is another."""
        voltage = self.plan.protocol.board.efforts(state)
        zeros = torch.zeros_like(voltage)
        source = zeros if control is None else control.source
        if control is not None and self.plan.schedule.relaxing is not None:
            if self.plan.drive.wiring == "current":  # a step counts in the R C in force
                tick = min(control.tick, self.plan.schedule.ticks - 1)
                source = source * float(self.plan.schedule.conductances[tick])
        frame = {"voltage": voltage, "control": source}
        if self.score:
            frame["score"] = (
                zeros
                if control is None
                else self._score_of(
                    voltage if seen is None else self.plan.protocol.board.efforts(seen), control
                )
            )
        frames.append(frame)

    def _score_of(self, voltage: torch.Tensor, control: Control) -> torch.Tensor:
        if control.score is not None:
            return control.score
        law = self.plan.laws[control.tick]  # an affine law never formed the score
        return law.field(law.model(voltage))
