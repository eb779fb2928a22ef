"""Fluctuation theorems of programs: Z1/Z0, the naive average, Crooks pairs, path ratios."""

from __future__ import annotations

import numpy as np
import pytest
from acceptance import assert_order, assert_z
from scipy.integrate import solve_ivp

from thermohw.circuit import load_device
from thermohw.errors import InputError
from thermohw.program import Program, crooks, drive, jarzynski
from thermohw.program.likelihood import path_log_likelihood

STIFFER = {"n0__elastance": ("1 V/pC", "4 V/pC")}
HOTTER = {"r0__temperature": ("300 K", "600 K")}


def naive(stiffness: tuple[float, float], temperature: tuple[float, float], time: float) -> float:
    """<exp(-W/T0)> of linear ramps, mobility 1, by Feynman and Kac.

    u(x, t) = E[exp(-int_t k'x^2/(2 T0) ds) | x_t = x] = exp(-a x^2/2 - c) obeys
    a' = 2 k a + 2 T a^2 - k'/T0,  c' = -T a,  backwards from 0.
    """
    (k0, k1), (t0, t1) = stiffness, temperature
    slope = (k1 - k0) / time

    def rates(s: float, y: np.ndarray) -> list[float]:
        k, temp = k0 + slope * s, t0 + (t1 - t0) * s / time
        return [2 * k * y[0] + 2 * temp * y[0] ** 2 - slope / t0, -temp * y[0]]

    a, c = solve_ivp(rates, (time, 0.0), [0.0, 0.0], rtol=1e-11, atol=1e-13).y[:, -1]
    return float(np.exp(-c) / np.sqrt(1.0 + a * t0 / k0))


def test_published_naive_values() -> None:
    """Both ramps: 0.433795 at duration 1, .4534 at 1/2, .4160 at 2; no ratio of Z's at any."""
    found = [naive((1, 4), (1, 2), time) for time in (1.0, 0.5, 2.0)]
    assert found[0] == pytest.approx(0.433795, abs=6e-7)
    np.testing.assert_allclose(found[1:], [0.4534, 0.4160], atol=6e-5)
    assert naive((1, 4), (1, 1), 1.0) == pytest.approx(0.5, abs=1e-9)  # T at rest: no failure


@pytest.mark.parametrize(
    ("ramps", "ratio", "average"),
    [
        (STIFFER, 0.5, 0.5),
        (HOTTER, 1.414214, 1.0),
        (STIFFER | HOTTER, 0.707107, 0.433795),
    ],
)
def test_generalised_jarzynski(
    ramps: dict[str, tuple[str, str]], ratio: float, average: float
) -> None:
    """Linear ramps k 1 to 4 and T 1 to 2, mobility 1, duration 1, and what the work alone says."""
    run = drive(load_device("rc1"), Program.ramp("1 us", **ramps), paths=40_000, seed=11)
    found = jarzynski(run)
    assert found.expected == pytest.approx(ratio, abs=5e-7)
    assert abs(found.z) < 4.0 and found.mean.effective > 1e4
    # 200 ticks of order 2: 2e-5 of the naive average, a hundredth of its standard error
    naive, stderr = found.naive.average
    assert_z(naive, average, stderr=max(stderr, 1e-12))
    if "r0__temperature" in ramps:
        assert abs(found.naive.z(found.expected)) >= 40.0  # as far as a tail probability goes
    assert found.dissipated.value > -4.0 * found.dissipated.stderr


def test_theorem_holds_at_any_tick() -> None:
    """Three coarse ticks of a coupled, ringing circuit: jumps and equilibria, nothing else."""
    device = load_device("rlc1")
    program = Program.ramp(
        "300 ns",
        n0__capacitance=("1 pF", "300 fF"),
        r0__temperature=("300 K", "450 K"),
        l0__inductance=("40 mH", "60 mH"),
    )
    run = drive(device, program, paths=40_000, ticks=3, seed=12)
    # Z ~ T sqrt(C L)
    expected = 1.5 * np.sqrt(0.3 * 1.5)
    assert run.ticks == 3 and run.stepper == "midpoint"
    assert jarzynski(run).expected == pytest.approx(expected, rel=1e-12)
    assert abs(jarzynski(run).z) < 4.0


def test_quartic_program() -> None:
    """A well that becomes two while it warms: Z1/Z0 by quadrature, Heun's bias below the error."""
    device = load_device("quartic-langevin")
    program = Program.ramp(
        "1 us",
        u0__j2=("41.41947 zJ", "-10 zJ"),
        u0__bias=("0 J", "5 zJ"),
        r0__temperature=("300 K", "420 K"),
    )
    run = drive(device, program, paths=20_000, ticks=150, seed=13)
    back = drive(device, program.reversed(), paths=20_000, ticks=150, seed=14)
    there, again = jarzynski(run), jarzynski(back)
    assert abs(there.z) < 4.0 and abs(again.z) < 4.0
    assert there.expected * again.expected == pytest.approx(1.0, rel=1e-12)
    pair = crooks(run, back)
    assert abs(pair.slope.z(1.0)) < 4.0
    assert abs(pair.log_partition_change.z(np.log(there.expected))) < 4.0
    # every bin of the histogram too, where bins are narrow: 24 of them fail by chance at 1.5e-3
    line = pair.centres + np.log(there.expected)
    assert (np.abs(pair.log_ratio - line) < 4.0 * pair.log_ratio_stderr + 0.05).all()


