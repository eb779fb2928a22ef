r"""One pass over noising time: everything the bounds need, from one evaluation a moment.

At every quadrature moment the ensemble is drawn and score and trace are evaluated once. With
D = g g^T/2 and dsigma as in `timeline`, the pass accumulates per path

    norm   = int s . D s dt               (1/2 int g^2 |s|^2 dt)
    drift  = int (f . D^-1 f - 4 f . s) dt          what f adds to the heat (`device_heat`)
    trace  = int tr(D grad s) dt          (1/2 int g^2 div s dt)
    cross  = int s_cond . D s dt          (Stein: E cross = -E trace)
    error  = int d . D d dt, d = s - s_true, where the true score is known,
             and the share of it that is a gradient (`helmholtz`), where that is asked for

and keeps the time profile of the means: the rates of the three entropies, per model time, "plug-in"
(s_th stands where the law's own score belongs):

    sigma        E[div f] + E[s . D s]               forward system rate; integrates to Sigma
    intrinsic    E[nu . D^-1 nu],   nu = -f + D s    production of generation
    exchange     E[div b] - E[b . D^-1 b] + 2 E[b . s],   b = -f + 2 D s   of generation;
                 g^2 E[div s] where f = 0

with system = intrinsic + exchange = E[div b] + E[s . D s], the rate of generation. For the exact
score exchange is minus the heat rate of the reverse process over kT.

Calibration.  c_t = E[s_cond . D s]/E[s . D s] is the factor that makes a score satisfy
E[s . (s - s_true)] = 0, and ratio = 2 E[tr D grad s]/E[s . D s] equals -2 exactly for a calibrated
score: -2 c_t in general (Stein), a property of the network, not of physics.
"""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch import Tensor

from thermohw.likelihood.ensemble import Ensemble
from thermohw.likelihood.helmholtz import Split
from thermohw.likelihood.moments import moment_values
from thermohw.likelihood.progress import Progress, terminal_bar
from thermohw.likelihood.reference import Reference
from thermohw.likelihood.timeline import Moment, Timeline
from thermohw.likelihood.trace import ExactTrace, Trace, Tracer
from thermohw.score import Field, Score

__all__ = ["Sweep", "sweep"]

# What a Gaussian's score contributes to each integral, in units of tr(D C_t^-1).
_SIGNS = {"norm": 1.0, "trace": -1.0, "cross": 1.0, "error": 0.0, "error_gradient": 0.0}
_COARSE = ("norm", "trace", "cross")


@dataclass(frozen=True)
class Sweep:
    """Time integrals per path (shape (paths,), or (1,) where exact) and their time profile.

    Attributes:
        norm: int s . D s dt, nats.
        drift: int (f . D^-1 f - 4 f . s) dt, nats.
        trace: int tr(D grad s) dt, nats.
        cross: int s_cond . D s dt, nats.
        error: int (s - s_true) . D (s - s_true) dt, nats; None where the true score is unknown.
        gradient: the gradient part of `error`, nats; None where it was not worked out.
        coarse: the means of (norm, trace, cross) by the next coarser time rule.
        profile: arrays of shape (moments,): see the module, plus "time", "weight" (quadrature
            weights of int dt), "trace" E[tr D grad s] and "cross" E[s_cond . D s] per model time,
            "score_square" E|s|^2, "second_moment" E|x|^2, "position_score" E[x . s],
            "calibration" c_t, "ratio", and "divergence" E[div s] for isotropic processes.
        seconds: (traces, everything else) of the pass.
    """

    norm: Tensor
    drift: Tensor
    trace: Tensor
    cross: Tensor
    error: Tensor | None
    gradient: Tensor | None
    coarse: tuple[float, float, float]
    profile: dict[str, np.ndarray]
    seconds: tuple[float, float]


class _Timed:
    """A trace that keeps the time."""

    def __init__(self, trace: Trace) -> None:
        self._trace, self.products, self.seconds = trace, trace.products, 0.0

    def prepare(self, paths: int, dim: int) -> Tracer:
        tracer = self._trace.prepare(paths, dim)

        def timed(field: Field, x: Tensor, mobility: float | Tensor) -> Tensor:
            start = perf_counter()
            values = tracer(field, x, mobility)
            self.seconds += perf_counter() - start
            return values

        return timed


