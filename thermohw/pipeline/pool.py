"""Runs of one setting and different seeds as one: more paths, smaller errors.

Paths of different seeds are independent draws of one law, so that a pool is the longer run and its
standard errors are those of all paths. Two things would fake precision and are refused: runs that
differ in anything but seed, number of paths and saved frames, and runs of one seed, whose paths are
the same as far as both go.

Residuals, limits and likelihoods are sums and terms of every file on its own, and a path's noise
is known by its file's seed; so a pool is no file, and its runs are audited one by one.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from thermohw.errors import InputError
from thermohw.pipeline.record import Frames, Run
from thermohw.pipeline.summary import LedgerSummary
from thermohw.run import MOMENTS_ONLY
from thermohw.run.kinds import describe_any
from thermohw.run.setting import differences
from thermohw.store import RunReader

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Pool", "pool"]

_FREE = ("paths", "seed", "every")


@dataclass(frozen=True, eq=False)
class Pool(Run):
    """Several runs as one; paths in the order of the runs.

    Attributes:
        runs: which.
    """

    runs: tuple[Run, ...] = ()

    @cached_property
    def frames(self) -> Mapping[str, Any]:
        """Saved series of all paths, where every run is stored and saved the same ticks."""
        return _PooledFrames([run.frames for run in self.runs])

    @property
    def _file(self) -> Path:
        raise InputError("a pool is no file: ask each of its runs (pool.runs)", where="pool")


class _PooledFrames(Mapping[str, Any]):
    """Frames of several runs side by side."""

    def __init__(self, parts: list[Frames]) -> None:
        first = parts[0]
        for part in parts[1:]:
            if not np.array_equal(part.times, first.times) or list(part) != list(first):
                raise InputError("its runs saved different frames (store.every)", where="pool")
        self._parts, self.times = parts, first.times

    def __getitem__(self, name: str) -> NDArray[Any]:
        return np.concatenate([part[name] for part in self._parts], axis=1)

    def __iter__(self) -> Iterator[str]:
        return iter(self._parts[0])

    def __len__(self) -> int:
        return len(self._parts[0])


def pool(runs: Iterable[Run | str | Path]) -> Pool:
    """Join runs of one setting and different seeds: books, ledger and frames over all paths.

    Args:
        runs: at least two, of any one kind: runs in memory, stored runs, or paths of run files.

    Raises:
        InputError: fewer than two, something that is no run, settings that differ (the first key
            is named), or two of the same seed.
    """
    if isinstance(runs, Run | str | os.PathLike) or not isinstance(runs, Iterable):
        problem = f"{type(runs).__name__}: expected a list of runs, such as ['a.h5', 'b.h5']"
        raise InputError(problem, where="pool")
    opened = [part for given in runs for part in _runs_of(given)]
    if len(opened) < 2:
        raise InputError(f"expected at least two runs, found {len(opened)}", where="pool")
    first, *others = opened
    seeds = {first.settings["seed"]: _name(first, 0)}
    for number, run in enumerate(others, 1):
        for key in _difference(first, run):
            raise InputError(f"{_name(run, number)} differs from {_name(first, 0)} in {key}",
                             where="pool")  # fmt: skip
        seed = run.settings["seed"]
        if seed in seeds:
            raise InputError(
                f"{_name(run, number)} has the seed of {seeds[seed]} ({seed}): their paths are "
                "the same, and counting them twice would fake precision",
                where="pool",
            )
        seeds[seed] = _name(run, number)
    for number, run in enumerate(opened):
        if run.settings.get("keep") == "moments":
            problem = f"{_name(run, number)} has no paths to join: {MOMENTS_ONLY}"
            raise InputError(problem, where="pool")
    parts = [_channels(run) for run in opened]
    names = [name for name in parts[0] if all(name in part for part in parts)]
    channels = {name: np.concatenate([part[name] for part in parts]) for name in names}
    known = first.ledger
    ledger = LedgerSummary.of(channels, known.energy, list(known.baths.values()))
    settings = first.settings | {"paths": ledger.paths, "seed": tuple(seeds)}
    return Pool(first.setting, channels, ledger, None, settings, first.plan, runs=tuple(opened))


def _runs_of(given: Any) -> tuple[Run, ...]:
    if isinstance(given, Pool):
        return given.runs
    if isinstance(given, Run):
        return (given,)
    if isinstance(given, str | os.PathLike):
        return (Run.open(Path(given)),)
    raise InputError(
        f"{type(given).__name__} is no run: expected those of th.simulate or paths of run files",
        where="pool",
    )


def _name(run: Run, number: int) -> str:
    return f"run {number}" if run.path is None else str(run.path)


def _difference(one: Run, other: Run) -> Iterator[str]:
    """Names of what differs and must not."""
    if type(one.setting) is not type(other.setting):
        yield "kind"
        return
    if one.setting is not other.setting:
        yield from differences(describe_any(one.setting), describe_any(other.setting))
    for key in sorted({*one.settings, *other.settings} - {*_FREE}):
        yield from differences(one.settings.get(key), other.settings.get(key), f"simulate.{key}")


def _channels(run: Run) -> dict[str, NDArray[Any]]:
    if run.path is None:
        return run.channels
    with RunReader.open(run.path) as stored:
        return {name: stored.ledger(name) for name in stored.ledger_names}
