"""Paths of active circuits: books, orders, slewing and saturation against closed forms."""

from __future__ import annotations

from math import asinh, exp, pi, sinh

import numpy as np
import pytest

from thermohw.circuit import ActiveDevice, active_law, build_device
from thermohw.datasheet import read_datasheet
from thermohw.errors import InputError
from thermohw.solver import evolve
from thermohw.solver.stepper import ActiveStepper

CIRCUIT = """
format = "thermohw-device/1"
[[node]]
name = "a"
capacitance = "1 pF"
[[node]]
name = "s"
capacitance = "1 pF"
[[node]]
name = "o"
capacitance = "3 pF"
[[capacitor]]
between = ["s", "o"]
capacitance = "4 pF"
[[resistor]]
name = "ra"
between = ["a", "gnd"]
resistance = "1 Mohm"
temperature = "600 K"
[[resistor]]
name = "rs"
between = ["s", "a"]
resistance = "1 Mohm"
temperature = "300 K"
[[resistor]]
name = "rf"
between = ["s", "o"]
resistance = "1 Mohm"
temperature = "300 K"
[[transconductor]]
name = "g"
between = ["a", "gnd"]
control = ["o", "gnd"]
conductance = "-0.3 uS"
[[amplifier]]
name = "amp"
minus = "s"
output = "o"
"""
POLE = 'gain = 1000\ngbw = "1 MHz"\nnoise = "10 nV/sqrt(Hz)"\noffset = "3 uV"\n'

BUFFER = """
format = "thermohw-device/1"
[[node]]
name = "n"
capacitance = "1 pF"
[[node]]
name = "o"
capacitance = "1 pF"
[[resistor]]
name = "r"
between = ["n", "gnd"]
resistance = "1 Mohm"
temperature = "300 K"
[[amplifier]]
name = "amp"
minus = "o"
output = "o"
gbw = "1 MHz"
offset = "1 V"
"""


def build(text: str) -> ActiveDevice:
    device = build_device(read_datasheet(text, "test"))
    assert isinstance(device, ActiveDevice)
    return device


@pytest.mark.parametrize("extra", ["", POLE])
def test_power_of_every_account(extra: str) -> None:
    """Mean energies of paths against the closed form of the Lyapunov covariance."""
    device = build(CIRCUIT + extra)
    e = np.array([1.0, 0.5, 0.0])
    sources = {"ra": 1.0 * device.scale.voltage, "rs": 0.5 * device.scale.voltage}
    run = evolve(device, "60 us", step="20 ns", paths=256, seed=5, sources=sources, start="steady")
    assert run.books is not None
    rates = active_law(device).steady_rates(e)
    booked = np.concatenate([run.books.heat, run.books.work], axis=1)
    found = booked / run.books.kt / (run.duration / device.scale.time)
    error = found.std(0, ddof=1) / np.sqrt(256)
    busy = error > 0.0
    z = (found.mean(0) - rates.rates)[busy] / error[busy]
    assert np.abs(z).max() < 4.0
    assert np.abs(found[:, ~busy]).max() == 0.0  # what has no source does no work


@pytest.mark.parametrize("extra", ["", POLE, POLE + 'slew = "200 V/s"\nswing = "150 uV"\n'])
def test_first_law_of_every_path(extra: str) -> None:
    """Round-off, also where the amplifier slews and saturates; a heat 0.1 % off shows."""
    device = build(CIRCUIT + extra)
    run = evolve(device, "5 us", step="50 ns", paths=8, sources={"ra": "300 uV"})
    assert run.books is not None
    size = run.books.exchanged
    # 100 steps: the round-off of each adds up to some 1e-14 of the energy exchanged
    assert np.abs(run.books.residual / size).max() < 1e-13
    wrong = run.books.residual + 1e-3 * run.books.total("heat.")
    assert np.abs(wrong / size).min() > 1e-6


@pytest.mark.parametrize("extra", ["", POLE])
def test_bias_of_the_books_is_of_second_order(extra: str) -> None:
    """E[mean force * flow]/h of one exact step, and its constant, against the exact rate."""
    device = build(CIRCUIT + extra)
    e = np.array([1.0, 0.5, 0.0])
    law = active_law(device)
    exact = law.steady_rates(e).rates
    books, maps, s = law.books, device.efforts, law.states

    def rates(h: float) -> np.ndarray:
        stepper = ActiveStepper(device, h, e)
        moved, factor = law.transition(h)
        shift = stepper.shift
        mean, spread = law.mean(e), law.covariance
        force = books.effort @ law.reading + books.output @ law.outputs
        rest = books.effort @ maps.constant + books.output @ maps.all_constant + books.source @ e
        flow_end = books.flow[:, s:]
        storage = books.storage @ law.reading
        total = []
        for a in range(len(books.names)):
            # flow = u.s0 + v.noise + const with s1 = Phi s0 + shift + noise
            path = np.concatenate([storage[a], flow_end[a]])
            on_start = path @ moved[:, :s] - storage[a]
            half_start = 0.5 * (force[a] + force[a] @ moved[:s, :s])
            value = half_start @ spread @ on_start
            value += 0.5 * force[a] @ (factor[:s] @ (path @ factor))
            middle = force[a] @ mean + rest[a]
            value += middle * (on_start @ mean + path @ shift)
            total.append(value / h)
        return np.array(total) + stepper._inside / h

    gaps = [np.abs(rates(h) - exact).max() for h in (0.02, 0.01, 0.005)]
    orders = np.log2(np.array(gaps[:-1]) / np.array(gaps[1:]))
    assert orders == pytest.approx([2.0, 2.0], abs=0.1)


