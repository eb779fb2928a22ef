"""One seed, one result: whatever the tiles, slices, pauses and checkpoints, bit for bit."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from problems import chain, mixture_protocol, quadrupling_protocol, simulate

from thermohw.books import Information, Ledger, PathRatio, Peaks, Pumping
from thermohw.circuit import load_device, relaxation
from thermohw.control import Protocol
from thermohw.integrate import Engine, make_engine, tiles
from thermohw.process import OU
from thermohw.target import gaussian_mixture

TICKS = 48


def array_protocol(ticks: int, control: str = "clocked") -> Protocol:
    """64 uncoupled nodes with a mixture of three components: matrix products in the score."""
    generator = torch.Generator().manual_seed(1)
    target = gaussian_mixture(torch.randn(3, 64, generator=generator).numpy(), 0.7)
    process = OU(2.0)
    return Protocol(load_device("rc64"), process, target.score(process), wiring="emf",
                    control=control, ticks=ticks, allow_ringing=True)  # fmt: skip


def chain_protocol(ticks: int, wiring: str) -> Protocol:
    device = chain(hot=True)
    process = relaxation(device, 2.0)
    generator = torch.Generator().manual_seed(1)
    target = gaussian_mixture(torch.randn(3, 8, generator=generator).numpy(), 0.6)
    return Protocol(device, process, target.score(process), wiring=wiring, control="clocked",
                    ticks=ticks)  # fmt: skip


NOISY = {"reading_noise": "30 uV"}
PROTOCOLS: dict[str, Any] = {
    "emf clocked": lambda: mixture_protocol("emf", "clocked", TICKS),
    "current clocked": lambda: mixture_protocol("current", "clocked", TICKS),
    "emf splitting": lambda: mixture_protocol("emf", "continuous", TICKS),
    "current heun": lambda: mixture_protocol("current", "continuous", TICKS, stepper="heun"),
    "emf euler": lambda: mixture_protocol("emf", "continuous", TICKS, stepper="euler"),
    "affine": lambda: quadrupling_protocol("emf", "clocked", TICKS, 0.5),
    "log-snr": lambda: mixture_protocol("emf", "clocked", TICKS, grid="log-snr"),
    "noisy": lambda: mixture_protocol("emf", "clocked", TICKS, **NOISY),
    "kalman": lambda: mixture_protocol("current", "clocked", TICKS, filter="kalman", **NOISY),
    "converters": lambda: mixture_protocol("emf", "clocked", TICKS, adc_bits=6, dac_bits=8,
                                           adc_range=(-3e-4, 3e-4), dac_range=(-1e-3, 1e-3)),
    "latency": lambda: mixture_protocol("emf", "clocked", TICKS, latency="100 ns"),
    "late noisy": lambda: mixture_protocol("emf", "clocked", TICKS, latency="30 ns",
                                           filter="kalman", dac_bits=8, **NOISY),
}  # fmt: skip
DTYPES = {"float32": torch.float32, "float64": torch.float64}


def build(name: str, dtype: torch.dtype) -> Engine:
    protocol = PROTOCOLS[name]()
    observers: list[Any] = [Ledger(protocol.device, protocol.wiring), Peaks(protocol.device)]
    ideal = name not in ("noisy", "kalman", "converters", "latency", "late noisy")
    if ideal:
        observers.append(Pumping())
        if name in ("emf clocked", "current clocked"):
            observers.append(PathRatio(protocol.device, protocol.wiring, kernel="held"))
    engine = make_engine(protocol, observers, seed=2**33 + 7, dtype=dtype, divergence=ideal,
                         flux=True, closing=ideal)  # fmt: skip
    if name in ("noisy", "kalman"):
        engine.observers = (*engine.observers, Information(engine.controller))
    return engine


def flat(results: dict[str, dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    return {f"{o}.{k}": v for o, entries in results.items() for k, v in entries.items()}


def assert_same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> None:
    assert a.keys() == b.keys()
    for name, value in a.items():
        assert torch.equal(value, b[name]), name


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", PROTOCOLS)
def test_tiles_slices_pauses_and_checkpoints(name: str, dtype: str) -> None:
    """Tiles of one, two and four times 4096 paths; the last two alone; in pieces; stopped and
    restored.
    """
    engine = build(name, DTYPES[dtype])
    paths = 4 * 4096
    whole = simulate(engine, paths, tile=16384)
    books = {k: v for k, v in flat(whole.results).items() if not k.startswith("peaks")}
    for tile in (4096, 8192):
        again = simulate(engine, paths, tile=tile)
        assert torch.equal(again.end, whole.end) and torch.equal(again.start, whole.start)
        others = {k: v for k, v in flat(again.results).items() if not k.startswith("peaks")}
        assert_same(others, books)
    part = simulate(engine, 8192, tile=8192, first=8192)
    assert torch.equal(part.end, whole.end[8192:])
    sliced = {k: v for k, v in flat(part.results).items() if not k.startswith("peaks")}
    assert_same(sliced, {k: v[8192:] for k, v in books.items()})

    first = tiles(4096)[0]
    straight = engine.open(first)
    straight.advance(TICKS)
    halting = engine.open(first)
    for stop in (1, 2, 17, 17, 40, TICKS):
        halting.advance(stop)
    assert torch.equal(halting.state, straight.state)
    assert_same(flat(halting.results()), flat(straight.results()))
    assert torch.equal(straight.state, whole.end[:4096])

    run = engine.open(first)
    run.advance(19)
    saved = run.checkpoint()
    kept = {k: v.copy() if hasattr(v, "copy") else v for k, v in saved.items()}
    run.advance(TICKS)  # going on must not disturb what was saved ...
    for key, value in kept.items():
        assert (value == saved[key]).all() if hasattr(value, "all") else value == saved[key], key
    run.restore(saved)  # ... nor may what came later disturb a replay
    run.advance(TICKS)
    fresh = engine.open(first)
    fresh.restore(saved)
    assert fresh.tick == 19
    fresh.advance(TICKS)
    for one in (run, fresh):
        assert torch.equal(one.state, straight.state)
        assert_same(flat(one.results()), flat(straight.results()))


@pytest.mark.parametrize("name", ["emf clocked", "current heun", "noisy"])
def test_cut_tile_is_a_prefix(name: str) -> None:
    """5000 paths are the first 5000 of 8192: same noise; a vector loop's last, partial turn may
    round a transcendental function differently, so whole blocks are bit-identical and these nearly.
    """
    engine = build(name, torch.float32)
    cut, whole = simulate(engine, 5000, tile=8192), simulate(engine, 8192, tile=8192)
    different = (cut.end != whole.end[:5000]).any(1)
    assert int(different.sum()) < 16
    torch.testing.assert_close(cut.end, whole.end[:5000], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["array", "array continuous", "chain emf", "chain current"])
def test_coupled_devices_by_the_block(name: str) -> None:
    """Matrix products are evaluated tile by tile: a slice of whole tiles is bit-identical."""
    protocol = {
        "array": lambda: array_protocol(16), "array continuous": lambda: array_protocol(
            16, "continuous"),
        "chain emf": lambda: chain_protocol(40, "emf"),
        "chain current": lambda: chain_protocol(40, "current"),
    }[name]()  # fmt: skip
    observers = [Ledger(protocol.device, protocol.wiring)]
    engine = make_engine(protocol, observers, seed=3, dtype=torch.float32)
    whole = simulate(engine, 3 * 4096, tile=4096)
    part = simulate(engine, 4096, tile=4096, first=8192)
    assert torch.equal(part.end, whole.end[8192:])
    assert torch.equal(part.results["ledger"]["heat"], whole.results["ledger"]["heat"][8192:])
    run = engine.open(tiles(4096)[0])
    run.advance(7)
    saved = run.checkpoint()
    again = engine.open(tiles(4096)[0])
    again.restore(saved)
    again.advance(protocol.ticks or 0)
    assert torch.equal(again.state, whole.end[:4096])


def test_seeds_differ() -> None:
    protocol = mixture_protocol("emf", "clocked", TICKS)
    ends = [simulate(make_engine(protocol, [], seed=s), 4096).end for s in (0, 1, 2**32, 2**64)]
    for i, one in enumerate(ends):
        assert all(not torch.equal(one, other) for other in ends[i + 1 :])


def test_float32_follows_float64() -> None:
    """Same start states, same law: the energy books agree in distribution, residual in rounding."""
    engine = build("emf clocked", torch.float32)
    sample = simulate(engine, 4096)
    residual = sample.results["ledger"]["first_law.residual"]
    assert residual.dtype == torch.float64
    # 48 ticks of rounding 6e-8 on energies of order ten.
    assert float(residual.abs().max()) < 48 * 6e-8 * 30
