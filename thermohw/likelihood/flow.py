r"""Probability-flow negative log-likelihood of given points, with its own error bars.

The deterministic flow dx/dt = F x - (g^2/2) s(x, t) carries the model's law to the prior; the
instantaneous change of variables gives the model's density at t_min,

    nll(x) = -ln prior(x_T) - ln |det decay| + int_{t_min}^T tr(g g^T/2 grad s)(x_t, t) dt,

from x_{t_min} = x

(Chen et al., "Neural ordinary differential equations", 2018; Song et al., "Score-based generative
modeling through SDEs", 2021). The linear drift's share is exact. The trace does not act back on
x, so it need not be part of the ODE: the trajectory costs score evaluations only, in steps of its
own choice, and the trace is summed along its interpolant by the nested quadrature of `timeline`, at
as many moments as the tolerance asks for. A solver of the joint system evaluates it at every stage
of every step.

Two shares are taken out of that sum. A Gaussian `reference` is known in closed form. And a field
may know a quick share of its divergence, as cheap as the score: what a read-out with known edges
does at fixed network outputs, say. It carries what is sharp in time; what is left, through the
network, is smooth, vanishes with the noise, and is summed at fewer moments, on a clock that turns
linear where the noise is a tenth of the data's own deviation.

Errors, each per point and in nats:
- solver: the quadrature errors (`likelihood.nested`) plus the trajectory's, the sum over steps of
  |s . e|.
- divergence: the standard error of Hutchinson's estimator over its probes, 0 for exact traces.

All numbers are in model units; points beyond the model's support give what the flow gives.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from thermohw.errors import InputError
from thermohw.likelihood.nested import Integral, refine, rms
from thermohw.likelihood.progress import Progress, terminal_bar
from thermohw.likelihood.reference import Reference
from thermohw.likelihood.timeline import COUNTS, Moment, Timeline
from thermohw.likelihood.trace import ExactTrace, Trace, Tracer
from thermohw.likelihood.trajectory import SolvedTrajectory, Trajectory
from thermohw.process import Normal
from thermohw.score import Score

__all__ = ["Flow", "flow_nll"]

_SHARP = COUNTS[2:]  # 27 points, of which 13 and 6 make the two coarser rules, or more
_SHORT = (7, 15, 31, 63, 127, 255)
_SMOOTH = (15, 31, 63, 127, 255)
_TENTH = 1e-2  # of the data's variance: floor of the clock of what is smooth
_TILE = 2**15  # path-coordinates solved together: bounds the memory of the stored trajectory


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
    solver: str = "adaptive",
    steps: int | None = None,
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
        solver: "adaptive" steps, as long as the tolerance allows, or "fixed" ones, equal on the
            clock; then the trajectory's error is what it is, estimated the same way.
        steps: how many fixed steps, six score evaluations each.
        progress: wraps the iterations, e.g. in a bar.

    Returns:
        Values with error estimates; `converged` tells whether the tolerance was met.

    Raises:
        InputError: points of the wrong shape or not finite, an unknown solver, fixed steps without
            their number or adaptive ones with it.
        FloatingPointError: the score stops being finite on the way.
    """
    x = points.to(torch.float64)
    if x.ndim != 2 or x.shape[1] != prior.dim or len(x) == 0:
        raise InputError(
            f"points must have shape (paths >= 1, {prior.dim}), got {tuple(points.shape)}"
        )
    if not bool(torch.isfinite(x).all()):
        raise InputError("points must be finite")
    _check_solver(solver, steps)
    timeline = timeline or Timeline.of(score.process)
    reference = reference or Reference(timeline, np.eye(prior.dim))
    scale = 1.0 + abs(reference.integral)
    march = Trajectory(score, timeline, 0.3 * tolerance * scale, steps=steps)
    rows = max(1, _TILE // prior.dim)
    parts = []
    for tile in x.split(rows):
        tracer = (trace or ExactTrace()).prepare(*tile.shape)
        parts.append(_solve(march, tile, prior, tracer, reference, tolerance * scale, progress))
    return parts[0] if len(parts) == 1 else _join(parts)


def _check_solver(solver: str, steps: int | None) -> None:
    if solver not in ("adaptive", "fixed"):
        raise InputError(f"{solver!r} is not a solver; choose adaptive or fixed")
    if (solver == "fixed") != (steps is not None) or (steps is not None and steps < 1):
        raise InputError(
            f"the fixed solver takes a number of steps >= 1, the adaptive one none; got {steps!r} "
            f"for {solver!r}"
        )


def _solve(
    march: Trajectory,
    x: Tensor,
    prior: Normal,
    tracer: Tracer,
    reference: Reference,
    tolerance: float,
    progress: Progress,
) -> Flow:
    """One tile of points; tolerance in nats."""
    timeline, before = march.timeline, march.evaluations
    path = SolvedTrajectory(list(progress(march.march(x), "probability flow")))
    final = path.final

    def quick(moment: Moment, at: Tensor) -> Tensor | None:
        share = march.score.at(moment.time).quick_divergence(at)
        return None if share is None else share[None]

    def excess(moment: Moment, at: Tensor) -> Tensor:
        return tracer(march.score.at(moment.time), at, moment.mobility) + reference.trace(moment)

    def sharp(moment: Moment, at: Tensor) -> Tensor:
        share = quick(moment, at)
        assert share is not None
        return share + reference.trace(moment)

    def smooth(moment: Moment, at: Tensor) -> Tensor:
        share = quick(moment, at)
        assert share is not None
        return tracer(march.score.at(moment.time), at, moment.mobility) - share

    def integrate(
        integrand: Callable[[Moment, Tensor], Tensor],
        clock: Timeline,
        counts: tuple[int, ...],
        ends: tuple[float, float] | None = None,
    ) -> Integral:
        def rate(u: float) -> Tensor:
            moment = clock.at(u)
            return moment.stretch * integrand(moment, path.at(timeline.position(moment.time)))

        return refine(rate, clock, counts, ends or clock.ends, tolerance, progress)

    if quick(timeline.at(final.u), final.x[:1]) is not None:
        spread = float(np.trace(reference.covariance)) / len(reference.covariance)
        gentle = Timeline(timeline.process, max(timeline.floor, _TENTH * spread))
        rest = integrate(smooth, gentle, _SMOOTH)
        parts = [rest]
        for ends in pairwise((timeline.ends[0], *march.stops)):
            counts = _SHARP[1:] if ends[1] - ends[0] > 0.5 * timeline.span else _SHORT
            parts.append(integrate(sharp, timeline, counts, ends))
    else:
        rest = integrate(excess, timeline, _SHARP)
        parts = [rest]
    integral = torch.stack([part.value.expand_as(rest.value) for part in parts]).sum(0)
    error = torch.stack([part.error for part in parts]).sum(0)
    converged = all(part.converged for part in parts)

    estimates = len(integral)
    spread = integral.std(0) / estimates**0.5 if estimates > 1 else torch.zeros_like(integral[0])
    total = integral.mean(0) - reference.integral
    prior_term = -prior.log_prob(final.x)
    solver_error = error + final.error
    return Flow(
        nll=prior_term - timeline.log_volume(x.shape[1]) + total,
        solver_error=solver_error,
        divergence_stderr=spread,
        prior_term=prior_term,
        trace=total,
        final=final.x,
        score_evaluations=march.evaluations - before,
        divergence_evaluations=rest.evaluations,
        converged=converged and (march.steps is None or rms(final.error) <= tolerance),
    )


def _join(parts: list[Flow]) -> Flow:
    """Tiles in order; numbers of evaluations are the largest tile's."""
    names = ("nll", "solver_error", "divergence_stderr", "prior_term", "trace", "final")
    return Flow(
        **{name: torch.cat([getattr(part, name) for part in parts]) for name in names},
        score_evaluations=max(part.score_evaluations for part in parts),
        divergence_evaluations=max(part.divergence_evaluations for part in parts),
        converged=all(part.converged for part in parts),
    )
