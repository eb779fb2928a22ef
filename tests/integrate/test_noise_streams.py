"""Noise streams: the right law, independent blocks, no collisions, replay."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from acceptance import assert_z
from numpy.random import MT19937, SeedSequence

from thermohw.noise import (
    BLOCK,
    BlockNoise,
    EventNoise,
    PathNoise,
    Recording,
    Stream,
    block_generator,
)  # fmt: skip

F64 = torch.float64


@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_moments(dtype: torch.dtype) -> None:
    """Mean, variance, third and fourth moment of 3e5 draws in every lane of two draws a tick."""
    noise = BlockNoise(11, (0, 1, 2), 3 * BLOCK, dtype=dtype)
    z = torch.stack([noise.normals(2, tick).clone() for tick in range(13)]).double().reshape(-1, 2)
    for power, exact in ((1, 0.0), (2, 1.0), (3, 0.0), (4, 3.0)):
        assert_z(z**power, exact)
    assert_z(z[:, 0] * z[:, 1], 0.0)


def draws(seed: int, block: int, stream: int = 0) -> torch.Tensor:
    return torch.randn(BLOCK, generator=block_generator(seed, block, stream), dtype=F64)


# To SeedSequence((seed, block)) the pairs (2**32, 0) and (0, 1), (2**32 + 1, 0) and (1, 1) are one.
STREAMS = [
    *((0, 0, 0), (0, 1, 0), (1, 0, 0), (0, 0, 1), (1, 1, 0), (2**32, 0, 0), (2**32 + 1, 0, 0)),
    *((0, 2**32, 0), (2**40 + 5, 3, 0), (3, 2**40 + 5, 0), (2**63, 0, 0)),
]


def test_streams_differ_and_are_uncorrelated() -> None:
    """Seeds and blocks beyond 32 bits are streams of their own; so are (seed, block) swapped."""
    z = torch.stack([draws(*stream) for stream in STREAMS])
    assert len({tuple(row[:4].tolist()) for row in z}) == len(STREAMS)
    correlation = (z @ z.T) / BLOCK**0.5  # standard normal off the diagonal for independent rows
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
    found = torch.empty(1000, dtype=torch.int32).random_(generator=block_generator(5, 9))
    np.testing.assert_array_equal(found.numpy(), expected.astype(np.int32))


def test_a_stream_is_reproducible_and_resumable() -> None:
    noise = BlockNoise(3, (4, 5), 2 * BLOCK, dtype=torch.float32)
    noise.normals(2, 0)
    state = noise.get_state()
    later = [noise.normals(1, 1).clone(), noise.normals(2, 1).clone()]
    other = BlockNoise(99, (0, 1), 2 * BLOCK, dtype=torch.float32)
    other.set_state(state)
    assert torch.equal(other.normals(1, 1), later[0]) and torch.equal(other.normals(2, 1), later[1])
    assert state.shape[0] == 2 and state.dtype == np.uint8


def test_state_is_a_copy() -> None:
    noise = BlockNoise(3, (0,), BLOCK, dtype=F64)
    state = noise.get_state()
    kept = state.copy()
    noise.normals(3, 0)
    assert np.array_equal(state, kept)


def test_blocks_are_drawn_whole() -> None:
    """A tile of 5000 paths sees the first 5000 rows of two whole blocks, at every draw."""
    whole = BlockNoise(1, (0, 1), 2 * BLOCK, dtype=F64)
    part = BlockNoise(1, (0, 1), 5000, dtype=F64)
    for tick, width in enumerate((1, 3, 1)):
        assert torch.equal(whole.normals(width, tick)[:5000], part.normals(width, tick))


def test_tiling_does_not_matter() -> None:
    together = BlockNoise(1, (6, 7), 2 * BLOCK, dtype=torch.float32)
    alone = BlockNoise(1, (7,), BLOCK, dtype=torch.float32)
    for tick in range(3):
        assert torch.equal(together.normals(2, tick)[BLOCK:], alone.normals(2, tick))


def test_recording_replays_and_refuses_another_width() -> None:
    table = torch.randn(2, 5, 3)
    tape = Recording(table)
    assert torch.equal(tape.normals(3, 0), table[0]) and torch.equal(tape.normals(3, 0), table[1])
    with pytest.raises(AssertionError, match="3 normals"):
        Recording(table).normals(2, 0)


def test_float32_tails_end_where_documented() -> None:
    """Box-Muller from 24-bit uniforms ends at sqrt(2 ln 2^24) = 5.77 sigma; float64 goes on."""
    noise = BlockNoise(0, tuple(range(64)), 64 * BLOCK, dtype=torch.float32)
    top = max(float(noise.normals(4, tick).abs().max()) for tick in range(4))
    assert 4.5 < top < 5.78


@pytest.mark.parametrize(
    "noise",
    [
        BlockNoise(0, (0,), BLOCK, dtype=F64).normals,
        PathNoise(0, range(2), size=64).normals,
        lambda _, tick: EVENTS.numbers(tick),
    ],
    ids=["ticks", "paths", "events"],
)
def test_what_has_passed_is_refused(noise) -> None:
    """Generators that answer in order say so, instead of giving other numbers."""
    noise(2, 5)
    noise(2, 5)  # a tick may ask more than once
    noise(2, 7)
    with pytest.raises(ValueError, match="tick 6 after that of 7"):
        noise(2, 6)


EVENTS = EventNoise(0, range(2), lambda rng, shape: rng.random(shape), kinds=2, size=256)


def test_numbers_of_streams_never_change() -> None:
    """They are part of what a stored seed means."""
    names = [stream.name for stream in Stream]
    assert names == ["TICKS", "START", "LIKELIHOOD", "BOARDS"] and [*map(int, Stream)] == [
        0,
        1,
        2,
        3,
    ]
    assert Stream.WAVEFORMS == Stream.CELLS == 2
