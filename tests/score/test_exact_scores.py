"""Exact scores of every target under every process, against routes that share no code with them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from acceptance import assert_z
from scipy.integrate import quad
from scipy.stats import norm

from thermohw.process import OU, VE, VP, Process, Relaxation
from thermohw.score import ExactScore, exact_score
from thermohw.target import Target, gaussian, gaussian_mixture, uniform_pixels

PAIR = Relaxation(np.array([[1.0, 2.0], [0.0, 1.5]]), np.array([[2.0, 0.4], [0.4, 3.0]]))
APART = Relaxation(np.diag([1.0, 0.2, 0.0, 3.0]), np.diag([2.0, 0.1, 1.0, 6.0]))
FULL = [[1.0, 0.3], [0.3, 0.5]]
TARGETS = {
    "line": gaussian(0.5, 0.7),
    "plane": gaussian([0.5, -1.0], [0.7, 1.5]),
    "tilted": gaussian([0.5, -1.0], covariance=FULL),
    "pair": gaussian_mixture([-1.0, 1.0], math.sqrt(0.4)),
    "uneven pair": gaussian_mixture([-1.5, 1.5], [0.3, 0.6], [0.35, 0.65]),
    "triple": gaussian_mixture([-1.0, 0.3, 1.0], 0.4, [0.2, 0.3, 0.5]),
    "shared": gaussian_mixture([[-1.0, 0.0], [1.0, 0.5], [0.0, 2.0]], [[0.5, 0.8]] * 3),
    "general": gaussian_mixture([[-1.0, 0.0], [1.0, 0.5], [0.0, 2.0]], [0.5, 0.3, 0.8]),
    "pixels": uniform_pixels(2),
}
ISOTROPIC = [OU(3.0), VP(), VE(5.0)]
CASES = [
    pytest.param(target, process, id=f"{name}-{process.kind}")
    for name, target in TARGETS.items()
    for process in [*ISOTROPIC, *({2: [PAIR], 4: [APART]}.get(target.dim, []))]
]
TIMES = (0.01, 0.15, 0.9)


def points(score: ExactScore, t: float, n: int, generator: torch.Generator) -> torch.Tensor:
    """Samples of p_t and as many far outside: half of them three times as far from the mean."""
    x = score.sample(n, t, generator)
    x[n // 2 :] = x.mean(0) + 3.0 * (x[n // 2 :] - x.mean(0))
    return x


@pytest.mark.parametrize(("target", "process"), CASES)
def test_field_is_the_gradient_of_the_density(
    target: Target, process: Process, generator: torch.Generator
) -> None:
    """Score and divergence against first and second automatic derivatives of log_prob."""
    score = exact_score(target, process)
    for t in TIMES:
        x = points(score, t * process.duration, 60, generator).requires_grad_()
        log_p = score.log_prob(x, t * process.duration)
        (gradient,) = torch.autograd.grad(log_p.sum(), x, create_graph=True)
        trace = sum(
            torch.autograd.grad(gradient[:, i].sum(), x, retain_graph=True)[0][:, i]
            for i in range(target.dim)
        )
        field = score.at(t * process.duration)
        value, divergence = field.with_divergence(x.detach())
        size = 1.0 + gradient.detach().abs().max()
        # both routes round at 1e-16 of the largest term; p''/p - (p'/p)^2 cancels squares of s
        torch.testing.assert_close(value, gradient.detach(), rtol=1e-11, atol=1e-12 * float(size))
        torch.testing.assert_close(
            divergence, torch.as_tensor(trace).detach(), rtol=1e-9, atol=1e-12 * float(size**2)
        )
        assert torch.equal(field(x.detach()), value)
        assert torch.equal(field.divergence(x.detach()), divergence)
        assert torch.equal(score(x.detach(), t * process.duration), value)


@pytest.mark.parametrize(("target", "process"), CASES)
def test_fokker_planck(target: Target, process: Process, generator: torch.Generator) -> None:
    """d ln p/dt = -tr F - s.F x + (1/2) sum (2D)_ij (H_ij + s_i s_j), H the Hessian of ln p.

    The left side is a fourth-order difference with a step of t/100: its relative error is
    (1e-2)^4/30 of a fifth logarithmic derivative (at most about 1e2 here), 1e-7 or less.
    """
    score = exact_score(target, process)
    identity = torch.eye(target.dim, dtype=torch.float64)
    for t in (0.1, 0.6):
        t *= process.duration
        h = 0.01 * t
        x = points(score, t, 20, generator)
        weights = {-2: 1 / 12, -1: -2 / 3, 1: 2 / 3, 2: -1 / 12}
        rate = sum(w * score.log_prob(x, t + k * h) for k, w in weights.items()) / h
        F = torch.as_tensor(process.drift(t), dtype=torch.float64) * (
            identity if process.isotropic else 1.0
        )
        B2 = torch.as_tensor(process.diffusion(t), dtype=torch.float64) * (
            identity if process.isotropic else 1.0
        )
        field = score.at(t)
        x.requires_grad_()
        s = field(x)
        rows = [
            torch.autograd.grad(s[:, i].sum(), x, retain_graph=True)[0] for i in range(target.dim)
        ]
        hessian = torch.stack(rows)
        s, x = s.detach(), x.detach()
        flow = F.trace() + (s * (x @ F.T)).sum(1)
        spread = torch.einsum("ij,ijn->n", B2, hessian.transpose(1, 2))
        spread = 0.5 * (spread + torch.einsum("ni,ij,nj->n", s, B2, s))
        scale = float(spread.abs().max() + flow.abs().max())
        torch.testing.assert_close(rate, spread - flow, rtol=1e-5, atol=1e-6 * scale)


@pytest.mark.parametrize(("target", "process"), CASES)
def test_samples_and_stein(target: Target, process: Process, generator: torch.Generator) -> None:
    """Samples have the moments of p_t, E div s = -E|s|^2 and E x.s = -d on them."""
    score = exact_score(target, process)
    t = 0.3 * process.duration
    x = score.sample(20_000, t, generator)
    mean, covariance = process.propagate(target.mean, target.covariance, t)
    centred = x - torch.as_tensor(mean)
    assert_z(centred, 0.0, label="mean")
    assert_z(centred[:, :, None] * centred[:, None, :], covariance, label="covariance")
    s, divergence = score.at(t).with_divergence(x)
    assert_z(s, 0.0, label="E s")
    if float((divergence + s.square().sum(1)).std()) > 1e-9:
        assert_z(divergence + s.square().sum(1), 0.0, label="Stein")
    assert_z((centred * s).sum(1), -target.dim, label="E x.s = -d")


@pytest.mark.parametrize("process", ISOTROPIC, ids=lambda p: p.kind)
@pytest.mark.parametrize("name", ["pair", "uneven pair", "triple", "pixels"])
def test_density_is_the_convolution(name: str, process: Process) -> None:
    """p_t(x) = int p_0(y) N(x; decay y, noise) dy by adaptive quadrature, tails included."""
    target = uniform_pixels(1) if name == "pixels" else TARGETS[name]
    score = exact_score(target, process)
    t = 0.4 * process.duration
    decay, noise = process.transition(t)
    spread = math.sqrt(noise)

    def data(y: float) -> float:
        if name == "pixels":
            return 1.0
        law = target.law  # type: ignore[attr-defined]
        rows = zip(law.weights, law.means[:, 0], law.spread.reshape(-1), strict=True)
        return float(sum(w * norm.pdf(y, m, math.sqrt(v)) for w, m, v in rows))

    tight = {"epsabs": 0.0, "epsrel": 1e-11, "limit": 200}
    low, high = (0.0, 1.0) if name == "pixels" else (-14.0, 14.0)
    for z in (-6.0, -1.0, 0.2, 2.5, 7.0):
        x = z * math.sqrt(decay**2 + noise)
        peak = min(max(x / decay, low), high)
        kinks = sorted({low, min(max(-1.0, low), high), peak, min(max(1.0, low), high), high})
        exact = sum(
            quad(lambda y, x=x: data(y) * norm.pdf(x, decay * y, spread), a, b, **tight)[0]
            for a, b in zip(kinks[:-1], kinks[1:], strict=True)
        )
        value = float(score.log_prob(torch.tensor([[x]], dtype=torch.float64), t))
        assert value == pytest.approx(math.log(exact), abs=1e-9)


@pytest.mark.parametrize(("target", "process"), CASES)
def test_single_precision(target: Target, process: Process, generator: torch.Generator) -> None:
    """float32 states give float32 results within what their own rounding costs."""
    score = exact_score(target, process)
    for t in TIMES:
        t *= process.duration
        # the float32 point is the exact one: its conversion is no error of the field
        x = points(score, t, 200, generator).float()
        field = score.at(t)
        single, divergence = field.with_divergence(x)
        double, exact = field.with_divergence(x.double())
        assert single.dtype == divergence.dtype == score.log_prob(x, t).dtype == torch.float32
        # eps times the condition number: x/sigma enters to 6e-8 |x|/sigma and s moves by |ds/dx|
        noise = float(np.min(np.linalg.eigvalsh(score_covariance(target, process, t))))
        condition = 1.0 + float(x.abs().max()) / math.sqrt(noise)
        bound = 2e-6 * condition * (1.0 + float(double.abs().max()))
        assert float((single - double).abs().max()) < bound
        assert float((divergence - exact).abs().max()) < bound * (1.0 + float(double.abs().max()))


def score_covariance(target: Target, process: Process, t: float) -> np.ndarray:
    """Covariance of the narrowest feature of p_t: a box edge is as sharp as the noise."""
    narrow = 0.0 if target.kind == "uniform_pixels" else target.narrowest
    return process.propagate(np.zeros(target.dim), narrow, t)[1]


AFFINE = [(name, p) for name in ("line", "plane", "tilted") for p in ISOTROPIC]


@pytest.mark.parametrize(("name", "process"), [*AFFINE, ("plane", PAIR), ("tilted", PAIR)])
def test_affine(name: str, process: Process, generator: torch.Generator) -> None:
    """One Gaussian shows its slope and offset; they are the field."""
    target = TARGETS[name]
    field = exact_score(target, process).at(0.3)
    assert field.affine is not None
    slope, offset = field.affine
    x = torch.randn(5, target.dim, dtype=torch.float64, generator=generator)
    matrix = torch.as_tensor(slope, dtype=torch.float64)
    linear = x @ matrix.T if matrix.ndim == 2 else x * matrix
    torch.testing.assert_close(field(x), linear + offset, rtol=1e-13, atol=1e-13)
    assert isinstance(slope, float) == (name == "line" and process.isotropic)


@pytest.mark.parametrize("name", ["line", "pair", "pixels"])
def test_scaled(name: str, generator: torch.Generator) -> None:
    """0.95 s is 0.95 times everything, no longer exact; a factor of 1 changes nothing."""
    score = exact_score(TARGETS[name], OU())
    scaled = score.scaled(0.95)
    x = score.sample(50, 0.5, generator)
    s, divergence = score.at(0.5).with_divergence(x)
    other, other_divergence = scaled.at(0.5).with_divergence(x)
    torch.testing.assert_close(other, 0.95 * s)
    torch.testing.assert_close(other_divergence, 0.95 * divergence)
    torch.testing.assert_close(scaled(x, 0.5), 0.95 * s)
    assert score.exact and not scaled.exact and score.scaled(1.0) is score
    assert scaled.dim == score.dim and scaled.process == score.process
    if name == "line":
        affine = scaled.at(0.5).affine
        assert affine is not None
        torch.testing.assert_close(affine[0] * x + affine[1], 0.95 * s)
