"""What a program may say: bad input names the key, the value and the remedy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from thermohw.circuit import load_device
from thermohw.errors import InputError
from thermohw.program import Program, drive

RAMP = [("0 s", "1 pF"), ("1 us", "2 pF")]


@pytest.mark.parametrize(
    ("schedules", "says"),
    [
        ({}, "at least one key"),
        ({"capacitance": RAMP}, "expected element and entry"),
        ({"n0.capacitence": RAMP}, "did you mean 'capacitance'?"),
        ({"n0.capacitance": []}, "expected a list of (time, value) pairs"),
        ({"n0.capacitance": ["1 pF"]}, "expected a list of (time, value) pairs"),
        ({"n0.capacitance": [("1 us", "1 pF")]}, "the first time is '0 s'"),
        ({"n0.capacitance": [("0 s", "1 pF")]}, "ends at time zero"),
        ({"n0.capacitance": [*RAMP, ("0.5 us", "1 pF")]}, "time goes back from '1 us' to '0.5 us'"),
        ({"n0.capacitance": [("0 s", "1 pF"), ("1 us", "-2 pF")]}, "must be positive: '-2 pF'"),
        ({"r0.temperature": [("0 s", "300 K"), ("1 us", "-3 K")]}, "must be positive: '-3 K'"),
        ({"u0.j4": [("0 s", "1 zJ"), ("1 us", "-1 zJ")]}, "must not be negative: '-1 zJ'"),
        ({"n0.capacitance": [("0 s", "1 pF"), ("1 us", "2 pH")]}, "does not measure"),
        ({"n0.capacitance": [("0 s", "1 pF"), ("1 us", 2e-12)]}, "value without unit"),
    ],
)
def test_bad_schedules(schedules: Any, says: str) -> None:
    with pytest.raises(InputError) as caught:
        Program(schedules)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("name", "program", "says"),
    [
        ("rc1", Program({"n1.capacitance": RAMP}), "no element 'n1'; known: n0, r0"),
        (
            "rc1",
            Program.ramp("1 us", n0__resistance=("1 ohm", "2 ohm")),
            "no parameter 'resistance' of n0",
        ),
        (
            "rc1",
            Program(
                {"n0.capacitance": RAMP, "n0.elastance": [("0 s", "1 V/pC"), ("1 us", "2 V/pC")]}
            ),
            "n0.capacitance sets it already",
        ),
        ("quartic-langevin", Program({"n0.capacitance": RAMP}), "no element 'n0'; known: u0, r0"),
        (
            "quartic-langevin",
            Program(
                {
                    "u0.j4": [("0 s", "40 zJ"), ("1 us", "0 J")],
                    "u0.j2": [("0 s", "40 zJ"), ("1 us", "-1 zJ")],
                }
            ),
            "no floor along u0",
        ),
        (
            "opamp-solver",
            Program({"n0.capacitance": RAMP}),
            "has no parameters that a program could change",
        ),
    ],
)
def test_programs_that_do_not_fit(name: str, program: Program, says: str) -> None:
    with pytest.raises(InputError) as caught:
        drive(load_device(name), program, paths=10)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("rc1", {}, "duration: a run without a program needs one"),
        ("rc1", {"duration": "-1 us"}, "must be positive"),
        ("rc1", {"duration": "1 us", "paths": 0}, "paths: 0"),
        ("rc1", {"duration": "1 us", "seed": -1}, "seed: -1"),
        ("rc1", {"duration": "1 us", "frames": -1}, "frames: -1"),
        ("rc1", {"duration": "1 us", "ticks": 0}, "ticks: 0"),
        ("rc1", {"duration": "1 us", "start": "rest"}, "expected 'equilibrium', 'steady'"),
        ("rc1", {"duration": "1 us", "start": [0.0, 1.0]}, "states of shape (2,)"),
        ("rc1", {"duration": "1 us", "start": [np.nan]}, "not finite"),
        ("rc1", {"duration": "1 us", "stepper": "rk4"}, "expected one of exact, midpoint"),
        ("rc8-chain", {"duration": "1 us", "stepper": "exact"}, "one grounded resistor each"),
        ("rc8-chain", {"duration": "1 us", "start": "equilibrium"}, "no equilibrium"),
        ("rlc1", {"duration": "1 us", "stepper": "heun"}, "use 'midpoint'"),
        ("quartic-langevin", {"duration": "1 us", "stepper": "midpoint"}, "use 'heun'"),
        ("quartic-langevin", {"duration": "1 us", "start": "steady"}, "not known; give states"),
        ("quartic-langevin", {"duration": "1 us", "path_ratio": True}, "use stepper='euler'"),
        (
            "quartic-langevin",
            {"duration": "1 us", "ticks": 3},
            "is unstable above 1: give at least",
        ),
        (
            "quartic-langevin",
            {"duration": "1 s"},
            "0.05 of the fastest relaxation time; at most 1000000",
        ),
        (
            "quartic-langevin",
            {"duration": "1 us", "ticks": 100, "start": [50.0]},
            "ran away within",
        ),
    ],
)
def test_bad_runs(name: str, options: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError) as caught:
        arguments: Any = {"paths": 10} | options
        drive(load_device(name), **arguments)
    assert says in str(caught.value)


def test_programs_bend_where_they_say() -> None:
    """Knots are ticks, jumps are played, a reversed film ends where it began."""
    program = Program(
        {
            "n0.capacitance": [
                ("0 s", "1 pF"),
                ("300 ns", "1 pF"),
                ("300 ns", "2 pF"),
                ("1 us", "3 pF"),
            ],
            "r0.resistance": [("0 s", "1 Mohm"), ("700 ns", "2 Mohm")],
        }
    )
    np.testing.assert_allclose(program.knots, [0.0, 3e-7, 7e-7, 1e-6], rtol=1e-12)
    np.testing.assert_allclose(program.at(6.5e-7), [2.5e-12, 1e6 * (1 + 65 / 70)], rtol=1e-12)
    back = program.reversed()
    np.testing.assert_allclose(back.first, program.last, rtol=1e-15)
    for time in (1e-7, 2.9e-7, 3.1e-7, 8e-7):
        np.testing.assert_allclose(back.at(1e-6 - time), program.at(time), rtol=1e-9)
    assert program.stretched(3.0).duration == pytest.approx(3e-6, rel=1e-15)
    run = drive(load_device("rc1"), program, paths=10, ticks=7, frames=7)
    assert run.times is not None and np.isclose(run.times, 3e-7, rtol=1e-9).any()


def test_an_array_is_changed_as_one() -> None:
    """All 64 nodes halve: the sum of the works of 64 capacitors."""
    step = Program({"n0.capacitance": [("0 s", "1 pF"), ("0 s", "500 fF"), ("1 ns", "500 fF")]})
    run = drive(load_device("rc64"), step, paths=500, ticks=1)
    work = run.kt(run.work[:, 0])
    # each: (1/2) <q^2>/kT C = 1/2 of a chi^2
    assert abs(work.mean() - 32.0) < 4.0 * np.sqrt(32.0 / 500)


def test_noise_sources_are_for_free_runs(tmp_path: Any) -> None:
    path = tmp_path / "noisy.toml"
    text = load_device("rc1").datasheet
    assert text is not None
    path.write_text(
        text.text + '\n[[noise]]\nname = "hiss"\nat = "n0"\nkind = "white"\nrms = "1 pA"\n'
        'bandwidth = "1 MHz"\nshape = "one-pole"\n'
    )
    with pytest.raises(InputError, match="noise source hiss: free_run plays this circuit"):
        drive(load_device(path), duration="1 us", paths=10)
