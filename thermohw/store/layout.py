"""What a run file will hold, decided before the first tick.

A run is a rectangle: paths along one side, saved frames along the other. It is cut into

    unit of work = (path group) x (time block),     group outer, block inner,

and unit number u covers path group u // blocks and time block u % blocks. A `Layout` names
everything the file holds - series (time, path[, axis]), ledger channels (path[, axis]), results of
fixed shape - with units, so that the file gets its final size before the run and never grows
afterwards.

Chunks tile units. A unit of one channel is one chunk as long as it is at most 4 MiB; a larger one
is cut along time first and along paths after that. Smaller chunks make reading slow, larger ones
make a reader that wants a few paths load too much. `time_block` picks the number of frames that
brings the widest channel closest to that.

Times are seconds, units are H5MD unit strings in ASCII ("V", "J", "m+2 s-1", "1" for a pure
number).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from math import ceil, prod
from typing import Any, NamedTuple

import numpy as np

from thermohw.errors import StoreError
from thermohw.intake import parse_json
from thermohw.store.trust import MOST_OBJECTS

__all__ = ["CHUNK_BYTES", "MOST_FRAMES", "Channel", "Layout", "Result", "Unit", "time_block"]

CHUNK_BYTES = 4 * 2**20
MOST_FRAMES = 1_000_001
"""Saved frames of a run: its start, and the end of every tick of as many as there may be."""
_NAME = re.compile(r"[A-Za-z_][\w.+,|\[\]-]*", re.ASCII)
_RESERVED = {"path", "time", "step", "value"}


@dataclass(frozen=True)
class Channel:
    """A named quantity per path, recorded along time (series) or once (ledger).

    Attributes:
        name: its name in the file.
        unit: H5MD unit string of the stored numbers.
        axis: one of the layout's named axes ("node", ...) as the last dimension; None for one
            number per path.
        dtype: numpy name of the stored type; ledger channels are float64.
        description: one line for people, stored as `long_name`.
    """

    name: str
    unit: str
    axis: str | None = None
    dtype: str = "float64"
    description: str = ""

    @property
    def itemsize(self) -> int:
        """Bytes per number."""
        return np.dtype(self.dtype).itemsize


@dataclass(frozen=True)
class Result:
    """An array of fixed shape, written whole: likelihood terms, profiles over time, counters.

    Attributes:
        name: its name in the file.
        shape: its shape; () for a number.
        unit: H5MD unit string.
        dtype: numpy name of the stored type.
        dims: a name per dimension. "path" and the layout's axes are the file's own; results that
            share another name share that dimension; a result named like its only dimension is its
            coordinate.
        attrs: further attributes (text or numbers).
        nan_ok: whether values that are not finite are legitimate (else `verify` reports them).
    """

    name: str
    shape: tuple[int, ...] = ()
    unit: str = "1"
    dtype: str = "float64"
    dims: tuple[str, ...] = ()
    attrs: Mapping[str, str | int | float] = field(default_factory=dict)
    nan_ok: bool = False

    @property
    def dim_names(self) -> tuple[str, ...]:
        """A name for every dimension, private ones where none were given."""
        return self.dims or tuple(f"{self.name}_axis{i}" for i in range(len(self.shape)))


class Unit(NamedTuple):
    """One unit of work: which paths, which saved frames."""

    paths: slice
    frames: slice


@dataclass(frozen=True)
class Layout:
    """Everything a run file will hold.

    Attributes:
        paths: number of paths P.
        steps: integer step number of every saved frame, increasing, length F (may be empty without
            series).
        times: physical time of every saved frame in seconds, length F.
        axes: labels of the named axes, such as {"node": ("n0", "n1")}.
        series: channels of shape (F, P[, axis]).
        ledger: float64 channels of shape (P[, axis]).
        results: arrays of fixed shape.
        group: paths per unit of work: those of a tile, or the whole run where that is smaller.
        block: saved frames per unit of work.
        state_size: bytes kept for one resume state, see `state_bytes`.
    """

    paths: int
    steps: Sequence[int] = ()
    times: Sequence[float] = ()
    axes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    series: tuple[Channel, ...] = ()
    ledger: tuple[Channel, ...] = ()
    results: tuple[Result, ...] = ()
    group: int = 4096
    block: int = 1
    state_size: int = 0

    def __post_init__(self) -> None:
        # Arrays and lists are welcome; tuples make layouts comparable and hashable piece by piece.
        put = object.__setattr__
        put(self, "steps", tuple(int(n) for n in self.steps))
        put(self, "times", tuple(float(t) for t in self.times))
        put(self, "axes", {name: tuple(labels) for name, labels in self.axes.items()})
        for kind in ("series", "ledger", "results"):
            put(self, kind, tuple(getattr(self, kind)))
        put(self, "group", min(int(self.group), self.paths))
        put(self, "state_size", max(64, int(self.state_size)))  # even an empty state has a head
        put(self, "block", max(1, min(int(self.block), len(self.steps))))
        self._check()

    def _check(self) -> None:
        assert self.paths > 0 and self.group > 0
        assert len(self.steps) == len(self.times), "one time per saved step"
        assert all(a < b for a, b in zip(self.steps, self.steps[1:], strict=False)), (
            "steps increase"
        )
        assert all(a <= b for a, b in zip(self.times, self.times[1:], strict=False)), (
            "times increase"
        )
        assert not self.series or self.steps, "a series needs saved frames"
        assert not _RESERVED & set(self.axes), f"axis names {_RESERVED} are taken"
        for kind in (self.series, self.ledger, self.results):
            names = [entry.name for entry in kind]
            assert len(set(names)) == len(names), f"a name occurs twice in {names}"
            for entry in kind:
                assert _NAME.fullmatch(entry.name), f"{entry.name!r} is no channel name"
                assert entry.unit and entry.unit.isascii(), f"{entry.name}: unit must be ASCII text"
        for channel in (*self.series, *self.ledger):
            assert channel.axis is None or channel.axis in self.axes, f"no axis {channel.axis!r}"
        assert all(c.dtype == "float64" for c in self.ledger), "ledger channels are float64"
        sizes: dict[str, int] = {"path": self.paths, **{k: len(v) for k, v in self.axes.items()}}
        for result in self.results:
            assert len(result.dim_names) == len(result.shape), (
                f"{result.name}: a name per dimension"
            )
            assert len(set(result.dim_names)) == len(result.shape), f"{result.name}: dims differ"
            for name, size in zip(result.dim_names, result.shape, strict=True):
                assert _NAME.fullmatch(name) and sizes.setdefault(name, size) == size, (
                    f"{result.name}: dimension {name} has {size} entries, elsewhere {sizes[name]}"
                )

    @property
    def frames(self) -> int:
        """Saved frames F."""
        return len(self.steps)

    @property
    def groups(self) -> int:
        """Path groups."""
        return ceil(self.paths / self.group)

    @property
    def blocks(self) -> int:
        """Time blocks per path group; one where no frame is saved."""
        return max(1, ceil(self.frames / self.block))

    @property
    def units(self) -> int:
        """Units of work in the whole run."""
        return self.groups * self.blocks

    def unit(self, index: int) -> Unit:
        """Paths and frames of unit `index` (0 <= index < units)."""
        assert 0 <= index < self.units
        group, block = divmod(index, self.blocks)
        return Unit(
            slice(group * self.group, min((group + 1) * self.group, self.paths)),
            slice(block * self.block, min((block + 1) * self.block, self.frames)),
        )

    def all_units(self, stop: int | None = None) -> Iterator[Unit]:
        """The first `stop` units (default all) in the order they are worked off."""
        return (self.unit(index) for index in range(self.units if stop is None else stop))

    @cached_property
    def rows(self) -> dict[tuple[str, str], int]:
        """(kind, name) -> place of a channel or result among its kind."""
        kinds = ("series", "ledger", "results")
        return {(kind, e.name): n for kind in kinds for n, e in enumerate(getattr(self, kind))}

    def width(self, channel: Channel) -> tuple[int, ...]:
        """Trailing shape of a channel: () or (length of its axis,)."""
        return () if channel.axis is None else (len(self.axes[channel.axis]),)

    def series_shape(self, channel: Channel) -> tuple[int, ...]:
        """Shape (time, path[, axis]) of a series."""
        return (self.frames, self.paths, *self.width(channel))

    def ledger_shape(self, channel: Channel) -> tuple[int, ...]:
        """Shape (path[, axis]) of a ledger channel."""
        return (self.paths, *self.width(channel))

    def chunk(self, channel: Channel) -> tuple[int, ...]:
        """Chunk shape of a series: its unit, cut along time and then along paths down to 4 MiB."""
        row = channel.itemsize * prod(self.width(channel))
        frames = _cut(self.block, self.blocks == 1, CHUNK_BYTES // (self.group * row))
        paths = _cut(self.group, self.groups == 1, CHUNK_BYTES // (frames * row))
        return (frames, paths, *self.width(channel))

    @property
    def nbytes(self) -> int:
        """Bytes of everything but parameters and bookkeeping; chunks on the rim count whole."""
        total = 2 * self.state_size
        # Checksums: 32 bytes each, and two records of 48.
        sums = self.units * len(self.series) + self.groups * len(self.ledger) + len(self.results)
        total += 32 * sums + 96
        for channel in self.series:
            chunk, shape = self.chunk(channel), self.series_shape(channel)
            chunks = prod(ceil(n / c) for n, c in zip(shape, chunk, strict=True))
            # 128 bytes: an entry of the chunk index, which is a tree of nodes at least half full.
            total += chunks * (prod(chunk) * channel.itemsize + 128) + 16 * self.frames
        total += sum(c.itemsize * prod(self.ledger_shape(c)) for c in self.ledger)
        return total + sum(np.dtype(r.dtype).itemsize * prod(r.shape) for r in self.results)

    def to_json(self) -> str:
        """The layout as text; `from_json` gives back an equal one."""
        return json.dumps(asdict(self), sort_keys=True)

    @staticmethod
    def from_json(text: str) -> Layout:
        """Reads what `to_json` wrote."""
        fields: dict[str, Any] = parse_json(text)
        count = sum(len(fields[kind]) for kind in ("series", "ledger", "results"))
        if count > MOST_OBJECTS:
            raise StoreError(
                f"its layout lists {count} channels; a file has {MOST_OBJECTS} at most"
            )
        if len(fields["steps"]) > MOST_FRAMES:
            raise StoreError(
                f"its layout lists {len(fields['steps'])} frames; a run has {MOST_FRAMES} at most"
            )
        for kind in ("series", "ledger"):
            fields[kind] = tuple(Channel(**entry) for entry in fields[kind])
        fields["results"] = tuple(
            Result(**{**entry, "shape": tuple(entry["shape"]), "dims": tuple(entry["dims"])})
            for entry in fields["results"]
        )
        return Layout(**fields)


def time_block(
    series: Iterable[Channel],
    axes: Mapping[str, Sequence[str]],
    frames: int,
    *,
    group: int,
    state_size: int = 0,
) -> int:
    """Frames per time block that make writing cheap.

    The widest channel gets chunks of up to 4 MiB, and as many of them a unit as it takes for the
    resume state, written with every unit, to be at most 1/16 of the unit's data.

    Args:
        series: the channels that will be stored.
        axes: labels of the named axes.
        frames: saved frames of the run.
        group: paths per unit of work.
        state_size: bytes of a resume state.

    Returns:
        At least 1; blocks share the frames evenly, so the last one is not left almost empty.
    """
    rows = [c.itemsize * (len(axes[c.axis]) if c.axis else 1) * group for c in series]
    if not rows or frames < 1:
        return max(1, frames)
    most = max(1, CHUNK_BYTES // max(rows))
    chunk = ceil(frames / ceil(frames / most))
    chunks = ceil(frames / chunk)
    wanted = max(1, ceil(16 * state_size / (sum(rows) * chunk)))
    return chunk * ceil(chunks / max(1, chunks // wanted))


def _cut(length: int, alone: bool, most: int) -> int:
    """The longest part of at most `most` that comes from cutting `length` evenly.

    Parts may differ in length only where there is nothing behind them (`alone`): elsewhere the last
    one would reach into the next unit.
    """
    parts = (ceil(length / k) for k in range(1, length + 1) if alone or length % k == 0)
    return next((part for part in parts if part <= most), 1)
