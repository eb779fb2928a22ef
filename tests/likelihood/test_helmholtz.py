"""Splitting a score error: constructions whose two parts are known, by every way there is."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from acceptance import assert_order, assert_z
from likelihood.altered import Altered
from torch import Tensor

from thermohw.errors import InputError
from thermohw.likelihood import evaluate
from thermohw.likelihood.ensemble import Draw
from thermohw.likelihood.features import FeatureSplit
from thermohw.likelihood.helmholtz import LinearSplit, symmetric_slope
from thermohw.likelihood.poisson import split_on_grid
from thermohw.likelihood.timeline import Moment
from thermohw.process import OU, VE, VP
from thermohw.score import Field, Score
from thermohw.target import gaussian, gaussian_mixture

PROCESS = VE(sigma=10.0)
VARIANCE = PROCESS.transition(1.0)[1] / 3.0  # grows fourfold
GRADIENT, SOLENOIDAL = "bound.score_error_gradient", "bound.score_error_solenoidal"
TWO = gaussian_mixture([[-1.0, 0.0], [1.0, 0.5]], 0.5)
TURN = torch.tensor([[0.0, 1.0], [-1.0, 0.0]], dtype=torch.float64)
NOW = Moment(time=0.3, stretch=1.0, rate=1.0, drift=-1.0, mobility=1.0)


class Linear(Score):
    """A true Gaussian score plus a linear error, affine."""

    def __init__(self, base: Score, error: np.ndarray) -> None:
        self.base, self.error = base, torch.as_tensor(error)
        self.process, self.dim = base.process, base.dim

    def at(self, t: float) -> Field:
        base = self.base.at(t)
        assert base.affine is not None
        slope, offset = (torch.as_tensor(part) for part in base.affine)
        eye = torch.eye(self.dim, dtype=torch.float64)
        return LinearField((slope if slope.ndim == 2 else eye * slope) + self.error, offset)


class LinearField(Field):
    def __init__(self, slope: Tensor, offset: Tensor) -> None:
        self.affine = slope, offset

    def __call__(self, x: Tensor) -> Tensor:
        assert self.affine is not None
        return x @ torch.as_tensor(self.affine[0]).T + self.affine[1]

    def with_divergence(self, x: Tensor) -> tuple[Tensor, Tensor]:
        assert self.affine is not None
        return self(x), torch.as_tensor(self.affine[0]).trace().expand(len(x))


def test_rotation_moves_nothing(generator: torch.Generator) -> None:
    """s + w J s on an isotropic Gaussian: all of the error, w^2 ln(r)/2, is solenoidal.

    The flow then has the right law at every time: NLL_ode = S0 whatever w.
    """
    target, w = gaussian([0.0, 0.0], math.sqrt(VARIANCE)), 0.5
    turn = torch.eye(2, dtype=torch.float64) + w * TURN
    score = Altered(target.score(PROCESS), lambda s, x, t: s @ turn)
    result = evaluate(
        score,
        target,
        generator=generator,
        prior="matched",
        expectation="grid",
        split="grid",
        moments=27,
        tolerance=1e-8,
    )
    error = 0.5 * w**2 * math.log(4.0)
    # 96 cells over 17 deviations, fourth order: (17/96)^4 = 1e-3 of a constant that is far below 1
    assert abs(result[GRADIENT].value) < 1e-4 * error
    assert result[SOLENOIDAL].value == pytest.approx(error, rel=1e-4)
    assert result["nll.ode"].value == pytest.approx(result["entropy.data"].value, abs=1e-6)
    parts = result[GRADIENT].value + result[SOLENOIDAL].value
    assert parts == pytest.approx(result["bound.score_error"].value, abs=1e-12)


Vectors = Callable[[Tensor], Tensor]


def known_parts() -> tuple[Vectors, Vectors]:
    """grad(sin(x y)) and J grad(p h)/p, for the mixture at t = 0.3 under OU."""
    law = TWO.score(OU(duration=3.0))

    def gradient(x: Tensor) -> Tensor:
        return 0.4 * torch.cos(x[:, :1] * x[:, 1:]) * x.flip(1)

    def solenoidal(x: Tensor) -> Tensor:
        h = 0.3 * torch.sin(x[:, :1]) + 0.2 * x[:, 1:]
        slope = torch.cat([0.3 * torch.cos(x[:, :1]), torch.full_like(x[:, :1], 0.2)], 1)
        return (slope + h * law(x, 0.3)) @ TURN

    return gradient, solenoidal


def plane() -> tuple[tuple[np.ndarray, np.ndarray], Tensor, Tensor]:
    """A box around p at t = 0.3, and a fine trapezoidal grid with weights."""
    process = OU(duration=3.0)
    mean, covariance = process.propagate(TWO.mean, TWO.covariance, 0.3)
    half = 8.5 * np.sqrt(np.diagonal(covariance))
    axes = [torch.linspace(m - h, m + h, 401).double() for m, h in zip(mean, half, strict=True)]
    x = torch.cartesian_prod(*axes)
    weight = TWO.score(process).log_prob(x, 0.3).exp()
    return (mean - half, mean + half), x, weight / weight.sum()


def test_grid_recovers_known_parts() -> None:
    """Second order in the cell size, and the two parts of the construction in the limit."""
    gradient, solenoidal = known_parts()
    box, x, weight = plane()
    exact = [float(weight @ part(x).square().sum(1)) for part in (gradient, solenoidal)]
    assert abs(float(weight @ (gradient(x) * solenoidal(x)).sum(1))) < 1e-8  # orthogonal under p
    law = TWO.score(OU(duration=3.0))
    counts = [72, 144, 288]
    found = [
        split_on_grid(
            lambda y: gradient(y) + solenoidal(y),
            lambda y: law.log_prob(y, 0.3),
            box=box,
            count=count,
        )
        for count in counts
    ]
    errors = [abs(part[0] - exact[0]) for part in found]
    assert_order(errors, [1.0 / count for count in counts], 2.0, 0.35)
    assert errors[-1] < 1e-5
    assert found[-1][1] == pytest.approx(exact[1], abs=1e-5)
    swapped = split_on_grid(
        lambda y: gradient(y) + solenoidal(y) @ TURN,
        lambda y: law.log_prob(y, 0.3),
        box=box,
        count=120,
    )
    assert abs(swapped[0] - exact[0]) > 0.1  # turned by a quarter it is a gradient part


def test_features_are_a_lower_estimate(generator: torch.Generator) -> None:
    """By quadrature nearly all of the gradient part; from samples below it, and not by much."""
    gradient, solenoidal = known_parts()
    _, x, weight = plane()
    exact = float(weight @ gradient(x).square().sum(1))
    kept = weight > 1e-10
    draw = Draw(x[kept], x[kept], weight[kept] / weight[kept].sum())
    wrong = gradient(x[kept]) + solenoidal(x[kept])
    found = float(FeatureSplit()(wrong, draw, NOW)[0])
    assert 0.9 * exact < found < exact + 1e-7
    points = TWO.score(OU(duration=3.0)).sample(4000, 0.3, generator)
    values = FeatureSplit()(gradient(points) + solenoidal(points), Draw(points, points), NOW)
    stderr = float(values.std()) / math.sqrt(4000.0)
    assert 0.5 * exact < float(values.mean()) < exact + 4.0 * stderr
    # a purely solenoidal error: nothing to find, and nothing found
    values = FeatureSplit()(solenoidal(points), Draw(points, points), NOW)
    assert abs(float(values.mean())) < 0.02 * float(solenoidal(points).square().sum(1).mean())


def test_features_do_not_flatter_themselves(generator: torch.Generator) -> None:
    """Errors without a gradient part, on few points: a fit judged on its own points finds one."""
    _, solenoidal = known_parts()
    means = []
    for _ in range(40):
        points = TWO.score(OU(duration=3.0)).sample(200, 0.3, generator)
        wrong = solenoidal(points)
        found = FeatureSplit()(wrong, Draw(points, points), NOW)
        means.append(float(found.mean()) / float(wrong.square().sum(1).mean()))
    assert np.mean(means) < 4.0 * np.std(means) / math.sqrt(len(means))


def test_linear_split() -> None:
    """M = S + C A with A antisymmetric, for D = 1; and the conditions themselves for any D."""
    rng = np.random.default_rng(4)
    root, error = rng.normal(size=(2, 5, 5))
    covariance = root @ root.T + 0.1 * np.eye(5)
    slope = symmetric_slope(error, covariance, np.eye(5))
    turn = np.linalg.solve(covariance, error - slope)
    assert np.abs(turn + turn.T).max() < 1e-12 * np.abs(turn).max()
    parts = [np.trace(m @ covariance @ m.T) for m in (slope, error - slope)]
    assert sum(parts) == pytest.approx(np.trace(error @ covariance @ error.T), rel=1e-12)
    assert np.abs(symmetric_slope(slope, covariance, np.eye(5)) - slope).max() < 1e-10
    mobility = np.diag([1.0, 2.0, 0.5, 0.0, 0.0])  # singular: noise on three coordinates only
    slope = symmetric_slope(error, covariance, mobility)
    # div(p D r) = 0 for r = (M - S) x:  C^-1 D (M - S) is antisymmetric
    turn = np.linalg.solve(covariance, mobility @ (error - slope))
    assert np.abs(turn + turn.T).max() < 1e-9
    assert np.abs(slope - slope.T).max() < 1e-12


def test_affine_scores_are_split_by_themselves(generator: torch.Generator) -> None:
    """split = auto on a correlated Gaussian agrees with the grid; more dimensions from samples."""
    covariance = np.array([[1.0, 0.6], [0.6, 0.8]])
    target, process = gaussian([0.5, -0.2], covariance=covariance), VP()
    error = np.array([[0.1, 0.3], [-0.2, 0.05]])
    score = Linear(target.score(process), error)
    ours, grid = (
        evaluate(
            score,
            target,
            generator=generator,
            expectation="grid",
            split=split,
            moments=27,
            tolerance=1e-3,
        )
        for split in ("auto", "grid")
    )
    assert ours[GRADIENT].value == pytest.approx(grid[GRADIENT].value, rel=2e-4)
    assert ours[SOLENOIDAL].value == pytest.approx(grid[SOLENOIDAL].value, rel=2e-4)
    assert ours[SOLENOIDAL].value > 0.1 * ours[GRADIENT].value > 0.0
    truth = target.score(process)
    points = truth.sample(20_000, 0.3, generator)
    moment = Moment(time=0.3, stretch=1.0, rate=1.0, drift=0.0, mobility=1.0)
    wrong = score(points, 0.3) - truth(points, 0.3)
    values = LinearSplit(score, truth, target)(wrong, Draw(points, points), moment)
    spread = process.propagate(target.mean, target.covariance, 0.3)[1]
    slope = symmetric_slope(error, spread, np.eye(2))
    constant = np.linalg.norm(error @ process.propagate(target.mean, covariance, 0.3)[0]) ** 2
    assert_z(values, np.trace(slope @ spread @ slope) + constant)
    features = FeatureSplit()(wrong, Draw(points, points), moment)  # quadratic: it is in the basis
    missing = float((values - features).mean())  # but for the noise of the fit, 100 numbers of 20k
    assert 0.0 < missing < 0.01 * float(wrong.square().sum(1).mean())


def test_one_dimension_and_unasked(generator: torch.Generator) -> None:
    line = gaussian_mixture([-1.0, 1.0], 0.2)
    result = evaluate(line.score(VP()).scaled(0.9), line, generator=generator, tolerance=1e-3)
    assert result[GRADIENT].value == pytest.approx(result["bound.score_error"].value, rel=1e-12)
    assert result[SOLENOIDAL].value == 0.0
    result = evaluate(TWO.score(VP()).scaled(0.9), TWO, generator=generator, points=40, moments=27)
    assert result.terms[GRADIENT] is None
    assert "split = grid or features" in result.notes[GRADIENT]
    result = evaluate(
        TWO.score(VP()).scaled(0.9), TWO, generator=generator, points=400, split="features"
    )
    assert "lower estimate" in result.notes[GRADIENT] and result.settings["split"] == "features"
    assert "upper one" in result.notes[SOLENOIDAL]
    for kind, words in (("best", "choose auto"), ("grid", "two dimensions")):
        with pytest.raises(InputError, match=words):
            evaluate(
                gaussian(np.zeros(3), 1.0).score(VP()),
                gaussian(np.zeros(3), 1.0),
                generator=generator,
                split=kind,
            )
