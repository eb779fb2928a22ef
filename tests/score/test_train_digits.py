"""Real digits: the likelihood that the default training must reach, reached in a tenth of it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from thermohw.likelihood.flow import flow_nll
from thermohw.process import VP
from thermohw.score import Score
from thermohw.score.network import NetworkScore
from thermohw.score.training import fit_score
from thermohw.target import digits

PROCESS = VP(t_min=4e-4)


def test_the_noise_left_is_below_0_03_grey_level():
    decay, noise = PROCESS.transition(PROCESS.t_min)
    assert math.sqrt(noise) / decay * digits().scale <= 0.03


def bits_of_others(score: Score, points: torch.Tensor) -> np.ndarray:
    """Bits per pixel of every held-out image; none dropped, none clipped."""
    target = digits()
    prior = PROCESS.prior("schedule", target.mean, target.covariance)
    flow = flow_nll(score, points, prior, tolerance=1e-3)
    bits = (flow.nll.numpy() + target.log_volume) / (64 * math.log(2.0))
    stderr = bits.std(ddof=1) / math.sqrt(len(bits))
    worst = np.sort(bits)[-3:].round(2)
    print(f"mean {bits.mean():.4f} +- {stderr:.4f}, median {np.median(bits):.4f}, worst {worst}")
    assert flow.converged and len(bits) == 297
    return bits


def assert_below(bits: np.ndarray, most: float) -> None:
    """Mean over 297 images of other writers, four standard errors below.

    Reference: uniform 4.09, one Gaussian 2.96, a mixture of ten 2.81 bits per pixel.
    """
    stderr = bits.std(ddof=1) / math.sqrt(len(bits))
    assert bits.mean() + 4.0 * stderr <= most and stderr <= 0.03


@pytest.fixture(scope="module")
def others() -> torch.Tensor:
    return digits().held_out(None, torch.Generator().manual_seed(7))


@pytest.fixture(scope="module")
def hundred() -> NetworkScore:
    """A whole training, its schedule included, of a hundred steps for the default's thousand."""
    return fit_score(digits(), PROCESS, steps=100, seed=0, progress=False)


def test_a_hundred_steps_beat_the_gaussian(hundred: NetworkScore):
    target = digits()
    bits = np.array(hundred.record["validation"])[:, 2] / (64 * math.log(2.0))
    _, log_det = np.linalg.slogdet(2.0 * math.pi * math.e * target.covariance * target.scale**2)
    gaussian_bits = 0.5 * log_det / (64 * math.log(2.0))
    assert hundred.head.kind == "levels" and 2.8 < gaussian_bits < 3.0
    # The Gaussian's own training likelihood, which nothing Gaussian beats on other writers; an
    # always-empty pixel alone is worth (1/2) log2(2 pi e/12) = 0.25 bit more to a head with edges.
    assert bits[-1] < gaussian_bits - 0.25


def test_held_out_digits(hundred: NetworkScore, others: torch.Tensor):
    """What the default training must reach, reached ten times earlier."""
    assert_below(bits_of_others(hundred, others), 2.75)


@pytest.mark.long
def test_held_out_digits_of_the_default_training(others: torch.Tensor):
    score = fit_score(digits(), PROCESS, seed=0, progress=False)
    assert_below(bits_of_others(score, others), 2.75)
