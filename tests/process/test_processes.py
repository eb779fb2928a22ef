"""Processes: closed forms against their differential equations, clocks, priors, refusals."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad

from thermohw.errors import InputError
from thermohw.process import OU, VE, VP, Normal, Process, Relaxation, process_from_dict

A = np.array([[1.0, 2.0], [0.0, 1.5]])
B2 = np.array([[2.0, 0.4], [0.4, 3.0]])
PROCESSES = [
    OU(3.0),
    VP(),
    VP(0.0, 4.0),
    VP(2.0, 2.0),
    VE(25.0),
    VE(1.5),
    Relaxation(A, B2, duration=2.5, t_min=0.01),
]
ISOTROPIC = [p for p in PROCESSES if p.isotropic]


@pytest.mark.parametrize("process", PROCESSES, ids=repr)
def test_transition_solves_the_moment_equations(process: Process) -> None:
    """decay' = F decay and noise' = F noise + noise F^T + g g^T, by fourth-order differences."""
    start, h = 0.2 * process.duration, 1e-3 * process.duration
    t = 0.6 * process.duration
    weights = {-2: 1 / 12, -1: -2 / 3, 1: 2 / 3, 2: -1 / 12}
    for index in (0, 1):
        slope = (
            sum(
                w * np.asarray(process.transition(t + k * h, start)[index])
                for k, w in weights.items()
            )
            / h
        )
        value = np.atleast_2d(process.transition(t, start)[index])
        F = np.atleast_2d(process.drift(t))
        expected = (
            F @ value
            if index == 0
            else F @ value + value @ F.T + np.atleast_2d(process.diffusion(t))
        )
        # fourth-order error: (1e-3)^4 times the fifth derivative, at most 20^5/30 of the value
        np.testing.assert_allclose(np.atleast_2d(slope), expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("process", PROCESSES, ids=repr)
def test_composition(process: Process) -> None:
    """Going 0 -> s -> t is going 0 -> t."""
    s, t = 0.3 * process.duration, 0.8 * process.duration
    (d0, n0), (d1, n1), (d, n) = (
        process.transition(s),
        process.transition(t, s),
        process.transition(t),
    )
    d0, n0, d1, n1 = (np.atleast_2d(m) for m in (d0, n0, d1, n1))
    np.testing.assert_allclose(d1 @ d0, np.atleast_2d(d), rtol=1e-13)
    np.testing.assert_allclose(d1 @ n0 @ d1.T + n1, np.atleast_2d(n), rtol=1e-13)


@pytest.mark.parametrize("process", ISOTROPIC, ids=repr)
def test_clocks(process: Process) -> None:
    """The clock is the quadrature of g^2/2; both clocks invert to round-off, tiny times too."""
    for t in (1e-12, 1e-5, 0.3, 1.0):
        t *= process.duration
        area = quad(lambda u: 0.5 * process.diffusion(u), 0.0, t, epsrel=1e-12)[0]
        assert process.diffusion_time(t) == pytest.approx(area, rel=1e-11)
        assert process.model_time(process.diffusion_time(t)) == pytest.approx(t, rel=1e-13)
        decay, noise = process.transition(t)
        assert process.log_snr(t) == pytest.approx(math.log(decay**2 / noise), rel=1e-12, abs=1e-12)
        # dt/t = d lsnr/(t d lsnr/dt): at the far end one last place of lsnr is worth a few of t
        assert process.time_at_log_snr(process.log_snr(t)) == pytest.approx(t, rel=1e-12)
        # to first order the noise is g^2 t: small times keep full relative accuracy
        if t < 1e-10:
            assert noise == pytest.approx(2.0 * area, rel=1e-9)
    assert process.log_snr(0.0) == math.inf


@pytest.mark.parametrize("rate", [[1.0, 0.25], [0.0, 2.0], [-0.3, 1.0]])
def test_relaxation_clock_is_the_slowest_mode(rate: list[float]) -> None:
    """A rotated diagonal process: the clock is that of the smallest rate, stable or not."""
    c, s = math.cos(0.4), math.sin(0.4)
    R = np.array([[c, -s], [s, c]])
    process = Relaxation(R @ np.diag(rate) @ R.T, R @ np.diag([2.0, 3.0]) @ R.T, duration=4.0)
    slow = min(rate)
    q = 2.0 if rate[0] == slow else 3.0
    for t in (1e-6, 0.5, 4.0):
        variance = q * (t if slow == 0 else -math.expm1(-2 * slow * t) / (2 * slow))
        # eigenvalues of the rotated matrix are exact to 1e-16 |A|
        assert process.log_snr(t) == pytest.approx(-2 * slow * t - math.log(variance), abs=1e-12)
        assert process.time_at_log_snr(process.log_snr(t)) == pytest.approx(t, rel=1e-12)
    assert process.diffusion_time(1.3) == process.model_time(1.3) == 1.3


def test_slowest_mode_of_a_non_normal_circuit() -> None:
    """The amplitude is a left eigenvector's: l = (1, -4) for rate 1 of [[1, 2], [0, 1.5]]."""
    process, left = Relaxation(A, B2), np.array([1.0, -4.0]) / math.sqrt(17.0)
    for t in (1e-6, 0.3, 2.0):
        decay, noise = process.transition(t)
        np.testing.assert_allclose(left @ decay, math.exp(-t) * left, rtol=1e-13)
        expected = -2.0 * t - math.log(left @ noise @ left)
        assert process.log_snr(t) == pytest.approx(expected, abs=1e-12)


