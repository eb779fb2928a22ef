r"""Circuits with noise that is not a resistor's: variance, power and books of free runs.

On rc1 (tau = R C = 1 us) a current of the density of R's own Johnson noise adds, in k T/C,

    one pole of correlation time T     1/(1 + T/tau)
    staircase, r = h/tau               (2/r) tanh(r/2) at sample instants
    interpolated                       1 - r/2 + ... : 0.9901, 0.9516, 0.788, 0.640 at
                                       r = 0.02, 0.1, 0.5, 1

and delivers the power k T/tau times its time-averaged share, since C v is a node's whole charge.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from acceptance import assert_z
from problems import chain

from thermohw.circuit import LinearDevice, build_device, load_device
from thermohw.circuit.noises import (
    NoiseInput,
    added_covariance,
    flicker_poles,
    mean_power,
    noise_inputs,
    spectrum,
    total_covariance,
)
from thermohw.control import Protocol
from thermohw.datasheet import load_datasheet, read_datasheet
from thermohw.errors import InputError
from thermohw.integrate.free import FreeRun, free_run
from thermohw.process import OU
from thermohw.target import gaussian
from thermohw.units import K_B

JOHNSON = (4.0 * K_B * 300.0 / 1e6) ** 0.5  # A/sqrt(Hz) of rc1's resistor


def noisy(name: str = "rc1", **entries: Any) -> LinearDevice:
    """A device with one more noise source."""
    lines = [f"{k} = {v if isinstance(v, float) else repr(v)}" for k, v in entries.items()]
    text = load_datasheet(name).text + '\n[[noise]]\nname = "x"\n' + "\n".join(lines)
    return build_device(read_datasheet(text, name))


def white(shape: str, bandwidth: float, **more: Any) -> LinearDevice:
    """rc1 with white noise of its own Johnson density."""
    more = more or {"at": "n0", "density": f"{JOHNSON} A/sqrt(Hz)"}
    return noisy(kind="white", shape=shape, bandwidth=f"{bandwidth} Hz", **more)


@pytest.mark.parametrize("r, interpolated, averaged", [
    (0.02, 0.9901, 0.9907), (0.1, 0.9516, 0.9550), (0.5, 0.788, 0.803), (1.0, 0.640, 0.661),
])  # fmt: skip
def test_variance_of_sampled_noise(r: float, interpolated: float, averaged: float) -> None:
    device = white("staircase", 1e6 / r)
    (source,) = noise_inputs(device)
    assert added_covariance(device, source)[0, 0] == pytest.approx(
        2.0 / r * np.tanh(0.5 * r), rel=1e-12
    )
    # the time average: 1 - (power not delivered), 1 - r/3 + ...
    phi = np.exp(-r)
    assert mean_power(device, source) == pytest.approx(2.0 / r * (1 - (1 - phi) / r), rel=1e-10)
    device = white("interpolated", 1e6 / r)
    (source,) = noise_inputs(device)
    one = (1 - phi) / r
    closed = 2 / r * ((one - phi) ** 2 + (1 - one) ** 2 + 2 * phi * (one - phi) * (1 - one))
    found = added_covariance(device, source)[0, 0]
    assert found == pytest.approx(closed / (1 - phi**2), rel=1e-11)
    assert found == pytest.approx(interpolated, abs=1e-3)
    assert mean_power(device, source) == pytest.approx(averaged, abs=1e-3)


def test_one_pole_by_augmented_lyapunov() -> None:
    """1/(1 + T/tau) on a node; on a coupled chain the Lyapunov equation of (z, xi)."""
    device = white("one-pole", 1e6 / (2 * np.pi * 0.25))
    (source,) = noise_inputs(device)
    assert source.times[0] == pytest.approx(0.25, rel=1e-12)
    assert added_covariance(device, source)[0, 0] == pytest.approx(0.8, rel=1e-12)
    assert mean_power(device, source) == pytest.approx(0.8, rel=1e-12)

    from scipy.linalg import solve_continuous_lyapunov

    own = chain(hot=True)
    port = np.zeros(8)
    port[2], port[5] = 1.0, -1.0
    source = NoiseInput("x", "poles", None, port, np.array([3.0]), np.array([0.7]))
    augmented = np.zeros((9, 9))
    augmented[:8, :8], augmented[:8, 8], augmented[8, 8] = own.drift_matrix, -port, 1 / 0.7
    noise = np.zeros((9, 9))
    noise[8, 8] = 2 * 3.0 / 0.7
    whole = solve_continuous_lyapunov(augmented, noise)
    np.testing.assert_allclose(added_covariance(own, source), whole[:8, :8], atol=1e-12)
    power = port @ own.hessian @ whole[:8, 8]
    assert mean_power(own, source) == pytest.approx(power, rel=1e-11)


@pytest.mark.parametrize("exponent", [0.8, 1.0, 1.2])
def test_flicker_spectrum(exponent: float) -> None:
    """density^2 (corner/f)^exponent within the stated 1.1 % over six decades; level below it.

    A decade below the band the density is that at its lower end but for the poles' own shapes, at
    most 1.5^exponent times two; a decade above, it has fallen by another 10^(2 - exponent) against
    the law, but for the same factor.
    """
    poles = flicker_poles(2.0, 1.0, exponent, 1e-3, 1e3)
    source = NoiseInput("f", "poles", None, np.zeros(1), *poles)
    f = np.geomspace(1e-3, 1e3, 601)
    error = spectrum(source, f) * f**exponent / 2.0 - 1.0
    assert np.abs(error).max() < 0.011
    assert np.abs(error[100:-100]).max() < 0.001
    low, lowest, high, highest = spectrum(source, np.array([1e-4, 1e-3, 1e4, 1e3]))
    assert lowest < low < 2.0 * 1.5**exponent * lowest
    assert high < 2.0 * 1.5**exponent * 1e-2 * highest


def run(device: LinearDevice, paths: int = 1024, **options: Any) -> FreeRun:
    return free_run(device, paths=paths, **{"duration": "20 us", "seed": 3} | options)


def variance(result: FreeRun) -> np.ndarray:
    """Mean square of node 0 over the second half of every path, k T/C."""
    return result.mean_square[:, 0] / result.device.scale.voltage**2


@pytest.mark.parametrize("name, device", [
    ("one-pole", white("one-pole", 2e5)),
    ("staircase", white("staircase", 2e6)),
    ("interpolated", white("interpolated", 2e6)),
    ("flicker", noisy(kind="flicker", at="n0", density=f"{JOHNSON} A/sqrt(Hz)", corner="100 kHz",
                      lowest="50 kHz", bandwidth="500 kHz", exponent=1.1)),
])  # fmt: skip
def test_free_runs(name: str, device: LinearDevice) -> None:
    """Time-averaged variance 1 + power (k T/C; all of the power heats R), and the first law.

    Pieces of tau/20 change the variance by 2e-4, a tenth of the standard error.
    """
    result = run(device)
    (source,) = noise_inputs(device)
    assert_z(variance(result), 1.0 + mean_power(device, source), max_z=4.0)
    energy = device.scale.energy
    assert np.abs(result.books["first_law.residual"]).max() < 1e-11 * energy
    assert "work.x" in str(result)
    if name in ("one-pole", "flicker"):  # stationary: the variance at the end is the closed form
        end = result.efforts[:, 0] ** 2 / device.scale.voltage**2
        assert_z(end, total_covariance(device)[0, 0], max_z=4.0)


def test_telegraph_noise() -> None:
    """Mean and variance of a node that a trap's current moves between two levels."""
    device = noisy(kind="telegraph", at="n0", amplitude="60 pA", capture="1 us", emission="3 us")
    (source,) = noise_inputs(device)
    # p = 3/4 of the time high; variance a^2 p (1 - p), correlation time 3/4 us
    assert source.mean == pytest.approx(0.75 * 60e-12 / device.scale.current, rel=1e-12)
    assert source.times[0] == pytest.approx(0.75, rel=1e-12)
    result = run(device)
    v = result.efforts[:, 0] / device.scale.voltage
    assert_z(v, source.mean, max_z=4.0)
    exact = 1.0 + source.variances[0] * 0.75 / 1.75
    assert total_covariance(device)[0, 0] == pytest.approx(exact, rel=1e-12)
    assert_z((v - source.mean) ** 2, exact, max_z=4.0)