TANK = """
format = "thermohw-device/1"
[[node]]
name = "n"
capacitance = "1 pF"
[[resistor]]
name = "r"
between = ["n", "gnd"]
resistance = "1 Mohm"
temperature = "300 K"
[[inductor]]
name = "l"
between = ["n", "gnd"]
inductance = "0.2 H"
series_resistance = "10 kohm"
temperature = "300 K"
[[transconductor]]
name = "g"
between = ["n", "gnd"]
control = ["n", "gnd"]
conductance = "-0.4 uS"
"""


def test_a_tank_with_an_active_element() -> None:
    """Its works pay for its heats; a path's rotation falls with the step and has no bias, and the
    first law is closed by it.
    """
    device = build(TANK)
    rates = active_law(device).steady_rates()
    assert rates.signs @ rates.rates == pytest.approx(0.0, abs=1e-14)
    sizes = []
    for step in ("40 ns", "10 ns"):
        run = evolve(device, "20 us", step=step, paths=256, seed=1, start="steady")
        assert run.books is not None
        assert np.abs(run.books.residual / run.books.exchanged).max() < 1e-13
        rotation = run.books["rotation"] / run.books.kt
        assert abs(rotation.mean()) < 4.0 * rotation.std() / 16.0
        sizes.append(rotation.std())
    # First order: a factor of 4, each spread known to 1/sqrt(2 * 256) = 4.4 %.
    assert sizes[0] / sizes[1] == pytest.approx(4.0, rel=4 * 0.0625)


def large_step(t: float, *, rate: float, slew: float, height: float = 1.0) -> float:
    """w of dw/dt = SR tanh(w_t (V - w)/SR): sinh(w_t (V - w)/SR) decays as exp(-w_t t)."""
    start = rate * height / slew
    return height - slew / rate * asinh(sinh(start) * exp(-rate * t))


def test_slewing_buffer_follows_the_closed_form_at_second_order() -> None:
    """A buffer told to go to 1 V: it ramps at SR, then settles exponentially."""
    device = build(BUFFER + 'slew = "0.5 V/us"\n')
    rate, slew = 2 * pi * 1e6, 0.5e6
    for end in ("1 us", "3 us"):
        exact = large_step(float(end[0]) * 1e-6, rate=rate, slew=slew)
        errors = [
            abs(float(evolve(device, end, step=step, paths=1, books=False).end[0, 1]) - exact)
            for step in ("20 ns", "10 ns", "5 ns")
        ]
        assert errors[0] < 2e-3
        orders = np.log2(np.array(errors[:-1]) / np.array(errors[1:]))
        assert orders == pytest.approx([2.0, 2.0], abs=0.25)
    # On the ramp the output is what the slew rate says, to the closed form's own shortfall.
    halfway = evolve(device, "1 us", step="5 ns", paths=1, books=False).end[0, 1]
    assert halfway == pytest.approx(0.5, abs=1e-3)


def test_a_fast_enough_amplifier_does_not_slew() -> None:
    """With slew and swing far away the two-stage rule is the exact linear step."""
    text = CIRCUIT + POLE
    linear, limited = build(text), build(text + 'slew = "1 GV/s"\nswing = "1 MV"\n')
    one, other = (evolve(d, "2 us", step="20 ns", paths=4, seed=1) for d in (linear, limited))
    assert np.allclose(one.end, other.end, rtol=1e-9)


def test_saturation_bounds_the_output() -> None:
    device = build(BUFFER + 'gain = 1e4\nswing = "0.25 V"\nslew = "1 V/us"\n')
    out = evolve(device, "3 us", step="10 ns", paths=1, books=False).end[0, 1]
    assert 0.249 < out <= 0.25


def test_noise_of_a_path_does_not_depend_on_its_neighbours() -> None:
    device = build(CIRCUIT + POLE)
    few, many = (evolve(device, "1 us", step="50 ns", paths=n, seed=3) for n in (2, 70))
    assert np.array_equal(few.end, many.end[:2])
    other = evolve(device, "1 us", step="50 ns", paths=2, seed=4)
    assert not np.array_equal(few.end, other.end)


def test_bad_runs() -> None:
    from thermohw.circuit import load_device

    device = build(CIRCUIT)
    with pytest.raises(InputError, match="no active elements"):
        evolve(load_device("rc1"), "1 us")  # pyright: ignore[reportArgumentType]
    with pytest.raises(InputError, match="no element 'rx'"):
        evolve(device, "1 us", sources={"rx": "1 V"})
    with pytest.raises(InputError, match="positive time"):
        evolve(device, -1.0)
    with pytest.raises(InputError, match="expected 'rest' or 'steady'"):
        evolve(device, "1 us", start="hot")
    with pytest.raises(InputError, match="steps; expected at most"):
        evolve(device, "100 s", step="1 ns")
