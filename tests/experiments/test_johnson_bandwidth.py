"""johnson_bandwidth: closed forms, and the loop on noise of finite bandwidth."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.integrate import quad

from thermohw.experiments.johnson_bandwidth import STUDY
from thermohw.experiments.johnson_bandwidth.compute import HORIZON, play
from thermohw.experiments.johnson_bandwidth.findings import closed_forms
from thermohw.target import gaussian, gaussian_mixture


@pytest.mark.parametrize("shape, bandwidth", [
    ("one-pole", 10.0 / (2 * np.pi)), ("staircase", 10.0), ("interpolated", 10.0),
])  # fmt: skip
def test_free_node(shape: str, bandwidth: float) -> None:
    """Variance by the spectral integral of S/(1 + (2 pi f)^2), S(0) = 4; power in series is the
    noise's own mean square less what the node keeps up. 1e-6: the integral's cut-off.
    """
    every = 1.0 / bandwidth
    square = {"one-pole": 10.0, "staircase": 2 / every, "interpolated": 4 / 3 / every}[shape]

    def density(f: float) -> float:
        if shape == "one-pole":
            return 4.0 / (1.0 + (f / bandwidth) ** 2)
        return 4.0 * np.sinc(f * every) ** (2 if shape == "staircase" else 4)

    edges = [0.0, *np.arange(1, 60) * bandwidth]
    variance = sum(
        quad(lambda f: density(f) / (1.0 + (2 * np.pi * f) ** 2), a, b, epsabs=1e-12)[0]
        for a, b in zip(edges[:-1], edges[1:], strict=True)
    )
    found = closed_forms(shape, bandwidth)
    assert found["variance"] == pytest.approx(variance, abs=1e-6)
    assert found["power"] == pytest.approx(square - variance, abs=1e-5)


def test_noise_slower_than_a_tick_does_nothing_during_it() -> None:
    """Staircase of ten ticks a sample: held and following sources work the same on the same noise,
    within 5 % of a kT; the books close.
    """
    target = gaussian_mixture(means=[[-2.0], [1.5]], stds=[0.3, 0.4], weights=[0.3, 0.7])
    found = [
        play(target, "staircase", 10.0, hold=hold, paths=512,
             generator=torch.Generator().manual_seed(4))
        for hold in (0.01, None)
    ]  # fmt: skip
    held, follows = found
    assert held["residual"] < 1e-11 and follows["residual"] < 1e-11
    for one in found:
        assert abs(one["work"] - 2.6975) < 5 * one["work.stderr"]
        assert one["heat"] > one["injected"]  # a bath at T would have taken 1.74 kT


def test_equilibrium_costs_nothing() -> None:
    """N(0, 1) data: the source cancels itself out, x + 2 s = -x, whatever the noise."""
    found = play(gaussian([0.0], 1.0), "one-pole", 1.0, hold=0.01, paths=64,
                 generator=torch.Generator().manual_seed(1))  # fmt: skip
    assert found["work"] == pytest.approx(0.0, abs=1e-12)
    time = 1 / (2 * np.pi)
    power = 1 / time - 1 / (1 + time)
    assert abs(found["injected"] / HORIZON - power) < 4 * found["injected.stderr"] / HORIZON


def test_cells() -> None:
    cells = STUDY.cells(dict(STUDY.parameters))
    assert len(cells) == 3 * 6 * 3 and {cell["kind"] for cell in cells} == {"free", "driven"}
