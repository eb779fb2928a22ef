"""Integral fluctuation theorems on the tick kernels, exactly and sampled, and what must fail."""

from __future__ import annotations

import numpy as np
import pytest
from acceptance import assert_z
from laws import theorems
from problems import Sample, chain, make, mixture_protocol, mixture_score, simulate

from thermohw.books import ExponentialMean, PathRatio
from thermohw.circuit import load_device, relaxation
from thermohw.control import Protocol
from thermohw.process import OU
from thermohw.target import gaussian

PRODUCTION = 0.108541
TICKS = 512  # the default
PATHS = 32 * 4096


@pytest.mark.parametrize("wiring", ["emf", "current"])
@pytest.mark.parametrize("kernel", ["held", "euler"])
@pytest.mark.parametrize("ticks", [16, 48])
def test_theorems_hold_at_every_tick_number(wiring: str, kernel: str, ticks: int) -> None:
    """The kernel is the engine's own; the average is exact to 1e-5 however coarse the ticks."""
    theorems(wiring, kernel, ticks)


def sampled(control: str, stepper: str, kernel: str) -> Sample:
    protocol = mixture_protocol("emf", control, TICKS, stepper=stepper)
    watch = PathRatio(protocol.device, "emf", kernel=kernel)
    return simulate(make(protocol, watch, flux=True, closing=True), PATHS)


@pytest.fixture(scope="module")
def held() -> Sample:
    return sampled("clocked", "auto", "held")


@pytest.fixture(scope="module")
def euler() -> Sample:
    return sampled("continuous", "euler", "euler")


def boundary(sample: Sample) -> np.ndarray:
    """ln q_0(x_0) - ln p_0(x_N)."""
    score = mixture_score()
    return (score.log_prob(sample.start, 3.0) - score.log_prob(sample.end, 0.0)).numpy()


def sigma(sample: Sample, channel: str) -> np.ndarray:
    return boundary(sample) + sample.results["fluctuation"][channel].numpy()


@pytest.mark.parametrize("kernel", ["held", "euler"])
@pytest.mark.parametrize("channel", ["even", "odd"])
def test_sampled_theorems(kernel: str, channel: str, request: pytest.FixtureRequest) -> None:
    """<e^-Sigma> = 1 within 4 standard errors at the default ticks, float64 normals.

    A path's weight has a standard deviation of .49 (even) and .51 (odd), so that .0057 is called.
    By quadrature noise 5 % too hot or cold is .009 (even) and .011 (odd) off: seven errors. The
    kernels see the same normals: two comparisons rather than four, 1.3e-4 that a right code fails.

    The even one is 3.2 errors off in these paths, and by chance: 1.3 million further ones of seed 0
    are .4 off, and seeds 0 to 23 scatter by one about one.
    """
    s = sigma(request.getfixturevalue(kernel), channel)
    mean = ExponentialMean.of(s)
    (value, stderr), effective = mean.average, mean.effective
    assert effective > 0.5 * PATHS and 4.0 * stderr < 0.006
    assert_z(value, 1.0, stderr=stderr)
    # Its mean is the production of the continuous control, up to O(h): 0.84 h = 0.005.
    assert abs(s.mean() - PRODUCTION) < 0.012 + 3 * s.std() / PATHS**0.5
    assert s.mean() > 0


def test_books_of_a_clocked_run_are_no_theorem(held: Sample) -> None:
    """exp(-dS - Q) of held emf control averages to 1.19, not 1: the demon is not counted."""
    naive = boundary(held) + held.total("heat")
    value, stderr = ExponentialMean.of(naive).average
    assert value - 1 > 20 * stderr
    assert abs(value - 1.19) < 0.02


def test_rho_is_arbitrary_the_ratio_is_not(held: Sample) -> None:
    """Any normalised end density will do; counting both parities at once will not."""
    score = mixture_score()
    rho = score.log_prob(held.end / 1.3, 0.0).numpy() - np.log(1.3)  # too wide, but normalised
    wide = score.log_prob(held.start, 3.0).numpy() - rho
    value, stderr = ExponentialMean.of(wide + held.results["fluctuation"]["even"].numpy()).average
    assert 4.0 * stderr < 0.02  # an end density that integrates to .98 or 1.02 is called
    assert_z(value, 1.0, stderr=stderr)
    both = sigma(held, "even") + held.results["fluctuation"]["odd"].numpy()
    # Weights of both have no variance; cut off they have, and a mean that is smaller still: 1.15 at
    # five (1.07 at three, 1.23 at ten), forty errors above one.
    cut = np.minimum(np.exp(-both), 5.0)
    assert cut.mean() - 1.0 > 10 * cut.std() / PATHS**0.5


def test_theorem_at_many_nodes() -> None:
    """64 nodes, one Gaussian with its own process: both theorems within 3 standard errors, while
    the effective number is still a fair share of the paths.
    """
    process = OU(1.0)
    score = gaussian(np.zeros(64), 0.95).score(process)
    protocol = Protocol(load_device("rc64"), process, score, wiring="emf", control="clocked",
                        ticks=32)  # fmt: skip
    watch = PathRatio(protocol.device, "emf", kernel="held")
    sample = simulate(make(protocol, watch, flux=True, closing=True), 8192, tile=4096)
    for channel in ("even", "odd"):
        ratio = sample.results["fluctuation"][channel]
        ends = score.log_prob(sample.start, 1.0) - score.log_prob(sample.end, 0.0)
        mean = ExponentialMean.of((ends + ratio).numpy())
        (value, stderr), effective = mean.average, mean.effective
        assert effective > 1000
        assert_z(value, 1.0, max_z=3.0, stderr=stderr)


def test_coupled_network() -> None:
    """Two baths on the chain: the even theorem uses the full tick covariance, not its diagonal."""
    device = chain(hot=True)
    process = relaxation(device, 0.7)
    steady = device.hessian @ device.stationary_covariance @ device.hessian
    score = gaussian(np.zeros(8), covariance=0.8 * steady).score(process)
    for wiring in ("emf", "current"):
        protocol = Protocol(device, process, score, wiring=wiring, control="clocked", ticks=32)
        watch = PathRatio(device, wiring, kernel="held")
        sample = simulate(make(protocol, watch, flux=True, closing=True), 8192, tile=4096)
        v0, v1 = device.efforts(sample.start), device.efforts(sample.end)
        ends = score.log_prob(v0, 0.7) - score.log_prob(v1, 0.0)
        for channel in ("even", "odd"):
            s = (ends + sample.results["fluctuation"][channel]).numpy()
            mean = ExponentialMean.of(s)
            (value, stderr), effective = mean.average, mean.effective
            assert_z(value, 1.0, max_z=3.0, stderr=stderr)
            assert effective > 500, (wiring, channel, effective)
