"""Targets: moments and entropies against sampling and closed forms, data-set splits, refusals."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from acceptance import assert_z
from scipy.integrate import quad
from scipy.stats import norm

from thermohw.errors import InputError
from thermohw.target import (
    MixtureLaw,
    Target,
    digits,
    gaussian,
    gaussian_mixture,
    gaussian_pixels,
    target_from_dict,
    uniform_pixels,
)
from thermohw.target.dataset import TEST, TRAIN, VALIDATION

COVARIANCE = [[2.0, 0.6, 0.0], [0.6, 1.0, -0.2], [0.0, -0.2, 0.4]]
ANALYTIC = [
    gaussian(),
    gaussian([1.0, -2.0], [0.3, 2.0]),
    gaussian([0.5, 0.0, 1.0], covariance=COVARIANCE),
    gaussian_mixture([-1.5, 1.5], [0.3, 0.5], [0.35, 0.65]),
    gaussian_mixture([[0.0, 1.0], [2.0, -1.0], [1.0, 1.0]], [[0.5, 1.0], [0.3, 0.3], [1.0, 0.2]]),
    uniform_pixels(2),
    uniform_pixels(2, centred=True),
    gaussian_pixels(2),
    gaussian_pixels(2, mean=0.3, std=0.1, centred=True),
]


@pytest.mark.parametrize("target", ANALYTIC, ids=lambda t: t.name)
def test_moments_and_units(target: Target, generator: torch.Generator) -> None:
    """Mean and covariance are those of the samples; data and model units convert both ways."""
    x = target.sample(40_000, generator)
    assert x.dtype == torch.float64 and x.shape == (40_000, target.dim)
    assert_z(x, target.mean, label="mean")
    centred = x - torch.as_tensor(target.mean)
    assert_z(centred[:, :, None] * centred[:, None, :], target.covariance, label="covariance")
    torch.testing.assert_close(target.to_model(target.to_data(x)), x, rtol=1e-13, atol=1e-13)
    assert target.log_volume == pytest.approx(target.dim * math.log(target.scale))
    again = target_from_dict(json.loads(json.dumps(target.to_dict())), target.arrays())
    same = torch.Generator().manual_seed(5), torch.Generator().manual_seed(5)
    assert torch.equal(again.held_out(50, same[0]), target.validation(50, same[1]))
    assert again.entropy == target.entropy


def test_narrowest() -> None:
    """The smallest variance of any mode, not of any coordinate."""
    assert ANALYTIC[1].narrowest == pytest.approx(0.09)
    assert ANALYTIC[2].narrowest == pytest.approx(np.linalg.eigvalsh(COVARIANCE)[0])
    assert ANALYTIC[4].narrowest == pytest.approx(0.04)


def test_entropy_reference_values() -> None:
    """1.510398 and 0.502647 nats for the mixtures +-1 of variance 0.4 and 0.04."""
    wide = gaussian_mixture([-1.0, 1.0], math.sqrt(0.4)).entropy
    narrow = gaussian_mixture([-1.0, 1.0], 0.2).entropy
    assert wide == pytest.approx(1.510398, abs=5e-7)
    assert narrow == pytest.approx(0.502647, abs=5e-7)
    assert uniform_pixels(28).entropy == pytest.approx(784 * 5.545177, abs=784 * 5e-7)


def test_gaussian_pixels() -> None:
    """The moments of uniform pixels, on their scale; entropy 0.176485 nats a pixel above theirs."""
    gauss, flat = gaussian_pixels(3), uniform_pixels(3)
    np.testing.assert_allclose(gauss.covariance, flat.covariance, rtol=1e-14)
    assert np.array_equal(gauss.mean, flat.mean) and np.array_equal(gauss.shift, flat.shift)
    assert gauss.scale == flat.scale == 256.0 and gauss.image_shape == (3, 3)
    exact = norm(scale=256.0 / math.sqrt(12.0)).entropy()
    assert gauss.entropy == pytest.approx(9 * exact, rel=1e-13)
    assert gauss.entropy is not None and flat.entropy is not None
    assert gauss.entropy - flat.entropy == pytest.approx(9 * 0.176485, abs=9 * 5e-7)
    # the same density in data units, wherever the origin of the model units lies
    other, x = gaussian_pixels(3, centred=True), torch.full((1, 9), 100.0, dtype=torch.float64)
    dense = [t.law.log_prob(t.to_model(x).numpy())[0] for t in (gauss, other)]
    assert dense[0] == pytest.approx(dense[1], rel=1e-13)


@pytest.mark.parametrize("deviations", [(0.3, 0.5), (1.0, 0.01), (2.0, 2.0)])
def test_line_entropy_by_adaptive_quadrature(deviations: tuple[float, float]) -> None:
    """One dimension against scipy's adaptive rule, requested to 1e-11."""
    target = gaussian_mixture([-1.5, 1.5], list(deviations), [0.35, 0.65])
    edges = np.unique(np.outer([-1.5, 1.5], [1.0]) + np.outer(deviations, [-30, -5, 0, 5, 30]))

    def integrand(x: float) -> float:
        p = 0.35 * norm.pdf(x, -1.5, deviations[0]) + 0.65 * norm.pdf(x, 1.5, deviations[1])
        return float(-p * math.log(p)) if p > 0.0 else 0.0

    pieces = zip(edges[:-1], edges[1:], strict=True)
    exact = sum(quad(integrand, a, b, epsabs=1e-11, limit=200)[0] for a, b in pieces)
    assert target.entropy == pytest.approx(exact, abs=1e-9)


