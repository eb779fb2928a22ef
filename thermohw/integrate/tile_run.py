"""One tile of paths on its way through the whole timeline.

Piece by piece: the control law decides where the piece reads, sources with a memory remember, the
stepper moves the paths, the observers watch. A `TileRun` can stop at any tick boundary, hand out
everything it needs to continue (`checkpoint`) and continue bit-identically (`restore`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from math import isfinite
from typing import TYPE_CHECKING, Any

import torch

from thermohw.control import Control, Piece
from thermohw.errors import InputError, StoreError
from thermohw.integrate.recorder import Recorder
from thermohw.noise import NoiseSource

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from thermohw.control import Controller, Plan
    from thermohw.integrate.observer import Carry, Observer
    from thermohw.integrate.step import Step, Stepper
    from thermohw.integrate.tile import Tile

__all__ = ["Setup", "TileRun", "late_parts"]


@dataclass(eq=False)
class Setup:
    """Everything that the tiles of one run share.

    Attributes:
        plan: the worked-out protocol.
        controller: plays it.
        stepper: moves the paths.
        observers: what watches.
        seed: of the noise streams.
        dtype: of states and noise.
        closing: evaluate the control law at the very end of the run too (theorems, trapezoid sums).
    """

    plan: Plan
    controller: Controller
    stepper: Stepper
    observers: Sequence[Observer]
    seed: int
    dtype: torch.dtype
    closing: bool = False


def late_parts(plan: Plan) -> tuple[str, ...]:
    """What a checkpoint keeps of a decision on its way to the sources, for those who watch it
    arrive; each of the size of the states.
    """
    coded, noisy = plan.adc is not None, plan.reading_noise > 0.0
    reading = ("reading",) if coded or noisy else ()
    return ("source", "score", *reading, *(("predicted", "estimate") if noisy else ()))


def _cut(record: Any, rows: int, paths: int) -> Any:
    """A record of tensors of `rows` rows, those within it too, cut to the first `paths`."""
    if isinstance(record, torch.Tensor):
        return record[:paths] if record.ndim and len(record) == rows else record
    if isinstance(record, Piece):
        return record
    if isinstance(record, tuple):
        parts = (_cut(item, rows, paths) for item in record)
        return type(record)(*parts) if hasattr(record, "_fields") else tuple(parts)
    return record


@dataclass(eq=False)
class TileRun:
    """One tile on its way through the timeline.

    Attributes:
        setup: what all tiles share.
        tile: which paths.
        noise: normals of the circuit.
        readings: normals of what is read.
        whole: states of all rows that are computed, the tile's paths first.
        carries: of the observers, by name.
    """

    setup: Setup
    tile: Tile
    noise: NoiseSource
    readings: NoiseSource
    whole: torch.Tensor
    carries: dict[str, Carry]
    position: int = 0
    pending: dict[int, Control] = field(default_factory=dict)
    predicted: torch.Tensor | None = None
    lag: torch.Tensor | None = None
    stride = 64  # ticks that are worth a report of progress
    compiled = False

    @property
    def state(self) -> torch.Tensor:
        """States of the tile's own paths, shape (paths, n)."""
        return self.whole[: self.tile.paths]

    @property
    def tick(self) -> int:
        """Ticks completed."""
        timeline = self.setup.plan.timeline
        return (
            timeline[self.position].tick
            if self.position < len(timeline)
            else self.setup.plan.schedule.ticks
        )

    def advance(self, until: int) -> None:
        """Run up to the start of tick `until`.

        Raises:
            InputError: a state became non-finite; the message names the tick and the path.
        """
        plan, controller = self.setup.plan, self.setup.controller
        if controller.filter is not None and self.predicted is None:
            self.predicted = controller.filter.start(len(self.whole), self.whole)
        timeline, last = plan.timeline, len(plan.timeline) - 1
        while self.position <= last and timeline[self.position].tick < until:
            piece = timeline[self.position]
            if piece.reads and piece.tick not in self.pending:
                self._decide(piece.tick)
            last_one = self.position == last and plan.clocked and not self.setup.closing
            act = partial(self._act, piece.tick) if plan.prompt and not last_one else None
            control = self.pending.get(piece.applies)
            if self.lag is not None:
                control = self._remember(control, piece)
            step = self.setup.stepper.step(piece, self.whole, control, noise=self.noise, act=act)
            own = self._own(step)
            for observer in self.setup.observers:
                observer.update(self.carries[observer.name], own if observer.sums else step)
            self.whole, self.lag = step.end, step.lag
            self.position += 1
            self._forget(piece.applies, step.next_control)
            if self.predicted is not None:
                source = control.source if control is not None else torch.zeros_like(self.predicted)
                self.predicted = controller.predict(self.predicted, source, piece)
            if piece.ends_tick and (piece.tick + 1) % 64 == 0:
                self._require_finite(piece.tick)
        self._require_finite(until - 1)

    def _decide(self, tick: int) -> None:
        controller = self.setup.controller
        width = controller.normals * self.whole.shape[1]
        noise = self.readings.normals(width, tick) if width else None
        voltage = self.setup.plan.protocol.board.efforts(self.whole)
        control = controller.act(voltage, tick, noise=noise, predicted=self.predicted)
        self.pending[tick] = control
        if control.estimate is not None:
            self.predicted = control.estimate

    def _remember(self, control: Control | None, piece: Piece) -> Control:
        """The decision with what the sources remember; a value that arrives is held from now on."""
        lag, timeline = self.lag, self.setup.plan.timeline
        assert lag is not None
        if control is None:
            return Control(-1, torch.zeros_like(lag[:, 0]), lag=lag)
        if self.position == 0 or timeline[self.position - 1].applies != piece.applies:
            lag = torch.cat([control.source[:, None], lag[:, 1:]], 1)
        return control._replace(lag=lag)

    def _act(self, tick: int, state: torch.Tensor, *, middle: bool = False) -> Control:
        voltage = self.setup.plan.protocol.board.efforts(state)
        return self.setup.controller.act(voltage, tick if middle else tick + 1, middle=middle)

    def _forget(self, applied: int, following: Control | None) -> None:
        if following is not None:
            self.pending = {following.tick: following}
        elif self.position < len(self.setup.plan.timeline):
            oldest = min(applied, self.setup.plan.timeline[self.position].applies)
            self.pending = {tick: c for tick, c in self.pending.items() if tick >= oldest}

    def _require_finite(self, tick: int) -> None:
        # A sum is finite where all of it is, and far sooner found; it may overflow where all is.
        if isfinite(float(self.state.sum())):
            return
        if not bool(torch.isfinite(self.state).all()):
            row = int((~torch.isfinite(self.state)).any(1).nonzero()[0])
            raise InputError(
                f"the state of path {self.tile.first + row} is not finite at tick {tick}: "
                "the grid is too coarse or the score diverges; use more ticks or a larger t_min",
                where="simulate",
            )

    def _own(self, step: Step) -> Step:
        """What concerns the tile's own paths; views."""
        if len(self.whole) == self.tile.paths:
            return step
        return _cut(step, len(self.whole), self.tile.paths)

    def results(self, *, whole: bool = False) -> dict[str, Carry]:
        """What every observer has to say at the end, by observer name; of the tile's own paths, or
        with `whole` of all rows where an observer has one number a path.
        """
        rows, paths = len(self.whole), self.tile.paths
        found = {}
        for o in self.setup.observers:
            said = o.result(self.carries[o.name], self.state if o.sums else self.whole)
            cut = not (whole or o.sums or rows == paths)
            found[o.name] = {k: v[:paths] for k, v in said.items()} if cut else said
        return found

    def drain(self) -> dict[str, torch.Tensor]:
        """Recorded frames since the last call; see `Recorder.drain`."""
        recorders = (o for o in self.setup.observers if isinstance(o, Recorder))
        return next(recorders).drain(self.carries[Recorder.name])

    def checkpoint(self) -> dict[str, Any]:
        """Everything needed to continue, as numpy arrays by name; copies, since observers add in
        place.
        """
        saved: dict[str, Any] = {"position": self.position, "state": self.whole.numpy().copy()}
        for name, carry in self.carries.items():
            if name == Recorder.name:
                continue
            entries = {f"carry/{name}/{key}": value.numpy().copy() for key, value in carry.items()}
            saved.update(entries)
        if not self.setup.plan.prompt:
            for tick, control in self.pending.items():
                parts = {what: getattr(control, what) for what in late_parts(self.setup.plan)}
                saved |= {f"pending/{tick:08d}/{what}": value.numpy()
                          for what, value in parts.items() if value is not None}  # fmt: skip
        if self.predicted is not None:
            saved["predicted"] = self.predicted.numpy()
        if self.lag is not None:
            saved["lag"] = self.lag.numpy().copy()
        return saved

    def restore(self, saved: dict[str, Any]) -> None:
        """Continue from a checkpoint of the same tile.

        Raises:
            StoreError: it is of compiled ticks, which keep more; the file stays as it is.
        """
        if "fused/ring" in saved and not self.compiled:
            raise StoreError(
                "was begun with compiled ticks, and numba does not work here: continue it where it "
                "does, or run it anew",
                where="the checkpoint",
            )

        def tensor(value: np.ndarray) -> torch.Tensor:
            return torch.from_numpy(value.copy())

        self.position = int(saved["position"])
        self.whole = tensor(saved["state"])
        self.pending = {}  # decisions of a later tick would be taken for the replayed ones
        for key, value in saved.items():
            if key.startswith("carry/"):
                _, name, entry = key.split("/", 2)
                self.carries[name][entry] = tensor(value)
            elif key.startswith("pending/") and key.endswith("/source"):
                tick = int(key.split("/")[1])
                names = {what: f"pending/{tick:08d}/{what}" for what in late_parts(self.setup.plan)}
                self.pending[tick] = Control(
                    tick, **{what: tensor(saved[n]) for what, n in names.items() if n in saved}
                )
        if "predicted" in saved:
            self.predicted = tensor(saved["predicted"])
        if "lag" in saved:
            self.lag = tensor(saved["lag"])
