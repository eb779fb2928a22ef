"""Kicks and class information: printed digits, Bayes by brute force, the rate that links them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy

from thermohw.errors import InputError
from thermohw.process import VE, VP
from thermohw.transitions import (
    TwoHumps,
    class_information,
    class_observable,
    information_rate,
    kick_peak,
    kick_response,
)

HUMPS, DELTAS = TwoHumps(1.0, 0.4), TwoHumps(1.0, 0.0)


@pytest.mark.parametrize(("t", "value"), [(0.1, 0.52898), (0.246, 0.56887), (0.6, 0.48360)])
def test_published_responses(t, value):
    assert kick_response(HUMPS, t) == pytest.approx(value, abs=5.1e-6)


def test_response_is_what_a_push_changes():
    """E over p_t of the change of E[m_0(x_0) | x_t], the posterior summed over x_0: no tanh of
    x_t, no mmse. Differences of fourth order, h^4/30 times a fifth derivative below 1e3."""
    t, h = 0.246, 3e-3
    decay, noise = math.exp(-t), -math.expm1(-2 * t)
    x_0, x = np.linspace(-6, 6, 1201), np.linspace(-7, 7, 701)
    p_0 = np.exp(HUMPS.law().log_prob(x_0[:, None]))
    told = class_observable(HUMPS)(x_0)

    def mean(states):
        joint = p_0 * np.exp(-((states[:, None] - decay * x_0) ** 2) / (2 * noise))
        return joint @ told / joint.sum(1)

    m = [mean(x + k * h) for k in (-2, -1, 1, 2)]
    slope = (m[0] - 8 * m[1] + 8 * m[2] - m[3]) / (12 * h)
    p_t = np.exp(HUMPS.law(t).log_prob(x[:, None]))
    assert kick_response(HUMPS, t) == pytest.approx(float(slope @ p_t) * (x[1] - x[0]), abs=1e-8)


def test_information_in_all():
    assert class_information(HUMPS, 0.0) == pytest.approx(0.549604, abs=5.1e-7)
    assert class_information(DELTAS, 0.0) == pytest.approx(math.log(2.0), rel=1e-14)
    for humps in (HUMPS, DELTAS):
        total = scipy.integrate.quad(lambda t: information_rate(humps, t), 0, 20, limit=400,  # noqa: B023
                                     points=[0.02, 0.3, 3], epsabs=1e-11)[0]  # fmt: skip
        assert total == pytest.approx(class_information(humps, 0.0), abs=1e-9)  # the rest: e^-40
    # OU: -dI/dt = (c/D) chi, written out
    t = 0.3
    decay = math.exp(-t)
    width = 0.4 * decay**2 + 1 - decay**2
    assert information_rate(HUMPS, t) == pytest.approx(decay / width * kick_response(HUMPS, t))


@pytest.mark.parametrize("process", [VP(0.1, 20.0), VE(5.0)])
def test_rate_under_other_processes(process):
    h = 1e-4
    for t in (0.1, 0.3, 0.6):
        i = [class_information(HUMPS, t + k * h, process) for k in (-2, -1, 1, 2)]
        slope = (i[0] - 8 * i[1] + 8 * i[2] - i[3]) / (12 * h)
        # h^4/30 times a fifth derivative below 1e5, and round-off 1e-15/h
        assert information_rate(HUMPS, t, process) == pytest.approx(-slope, abs=1e-9)


def test_the_maximum_is_no_critical_peak():
    peak = kick_peak(HUMPS)
    assert (peak.time, peak.response) == pytest.approx((0.2460, 0.568867), abs=5.1e-5)
    assert peak.response == pytest.approx(0.568867, abs=5.1e-7)
    sharp = kick_peak(DELTAS)
    assert sharp.time == pytest.approx(0.3241, abs=5.1e-5)
    assert sharp.response == pytest.approx(0.637196, abs=5.1e-7)
    for humps, time in ((HUMPS, peak.time), (DELTAS, sharp.time)):
        near = [kick_response(humps, time + k * 0.02) for k in (-1, 0, 1)]
        assert near[1] > max(near[0], near[2]) > 0.99 * near[1]  # flat: .02 away, under 1 % less


def test_observables_and_ends():
    x = np.array([-2.0, 0.0, 0.5])
    assert class_observable(DELTAS)(x) == pytest.approx(np.sign(x))
    log_p = [-((x - m) ** 2) / 0.8 for m in (1.0, -1.0)]
    odds = (np.exp(log_p[0]) - np.exp(log_p[1])) / (np.exp(log_p[0]) + np.exp(log_p[1]))
    assert class_observable(HUMPS)(x) == pytest.approx(odds, rel=1e-13)
    assert kick_response(DELTAS, 0.0) == information_rate(DELTAS, 0.0) == 0.0
    with pytest.raises(InputError):
        kick_response(HUMPS, -0.1)
