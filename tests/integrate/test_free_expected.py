"""Closed-form means of free runs against laws that know no pieces (`circuit.noises`)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from integrate.test_free_run import noisy, white
from scipy.integrate import dblquad

from thermohw.circuit import load_device
from thermohw.circuit.heat import steady_heat
from thermohw.circuit.noises import mean_power, total_covariance
from thermohw.integrate.free import prepare_free
from thermohw.integrate.free_expected import _averaged, free_means

SOURCES: dict[str, Any] = {
    "staircase": lambda: white("staircase", 1e6),
    "staircase in series": lambda: white("staircase", 1e6, series="r0", rms="50 uV"),
    "interpolated": lambda: white("interpolated", 1e6),
    "pole": lambda: white("one-pole", 1e5),
    "pole in series": lambda: white("one-pole", 1e5, series="r0", rms="50 uV"),
    "telegraph": lambda: noisy(kind="telegraph", at="n0", amplitude="50 pA", capture="2 us",
                               emission="1 us"),
    "chain": lambda: noisy("rc8-chain", kind="white", at="n3", rms="60 pA", bandwidth="100 kHz",
                           shape="one-pole"),
    "cell": lambda: noisy("rlc1", kind="white", at="n0", rms="60 pA", bandwidth="1 MHz",
                          shape="staircase"),
}  # fmt: skip
HELD = {
    "staircase",
    "staircase in series",
    "cell",
}  # constant between samples: pieces change nothing


@pytest.mark.parametrize("r", [1e-3, 0.3, 0.999, 1.001, 4.0, 60.0])
def test_variance_of_the_mean_of_a_pole(r: float) -> None:
    """Its kernel integrated twice; and with what the start explains the stationary variance."""
    found = _averaged(r)
    kernel = dblquad(lambda b, a: np.exp(-abs(a - b)) - np.exp(-a - b), 0.0, r, 0.0,
                        lambda a: a)[0]  # fmt: skip
    assert found == pytest.approx(2.0 * kernel / r**2, rel=1e-7)
    explained = (-np.expm1(-r) / r) ** 2
    assert found + explained == pytest.approx(2.0 * (r + np.expm1(-r)) / r**2, rel=1e-9)


def late(device: Any, step: float) -> tuple[np.ndarray, np.ndarray]:
    """Powers of baths and sources between 60 and 120 us, in units of kT/RC, and the covariance."""
    unit = device.scale.time
    long, short = (free_means(prepare_free(device, n * 1e-6, step=step)) for n in (120, 60))
    assert not isinstance(long, str) and not isinstance(short, str)
    gained = [long.accounts[name] - short.accounts[name] for name in long.accounts]
    return np.array(gained) * unit / 60e-6, long.covariance + np.outer(long.mean, long.mean)


@pytest.mark.parametrize("name", SOURCES)
def test_means_are_those_of_continuous_time(name: str) -> None:
    """Mean power of the source, heat of the baths, covariance; halving the pieces takes the second
    order out, what is left falls with the step. Samples are at a sample instant at the end."""
    from thermohw.circuit.noises import noise_inputs

    device = SOURCES[name]()
    (source,) = noise_inputs(device)
    mean = np.linalg.solve(device.drift_matrix, source.drive(device) * source.mean)
    effort = device.hessian @ mean
    wanted = total_covariance(device) + np.outer(effort, effort)
    (first, early), (second, end) = (late(device, step) for step in (20e-9, 10e-9))
    power = mean_power(device, source)
    # A pole in series loses h/(3 T) of what varies inside a piece: the first order leads there.
    order = 1 if name == "pole in series" else 2
    for coarse, fine, exact, p in (
        (first[-1:], second[-1:], np.array([power]), order),
        (np.array([first[:-1].sum()]), np.array([second[:-1].sum()]), np.array([power]), order),
        (early, end, wanted, 2),
    ):
        if name in HELD:
            assert fine == pytest.approx(exact, rel=1e-6)
            continue
        change = fine - coarse
        left = np.abs(fine + change / (2.0**p - 1.0) - exact).max()
        assert left <= 0.1 * np.abs(change).max() + 1e-6 * np.abs(exact).max()


def test_each_bath_without_a_source() -> None:
    """Two temperatures and no source: the circulating heat of every resistor."""
    device = load_device("rc8-chain")
    means = free_means(prepare_free(device, "20 us"))
    assert not isinstance(means, str)
    rates = steady_heat(device) * 20e-6 / device.scale.time
    for bath, rate in zip(device.elements, rates, strict=True):
        assert means.accounts[f"heat.{bath}"] == pytest.approx(rate, rel=1e-8, abs=1e-10)
