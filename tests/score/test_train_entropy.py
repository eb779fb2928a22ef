r"""The entropy weight: (1/2)E|s - s*|^2 + (lambda/2)E|s|^2 is least at s = s*/(1 + lambda)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from thermohw.errors import InputError
from thermohw.process import OU, VP
from thermohw.score.network import NetworkScore
from thermohw.score.network.design import design, schedule
from thermohw.score.network.trunk import Modulation, Trunk
from thermohw.score.training import Training, fit_score
from thermohw.score.training.noising import NoiseLevels
from thermohw.score.weights import score_to_bytes
from thermohw.target import gaussian, gaussian_mixture

UNIT = gaussian([0.0], [1.0])  # under OU p_t stays N(0, 1), so s* = -x and u = x
PROCESS = OU(3.0, 0.01)


@dataclass(frozen=True)
class Slope(Trunk):
    """A network with one weight: F = w u, hence s = w x/sigma(t)."""

    kind: ClassVar[str] = "slope"
    inputs: int = 1
    outputs: int = 1
    bumps: int = 2
    dropout: float = 0.0

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {"weight": (1, 1)}

    def initial(self, generator: torch.Generator) -> dict[str, Tensor]:
        return {"weight": torch.zeros(1, 1)}

    @property
    def multiply_accumulates(self) -> int:
        return 1

    def to_dict(self) -> dict[str, Any]:
        return {"kind": self.kind}

    def modulate(self, parameters, features) -> Modulation:
        return Modulation((), (), features[..., :1])

    def __call__(self, parameters, modulation, u, dropout=None) -> Tensor:
        return u @ parameters["weight"]

    def with_slopes(self, parameters, modulation, u):
        return u @ parameters["weight"], (torch.ones_like(u),)

    def tangents(self, parameters, slopes, directions) -> Tensor:
        return (directions @ parameters["weight"]).expand(*slopes[0].shape[:2], -1, -1)


def one_weight():
    return replace(design(UNIT, PROCESS, {"head": "plain"}), trunk=Slope())


def test_the_weighted_loss_is_least_at_the_shrunken_score(generator):
    table = NoiseLevels(one_weight())
    index, cells = table.even(64)
    ratios = []
    for _ in range(200):
        x0 = UNIT.sample(64 * 32, generator).float().view(64, 32, 1)
        x, conditional = table.noised(x0, torch.randn(x0.shape, generator=generator), index)

        def total(w: float, weight: float, x: Tensor = x, c: Tensor = conditional) -> float:
            s = -w * x
            lost = table.loss(s, c, index, cells) + weight * table.entropy(s, index, cells)
            return float(lost)

        best = {}
        for weight in (0.0, 0.7):  # the least of a parabola through three of its points
            low, mid, high = (total(w, weight) for w in (0.0, 1.0, 2.0))
            best[weight] = 1.0 - 0.5 * (high - low) / (high - 2.0 * mid + low)
        # sample by sample: the data's pull is the same, the curvature 1.7 times as large; float32
        # sums over 64 x 32 terms, differences of numbers up to 1e3 times as large
        assert best[0.7] == pytest.approx(best[0.0] / 1.7, abs=2e-3)
        ratios.append(best[0.7])
    mean, spread = torch.tensor(ratios).mean(), torch.tensor(ratios).std()
    assert abs(float(mean) - 1.0 / 1.7) < 4.0 * float(spread) / math.sqrt(len(ratios))


@pytest.mark.parametrize("weight", [0.0, 0.5, 2.0])
def test_a_training_ends_at_the_shrunken_score(weight, generator):
    head = one_weight()
    options = {"steps": 1000, "learning_rate": 5e-3, "states": 16, "entropy_weight": weight}
    training = Training(UNIT, head, schedule(UNIT, options))
    table = training.table
    for _ in range(1000):
        training.step()
    found = float(training.result().parameters["weight"])
    # the loss of a cell is (1/2)E(w x + z)^2 + (lambda/2) w^2 with E z x = sigma, and every cell
    # counts alike, so the best w is the mean of -sigma, shrunk
    sigma = torch.as_tensor(
        [math.sqrt(PROCESS.transition(t)[1]) for t in _cell_times(head)], dtype=torch.float64
    )
    best = -float(sigma.mean()) / (1.0 + weight)
    # One step's own minimiser scatters by `spread`; the returned average runs over 2/ln 2 = 2.9
    # half lives of steps/8 each, and averages over what AdamW makes of as many gradients.
    minimisers = []
    for _ in range(200):
        index, cells = table.draw(32, generator)
        x0 = UNIT.sample(32 * 16, generator).float().view(32, 16, 1)
        z = torch.randn(x0.shape, generator=generator)
        x, _ = table.noised(x0, z, index)
        pull = ((x * z).mean((1, 2)) * cells).sum()
        minimisers.append(float(-pull / ((x * x).mean((1, 2)) * cells).sum()) / (1.0 + weight))
    spread = float(torch.tensor(minimisers).std())
    assert abs(found - best) < 4.0 * spread / math.sqrt(2.0 / math.log(2.0) * 1000 / 8.0)
    assert 4.0 * spread / math.sqrt(360.0) < 0.05 * abs(best)


def _cell_times(head) -> list[float]:
    from thermohw.score.network.clock import NoiseClock

    return NoiseClock(PROCESS, head.finest).times([(i + 0.5) / 512 for i in range(512)])


def settings(steps: int, width: int, states: int = 4) -> dict:
    architecture = {"width": width}
    return {"steps": steps, "states": states, "progress": False, "architecture": architecture}


def test_a_real_network_dissipates_less():
    target = gaussian_mixture([[-1.5], [1.5]], [0.3, 0.3], [0.35, 0.65])
    process = VP(t_min=1e-3)
    common = settings(300, 24, states=32)
    free = fit_score(target, process, **common)
    bound = fit_score(target, process, entropy_weight=1.0, **common)
    generator = torch.Generator().manual_seed(3)
    table = NoiseLevels(free.head)
    index, cells = table.even(64)
    x0 = torch.stack([target.sample(64, generator) for _ in index]).float()
    x, _ = table.noised(x0, torch.randn(x0.shape, generator=generator), index)

    def rate(score: NetworkScore) -> float:
        head = score.head
        modulation = head.trunk.modulate(score.parameters, table.features[index])
        s = head.score(score.parameters, modulation, table.moments.take(index), x)
        return float(table.entropy(s, index, cells))

    # (1/(1 + lambda))^2 = 1/4 for a network that can follow; this one has 300 steps, and the
    # Gaussian part of its score is built in and must be unlearned
    assert rate(bound) < 0.5 * rate(free)
    assert bound.record["training"]["entropy_weight"] == 1.0


def test_without_a_weight_nothing_has_changed():
    common = settings(20, 8)
    plain = fit_score(UNIT, PROCESS, **common)
    zero = fit_score(UNIT, PROCESS, entropy_weight=0.0, **common)
    assert score_to_bytes(plain) == score_to_bytes(zero)
    assert "entropy_weight" not in plain.record["training"]
    for wrong in (-0.1, float("nan"), float("inf"), True, "much"):
        with pytest.raises(InputError, match="entropy_weight"):
            fit_score(UNIT, PROCESS, entropy_weight=wrong, **common)  # type: ignore[arg-type]
