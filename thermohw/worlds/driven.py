"""A circuit on its own, led through a program of its parameters or left alone (`World`).

A tile is played in one piece (`thermohw.program.Play`), so that an interrupted run goes on from the
last whole tile. In a file the circuit is its datasheet and the program a table of texts, as a SPEC
has it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from thermohw.books.ledger import ledger_accounts
from thermohw.errors import InputError
from thermohw.intake import parse_json
from thermohw.program import Program
from thermohw.program.drive import GROUP, Drive
from thermohw.store import Channel, Layout
from thermohw.worlds.devices import by_reading, describe_device, rebuild_device

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from numpy.typing import NDArray

    from thermohw.integrate import Tile
    from thermohw.integrate.free import PreparedFree
    from thermohw.program.drive import PreparedDrive

__all__ = ["DrivenWorld", "describe_drive", "rebuild_drive"]

_NATS = {
    "medium": "sum over baths of int dQ/(k T), nats",
    "exponent": "int d_t(H/kT) dt, nats",
    "path_ratio": "ln P[path | start]/P[reversed path | end], nats",
}


class DrivenWorld:
    """A drive as a world.

    Args:
        drive: the circuit and its program.
        paths: how many there will be.
        seed: of noise and start states.
        every: save every n-th tick; 0 for none.
    """

    kind = "program"
    group, lane = GROUP, GROUP // 4
    largest: Collection[str] = frozenset()

    def __init__(self, drive: Drive, *, paths: int, seed: int, every: int = 0) -> None:
        self.drive, self.seed = drive, seed
        self.made: PreparedDrive | PreparedFree = drive.prepare(paths, every=every)
        self.ticks = len(self.made.grid) - 1

    def layout(self, paths: int) -> Layout:
        """What a file of so many paths holds."""
        device, kept = self.drive.device, self.made.kept
        ledger = [Channel(f"heat.{b}", "J", description=f"heat into bath {b}")
                  for b in device.elements]  # fmt: skip
        ledger += [
            Channel(f"work.{key}", "J", description=f"work of {key}") for key in self.made.names
        ]
        ledger += [
            Channel("energy.start", "J", description="energy at the first parameters"),
            Channel("energy.end", "J", description="energy at the last parameters"),
        ]
        there = ["medium", *(["exponent"] if self.made.one else [])]
        there += ["path_ratio"] if self.drive.path_ratio else []
        ledger += [Channel(name, "1", description=about) for name, about in _NATS.items()
                   if name in there]  # fmt: skip
        ledger += [
            Channel(f"{name}.{end}", unit, axis=axis, description=f"{name} at the {end} of the run")
            for end in ("start", "end")
            for name, unit, axis, _ in device.readings
        ]
        steps = [] if kept is None else [int(n) for n in kept]
        series = [
            Channel(name, unit, axis=axis, description=name)
            for name, unit, axis, _ in device.readings
        ]
        return Layout(
            paths=paths,
            steps=steps,
            times=[float(self.made.grid[n]) for n in steps],
            axes={axis: labels for _, _, axis, labels in device.readings},
            series=tuple(series) if steps else (),
            ledger=tuple(ledger),
            group=self.group,
            block=max(1, len(steps)),
        )

    def open(self, tile: Tile, progress: Callable[[int], object]) -> DrivenTile:
        """Paths of a tile at the start."""
        return DrivenTile(self, tile, progress)

    def facts(self) -> dict[str, Any]:
        """Numbers that a reader needs to interpret the file, SI and nats."""
        device, scale = self.drive.device, self.drive.device.scale
        change = self.made.log_partition_change
        return {
            "units": {"energy": scale.energy, "time": scale.time},
            "baths": {"energy": scale.energy * device.temperatures},
            "schedule": {"physical_time": self.made.grid, "stepper": self.made.stepper},
            "start": {"kind": self.made.started}
            | ({} if change is None else {"log_partition_change": change}),
        }


class DrivenTile:
    """A tile of a drive; see `thermohw.run.world.Playing`."""

    def __init__(self, world: DrivenWorld, tile: Tile, progress: Callable[[int], object]) -> None:
        self.world, self.tile, self.progress = world, tile, progress
        self._found: dict[str, NDArray[Any]] = {}

    def advance(self, frames: int | None) -> None:
        """All of it, in one piece."""
        if not self._found:
            world, tile = self.world, self.tile
            self._found = world.made.tile(world.seed, tile.first, tile.paths)
            self.progress(world.ticks * tile.paths)

    def drain(self) -> dict[str, NDArray[Any]]:
        """The snapshots."""
        if "series" not in self._found:
            return {}
        frames = self._found["series"].transpose(1, 0, 2)
        return dict(by_reading(self.world.drive.device, frames))

    def checkpoint(self) -> dict[str, Any]:
        """Nothing: tiles are units of work."""
        return {}

    def restore(self, saved: dict[str, Any]) -> None:
        """Nothing, as above."""

    def results(self) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]]]:
        """Books, exponents and end states."""
        world, found, device = self.world, self._found, self.world.drive.device
        channels = ledger_accounts(found, device.elements, world.made.names, device.energy_unit)
        channels |= {name: found[name] for name in ("exponent", "path_ratio") if name in found}
        for end, there in zip(("start", "end"), world.made.ends, strict=True):
            read = by_reading(device, there.read(found[end]))
            channels |= {f"{name}.{end}": values for name, values in read}
        return channels, {}


def describe_drive(drive: Drive) -> dict[str, Any]:
    """The drive as a tree of texts, for /parameters.

    Raises:
        InputError: a device without a datasheet, or start states that were given as numbers.
    """
    if not isinstance(drive.start, str):
        raise InputError(
            "start states given as numbers are not kept in a file; start from 'equilibrium', "
            "'steady' or 'zero'",
            where="store",
        )
    program = drive.program
    schedules = {} if program is None else program.schedules
    table = {
        "schedule": {key: [list(pair) for pair in pairs] for key, pairs in schedules.items()},
        "duration": drive.duration,
        "ticks": drive.ticks,
        "start": drive.start,
        "stepper": drive.stepper,
        "path_ratio": drive.path_ratio,
    }
    return {
        "kind": DrivenWorld.kind,
        "datasheet": describe_device(drive.device),
        "program": json.dumps(table),
    }


def rebuild_drive(parameters: Mapping[str, Any]) -> Drive:
    """The inverse of `describe_drive`."""
    table = parse_json(parameters["program"], "program")
    schedule = {key: [tuple(p) for p in pairs] for key, pairs in table.pop("schedule").items()}
    device: Any = rebuild_device(parameters["datasheet"])
    return Drive(device, Program(schedule) if schedule else None, **table)
