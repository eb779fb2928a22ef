"""Work, heat and energy of programs against moment equations, limits and equilibria."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from acceptance import assert_order, assert_z
from scipy.integrate import solve_ivp

from thermohw.circuit import load_device, steady_heat
from thermohw.noise import Recording
from thermohw.program import Program, drive
from thermohw.program.grid import tick_grid
from thermohw.program.knobs import Knobs
from thermohw.program.play import Play

KT = 4.141947e-21


def halving(time: float, start: float = 1.0, end: float = 0.25) -> tuple[float, float]:
    """(work, heat) of C: start -> end linearly, R = kT = 1, from the variance equation

    d<q^2>/dt = -2 <q^2>/(R C) + 2 kT/R,   W' = -<q^2> C'/(2 C^2),   Q = W - dE.
    """
    slope = (end - start) / time

    def rates(s: float, y: np.ndarray) -> list[float]:
        c = start + slope * s
        return [2.0 - 2.0 * y[0] / c, -0.5 * y[0] * slope / c**2]

    square, work = solve_ivp(rates, (0.0, time), [start, 0.0], rtol=1e-11, atol=1e-13).y[:, -1]
    return work, work - 0.5 * square / end + 0.5


def mean_books(ticks: int, time: str = "1 us") -> dict[str, float]:
    """Exact means of a program on rc1: the books are quadratic forms of start and normals, so unit
    vectors give their trace.
    """
    device = load_device("rc1")
    program = Program.ramp(time, n0__capacitance=("1 pF", "250 fF"))
    knobs = Knobs(device, program)
    first, last = knobs.at(program.first), knobs.at(program.last)
    grid, middles = tick_grid(program, [first, last], program.duration, ticks, "exact")
    play = Play(knobs, first, last, grid, middles, "exact", False, None)
    points = torch.eye(ticks + 1, dtype=torch.float64)
    normals = points[:, 1:].T.reshape(ticks, ticks + 1, 1)
    books = play.tile(points[:, :1], Recording(normals))
    return {key: float(books[key].sum()) for key in ("work", "heat")}


def test_varying_capacitor_converges_to_the_moment_equation() -> None:
    work, heat = halving(1.0)
    ticks = [10, 20, 40, 80]
    found = [mean_books(n) for n in ticks]
    assert_order([abs(f["work"] - work) for f in found], 1.0 / np.array(ticks), 2.0, 0.1)
    assert_order([abs(f["heat"] - heat) for f in found], 1.0 / np.array(ticks), 2.0, 0.1)


def test_adiabatic_and_sudden_limits() -> None:
    """Slow: the free energy (kT/2) ln 4, error 1/time. At once: (kT/2)(C0/C1 - 1), nothing else."""
    # 800 ticks stay below a tenth of the time constant: h^2/12 of the excess, a thousandth
    slow = [mean_books(800, f"{t} us")["work"] - 0.5 * np.log(4.0) for t in (20, 40, 80)]
    assert_order(slow, [1 / 20, 1 / 40, 1 / 80], 1.0, 0.05)
    assert mean_books(2, "1 fs")["work"] == pytest.approx(1.5, abs=1e-8)
    step = Program(
        {
            "n0.capacitance": [
                ("0 s", "1 pF"),
                ("1 us", "1 pF"),
                ("1 us", "250 fF"),
                ("2 us", "250 fF"),
            ]
        }
    )
    run = drive(load_device("rc1"), step, paths=20_000, seed=21)
    assert_z(run.kt(run.work[:, 0]), 1.5)
    # twice the capacitor's kT/2 of before that the jump left is given back but for e^{-8} of it
    assert_z(run.kt(run.heat[:, 0]), 1.5 * (1.0 - np.exp(-8.0)))


def test_sampled_ramp_against_the_moment_equation() -> None:
    run = drive(
        load_device("rc1"),
        Program.ramp("1 us", n0__capacitance=("1 pF", "250 fF")),
        paths=20_000,
        seed=22,
    )
    work, heat = halving(1.0)
    assert_z(run.kt(run.work[:, 0]), work)
    assert_z(run.kt(run.heat[:, 0]), heat)
    # node voltages at the end are those of the last capacitor
    square = 2.0 * (0.5 + work - heat) * 0.25 / 0.25**2 * KT / 1e-12
    assert_z(run.end[:, 0] ** 2, square)


def test_resistance_and_temperature_do_no_work() -> None:
    program = Program.ramp(
        "2 us", r0__resistance=("1 Mohm", "300 kohm"), r0__temperature=("300 K", "450 K")
    )
    run = drive(load_device("rc1"), program, paths=20_000, seed=23)
    assert not run.work.any()
    # d<v^2>/ds = 2 (T - <v^2>)/R, k = 1
    rates = lambda s, y: [2.0 * (1.0 + 0.25 * s - y[0]) / (1.0 - 0.35 * s)]  # noqa: E731
    square = solve_ivp(rates, (0.0, 2.0), [1.0], rtol=1e-10).y[0, -1]
    assert_z(run.kt(run.heat[:, 0]), 0.5 * (1.0 - square))


@pytest.mark.parametrize(
    ("name", "program"),
    [
        (
            "quartic-langevin",
            Program.ramp("1 us", u0__j4=("41 zJ", "10 zJ"), u0__bias=("0 J", "9 zJ")),
        ),
        (
            "rc8-chain",
            Program.ramp(
                "1 us", c34__capacitance=("0.25 pF", "1 pF"), n2__capacitance=("1 pF", "2 pF")
            ),
        ),
        ("rlc64", Program.ramp("1 us", n0__capacitance=("1 pF", "2 pF"))),
    ],
)
def test_first_law_of_every_path(name: str, program: Program) -> None:
    """Round-off: 1e-12 of the energy that went through a path's books."""
    run = drive(load_device(name), program, paths=50, ticks=100, seed=24)
    exchanged = np.abs(run.heat).sum(1) + np.abs(run.work).sum(1) + run.energy_end
    assert (np.abs(run.residual) < 1e-12 * exchanged).all()
    assert "first law" in str(run)


