"""The clock, its quadrature rule with error estimate, and the Gaussian reference."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad

from thermohw.likelihood.reference import Reference
from thermohw.likelihood.timeline import COUNTS, Timeline
from thermohw.process import OU, VE, VP, Process, Relaxation

COUPLED = Relaxation(
    np.array([[1.0, 2.0], [0.0, 1.5]]), np.array([[1.0, 0.3], [0.3, 2.0]]), duration=2.0, t_min=0.01
)
PROCESSES: list[Process] = [
    OU(duration=2.0),
    VP(beta_min=0.1, beta_max=20.0, t_min=1e-4),
    VE(sigma=25.0),
    COUPLED,
]


@pytest.mark.parametrize("process", PROCESSES, ids=lambda p: p.kind)
@pytest.mark.parametrize("narrowest", [0.0, 0.05])
def test_ends_and_rates(process: Process, narrowest: float) -> None:
    timeline = Timeline.of(process, narrowest)
    first, last = timeline.ends
    assert timeline.at(first).time == pytest.approx(process.t_min, abs=1e-14)
    assert timeline.at(last).time == pytest.approx(process.duration, rel=1e-12)
    moment, step = timeline.at(0.5 * (first + last)), 1e-5
    ahead, behind = (timeline.at(0.5 * (first + last) + h).time for h in (step, -step))
    # dt/du = stretch/rate, to the central difference's step^2
    assert (ahead - behind) / (2 * step) == pytest.approx(moment.stretch / moment.rate, rel=1e-8)
    drift, diffusion = process.drift(moment.time), process.diffusion(moment.time)
    assert np.allclose(moment.rate * np.asarray(moment.drift), drift, rtol=1e-12)
    assert np.allclose(2.0 * moment.rate * np.asarray(moment.mobility), diffusion, rtol=1e-12)


@pytest.mark.parametrize("count", COUNTS[:4])
def test_rule(count: int) -> None:
    """Exact for polynomials below degree count; nested; a pole's error as estimated."""
    timeline = Timeline.of(VE(sigma=10.0), 0.1)
    first, last = timeline.ends
    half = 0.5 * (last - first)
    nodes, weights = timeline.rule(count)
    z = (nodes - 0.5 * (first + last)) / half
    for power in range(count):
        exact = 0.0 if power % 2 else 2.0 * half / (power + 1)
        assert float(weights @ z**power) == pytest.approx(exact, abs=1e-12)
    finer, _ = timeline.rule(2 * count + 1)
    assert np.allclose(finer[1::2], nodes, rtol=0.0, atol=1e-13)
    values = 1.0 / (1.0 + (3.0 * z) ** 2)
    error = abs(float(weights @ values) - half * 2.0 * math.atan(3.0) / 3.0)
    estimate = float(timeline.remainder(torch.as_tensor(values)))
    assert 0.1 * error < estimate < 100.0 * error + 1e-15


@pytest.mark.parametrize("process", PROCESSES, ids=lambda p: p.kind)
def test_log_volume(process: Process) -> None:
    """int E div f dt against quadrature of the drift's trace."""
    volume, _ = quad(
        lambda t: (
            float(np.trace(np.asarray(process.drift(t)) * np.eye(2)))
            if process.isotropic
            else float(np.trace(process.drift(t)))
        ),
        process.t_min,
        process.duration,
    )
    assert Timeline.of(process, 0.1).log_volume(2) == pytest.approx(volume, abs=1e-12)


@pytest.mark.parametrize("process", PROCESSES, ids=lambda p: p.kind)
def test_reference(process: Process) -> None:
    """int tr(D C_t^-1) dt in closed form, by the rule, and pointwise from propagated moments."""
    mean, covariance = np.array([0.3, -0.7]), np.array([[0.5, 0.2], [0.2, 0.3]])
    timeline = Timeline.of(process, 0.1)
    reference = Reference(timeline, covariance, mean)
    nodes, weights = timeline.rule(111)
    moments = [timeline.at(u) for u in nodes]
    total = sum(w * m.stretch * reference.trace(m) for w, m in zip(weights, moments, strict=True))
    assert total == pytest.approx(reference.integral, rel=1e-10)
    moment = moments[40]
    centre, spread = process.propagate(mean, covariance, moment.time)
    mobility = (
        np.asarray(moment.mobility) * np.eye(2)
        if process.isotropic
        else np.asarray(moment.mobility)
    )
    assert reference.trace(moment) == pytest.approx(
        np.trace(mobility @ np.linalg.inv(spread)), rel=1e-12
    )
    slope, at = reference.score(moment.time)
    assert np.allclose(slope.numpy() @ spread, -np.eye(2), atol=1e-12)
    assert np.allclose(at.numpy(), centre, atol=1e-14)
