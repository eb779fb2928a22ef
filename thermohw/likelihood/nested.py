"""Nested quadrature of a rate along a path, refined until its own error estimate is small enough.

The rules are those of `timeline`: the points of a coarser one are every second point of the finer,
so that doubling evaluates the new points alone. The error of a path is the larger of the series'
remainder and d2 (d2/d1)^2, with d1, d2 the last two changes of the rule under doubling: for
exponential convergence the next change.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from thermohw.likelihood.progress import Progress
from thermohw.likelihood.timeline import Timeline

__all__ = ["Integral", "refine", "rms"]


class Integral(NamedTuple):
    """int du of a rate: values (estimates, paths), estimated errors (paths,)."""

    value: Tensor
    error: Tensor
    evaluations: int
    converged: bool


def refine(
    rate: Callable[[float], Tensor],
    clock: Timeline,
    counts: tuple[int, ...],
    ends: tuple[float, float],
    tolerance: float,
    progress: Progress,
) -> Integral:
    """The clock's nested rule, refined until the root mean square error meets the tolerance."""
    values: list[Tensor] = []
    for count in counts:
        nodes = clock.rule(count, ends)[0][:: 2 if values else 1]
        added = [rate(float(u)) for u in progress(nodes, "divergence along the flow")]
        values = _interleave(added, values) if values else added
        grid = torch.stack(values)  # (count, estimates, paths)
        error = _quadrature_error(clock, grid, ends)
        if rms(error) <= tolerance:
            return Integral(_apply_rule(clock, grid, 1, ends), error, count, True)
    return Integral(_apply_rule(clock, grid, 1, ends), error, len(values), False)


def _quadrature_error(clock: Timeline, grid: Tensor, ends: tuple[float, float]) -> Tensor:
    """Estimated error of the rule per path: its remainder, or what its coarser rules suggest."""
    fine, middle, coarse = (_apply_rule(clock, grid, n, ends).mean(0) for n in (1, 2, 4))
    change, previous = (fine - middle).abs(), (middle - coarse).abs()
    shrink = min(1.0, rms(change) / max(rms(previous), 1e-300))
    return torch.maximum(clock.remainder(grid.mean(1), ends), change * shrink**2)


def _apply_rule(clock: Timeline, grid: Tensor, stride: int, ends: tuple[float, float]) -> Tensor:
    """int du of values at the finest points, by the rule on every stride-th of them."""
    used = grid[stride - 1 :: stride]
    weights = torch.as_tensor(clock.rule(len(used), ends)[1]).to(grid)
    return torch.tensordot(weights, used, dims=1)


def _interleave(first: list, second: list) -> list:
    """first[0], second[0], first[1], ...; first may be one longer."""
    merged = [item for pair in zip(first, second, strict=False) for item in pair]
    return merged + first[len(second) :]


def rms(values: Tensor) -> float:
    """Root mean square over all entries."""
    return float(values.square().mean().sqrt())
