"""Noise: streams of random numbers by seed, stream, block of paths and tick.

A path's noise depends on the seed, its block and its place in the block, and on how often it was
asked before; not on how many paths run beside it, how they are tiled, or where a run was
interrupted. Blocks are drawn whole; surplus paths are thrown away. How many paths a block has
belongs to the kind of run: thousands where a tick is one matrix product, fewer where every path has
its own clock or its own board.

Every generator's state comes from numpy's SeedSequence(seed, spawn_key=(stream, block)). torch's
Mersenne twister takes all 624 words from it: its own manual_seed keeps 32 bits, which collide after
some 1e5 blocks, and SeedSequence((seed, block)) cuts both into 32-bit words and pads with zeros, so
that seed 2^32 with block 0 is seed 0 with block 1.

Whoever asks says for which tick (jumps: for which event). Today's generators answer in order and
refuse a tick that has passed; one that counts (Philox: key from seed and stream, counter from path
and tick) can stand in their place without another caller being touched. A `Recording` replays
stored increments instead.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

__all__ = [
    "BLOCK",
    "BlockNoise",
    "EventNoise",
    "NoiseSource",
    "PathNoise",
    "Recording",
    "Stream",
    "block_generator",
    "block_rng",
]

BLOCK = 4096
"""Paths of a block where all of them take a tick together."""

_HEADER = 24  # bytes before the 624 words in torch's CPU generator state: seed, left, seeded, next
_BATCH = 32  # events drawn at once


class Stream(IntEnum):
    """What random numbers are for; part of every stored run's meaning, never to be renumbered.

    No run uses two of the names that share a number: stored runs have likelihoods, free runs have
    waveforms, studies have cells.
    """

    TICKS = 0  # ticks, readings, events
    START = 1  # start states
    LIKELIHOOD = 2  # noised test points
    WAVEFORMS = 2  # values of noise sources
    CELLS = 2  # cells of a study
    BOARDS = 3  # steps of active circuits


def _sequence(seed: int, block: int, stream: int) -> np.random.SeedSequence:
    return np.random.SeedSequence(seed, spawn_key=(int(stream), block))


def block_generator(seed: int, block: int, stream: int = Stream.TICKS) -> torch.Generator:
    """A torch CPU generator whose whole state comes from SeedSequence(seed, (stream, block)).

    Args:
        seed: the run's seed, non-negative.
        block: index of the noise block.
        stream: what the numbers are for.
    """
    words = _sequence(seed, block, stream).generate_state(624, np.uint32)
    generator = torch.Generator()
    # A valid header, "all words used up", so that the first draw starts from ours.
    generator.manual_seed(0)
    state = generator.get_state().numpy().copy()
    state[_HEADER : _HEADER + 624 * 8] = words.astype(np.uint64).view(np.uint8)
    generator.set_state(torch.from_numpy(state))
    return generator


def block_rng(seed: int, block: int, stream: int = Stream.TICKS) -> np.random.Generator:
    """A numpy generator (PCG64) of SeedSequence(seed, (stream, block)); arguments as above."""
    return np.random.default_rng(_sequence(seed, block, stream))


class NoiseSource(Protocol):
    """Standard normals for the ticks of a group of paths."""

    def normals(self, width: int, tick: int) -> torch.Tensor:
        """The next (paths, width) standard normals of a tick."""
        ...


class _InOrder:
    """Refuses ticks that have passed."""

    def __init__(self) -> None:
        self._tick = 0

    def _reach(self, tick: int) -> None:
        if tick < self._tick:
            raise ValueError(f"noise of tick {tick} after that of {self._tick}: drawn in order")
        self._tick = tick


class BlockNoise(_InOrder):
    """Noise of consecutive blocks, drawn tick by tick.

    Args:
        seed: the run's seed.
        blocks: which blocks this tile holds.
        paths: paths in the tile; less than 4096 per block only in the last one.
        dtype: float32 or float64.
    """

    def __init__(self, seed: int, blocks: Sequence[int], paths: int, *, dtype: torch.dtype) -> None:
        assert BLOCK * (len(blocks) - 1) < paths <= BLOCK * len(blocks)
        super().__init__()
        self.paths, self.dtype = paths, dtype
        self._generators = [block_generator(seed, block) for block in blocks]
        self._buffers: dict[int, tuple[torch.Tensor, torch.Tensor, tuple[torch.Tensor, ...]]] = {}

    def normals(self, width: int, tick: int) -> torch.Tensor:
        """The next (paths, width) standard normals of a tick; the tensor is reused by the next
        call.
        """
        self._reach(tick)
        if width not in self._buffers:
            whole = torch.empty(BLOCK * len(self._generators), width, dtype=self.dtype)
            self._buffers[width] = whole[: self.paths], whole, whole.split(BLOCK)
        wanted, _, blocks = self._buffers[width]
        for generator, rows in zip(self._generators, blocks, strict=True):
            rows.normal_(generator=generator)
        return wanted

    def get_state(self) -> np.ndarray:
        """Generator states, uint8, shape (blocks, 5056)."""
        return np.stack([g.get_state().numpy() for g in self._generators])

    def set_state(self, state: np.ndarray) -> None:
        """Continue from states that `get_state` returned, whatever their tick."""
        self._tick = 0
        for generator, row in zip(self._generators, state, strict=True):
            generator.set_state(torch.from_numpy(np.array(row, dtype=np.uint8)))


class Recording:
    """Replays normals that were kept, e.g. to give several steppers or sdeint the same increments.

    Args:
        normals: shape (ticks, paths, width).
    """

    def __init__(self, normals: torch.Tensor) -> None:
        self._normals = normals
        self._next = 0

    def normals(self, width: int, tick: int) -> torch.Tensor:
        """The next recorded (paths, width) normals, whatever the tick."""
        row = self._normals[self._next]
        assert row.shape[-1] == width, (
            f"recorded {row.shape[-1]} normals a tick, the stepper needs {width}"
        )
        self._next += 1
        return row


class PathNoise(_InOrder):
    """Standard normals of blocks of paths, step by step, float64, from numpy's SFC64.

    Args:
        seed: of the run, non-negative.
        blocks: which blocks.
        size: paths of a block.
    """

    def __init__(self, seed: int, blocks: Iterable[int], *, size: int) -> None:
        super().__init__()
        self._size = size
        self._generators = [
            np.random.SFC64(_sequence(seed, block, Stream.BOARDS)) for block in blocks
        ]
        self._draw = [np.random.Generator(g).standard_normal for g in self._generators]

    def normals(self, width: int, tick: int) -> NDArray[Any]:
        """The next normals of a step, shape (blocks, paths of a block, width)."""
        self._reach(tick)
        return np.stack([draw((self._size, width)) for draw in self._draw])

    def get_state(self) -> NDArray[Any]:
        """Generator states, uint64, shape (blocks, 4); normals leave no half-used words."""
        return np.stack([g.state["state"]["state"] for g in self._generators])

    def set_state(self, state: NDArray[Any]) -> None:
        """Continue from states that `get_state` returned, whatever their tick."""
        self._tick = 0
        for generator, words in zip(self._generators, state, strict=True):
            whole = generator.state
            whole["state"]["state"] = np.array(words, dtype=np.uint64)
            generator.state = whole


class EventNoise(_InOrder):
    """Numbers of consecutive blocks, event by event: every path has a clock of its own.

    Args:
        seed: the run's seed.
        blocks: which blocks.
        draw: (generator, shape) -> numbers of that shape, whose last axis is the block's paths.
        kinds: length of the axis before the paths.
        size: paths of a block.
    """

    def __init__(
        self,
        seed: int,
        blocks: range,
        draw: Callable[[np.random.Generator, tuple[int, ...]], NDArray[Any]],
        *,
        kinds: int,
        size: int,
    ) -> None:
        super().__init__()
        self._draw, self._kinds, self._size = draw, kinds, size
        self._generators = [block_rng(seed, block) for block in blocks]
        self._batch: NDArray[Any] = np.empty((0, kinds, size * len(blocks)))
        self._next = 0

    def numbers(self, event: int) -> NDArray[Any]:
        """The next numbers of an event, shape (kinds, paths of all blocks)."""
        self._reach(event)
        if self._next == len(self._batch):
            shape = _BATCH, self._kinds, self._size
            parts = [self._draw(generator, shape) for generator in self._generators]
            self._batch, self._next = np.concatenate(parts, axis=-1), 0
        self._next += 1
        return self._batch[self._next - 1]
