"""The filter against brute-force conditioning, its continuous limit, and its use in a run."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from acceptance import assert_order, assert_z
from problems import chain, device_from, make, mixture_protocol, rc1, simulate

from thermohw.circuit import LinearDevice, tick_moments
from thermohw.control import KalmanFilter, Piece, make_schedule, make_timeline
from thermohw.integrate import tiles
from thermohw.process import OU


def evenly(ticks: int, h: float) -> list[Piece]:
    return [Piece(k, k * h, h, True, k, True) for k in range(ticks)]


def brute_force(
    device: LinearDevice, pieces: list[Piece], variance: float, start: np.ndarray
) -> tuple[list[np.ndarray], float, np.ndarray]:
    """Covariances before every reading and the total information, from one joint Gaussian.

    The joint covariance of all reading-time voltages and all readings is built from independent
    tick noises; conditioning is one Schur complement, information a ratio of determinants.
    """
    n = device.dim
    h_inv = device.capacitance
    maps, noises = [], []
    for piece in pieces:
        m = tick_moments(device, piece.duration)
        maps.append(device.hessian @ m.propagator @ h_inv)
        noises.append(device.hessian @ m.end_covariance @ device.hessian)
    # voltage at every boundary as a linear map of (start, noise_1, .., noise_P)
    count = len(pieces)
    rows = [np.eye(n, n * (count + 1))]
    for k, one in enumerate(maps):
        row = one @ rows[-1]
        row[:, n * (k + 1) : n * (k + 2)] += np.eye(n)
        rows.append(row)
    cause = np.zeros((n * (count + 1),) * 2)
    for k, block in enumerate([start, *noises]):
        cause[n * k : n * (k + 1), n * k : n * (k + 1)] = block
    read = [k for k, piece in enumerate(pieces) if piece.reads]
    observed = np.concatenate([rows[k] for k in read])
    total = observed @ cause @ observed.T + variance * np.eye(len(observed))
    priors = []
    for r in range(len(read) + 1):
        target = rows[read[r]] if r < len(read) else rows[-1]
        seen = observed[: n * r]
        gain = target @ cause @ seen.T @ np.linalg.inv(total[: n * r, : n * r])
        priors.append(target @ cause @ target.T - gain @ seen @ cause @ target.T)
    information = 0.5 * (np.linalg.slogdet(total)[1] - len(total) * np.log(variance))
    return priors[:-1], float(information), priors[-1]


@pytest.mark.parametrize("latency", [0.0, 0.13])
@pytest.mark.parametrize("name", ["rc1", "network"])
def test_against_one_joint_gaussian(name: str, latency: float) -> None:
    """Every prior covariance, the final one, and the summed information (chain rule)."""
    device = rc1() if name == "rc1" else device_from(
        np.array([[1.5, -0.5], [-0.5, 2.0]]), np.array([[1.2, -0.2], [-0.2, 1.0]]), [0.5, 2.0]
    )  # fmt: skip
    n = device.dim
    pieces = make_timeline(make_schedule(OU(1.0), 1.0, 5), latency)
    start = np.diag(np.linspace(0.7, 2.0, n))
    kalman = KalmanFilter(device, pieces, 0.3, start_mean=np.zeros(n), start_covariance=start,
                          wiring="emf")  # fmt: skip
    priors, information, final = brute_force(device, pieces, 0.3, start)
    for found, exact in zip(kalman.readings, priors, strict=True):
        np.testing.assert_allclose(found.prior, exact, rtol=1e-11, atol=1e-12)
        gain = exact @ np.linalg.inv(exact + 0.3 * np.eye(n))
        np.testing.assert_allclose(found.gain, gain, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(kalman.final_covariance, final, rtol=1e-11, atol=1e-12)
    total = sum(reading.information for reading in kalman.readings)
    assert total == pytest.approx(information, rel=1e-11)


def test_single_reading_at_unit_snr() -> None:
    """I = ln(2)/2 = 0.346574 nats; the posterior variance halves."""
    kalman = KalmanFilter(rc1(), evenly(1, 0.1), 1.0, start_mean=np.zeros(1),
                          start_covariance=np.eye(1), wiring="emf")  # fmt: skip
    reading = kalman.readings[0]
    assert reading.information == pytest.approx(0.346574, abs=5e-7)
    assert float(reading.posterior[0, 0]) == pytest.approx(0.5, rel=1e-15)
    # What shifting the equilibrium to the posterior mean can extract: (1/2)(P - P+) = 0.25 kT.
    assert 0.5 * float(reading.prior[0, 0] - reading.posterior[0, 0]) == pytest.approx(0.25)


def test_continuous_watching() -> None:
    """dx = -x dt + sqrt2 dW watched with noise density 1: variance sqrt3 - 1, rate (sqrt3 - 1)/2.

    R_m = 1/h. The mean of prior and posterior variance and the information rate are centred, hence
    second order in h; slope and limit are both asserted.
    """
    steps = np.array([0.08, 0.04, 0.02, 0.01])
    variance, rate = [], []
    for h in steps:
        kalman = KalmanFilter(rc1(), evenly(int(12 / h), h), 1 / h, start_mean=np.zeros(1),
                              start_covariance=np.eye(1), wiring="emf")  # fmt: skip
        last = kalman.readings[-1]
        variance.append(abs(0.5 * float(last.prior[0, 0] + last.posterior[0, 0]) - 0.7320508))
        rate.append(abs(last.information / h - 0.3660254))
    # The next order is h^2 = 0.6 % of the leading one at the coarsest step.
    assert_order(variance, steps, 2.0, 0.02)
    assert_order(rate, steps, 2.0, 0.02)
    assert rate[-1] < 1e-5 and variance[-1] < 1e-5


@pytest.mark.parametrize("wiring", ["emf", "current"])
@pytest.mark.parametrize("latency", [None, "130 ns"])
def test_filter_of_a_run_is_calibrated(wiring: str, latency: str | None) -> None:
    """Whatever the score does, predictions err by exactly the Kalman variance, late inputs too.

    The start is the Gaussian equilibrium, where the filter is exact.
    """
    engine = make(mixture_protocol(wiring, "clocked", 32, reading_noise="30 uV", filter="kalman",
                                   latency=latency), start="state", seed=4)  # fmt: skip
    errors: list[torch.Tensor] = []

    class Watch:
        name = "watch"
        sums = False

        def init(self, state: torch.Tensor) -> dict[str, torch.Tensor]:
            return {}

        def update(self, carry: object, step: object) -> None:
            control, piece = step.control, step.piece  # type: ignore[attr-defined]
            if control is not None and piece.reads and piece.applies == piece.tick:
                errors.append((control.predicted - step.start)[:, 0])  # type: ignore[attr-defined]

        def result(self, carry: object, state: torch.Tensor) -> dict[str, torch.Tensor]:
            return {}

    if latency is None:
        engine.observers = (*engine.observers, Watch())
    run = engine.open(tiles(16384, 16384)[0])
    run.advance(32)
    assert engine.controller.filter is not None and run.predicted is not None
    final = (run.predicted - run.state)[:, 0]
    exact = float(engine.controller.filter.final_covariance[0, 0])
    assert_z(final, 0.0)
    assert_z(final.square(), exact)
    for tick, error in enumerate(errors):
        assert_z(error.square(), float(engine.controller.filter.readings[tick].prior[0, 0]))
    assert len(errors) == (32 if latency is None else 0)


def test_posterior_stays_positive_for_tiny_noise() -> None:
    device = chain(hot=True)
    start = device.hessian @ device.stationary_covariance @ device.hessian
    kalman = KalmanFilter(device, evenly(20, 1e-3), 1e-12, start_mean=np.zeros(8),
                          start_covariance=start, wiring="emf")  # fmt: skip
    for reading in kalman.readings:
        values = np.linalg.eigvalsh(0.5 * (reading.posterior + reading.posterior.T))
        assert values.min() > 0.0
        assert reading.information > 0.0


def test_raw_and_filtered_runs_share_the_filter() -> None:
    """filter = none lets the score see the raw reading; what is known is the same."""
    raw = make(mixture_protocol("emf", "clocked", 64, reading_noise="30 uV"))
    filtered = make(mixture_protocol("emf", "clocked", 64, reading_noise="30 uV", filter="kalman"))
    a, b = raw.controller.filter, filtered.controller.filter
    assert a is not None and b is not None
    np.testing.assert_array_equal(a.final_covariance, b.final_covariance)
    assert not torch.equal(simulate(raw, 4096).end, simulate(filtered, 4096).end)