def test_reference_numbers() -> None:
    """Durations and variances quoted for the usual schedules."""
    variances = {10: 21.497577, 15: 41.358170, 20: 66.594736, 25: 96.928250, 30: 132.159340}
    for sigma, variance in variances.items():
        assert VE(float(sigma)).transition(1.0)[1] == pytest.approx(variance, abs=5e-7)
    assert VP(0.1, 20.0).diffusion_time(1.0) == pytest.approx(5.025, abs=1e-12)
    assert VE(25.0).diffusion_time(1.0) == pytest.approx(48.464125, abs=5e-7)
    assert OU(400.0).log_snr(400.0) == pytest.approx(-800.0)  # no overflow


@pytest.mark.parametrize("process", PROCESSES, ids=repr)
def test_round_trip_is_exact(process: Process) -> None:
    """to_dict survives JSON and rebuilds an equal process."""
    assert process_from_dict(json.loads(json.dumps(process.to_dict()))) == process
    assert hash(process_from_dict(process.to_dict())) == hash(process)


@pytest.mark.parametrize("process", PROCESSES, ids=repr)
def test_priors(process: Process) -> None:
    """Schedule: centred noise at T. Matched: the first two moments of p_T."""
    mean, covariance = np.array([0.5, -1.0]), np.array([[1.0, 0.3], [0.3, 0.5]])
    decay, noise = (
        np.atleast_2d(m) * np.eye(2) if process.isotropic else m
        for m in process.transition(process.duration)
    )
    schedule = process.prior("schedule", mean, covariance)
    assert not schedule.mean.any()
    np.testing.assert_allclose(schedule.matrix, noise, rtol=1e-15)
    matched = process.prior("matched", mean, covariance)
    np.testing.assert_allclose(matched.mean, decay @ mean, rtol=1e-14)
    np.testing.assert_allclose(matched.matrix, decay @ covariance @ decay.T + noise, rtol=1e-14)


@pytest.mark.parametrize(
    "covariance",
    [0.7, np.array([[2.0, 0.6, 0.0], [0.6, 1.0, -0.2], [0.0, -0.2, 0.4]])],
    ids=["float", "matrix"],
)
def test_normal(covariance: float | np.ndarray) -> None:
    """Density against torch.distributions; -E ln p of its samples is the entropy within z = 4."""
    law = Normal(np.array([1.0, -2.0, 0.5]), covariance)
    x = law.sample(20_000, torch.Generator().manual_seed(3))
    oracle = torch.distributions.MultivariateNormal(
        torch.as_tensor(law.mean), torch.as_tensor(law.matrix)
    )
    torch.testing.assert_close(law.log_prob(x), oracle.log_prob(x), rtol=1e-12, atol=1e-12)
    assert law.entropy == pytest.approx(float(oracle.entropy()), abs=1e-12)
    surprisal = -law.log_prob(x)
    z = (surprisal.mean() - law.entropy) / (math.sqrt(1.5) / math.sqrt(len(x)))  # Var(-ln p) = d/2
    assert abs(float(z)) < 4
    assert law.log_prob(x.float()).dtype == torch.float32


@pytest.mark.parametrize(
    ("table", "word"),
    [
        ({"kind": "cosine"}, "choose ou, vp, ve, relaxation"),
        ({"kind": "ou", "sigma": 3.0}, "it takes duration, t_min"),
        ({"kind": "ou", "duration": "3 s"}, "expected a number"),
        ({"kind": "ou", "duration": -1.0}, "duration must be positive"),
        ({"kind": "ou", "duration": math.nan}, "duration: expected a finite number"),
        ({"kind": "ou", "duration": 10**400}, "duration: expected a finite number"),
        ({"kind": "ou", "duration": True}, "expected a number"),
        ({"kind": ["ou"]}, "choose ou, vp, ve, relaxation"),
        ({"kind": "ou", "duration": 1e-300}, "too short for doubles"),
        ({"kind": "ou", "t_min": -0.1}, "t_min must lie"),
        ({"kind": "vp", "t_min": 1.0}, "t_min must lie"),
        ({"kind": "vp", "duration": 2.0}, "model time 0 to 1"),
        ({"kind": "vp", "beta_min": 3.0, "beta_max": 1.0}, "beta_min <= beta_max"),
        ({"kind": "ve", "sigma": 1.0}, "larger than 1"),
        ({"kind": "relaxation"}, "needs A"),
        ({"kind": "relaxation", "A": [[1.0, 0.0]], "B2": [[1.0]]}, "square"),
        ({"kind": "relaxation", "A": [[math.inf]], "B2": [[1.0]]}, "finite"),
        ({"kind": "relaxation", "A": [[1.0]], "B2": [[-1.0]]}, "negative eigenvalue"),
        (
            {"kind": "relaxation", "A": [[1.0, 0], [0, 1.0]], "B2": [[1.0, 0.5], [0, 1.0]]},
            "symmetric",
        ),
    ],
)
def test_refusals(table: dict, word: str) -> None:
    """Bad tables end in one line that says what was expected."""
    with pytest.raises(InputError, match=word) as caught:
        process_from_dict(table)
    assert "process" in caught.value.where and "\n" not in str(caught.value)


def test_prior_refusals() -> None:
    """A prior of another name, or for data of another dimension."""
    with pytest.raises(InputError, match="choose schedule or matched"):
        OU().prior("uniform", np.zeros(1), 1.0)
    with pytest.raises(InputError, match="2 coordinates but the data have 3"):
        Relaxation(A, B2).prior("schedule", np.zeros(3), 1.0)
