r"""All likelihood quantities of one score on one target, as plain numbers and arrays to be stored.

Inside, everything is float64, in model units, nats per sample. Here, and only here, densities are
converted to the target's data units,

    nll, S, B  ->  + dim ln(scale);       differences and Sigma are the same in both,

and for dequantised data also to bits per dimension, (nll - dim ln(step))/(dim ln 2).

Expectations over p_t are taken over the given held-out points (any dimension, with standard
errors), or, where the law is known in one dimension and no points are given, by quadrature.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from thermohw.errors import InputError
from thermohw.likelihood.bound import Known, bound_terms, flow_terms
from thermohw.likelihood.ensemble import Ensemble, GridEnsemble, SampleEnsemble
from thermohw.likelihood.estimate import Estimate, plus, times
from thermohw.likelihood.flow import Flow, Progress, flow_nll, terminal_bar
from thermohw.likelihood.reference import Reference
from thermohw.likelihood.sweep import Sweep, sweep
from thermohw.likelihood.terms import Terms
from thermohw.likelihood.timeline import COUNTS, Timeline
from thermohw.likelihood.trace import choose_trace
from thermohw.score import ExactScore, Score
from thermohw.target import GaussianMixture, Target, UniformPixels

__all__ = ["Likelihood", "evaluate"]

DEFAULT_POINTS = 256


@dataclass(frozen=True)
class Likelihood:
    """Likelihoods, bounds and entropies of a model, data units, nats per sample.

    Attributes:
        terms: dotted name -> (value, stderr), or None where it cannot be known.
        notes: dotted name -> why it is None, or what qualifies it.
        points: per-point arrays, shape (points,), float64: "nll.ode" (data units),
            "nll.ode.solver_error", "nll.ode.divergence_stderr"; on a grid also "weight".
        profile: per-time arrays, shape (moments,): see `sweep`.
        settings: how it was computed: prior, probes, tolerance, numbers of evaluations.
    """

    terms: dict[str, Estimate | None]
    notes: dict[str, str]
    points: dict[str, np.ndarray]
    profile: dict[str, np.ndarray]
    settings: dict[str, Any] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Estimate:
        """The term of that name.

        Raises:
            InputError: the term is unknown for this target; the message says why.
        """
        value = self.terms[name]
        if value is None:
            raise InputError(f"not available: {self.notes[name]}", where=name)
        return value


def evaluate(
    score: Score,
    target: Target,
    *,
    generator: torch.Generator,
    prior: str = "schedule",
    points: Tensor | int | None = None,
    expectation: str = "auto",
    probes: int = 0,
    tolerance: float = 1e-5,
    moments: int | None = None,
    progress: Progress = terminal_bar,
) -> Likelihood:
    """Compute every likelihood quantity.

    Args:
        score: the model.
        target: the data.
        generator: noise, held-out points and probes are drawn from it.
        prior: "schedule", N(0, noise(T)), or "matched", with the mean and covariance of p_T.
        points: held-out data of shape (points, dim) in model units, or how many of the target's
            own to draw (default 256).
        expectation: "samples", "grid" (known laws in one or two dimensions), or "auto": the grid in
            one dimension when no points are asked for, else samples.
        probes: Hutchinson probes per point; 0 for exact divergences where they are affordable.
        tolerance: error allowed to the flow solver, nats, relative to 1 + |int trace|.
        moments: at least so many times for the marginal integrals; default 111 on a grid, 55 for
            exact scores, 27 for others.
        progress: wraps long iterations.

    Returns:
        Plain numbers and arrays.

    Raises:
        InputError: settings or points that cannot be used.
    """
    process = score.process
    smooth = isinstance(target, GaussianMixture)
    timeline = Timeline.of(process, target.narrowest if smooth else 0.0)
    truth, reason = _truth(target, score)
    law = process.prior(prior, target.mean, target.covariance)
    ensemble = _ensemble(score, target, truth, reason, points, expectation, generator)
    grid = isinstance(ensemble, GridEnsemble)
    if moments is None:
        moments = 111 if grid else 55 if score.exact else 27
    moments = min((count for count in COUNTS if count >= moments), default=COUNTS[-1])
    known = _known(target, process, ensemble, law.entropy, reason)
    trace = choose_trace(
        probes, target.dim, generator, closed_form=score.exact and process.isotropic
    )
    reference = Reference(timeline, target.covariance, target.mean)
    swept = sweep(
        score,
        ensemble,
        timeline,
        truth=truth,
        trace=trace,
        reference=reference,
        moments=moments,
        progress=progress,
    )
    clean = ensemble.clean()
    solved = flow_nll(
        score,
        clean.x,
        law,
        timeline=timeline,
        trace=trace,
        reference=reference,
        tolerance=tolerance,
        progress=progress,
    )
    cross, volume = ensemble.cross_entropy(law), timeline.log_volume(target.dim)
    terms = bound_terms(swept, cross, volume, known)
    pair = clean.reduce(solved.prior_term), clean.reduce(solved.trace)
    flow_terms(terms, swept, cross, volume, known, flow=pair)
    _errors(terms, swept, solved, clean.reduce(solved.solver_error))
    arrays = {
        "nll.ode": solved.nll.numpy() + target.log_volume,
        "nll.ode.solver_error": solved.solver_error.numpy(),
        "nll.ode.divergence_stderr": solved.divergence_stderr.numpy(),
    }
    if clean.weight is not None:
        arrays["weight"] = clean.weight.numpy()
    values, notes = _in_data_units(terms, target)
    settings = {
        "prior": prior,
        "expectation": "grid" if grid else "samples",
        "points": len(clean.x),
        "probes": trace.products or 0,
        "tolerance": tolerance,
        "moments": len(swept.profile["time"]),
        "score_evaluations": solved.score_evaluations,
        "divergence_evaluations": solved.divergence_evaluations,
        "converged": solved.converged,
    }
    return Likelihood(values, notes, arrays, swept.profile, settings)


def _truth(target: Target, score: Score) -> tuple[ExactScore | None, str]:
    """The exact score of p_t, or None and why not."""
    try:
        return target.score(score.process), ""
    except InputError as error:
        return None, f"the law of the data is not known ({error})"


def _ensemble(
    score: Score,
    target: Target,
    truth: ExactScore | None,
    reason: str,
    points: Tensor | int | None,
    expectation: str,
    generator: torch.Generator,
) -> Ensemble:
    if expectation not in ("auto", "samples", "grid"):
        raise InputError(
            f"{expectation!r} is not a way to take expectations; choose auto, samples or grid"
        )
    if expectation == "grid" and (truth is None or target.dim > 2):
        why = reason or f"this one has {target.dim} dimensions"
        raise InputError(f"a grid needs a known law in one or two dimensions: {why}")
    wanted = expectation == "grid" or (expectation == "auto" and target.dim == 1)
    if truth is not None and wanted and points is None:
        ensemble = GridEnsemble(score.process, truth, target)
        if ensemble.settles(score.process.t_min):
            if score.process.t_min == 0.0 or ensemble.settles(0.0):
                return ensemble
            return replace(ensemble, points=target.held_out(DEFAULT_POINTS, generator))
        if expectation == "grid":
            raise InputError("the law at t_min has edges: raise process.t_min or take samples")
    if not isinstance(points, Tensor):
        points = target.held_out(DEFAULT_POINTS if points is None else points, generator)
    if points.ndim != 2 or points.shape[1] != target.dim or len(points) < 2:
        shape = tuple(points.shape)
        raise InputError(f"held-out points must have shape (>= 2, {target.dim}), got {shape}")
    return SampleEnsemble(score.process, points.to(torch.float64), generator, truth)


def _known(
    target: Target, process: Any, ensemble: Ensemble, prior_entropy: float, reason: str
) -> Known:
    """Entropies of the true law, model units."""
    clean = None if target.entropy is None else Estimate(target.entropy - target.log_volume, 0.0)
    matched = process.prior("matched", target.mean, target.covariance)
    return Known(
        start=ensemble.entropy(process.t_min),
        end=ensemble.entropy(process.duration),
        clean=clean,
        end_substitute=Estimate(matched.entropy, 0.0),
        prior_entropy=prior_entropy,
        reason=reason or "the entropy of the data has no exact value",
    )


def _errors(terms: Terms, swept: Sweep, solved: Flow, solver_error: Tensor) -> None:
    """Numerical errors: of the flow, of the trace estimator, of the time quadrature."""
    terms.put("error.solver", Estimate(float(solver_error.mean()), 0.0))
    spread = float(solved.divergence_stderr.square().mean().sqrt())
    terms.put("error.divergence", Estimate(spread / math.sqrt(len(solved.nll)), 0.0))
    quadrature = abs(float(swept.trace.mean()) - swept.coarse[1])
    terms.put("error.quadrature", Estimate(quadrature, 0.0))


def _quantum(target: Target) -> float:
    """Spacing of the grey levels that were dequantised, data units; 0 for continuous data."""
    return 1.0 if isinstance(target, UniformPixels) else float(getattr(target, "step", 0.0))


def _in_data_units(
    terms: Terms, target: Target
) -> tuple[dict[str, Estimate | None], dict[str, str]]:
    """Shift the densities; add bits per dimension of the likelihoods of dequantised data."""
    step = _quantum(target)
    values: dict[str, Estimate | None] = {}
    notes = dict(terms.notes)
    for name, value in terms.values.items():
        if value is not None and name in terms.densities:
            value = plus(value, target.log_volume)
        values[name] = value
        if step > 0.0 and value is not None and name.startswith("nll."):
            discrete = plus(value, -target.dim * math.log(step))
            values[f"{name}.bits_per_dim"] = times(discrete, 1.0 / (target.dim * math.log(2.0)))
    return values, notes
