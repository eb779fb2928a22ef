"""Words of Philox4x32-10: the published vectors, and where an address stands in the counter."""

from __future__ import annotations

import numpy as np
import pytest

from thermohw.noise import VERSION, Stream, compiled
from thermohw.noise.philox import key_of, words

FULL = 0xFFFFFFFF
# counter, key, words: kat_vectors of Random123 (Salmon, Moraes, Dror and Shaw, SC 2011)
VECTORS = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((FULL,) * 4, (FULL,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("counter", "key", "expected"), VECTORS)
def test_published_vectors(counter, key, expected):
    """The last two words of a counter are the path's, the lower one first."""
    group, channel, low, high = counter
    found = words(key, group, channel, low + (high << 32))
    assert tuple(int(word) for word in found) == expected


@pytest.mark.parametrize(("counter", "key", "expected"), VECTORS)
def test_published_vectors_compiled(counter, key, expected):
    found = compiled.philox(*(np.uint32(word) for word in (*counter, *key)))
    assert tuple(int(word) for word in found) == expected


def test_keys_are_the_seed_sequence_of_seed_and_stream():
    """Seeds and streams beyond 32 bits are keys of their own; seed and stream cannot be swapped."""
    pairs = [(s, k) for s in (0, 1, 2, 2**32, 2**32 + 1, 2**63, 2**200) for k in range(8)]
    assert len({key_of(*pair) for pair in pairs}) == len(pairs)
    low, high = np.random.SeedSequence(5, spawn_key=(3,)).generate_state(2, np.uint32)
    assert key_of(5, Stream.BOARDS) == (low, high)


def test_numbers_of_streams_and_the_version_never_change():
    """They are part of what a stored seed means."""
    numbers = {name: int(stream) for name, stream in Stream.__members__.items()}
    assert numbers == {
        "TICKS": 0, "START": 1, "LIKELIHOOD": 2, "CELLS": 2, "BOARDS": 3, "READINGS": 4,
        "WAVEFORMS": 5, "EVENTS": 6, "TWINS": 7, "KNOWN_LAW": 8,
    }  # fmt: skip
    assert VERSION == 2


def test_arguments_broadcast():
    whole = words((1, 2), np.arange(3)[:, None], 5, np.arange(2**32 - 2, 2**32 + 2))
    for i in range(3):
        for j in range(4):
            alone = words((1, 2), i, 5, 2**32 - 2 + j)
            assert [int(w[i, j]) for w in whole] == [int(w) for w in alone]
