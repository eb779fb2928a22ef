r"""All likelihood quantities of one score on one target, as plain numbers and arrays to be stored.

Inside, everything is float64, in model units, nats per sample; what is stored is in the target's
data units (`likelihood.data_units`).

Expectations over p_t are taken over the given held-out points (any dimension, with standard
errors), or, where the law is known in one dimension and no points are given, by quadrature.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch import Tensor

from thermohw.errors import InputError
from thermohw.estimate import Estimate
from thermohw.likelihood.admission import admit_score, admit_settings
from thermohw.likelihood.bound import HEAT, bound_terms, flow_terms
from thermohw.likelihood.data_units import alone, data_terms, in_data_units
from thermohw.likelihood.ensemble import GridEnsemble
from thermohw.likelihood.estimate import estimate
from thermohw.likelihood.flow import Flow, flow_nll
from thermohw.likelihood.progress import Progress, terminal_bar
from thermohw.likelihood.reference import Reference
from thermohw.likelihood.sources import (
    choose_ensemble,
    choose_split,
    known_entropies,
    true_score,
)
from thermohw.likelihood.sweep import Sweep, sweep
from thermohw.likelihood.terms import Terms
from thermohw.likelihood.timeline import COUNTS, Timeline
from thermohw.likelihood.trace import choose_trace
from thermohw.process import Langevin, Process
from thermohw.score import Score
from thermohw.target import GaussianMixture, Target, lift

__all__ = ["Likelihood", "evaluate"]


@dataclass(frozen=True)
class Likelihood:
    """Likelihoods, bounds and entropies of a model, data units, nats per sample.

    Attributes:
        terms: dotted name -> (value, stderr), or None where it cannot be known.
        notes: dotted name -> why it is None, or what qualifies it.
        points: per-point arrays, shape (points,), float64: "nll.ode" (data units; under a Langevin
            process also "nll.data.ode"),
            "nll.ode.solver_error", "nll.ode.divergence_stderr", "energy_likelihood.strain"
            (`device_heat`; not on a grid); on a grid also "weight".
        profile: per-time arrays, shape (moments,): see `sweep`.
        settings: how it was computed: prior, probes, tolerance, numbers of evaluations; "cost" has
            for every likelihood its "score_evaluations" and "divergence_evaluations" (of the whole
            batch) and "seconds". Those of the noised law share one pass.
    """

    terms: dict[str, Estimate | None]
    notes: dict[str, str]
    points: dict[str, np.ndarray]
    profile: dict[str, np.ndarray]
    settings: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        """The terms, one a line: name, value, standard error (nats; bits where the name says)."""
        width = max(map(len, self.terms))
        return "\n".join(
            f"{name:<{width}}  "
            + ("unknown" if term is None else f"{term.value:.6g} +- {term.stderr:.2g}")
            for name, term in self.terms.items()
        )

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
    solver: str = "adaptive",
    steps: int | None = None,
    split: str = "auto",
    noised: bool = False,
    process: Process | None = None,
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
        solver: of the flow, "adaptive" or "fixed"; see `flow_nll`.
        steps: how many fixed steps.
        split: how the score error is split into gradient and solenoidal part, where the true score
            is known: "auto" (where that is free: one dimension, affine scores), "grid" (two
            dimensions), "features" (a lower estimate of the gradient part), or "none".
        noised: also "nll.ode.noised", the flow's density of points noised to t_min, where the other
            likelihoods are: it is at least S(t_min), and costs another solution of the flow.
        process: the forward process asked for; a score of another one is refused.
        progress: wraps long iterations.

    Returns:
        Plain numbers and arrays.

    Raises:
        InputError: settings or points that cannot be used: a score of another process, points in
            other than model units or on a lattice; see `admission`.
    """
    target = lift(target, score.process)
    admit_score(score, target, process)
    admit_settings(tolerance=tolerance, probes=probes, moments=moments)
    process = score.process
    smooth = isinstance(target, GaussianMixture)
    timeline = Timeline.of(process, target.narrowest if smooth else 0.0)
    truth, reason = true_score(target, score)
    law = process.prior(prior, target.mean, target.covariance)
    ensemble = choose_ensemble(
        score,
        target,
        (truth, reason),
        points=points,
        expectation=expectation,
        generator=generator,
    )
    grid = isinstance(ensemble, GridEnsemble)
    if moments is None:
        moments = 111 if grid else 55 if score.exact else 27
    moments = min((count for count in COUNTS if count >= moments), default=COUNTS[-1])
    known = known_entropies(target, score, ensemble, prior=law, reason=reason)
    closed = score.divergence_products == 0 and process.isotropic
    trace = choose_trace(probes, target.dim, generator, closed_form=closed)
    splitter, unsplit = choose_split(split, score, target, truth)
    reference = Reference(timeline, target.covariance, target.mean)
    swept = sweep(
        score,
        ensemble,
        timeline,
        truth=truth,
        trace=trace,
        reference=reference,
        split=splitter,
        moments=moments,
        progress=progress,
    )
    clean, begin = ensemble.clean(), perf_counter()
    solved = flow_nll(
        score,
        clean.x,
        law,
        timeline=timeline,
        trace=trace,
        reference=reference,
        tolerance=tolerance,
        solver=solver,
        steps=steps,
        progress=progress,
    )
    seconds = perf_counter() - begin
    cross, volume = ensemble.cross_entropy(law), timeline.log_volume(target.dim)
    terms = bound_terms(swept, cross, volume, known, unsplit=unsplit)
    pair = clean.reduce(solved.prior_term), clean.reduce(solved.trace)
    flow_terms(terms, swept, cross, volume, known, flow=pair)
    _errors(terms, swept, solved, clean.reduce(solved.solver_error))
    if noised and process.t_min > 0.0 and not grid:
        there = ensemble.draw(process.t_min)
        other = flow_nll(
            score, there.x, law, timeline=timeline, trace=trace, reference=reference,
            tolerance=tolerance, solver=solver, steps=steps, progress=progress,
        )  # fmt: skip
        error = Estimate(0.0, float(other.solver_error.mean()))
        terms.put("nll.ode.noised", estimate(other.nll) + error, density=True)
    arrays = {
        "nll.ode": solved.nll.numpy() + target.log_volume,
        "nll.ode.solver_error": solved.solver_error.numpy(),
        "nll.ode.divergence_stderr": solved.divergence_stderr.numpy(),
    }
    if not grid:
        arrays[f"{HEAT}.strain"] = (4.0 * swept.norm + swept.drift).numpy()
    if clean.weight is not None:
        arrays["weight"] = clean.weight.numpy()
    if isinstance(process, Langevin):
        rest = process.rest_nll(clean.x, process.t_min)
        data_terms(terms, clean.reduce(solved.nll - rest), process.rest_entropy(process.t_min))
        arrays["nll.data.ode"] = (solved.nll - rest).numpy() + alone(target, "nll.data.").log_volume
    values, notes = in_data_units(terms, target)
    settings = {
        "prior": prior,
        "expectation": "grid" if grid else "samples",
        "points": len(clean.x),
        "probes": trace.products or 0,
        "tolerance": tolerance,
        "solver": solver,
        "steps": steps,
        "moments": len(swept.profile["time"]),
        "score_evaluations": solved.score_evaluations,
        "divergence_evaluations": solved.divergence_evaluations,
        "converged": solved.converged,
        "split": split,
        "cost": _cost(swept, solved, seconds),
    }
    return Likelihood(values, notes, arrays, swept.profile, settings)


