"""Compiled kernels and the readable reference: the same bits."""

from __future__ import annotations

import numpy as np
import pytest

from thermohw.noise import compiled
from thermohw.noise.philox import key_of, normals, ticks_of, uniforms

KEY = key_of(2**33 + 7, 0)
# Counts about the strip of 256 and about vectors of 4, 8 and 16; single paths.
COUNTS = (1, 3, 17, 255, 256, 257, 1001)
FIRSTS = (0, 4093, 2**32 - 300, 2**32 - 1, 2**32, 2**42 + 5)


def filled(kind, group, channel, first, count, width):
    key = np.array(KEY, dtype=np.uint32)
    if kind == "uniform":
        out = np.empty((2, count, width))
        compiled.fill_uniform(key, group, channel, first, out)
        return out
    out = np.empty((ticks_of(kind), count, width), kind)
    fill = compiled.fill_single if out.dtype == np.float32 else compiled.fill_double
    fill(key, group, channel, first, out)
    return out


def referred(kind, group, channel, first, count, width):
    paths = first + np.arange(count, dtype=np.uint64)[:, None]
    channels = channel + np.arange(width)
    if kind == "uniform":
        return uniforms(KEY, group, channels, paths)
    return normals(KEY, group, channels, paths, kind)


def bits(values):
    return values.view(np.uint32 if values.dtype == np.float32 else np.uint64)


@pytest.mark.parametrize("first", FIRSTS)
@pytest.mark.parametrize("kind", [np.float32, np.float64, "uniform"])
def test_same_bits(kind, first):
    """All counts and widths, across 2^32 paths, late ticks and channels."""
    for count in COUNTS:
        for group, channel, width in ((0, 0, 1), (7, 3, 2), (2**31 + 1, 2**20, 5)):
            asked = kind, group, channel, first, count, width
            np.testing.assert_array_equal(bits(filled(*asked)), bits(referred(*asked)))


@pytest.mark.parametrize("kind", [np.float32, np.float64, "uniform"])
def test_same_bits_of_half_a_million_addresses(kind):
    """Rare branches of the reduced arguments (all octants, all powers of two) are met."""
    asked = kind, 11, 0, 0, 2**17, 1
    np.testing.assert_array_equal(bits(filled(*asked)), bits(referred(*asked)))


@pytest.mark.parametrize("kind", [np.float32, np.float64, "uniform"])
def test_a_path_does_not_know_where_it_stands(kind):
    """Cut anywhere: the same bits, whatever their place in a strip or a vector."""
    whole = filled(kind, 3, 2, 2**32 - 500, 1000, 3)
    for start, count in ((0, 1), (1, 2), (5, 300), (255, 2), (499, 2), (500, 1), (700, 300)):
        part = filled(kind, 3, 2, 2**32 - 500 + start, count, 3)
        np.testing.assert_array_equal(bits(part), bits(whole[:, start : start + count]))
