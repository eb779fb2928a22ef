"""Tiles on all cores: a tile is cut into lanes that threads play side by side.

A lane is a tile of its own, with its own states, accounts and frames; the tile's are those of its
lanes, joined in their order. How long a lane is belongs to the kind of run and not to the machine,
so that every number, every sum over paths and every checkpoint is the same for any number of
threads. Compiled ticks, array operations and networks let go of the interpreter's lock while they
work; one thread each is all that their libraries may take.

What goes wrong in a lane stops the others, and so does Ctrl-C; what is heard of is the first lane's
trouble.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch

from thermohw.intake import whole
from thermohw.integrate import tiles

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.integrate import Tile
    from thermohw.run.world import Playing, World
    from thermohw.store import Layout

__all__ = ["LanedWorld", "Workers", "usable_cores", "wanted_workers"]

_Answer = TypeVar("_Answer")


def usable_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def wanted_workers(asked: int | None, say: Callable[[str], object]) -> int:
    """How many threads play.

    Args:
        asked: by the user; None for $THERMOHW_WORKERS, or as many as there are cores.
        say: is told where there are fewer cores than that.

    Raises:
        InputError: no whole number, or below 1.
    """
    cores, where = usable_cores(), "workers"
    value: Any = asked
    if value is None:
        text = os.environ.get("THERMOHW_WORKERS", "").strip()
        if not text:
            return cores
        where, value = "THERMOHW_WORKERS", int(text) if text.isdecimal() else text
    value = whole(value, 1, where)
    if value > cores:
        say(f"{value} workers asked for, {cores} {'core' if cores == 1 else 'cores'} here: {cores}")
        return cores
    return value


class _StoppedError(Exception):
    """Another lane is in trouble, or the user wants to stop."""


class Workers:
    """Threads that play lanes.

    Args:
        count: how many; with one nothing is handed to a thread.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._stop, self._lock = threading.Event(), threading.Lock()
        self._pool: ThreadPoolExecutor | None = None
        self._busy: set[int] = set()

    @contextmanager
    def running(self) -> Iterator[Workers]:
        """The threads, for as long as this lasts."""
        self._stop.clear()
        if self.count == 1:
            yield self
            return
        self._pool = ThreadPoolExecutor(self.count, "lane", initializer=torch.set_num_threads,
                                        initargs=(1,))  # fmt: skip
        try:
            yield self
        finally:
            self._stop.set()
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None

    def reporter(self, report: Callable[[int], object]) -> Callable[[int], object]:
        """`report` as threads may call it; raises where they have to stop."""
        if self.count == 1:
            return report

        def told(steps: int) -> None:
            if self._stop.is_set():
                raise _StoppedError
            with self._lock:
                report(steps)

        return told

    def each(self, tasks: list[Callable[[], _Answer]]) -> list[_Answer]:
        """Do all of them; answers in their order."""
        if self._pool is None or len(tasks) == 1:
            return [task() for task in tasks]
        futures = [self._pool.submit(self._alone, task) for task in tasks]
        try:
            wait(futures, return_when=FIRST_EXCEPTION)
        except BaseException:  # Ctrl-C
            self._halt()
            raise
        if any(future.done() and future.exception() for future in futures):
            self._halt()
            problems = [future.exception() for future in futures]
            raise next(p for p in problems if p is not None and not isinstance(p, _StoppedError))
        return [future.result() for future in futures]

    def _alone(self, task: Callable[[], _Answer]) -> _Answer:
        """A task in its thread."""
        if self._stop.is_set():
            raise _StoppedError
        me = threading.get_ident()
        with self._lock:
            self._busy.add(me)
        try:
            with np.errstate(all="ignore"):  # overflows are told of once, by whoever finds them
                return task()
        finally:
            with self._lock:
                self._busy.discard(me)

    def _halt(self) -> None:
        """Stop the threads that are at work: not only where they report, since a tile of some kinds
        of run reports when it is through, which may take hours.
        """
        self._stop.set()
        raise_in = ctypes.pythonapi.PyThreadState_SetAsyncExc
        with self._lock:
            for thread in self._busy:
                raise_in(ctypes.c_ulong(thread), ctypes.py_object(_StoppedError))


class LanedWorld:
    """A world whose tiles are cut into lanes.

    Args:
        world: one kind of run.
        workers: who plays them.
    """

    def __init__(self, world: World, workers: Workers) -> None:
        self.world, self.workers = world, workers
        self.kind, self.ticks, self.largest = world.kind, world.ticks, world.largest
        self.group, self.lane = world.group, world.lane

    def layout(self, paths: int) -> Layout:
        """What a file of so many paths holds."""
        return self.world.layout(paths)

    def open(self, tile: Tile, progress: Callable[[int], object]) -> LanedTile:
        """Paths of a tile at the start."""
        return LanedTile(self, tile, self.workers.reporter(progress))


class LanedTile:
    """A tile in lanes; see `thermohw.run.world.Playing`."""

    def __init__(self, laned: LanedWorld, tile: Tile, progress: Callable[[int], object]) -> None:
        self._workers, self._largest = laned.workers, laned.largest
        world = laned.world
        cut = tiles(tile.paths, laned.lane, first=tile.first)
        first, *rest = cut
        # The first alone: what all lanes share is made then.
        self._lanes: list[Playing] = [world.open(first, progress)]
        self._lanes += self._workers.each([lambda t=t: world.open(t, progress) for t in rest])

    def advance(self, frames: int | None) -> None:
        """Play all lanes up to a frame."""
        self._workers.each([lambda lane=lane: lane.advance(frames) for lane in self._lanes])

    def drain(self) -> dict[str, NDArray[Any]]:
        """Frames of all paths."""
        parts = [lane.drain() for lane in self._lanes]
        return {name: np.concatenate([part[name] for part in parts], 1) for name in parts[0]}

    def checkpoint(self) -> dict[str, Any]:
        """Of every lane."""
        saved = enumerate(lane.checkpoint() for lane in self._lanes)
        return {f"lane{i}/{name}": value for i, part in saved for name, value in part.items()}

    def restore(self, saved: dict[str, Any]) -> None:
        """Continue from a checkpoint."""
        for i, lane in enumerate(self._lanes):
            head = f"lane{i}/"
            lane.restore({n.removeprefix(head): v for n, v in saved.items() if n.startswith(head)})

    def results(self) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]]]:
        """Channels of all paths, and what the lanes add to the results together."""
        parts = self._workers.each([lane.results for lane in self._lanes])
        channels = {name: np.concatenate([part[0][name] for part in parts]) for name in parts[0][0]}
        added: dict[str, NDArray[Any]] = {}
        for _, found in parts:
            for name, values in found.items():
                join = np.maximum if name in self._largest else np.add
                added[name] = join(added[name], values) if name in added else values
        return channels, added
