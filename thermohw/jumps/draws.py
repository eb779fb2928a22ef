"""Random numbers of jump runs: one generator for every block of 256 paths.

A path's numbers depend on the seed, its block, its place in the block and how many events it has
had; not on how many paths run beside it. Blocks are drawn whole and in batches of steps; what
nobody uses is thrown away. The streams of a block: 0 events, 1 start states.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = ["BLOCK", "Batches", "block_rng"]

BLOCK = 256
"""Paths per block."""

_BATCH = 32  # steps drawn at once


def block_rng(seed: int, block: int, stream: int = 0) -> np.random.Generator:
    """A generator whose state comes from SeedSequence(seed, (stream, block))."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(stream, block)))


class Batches:
    """The numbers of consecutive blocks, handed out step by step.

    Args:
        seed: the run's seed.
        blocks: which blocks.
        draw: (generator, shape) -> numbers of that shape, whose last axis is the block's paths.
        kinds: length of the axis before the paths.
    """

    def __init__(
        self,
        seed: int,
        blocks: range,
        draw: Callable[[np.random.Generator, tuple[int, ...]], NDArray[Any]],
        *,
        kinds: int,
    ) -> None:
        self._draw, self._kinds = draw, kinds
        self._generators = [block_rng(seed, block) for block in blocks]
        self._batch: NDArray[Any] = np.empty((0, kinds, BLOCK * len(blocks)))
        self._next = 0

    def __call__(self) -> NDArray[Any]:
        """The next step's numbers, shape (kinds, paths of all blocks)."""
        if self._next == len(self._batch):
            shape = _BATCH, self._kinds, BLOCK
            parts = [self._draw(generator, shape) for generator in self._generators]
            self._batch, self._next = np.concatenate(parts, axis=-1), 0
        self._next += 1
        return self._batch[self._next - 1]
