"""The main kind of run: a score plays a linear circuit through a protocol (`World`).

A tile is the engine's (`thermohw.integrate.TileRun`); here its observers' findings become channels
and results of a file, thermal units become SI, and saved frames become ticks.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from thermohw.books import Profile
from thermohw.books.residuals import SUMS
from thermohw.books.updates import SURPRISES
from thermohw.integrate import Recorder, Tile, saved_ticks
from thermohw.integrate.tile import BLOCK
from thermohw.integrate.tile_run import late_parts
from thermohw.store import Layout, Result, state_bytes, time_block
from thermohw.worlds.played.channels import (
    ledger_channels,
    ledger_values,
    series_axes,
    series_channels,
    series_values,
)
from thermohw.worlds.played.density import density_results, density_values

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from thermohw.control import Plan
    from thermohw.integrate import Engine, TileRun
    from thermohw.likelihood.density import EndDensity
    from thermohw.target import Target

__all__ = ["PlayedTile", "PlayedWorld"]


class PlayedWorld:
    """An engine as a world.

    Args:
        engine: plan, noise and observers.
        every: save every n-th tick; 0 for none.
        density: of the first end states, where it is wanted; see `end_density`.
        target: the data, for the density.
    """

    kind = "played"
    largest: Collection[str] = frozenset({"peaks"})

    def __init__(
        self,
        engine: Engine,
        every: int,
        density: EndDensity | None = None,
        target: Target | None = None,
    ) -> None:
        self.engine, self.every, self.density, self.target = engine, every, density, target
        self.lane, self.group = lanes(engine.plan)
        self.ticks = engine.plan.schedule.ticks

    def layout(self, paths: int) -> Layout:
        """What a file of so many paths holds."""
        layout = _layout(self.engine, paths, self.every)
        if self.density is None:
            return layout
        return replace(layout, results=layout.results + density_results(self.density))

    def open(self, tile: Tile, progress: Callable[[int], object]) -> PlayedTile:
        """Paths of a tile at the start."""
        return PlayedTile(self, tile, progress)


class PlayedTile:
    """A tile of an engine on its way; see `thermohw.run.world.Playing`."""

    def __init__(self, world: PlayedWorld, tile: Tile, progress: Callable[[int], object]) -> None:
        self.world, self.engine, self.tile, self.progress = world, world.engine, tile, progress
        self.run = self.engine.open(tile)
        self._start = self.run.whole.clone()  # the run may move its states in place
        self._saved = saved_ticks(world.ticks, world.every)
        self._records = any(isinstance(o, Recorder) for o in self.engine.observers)

    def advance(self, frames: int | None) -> None:
        """Up to the tick of the last of these frames plus one, so that its start has been seen;
        None: to the end.
        """
        ticks, stride = self.engine.plan.schedule.ticks, self.run.stride
        until = ticks
        if frames is not None and frames < len(self._saved):
            until = int(self._saved[frames - 1]) + 1
        while self.run.tick < until:
            before = self.run.tick
            self.run.advance(min(until, before + stride - before % stride))
            self.progress((self.run.tick - before) * self.tile.paths)

    def drain(self) -> dict[str, np.ndarray]:
        """Recorded frames since the last call, SI."""
        if not self._records:
            return {}
        series = series_values(self.engine, self.run.drain())
        return {name: values[:, : self.tile.paths] for name, values in series.items()}

    def checkpoint(self) -> dict[str, Any]:
        """States, accounts, generators, pending decisions."""
        return self.run.checkpoint()

    def restore(self, saved: dict[str, Any]) -> None:
        """Continue from a checkpoint."""
        self.run.restore(saved)

    def results(self) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Channels of the ledger, and what the observers add to the results."""
        found, paths = self.run.results(whole=True), self.tile.paths
        channels = ledger_values(self.engine, self._start, self.run.whole, found, paths)
        added = {"profile": found["profile"]["profile"].numpy()}
        added["peaks"] = found["peaks"]["peaks"].numpy()
        if "balance" in found:
            added["balance"] = _balance_sums(self.engine, found, paths)
        first = self.tile.first == 0
        if "codes" in found and (first or paths == lanes(self.engine.plan)[0]):
            # A last tile of a few paths would only blur what full ones say of the codes.
            added["codes"] = paths * np.array([1.0, float(found["codes"]["information.codes"])])
        for group, name, summed in (
            ("residual", "residuals", ("sums", "power", "products")),
            ("filter", "filter", ("surprise",)),
        ):
            for key, values in found.get(name, {}).items():
                if first or key in summed:  # the rest is kept of the first tile alone
                    added[f"{group}.{key}"] = values.numpy()
        if first and self.world.density is not None and self.world.target is not None:
            added |= density_values(
                self.engine, self.world.density, self.world.target, self.run.whole
            )
        return channels, added


def lanes(plan: Plan) -> tuple[int, int]:
    """Paths of a lane and of a tile: many of a single node, whose operations are small, and many
    where codes are counted, whose entropies take ten paths a code.
    """
    single, counts = plan.protocol.board.dim == 1, plan.adc is not None
    lane = (4 if single else 0.25) * BLOCK * ((2 if single else 4) if counts else 1)
    return int(lane), 16 * BLOCK if single else 4 * BLOCK if counts else BLOCK


