"""The engine: tiles of paths through the whole timeline.

Paths are independent, so a run is cut into tiles of whole noise blocks, small enough to stay in
cache; each goes from the first tick to the last before the next one starts. Peak memory is set by
the tile, not by paths times steps. A `TileRun` can stop at any tick boundary, hand out everything
it needs to continue (`checkpoint`) and continue bit-identically (`restore`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from thermohw.control import Control, Controller, make_plan
from thermohw.errors import InputError
from thermohw.integrate.choice import make_stepper
from thermohw.integrate.noise import BLOCK, BlockNoise, NoiseSource
from thermohw.integrate.start import StartLaw, start_law

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from thermohw.control import Piece, Plan, Protocol
    from thermohw.integrate.observer import Carry, Observer
    from thermohw.integrate.step import Stepper
    from thermohw.target import Target

__all__ = ["Engine", "Tile", "TileRun", "make_engine", "tiles"]


@dataclass(frozen=True)
class Tile:
    """Paths first .. first + paths - 1, in whole noise blocks (the last one may be cut)."""

    first: int
    paths: int
    blocks: tuple[int, ...]


def tiles(paths: int, tile: int = BLOCK, *, first_block: int = 0) -> list[Tile]:
    """Cut `paths` paths into tiles of at most `tile` paths, a multiple of 4096.

    Args:
        paths: number of paths.
        tile: paths per tile.
        first_block: noise block of the first path, to run a slice of a larger run.
    """
    assert tile % BLOCK == 0 and tile > 0, "a tile is a whole number of noise blocks"
    result = []
    for first in range(0, paths, tile):
        size = min(tile, paths - first)
        start = first_block + first // BLOCK
        result.append(Tile(first, size, tuple(range(start, start + -(-size // BLOCK)))))
    return result


@dataclass(eq=False)
class Engine:
    """Everything that the tiles of one run share.

    Attributes:
        plan: the worked-out protocol.
        controller: plays it.
        stepper: moves the paths.
        start: law of the first state.
        observers: what watches.
        seed: of the noise streams.
        dtype: of states and noise.
        closing: evaluate the control law at the very end of the run too (theorems, trapezoid sums).
    """

    plan: Plan
    controller: Controller
    stepper: Stepper
    start: StartLaw
    observers: Sequence[Observer]
    seed: int
    dtype: torch.dtype
    closing: bool = False
    _prepared: bool = field(default=False, init=False, repr=False)

    def open(
        self, tile: Tile, *, noise: NoiseSource | None = None, state: torch.Tensor | None = None
    ) -> TileRun:
        """A tile at the start of the run.

        Args:
            tile: which paths.
            noise: replaces the tile's own stream (replay).
            state: replaces the drawn start states, thermal units, shape (paths, n).
        """
        if state is None:
            model = self.start.sample(self.seed, tile.blocks, tile.paths)
            voltage = self.plan.protocol.to_thermal(model)
            state = voltage @ torch.as_tensor(self.plan.protocol.board.capacitance)
        assert state is not None
        state = state.to(self.dtype)
        self._prepare(state[:1])
        if noise is None:
            noise = BlockNoise(self.seed, tile.blocks, tile.paths, dtype=self.dtype)
        carries = {observer.name: observer.init(state) for observer in self.observers}
        run = TileRun(self, tile, noise, state, carries)
        lag = self.plan.chain.lag
        if not lag.is_ideal:
            run.lag = lag.start(len(state), self._sources, state)
        return run

    @property
    def _sources(self) -> int:
        device = self.plan.protocol.board
        if self.plan.drive.wiring == "emf":
            return len(device.controlled)
        return device.port_matrix.shape[1]

    def _prepare(self, state: torch.Tensor) -> None:
        """Make the control laws of every tick before the first tile fills the memory."""
        if not self._prepared:
            self._prepared = True
            voltage, ticks = self.plan.protocol.board.efforts(state), self.plan.schedule.ticks
            self.plan.laws.prepare(voltage, ticks)
            if not self.plan.clocked:
                self.plan.middle_laws.prepare(voltage, ticks)


@dataclass(eq=False)
class TileRun:
    """One tile on its way through the timeline."""

    engine: Engine
    tile: Tile
    noise: NoiseSource
    state: torch.Tensor
    carries: dict[str, Carry]
    position: int = 0
    pending: dict[int, Control] = field(default_factory=dict)
    predicted: torch.Tensor | None = None
    lag: torch.Tensor | None = None

    @property
    def tick(self) -> int:
        """Ticks completed."""
        timeline = self.engine.plan.timeline
        return (
            timeline[self.position].tick
            if self.position < len(timeline)
            else self.engine.plan.schedule.ticks
        )

    def advance(self, until: int) -> None:
        """Run up to the start of tick `until`.

        Raises:
            InputError: a state became non-finite; the message names the tick and the path.
        """
        plan, controller = self.engine.plan, self.engine.controller
        if controller.filter is not None and self.predicted is None:
            self.predicted = controller.filter.start(len(self.state), self.state)
        timeline, last = plan.timeline, len(plan.timeline) - 1
        while self.position <= last and timeline[self.position].tick < until:
            piece = timeline[self.position]
            if piece.reads and piece.tick not in self.pending:
                self._decide(piece.tick)
            last_one = self.position == last and plan.clocked and not self.engine.closing
            act = partial(self._act, piece.tick) if plan.prompt and not last_one else None
            control = self.pending.get(piece.applies)
            if self.lag is not None:
                control = self._remember(control, piece)
            step = self.engine.stepper.step(piece, self.state, control, noise=self.noise, act=act)
            for observer in self.engine.observers:
                observer.update(self.carries[observer.name], step)
            self.state, self.lag = step.end, step.lag
            self.position += 1
            self._forget(piece.applies, step.next_control)
            if self.predicted is not None:
                source = control.source if control is not None else torch.zeros_like(self.predicted)
                self.predicted = controller.predict(self.predicted, source, piece)
            if piece.ends_tick and (piece.tick + 1) % 64 == 0:
                self._require_finite(piece.tick)
        self._require_finite(until - 1)

    def _decide(self, tick: int) -> None:
        controller = self.engine.controller
        width = controller.normals * self.state.shape[1]
        noise = self.noise.normals(width) if width else None
        voltage = self.engine.plan.protocol.board.efforts(self.state)
        control = controller.act(voltage, tick, noise=noise, predicted=self.predicted)
        self.pending[tick] = control
        if control.estimate is not None:
            self.predicted = control.estimate

    def _remember(self, control: Control | None, piece: Piece) -> Control:
        """The decision with what the sources remember; a value that arrives is held from now on."""
        lag, timeline = self.lag, self.engine.plan.timeline
        assert lag is not None
        if control is None:
            return Control(-1, torch.zeros_like(lag[:, 0]), lag=lag)
        if self.position == 0 or timeline[self.position - 1].applies != piece.applies:
            lag = torch.cat([control.source[:, None], lag[:, 1:]], 1)
        return control._replace(lag=lag)

    def _act(self, tick: int, state: torch.Tensor, *, middle: bool = False) -> Control:
        voltage = self.engine.plan.protocol.board.efforts(state)
        return self.engine.controller.act(voltage, tick if middle else tick + 1, middle=middle)

    def _forget(self, applied: int, following: Control | None) -> None:
        if following is not None:
            self.pending = {following.tick: following}
        elif self.position < len(self.engine.plan.timeline):
            oldest = min(applied, self.engine.plan.timeline[self.position].applies)
            self.pending = {tick: c for tick, c in self.pending.items() if tick >= oldest}

    def _require_finite(self, tick: int) -> None:
        if not bool(torch.isfinite(self.state).all()):
            row = int((~torch.isfinite(self.state)).any(1).nonzero()[0])
            raise InputError(
                f"the state of path {self.tile.first + row} is not finite at tick {tick}: "
                "the grid is too coarse or the score diverges; use more ticks or a larger t_min",
                where="simulate",
            )

    def results(self) -> dict[str, Carry]:
        """What every observer has to say at the end, by observer name."""
        return {o.name: o.result(self.carries[o.name], self.state) for o in self.engine.observers}

    def checkpoint(self) -> dict[str, Any]:
        """Everything needed to continue, as numpy arrays by name; copies, since observers add in
        place.
        """
        assert isinstance(self.noise, BlockNoise)
        saved: dict[str, Any] = {
            "position": self.position,
            "state": self.state.numpy().copy(),
            "noise": self.noise.get_state(),
        }
        for name, carry in self.carries.items():
            entries = {f"carry/{name}/{key}": value.numpy().copy() for key, value in carry.items()}
            saved.update(entries)
        if not self.engine.plan.prompt:
            for tick, control in self.pending.items():
                saved[f"pending/{tick:08d}/source"] = control.source.numpy()
                if control.score is not None:
                    saved[f"pending/{tick:08d}/score"] = control.score.numpy()
        if self.predicted is not None:
            saved["predicted"] = self.predicted.numpy()
        if self.lag is not None:
            saved["lag"] = self.lag.numpy().copy()
        return saved

    def restore(self, saved: dict[str, Any]) -> None:
        """Continue from a checkpoint of the same tile."""
        assert isinstance(self.noise, BlockNoise)

        def tensor(value: np.ndarray) -> torch.Tensor:
            return torch.from_numpy(value.copy())

        self.position = int(saved["position"])
        self.state = tensor(saved["state"])
        self.pending = {}  # decisions of a later tick would be taken for the replayed ones
        self.noise.set_state(saved["noise"])
        for key, value in saved.items():
            if key.startswith("carry/"):
                _, name, entry = key.split("/", 2)
                self.carries[name][entry] = tensor(value)
            elif key.startswith("pending/") and key.endswith("/source"):
                tick = int(key.split("/")[1])
                score = saved.get(f"pending/{tick:08d}/score")
                seen = None if score is None else tensor(score)
                self.pending[tick] = Control(tick, tensor(value), seen)
        if "predicted" in saved:
            self.predicted = tensor(saved["predicted"])
        if "lag" in saved:
            self.lag = tensor(saved["lag"])


def make_engine(
    protocol: Protocol,
    observers: Sequence[Observer] = (),
    *,
    seed: int = 0,
    start: str = "marginal",
    target: Target | None = None,
    prior: str = "schedule",
    dtype: torch.dtype = torch.float32,
    divergence: bool = False,
    flux: bool = False,
    closing: bool = False,
) -> Engine:
    """Work a protocol out and put an engine together.

    Args:
        protocol: what to play.
        observers: what watches.
        seed: non-negative.
        start: law of the first state, see `start_law`.
        target: the data, where the score does not know them.
        prior: "schedule" or "matched", for start = "prior".
        dtype: float32 or float64.
        divergence: evaluate div u at every tick (pumping).
        flux: draw int v dt in emf runs too (odd theorem).
        closing: evaluate the law at the end of the run too.
    """
    plan = make_plan(protocol)
    law = start_law(plan, start, target=target, prior=prior)
    device = protocol.board
    controller = Controller(
        plan,
        start_mean=protocol.to_thermal(law.mean),
        start_covariance=protocol.covariance_to_thermal(law.covariance),
        divergence=divergence and plan.ideal,
    )
    method = "exact" if plan.clocked else plan.stepper
    stepper = make_stepper(
        device, protocol.wiring, method, dtype=dtype, flux=flux, lag=plan.chain.lag
    )
    return Engine(plan, controller, stepper, law, tuple(observers), seed, dtype, closing=closing)
