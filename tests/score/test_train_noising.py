"""The training loss is the evidence bound: right number, right gradient, right noise."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from acceptance import assert_z

from thermohw.errors import InputError
from thermohw.process import OU, VE, VP, Relaxation
from thermohw.score.network.clock import NoiseClock
from thermohw.score.network.design import design
from thermohw.score.training.noising import NoiseLevels
from thermohw.target import gaussian_mixture

LINE = gaussian_mixture([[-1.5], [1.5]], [0.3, 0.3], [0.35, 0.65])
PLANE = gaussian_mixture([[-1.5, 0.0], [1.0, 0.5]], [[0.3, 0.5], [0.6, 0.3]], [0.35, 0.65])
COUPLED = Relaxation(
    np.array([[1.0, 2.0], [0.0, 1.5]]), np.array([[1.0, 0.3], [0.3, 2.0]]), 6.0, 1e-3
)
CASES = [(LINE, OU(6.0, 0.2)), (LINE, VP(t_min=1e-3)), (PLANE, COUPLED)]
NAMES = ["ou", "vp", "relaxation"]


def table(target, process) -> NoiseLevels:
    return NoiseLevels(design(target, process))


@pytest.mark.parametrize(("target", "process"), CASES, ids=NAMES)
def test_the_bound_of_the_exact_score_is_the_entropy(target, process, generator):
    # U[s] - S(t_min) = KL(p_T || its Gaussian), which after 5 time constants is below 1e-4 of the
    # standard error, plus the midpoint rule's error over 512 cells, (cell width)^2/24 of the slope.
    noise, exact = table(target, process), target.score(process)
    index, cells = noise.even(64)
    # the exact fields of the cells' own times
    clock = NoiseClock(process, target.narrowest)
    times = clock.times(((np.arange(512) + 0.5) / 512).tolist())
    fields = [exact.at(times[i]) for i in index.tolist()]
    bounds = []
    for _ in range(150):
        x0 = torch.stack([target.sample(16, generator) for _ in fields])
        z = torch.randn(x0.shape, generator=generator)
        x, conditional = noise.noised(x0.float(), z, index)
        s = torch.stack([f(row) for f, row in zip(fields, x, strict=True)])
        bounds.append(
            float(noise.bound(s, conditional, index, cells)) + noise.ends(x0.flatten(0, 1))
        )
    entropy = exact.entropy(process.t_min).value
    assert_z(bounds, entropy, label="evidence bound")


@pytest.mark.parametrize(("target", "process"), CASES, ids=NAMES)
def test_loss_and_bound_differ_by_a_constant(target, process, generator):
    noise = table(target, process)
    index, cells = noise.draw(32, generator)
    x0 = torch.stack([target.sample(8, generator) for _ in index]).float()
    x, conditional = noise.noised(x0, torch.randn(x0.shape, generator=generator), index)
    scores = [-x, torch.sin(3.0 * x), conditional]
    losses = [float(noise.loss(s, conditional, index, cells)) for s in scores]
    bounds = [float(noise.bound(s, conditional, index, cells)) for s in scores]
    size = max(abs(v) for v in losses + bounds)
    gaps = [a - b for a, b in zip(losses, bounds, strict=True)]
    assert max(gaps) - min(gaps) < 1e-5 * size  # sums of float32 products
    assert losses[2] == 0.0


@pytest.mark.parametrize(("target", "process"), CASES, ids=NAMES)
def test_noise_and_conditional_score_are_the_transition(target, process):
    noise = table(target, process)
    clock = NoiseClock(process, target.narrowest)
    index, _ = noise.even(8)
    generator = torch.Generator().manual_seed(1)
    x0 = torch.randn(8, 5, target.dim, generator=generator)
    z = torch.randn(x0.shape, generator=generator)
    x, conditional = noise.noised(x0, z, index)
    for k, cell in enumerate(index.tolist()):
        t = clock.times([(cell + 0.5) / 512])[0]
        decay, covariance = (np.atleast_2d(v) for v in process.transition(t))
        away = x[k].double().numpy() - x0[k].double().numpy() @ decay.T
        expected = -away @ np.linalg.inv(covariance)
        # subtracting decay x_0 in float32 leaves 1e-7 |x_0| of noise sqrt(noise)
        smallest = math.sqrt(np.linalg.eigvalsh(covariance)[0])
        allowed = 1e-6 * (1.0 + float(x[k].abs().max()) / smallest) * np.abs(expected).max()
        assert np.abs(conditional[k].numpy() - expected).max() < 10.0 * allowed
        distances = (away @ np.linalg.inv(np.linalg.cholesky(covariance)).T) ** 2
        assert np.allclose(distances.sum(1), z[k].square().sum(1).numpy(), rtol=0.0, atol=1e-2)


def test_drawn_times_stand_for_all_cells(generator):
    noise = table(LINE, VE(25.0, t_min=1e-3))
    blocks, rounds = torch.zeros(8), 400
    largest = 0.0
    for _ in range(rounds):
        index, cells = noise.draw(32, generator)
        assert (index[1:] >= index[:-1]).all()
        blocks.index_add_(0, index // 64, cells / (64.0 * rounds))
        largest = max(largest, float(cells.max()))
    # Stratified draws: their number in a block is one of two neighbours, of deviation 1/2 at most,
    # and a draw stands for a share of up to `largest`/64 of it.
    assert largest > 1.3 * 512 / 32  # drawn unevenly, or the test would be empty
    assert_z(blocks, 1.0, stderr=0.5 * largest / 64.0 / math.sqrt(rounds), label="cells")


def test_the_clock_runs_from_clean_to_noisy():
    process = VP()
    clock = NoiseClock(process, 0.09)
    decay, noise = process.transition(clock.earliest)
    assert math.isclose(noise / decay**2, 1e-3 * 0.09, rel_tol=1e-9)
    times = clock.times([0.0, 0.25, 0.5, 1.0])
    assert times == sorted(times) and math.isclose(times[-1], 1.0)
    levels = np.array([process.log_snr(t) for t in times])
    assert np.allclose(np.diff(levels) / -clock.span, [0.25, 0.25, 0.5], rtol=1e-9)
    conditioning = clock.conditioning([0.0, *times])
    first, last = float(conditioning[0]), float(conditioning[-1])
    assert conditioning[0] == conditioning[1] and abs(first) < 1e-12 and abs(last - 1.0) < 1e-12
    assert (torch.diff(conditioning)[1:] > 0.0).all()
    assert clock.clip(0.0) == clock.earliest and NoiseClock(VP(t_min=0.1), 0.09).earliest == 0.1


def test_a_coordinate_without_noise_cannot_be_trained():
    silent = Relaxation(np.eye(2), np.diag([2.0, 0.0]), 3.0)
    with pytest.raises(InputError, match="no noise"):
        table(PLANE, silent)
