"""Network scores as fields: preconditioners exact where they claim to be, exact divergences."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from thermohw.errors import InputError
from thermohw.process import OU, VE, VP, Process, Relaxation
from thermohw.score.network import NetworkScore
from thermohw.score.network.design import design
from thermohw.target import DataSet, Target, gaussian

NON_NORMAL = Relaxation(np.array([[1.0, 2.0], [0.0, 1.5]]), np.array([[1.0, 0.3], [0.3, 2.0]]))
SIZES = {"width": 24, "bumps": 6}


def grey(dim: int, levels: int = 5) -> DataSet:
    """Correlated rows of whole numbers 0..levels-1."""
    rng = np.random.default_rng(5)
    rows = rng.integers(0, levels, (200, dim))
    rows[:, -1] = np.minimum(rows[:, 0] + rng.integers(0, 2, 200), levels - 1)
    rows[0], rows[1] = 0, levels - 1
    return DataSet(rows, np.zeros(200), table={"kind": "grey"}, name="grey", step=1.0)


def network(target: Target, process: Process, *, output: float) -> NetworkScore:
    """A network with random weights; output = 0 leaves the preconditioner alone."""
    head = design(target, process, SIZES)
    generator = torch.Generator().manual_seed(2)
    weights = head.trunk.initial(generator)
    weights["weight_3"] = output * torch.randn(weights["weight_3"].shape, generator=generator)
    weights["shift_3"] = output * torch.randn(weights["shift_3"].shape, generator=generator)
    return NetworkScore(head, weights)


def noised(target: Target, process: Process, t: float, n: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    law = process.propagate(target.mean, target.covariance, t)
    normal = torch.randn(n, target.dim, dtype=torch.float64, generator=generator)
    root = torch.as_tensor(np.linalg.cholesky(law[1]))
    return torch.as_tensor(law[0]) + 1.3 * normal @ root.T


def trace_of_jacobian(field, x: torch.Tensor) -> torch.Tensor:
    jacobian = torch.func.vmap(torch.func.jacfwd(lambda row: field(row[None])[0]))(x)
    return jacobian.diagonal(dim1=1, dim2=2).sum(1)


TWO = gaussian([0.3, -0.2], [0.8, 0.1])
CASES = [
    (TWO, OU(3.0)),
    (TWO, VE(25.0)),
    (TWO, NON_NORMAL),
    (grey(3), VP(t_min=1e-4)),
    (grey(3), VE(25.0, t_min=1e-3)),
]


@pytest.mark.parametrize(("target", "process"), CASES, ids=lambda v: getattr(v, "kind", ""))
@pytest.mark.parametrize("share", [0.0, 0.2, 0.4, 0.6, 1.0])
def test_divergence_is_the_trace_of_the_jacobian(target, process, share):
    score = network(target, process, output=0.5)
    t = process.t_min + share * (process.duration - process.t_min)
    field, x = score.at(t), noised(target, process, max(t, 1e-4), 40)
    value, divergence = field.with_divergence(x)
    expected = trace_of_jacobian(field, x)
    # round-off of a sum of a few hundred products, relative to the largest of them
    scale = expected.abs().max()
    assert (divergence - expected).abs().max() < 1e-12 * scale
    assert (value - field(x)).abs().max() <= 1e-13 * value.abs().max()
    assert torch.equal(field.divergence(x), divergence)


@pytest.mark.parametrize("process", [OU(3.0), VP(), VE(25.0), NON_NORMAL], ids=lambda p: p.kind)
def test_gaussian_is_exact_before_training(process):
    exact, untrained = TWO.score(process), network(TWO, process, output=0.0)
    for t in (0.02, 0.3, process.duration):
        x = noised(TWO, process, t, 50)
        # condition number of p_t's covariance (below 64/0.01) times round-off
        torch.testing.assert_close(untrained.at(t)(x), exact.at(t)(x), rtol=1e-10, atol=1e-12)


def level_score(x: np.ndarray, t: float, target: DataSet, process: Process) -> np.ndarray:
    """d/dx ln p_t on a line: bins of Gaussian-weighted levels, an even share 1e-4, convolved."""
    from scipy.special import ndtr

    decay, noise = process.transition(t)
    sigma, levels = math.sqrt(noise), round(target.rows.max()) + 1
    edges = (np.arange(levels + 1) - target.shift[0]) / target.scale * decay
    centres = np.arange(levels) + 0.5
    away = (centres - target.shift[0]) ** 2 / (2.0 * target.covariance[0, 0] * target.scale**2)
    pi = np.exp(-away) / np.exp(-away).sum()
    pi = 0.9999 * pi + 1e-4 / levels
    a = (edges - x[:, None]) / sigma
    mass = (pi * (ndtr(a[:, 1:]) - ndtr(a[:, :-1]))).sum(1)
    phi = np.exp(-0.5 * a**2) / math.sqrt(2.0 * math.pi)
    return (pi * (phi[:, :-1] - phi[:, 1:])).sum(1) / mass / sigma


@pytest.mark.parametrize("omega", [0.02, 0.3, 1.0, 2.9, 3.1, 6.0])
def test_levels_without_training_are_bins_of_a_gaussian(omega):
    target, process = grey(1), VE(25.0)
    t = process.time_at_log_snr(-2.0 * math.log(omega / target.scale))
    score = network(target, process, output=0.0)
    grid = np.linspace(-min(3.0 * omega, 4.0), 5.0 + min(3.0 * omega, 4.0), 101)
    x = (grid - target.shift[0]) / target.scale
    value = score.at(t)(torch.as_tensor(x)[:, None])[:, 0].numpy()
    error = np.abs(value - level_score(x, t, target, process)) * (omega / target.scale)
    # Gaussian bins leave out -He_4(z)/(2880 omega^4) of ln p, so 4 |He_3(z)|/(2880 omega^4) of
    # sigma s, with |z| <= 3 + 5/omega; the exact bins only differences of rounded normal integrals
    z = 3.0 + 5.0 / omega
    gaussian_bins = 4.0 * (z**3 - 3.0 * z) / (2880.0 * omega**4)
    assert error.max() < (1e-9 if omega < 3.0 else gaussian_bins)


def test_untrained_levels_agree_with_the_gaussian_at_large_noise():
    target, process = grey(3), VE(25.0)
    score = network(target, process, output=0.0)
    t = process.duration
    x = noised(target, process, t, 200)
    mean, covariance = process.propagate(target.mean, target.covariance, t)
    exact = -(x - torch.as_tensor(mean)) @ torch.as_tensor(np.linalg.inv(covariance))
    # Bins of a Gaussian cut off at the last level have another variance than the data, by less
    # than the variance 1 itself: an error of the score below |x|/noise^2.
    noise = float(process.transition(t)[1])
    assert (score.at(t)(x) - exact).abs().max() < x.abs().max() / noise**2
    assert (score.at(t)(x) - exact).abs().max() < 0.05 * exact.abs().max()


@pytest.mark.parametrize(("target", "process"), CASES, ids=lambda v: getattr(v, "kind", ""))
def test_single_precision_follows_double(target, process):
    score = network(target, process, output=0.5)
    for t in (max(process.t_min, 0.01), 0.5):
        x = noised(target, process, t, 300)
        value, divergence = score.at(t).with_divergence(x)
        single = score.at(t)(x.float())
        assert single.dtype == torch.float32
        # States and their distances from edges are rounded to 6e-8 of the data's range, which the
        # score magnifies by its slope, |ds/dx| <= 1/noise: ten such roundings, and 1e-5 of the rest
        noise = float(np.linalg.eigvalsh(np.atleast_2d(process.transition(t)[1]))[0])
        allowed = 6e-7 * float(x.abs().max()) / noise + 1e-5 * float(value.abs().max())
        assert (single - value).abs().max() < allowed
        assert divergence.dtype == torch.float64


def test_a_batch_is_its_rows():
    target, process = grey(3), VP(t_min=1e-4)
    score = network(target, process, output=0.5)
    x = noised(target, process, 0.1, 150)
    field = score.at(0.1)
    rows = torch.cat([field(row[None]) for row in x])
    # matrix products of different shapes may add in another order
    torch.testing.assert_close(field(x), rows, rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(score(x, 0.1), field(x), rtol=0.0, atol=0.0)


def test_scores_are_defined_down_to_time_zero():
    target, process = grey(3), VP()
    score = network(target, process, output=0.5)
    x = noised(target, process, 1e-3, 10)
    assert torch.isfinite(score.at(0.0)(x)).all()
    clean = score.at(0.0)
    assert torch.equal(clean(x), score.at(1e-12)(x))
    assert not torch.equal(clean(x), score.at(1e-2)(x))


def test_far_away_states_are_pulled_back():
    target, process = grey(3), VP(t_min=1e-4)
    score = network(target, process, output=0.5)
    for t in (1e-4, 0.05, 1.0):
        for dtype in (torch.float32, torch.float64):
            x = torch.tensor([[60.0, -60.0, 0.0]], dtype=dtype)
            s = score.at(t)(x)[0]
            assert torch.isfinite(s).all() and s[0] < 0.0 < s[1]


def test_heads_and_their_errors():
    assert design(grey(3), VP()).kind == "levels"
    assert design(grey(2), NON_NORMAL).kind == "gaussian"
    assert design(grey(3), VP(), {"head": "gaussian"}).kind == "gaussian"
    assert design(grey(3, 200), VP()).kind == "gaussian"
    wrong = [
        ({"head": "levels"}, TWO, VP(), "levels"),
        ({"head": "levels"}, grey(2), NON_NORMAL, "isotropic"),
        ({"head": "cubist"}, TWO, VP(), "cubist"),
        ({"width": 0}, TWO, VP(), "width"),
        ({"width": 2.5}, TWO, VP(), "width"),
        ({"dropout": 1.0}, TWO, VP(), "dropout"),
        ({"depth": 0}, TWO, VP(), "depth"),
        ({"trunk": "tree"}, TWO, VP(), "tree"),
        ({"trunk": "unet"}, TWO, VP(), "pictures"),
        ({"head": "plain"}, TWO, NON_NORMAL, "isotropic"),
        ({"depth": 2.0}, TWO, VP(), "depth"),
        ({"channels": 3}, TWO, VP(), "channels"),
        ("unet", TWO, VP(), "expected keys and values .*got 'unet'"),
        (None, grey(3), NON_NORMAL, "coordinates"),
    ]
    for architecture, target, process, word in wrong:
        with pytest.raises(InputError, match=word):
            design(target, process, architecture)
