r"""Probability-flow negative log-likelihood of given points, with its own error bars.

The deterministic flow dx/dt = F x - (g^2/2) s(x, t) carries the model's law to the prior; the
instantaneous change of variables gives the model's density at t_min,

    nll(x) = -ln prior(x_T) - ln |det decay| + int_{t_min}^T tr(g g^T/2 grad s)(x_t, t) dt,

from x_{t_min} = x

(Chen et al., "Neural ordinary differential equations", 2018; Song et al., "Score-based generative
modeling through SDEs", 2021). The linear drift's share is exact. The trace does not act back on
x, so it need not be part of the ODE: the trajectory costs score evaluations only, and the trace
is summed by the nested quadrature of `timeline`, less the share of `reference`, at as many moments
as the tolerance asks for. A solver of the joint system evaluates it at every stage of every step.

Errors, each per point and in nats:
- solver: the quadrature error plus the trajectory's. The former is the larger of the series'
  remainder and d2 (d2/d1)^2, with d1, d2 the last two changes of the rule under doubling: for
  exponential convergence the next change. The trajectory's is the sum over steps of |s . e|.
- divergence: the standard error of Hutchinson's estimator over its probes, 0 for exact traces.

All numbers are in model units; points beyond the model's support give what the flow gives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from thermohw.errors import InputError
from thermohw.likelihood.reference import Reference
from thermohw.likelihood.timeline import COUNTS, Timeline
from thermohw.likelihood.trace import ExactTrace, Trace, Tracer
from thermohw.likelihood.trajectory import Trajectory
from thermohw.process import Normal
from thermohw.score import Score

__all__ = ["Flow", "Progress", "flow_nll", "terminal_bar"]

Progress = Callable[[Iterable, str], Iterable]

_FIRST = 2  # index into COUNTS: 27 points, of which 13 and 6 make the two coarser rules
_TILE = 2**16  # path-coordinates solved together: bounds the memory of the stored trajectory


def terminal_bar(items: Iterable, label: str) -> Iterable:
    """Progress bar on a terminal, from the third second on; nothing elsewhere."""
    from tqdm import tqdm

    return tqdm(items, desc=label, delay=2.0, disable=None, leave=False)


@dataclass(frozen=True)
class Flow:
    """Likelihood of points under the deterministic flow, model units, nats, float64.

    Attributes:
        nll: shape (paths,).
        solver_error: estimated error of the numerical solution, shape (paths,), >= 0.
        divergence_stderr: standard error of the trace estimator, shape (paths,).
        prior_term: -ln prior(x_T), shape (paths,).
        trace: int tr(g g^T/2 grad s) dt along the trajectory, shape (paths,).
        final: x_T, shape (paths, dim).
        score_evaluations: evaluations of the score of the whole batch.
        divergence_evaluations: evaluations of its divergence.
        converged: the root mean square solver error met the tolerance.
    """

    nll: Tensor
    solver_error: Tensor
    divergence_stderr: Tensor
    prior_term: Tensor
    trace: Tensor
    final: Tensor
    score_evaluations: int
    divergence_evaluations: int
    converged: bool


def _rms(values: Tensor) -> float:
    return float(values.square().mean().sqrt())


@torch.no_grad()
def flow_nll(
    score: Score,
    points: Tensor,
    prior: Normal,
    *,
    timeline: Timeline | None = None,
    trace: Trace | None = None,
    reference: Reference | None = None,
    tolerance: float = 1e-5,
    progress: Progress = terminal_bar,
) -> Flow:
    """Negative log-likelihood of points under the model's probability flow, at t_min.

    Args:
        score: the model.
        points: shape (paths, dim), model units.
        prior: law at t = T.
        timeline: the clock; by default the process's own without a data scale.
        trace: exact (default) or Hutchinson.
        reference: the Gaussian taken out of the quadrature; default a unit one. It changes the
            cost, never the answer.
        tolerance: error asked for, nats, relative to 1 + |int trace| (root mean square).
        progress: wraps the iterations, e.g. in a bar.

    Returns:
        Values with error estimates; `converged` tells whether the tolerance was met.

    Raises:
        InputError: points of the wrong shape or not finite.
        FloatingPointError: the score stops being finite on the way.
    """
    x = points.to(torch.float64)
    if x.ndim != 2 or x.shape[1] != prior.dim or len(x) == 0:
        raise InputError(
            f"points must have shape (paths >= 1, {prior.dim}), got {tuple(points.shape)}"
        )
    if not bool(torch.isfinite(x).all()):
        raise InputError("points must be finite")
    timeline = timeline or Timeline.of(score.process)
    reference = reference or Reference(timeline, np.eye(prior.dim))
    scale = 1.0 + abs(reference.integral)
    solver = Trajectory(score, timeline, 0.3 * tolerance * scale)
    rows = max(1, _TILE // prior.dim)
    parts = []
    for tile in x.split(rows):
        tracer = (trace or ExactTrace()).prepare(*tile.shape)
        parts.append(_solve(solver, tile, prior, tracer, reference, tolerance * scale, progress))
    return parts[0] if len(parts) == 1 else _join(parts)


def _solve(
    solver: Trajectory,
    x: Tensor,
    prior: Normal,
    tracer: Tracer,
    reference: Reference,
    tolerance: float,
    progress: Progress,
) -> Flow:
    """One tile of points; tolerance in nats."""
    timeline, before = solver.timeline, solver.evaluations

    def excess(u: float, at: Tensor) -> Tensor:
        """Trace beyond the reference's, per unit of u, shape (estimates, paths)."""
        moment = timeline.at(u)
        values = tracer(solver.score.at(moment.time), at, moment.mobility)
        return moment.stretch * (values + reference.trace(moment))

    states = [solver.start(x)]
    values = []
    for u in progress(timeline.rule(COUNTS[_FIRST])[0], "probability flow"):
        states.append(solver.advance(states[-1], float(u)))
        values.append(excess(states[-1].u, states[-1].x))
    final = solver.advance(states[-1], timeline.ends[1])
    for count in COUNTS[_FIRST:]:
        grid = torch.stack(values)  # (count, estimates, paths)
        integral = _apply_rule(timeline, grid, 1)
        error = _quadrature_error(timeline, grid)
        converged = _rms(error) <= tolerance
        if converged or count == COUNTS[-1]:
            break
        between = []
        nodes = timeline.rule(2 * count + 1)[0][::2]
        for earlier, u in zip(states, progress(nodes, "refining the flow"), strict=True):
            between.append(solver.advance(earlier, float(u)))
        values = _interleave([excess(state.u, state.x) for state in between], values)
        states = _interleave(states, between)

    estimates = len(integral)
    spread = integral.std(0) / estimates**0.5 if estimates > 1 else torch.zeros_like(integral[0])
    total = integral.mean(0) - reference.integral
    prior_term = -prior.log_prob(final.x)
    return Flow(
        nll=prior_term - timeline.log_volume(x.shape[1]) + total,
        solver_error=error + final.error,
        divergence_stderr=spread,
        prior_term=prior_term,
        trace=total,
        final=final.x,
        score_evaluations=solver.evaluations - before,
        divergence_evaluations=len(values),
        converged=converged,
    )


