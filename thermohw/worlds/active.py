"""A circuit with active elements under constant sources, or a board read for a linear system
(`World`).

A tile can be left at any saved frame: its states, accounts, generators and sums of readings are all
there is to it. Readings of a board are kept path by path, batch by batch, so that a file gives the
answer, with its errors, that the run gave.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from thermohw.books import Books
from thermohw.errors import InputError
from thermohw.intake import parse_json
from thermohw.solver import ActiveRun, Evolve
from thermohw.solver.reading import answer_of
from thermohw.solver.tile import BLOCK
from thermohw.store import Channel, Layout, state_bytes, time_block
from thermohw.worlds.devices import by_reading, describe_device, rebuild_device

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from numpy.typing import NDArray

    from thermohw.integrate import Tile
    from thermohw.solver import Inverse, Solution
    from thermohw.solver.prepared import PreparedEvolve

__all__ = ["EvolveWorld", "describe_evolve", "rebuild_evolve", "stored_answer"]

_BLOCKS, _STATE = 16, 2**26  # blocks of a tile; bytes that its readings may take
_COMMITS = 8  # of a tile, at least: few numbers may have taken long
_STRIDE = 256  # steps between two reports of progress


class EvolveWorld:
    """An `Evolve` as a world.

    Args:
        asked: the circuit and how long it runs.
        paths: how many there will be.
        seed: of noise and start states.
        every: nothing; `samples` of what is asked says what is kept on the way.
    """

    kind = "evolve"
    largest: Collection[str] = frozenset()

    def __init__(self, asked: Evolve, *, paths: int, seed: int, every: int = 0) -> None:
        del paths, every
        self.asked, self.seed = asked, seed
        self.made: PreparedEvolve = asked.prepare()
        self.ticks = self.made.steps
        probe = self.made.batches(1)
        held = 0 if probe is None else sum(np.size(x) for x in probe.checkpoint().values())
        fits = _STATE // (8 * BLOCK * max(1, held))
        blocks = int(np.clip(fits, 1, _BLOCKS))
        self.lane = BLOCK * -(-blocks // 4)
        self.group = self.lane * max(1, BLOCK * blocks // self.lane)

    def layout(self, paths: int) -> Layout:
        """What a file of so many paths holds."""
        made, device = self.made, self.made.device
        about = {
            "heat": "heat into the bath of",
            "work": "work of",
            "rotation": "what midpoint products leave of the exchange with inductors",
        }
        ledger = []
        for name in made.stepper.names:
            head, _, rest = name.partition(".")
            ledger.append(Channel(name, "J", description=f"{about[head]} {rest}".strip()))
        ledger += [Channel(f"energy.{end}", "J", description=f"stored energy at the {end}")
                   for end in ("start", "end")]  # fmt: skip
        ledger.append(Channel("medium", "1", description="sum over baths of Q/(k T), nats"))
        ledger += [
            Channel(f"{name}.{end}", unit, axis=axis, description=f"{name} at the {end} of the run")
            for end in ("start", "end")
            for name, unit, axis, _ in device.readings
        ]
        axes = {axis: tuple(labels) for _, _, axis, labels in device.readings}
        batches = made.batches(1)
        if batches is not None:
            n, count = batches.sums.shape[2], batches.count
            axes["reading"] = tuple(f"{b}.{i}" for b in range(count) for i in range(n))
            ledger.append(
                Channel(
                    "reading.sum",
                    "1",
                    axis="reading",
                    description="sum of readings of a batch, by batch and unknown",
                )
            )
            if made.products:
                axes["product"] = tuple(
                    f"{b}.{i}.{j}" for b in range(count) for i in range(n) for j in range(n)
                )
                ledger.append(
                    Channel(
                        "reading.product",
                        "1",
                        axis="product",
                        description="the same of products of two readings",
                    )
                )
        series = tuple(
            Channel(name, unit, axis=axis, description=name)
            for name, unit, axis, _ in device.readings
        )
        rows = min(paths, self.group)
        lane = made.tile(self.seed, 0, min(paths, self.lane)).checkpoint()
        size = -(-rows // self.lane) * (state_bytes(lane) + 4096) + 65536
        frames = len(made.kept)
        block = time_block(series, axes, frames, group=rows, state_size=size)
        return Layout(
            paths=paths,
            steps=[int(n) for n in made.kept],
            times=[float(t) for t in made.times],
            axes=axes,
            series=series if frames else (),
            ledger=tuple(ledger),
            group=self.group,
            block=min(block, max(1, -(-frames // _COMMITS))),
            state_size=size,
        )  # fmt: skip

    def open(self, tile: Tile, progress: Callable[[int], object]) -> EvolveTile:
        """Paths of a tile at the start."""
        return EvolveTile(self, tile, progress)

    def facts(self) -> dict[str, Any]:
        """Numbers that a reader needs to interpret the file, SI."""
        made, scale = self.made, self.made.device.scale
        return {
            "units": {"energy": scale.energy, "time": scale.time},
            "baths": {"energy": scale.energy * made.device.temperatures},
            "schedule": {
                "duration": made.seconds,
                "step": made.h * scale.time,
                "steps": made.steps,
            },
            "supplies": {"static": made.static},
        }


class EvolveTile:
    """A tile of an `EvolveWorld`; see `thermohw.run.world.Playing`."""

    def __init__(self, world: EvolveWorld, tile: Tile, progress: Callable[[int], object]) -> None:
        self.made, self.progress, self.paths = world.made, progress, tile.paths
        self._playing = self.made.tile(world.seed, tile.first, tile.paths)
        self._frames: list[NDArray[Any]] = []

    def advance(self, frames: int | None) -> None:
        """Up to the step of the last of these frames; None: to the end."""
        made, playing = self.made, self._playing
        kept = made.kept
        until = made.steps if frames is None or frames >= len(kept) else int(kept[frames - 1])
        stops = {*(int(n) for n in kept), until, *range(_STRIDE, until, _STRIDE)}
        for stop in sorted(n for n in stops if playing.step < n <= until):
            before = playing.step
            playing.advance(stop)
            self.progress((stop - before) * self.paths)
            if stop in kept:
                self._frames.append(playing.efforts)

    def drain(self) -> dict[str, NDArray[Any]]:
        """Frames seen since the last call."""
        if not self._frames:
            return {}
        frames, self._frames = np.stack(self._frames), []
        return dict(by_reading(self.made.device, frames * self.made.device.effort_scale))

    def checkpoint(self) -> dict[str, Any]:
        """States, accounts, generators, sums of readings."""
        return self._playing.checkpoint()

    def restore(self, saved: dict[str, Any]) -> None:
        """Continue from a checkpoint."""
        self._playing.restore(saved)

    def results(self) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]]]:
        """Books, states at both ends, readings."""
        made, tile = self.made, self._playing
        channels = made.accounts(tile)
        kt, paths = made.device.scale.energy, self.paths
        channels["medium"] = Books(channels, kt, made.device.temperatures).medium
        for end, efforts in (("start", tile.start[1]), ("end", tile.efforts)):
            split = by_reading(made.device, efforts * made.device.effort_scale)
            channels |= {f"{name}.{end}": values for name, values in split}
        if tile.batches is not None:
            sums, products = tile.batches.sums, tile.batches.products
            channels["reading.sum"] = sums.swapaxes(0, 1).reshape(paths, -1)
            if products is not None:
                channels["reading.product"] = products.swapaxes(0, 1).reshape(paths, -1)
        return channels, {}


def stored_answer(
    made: PreparedEvolve, ledger: Callable[[str], NDArray[Any]], voltages: NDArray[Any] | None
) -> Solution | Inverse:
    """What a board was read for, from the channels of a run.

    Args:
        made: the system on the board, worked out.
        ledger: gives a channel by name.
        voltages: the series, shape (frames, paths, nodes); None where no frames were kept.

    Raises:
        InputError: nothing was read: the run has no solve or invert.
    """
    accounts = [*made.stepper.names, "energy.start", "energy.end"]
    books = {name: ledger(name) for name in accounts}
    paths, device = len(books["energy.start"]), made.device
    batches = made.batches(paths)
    if batches is None:
        raise InputError("has no answer: it has neither solve nor invert", where="run")
    shape = batches.sums.shape
    by_path = ledger("reading.sum").reshape(paths, shape[0], shape[2])
    saved: dict[str, Any] = {"readings/seen": batches.readings}
    saved["readings/sums"] = by_path.swapaxes(0, 1)
    if batches.products is not None:
        by_path = ledger("reading.product").reshape(paths, shape[0], shape[2], shape[2])
        saved["readings/products"] = by_path.swapaxes(0, 1)
    batches.restore(saved)
    frames = np.zeros((0, paths, len(device.nodes))) if voltages is None else voltages
    run = ActiveRun(
        device=device,
        duration=made.seconds,
        step=made.h * device.scale.time,
        times=made.times[: len(frames)],
        mean=frames.mean(1),
        variance=frames.var(1),
        end=ledger("voltage.end"),
        static=made.static,
        books=Books(books, device.scale.energy, device.temperatures),
    )
    return answer_of(made, run, batches)


def describe_evolve(asked: Evolve) -> dict[str, Any]:
    """What was asked as a tree of texts, for /parameters.

    Raises:
        InputError: a device without a datasheet.
    """
    table: dict[str, Any] = {
        name: getattr(asked, name)
        for name in ("duration", "step", "start", "samples", "sources", "solve", "invert")
    }
    return {
        "kind": EvolveWorld.kind,
        "datasheet": describe_device(asked.device),
        "evolve": json.dumps(table, default=_plain),
    }


def _plain(value: Any) -> Any:
    """Arrays, numbers of numpy, mappings and sequences as JSON has them."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, set | frozenset):  # in one order, so that a run has one hash
        return sorted(value)
    return dict(value) if hasattr(value, "items") else list(value)


def rebuild_evolve(parameters: Mapping[str, Any]) -> Evolve:
    """The inverse of `describe_evolve`."""
    device: Any = rebuild_device(parameters["datasheet"])
    return Evolve(device, **parse_json(parameters["evolve"], "evolve"))