def test_free_run_of_a_quartic_unit_keeps_its_equilibrium() -> None:
    """From equilibrium and from zero, moments by quadrature; Heun's own bias is 6e-5 at this tick,
    a tenth of the standard error.
    """
    device: Any = load_device("quartic-langevin")
    law = device.equilibrium()
    for start, time in (("equilibrium", "1 us"), ("zero", "3 us")):
        run = drive(
            device, duration=time, paths=20_000, ticks=int(time[0]) * 100, start=start, seed=25
        )
        assert_z(run.end, law.mean)
        assert_z(run.end**2, law.covariance[0])
        assert_z(run.end**4, law.fourth)
    # k T = 0.1 of the unit of J2 = J4 = 1; the last run took this energy from its bath
    assert_z(run.kt(run.heat[:, 0]), -10.0 * (law.covariance[0, 0] + law.fourth[0]))


def test_steady_heat_between_temperatures() -> None:
    """Free runs of the chain with a hot end carry the heat of the Lyapunov equation."""
    device = load_device("rc8-chain")
    run = drive(device, duration="2 us", paths=8_000, ticks=40, seed=26)
    assert run.started == "steady" and run.exponent is None
    # the midpoint rule's error at h = 0.05 of a fastest time is below 1e-3 of each heat
    assert_z(run.kt(run.heat), steady_heat(device) * 2.0)


def test_paths_depend_on_seed_and_number_alone() -> None:
    device, program = load_device("rc1"), Program.ramp("1 us", n0__capacitance=("1 pF", "2 pF"))
    few = drive(device, program, paths=10, ticks=20, seed=5)
    many = drive(device, program, paths=5000, ticks=20, seed=5, frames=4)
    np.testing.assert_array_equal(few.end, many.end[:10])
    np.testing.assert_array_equal(few.heat, many.heat[:10])
    assert many.series is not None and many.series.shape == (5000, 5, 1)
    assert many.times is not None
    np.testing.assert_allclose(many.times, np.linspace(0, 1e-6, 5), rtol=1e-12)
    assert not np.array_equal(drive(device, program, paths=10, ticks=20, seed=6).end, few.end)
    assert device.separate