def test_noise_in_series_heats_its_resistor() -> None:
    """gamma (sigma^2 - E xi v): what injected noise costs. Pieces lose h/(3 T) of sigma^2."""
    device = white("one-pole", 2e5, series="r0", density=f"{JOHNSON * 1e6} V/sqrt(Hz)")
    (source,) = noise_inputs(device)
    time, square = float(source.times[0]), float(source.variances[0])
    assert mean_power(device, source) == pytest.approx(square - square * time / (1 + time))
    result = run(device)
    power = result.books["work.x"] / device.scale.energy / (result.seconds / device.scale.time)
    h = result.step / device.scale.time
    r = h / time
    held = square * 2.0 * (r - 1.0 + np.exp(-r)) / r**2  # variance of a pole's mean over a piece
    assert_z(power, held - square * time / (1 + time), max_z=4.0)
    heat = result.books["heat.r0"] - result.books["work.x"]
    # what is not heat stays in the node: its energy change
    np.testing.assert_allclose(
        heat, result.books["energy.start"] - result.books["energy.end"],
        atol=1e-10 * device.scale.energy,
    )  # fmt: skip


def test_books_of_a_two_temperature_chain() -> None:
    """No sources: heat currents of every resistor are those of the Lyapunov covariance."""
    from thermohw.circuit.heat import steady_heat

    device = chain(hot=True)
    result = run(device, paths=512, duration="30 us")
    seconds = result.seconds / device.scale.time
    for k, name in enumerate(device.elements):
        rate = result.books[f"heat.{name}"] / device.scale.energy / seconds
        assert_z(rate, steady_heat(device)[k], max_z=4.5)


