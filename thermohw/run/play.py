"""Playing a world: tile after tile, into memory or into a file, and from a commit onwards; lanes of
a tile side by side (`thermohw.run.lanes`).

The unit of work in a file is (one tile of paths) x (one block of saved frames). After each, the
file is committed with all that is needed to continue bit-identically: the tile's states and
accounts, and the totals over finished tiles.
"""

from __future__ import annotations

import os
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from thermohw.errors import StoreError
from thermohw.integrate import tiles
from thermohw.run.extend import copy_tiles
from thermohw.run.forecast import Forecast, demands
from thermohw.run.lanes import LanedWorld, Workers
from thermohw.store import SAMPLE, RunWriter, content_hash

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from thermohw.integrate import Tile
    from thermohw.run.keep import Keeper
    from thermohw.run.world import Playing, World
    from thermohw.store import Unit

__all__ = ["play_into_file", "play_into_memory"]

_SMALL = 1_000_000  # steps of all paths that are over before anything could be said of them


def _bar(progress: bool, total: int) -> tqdm:
    """A bar that shows after two seconds, on terminals only."""
    off = None if progress else True
    return tqdm(total=total, desc="simulating", unit_scale=True, delay=2, disable=off)


def play_into_memory(
    world: World,
    paths: int,
    *,
    progress: bool,
    keeper: Keeper | None = None,
    workers: int = 1,
) -> dict[str, NDArray[Any]]:
    """Every channel of the ledger, SI, first axis the paths; none where a keeper takes them."""
    team, table = Workers(workers), {}
    with team.running(), _bar(progress, paths * world.ticks) as bar:
        report: Callable[[int], object] = bar.update
        if progress and paths * world.ticks > _SMALL:
            layout = world.layout(paths) if keeper is None else keeper.layout
            report = Forecast(bar, *demands(layout, lambda _: True, stored=False))
        if keeper is None:
            return _play_lanes(world, paths, team, team.reporter(report))
        laned = LanedWorld(world, team)
        for tile in tiles(paths, world.group):
            playing = laned.open(tile, report)
            playing.advance(None)
            keeper.add(playing.results()[0])
    return table


def _play_lanes(
    world: World, paths: int, team: Workers, report: Callable[[int], object]
) -> dict[str, NDArray[Any]]:
    """Channels of all paths. Every lane is played and entered by one thread, so that little is left
    that one of them does alone.
    """
    lanes = tiles(paths, world.lane)
    table: dict[str, NDArray[Any]] = {}

    def play(lane: Tile, opened: Playing | None = None) -> dict[str, NDArray[Any]]:
        playing = world.open(lane, report) if opened is None else opened
        playing.advance(None)
        return playing.results()[0]

    def enter(lane: Tile, found: dict[str, NDArray[Any]]) -> None:
        for name, values in found.items():
            table[name][lane.first : lane.first + lane.paths] = values

    opened = world.open(lanes[0], report)  # what all lanes share is made with the first
    if len(lanes) == 1:
        return play(lanes[0], opened)
    # Until some are through nobody knows what there is to enter.
    some, others = lanes[: team.count], lanes[team.count :]
    found = team.each(
        [lambda: play(some[0], opened), *(lambda lane=lane: play(lane) for lane in some[1:])]
    )
    for name, values in found[0].items():
        table[name] = np.empty((paths, *values.shape[1:]), values.dtype)
    for lane, channels in zip(some, found, strict=True):
        enter(lane, channels)
    del found
    team.each([lambda lane=lane: enter(lane, play(lane)) for lane in others])
    return table


