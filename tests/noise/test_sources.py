"""Numbers by address: whatever tile, order and company they are asked in, the same bits."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

import thermohw.noise as package
from thermohw.noise import (
    Draws,
    EventNumbers,
    Recording,
    Stream,
    TickNoise,
    choice,
    normal,
    sources,
    uniform,
)

F32, F64 = torch.float32, torch.float64
DTYPES = [F32, F64]


@pytest.mark.parametrize("dtype", DTYPES)
def test_tiles_and_company_do_not_matter(dtype):
    """Paths 4000 .. 9000 alone, beside others, and with none that follow; any width."""
    whole = TickNoise(1, 0, 12288, dtype=dtype)
    part, cut = TickNoise(1, 4000, 5000, dtype=dtype), TickNoise(1, 0, 5000, dtype=dtype)
    for tick, width in enumerate((1, 3, 1, 2, 2, 7)):
        all_of_them = whole.normals(width, tick)
        assert all_of_them.dtype == dtype and all_of_them.shape == (12288, width)
        assert torch.equal(all_of_them[4000:9000], part.normals(width, tick))
        assert torch.equal(all_of_them[:5000], cut.normals(width, tick))


@pytest.mark.parametrize("dtype", DTYPES)
def test_order_does_not_matter(dtype):
    """Ticks backward, with gaps, and again after others: nothing is carried on."""
    forward = TickNoise(3, 7, 300, dtype=dtype)
    values = [forward.normals(2, tick).clone() for tick in range(20)]
    again = TickNoise(3, 7, 300, dtype=dtype)
    for tick in (*range(19, -1, -1), 3, 17, 3):
        assert torch.equal(again.normals(2, tick), values[tick])
        again.normals(2, tick + 40)  # a second question of one tick has the channels behind
    alone = TickNoise(3, 7, 300, dtype=dtype)
    assert torch.equal(alone.normals(2, 13), values[13])


@pytest.mark.parametrize("dtype", DTYPES)
def test_what_a_tick_asks_next_is_behind(dtype):
    """Two questions of a tick are one of both widths; the next tick begins anew."""
    one, other = TickNoise(5, 0, 100, dtype=dtype), TickNoise(5, 0, 100, dtype=dtype)
    for tick in range(6):
        parts = torch.cat([one.normals(2, tick), one.normals(1, tick), one.normals(2, tick)], 1)
        assert torch.equal(parts, other.normals(5, tick))


@pytest.mark.parametrize("dtype", DTYPES)
def test_what_was_given_stays(dtype):
    """Later questions do not write into tensors that were given before."""
    noise = TickNoise(5, 0, 100, dtype=dtype)
    first = noise.normals(2, 0)
    kept = first.clone()
    for tick in range(1, 12):
        noise.normals(2, tick)
    assert torch.equal(first, kept)


def test_seeds_and_streams_differ():
    asked = [(seed, stream) for seed in (0, 1, 2**32, 2**64) for stream in Stream]
    found = [TickNoise(s, 0, 8, dtype=F64, stream=k).normals(1, 0) for s, k in asked]
    assert len({tuple(values[:, 0].tolist()) for values in found}) == len(asked)


def test_events():
    """By event and path: half of the paths, an odd event first, an earlier one again."""
    whole = EventNumbers(1, 0, 512, kinds=2)
    values = [whole.numbers(event).copy() for event in range(9)]
    part = EventNumbers(1, 256, 256, kinds=2)
    for event in (7, 0, 8, 3, 3):
        assert np.array_equal(part.numbers(event), values[event][256:])
    flat = np.concatenate(values)
    assert flat.min() > 0.0 and flat.max() < 1.0 and len(np.unique(flat)) == flat.size


def test_draws_of_paths():
    """One thing after another, of any paths."""
    whole, part = Draws(2, 0, 1000), Draws(2, 600, 100)
    for width in (2, 1, 3):
        assert torch.equal(whole.normals(width)[600:700], part.normals(width))
        assert torch.equal(whole.uniforms(width)[600:700], part.uniforms(width))
    first, second = Draws(2, 0, 10), Draws(2, 0, 10)
    together = second.normals(3)
    assert torch.equal(torch.cat([first.normals(1), first.normals(2)], 1), together)


def test_laws_take_generators_and_draws():
    """Equal shapes and types; choices lie in their range and meet all of it."""
    for random in (torch.Generator().manual_seed(1), Draws(0, 5, 4000)):
        z, u, k = normal(4000, 3, random), uniform(4000, 2, random), choice(4000, 7, random)
        assert z.shape == (4000, 3) and z.dtype == u.dtype == F64 and u.shape == (4000, 2)
        assert 0.0 <= float(u.min()) and float(u.max()) < 1.0
        assert torch.equal(k.unique(), torch.arange(7))
    with pytest.raises(AssertionError, match="3999 of 4000"):
        normal(3999, 1, Draws(0, 5, 4000))


def test_recording_replays_and_refuses_another_width():
    table = torch.randn(2, 5, 3)
    tape = Recording(table)
    assert torch.equal(tape.normals(3, 0), table[0]) and torch.equal(tape.normals(3, 0), table[1])
    with pytest.raises(AssertionError, match="3 normals"):
        Recording(table).normals(2, 0)


def asked_for():
    """Of every kind of source, across 2^32 paths."""
    first, paths = 2**32 - 100, 300
    noise = [TickNoise(9, first, paths, dtype=dtype) for dtype in DTYPES]
    found = [one.normals(2, tick) for one in noise for tick in range(5)]
    events = EventNumbers(9, first, paths, kinds=2)
    found += [torch.from_numpy(events.numbers(event).copy()) for event in range(3)]
    draws = Draws(9, first, paths)
    return [*found, draws.normals(2), draws.uniforms(3)]


@pytest.mark.parametrize("broken", ["numba", "llvmlite.binding"])
def test_without_numba(broken, monkeypatch, capsys):
    """Said once, in one line; every number is the same, bit by bit."""
    compiled = asked_for()
    for name in ("jit", "compiled"):
        monkeypatch.delitem(sys.modules, f"thermohw.noise.{name}", raising=False)
        monkeypatch.delattr(package, name, raising=False)
    for name in [name for name in sys.modules if name.split(".")[0] in ("numba", "llvmlite")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, broken, None)
    sources.kernels.cache_clear()
    try:
        assert sources.kernels() is None
        plain = asked_for()
    finally:
        monkeypatch.undo()
        sources.kernels.cache_clear()
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and said.startswith("numba does not work here")
    assert len(plain) == len(compiled)
    for one, other in zip(plain, compiled, strict=True):
        assert torch.equal(one, other)
    assert sources.kernels() is not None