def test_halves_and_seeds() -> None:
    """A path's noise is its own: the first block of a longer ensemble repeats a shorter one."""
    device = white("one-pole", 2e5)
    few = free_run(device, duration="1 us", paths=10, seed=5)
    more = free_run(device, duration="1 us", paths=20, seed=5)
    np.testing.assert_array_equal(few.efforts, more.efforts[:10])
    other = free_run(device, duration="1 us", paths=10, seed=6)
    assert not np.array_equal(few.efforts, other.efforts)


@pytest.mark.parametrize("entries, words", [
    ({"kind": "white", "at": "n0", "bandwidth": "1 MHz"}, "density or rms"),
    ({"kind": "white", "at": "n0", "bandwidth": "1 MHz", "rms": "1 mV"}, "is in A"),
    ({"kind": "white", "bandwidth": "1 MHz", "rms": "1 nA"}, "one of at, between and series"),
    ({"kind": "white", "at": "n7", "bandwidth": "1 MHz", "rms": "1 nA"}, "no node 'n7'"),
    ({"kind": "white", "series": "r9", "bandwidth": "1 MHz", "rms": "1 mV"}, "no resistor 'r9'"),
    ({"kind": "flicker", "at": "n0", "density": "1 fA/sqrt(Hz)", "corner": "1 kHz",
      "bandwidth": "1 MHz"}, "lowest: flicker noise needs it"),
    ({"kind": "telegraph", "at": "n0", "amplitude": "1 pA", "capture": "1 us",
      "emission": "1 us", "corner": "1 Hz"}, "corner: telegraph noise has none"),
    ({"kind": "pink", "at": "n0"}, "kind"),
])  # fmt: skip
def test_bad_sources(entries: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        noisy(**entries)


def test_refusals_of_runs() -> None:
    device = white("one-pole", 2e5)
    score = gaussian([0.0], 1.0).score(OU(duration=1.0))
    with pytest.raises(InputError, match="free_run"):
        Protocol(device, score.process, score, wiring="emf", control="clocked", ticks=8)
    with pytest.raises(InputError, match="more than"):
        free_run(device, duration="1 s", paths=1, step="10 ns")
    with pytest.raises(InputError, match="equilibrium"):
        free_run(device, duration="1 us", paths=1, start="hot")
    quiet = load_device("rc1")
    assert noise_inputs(quiet) == () and noise_inputs(replace(quiet, datasheet=None)) == ()
    # sources of a sheet are part of its hash; sheets without keep theirs
    assert quiet.datasheet is not None and "noises" not in quiet.datasheet.content()
    assert device.datasheet is not None and "noises" in device.datasheet.content()
