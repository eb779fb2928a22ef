"""Noise of circuits that run without a score: one numpy generator for every block of paths.

A path's noise depends on the seed, its block and its place there, not on how many paths run beside
it. Stream 3 of the seed; streams 0 to 2 belong to the engine and to studies.
"""

from __future__ import annotations

import numpy as np

__all__ = ["BLOCK", "PathNoise"]

BLOCK = 64
"""Paths per noise block; a block is drawn whole."""

_STREAM = 3


class PathNoise:
    """Standard normals of `paths` paths, step by step, float64.

    Args:
        seed: of the run, non-negative.
        paths: how many.
    """

    def __init__(self, seed: int, paths: int) -> None:
        self.paths = paths
        self._generators = [
            np.random.Generator(np.random.SFC64(np.random.SeedSequence(seed, spawn_key=key)))
            for key in ((_STREAM, block) for block in range(-(-paths // BLOCK)))
        ]

    def normals(self, width: int) -> np.ndarray:
        """The next normals, shape (paths, width)."""
        drawn = [generator.standard_normal((BLOCK, width)) for generator in self._generators]
        return (drawn[0] if len(drawn) == 1 else np.concatenate(drawn))[: self.paths]
