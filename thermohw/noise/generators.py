"""Generators in order, for what is drawn once and for all: test points, cells of a study, pools.

Their whole state comes from numpy's SeedSequence(seed, spawn_key=(stream, block)). torch's Mersenne
twister takes all 624 words from it: its own manual_seed keeps 32 bits, which collide after some 1e5
blocks, and SeedSequence((seed, block)) cuts both into 32-bit words and pads with zeros, so that
seed 2^32 with block 0 is seed 0 with block 1. Noise of runs does not come from here
(`thermohw.noise.philox`).
"""

from __future__ import annotations

import numpy as np
import torch

__all__ = ["block_generator", "block_rng"]

_HEADER = 24  # bytes before the 624 words in torch's CPU generator state: seed, left, seeded, next


def _sequence(seed: int, block: int, stream: int) -> np.random.SeedSequence:
    return np.random.SeedSequence(seed, spawn_key=(int(stream), block))


def block_generator(seed: int, block: int, stream: int) -> torch.Generator:
    """A torch CPU generator whose whole state comes from SeedSequence(seed, (stream, block)).

    Args:
        seed: the run's seed, non-negative.
        block: which of several.
        stream: what the numbers are for (`thermohw.noise.Stream`).
    """
    words = _sequence(seed, block, stream).generate_state(624, np.uint32)
    generator = torch.Generator()
    # A valid header, "all words used up", so that the first draw starts from ours.
    generator.manual_seed(0)
    state = generator.get_state().numpy().copy()
    state[_HEADER : _HEADER + 624 * 8] = words.astype(np.uint64).view(np.uint8)
    generator.set_state(torch.from_numpy(state))
    return generator


def block_rng(seed: int, block: int, stream: int) -> np.random.Generator:
    """A numpy generator (PCG64) of SeedSequence(seed, (stream, block)); arguments as above."""
    return np.random.default_rng(_sequence(seed, block, stream))
