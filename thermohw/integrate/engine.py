"""The engine: what all tiles of a run share, and how a protocol is made one.

It opens every tile (`integrate.tile`) at the start of the timeline, with its own noise, start
states and carries of the observers; `integrate.tile_run` takes it to the end.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from thermohw.control import Controller, make_plan
from thermohw.integrate.choice import make_stepper
from thermohw.integrate.fused.choice import not_compiled
from thermohw.integrate.fused.run import FusedRun
from thermohw.integrate.fused.tables import TickTables
from thermohw.integrate.start import StartLaw, start_law
from thermohw.integrate.tile_run import Setup, TileRun
from thermohw.noise import NoiseSource, Stream, TickNoise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from thermohw.control import Plan, Protocol
    from thermohw.integrate.observer import Observer
    from thermohw.integrate.tile import Tile
    from thermohw.target import Target

__all__ = ["Engine", "make_engine"]


@dataclass(eq=False)
class Engine(Setup):
    """A setup that opens its tiles.

    Attributes:
        start: law of the first state.
        compiled: play compiled ticks where there are some; False takes the readable path.
    """

    start: StartLaw = field(kw_only=True)
    compiled: bool = True
    _tables: TickTables | None = field(default=None, init=False, repr=False)
    _asked: Any = field(default=None, init=False, repr=False)
    _prepared: bool = field(default=False, init=False, repr=False)

    def open(
        self, tile: Tile, *, noise: NoiseSource | None = None, state: torch.Tensor | None = None
    ) -> TileRun:
        """A tile at the start of the run.

        Args:
            tile: which paths.
            noise: replaces the tile's own streams (replay).
            state: replaces the drawn start states, thermal units, shape (paths, n).
        """
        fused = self.fused if noise is None and state is None else None
        if state is None:
            alone = noise is not None or fused or self.plan.stepper == "reference"  # path by path
            rows = tile.paths if alone else tile.rows
            model = self.start.sample(self.seed, tile.first, rows)
            state = self.plan.protocol.board.charges(self.plan.protocol.to_thermal(model))
        assert state is not None
        state = state.to(self.dtype)
        if fused:
            carries = {o.name: o.init(state) for o in self.observers}
            return FusedRun(self, fused, tile, state, carries)
        self._prepare(state[:1])
        readings = noise
        if noise is None or readings is None:
            noise, readings = (
                TickNoise(self.seed, tile.first, len(state), dtype=self.dtype, stream=stream)
                for stream in (Stream.TICKS, Stream.READINGS)
            )
        own = state[: tile.paths]
        carries = {o.name: o.init(own if o.sums else state) for o in self.observers}
        run = TileRun(self, tile, noise, readings, state, carries)
        lag = self.plan.chain.lag
        if not lag.is_ideal:
            run.lag = lag.start(len(state), self._sources, state)
        return run

    @property
    def fused(self) -> TickTables | None:
        """Tables of the compiled tick; None where it does not play this run."""
        if not self.compiled:
            return None
        if self._asked is not self.observers:  # a test, or a netlist's path, may replace them
            self._asked = self.observers
            self._tables = None if not_compiled(self) else TickTables(self)
        return self._tables

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
    plan: Plan | None = None,
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
        plan: the protocol worked out, where that was done already.
    """
    plan = make_plan(protocol) if plan is None else plan
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
    return Engine(plan, controller, stepper, tuple(observers), seed, dtype, closing, start=law)