def test_entropy_in_more_dimensions(generator: torch.Generator) -> None:
    """Product with a Gaussian, rotation, and -E ln p of samples for a planar mixture."""
    line = gaussian_mixture([-1.0, 1.0], 0.5)
    lifted = gaussian_mixture([[-0.6, 0.0, -0.8], [0.6, 0.0, 0.8]], 0.5)  # the same axis, turned
    assert line.entropy is not None
    rest = math.log(2.0 * math.pi * math.e * 0.25)
    assert lifted.entropy == pytest.approx(line.entropy + rest, abs=1e-10)
    plane = gaussian_mixture([[-1.0, 0.0], [1.0, 0.0]], [[0.5, 0.7], [0.5, 0.7]])
    shared = MixtureLaw(plane.law.weights, plane.law.means, plane.law.covariances)
    assert shared._plane_entropy() == pytest.approx(plane.entropy, abs=1e-8)
    planar = ANALYTIC[4]
    surprisal = -planar.law.log_prob(planar.sample(40_000, generator).numpy())  # type: ignore[attr-defined]
    assert_z(surprisal, planar.entropy, label="planar mixture")
    cubic = gaussian_mixture(np.eye(4).tolist(), [0.1, 0.2, 0.3, 0.4])
    assert cubic.entropy is None


def test_digits(generator: torch.Generator) -> None:
    """1350 + 150 + 297 images, dequantised on [0, 17), standardised by the training rows alone."""
    target = digits()
    assert target.counts == {"train": 1350, "validation": 150, "test": 297}
    assert (target.split[:1350] == TRAIN).all() and (target.split[1500:] == TEST).all()
    assert (target.split[1350:1500] == VALIDATION).all()
    levels = target.to_data(target.training(None, generator))
    raw = torch.as_tensor(target.rows[:1350].astype(float))
    assert torch.equal(levels.floor(), raw) and 16.0 < levels.max() < 17.0
    # the stored moments are expectations over the dequantisation: shift them by its own noise only
    assert target.covariance.trace() / 64 == pytest.approx(1.0, rel=1e-12)
    exact = (raw - raw.mean(0)).T @ (raw - raw.mean(0)) / 1350 + torch.eye(64) / 12.0
    np.testing.assert_allclose(target.covariance * target.scale**2, exact, atol=1e-10)
    np.testing.assert_allclose(target.shift, raw.mean(0) + 0.5, rtol=1e-14)
    floor = 1.0 / 12.0 / target.scale**2  # some pixels never carry ink: only dequantisation noise
    assert target.narrowest == pytest.approx(floor, rel=1e-9)
    assert target.entropy is None and not target.analytic and target.image_shape == (8, 8)
    with pytest.raises(InputError, match="297"):
        target.held_out(298, generator)
    rows = target.to_data(target.held_out(200, generator)).floor()
    test_rows = {tuple(row) for row in target.rows[1500:].tolist()}
    assert all(tuple(map(int, row)) in test_rows for row in rows.tolist())


