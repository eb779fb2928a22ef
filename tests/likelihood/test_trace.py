"""Traces along the flow: exact by columns, probed by Hutchinson, and which of them is chosen."""

from __future__ import annotations

import math

import numpy as np
import torch
from acceptance import assert_z

from thermohw.likelihood import ExactTrace, Hutchinson, Timeline, flow_nll
from thermohw.likelihood.trace import choose_trace
from thermohw.process import VP, Relaxation
from thermohw.target import gaussian

COUPLED = Relaxation(
    np.array([[1.0, 2.0], [0.0, 1.5]]), np.array([[1.0, 0.3], [0.3, 2.0]]), duration=2.0, t_min=0.01
)
COVARIANCE = np.array([[0.5, 0.2], [0.2, 0.3]])


def test_hutchinson_matrix(generator: torch.Generator) -> None:
    """Weighted trace of a linear field: exact by columns; probes have it as their mean."""
    target = gaussian([0.4, -1.0], covariance=COVARIANCE)
    field = target.score(COUPLED).at(0.3)
    x = target.sample(300, generator)
    slope = -np.linalg.inv(COUPLED.propagate(target.mean, COVARIANCE, 0.3)[1])
    mobility = torch.as_tensor(0.5 * COUPLED.B2)
    expected = float(np.trace(mobility.numpy() @ slope))
    exact = ExactTrace().prepare(300, 2)(field, x, mobility)
    assert exact.shape == (1, 300) and (exact - expected).abs().max() < 1e-12
    probed = Hutchinson(8, generator).prepare(300, 2)(field, x, mobility).flatten()
    values, vectors = np.linalg.eigh(mobility.numpy())
    root = vectors * np.sqrt(values)
    inner = root.T @ slope @ root
    assert_z(probed, expected, label="mean")
    # with two signs r A r = tr A +- 2 A_01: the scatter itself is exact
    assert ((probed - expected).abs() - 2.0 * abs(inner[0, 1])).abs().max() < 1e-12


def test_trace_choice(generator: torch.Generator) -> None:
    assert isinstance(choose_trace(0, 128, generator), ExactTrace)
    assert isinstance(choose_trace(0, 129, generator), Hutchinson)
    assert isinstance(choose_trace(0, 784, generator, closed_form=True), ExactTrace)
    assert choose_trace(5, 2, generator).products == 5


def test_many_dimensions(generator: torch.Generator) -> None:
    """100 dimensions: exact and probed traces agree, and the exact density is met."""
    d = 100
    base = np.random.default_rng(1).normal(size=(d, d)) / math.sqrt(d)
    covariance = base @ base.T + 0.2 * np.eye(d)
    target, process = gaussian(np.zeros(d), covariance=covariance), VP(beta_min=0.1, beta_max=20.0)
    score, points = (
        target.score(process),
        gaussian(np.zeros(d), covariance=covariance).sample(120, generator),
    )
    prior = process.prior("matched", target.mean, target.covariance)
    timeline = Timeline.of(process, target.narrowest)
    exact = flow_nll(score, points, prior, timeline=timeline, tolerance=1e-8)
    assert (exact.nll + score.log_prob(points, 0.0)).abs().max() < 1e-4
    probed = flow_nll(score, points, prior, timeline=timeline, trace=Hutchinson(8, generator))
    assert_z((probed.nll - exact.nll) / probed.divergence_stderr.mean() * math.sqrt(8.0), 0.0)
