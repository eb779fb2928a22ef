"""The clock of couplings and noise: same paths, time over lambda, heat times lambda."""

from __future__ import annotations

import numpy as np
import pytest

from thermohw.circuit import load_device
from thermohw.errors import InputError
from thermohw.program import Program, drive
from thermohw.program.clock import clocked, clocked_program, injected_power
from thermohw.units import K_B


@pytest.mark.parametrize("name", ["quartic-langevin", "rc8-chain", "rlc1"])
def test_same_paths_in_less_time(name: str) -> None:
    """On the same normals: equal in their own units to round-off, joules times lambda."""
    slow = load_device(name)
    fast = clocked(slow, 4.0)
    a = drive(slow, duration="2 us", paths=50, ticks=100, seed=31)
    b = drive(fast, duration="500 ns", paths=50, ticks=100, seed=31)
    gain = 1.0 if name == "quartic-langevin" else 4.0  # voltages of charges that stay
    np.testing.assert_allclose(b.end, gain * a.end, rtol=1e-9, atol=1e-12 * np.abs(b.end).max())
    np.testing.assert_allclose(b.heat, 4.0 * a.heat, rtol=1e-9, atol=1e-12 * np.abs(b.heat).max())
    np.testing.assert_allclose(b.medium_entropy, a.medium_entropy, atol=1e-11)


def test_programs_follow_the_clock() -> None:
    device = load_device("quartic-langevin")
    program = Program.ramp("1 us", u0__j2=("41 zJ", "-20 zJ"), r0__temperature=("300 K", "500 K"))
    a = drive(device, program, paths=50, ticks=100, seed=32)
    b = drive(clocked(device, 2.5), clocked_program(program, 2.5), paths=50, ticks=100, seed=32)
    assert b.duration == pytest.approx(0.4e-6)
    np.testing.assert_allclose(b.work, 2.5 * a.work, rtol=1e-9, atol=1e-30)
    assert a.exponent is not None and b.exponent is not None
    np.testing.assert_allclose(b.exponent, a.exponent, rtol=0, atol=1e-9)


def test_a_generator_pays_for_its_bandwidth() -> None:
    """Far above 1/(2 pi R C) every hertz costs 4 k T_i; without a factor nothing is injected."""
    device = load_device("rc1")
    assert injected_power(device, 1.0, 1e8) == [0.0]
    low, high = (injected_power(device, 3.0, b)[0] for b in (1e9, 2e9))
    # arctan leaves 1/(2 pi R C B)^2 of it
    assert high - low == pytest.approx(4.0 * K_B * 600.0 * 1e9, rel=1e-6)
    with pytest.raises(InputError, match="not taken out"):
        injected_power(device, 0.5, 1e8)
    for bandwidth in (0.0, -1e6, float("inf")):
        with pytest.raises(InputError, match="positive bandwidth"):
            injected_power(device, 2.0, bandwidth)
    for factor in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(InputError, match="positive factor"):
            clocked(device, factor)
    with pytest.raises(InputError, match="positive factor"):
        Program.ramp("1 us", n0__capacitance=("1 pF", "2 pF")).stretched(float("inf"))
