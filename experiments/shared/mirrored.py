"""Noised points with every noise of both signs: what is odd in the noise cancels."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from thermohw.likelihood import Timeline


def noised_both_ways(
    timeline: Timeline, points: Tensor, generator: torch.Generator, times: int
) -> Iterator[tuple[float, float, list[tuple[Tensor, Tensor]]]]:
    """Held-out points, shape (n, dim), model units, noised along a rule of so many times.

    Yields:
        Model time; weight of one sign in diffusion time; (x, s_cond) for z and for -z.
    """
    for u, weight in zip(*timeline.rule(times), strict=True):
        moment = timeline.at(float(u))
        decay, variance = (float(v) for v in timeline.process.transition(moment.time))
        root = math.sqrt(variance)
        z = torch.randn(points.shape, dtype=torch.float64, generator=generator)
        pair = [(decay * points + s * root * z, -s * z / root) for s in (1.0, -1.0)]
        yield moment.time, 0.5 * float(weight) * moment.stretch, pair
