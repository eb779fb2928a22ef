"""Tiles: a run cut into groups of neighbouring paths.

Paths are independent, so every tile goes from the first tick to the last before the next one
starts. A tile is small enough to stay in cache; peak memory is set by it, not by paths times steps.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["BATCH", "BLOCK", "Tile", "tiles"]

BLOCK = 4096
"""Paths of a tile where nothing asks for another number."""

BATCH = 256
"""Rows that are computed together at least: the last bits of an exponential or a matrix product
depend on how many rows stand beside it, so that a tile is filled up to whole batches with paths
that nobody asked for, and a path's numbers do not depend on how many follow it."""


@dataclass(frozen=True)
class Tile:
    """Paths first .. first + paths - 1."""

    first: int
    paths: int

    @property
    def rows(self) -> int:
        """Paths that are computed: whole batches."""
        return -(-self.paths // BATCH) * BATCH


def tiles(paths: int, tile: int = BLOCK, *, first: int = 0) -> list[Tile]:
    """Cut `paths` paths into tiles of at most `tile` paths.

    Args:
        paths: number of paths.
        tile: paths per tile.
        first: index of the first path, to run a slice of a larger run.
    """
    assert tile > 0, "a tile holds a path at least"
    starts = range(0, paths, tile)
    return [Tile(first + start, min(tile, paths - start)) for start in starts]
