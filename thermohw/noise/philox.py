r"""Philox4x32-10: random words that are a function of their address.

A cipher of ten rounds turns a counter of four 32-bit words into four random ones under a key of
two: nothing is carried from one number to the next. The key comes from the run's seed and from what
the numbers are for, the counter says whose they are:

    counter = (group of ticks, channel, path mod 2^32, path div 2^32)

so that the number of any path, channel and tick can be worked out alone, in any order, on any
machine. Four words give four single normals, of ticks 4g .. 4g + 3, or two double ones, of ticks 2g
and 2g + 1, by Box and Muller's transform

    n_0 + i n_1 = sqrt(-2 ln u) e^{2 pi i w},     u = (first word + 1/2)/2^32,  w = second/2^32

(double: u of 52 bits of the first pair of words, w of the 64 bits of the second pair). Single
normals reach 6.76 and double ones 8.57 standard deviations. u is rounded to its type, so that the
radius of single ones is a multiple of about 3e-4 below 1e-3, where one in a million lies.

Logarithm, sine and cosine are polynomials in plain multiplications and additions, each rounded
once: the same operations in the same order give the same bits here, in the compiled kernels
(`thermohw.noise.compiled`) and at whatever width they are vectorised. This module is the readable
reference, and what is used where numba cannot be.

References:
    Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
    Box and Muller, Ann. Math. Stat. 29 (1958) 610.
    Moshier, Cephes Mathematical Library (single logf, sinf, cosf); Sun Microsystems, fdlibm
    (double log, sin, cos): polynomials on the reduced arguments.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["VERSION", "key_of", "doubles", "normals", "ticks_of", "uniforms", "words"]

VERSION = 2
"""Of the streams, as files name it; 1 were generators in order, one a block of paths."""

_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = np.uint32(0x9E3779B9), np.uint32(0xBB67AE85)
_LOW, _SHIFT = np.uint64(0xFFFFFFFF), np.uint64(32)

Words = tuple[NDArray[np.uint32], NDArray[np.uint32], NDArray[np.uint32], NDArray[np.uint32]]


def key_of(seed: int, stream: int) -> tuple[int, int]:
    """Two words from numpy's SeedSequence, which spreads seeds of any size.

    Args:
        seed: of the run, non-negative.
        stream: what the numbers are for.
    """
    low, high = np.random.SeedSequence(seed, spawn_key=(int(stream),)).generate_state(2, np.uint32)
    return int(low), int(high)


def ticks_of(dtype: Any) -> int:
    """Normals that come out of one counter: 4 of single precision, 2 of double."""
    return 4 if np.dtype(dtype) == np.float32 else 2


def words(key: tuple[int, int], group: Any, channel: Any, path: Any) -> Words:
    """The four words at every address; arguments are integers or arrays that broadcast."""
    whole = np.asarray(path, dtype=np.uint64)
    shape = np.broadcast_shapes(np.shape(group), np.shape(channel), whole.shape)
    parts = (group, channel, whole & _LOW, whole >> _SHIFT)
    c0, c1, c2, c3 = (np.broadcast_to(np.asarray(part, np.uint64), shape) for part in parts)
    k0, k1 = np.uint32(key[0]), np.uint32(key[1])
    with np.errstate(over="ignore"):
        for _ in range(10):
            p0, p1 = _M0 * c0, _M1 * c2
            c0, c1 = (p1 >> _SHIFT) ^ c1 ^ np.uint64(k0), p1 & _LOW
            c2, c3 = (p0 >> _SHIFT) ^ c3 ^ np.uint64(k1), p0 & _LOW
            k0, k1 = k0 + _W0, k1 + _W1
    return tuple(c.astype(np.uint32) for c in (c0, c1, c2, c3))  # type: ignore[return-value]


def normals(key: tuple[int, int], group: Any, channel: Any, path: Any, dtype: Any) -> NDArray[Any]:
    """Standard normals of the ticks of a group, shape (4 or 2, *addresses)."""
    a, b, c, d = words(key, group, channel, path)
    if np.dtype(dtype) == np.float32:
        return np.stack([*_pair(a, b), *_pair(c, d)])
    return np.stack(_double_pair(_join(a, b), _join(c, d)))


def uniforms(key: tuple[int, int], group: Any, channel: Any, path: Any) -> NDArray[np.float64]:
    """Numbers in (0, 1), two of every counter, shape (2, *addresses): (52 bits + 1/2)/2^52."""
    a, b, c, d = words(key, group, channel, path)
    return np.stack([doubles(_join(a, b)), doubles(_join(c, d))])


def _join(low: NDArray[np.uint32], high: NDArray[np.uint32]) -> NDArray[np.uint64]:
    return (high.astype(np.uint64) << _SHIFT) | low


def doubles(whole: NDArray[np.uint64]) -> NDArray[np.float64]:
    """(top 52 bits + 1/2)/2^52, exact: neither 0 nor 1."""
    return ((whole >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52


def _f(x: float) -> np.float32:
    return np.float32(x)


def _pair(one: NDArray[np.uint32], two: NDArray[np.uint32]) -> tuple[Any, Any]:
    """Two single normals."""
    # x = word + 1/2 = 2^e m with m in [1/sqrt 2, sqrt 2), ln m = f - f^2/2 + f^3 P(f)
    x = one.astype(np.float32) + _f(0.5)
    bits = x.view(np.int32)
    e = (bits - np.int32(0x3F3504F3)) >> np.int32(23)
    f = (bits - (e << np.int32(23))).view(np.float32) - _f(1.0)
    z = f * f
    y = _f(7.0376836292e-2)
    for term in (-1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1,
                 -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1):  # fmt: skip
        y = y * f + _f(term)
    power = (e - np.int32(32)).astype(np.float32)
    y = y * f * z + power * _f(-2.12194440e-4)
    log = (f + (y - _f(0.5) * z)) + power * _f(0.693359375)
    radius = np.sqrt(_f(-2.0) * log)
    # 2 pi w = quarter turns + an angle within an eighth of a turn
    turn = (two + np.uint32(0x20000000)) & np.uint32(0xC0000000)
    a = (two - turn).view(np.int32).astype(np.float32) * _f(1.4629180792671596e-09)
    z = a * a
    s = ((_f(-1.9515295891e-4) * z + _f(8.3321608736e-3)) * z + _f(-1.6666654611e-1)) * z * a + a
    c = (_f(2.443315711809948e-5) * z + _f(-1.388731625493765e-3)) * z + _f(4.166664568298827e-2)
    c = c * z * z - _f(0.5) * z + _f(1.0)
    odd = (turn & np.uint32(0x40000000)) != 0
    sign = np.uint32(0x80000000)
    cosine = np.where(odd, s, c).view(np.uint32) ^ ((turn + np.uint32(0x40000000)) & sign)
    sine = np.where(odd, c, s).view(np.uint32) ^ (turn & sign)
    return radius * cosine.view(np.float32), radius * sine.view(np.float32)


_LOG = (1.479819860511658591e-1, 1.531383769920937332e-1, 1.818357216161805012e-1,
        2.222219843214978396e-1, 2.857142874366239149e-1, 3.999999999940941908e-1,
        6.666666666666735130e-1)  # fmt: skip
_SINE = (1.58969099521155010221e-10, -2.50507602534068634195e-08, 2.75573137070700676789e-06,
         -1.98412698298579493134e-04, 8.33333333332248946124e-03,
         -1.66666666666666324348e-01)  # fmt: skip
_COSINE = (-1.13596475577881948265e-11, 2.08757232129817482790e-09, -2.75573143513906633035e-07,
           2.48015872894767294178e-05, -1.38888888888741095749e-03,
           4.16666666666666019037e-02)  # fmt: skip


def _double_pair(one: NDArray[np.uint64], two: NDArray[np.uint64]) -> tuple[Any, Any]:
    """Two double normals."""
    # s = f/(2 + f): ln m = f - s (f - R(s^2)), as in fdlibm
    x = doubles(one)
    bits = x.view(np.int64)
    e = (bits - np.int64(0x3FE6A09E667F3BCD)) >> np.int64(52)
    f = (bits - (e << np.int64(52))).view(np.float64) - 1.0
    s = f / (2.0 + f)
    z = s * s
    r = np.full_like(z, _LOG[0])
    for term in _LOG[1:]:
        r = r * z + term
    r = r * z
    h = 0.5 * f * f
    power = e.astype(np.float64)
    log = power * 6.93147180369123816490e-01 - (
        (h - (s * (h + r) + power * 1.90821492927058770002e-10)) - f
    )
    radius = np.sqrt(-2.0 * log)
    turn = (two + np.uint64(0x2000000000000000)) & np.uint64(0xC000000000000000)
    a = (two - turn).view(np.int64).astype(np.float64) * 3.4061215800865545e-19
    z = a * a
    sine, cosine = np.full_like(z, _SINE[0]), np.full_like(z, _COSINE[0])
    for term in _SINE[1:]:
        sine = sine * z + term
    for term in _COSINE[1:]:
        cosine = cosine * z + term
    sine, cosine = sine * z * a + a, cosine * z * z - 0.5 * z + 1.0
    odd = (turn & np.uint64(0x4000000000000000)) != 0
    sign = np.uint64(0x8000000000000000)
    first = np.where(odd, sine, cosine).view(np.uint64)
    second = np.where(odd, cosine, sine).view(np.uint64)
    first ^= (turn + np.uint64(0x4000000000000000)) & sign
    second ^= turn & sign
    return radius * first.view(np.float64), radius * second.view(np.float64)
