"""filter = "tweedie": a reading's own law is the conditional mean of the state's, by quadrature."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from problems import mixture_score, rc1

from thermohw.control import Protocol, make_plan
from thermohw.errors import InputError
from thermohw.process import VE, VP
from thermohw.score import ExactScore

PROCESSES = {
    "ou": (None, None), "vp": (VP(beta_min=0.1, beta_max=20.0, t_min=1e-3), None),
    "ve": (VE(sigma=5.0, t_min=1e-3), None), "loud": (None, "90 uV"),
}  # fmt: skip


def protocol(score: ExactScore, noise: str, **more: object) -> Protocol:
    settings = {"wiring": "emf", "control": "clocked", "ticks": 64, "allow_ringing": True}
    settings |= {"reading_noise": noise, "filter": "tweedie"} | more
    return Protocol(rc1(), score.process, score, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", PROCESSES)
@pytest.mark.parametrize("bits", [None, 5])
def test_law_of_a_reading(name: str, bits: int | None) -> None:
    """c(r) = E[c(x) | r], x of p_t and r = x + N(0, R), R with the steps of a converter in it."""
    process, volts = PROCESSES[name]
    score = mixture_score(process)
    more = {} if bits is None else {"adc_bits": bits, "adc_range": ("-500 uV", "500 uV")}
    more |= {} if volts is None else {"volts_per_unit": volts}
    asked = protocol(score, "20 uV", **more)
    plan = make_plan(asked)
    plain = make_plan(protocol(score, "20 uV", **more | {"filter": "none"}))
    root, variance = asked.theta**0.5, float(plan.reading_variance) * asked.theta
    steps = 0.0 if bits is None else (1e-3 / 2**bits / 6.4358e-5) ** 2 / 12.0
    assert float(plan.reading_variance) == pytest.approx((20.0 / 64.358) ** 2 + steps, rel=1e-4)
    readings = np.array([-1.7, -0.2, 0.6, 2.1])
    for tick in (12, 40, 63):  # before the tenth, readings lie beyond the last level of "ve"
        t = float(plan.schedule.model_time[tick])
        wide = float(np.sqrt(1.4 + process.transition(t)[1])) if process else 1.5
        x = np.linspace(-9.0 * wide, 9.0 * wide, 24_001)
        states = torch.from_numpy(x)[:, None]
        density = np.exp(score.log_prob(states, t).numpy())
        wanted = plain.laws[tick].sources(states / root).numpy()[:, 0]
        weight = density * np.exp(-0.5 * (readings[:, None] - x) ** 2 / variance)
        mean = (weight @ wanted) / weight.sum(1)
        seen = plan.laws[tick].sources(torch.from_numpy(readings)[:, None] / root).numpy()[:, 0]
        np.testing.assert_allclose(seen, mean, rtol=1e-7, atol=1e-7 * np.abs(wanted).max())


def test_what_it_does_not_go_with() -> None:
    score = mixture_score()
    with pytest.raises(InputError, match="needs a reading_noise"):
        protocol(score, "1 uV", reading_noise=None)
    with pytest.raises(InputError, match="takes a reading for the node's voltage"):
        protocol(score, "1 uV", sense_gain=1.1)
    for kind in ("tweedie", "kalman"):  # exact readings: infinite information, nothing to filter
        with pytest.raises(InputError, match="reading_noise: '0 uV': expected a positive quantity"):
            make_plan(protocol(score, "0 uV", filter=kind))