def test_digits_rebuild_from_stored_rows(generator: torch.Generator) -> None:
    """A stored run needs neither scikit-learn nor the file."""
    target = digits()
    again = target_from_dict(target.to_dict(), target.arrays())
    assert np.array_equal(again.shift, target.shift) and again.scale == target.scale
    same = torch.Generator().manual_seed(1)
    other = torch.Generator().manual_seed(1)
    assert torch.equal(again.sample(9, same), target.sample(9, other))


@pytest.mark.parametrize(
    ("table", "word"),
    [
        ({"kind": "imagenet"}, "choose gaussian, gaussian_mixture, uniform_pixels, digits, array"),
        ({"kind": "gaussian", "sigma": 1.0}, "it takes mean, std, covariance"),
        ({"kind": "digits", "side": 8}, "it takes no keys"),
        ({"kind": "gaussian_mixture"}, "needs means"),
        ({"kind": "gaussian", "mean": "zero"}, "expected numbers"),
        ({"kind": "gaussian", "mean": [0.0, math.nan]}, "finite"),
        ({"kind": "gaussian", "std": 0.0}, "positive"),
        ({"kind": "gaussian", "mean": [0.0, 0.0], "std": [1.0, 1.0, 1.0]}, "got shape"),
        ({"kind": "gaussian", "std": 1.0, "covariance": [[1.0]]}, "not both"),
        ({"kind": "gaussian", "mean": [0, 0], "covariance": [[1, 2], [2, 1]]}, "positive definite"),
        ({"kind": "gaussian", "mean": [0, 0], "covariance": [[1.0]]}, "expected shape"),
        ({"kind": "gaussian_mixture", "means": [0, 1], "weights": [0.5, 0.6]}, "sum to 1"),
        ({"kind": "gaussian_mixture", "means": [0, 1], "weights": [1.0]}, "2 weights"),
        ({"kind": "gaussian_mixture", "means": [[0, 1], [1]]}, "expected numbers"),
        ({"kind": "gaussian", "mean": []}, "at least one number, got an empty list"),
        ({"kind": "uniform_pixels", "side": 0}, "whole number"),
        ({"kind": "uniform_pixels", "side": 2, "centred": 1}, "true or false"),
        ({"kind": "gaussian_pixels", "side": 1.5}, "whole number"),
        ({"kind": "gaussian_pixels", "std": 0}, "a positive number, got 0"),
        ({"kind": "gaussian_pixels", "mean": math.inf}, "a finite number"),
        ({"kind": "mnist", "side": 5}, "divisor of 28"),
        ({"kind": "cifar10", "side": 16}, "it takes path, limit"),
    ],
)
def test_refusals(table: dict, word: str) -> None:
    """Bad tables end in one line naming the key."""
    with pytest.raises(InputError, match=word) as caught:
        target_from_dict(table)
    assert caught.value.where.startswith("target") and "\n" not in str(caught.value)


def test_a_crowd_of_modes_on_the_line():
    """512 modes over one another: their entropy by quadrature, in a moment and little memory."""
    means = np.linspace(-3.0, 3.0, 512) ** 3 / 9.0
    law = gaussian_mixture(means, 0.2 + 0.001 * np.arange(512)).law

    def part(x: float) -> float:
        p = float(norm.pdf(x, means, 0.2 + 0.001 * np.arange(512)).mean())
        return -p * math.log(p)

    exact = sum(quad(part, a, a + 1.0, epsabs=1e-11)[0] for a in np.arange(-8.0, 8.0))
    assert law.entropy() == pytest.approx(exact, abs=1e-8)
    with pytest.raises(InputError, match="a mixture of 513 modes: at most 512"):
        gaussian_mixture(np.arange(513.0))
