"""Generators in order: what is drawn once and for all; blocks are independent, none collide."""

from __future__ import annotations

import numpy as np
import torch
from acceptance import assert_z
from numpy.random import MT19937, SeedSequence

from thermohw.noise import Stream, block_generator, block_rng

F64, DRAWS = torch.float64, 4096
# seed 7, written down from version 0.1.0
LIKELIHOOD = [0.13730454522601931, -0.6641461674083353, 1.0265670631567956]


def draws(seed: int, block: int, stream: int = Stream.START) -> torch.Tensor:
    return torch.randn(DRAWS, generator=block_generator(seed, block, stream), dtype=F64)


# To SeedSequence((seed, block)) the pairs (2**32, 0) and (0, 1), (2**32 + 1, 0) and (1, 1) are one.
STREAMS = [
    *((0, 0, 0), (0, 1, 0), (1, 0, 0), (0, 0, 1), (1, 1, 0), (2**32, 0, 0), (2**32 + 1, 0, 0)),
    *((0, 2**32, 0), (2**40 + 5, 3, 0), (3, 2**40 + 5, 0), (2**63, 0, 0)),
]


def test_streams_differ_and_are_uncorrelated() -> None:
    """Seeds and blocks beyond 32 bits are streams of their own; so are (seed, block) swapped."""
    z = torch.stack([draws(*stream) for stream in STREAMS])
    assert len({tuple(row[:4].tolist()) for row in z}) == len(STREAMS)
    correlation = (z @ z.T) / DRAWS**0.5  # standard normal off the diagonal for independent rows
    pairs = correlation[np.triu_indices(len(STREAMS), 1)]
    assert float(pairs.abs().max()) < 4.5  # 55 pairs: chance 4e-4


def test_successive_blocks_are_uncorrelated_path_by_path() -> None:
    one = torch.stack([draws(7, block) for block in range(24)])
    assert_z((one[1:] * one[:-1]).reshape(-1), 0.0)


def test_state_is_the_seed_sequence() -> None:
    """The words torch draws are those of a Mersenne Twister whose 624 words numpy seeded."""
    words = SeedSequence(5, spawn_key=(0, 9)).generate_state(624, np.uint32)
    twister = MT19937(0)
    key = {"key": words, "pos": 624}
    twister.state = {"bit_generator": "MT19937", "state": key}  # type: ignore[assignment]
    expected = twister.random_raw(1000) & 0x7FFFFFFF  # random_ of int32 keeps 31 bits of a word
    draw = block_generator(5, 9, Stream.TICKS)
    found = torch.empty(1000, dtype=torch.int32).random_(generator=draw)
    np.testing.assert_array_equal(found.numpy(), expected.astype(np.int32))


def test_the_likelihood_of_a_stored_run_draws_what_it_drew() -> None:
    """An audit computes it again, in files of every version."""
    drawn = torch.randn(3, generator=block_generator(7, 0, Stream.LIKELIHOOD), dtype=F64)
    assert drawn.tolist() == LIKELIHOOD


def test_numpy_generators_are_the_seed_sequence() -> None:
    expected = np.random.default_rng(SeedSequence(5, spawn_key=(2, 9))).random(5)
    assert np.array_equal(block_rng(5, 9, Stream.CELLS).random(5), expected)