def _quadrature_error(timeline: Timeline, grid: Tensor) -> Tensor:
    """Estimated error of the rule per path: its remainder, or what its coarser rules suggest."""
    fine, middle, coarse = (_apply_rule(timeline, grid, stride).mean(0) for stride in (1, 2, 4))
    change, previous = (fine - middle).abs(), (middle - coarse).abs()
    shrink = min(1.0, _rms(change) / max(_rms(previous), 1e-300))
    return torch.maximum(timeline.remainder(grid.mean(1)), change * shrink**2)


def _apply_rule(timeline: Timeline, grid: Tensor, stride: int) -> Tensor:
    """int du of values at the finest points, by the rule on every stride-th of them."""
    used = grid[stride - 1 :: stride]
    return torch.tensordot(torch.as_tensor(timeline.rule(len(used))[1]).to(grid), used, dims=1)


def _interleave(first: list, second: list) -> list:
    """first[0], second[0], first[1], ...; first may be one longer."""
    merged = [item for pair in zip(first, second, strict=False) for item in pair]
    return merged + first[len(second) :]


def _join(parts: list[Flow]) -> Flow:
    """Tiles in order; numbers of evaluations are the largest tile's."""
    names = ("nll", "solver_error", "divergence_stderr", "prior_term", "trace", "final")
    return Flow(
        **{name: torch.cat([getattr(part, name) for part in parts]) for name in names},
        score_evaluations=max(part.score_evaluations for part in parts),
        divergence_evaluations=max(part.divergence_evaluations for part in parts),
        converged=all(part.converged for part in parts),
    )
