"""The demon's books: clocked runs with noisy readings, where only information restores the law.

    (a)  dS + Q/kT >= -sum I_k
    (b)  Q/kT + (1/2) ln(P_N/P_0) + sum I_k = the mean of what each tick books, exactly
    (c)  < exp(-Q/kT + ln rho(x_N) - ln q_0(x_0) - sum i_k) > = 1       (Sagawa and Ueda)

Runs start from the node's Gaussian equilibrium, where the filter is exact.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from acceptance import assert_z
from problems import Sample, chain, make, mixture_protocol, mixture_score, simulate

from thermohw.books import (
    ExponentialMean,
    Information,
    acquired,
    converter_information,
    information_account,
    nearest_neighbour_entropy,
)
from thermohw.circuit import relaxation
from thermohw.control import Protocol
from thermohw.integrate import Engine
from thermohw.target import gaussian

PATHS = 8 * 4096
S_START = 0.5 * np.log(2 * np.pi * np.e)  # N(0, 1)


def demon(ticks: int, noise: str, filtered: str, wiring: str = "emf") -> tuple[Engine, Sample]:
    protocol = mixture_protocol(wiring, "clocked", ticks, reading_noise=noise, filter=filtered)
    engine = make(protocol, start="state", seed=1)
    engine.observers = (*engine.observers, Information(engine.controller))
    return engine, simulate(engine, PATHS)


CASES = [("kalman", "6 uV"), ("kalman", "30 uV"), ("none", "6 uV"), ("none", "30 uV"),
         ("none", "200 uV")]  # fmt: skip


@pytest.fixture(scope="module", params=CASES, ids="-".join)
def run(request: pytest.FixtureRequest) -> tuple[Engine, Sample]:
    return demon(128, request.param[1], request.param[0])


def test_identity(run: tuple[Engine, Sample]) -> None:
    """(b): booked heat minus its conditional mean given the readings, paired, within 3 errors."""
    engine, sample = run
    gap = sample.total("heat") - sample.results["information"]["identity.heat"].numpy()
    assert_z(gap, 0.0, max_z=3.0)


def test_identity_is_the_stated_one(run: tuple[Engine, Sample]) -> None:
    """The right-hand side of (b), written out from the filter, is non-negative and closes."""
    engine, sample = run
    kalman, h = engine.controller.filter, float(engine.plan.schedule.durations[0])
    assert kalman is not None
    after = [reading.prior for reading in kalman.readings[1:]] + [kalman.final_covariance]
    p = np.array([float(r.posterior[0, 0]) for r in kalman.readings])
    q = np.array([float(c[0, 0]) for c in after])
    quadratic = sample.results["information"]["identity.heat"].numpy() - 0.5 * (p - q).sum()
    assert (quadratic >= 0).all()  # (1/2)(xhat - e)^2 (1 - phi^2) summed
    rest = 0.5 * (p - q - np.log(p / q)).sum()
    information = acquired(engine.controller)
    left = 0.5 * np.log(q[-1] / kalman.start_covariance[0, 0]) + information
    heat = sample.total("heat")
    assert quadratic.mean() + rest >= 0
    # Path by path: heat (spread .9 to 3.9 kT) and right-hand side (2.0 to 3.1) have the readings in
    # common; .035 to .05 kT is called.
    assert_z(heat - quadratic, rest - left, max_z=3.0)
    # What the filter gained and forgot telescopes, so that no chance is in the rest of (b).
    np.testing.assert_allclose(left, -0.5 * np.log(p / q).sum(), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(q, np.exp(-2 * h) * p - np.expm1(-2 * h), rtol=1e-12)


def test_second_law_with_information(run: tuple[Engine, Sample]) -> None:
    """(a): never below minus the information; with good readings heat alone goes below zero."""
    engine, sample = run
    entropy, stderr = nearest_neighbour_entropy(sample.end.numpy())
    heat = sample.total("heat")
    slack = entropy - S_START + heat.mean() + acquired(engine.controller)
    error = float(np.hypot(stderr, heat.std() / len(heat) ** 0.5))
    assert slack > 3 * error


def test_information_must_be_counted() -> None:
    """At 6 uV of reading noise dS + Q is negative by many standard errors: a demon at work."""
    _, sample = demon(128, "6 uV", "kalman")
    entropy, stderr = nearest_neighbour_entropy(sample.end.numpy())
    heat = sample.total("heat")
    slack = entropy - S_START + heat.mean()
    assert slack < -5 * float(np.hypot(stderr, heat.std() / len(heat) ** 0.5))


@pytest.mark.parametrize("filtered, noise, ticks", [
    ("kalman", "250 uV", 32), ("kalman", "400 uV", 64), ("none", "400 uV", 8)
])  # fmt: skip
def test_sagawa_ueda(filtered: str, noise: str, ticks: int) -> None:
    """(c) for at most one nat of information: one within 3 errors; without the information, not.

    Raw readings drive a wide target in a few coarse ticks, so that the weights stay bounded.
    """
    protocol = mixture_protocol("emf", "clocked", 64, reading_noise=noise, filter=filtered)
    score = protocol.score
    if filtered == "none":
        score = gaussian([0.0], 0.95).score(protocol.process)
    protocol = Protocol(protocol.device, protocol.process, score, wiring="emf", control="clocked",
                        ticks=ticks, reading_noise=noise, filter=filtered)  # fmt: skip
    engine = make(protocol, start="state", seed=1)
    engine.observers = (*engine.observers, Information(engine.controller))
    sample = simulate(engine, 16 * 4096)
    assert acquired(engine.controller) <= 1.0
    rho = score.log_prob(sample.end, 0.0)  # type: ignore[attr-defined]
    assert engine.start.log_prob is not None
    naive = (rho - engine.start.log_prob(sample.start)).numpy() - sample.total("heat")
    information = sample.results["information"]["information.pathwise"].numpy()
    mean = ExponentialMean.of(information - naive)
    (value, stderr), effective = mean.average, mean.effective
    assert effective > 2000
    assert_z(value, 1.0, max_z=3.0, stderr=stderr)
    value, stderr = ExponentialMean.of(-naive).average
    assert abs(value - 1.0) > 10 * stderr


@pytest.mark.parametrize("wiring", ["emf", "current"])
def test_pathwise_information_averages_to_the_filter(wiring: str) -> None:
    """E sum i_k = sum I_k, and i_k is the log ratio of the two reading densities."""
    engine, sample = demon(64, "30 uV", "none", wiring)
    assert_z(sample.results["information"]["information.pathwise"], acquired(engine.controller))
    assert ("identity.heat" in sample.results["information"]) == (wiring == "emf")


def test_exact_readings_are_infinite_information() -> None:
    engine = make(mixture_protocol("emf", "clocked", 64))
    assert acquired(engine.controller) == float("inf")
    engine = make(mixture_protocol("emf", "continuous", 64))
    assert acquired(engine.controller) == float("inf")


def test_converter_bound() -> None:
    """The smaller of two sums: few bits bind by their number, many by the noise ahead of them."""
    settings: dict[str, Any] = {"adc_range": (-3e-4, 3e-4), "reading_noise": "30 uV"}
    plain = make(mixture_protocol("emf", "clocked", 64, reading_noise="30 uV"), start="state")
    ahead = acquired(plain.controller)
    for bits in (1, 16):
        plan = make(mixture_protocol("emf", "clocked", 64, adc_bits=bits, **settings)).plan
        bound = converter_information(plan, np.zeros(1), np.eye(1))
        assert bound == pytest.approx(min(ahead, 64 * bits * np.log(2)), rel=1e-12)
    # Without noise ahead of it a code of many bits tells all of them: no step is too fine.
    fine = make(mixture_protocol("emf", "clocked", 64, adc_bits=16, adc_range=(-3e-4, 3e-4)))
    bound = converter_information(fine.plan, np.zeros(1), np.eye(1))
    assert bound == pytest.approx(64 * 16 * np.log(2), rel=1e-12)


def test_gain_before_the_noise_lets_more_pass() -> None:
    """Noise behind a gain of two is half that noise at the node."""
    quiet = make(mixture_protocol("emf", "clocked", 64, reading_noise="15 uV"), start="state")
    doubled = make(mixture_protocol("emf", "clocked", 64, adc_bits=16, adc_range=(-6e-4, 6e-4),
                                    reading_noise="30 uV", sense_gain=2.0))  # fmt: skip
    bound = converter_information(doubled.plan, np.zeros(1), np.eye(1))
    assert bound == pytest.approx(acquired(quiet.controller), rel=1e-12)


def test_erratic_demon_pays() -> None:
    """Raw 200 uV readings make the control mostly noise; the same readings filtered do not."""
    _, raw = demon(128, "200 uV", "none")
    _, filtered = demon(128, "200 uV", "kalman")
    gap = raw.total("heat").mean() - filtered.total("heat").mean()
    assert gap > 20 * raw.total("heat").std() / PATHS**0.5


@pytest.mark.parametrize("noise, nats", [("6 uV", 126.75), ("30 uV", 28.841), ("200 uV", 3.3585)])
def test_how_much_readings_tell(noise: str, nats: float) -> None:
    """sum I_k of 128 readings of a node that starts at rest, by a recursion of two numbers."""
    engine = make(
        mixture_protocol("emf", "clocked", 128, reading_noise=noise, filter="kalman"), start="state"
    )
    told = acquired(engine.controller)
    decay, r = np.exp(-6.0 / 128), engine.plan.reading_noise**2
    p, total = 1.0, 0.0
    for _ in range(128):
        total += 0.5 * np.log1p(p / r)
        p = p * r / (p + r) * decay + 1.0 - decay
    assert told == pytest.approx(total, rel=1e-9)
    assert told == pytest.approx(nats, rel=5e-5)  # as printed


@pytest.mark.parametrize("ticks, books", [(256, -0.078023), (512, -0.075685)], ids=["256", "512"])
def test_exact_readings_pay_with_what_nobody_counts(ticks: int, books: float) -> None:
    """dS + Q/kT of the clocked mixture, its law carried along by quadrature: -0.073387 as the tick
    shrinks, below zero by -0.39 h more.
    """
    engine = make(mixture_protocol("emf", "clocked", ticks))
    x = np.linspace(-7.0, 7.0, 361)  # a tick's noise is two and a half steps wide and more
    step, h = x[1] - x[0], 3.0 / ticks
    decay, spread = np.exp(-h), np.sqrt(-np.expm1(-2.0 * h))
    volts = torch.from_numpy(x)[:, None]
    law = np.exp(mixture_score().log_prob(volts, 3.0).numpy())

    def entropy(density: np.ndarray) -> float:
        return float(-(density * np.log(np.maximum(density, 1e-300))).sum() * step)

    total = -entropy(law)
    for tick in range(ticks):
        source = engine.plan.laws[tick].sources(volts).numpy()[:, 0]
        total += 0.5 * (1.0 - decay**2) * float((((x - source) ** 2 - 1.0) * law).sum() * step)
        away = (x[:, None] - decay * x - (1.0 - decay) * source) / spread
        law = np.exp(-0.5 * away**2) @ law * step / (spread * np.sqrt(2.0 * np.pi))
    total += entropy(law)
    assert total == pytest.approx(books, abs=1e-6)
    assert total == pytest.approx(-0.073387 - 0.39 * h, abs=0.02 * h)


@pytest.mark.parametrize("hot", [False, True], ids=["one temperature", "several"])
def test_identity_of_a_network(hot: bool) -> None:
    """(b) in matrix form on the chain: heat over kT, bath by bath, less its conditional mean."""
    device = chain(hot=hot)
    process = relaxation(device, 3.0)
    score = gaussian([0.5] * 8, 0.6).score(process)
    protocol = Protocol(device, process, score, wiring="emf", control="clocked", ticks=64,
                        reading_noise="20 uV", filter="kalman")  # fmt: skip
    engine = make(protocol, start="prior", seed=1)
    engine.observers = (*engine.observers, information_account(engine.controller))
    sample = simulate(engine, 8192)
    medium = (sample.results["ledger"]["heat"].numpy() / device.temperatures).sum(1)
    told = sample.results["information"]
    gap = medium - told["identity.medium"].numpy()
    assert_z(gap, 0.0, max_z=3.0)
    # It would have seen heat that is 8 % off, or as much less.
    assert abs(0.08 * medium.mean()) > 4.0 * gap.std() / len(gap) ** 0.5
    kalman = engine.controller.filter
    assert kalman is not None
    ends = (kalman.final_covariance, kalman.start_covariance)
    left = 0.5 * np.subtract(*(np.linalg.slogdet(p)[1] for p in ends)) + acquired(engine.controller)
    assert told["identity.medium"].numpy().mean() + left > 0.0  # a sum of squares
    assert_z(told["information.pathwise"], acquired(engine.controller), max_z=3.0)


@pytest.mark.parametrize("bits", [4, 8])
def test_identity_ahead_of_a_converter(bits: int) -> None:
    """Control is a function of the readings that a converter is given, so (b) is exact for them,
    however coarse its codes; for the codes with LSB^2/12 added it is one of second moments.
    """
    protocol = mixture_protocol(
        "emf", "clocked", 128, reading_noise="10 uV", adc_bits=bits, adc_range=(-4e-4, 4e-4)
    )
    engine = make(protocol, start="state", seed=1)
    engine.observers = (*engine.observers, information_account(engine.controller))
    sample = simulate(engine, PATHS // 2)
    told, heat = sample.results["information"], sample.total("heat")
    assert_z(heat - told["identity.heat"].numpy(), 0.0, max_z=3.0)
    plain = make(mixture_protocol("emf", "clocked", 128, reading_noise="10 uV"), start="state")
    assert_z(told["information.pathwise"], acquired(plain.controller), max_z=3.0)
    if bits == 8:  # noise of 3.2 steps
        assert_z(heat - told["identity.codes"].numpy(), 0.0, max_z=3.0)
