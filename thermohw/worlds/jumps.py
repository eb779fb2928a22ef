"""A circuit of nonlinear conductors, watched while its electrons jump (`World`).

A tile is played in one piece, so that an interrupted run goes on from the last whole tile. The
stationary law of a small circuit's master equation is worked out again by whoever needs it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from thermohw.errors import InputError
from thermohw.intake import parse_json
from thermohw.jumps.run import GROUP, Jumps
from thermohw.store import Channel, Layout
from thermohw.worlds.devices import describe_device, rebuild_device

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from numpy.typing import NDArray

    from thermohw.integrate import Tile
    from thermohw.jumps.record import JumpRun
    from thermohw.jumps.run import PreparedJumps

__all__ = ["JumpsWorld", "describe_jumps", "rebuild_jumps"]


class JumpsWorld:
    """Jumps as a world.

    Args:
        jumps: the circuit and how long it is watched.
        paths: how many there will be.
        seed: of events and start states.
        every: nothing; `samples` of the jumps says what is kept on the way.
    """

    kind = "jumps"
    group, lane = GROUP, GROUP // 4
    largest: Collection[str] = frozenset()
    ticks = 1

    def __init__(self, jumps: Jumps, *, paths: int, seed: int, every: int = 0) -> None:
        del every
        self.jumps, self.device = jumps, jumps.device
        self.made: PreparedJumps = jumps.prepare(paths, seed)

    def layout(self, paths: int) -> Layout:
        """What a file of so many paths holds."""
        device, grid = self.device, self.made.grid
        ledger = [Channel(f"heat.{b}", "J", description=f"heat into the bath of {b}")
                  for b in device.elements]  # fmt: skip
        ledger += [Channel(f"work.{s}", "J", description=f"work of supply {s}")
                   for s in device.supplies]  # fmt: skip
        ledger += [
            Channel("energy.start", "J", description="of the field, less that of no charge"),
            Channel("energy.end", "J", description="the same at the end"),
            Channel("medium", "1", description="sum over baths of Q/(k T), nats"),
            Channel("time", "s", description="how long the path ran"),
            Channel("stopped", "1", description="1 where it met the stop"),
            Channel("charge.start", "1", axis="node", description="elementary charges"),
            Channel("charge.end", "1", axis="node", description="elementary charges"),
            Channel("events", "1", axis="event", description="events of every conductor"),
            Channel("mean_voltage", "V", axis="node", description="time average along the path"),
        ]
        if self.made.law is not None:
            ledger += [
                Channel(
                    f"log_prob.{end}", "1", description=f"ln of the stationary law at the {end}"
                )
                for end in ("start", "end")
            ]
        count = len(grid)
        series = (Channel("voltage", "V", axis="node", description="node voltages"),)
        return Layout(
            paths=paths,
            steps=list(range(1, count + 1)),
            times=[float(t) for t in grid],
            axes={
                "node": device.nodes,
                "event": (
                    *(f"{name}.forward" for name in device.elements),
                    *(f"{name}.backward" for name in device.elements),
                ),
            },
            series=series if count else (),
            ledger=tuple(ledger),
            group=self.group,
            block=max(1, count),
        )

    def open(self, tile: Tile, progress: Callable[[int], object]) -> JumpsTile:
        """Paths of a tile at the start."""
        return JumpsTile(self, tile, progress)

    def facts(self) -> dict[str, Any]:
        """Numbers that a reader needs to interpret the file, SI."""
        device = self.device
        return {
            "units": {"energy": device.energy_unit, "voltage": device.voltage_unit},
            "baths": {"energy": device.energy_unit * device.temperatures},
            "schedule": {"duration": self.made.duration, "method": self.made.method},
        }


class JumpsTile:
    """A tile of jumps; see `thermohw.run.world.Playing`."""

    def __init__(self, world: JumpsWorld, tile: Tile, progress: Callable[[int], object]) -> None:
        self.world, self.tile, self.progress = world, tile, progress
        self._run: JumpRun | None = None

    def advance(self, frames: int | None) -> None:
        """All of it, in one piece."""
        if self._run is None:
            made = self.world.made
            self._run = made.record([made.tile(self.tile.first, self.tile.paths)])
            self.progress(self.tile.paths)

    def drain(self) -> dict[str, NDArray[Any]]:
        """Voltages at the kept times."""
        run = self._run
        if run is None or not len(run.grid):
            return {}
        return {"voltage": run.voltages.transpose(1, 0, 2)}

    def checkpoint(self) -> dict[str, Any]:
        """Nothing: tiles are units of work."""
        return {}

    def restore(self, saved: dict[str, Any]) -> None:
        """Nothing, as above."""

    def results(self) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]]]:
        """Books, charges and events."""
        run, law = self._run, self.world.made.law
        assert run is not None
        channels: dict[str, NDArray[Any]] = dict(run.books) | {"medium": run.books.medium}
        channels |= {"time": run.times, "stopped": run.stopped.astype(float)}
        channels |= {"charge.start": run.start, "charge.end": run.end, "events": run.counts}
        channels["mean_voltage"] = run.mean_voltages
        if law is not None:
            channels |= {"log_prob.start": law.log_probability(run.start)}
            channels |= {"log_prob.end": law.log_probability(run.end)}
        return channels, {}


def describe_jumps(jumps: Jumps) -> dict[str, Any]:
    """The jumps as a tree of texts, for /parameters.

    Raises:
        InputError: a device without a datasheet, or starts that no text describes.
    """
    start, stop = jumps.start, jumps.stop
    if not isinstance(start, str | dict):
        raise InputError(
            "charges and master equations are not kept in a file; start from 'uncharged', "
            "'stationary' or voltages by node",
            where="store",
        )
    table = {
        "duration": jumps.duration,
        "start": start,
        "samples": jumps.samples,
        "stop": None if stop is None else {"nodes": dict(stop[0]), "level": stop[1]},
        "method": jumps.method,
        "step": jumps.step,
        "approximate": jumps.approximate,
        "most": jumps.most,
    }
    return {
        "kind": JumpsWorld.kind,
        "datasheet": describe_device(jumps.device),
        "jumps": json.dumps(table),
    }


def rebuild_jumps(parameters: Mapping[str, Any]) -> Jumps:
    """The inverse of `describe_jumps`."""
    table = parse_json(parameters["jumps"], "jumps")
    stop = table.pop("stop")
    device: Any = rebuild_device(parameters["datasheet"])
    return Jumps(device, stop=None if stop is None else (stop["nodes"], stop["level"]), **table)
