"""Exponentials and rounding in plain operations: the same bits wherever in a vector a path stands.

    e^x = 2^n e^r,   n the whole number nearest to x/ln 2,   |r| <= ln 2/2

with a polynomial for e^r: Cephes' of degree 7 in single, Taylor's of degree 13 in double precision
(its remainder is below 4e-18). Arguments are clipped to +-60 and +-600: what
is left out is far below round-off of a sum with 1, and products of what is left are no denormal
numbers, which a processor takes a hundred times as long for. To the nearest whole
number, halves to even, rounds the sum with a number so large that it has no fractions.
"""

from __future__ import annotations

import numpy as np
from numba import types
from numba.extending import overload

from thermohw.noise.jit import inlined

__all__ = ["exponential", "magnitude", "nearest", "unsigned"]

_F, _I = np.float32, np.int32


@inlined
def _single(x):
    x = min(max(x, _F(-60.0)), _F(60.0))
    n = (x * _F(1.44269504088896341) + _F(12582912.0)) - _F(12582912.0)
    r = (x - n * _F(0.693359375)) - n * _F(-2.12194440e-4)
    y = _F(1.9875691500e-4)
    y = y * r + _F(1.3981999507e-3)
    y = y * r + _F(8.3334519073e-3)
    y = y * r + _F(4.1665795894e-2)
    y = y * r + _F(1.6666665459e-1)
    y = y * r + _F(5.0000001201e-1)
    y = (y * (r * r) + r) + _F(1.0)
    power = np.int32((np.int32(n) + _I(127)) << _I(23)).view(np.float32)
    return y * power


@inlined
def _double(x):
    x = min(max(x, -600.0), 600.0)
    n = (x * 1.44269504088896338700 + 6755399441055744.0) - 6755399441055744.0
    r = (x - n * 6.93147180369123816490e-01) - n * 1.90821492927058770002e-10
    y = 1.0 / 6227020800.0
    y = y * r + 1.0 / 479001600.0
    y = y * r + 1.0 / 39916800.0
    y = y * r + 1.0 / 3628800.0
    y = y * r + 1.0 / 362880.0
    y = y * r + 1.0 / 40320.0
    y = y * r + 1.0 / 5040.0
    y = y * r + 1.0 / 720.0
    y = y * r + 1.0 / 120.0
    y = y * r + 1.0 / 24.0
    y = y * r + 1.0 / 6.0
    y = y * r + 0.5
    y = (y * (r * r) + r) + 1.0
    power = np.int64((np.int64(n) + np.int64(1023)) << np.int64(52)).view(np.float64)
    return y * power


@inlined
def _single_nearest(x):
    near = (x + _F(12582912.0)) - _F(12582912.0)
    return near if abs(x) < _F(4194304.0) else x


@inlined
def _double_nearest(x):
    near = (x + 6755399441055744.0) - 6755399441055744.0
    return near if abs(x) < 2251799813685248.0 else x


@inlined
def _single_magnitude(x):
    return np.int32(np.float32(x).view(np.int32) & _I(0x7FFFFFFF))


@inlined
def _double_magnitude(x):
    return np.int64(np.float64(x).view(np.int64) & np.int64(0x7FFFFFFFFFFFFFFF))


def magnitude(x):
    """|x| as the whole number that its bits are: in the same order, and their largest is found
    by vectors.
    """
    raise NotImplementedError


def unsigned(bits):
    """The number whose magnitude this is."""
    raise NotImplementedError


@overload(magnitude, inline="never")
def _magnitude(x):
    if x == types.float32:
        return lambda x: _single_magnitude(x)
    return lambda x: _double_magnitude(x)


@overload(unsigned, inline="never")
def _unsigned(bits):
    if bits == types.int32:
        return lambda bits: np.int32(bits).view(np.float32)
    return lambda bits: np.int64(bits).view(np.float64)


def exponential(x):
    """e^x, in the precision of x."""
    raise NotImplementedError


def nearest(x):
    """The nearest whole number, in the precision of x."""
    raise NotImplementedError


@overload(exponential, inline="never")
def _exponential(x):
    if x == types.float32:
        return lambda x: _single(x)
    return lambda x: _double(x)


@overload(nearest, inline="never")
def _nearest(x):
    if x == types.float32:
        return lambda x: _single_nearest(x)
    return lambda x: _double_nearest(x)
