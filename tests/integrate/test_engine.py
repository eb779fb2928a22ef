"""The engine's own duties: tiles, finite states, recording, the closing evaluation."""

from __future__ import annotations

import pytest
import torch
from acceptance import assert_z
from problems import F64, halved, make, mixture_protocol, simulate

from thermohw.books import Pumping
from thermohw.errors import InputError
from thermohw.integrate import tiles
from thermohw.integrate.recorder import Recorder, saved_ticks
from thermohw.noise import Recording, TickNoise


def test_tiles_cover_every_path_once() -> None:
    for paths in (1, 4096, 4097, 50000):
        for size in (1000, 4096, 16384):
            cut = tiles(paths, size, first=12288)
            assert [t.first for t in cut] == list(range(12288, 12288 + paths, size))
            covered = [path for t in cut for path in range(t.first, t.first + t.paths)]
            assert covered == list(range(12288, 12288 + paths))
    with pytest.raises(AssertionError):
        tiles(10, 0)


def test_non_finite_state_names_path_and_tick() -> None:
    engine = make(mixture_protocol("emf", "clocked", 64))
    tile = tiles(8192, 8192)[0]
    run = engine.open(tile)
    run.state[4321] = float("nan")
    with pytest.raises(InputError, match="path 4321 is not finite at tick 9"):
        run.advance(10)


def test_recorder_keeps_the_wanted_frames() -> None:
    """Frames are states at tick starts with the source decided there; the end closes the list."""
    engine = make(mixture_protocol("emf", "clocked", 64))
    recorder = Recorder(engine.plan, saved_ticks(64, 8))
    engine.observers = (*engine.observers, recorder)
    run = engine.open(tiles(4096)[0])
    states = []
    for tick in range(0, 64, 8):
        states.append(run.state.clone())
        run.advance(tick + 8)
    states.append(run.state.clone())
    frames = run.drain()
    assert frames["voltage"].shape == (9, 4096, 1)
    assert torch.equal(frames["voltage"], torch.stack(states))
    law = engine.plan.laws[16]
    assert torch.equal(frames["control"][2], law.sources(states[2]))
    torch.testing.assert_close(frames["score"][2], law.field(states[2]))
    assert run.drain() == {}
    assert saved_ticks(64, 0).size == 0 and saved_ticks(10, 4).tolist() == [0, 4, 8, 10]


@pytest.mark.parametrize("wiring", ["emf", "current"])
def test_halved_noise_is_the_same_brownian_path(wiring: str) -> None:
    """Normals made for half the ticks are independent standard normals, and without feedback (a
    law that is the same at both levels) the paths coincide: used to extrapolate with little noise.
    """
    fine = make(mixture_protocol(wiring, "clocked", 128), flux=True)
    generator = torch.Generator().manual_seed(20260101)
    z = torch.randn(128, 2000, 2, generator=generator, dtype=F64)
    coarse = halved(fine, z)
    flat = coarse.reshape(-1, 2)
    assert_z(flat, 0.0)
    assert_z(flat.square(), 1.0)
    assert_z(flat[:, 0] * flat[:, 1], 0.0)
    assert_z((coarse[1:] * coarse[:-1]).reshape(-1, 2), 0.0)
    half = make(mixture_protocol(wiring, "clocked", 64), flux=True)
    start = torch.zeros(2000, 1, dtype=F64)
    one = simulate(fine, 2000, noise=Recording(z), state=start)
    two = simulate(half, 2000, noise=Recording(coarse), state=start)
    # Controls refresh at different moments: paths differ by O(h), not by O(1).
    assert float((one.end - two.end).abs().mean()) < 0.1 * float(one.end.std())


def test_closing_adds_the_last_half_interval() -> None:
    """Pumping is a trapezoid when the law at the end is known, else its last tick is a left sum."""
    protocol = mixture_protocol("current", "clocked", 64)
    open_end, closed = (
        simulate(make(protocol, Pumping(), divergence=True, closing=closing), 4096)
        for closing in (False, True)
    )
    assert torch.equal(open_end.end, closed.end)
    a, b = open_end.results["pumping"]["pumping"], closed.results["pumping"]["pumping"]
    engine = make(protocol, divergence=True)
    last, end = engine.plan.laws[63], engine.plan.laws[64]
    run = engine.open(tiles(4096)[0])
    run.advance(63)
    change = 0.5 * 3 / 64 * (end.divergence(closed.end) - last.divergence(run.state))
    torch.testing.assert_close(b - a, change, rtol=1e-10, atol=1e-12)


def test_replay_is_the_run() -> None:
    """A recorded stream plays the same run: what steppers are given is all they use."""
    engine = make(mixture_protocol("current", "clocked", 32), seed=9)
    straight = simulate(engine, 4096)
    noise = TickNoise(9, 0, 4096, dtype=F64)
    tape = torch.stack([noise.normals(2, tick).clone() for tick in range(32)])
    replay = simulate(engine, 4096, noise=Recording(tape))
    assert torch.equal(replay.end, straight.end)
    assert torch.equal(replay.results["ledger"]["heat"], straight.results["ledger"]["heat"])