def _balance_sums(
    engine: Engine, results: dict[str, dict[str, torch.Tensor]], paths: int
) -> np.ndarray:
    """Per bath, and in the last row for sum_k Q_k/T_k: sums over paths of the expected heat, of
    heat less it, of that squared and cubed.
    """
    temperatures = torch.as_tensor(engine.plan.protocol.board.temperatures)
    expected = results["balance"]["expected"][:paths]
    gap = results["ledger"]["heat"][:paths] - expected
    if gap.shape[1] > 1:
        expected, gap = (
            torch.cat([x, (x / temperatures).sum(1, True)], 1) for x in (expected, gap)
        )
    square = gap.square()
    sums = (expected, gap, square, gap * square)
    found = torch.stack([x.sum(0) for x in sums], 1)
    if len(found) == 1:  # one bath is all baths
        powers = torch.tensor([[1.0, 1.0, 2.0, 3.0]], dtype=torch.float64)
        found = torch.cat([found, found / temperatures**powers])
    return found.numpy()


def _residual_results(probe: TileRun) -> tuple[Result, ...]:
    """What `thermohw.books.residuals` leaves in a file."""
    plan, carry = probe.setup.plan, probe.carries["residuals"]
    kept, fluxes = ("kept_tick", "kept_path"), bool(plan.protocol.board.fluxes)
    source = "V" if plan.drive.wiring == "emf" else "A"
    groups = ("residual_group", "other_residual_group")
    table = {
        "sums": ("1", ("coordinate", "residual_sum"), ", ".join(SUMS), ""),
        "products": ("V+2", groups, "products on watched ticks, over T h", "V A and A^2"),
        "power": ("V+2", ("residual_bin", "coordinate"), "squares in bins of ticks", "A^2"),
        "states": ("V", (*kept, "coordinate"), "what kept ticks saw", "A"),
        "sources": (source, (*kept, "controlled"), "what they decided", "V for A, A for V"),
    }
    return tuple(
        Result(f"residual.{name}", tuple(carry[name].shape), unit, dims=dims,
               attrs={"long_name": f"{about}; of inductors {other}" if fluxes and other else about})
        for name, (unit, dims, about, other) in table.items()
        if name in carry
    )  # fmt: skip


def _filter_results(probe: TileRun) -> tuple[Result, ...]:
    """What `thermohw.books.updates` leaves in a file."""
    plan, carry = probe.setup.plan, probe.carries["filter"]
    source, kept = "V" if plan.drive.wiring == "emf" else "A", ("kept_tick", "kept_path")
    table = {
        "reading": ("V", "coordinate", "what kept ticks read"),
        "predicted": ("V", "coordinate", "the filter's mean before that"),
        "estimate": ("V", "coordinate", "and after it"),
        "before": ("V", "coordinate", "its mean after the reading before"),
        "source": (source, "controlled", "sources in force since, piece by piece"),
    }
    rows = tuple(
        Result(f"filter.{name}", tuple(carry[name].shape), unit,
               dims=(*kept, *("piece_between",) * (name == "source"), last),
               attrs={"long_name": about})
        for name, (unit, last, about) in table.items()
    )  # fmt: skip
    about = (
        "sums over paths: squares of reading less prediction along a path, thermal units, that "
        "squared and cubed; in the last row of all coordinates together"
    )
    shape = plan.protocol.board.dim + 1, len(SURPRISES)
    dims = ("coordinate_or_all", "surprise_sum")
    return (*rows, Result("filter.surprise", shape, "1", dims=dims, attrs={"long_name": about}))


def _layout(engine: Engine, paths: int, every: int) -> Layout:
    plan, scale = engine.plan, engine.plan.protocol.device.scale
    steps = saved_ticks(plan.schedule.ticks, every)
    lane, group = lanes(plan)
    series = series_channels(engine, str(engine.dtype).removeprefix("torch.")) if every else ()
    probe = engine.open(Tile(0, min(paths, lane)))
    several = -(-min(paths, group) // lane)
    probe.predicted = probe.whole
    shortest, ticks = float(plan.schedule.durations.min()), plan.schedule.ticks
    waiting = min(2 + int(plan.latency / shortest), ticks + 1) if plan.latency else 1
    parts = [(i, what) for i in range(waiting) for what in late_parts(plan)]
    late = {f"pending/{i:08d}/{what}": probe.whole for i, what in parts}
    size = state_bytes(probe.checkpoint() | {name: value.numpy() for name, value in late.items()})
    size = several * (size + 4096) + 65536  # names, totals
    bins = next(o for o in engine.observers if isinstance(o, Profile)).edges
    results = (
        Result("profile", (len(bins) - 1, 3), "1", dims=("bin", "account"),
               attrs={"long_name": "sums over paths: heat [kT], work [kT], int div u [nats]"}),
        Result("peaks", (4,), "1", dims=("extreme",),
               attrs={"long_name": "largest voltage, source, current, rate; thermal units"}),
    )  # fmt: skip
    if any(observer.name == "balance" for observer in engine.observers):
        about = (
            "sums over paths: conditional mean heat, heat less it, that squared and cubed; kT per "
            "bath, and in the last row of sum Q_k/T_k"
        )
        shape = (len(plan.protocol.board.elements) + 1, 4)
        results += (
            Result("balance", shape, "1", dims=("bath", "sum"), attrs={"long_name": about}),
        )
    if any(observer.name == "codes" for observer in engine.observers):
        about = "paths counted, and paths x entropies of their codes at most, nats"
        results += (Result("codes", (2,), "1", dims=("tally",), attrs={"long_name": about}),)
    for name, make in (("residuals", _residual_results), ("filter", _filter_results)):
        own = make(probe) if name in probe.carries else ()
        size += sum(8 * int(np.prod(result.shape)) for result in own)
        results += own
    axes = series_axes(engine)
    block = 1
    if every:
        rows = min(paths, group)
        block = time_block(series, axes, len(steps), group=rows, state_size=size)
    return Layout(
        paths=paths,
        steps=[int(n) for n in steps],
        times=[float(plan.schedule.physical_time[n]) * scale.time for n in steps],
        axes=axes,
        series=series,
        ledger=ledger_channels(engine),
        results=results,
        group=group,
        block=block,
        state_size=size,
    )