@torch.no_grad()
def sweep(
    score: Score,
    ensemble: Ensemble,
    timeline: Timeline,
    *,
    truth: Score | None = None,
    trace: Trace | None = None,
    reference: Reference | None = None,
    split: Split | None = None,
    moments: int = 55,
    progress: Progress = terminal_bar,
) -> Sweep:
    """Accumulate the integrals over [t_min, T].

    Args:
        score: the model's score.
        ensemble: where E_{p_t} comes from.
        timeline: the clock.
        truth: the exact score of p_t, where known.
        trace: exact (default) or Hutchinson; probes are drawn anew at every moment.
        reference: the Gaussian taken out of quadratures and averages; default a unit one. It
            changes errors, never expectations.
        split: how the gradient part of the error is found; None leaves it out.
        moments: number of times, one of `timeline.COUNTS`.
        progress: wraps the iteration.

    Returns:
        Integrals per path and the profile.
    """
    begin, timed = perf_counter(), _Timed(trace or ExactTrace())
    reference = reference or Reference(timeline, np.eye(score.dim))
    nodes, weights = timeline.rule(moments)
    coarse_weights = np.zeros_like(weights)
    coarse_weights[1::2] = timeline.rule(moments // 2)[1]
    totals: dict[str, Any] = {}
    coarse = np.zeros(3)
    rows: list[dict[str, float]] = []
    for u, weight, coarser in progress(
        list(zip(nodes, weights, coarse_weights, strict=True)), "noised held-out points"
    ):
        moment = timeline.at(float(u))
        draw = ensemble.draw(moment.time)
        values = moment_values(
            score, draw, moment, truth=truth, trace=timed, reference=reference, split=split
        )
        known = reference.trace(moment)
        for name, sign in _SIGNS.items():
            if name in values:
                term = float(weight) * moment.stretch * (values[name] - sign * known)
                totals[name] = totals.get(name, sign * reference.integral) + term
        drift = values["drift_square"] - 4.0 * values["drift_score"]
        totals["drift"] = totals.get("drift", 0.0) + float(weight) * moment.stretch * drift
        means = {name: float(value.mean()) for name, value in values.items()}
        excess = np.array([means[name] - _SIGNS[name] * known for name in _COARSE])
        coarse += coarser * moment.stretch * excess
        rows.append(_rates(moment, means, float(weight), draw.x.shape[1]))
    coarse += reference.integral * np.array([_SIGNS[name] for name in _COARSE])
    profile = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    return Sweep(
        totals["norm"],
        totals["drift"],
        totals["trace"],
        totals["cross"],
        totals.get("error"),
        totals.get("error_gradient"),
        (float(coarse[0]), float(coarse[1]), float(coarse[2])),
        profile,
        (timed.seconds, perf_counter() - begin - timed.seconds),
    )


def _rates(moment: Moment, means: dict[str, float], weight: float, dim: int) -> dict[str, float]:
    """One row of the profile; rates per model time."""
    drift = moment.drift
    volume = float(drift.trace()) if isinstance(drift, Tensor) else dim * drift
    cross_drift, square = means["drift_score"], means["drift_square"]
    rates = {
        "sigma": volume + means["norm"],
        "sigma_drift": volume,
        "sigma_score": means["norm"],
        "intrinsic": square - 2.0 * cross_drift + means["norm"],
        "exchange": -volume + 2.0 * means["trace"] - square + 2.0 * cross_drift,
        "trace": means["trace"],
        "cross": means["cross"],
    }
    for name in ("error", "error_gradient"):
        if name in means:
            rates[f"score_{name}"] = means[name]
    norm = means["norm"] or float("nan")
    plain = {"divergence": means["trace"]} if isinstance(moment.mobility, float) else {}
    return {
        "time": moment.time,
        **plain,
        "weight": weight * moment.stretch / moment.rate,
        **{name: moment.rate * rate for name, rate in rates.items()},
        "score_square": means["score_square"],
        "second_moment": means["second_moment"],
        "position_score": means["position_score"],
        "calibration": means["cross"] / norm,
        "ratio": 2.0 * means["trace"] / norm,
    }
