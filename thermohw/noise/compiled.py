"""The same numbers as `thermohw.noise.philox`, compiled: bit by bit, some fifty times as fast.

Kernels are numba's: no compiler is needed when they run, they release the interpreter's lock, and
their machine code is kept on disk (`thermohw.noise.jit`). No operation may be fused or reordered
(no fast mathematics): a path's numbers must not depend on where in a vector it stands.

What is marked inline is for other kernels, which draw where they use what they draw.
"""

from __future__ import annotations

import numpy as np
from numba import float32, float64, int32, int64, uint32, uint64

from thermohw.noise.jit import inlined, kernel, stage

__all__ = ["fill_double", "fill_single", "fill_uniform", "single_cosine_sine", "single_radius",
           "philox"]  # fmt: skip

_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = np.uint32(0x9E3779B9), np.uint32(0xBB67AE85)
_SHIFT = np.uint64(32)
_I, _F, _U, _L = np.int32, np.float32, np.uint32, np.uint64
_STRIP = 256  # addresses worked on at once: their words stay in the first cache


@inlined
def philox(c0, c1, c2, c3, k0, k1):
    """Ten rounds."""
    for _ in range(10):
        p0, p1 = _M0 * uint64(c0), _M1 * uint64(c2)
        c0, c1 = uint32(p1 >> _SHIFT) ^ c1 ^ k0, uint32(p1)
        c2, c3 = uint32(p0 >> _SHIFT) ^ c3 ^ k1, uint32(p0)
        k0, k1 = uint32(k0 + _W0), uint32(k1 + _W1)
    return c0, c1, c2, c3


@inlined
def single_radius(word):
    """sqrt(-2 ln u) of a word."""
    x = float32(word) + _F(0.5)
    bits = np.float32(x).view(np.int32)
    e = int32(int32(bits - _I(0x3F3504F3)) >> _I(23))
    f = np.int32(bits - int32(e << _I(23))).view(np.float32) - _F(1.0)
    z = f * f
    y = _F(7.0376836292e-2)
    y = y * f + _F(-1.1514610310e-1)
    y = y * f + _F(1.1676998740e-1)
    y = y * f + _F(-1.2420140846e-1)
    y = y * f + _F(1.4249322787e-1)
    y = y * f + _F(-1.6668057665e-1)
    y = y * f + _F(2.0000714765e-1)
    y = y * f + _F(-2.4999993993e-1)
    y = y * f + _F(3.3333331174e-1)
    power = float32(int32(e - _I(32)))
    y = y * f * z + power * _F(-2.12194440e-4)
    log = (f + (y - _F(0.5) * z)) + power * _F(0.693359375)
    return np.sqrt(_F(-2.0) * log)


@inlined
def single_cosine_sine(word):
    """cos and sin of 2 pi word/2^32."""
    turn = uint32(uint32(word + _U(0x20000000)) & _U(0xC0000000))
    a = float32(np.uint32(word - turn).view(np.int32)) * _F(1.4629180792671596e-09)
    z = a * a
    s = ((_F(-1.9515295891e-4) * z + _F(8.3321608736e-3)) * z + _F(-1.6666654611e-1)) * z * a + a
    c = (_F(2.443315711809948e-5) * z + _F(-1.388731625493765e-3)) * z + _F(4.166664568298827e-2)
    c = c * z * z - _F(0.5) * z + _F(1.0)
    odd = (turn & _U(0x40000000)) != _U(0)
    first = np.float32(s if odd else c).view(np.uint32)
    second = np.float32(c if odd else s).view(np.uint32)
    first = np.uint32(first ^ uint32(uint32(turn + _U(0x40000000)) & _U(0x80000000)))
    second = np.uint32(second ^ uint32(turn & _U(0x80000000)))
    return first.view(np.float32), second.view(np.float32)


@inlined
def _double(low, high):
    """(52 bits + 1/2)/2^52 of two words."""
    whole = (uint64(high) << _SHIFT) | uint64(low)
    return (float64(int64(whole >> _L(12))) + 0.5) * 2.0**-52


@inlined
def _double_radius(low, high):
    """sqrt(-2 ln u) of two words."""
    bits = np.float64(_double(low, high)).view(np.int64)
    e = (bits - np.int64(0x3FE6A09E667F3BCD)) >> np.int64(52)
    f = np.int64(bits - (e << np.int64(52))).view(np.float64) - 1.0
    s = f / (2.0 + f)
    z = s * s
    r = 1.479819860511658591e-1
    r = r * z + 1.531383769920937332e-1
    r = r * z + 1.818357216161805012e-1
    r = r * z + 2.222219843214978396e-1
    r = r * z + 2.857142874366239149e-1
    r = r * z + 3.999999999940941908e-1
    r = r * z + 6.666666666666735130e-1
    r = r * z
    h = 0.5 * f * f
    power = float64(e)
    log = power * 6.93147180369123816490e-01 - (
        (h - (s * (h + r) + power * 1.90821492927058770002e-10)) - f
    )
    return np.sqrt(-2.0 * log)


