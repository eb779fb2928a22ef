"""Readings of one tick, to be averaged over: draws, or a rule that sums over all there are.

On one node a reading is one number. Where nothing of it is remembered, the average over its noise
is a sum over the converter's codes, each with its probability, or a Gauss-Hermite rule where there
is no converter. Elsewhere readings are drawn, all alike probable.
"""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from thermohw.control import Plan

__all__ = ["TickReadings"]

_NODES, _CODES = 48, 8  # of a Gauss-Hermite rule; bits of codes that are summed over


class TickReadings:
    """Normals of readings and their weights.

    Args:
        plan: whose sensors and converters.
        width: normals of a decision of one path.
        draws: readings that are drawn where no rule is at hand.
        generator: of these.
        exact: whether a rule may stand for draws.

    Attributes:
        many: readings of a tick, M.
    """

    def __init__(
        self, plan: Plan, width: int, draws: int, generator: torch.Generator, *, exact: bool
    ) -> None:
        self._plan, self._width, self._generator = plan, width, generator
        self._rule = _rule(plan) if exact else None
        self.many = draws if self._rule is None else len(self._rule[0])

    def draw(self, state: Tensor) -> tuple[Tensor | None, Tensor]:
        """Of nodes in some states, shape (paths, n): normals of all readings, (paths x M, width),
        None where readings are exact; and ln of their weights, (paths, M).
        """
        paths = len(state)
        if self._rule is None:
            even = torch.full((paths, self.many), -log(self.many), dtype=torch.float64)
            if self._width == 0:
                return None, even
            shape = paths * self.many, self._width
            return torch.randn(shape, dtype=torch.float64, generator=self._generator), even
        places, weights = self._rule
        if self._plan.adc is None:
            return places.repeat(paths)[:, None], weights.expand(paths, -1)
        return self._codes(state, places)

    def _codes(self, state: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Every code once, by the reading in its middle."""
        assert self._plan.adc is not None
        spread, read = self._plan.reading_noise, self._plan.chain.sense(state)
        inner = values[:-1] + 0.5 * self._plan.adc.lsb
        below = torch.special.log_ndtr((inner - read) / spread)
        above = torch.special.log_ndtr((read - inner) / spread)
        # A difference of two probabilities: of the tails on the side where both are small.
        lower = below[:, 1:] + _log_less(below[:, :-1] - below[:, 1:])
        upper = above[:, :-1] + _log_less(above[:, 1:] - above[:, :-1])
        between = torch.where(inner[1:] < read, lower, upper)
        weight = torch.cat([below[:, :1], between, above[:, -1:]], 1)
        return ((values - read) / spread).reshape(-1, 1), weight


def _log_less(ratio: Tensor) -> Tensor:
    """ln(1 - e^ratio) for ratio < 0."""
    return torch.log(-torch.expm1(ratio.clamp(max=-1e-300)))


def _rule(plan: Plan) -> tuple[Tensor, Tensor] | None:
    """Values of all codes, or nodes and ln of the weights of a Gauss-Hermite rule; None where there
    is no rule.
    """
    if plan.protocol.board.dim > 1 or plan.reading_noise == 0.0 or plan.chain.score.noise > 0.0:
        return None
    if plan.adc is None:
        nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
        return torch.tensor(nodes), torch.tensor(np.log(weights / weights.sum()))
    if plan.adc.bits > _CODES:
        return None
    half = 2 ** (plan.adc.bits - 1)
    codes = torch.arange(-half, half, dtype=torch.float64)
    return codes * plan.adc.lsb + 0.5 * (plan.adc.low + plan.adc.high), codes
