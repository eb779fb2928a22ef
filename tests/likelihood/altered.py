"""Wrong scores made on purpose: a function of the exact score, divergence by differentiation."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from thermohw.score import Field, Score

Warp = Callable[[Tensor, Tensor, float], Tensor]  # (s(x), x, t) -> altered score


class AlteredField(Field):
    def __init__(self, field: Field, warp: Warp, t: float) -> None:
        self.field, self.warp, self.t = field, warp, t

    def __call__(self, x: Tensor) -> Tensor:
        return self.warp(self.field(x), x, self.t)

    def with_divergence(self, x: Tensor) -> tuple[Tensor, Tensor]:
        score, divergence = self(x), x.new_zeros(len(x))
        for i in range(x.shape[1]):
            tangent = torch.zeros_like(x)
            tangent[:, i] = 1.0
            divergence = divergence + torch.func.jvp(self, (x,), (tangent,))[1][:, i]
        return score, divergence


class Altered(Score):
    def __init__(self, base: Score, warp: Warp) -> None:
        self.base, self.warp = base, warp
        self.process, self.dim = base.process, base.dim

    def at(self, t: float) -> Field:
        return AlteredField(self.base.at(t), self.warp, t)
