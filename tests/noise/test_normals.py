r"""Box and Muller's transform against logarithms and cosines of higher precision.

With e = 2^-24 (single; double 2^-53) a plain operation is off by a factor 1 + d, |d| <= e. Of the
normals' errors, with rho the radius:

    ln u      f + (y - z/2) is off by less than .9 e in all: e (.35 last sum, .09 z, .09 y - z/2,
              .24 polynomial of |f| <= .42). Where the power of two is not 0, |ln u| >= .34, so that
              this is 2.7 e of it, and the last sum adds e: 3.7 e. Half of it is the radius', the
              root adds e: 3 e.
    angle     |a| <= pi/4 from a rounded integer, a rounded constant and their product: 3 e, hence
              3 e |a| of cosine or sine <= 2.4 e; polynomials and their sums: 2.5 e.
    product   e

Sum: |n - n_exact| <= 9 e rho. Words whose rounding to single precision is part of the definition
(u = float32(word) + 1/2 in units of 2^-32) enter as they are defined.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from thermohw.noise import philox

BOUND = 9.0
EDGES = [0, 1, 2, 3, 2**23, 2**24 - 1, 2**24, 2**24 + 1, 2**31 - 1, 2**31, 2**31 + 1, 2**32 - 1]
EIGHTHS = [(2**29 * k + d) % 2**32 for k in range(8) for d in (-1, 0, 1)]


def words(count):
    """Random words, those about powers of two and those where octants meet, each with each."""
    one, two = np.random.default_rng(1).integers(0, 2**32, (2, count), dtype=np.uint32)
    near = np.array([2**k + d for k in range(1, 32) for d in (-1, 0, 1)] + EDGES, np.uint32)
    turns = np.array(EIGHTHS + EDGES, np.uint32)
    grid = np.meshgrid(near, turns, indexing="ij")
    return np.append(one, grid[0].ravel()), np.append(two, grid[1].ravel())


def test_single():
    one, two = words(400_000)
    cosine, sine = philox._pair(one, two)
    u = (one.astype(np.float32) + np.float32(0.5)).astype(np.float64) * 2.0**-32
    radius, angle = np.sqrt(-2.0 * np.log(u)), 2.0 * math.pi * (two.astype(float) * 2.0**-32)
    for found, exact in ((cosine, radius * np.cos(angle)), (sine, radius * np.sin(angle))):
        assert found.dtype == np.float32
        off = np.abs(found - exact)
        assert (off <= BOUND * 2.0**-24 * radius).all()


def test_double():
    """Extended precision where the machine has it; where not, its own rounding is 2 e rho."""
    high, low = words(150_000)
    one = (high.astype(np.uint64) << np.uint64(32)) | low
    two = (low[::-1].astype(np.uint64) << np.uint64(32)) | high[::-1]
    cosine, sine = philox._double_pair(one, two)
    wide = np.longdouble
    u = (wide(2.0) ** -52) * ((one >> np.uint64(12)).astype(wide) + wide(0.5))
    turns = two.astype(wide) * wide(2.0) ** -64
    radius, angle = np.sqrt(-2 * np.log(u)), 8 * np.arctan(wide(1.0)) * turns
    share = BOUND if np.finfo(wide).nmant > 60 else BOUND + 8.0
    for found, exact in ((cosine, radius * np.cos(angle)), (sine, radius * np.sin(angle))):
        off = np.abs(found - exact)
        assert (off <= share * wide(2.0) ** -53 * radius).all()


def test_cosine_and_sine_are_of_one_angle():
    """Their squares add up to the radius' square, -2 ln u, in both precisions."""
    one, two = words(10_000)
    cosine, sine = (part.astype(float) for part in philox._pair(one, two))
    u = (one.astype(np.float32) + np.float32(0.5)).astype(float) * 2.0**-32
    np.testing.assert_allclose(cosine**2 + sine**2, -2.0 * np.log(u), rtol=4 * BOUND * 2.0**-24,
                               atol=1e-30)  # fmt: skip


@pytest.mark.parametrize(
    ("dtype", "end"),
    [(np.float32, math.sqrt(66.0 * math.log(2.0))), (np.float64, math.sqrt(106.0 * math.log(2.0)))],
)
def test_ends(dtype, end):
    """Word 0 is the farthest: sqrt(-2 ln 2^-33) = 6.76, sqrt(-2 ln 2^-53) = 8.57; the last one,
    u = 1 to rounding, is 0 and neither negative under the root nor infinite."""
    kind, last = (np.uint32, 2**32 - 1) if dtype == np.float32 else (np.uint64, 2**64 - 1)
    pair: Any = philox._pair if dtype == np.float32 else philox._double_pair
    words = np.array([0, 1, last], kind)
    cosine, sine = pair(words, np.zeros(3, kind))
    assert sine.tolist() == [0.0, 0.0, 0.0]
    assert float(cosine[0]) == pytest.approx(end, rel=8 * float(np.finfo(dtype).eps))
    assert 0.0 <= float(cosine[2]) < 1e-3
    assert float(cosine[1]) <= float(cosine[0])


def test_uniforms_lie_inside():
    """(52 bits + 1/2)/2^52 is exact: never 0, never 1, symmetric about 1/2."""
    ends = philox.doubles(np.array([0, 2**64 - 1], np.uint64))
    assert ends.tolist() == [2.0**-53, 1.0 - 2.0**-53]