def test_crooks_pair_of_a_capacitor() -> None:
    device, program = load_device("rc1"), Program.ramp("1 us", **STIFFER, **HOTTER)
    run = drive(device, program, paths=40_000, seed=15)
    back = drive(device, program.reversed(), paths=40_000, seed=16)
    pair = crooks(run, back)
    assert abs(pair.slope.z(1.0)) < 4.0
    assert abs(pair.log_partition_change.z(-0.5 * np.log(2.0))) < 4.0
    with pytest.raises(InputError, match="does not play the first one's program backwards"):
        crooks(run, run)
    # the same ends, another way between them
    detour = Program(
        {
            "n0.elastance": [("0 s", "4 V/pC"), ("0.2 us", "3 V/pC"), ("1 us", "1 V/pC")],
            "r0.temperature": [("0 s", "600 K"), ("1 us", "300 K")],
        }
    )
    with pytest.raises(InputError, match="does not play the first one's program backwards"):
        crooks(run, drive(device, detour, paths=500, seed=17))
    jumping = Program({"n0.elastance": [("0 s", "1 V/pC"), ("300 ns", "2 V/pC"),
                                        ("300 ns", "3 V/pC"), ("1 us", "4 V/pC")]})  # fmt: skip
    pair = crooks(
        drive(device, jumping, paths=4000, seed=18),
        drive(device, jumping.reversed(), paths=4000, seed=19),
    )
    assert abs(pair.slope.z(1.0)) < 4.0
    with pytest.raises(InputError, match="one path has no average"):
        jarzynski(drive(device, program, paths=1))


def test_path_ratio_is_the_heat() -> None:
    """ln P/P~ = Q/T path by path: to round-off for exact kernels, T moving; as O(h) for Euler."""
    run = drive(
        load_device("rc1"),
        Program.ramp("1 us", **STIFFER, **HOTTER),
        paths=200,
        ticks=40,
        path_ratio=True,
    )
    assert run.path_ratio is not None
    np.testing.assert_allclose(run.path_ratio, run.medium_entropy, atol=1e-11)
    device, errors, ticks = load_device("quartic-langevin"), [], [50, 100, 200, 400]
    for n in ticks:
        run = drive(
            device,
            duration="1 us",
            paths=4000,
            ticks=n,
            stepper="euler",
            start=[0.4],
            path_ratio=True,
            seed=17,
        )
        errors.append(np.abs(run.path_ratio - run.medium_entropy).mean())
    # Means of |.| over 4000 paths: 1 % each, so the slope over a factor 8 is known to 0.01. The
    # border term is O(h), what trapezoids miss of the true heat O(h) as well (n terms of h^{3/2}).
    assert_order(errors, 1.0 / np.array(ticks), 1.0, 0.1)


def test_likelihood_of_a_path_and_its_reverse() -> None:
    """Onsager and Machlup's weight agrees with the ratio booked while running, and the maker of a
    path is likelier than another device.
    """
    device = load_device("quartic-langevin")
    run = drive(
        device,
        duration="500 ns",
        paths=300,
        ticks=50,
        stepper="euler",
        path_ratio=True,
        start=[0.3],
        frames=50,
    )
    assert run.series is not None and run.path_ratio is not None
    ahead = path_log_likelihood(device, run.series, "10 ns")
    back = path_log_likelihood(device, run.series, "10 ns", reverse=True)
    np.testing.assert_allclose(ahead - back, run.path_ratio, atol=1e-10)
    other = load_device("quartic-langevin", {"u0.j2": "10 zJ"})
    gain = ahead - path_log_likelihood(other, run.series, "10 ns")
    assert gain.mean() > 4.0 * gain.std() / np.sqrt(300)


def test_theorems_refuse_what_they_do_not_hold_for() -> None:
    device, program = load_device("rc1"), Program.ramp("1 us", **STIFFER)
    with pytest.raises(InputError, match="started from 'zero'"):
        jarzynski(drive(device, program, paths=100, start="zero"))
    with pytest.raises(InputError, match="no program"):
        jarzynski(drive(device, duration="1 us", paths=100))
    chain = Program.ramp("1 us", r3__temperature=("300 K", "400 K"))
    with pytest.raises(InputError, match="differ in temperature"):
        level = load_device("rc8-chain", {"r0.temperature": "300 K"})
        jarzynski(drive(level, chain, paths=100))