@inlined
def _double_cosine_sine(low, high):
    """cos and sin of 2 pi word/2^64."""
    whole = (uint64(high) << _SHIFT) | uint64(low)
    turn = uint64(whole + _L(0x2000000000000000)) & _L(0xC000000000000000)
    a = float64(np.uint64(whole - turn).view(np.int64)) * 3.4061215800865545e-19
    z = a * a
    s = 1.58969099521155010221e-10
    s = s * z + -2.50507602534068634195e-08
    s = s * z + 2.75573137070700676789e-06
    s = s * z + -1.98412698298579493134e-04
    s = s * z + 8.33333333332248946124e-03
    s = s * z + -1.66666666666666324348e-01
    s = s * z * a + a
    c = -1.13596475577881948265e-11
    c = c * z + 2.08757232129817482790e-09
    c = c * z + -2.75573143513906633035e-07
    c = c * z + 2.48015872894767294178e-05
    c = c * z + -1.38888888888741095749e-03
    c = c * z + 4.16666666666666019037e-02
    c = c * z * z - 0.5 * z + 1.0
    odd = (turn & _L(0x4000000000000000)) != _L(0)
    first = np.float64(s if odd else c).view(np.uint64)
    second = np.float64(c if odd else s).view(np.uint64)
    first = np.uint64(first ^ (uint64(turn + _L(0x4000000000000000)) & _L(0x8000000000000000)))
    second = np.uint64(second ^ (turn & _L(0x8000000000000000)))
    return first.view(np.float64), second.view(np.float64)


@stage
def single_words(group, channel, first, count, k0, k1, out):
    """Words of `count` neighbouring paths, shape (4, >= count)."""
    low, high = uint32(first), uint32(uint64(first) >> _SHIFT)
    if uint64(low) + uint64(count) <= uint64(0x100000000):
        one, two, three, four = out[0], out[1], out[2], out[3]
        for i in range(count):
            a, b, c, d = philox(group, channel, uint32(low + uint32(i)), high, k0, k1)
            one[i], two[i], three[i], four[i] = a, b, c, d
    else:
        for i in range(count):
            path = uint64(first) + uint64(i)
            a, b, c, d = philox(group, channel, uint32(path), uint32(path >> _SHIFT), k0, k1)
            out[0, i], out[1, i], out[2, i], out[3, i] = a, b, c, d


@stage
def single_normals(group, channel, start, count, k0, k1, bits, out):
    """Normals of four ticks of `count` neighbouring paths, shape (4, >= count)."""
    single_words(group, channel, start, count, k0, k1, bits)
    for half in range(2):
        one, two, first, second = (
            bits[2 * half],
            bits[2 * half + 1],
            out[2 * half],
            out[2 * half + 1],
        )
        for i in range(count):
            radius = single_radius(one[i])
            cosine, sine = single_cosine_sine(two[i])
            first[i], second[i] = radius * cosine, radius * sine


@stage
def double_normals(group, channel, first, count, k0, k1, bits, out):
    """Normals of two ticks of `count` neighbouring paths, shape (2, >= count)."""
    single_words(group, channel, first, count, k0, k1, bits)
    a, b, c, d, one, two = bits[0], bits[1], bits[2], bits[3], out[0], out[1]
    for i in range(count):
        radius = _double_radius(a[i], b[i])
        cosine, sine = _double_cosine_sine(c[i], d[i])
        one[i], two[i] = radius * cosine, radius * sine


@kernel
def fill_single(key, group, channel, first, out):
    """Normals of paths first, first + 1, ... and of channels channel, channel + 1, ..., float32,
    out of shape (4, paths, channels).
    """
    k0, k1 = uint32(key[0]), uint32(key[1])
    bits, strip = np.empty((4, _STRIP), np.uint32), np.empty((4, _STRIP), np.float32)
    for start in range(0, out.shape[1], _STRIP):
        count = min(_STRIP, out.shape[1] - start)
        for j in range(out.shape[2]):
            single_normals(uint32(group), uint32(channel + j), first + start, count, k0, k1,
                           bits, strip)  # fmt: skip
            for t in range(4):
                for i in range(count):
                    out[t, start + i, j] = strip[t, i]


@kernel
def fill_double(key, group, channel, first, out):
    """The same, float64, out of shape (2, paths, channels)."""
    k0, k1 = uint32(key[0]), uint32(key[1])
    bits, strip = np.empty((4, _STRIP), np.uint32), np.empty((2, _STRIP), np.float64)
    for start in range(0, out.shape[1], _STRIP):
        count = min(_STRIP, out.shape[1] - start)
        for j in range(out.shape[2]):
            double_normals(uint32(group), uint32(channel + j), first + start, count, k0, k1,
                           bits, strip)  # fmt: skip
            for t in range(2):
                for i in range(count):
                    out[t, start + i, j] = strip[t, i]


@kernel
def fill_uniform(key, group, channel, first, out):
    """Numbers in (0, 1), out of shape (2, paths, channels), float64."""
    k0, k1 = uint32(key[0]), uint32(key[1])
    bits = np.empty((4, _STRIP), np.uint32)
    for start in range(0, out.shape[1], _STRIP):
        count = min(_STRIP, out.shape[1] - start)
        for j in range(out.shape[2]):
            single_words(uint32(group), uint32(channel + j), first + start, count, k0, k1, bits)
            for i in range(count):
                out[0, start + i, j] = _double(bits[0, i], bits[1, i])
                out[1, start + i, j] = _double(bits[2, i], bits[3, i])
