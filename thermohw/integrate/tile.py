"""Tiles: a run cut into groups of paths, each of whole noise blocks.

Paths are independent, so every tile goes from the first tick to the last before the next one
starts. A tile is small enough to stay in cache; peak memory is set by it, not by paths times steps.
"""

from __future__ import annotations

from dataclasses import dataclass

from thermohw.noise import BLOCK

__all__ = ["BATCH", "Tile", "tiles"]

BATCH = 256
"""Rows that are computed together at least: the last bits of an exponential or a matrix product
depend on how many rows stand beside it, so that a tile is filled up to whole batches with paths
that nobody asked for, and a path's numbers do not depend on how many follow it."""


@dataclass(frozen=True)
class Tile:
    """Paths first .. first + paths - 1, in whole noise blocks (the last one may be cut)."""

    first: int
    paths: int
    blocks: tuple[int, ...]

    @property
    def rows(self) -> int:
        """Paths that are computed: whole batches."""
        return -(-self.paths // BATCH) * BATCH


def tiles(paths: int, tile: int = BLOCK, *, first_block: int = 0, block: int = BLOCK) -> list[Tile]:
    """Cut `paths` paths into tiles of at most `tile` paths, a multiple of the block.

    Args:
        paths: number of paths.
        tile: paths per tile.
        first_block: noise block of the first path, to run a slice of a larger run.
        block: paths of a noise block.
    """
    assert tile % block == 0 and tile > 0, "a tile is a whole number of noise blocks"
    result = []
    for first in range(0, paths, tile):
        size = min(tile, paths - first)
        start = first_block + first // block
        result.append(Tile(first, size, tuple(range(start, start + -(-size // block)))))
    return result
