"""Noise streams: one generator for every block of 4096 paths.

A path's noise depends on the seed, its block and its place in the block, on nothing else: not on
how many paths run beside it, how they are tiled, or where a run was interrupted. Blocks are always
drawn whole; surplus paths are thrown away. The generator's full state (624 words) comes from
numpy's SeedSequence(seed, spawn_key=(stream, block)): torch's own manual_seed keeps 32 bits, which
collide after some 1e5 blocks, and SeedSequence((seed, block)) cuts both into 32-bit words and pads
with zeros, so that seed 2^32 with block 0 is seed 0 with block 1.

Streams of a block: 0 the noise of the ticks, 1 the start states. A `Recording` replays stored
increments instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["BLOCK", "BlockNoise", "NoiseSource", "Recording", "block_generator"]

BLOCK = 4096
"""Paths per noise block."""

_HEADER = 24  # bytes before the 624 words in torch's CPU generator state: seed, left, seeded, next


def block_generator(seed: int, block: int, stream: int = 0) -> torch.Generator:
    """A torch CPU generator whose whole state comes from SeedSequence(seed, (stream, block)).

    Args:
        seed: the run's seed, non-negative.
        block: index of the noise block.
        stream: 0 for tick noise, 1 for start states.
    """
    sequence = np.random.SeedSequence(seed, spawn_key=(stream, block))
    words = sequence.generate_state(624, np.uint32)
    generator = torch.Generator()
    generator.manual_seed(
        0
    )  # a valid header: "all words used up", so the first draw starts from ours
    state = generator.get_state().numpy().copy()
    state[_HEADER : _HEADER + 624 * 8] = words.astype(np.uint64).view(np.uint8)
    generator.set_state(torch.from_numpy(state))
    return generator


class NoiseSource(Protocol):
    """Standard normals for the ticks of a group of paths."""

    def normals(self, width: int) -> torch.Tensor:
        """The next (paths, width) standard normals."""
        ...


class BlockNoise:
    """Noise of consecutive blocks, drawn tick by tick.

    Args:
        seed: the run's seed.
        blocks: which blocks this tile holds.
        paths: paths in the tile; less than 4096 per block only in the last one.
        dtype: float32 or float64.
    """

    def __init__(self, seed: int, blocks: Sequence[int], paths: int, *, dtype: torch.dtype) -> None:
        assert BLOCK * (len(blocks) - 1) < paths <= BLOCK * len(blocks)
        self.paths, self.dtype = paths, dtype
        self._generators = [block_generator(seed, block) for block in blocks]
        self._buffers: dict[int, tuple[torch.Tensor, torch.Tensor, tuple[torch.Tensor, ...]]] = {}

    def normals(self, width: int) -> torch.Tensor:
        """The next (paths, width) standard normals; the tensor is reused by the next call."""
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
        """Continue from states that `get_state` returned."""
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

    def normals(self, width: int) -> torch.Tensor:
        """The next recorded (paths, width) normals."""
        row = self._normals[self._next]
        assert row.shape[-1] == width, (
            f"recorded {row.shape[-1]} normals a tick, the stepper needs {width}"
        )
        self._next += 1
        return row
