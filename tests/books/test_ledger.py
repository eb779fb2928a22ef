"""The ledger multiplies and adds: channels, precision, and a residual that is a measurement."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from acceptance import assert_z
from laws import first_law
from problems import F64, chain, make, mixture_protocol, rc1, simulate

from thermohw.books import Ledger, Peaks, Profile, Pumping
from thermohw.books.profile import bin_edges
from thermohw.control import Piece
from thermohw.integrate import Step


def step(tick: int, dtype: torch.dtype, **fields: Any) -> Step:
    base: dict[str, Any] = dict.fromkeys(Step._fields)
    base.update(piece=Piece(tick, 0.0, 0.1, True, tick, True), start=torch.zeros(2, 1, dtype=dtype),
                end=torch.zeros(2, 1, dtype=dtype))  # fmt: skip
    return Step(**{**base, **fields})


def t(*rows: float, dtype: torch.dtype = F64) -> torch.Tensor:
    return torch.tensor([[r] for r in rows], dtype=dtype)


def test_signs_of_emf_books() -> None:
    """Heat X y into the bath; work -e y by the source: charge that leaves against it costs it."""
    ledger = Ledger(rc1(), "emf")
    carry = ledger.init(t(0.0, 0.0))
    ledger.update(carry, step(0, F64, force=t(2.0, -1.0), charge=t(3.0, 0.5), emf=t(0.5, 4.0)))
    ledger.update(carry, step(1, F64, force=t(1.0, 1.0), charge=t(1.0, 1.0), emf=t(1.0, 1.0),
                              heat_correction=t(0.25, 0.0)))  # fmt: skip
    result = ledger.result(carry, t(1.0, 2.0))
    assert result["heat"][:, 0].tolist() == [7.25, 0.5]
    assert result["work"][:, 0].tolist() == [-2.5, -3.0]
    assert result["work.emf"].tolist() == [-2.5, -3.0]
    assert result["energy.start"].tolist() == [0.0, 0.0]
    assert result["energy.end"].tolist() == [0.5, 2.0]
    assert result["first_law.residual"].tolist() == [0.5 + 9.75, 2.0 + 3.5]


def test_signs_of_current_books() -> None:
    """Work i int v dt: a current into a positive node works on the circuit."""
    ledger = Ledger(rc1(), "current")
    carry = ledger.init(t(0.0, 0.0))
    ledger.update(carry, step(0, F64, force=t(1.0, 1.0), charge=t(1.0, 2.0), current=t(2.0, -1.0),
                              flux=t(0.5, 0.5)))  # fmt: skip
    assert ledger.result(carry, t(0.0, 0.0))["work.current"].tolist() == [1.0, -0.5]


def test_heat_is_not_work_minus_energy() -> None:
    """The two sides are summed apart: change the work and the residual moves, not the heat."""
    ledger = Ledger(rc1(), "emf")
    heats = []
    for emf in (1.0, 2.0):
        carry = ledger.init(t(0.0))
        ledger.update(carry, step(0, F64, force=t(2.0), charge=t(3.0), emf=t(emf)))
        result = ledger.result(carry, t(0.0))
        heats.append(float(result["heat"][0, 0]))
        assert float(result["first_law.residual"][0]) == 6.0 + 3.0 * emf
    assert heats[0] == heats[1] == 6.0


def test_float32_books_keep_small_heats() -> None:
    """Ten thousand ticks of 1e-4 beside one of 1000: plain float32 sums would lose a part in 100;
    16 at a time into float64 keeps the rounding of the entries themselves.
    """
    ledger = Ledger(rc1(), "emf")
    carry = ledger.init(t(0.0, dtype=torch.float32))
    one = t(1.0, dtype=torch.float32)
    for tick in range(10_000):
        force = t(1000.0 if tick == 0 else 1e-4, dtype=torch.float32)
        ledger.update(carry, step(tick, torch.float32, force=force, charge=one, emf=0 * one))
    heat = float(ledger.result(carry, one)["heat"][0, 0])
    # The first flush holds 1000 + 15 small ones: half a float32 unit of 1000 each.
    assert heat == pytest.approx(1000.9999, abs=16 * 1000 * 2.0**-24)
    assert ledger.result(carry, one)["heat"].dtype == F64


def test_result_can_be_asked_twice() -> None:
    """Flushing is idempotent: asking in the middle changes nothing."""
    engine = make(mixture_protocol("emf", "clocked", 64), dtype=torch.float32)
    from thermohw.integrate import tiles

    run, other = (engine.open(tiles(4096)[0]) for _ in range(2))
    run.advance(37)
    run.results()
    run.results()
    run.advance(64)
    other.advance(64)
    a, b = run.results()["ledger"]["heat"], other.results()["ledger"]["heat"]
    # A flush at another tick moves the rounding of float32 partial sums, nothing else.
    torch.testing.assert_close(a, b, rtol=0, atol=64 * 2.0**-24 * 20)


def test_a_thousandth_of_heat_is_seen() -> None:
    sample = simulate(make(mixture_protocol("emf", "clocked", 64)), 4096)
    first_law(sample)
    ledger = sample.results["ledger"]
    ledger["first_law.residual"] = ledger["first_law.residual"] + 1e-3 * ledger["heat"].sum(1)
    with pytest.raises(AssertionError, match="first law"):
        first_law(sample)


def test_channels_of_a_network() -> None:
    """One column a bath and a source; baths without a source do no work."""
    device = chain(hot=True)
    ledger = Ledger(device, "emf")
    carry = ledger.init(torch.zeros(3, 8, dtype=F64))
    assert carry["heat"].shape == (3, 15) and carry["work"].shape == (3, 15)
    assert Ledger(device, "current").init(torch.zeros(3, 8, dtype=F64))["work"].shape == (3, 8)


@pytest.mark.parametrize("wiring", ["emf", "current"])
def test_profile_adds_up_to_the_ledger(wiring: str) -> None:
    """Binned sums over time are the ledger's sums over paths, and bins cover every tick."""
    protocol = mixture_protocol(wiring, "clocked", 300)
    engine = make(protocol, Pumping(), divergence=True)
    profile = Profile(engine.plan.schedule, bins=16)
    engine.observers = (*engine.observers, profile)
    sample = simulate(engine, 4096)
    sums = sample.results["profile"]["profile"]
    assert sums.shape == (16, 3)
    np.testing.assert_allclose(sums[:, 0].sum(), sample.total("heat").sum(), rtol=1e-10)
    np.testing.assert_allclose(sums[:, 1].sum(), sample.total("work").sum(), rtol=1e-10)
    pumping = sample.results["pumping"]["pumping"].sum()
    # Profiles sum div u at tick starts, the observer a trapezoid but for the open end.
    np.testing.assert_allclose(sums[:, 2].sum(), pumping, rtol=0.05)
    assert bin_edges(300, 16)[0] == 0 and bin_edges(300, 16)[-1] == 300
    assert bin_edges(5, 16).tolist() == [0, 1, 2, 3, 4, 5]


