r"""Data and noise that several studies take, so that their numbers stand beside each other.

Noising starts where it is far below the data's finest structure: at a log signal-to-noise ratio of
-ln(10^-3 narrowest) where the law is known, at 0.028 grey level for the digits.
Of a noise and its negative together all that is odd in it cancels.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from thermohw.likelihood import Timeline
from thermohw.process import VE, VP
from thermohw.target import Target, gaussian_mixture

Noised = tuple[float, float, list[tuple[Tensor, Tensor]]]
FIRST = VP(0.1, 20.0).log_snr(4e-4)  # digits: 0.028 grey level of noise


def three_in_the_plane() -> Target:
    """Three Gaussians in the plane."""
    return gaussian_mixture([[-1.2, 0.2], [0.8, 0.9], [0.5, -1.1]], 0.25)


def two_humps() -> Target:
    """0.3 N(-2, 0.3^2) + 0.7 N(1.5, 0.4^2), the mixture of the published tables."""
    return gaussian_mixture([[-2.0], [1.5]], [0.3, 0.4], [0.3, 0.7])


def first_snr(target: Target) -> float:
    """Log SNR where noising starts: little noise for what the data are like."""
    return -math.log(1e-3 * target.narrowest) if target.analytic else FIRST


def driftless(target: Target, sigma: float) -> VE:
    """VE(sigma) from the first noise of the data on."""
    return VE(sigma=sigma, t_min=VE(sigma=sigma).time_at_log_snr(first_snr(target)))


def noised_both_ways(
    timeline: Timeline, points: Tensor, generator: torch.Generator, times: int
) -> Iterator[Noised]:
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