def _cost(swept: Sweep, solved: Flow, seconds: float) -> dict[str, dict[str, float]]:
    """What every likelihood would cost by itself."""
    moments, (trace, rest) = len(swept.profile["time"]), swept.seconds

    def row(scores: int, divergences: int, seconds: float) -> dict[str, float]:
        return {
            "score_evaluations": scores,
            "divergence_evaluations": divergences,
            "seconds": seconds,
        }

    return {
        "nll.ode": row(solved.score_evaluations, solved.divergence_evaluations, seconds),
        "nll.marginal": row(0, moments, trace),
        "nll.marginal_denoising": row(moments, 0, rest),
        "nll.sde_elbo": row(moments, moments, trace + rest),
        "nll.sde_elbo_denoising": row(moments, 0, rest),
        "bound.lower": row(moments, 0, rest),
    }


def _errors(terms: Terms, swept: Sweep, solved: Flow, solver_error: Tensor) -> None:
    """Numerical errors: of the flow, of the trace estimator, of the time quadrature."""
    terms.put("error.solver", Estimate(float(solver_error.mean()), 0.0))
    spread = float(solved.divergence_stderr.square().mean().sqrt())
    terms.put("error.divergence", Estimate(spread / math.sqrt(len(solved.nll)), 0.0))
    quadrature = abs(float(swept.trace.mean()) - swept.coarse[1])
    terms.put("error.quadrature", Estimate(quadrature, 0.0))