def test_profile_of_one_bin_is_a_rate() -> None:
    """Heat of the last of 8 bins, by running the run up to there and subtracting."""
    engine = make(mixture_protocol("emf", "clocked", 64))
    profile = Profile(engine.plan.schedule, bins=8)
    engine.observers = (*engine.observers, profile)
    from thermohw.integrate import tiles

    run = engine.open(tiles(4096)[0])
    run.advance(56)
    before = run.results()["ledger"]["heat"].sum()
    run.advance(64)
    after = run.results()["ledger"]["heat"].sum()
    found = run.results()["profile"]["profile"][-1, 0]
    np.testing.assert_allclose(float(found), float(after - before), rtol=1e-10)


def test_pumping_of_a_linear_law() -> None:
    """One Gaussian: div u is the same for every path, so pumping is a trapezoid of a function."""
    from problems import quadrupling_protocol

    protocol = quadrupling_protocol("current", "clocked", 64, 3.0)
    sample = simulate(make(protocol, Pumping(), divergence=True, closing=True), 4096)
    pumped = sample.results["pumping"]["pumping"]
    # u = x + 2 theta s, s = -x/v, v from 4 to 1 linearly over 0.5 RC.
    v = 4.0 - 3.0 * np.arange(65) / 64
    exact = np.trapezoid(1.0 - 2 * 3.0 / v, dx=0.5 / 64)
    np.testing.assert_allclose(pumped.numpy(), exact, rtol=1e-10)


def test_peaks_count_the_start() -> None:
    device = rc1()
    peaks = Peaks(device)
    carry = peaks.init(t(-7.5, 1.0))
    assert carry["peaks"].tolist() == [7.5, 0.0, 0.0, 0.0]


def test_sampled_heat_has_the_exact_mean() -> None:
    """The books of a coarse sampled run agree with the exact expectation of that very run."""
    from problems import expected

    for wiring in ("emf", "current"):
        engine = make(mixture_protocol(wiring, "clocked", 32))
        exact = expected(engine)
        sample = simulate(engine, 16384)
        assert_z(sample.total("heat"), exact["heat"])
        assert_z(sample.total("work"), exact["work"])
