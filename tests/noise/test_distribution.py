r"""The law of the numbers: moments, distribution, tails, and nothing in common between neighbours.

Standard errors are those of independent normals. Of n values of z^k the mean has variance
((2k-1)!! - ((k-1)!!)^2 [k even])/n, of products of independent ones 1/n. |z| <= 4 fails right
numbers with probability 6.3e-5 a comparison; about 150 are made: 1 %.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from acceptance import assert_z
from scipy import stats

from thermohw.noise import Stream, compiled
from thermohw.noise.philox import key_of, ticks_of

CHANCE = math.erfc(4.0 / math.sqrt(2.0))  # of |z| > 4
DTYPES = [np.float32, np.float64]


def drawn(dtype, paths, channels=1, *, seed=20260101, stream=Stream.TICKS, group=0, first=0):
    """Shape (ticks of a group, paths, channels)."""
    out = np.empty((ticks_of(dtype), paths, channels), dtype)
    fill = compiled.fill_single if dtype == np.float32 else compiled.fill_double
    fill(np.array(key_of(seed, stream), np.uint32), group, 0, first, out)
    return out


def odd_factorial(k):
    """(k - 1)!!, the k-th moment of a normal; 0 for odd k."""
    return 0.0 if k % 2 else float(math.prod(range(1, k, 2)))


@pytest.mark.parametrize("dtype", DTYPES)
def test_moments_to_the_eighth(dtype):
    """Of 2^22 values, those of every tick of a group on their own too."""
    n = 2**22
    z = drawn(dtype, n // ticks_of(dtype)).astype(float)[:, :, 0]
    power = np.ones_like(z)
    for k in range(1, 9):
        power = power * z
        exact = odd_factorial(k)
        size = math.sqrt(odd_factorial(2 * k) - exact**2)
        assert_z(power.mean(), exact, stderr=size / math.sqrt(n), label=f"z^{k}")
        error = size / math.sqrt(z.shape[1])
        assert_z(power.mean(1), exact, stderr=error, label=f"z^{k} of each tick")


@pytest.mark.parametrize("dtype", DTYPES)
def test_kolmogorov_smirnov(dtype):
    z = drawn(dtype, 2**18, seed=1).astype(float).ravel()
    assert stats.kstest(z, "norm").pvalue > CHANCE


def test_kolmogorov_smirnov_of_uniforms():
    out = np.empty((2, 2**19, 1))
    compiled.fill_uniform(np.array(key_of(1, Stream.EVENTS), np.uint32), 0, 0, 0, out)
    assert stats.kstest(out.ravel(), "uniform").pvalue > CHANCE


@pytest.mark.parametrize("dtype", DTYPES)
def test_tails(dtype):
    """Counts beyond 3, 4, 4.5 and 5 sigma on either side are Poisson of the normal law's mean (19
    beyond 5 of 2^26), and none beyond the ends."""
    ticks, paths, groups = ticks_of(dtype), 2**20, 2**26 // 2**20
    levels = (3.0, 4.0, 4.5, 5.0)
    counts, top = np.zeros((2, len(levels))), 0.0
    n = paths * groups
    for group in range(groups // ticks):
        z = drawn(dtype, paths, seed=2, group=group)
        far = z[np.abs(z) > levels[0]].astype(float)
        counts += [[(s * far > level).sum() for level in levels] for s in (1.0, -1.0)]
        top = max(top, float(np.abs(far).max()))
    for side in counts:
        for level, count in zip(levels, side, strict=True):
            law = stats.poisson(n * stats.norm.sf(level))
            assert min(law.cdf(count), law.sf(count - 1)) > CHANCE / 2.0, (level, count, law.mean())
    assert 5.0 < top < math.sqrt((66.0 if dtype == np.float32 else 106.0) * math.log(2.0))


def rows(dtype):
    """Label -> pairs of equally shaped arrays that have nothing in common."""
    n = 2**18
    z = np.concatenate([drawn(dtype, n, 3, group=group) for group in range(8 // ticks_of(dtype))])
    shifted = {f"ticks {d} apart": (z[:-d], z[d:]) for d in (1, 2, 3, 4)}
    shifted |= {f"paths {d} apart": (z[:, :-d], z[:, d:]) for d in (1, 2, 255, 256, 4096)}
    shifted |= {f"channels {d} apart": (z[:, :, :-d], z[:, :, d:]) for d in (1, 2)}
    shifted["a tick, path and channel apart"] = z[1:, 1:, 1:], z[:-1, :-1, :-1]
    shifted["2^32 paths apart"] = drawn(dtype, n), drawn(dtype, n, first=2**32)
    shifted["2^31 groups apart"] = drawn(dtype, n), drawn(dtype, n, group=2**31)
    seeds = [drawn(dtype, n, seed=seed) for seed in (0, 1, 2, 2**32, 2**32 + 1, 2**63)]
    streams = [drawn(dtype, n, seed=0, stream=stream) for stream in Stream]
    for name, parts in (("seeds", seeds), ("streams", streams)):
        for i, one in enumerate(parts):
            shifted |= {f"{name} {i}, {j}": (one, parts[j]) for j in range(i)}
    return shifted


@pytest.mark.parametrize("dtype", DTYPES)
def test_nothing_in_common(dtype):
    """Products of values, and of their squares less one (of size 2), average to nothing."""
    for name, (one, other) in rows(dtype).items():
        one, other = one.astype(float), other.astype(float)
        error = one.size**-0.5
        assert_z((one * other).mean(), 0.0, stderr=error, label=name)
        squares = 0.5 * (one * one - 1.0) * (other * other - 1.0)
        assert_z(squares.mean(), 0.0, stderr=error, label=f"squares, {name}")


def test_a_correlation_is_seen():
    """What these tests find: a hundredth in common."""
    z = drawn(np.float64, 2**18)
    with pytest.raises(AssertionError):
        mixed = z[1] + 0.01 * z[0]
        assert_z((z[0] * mixed).mean(), 0.0, stderr=mixed.size**-0.5)