def play_into_file(
    world: World,
    paths: int,
    path: Path,
    tree: dict[str, Any],
    *,
    resume: bool,
    progress: bool,
    wanted: Callable[[str], bool],
    longer: Path | None = None,
    keeper: Keeper | None = None,
    workers: int = 1,
) -> dict[str, NDArray[Any]]:
    """Play `paths` paths into the run file at `path`.

    Args:
        world: what is played.
        paths: how many.
        path: a new file, or an unfinished one of the same spec.
        tree: /parameters of a new file, "spec" among them.
        resume: continue the file at `path`.
        progress: show a bar.
        wanted: names of channels that are asked back.
        longer: a finished run of fewer paths, whose tiles are copied and whose place the file takes
            (`thermohw.run.extend`).
        keeper: takes every tile's channels in place of the file's ledger.
        workers: threads that play.

    Returns:
        The wanted channels, SI, first axis the paths; none where a keeper takes them.

    Raises:
        StoreError: the file cannot be made or continued.
    """
    layout = world.layout(paths) if keeper is None else keeper.layout
    if resume:
        writer = RunWriter.resume(path, content_hash(tree["spec"]))
        if writer.layout.state_size < layout.state_size:
            writer.close()
            raise StoreError(
                "was begun by a version whose checkpoints keep less, and has no room for what this "
                "one keeps: run it anew",
                where=str(path),
            )
    else:
        writer = RunWriter.create(path, layout, tree)
    layout = writer.layout
    team = Workers(workers)
    laned = LanedWorld(world, team)
    with writer, team.running(), _bar(progress, paths * world.ticks) as bar:
        if longer is not None:
            copy_tiles(longer, writer)
        bar.update(paths * world.ticks * writer.committed // layout.units)
        report: Callable[[int], object] = bar.update
        if progress and paths * world.ticks > _SMALL:
            report = Forecast(bar, *demands(layout, wanted, stored=True))
        saved = dict(writer.state())
        totals = {
            result.name: np.array(saved.pop(f"total/{result.name}", 0.0))
            for result in layout.results
            if not result.name.startswith(SAMPLE)
        }
        if keeper is not None and writer.committed:
            keeper.restore(totals)
        for group, tile in enumerate(tiles(paths, world.group)):
            first_unit = group * layout.blocks
            if writer.committed < first_unit + layout.blocks:
                playing = laned.open(tile, report)
                if writer.committed > first_unit:
                    playing.restore(saved)
                _finish(writer, playing, totals, world, keeper)
        for name, values in totals.items():
            writer.write_result(name, values)
        writer.finish()
        # Read here: opening the file again would check all of it.
        names = (channel.name for channel in layout.ledger)
        channels = {name: writer.ledger(name) for name in names if wanted(name)}
    if longer is not None:
        os.replace(path, longer)
    return channels


def _series(writer: RunWriter, playing: Playing, region: Unit) -> None:
    """Play a unit's frames in four pieces of whole chunks; each is written while the next one is
    played.
    """
    layout, (paths, frames) = writer.layout, region
    chunk = min((layout.chunk(channel)[0] for channel in layout.series), default=layout.block)
    step = chunk * ceil(layout.block / 4 / chunk)
    done, count = frames.start, 1
    while done < frames.stop and count:
        playing.advance(min(done + step, frames.stop))
        series, count = playing.drain(), 0
        for name, values in series.items():
            count = len(values)  # all of them where a kind of run is played in one piece
            writer.write_series(name, slice(done, done + count), paths, values, later=True)
        done += count
    playing.advance(frames.stop)  # where there are no series


def _finish(
    writer: RunWriter,
    playing: Playing,
    totals: dict[str, NDArray[Any]],
    world: World,
    keeper: Keeper | None,
) -> None:
    """Play a tile's remaining time blocks, one commit each; its ledger comes with the last."""
    layout = writer.layout
    for left in range(layout.blocks - writer.committed % layout.blocks, 0, -1):
        region = layout.unit(writer.committed)
        _series(writer, playing, region)
        state: dict[str, Any] = {}
        if left > 1:
            state = playing.checkpoint()
        else:
            channels, found = playing.results()
            if keeper is None:
                for name, values in channels.items():
                    writer.write_ledger(name, region.paths, values)
            else:
                keeper.add(channels)
                totals |= keeper.arrays()
                if region.paths.start == 0:  # no part of the commit, but on disk before it
                    for name, values in keeper.sample.items():
                        writer.write_result(f"{SAMPLE}{name}", values)
            for name in found.keys() & totals.keys():  # an older file has no room for some
                join = np.maximum if name in world.largest else np.add
                totals[name] = join(totals[name], found[name])
        writer.commit(state | {f"total/{name}": value for name, value in totals.items()})
