r"""Where the expectations and entropies of an evaluation come from.

The true law of p_t where it is known; held-out points, or a grid over that law in one or two
dimensions; the entropies that follow; and the way in which the score error is split.
"""

from __future__ import annotations

from dataclasses import replace
from numbers import Integral

import numpy as np
import torch
from torch import Tensor

from thermohw.errors import InputError
from thermohw.estimate import Estimate
from thermohw.likelihood.admission import admit_points
from thermohw.likelihood.bound import Known
from thermohw.likelihood.ensemble import Ensemble, GridEnsemble, SampleEnsemble
from thermohw.likelihood.features import FeatureSplit
from thermohw.likelihood.helmholtz import LinearSplit, Split, WholeSplit
from thermohw.likelihood.poisson import GridSplit
from thermohw.process import Normal
from thermohw.score import ExactScore, Score
from thermohw.target import Target

__all__ = ["DEFAULT_POINTS", "choose_ensemble", "choose_split", "known_entropies", "true_score"]

DEFAULT_POINTS = 256


def true_score(target: Target, score: Score) -> tuple[ExactScore | None, str]:
    """The exact score of p_t, or None and why not."""
    try:
        return target.score(score.process), ""
    except InputError as error:  # what to do about it is advice to somebody else
        why = error.problem.partition(";")[0]
        return None, f"the law of the data is not known ({why})"


def choose_ensemble(
    score: Score,
    target: Target,
    truth: tuple[ExactScore | None, str],
    *,
    points: Tensor | int | None,
    expectation: str,
    generator: torch.Generator,
) -> Ensemble:
    """Samples or a grid.

    Args:
        score: the model.
        target: the data.
        truth: what `true_score` gave.
        points: held-out data, shape (points, dim), model units; how many to draw; or None.
        expectation: "auto", "samples" or "grid".
        generator: points and noise are drawn from it.

    Raises:
        InputError: a request that cannot be met, or points that cannot be used.
    """
    exact, reason = truth
    if expectation not in ("auto", "samples", "grid"):
        raise InputError(
            f"{expectation!r} is not a way to take expectations; choose auto, samples or grid"
        )
    if expectation == "grid" and (exact is None or target.dim > 2):
        why = reason or f"this one has {target.dim} dimensions"
        raise InputError(f"a grid needs a known law in one or two dimensions: {why}")
    wanted = expectation == "grid" or (expectation == "auto" and target.dim == 1)
    if exact is not None and wanted and points is None:
        ensemble = GridEnsemble(score.process, exact, target)
        if ensemble.settles(score.process.t_min):
            if score.process.t_min == 0.0 or ensemble.settles(0.0):
                return ensemble
            return replace(ensemble, points=target.held_out(DEFAULT_POINTS, generator))
        if expectation == "grid":
            raise InputError("the law at t_min has edges: raise process.t_min or take samples")
    if not isinstance(points, Tensor):
        count = DEFAULT_POINTS if points is None else points
        if not isinstance(count, Integral) or isinstance(count, bool) or count < 2:
            raise InputError(
                "expected a torch tensor of shape (points, dim) in model units (data: "
                "target.to_model), or a whole number >= 2 of held-out points, got "
                + (repr(count) if isinstance(count, int | float) else type(count).__name__),
                where="points",
            )
        points = target.held_out(int(count), generator)
    admit_points(points, target)
    return SampleEnsemble(score.process, points.to(torch.float64), generator, exact)


def choose_split(
    kind: str, score: Score, target: Target, truth: ExactScore | None
) -> tuple[Split | None, str]:
    """How the score error is split, and why not or what qualifies the result.

    Args:
        kind: "auto" (where it costs nothing: one dimension, or both scores affine), "grid" (two
            dimensions, isotropic process), "features" (a lower estimate of the gradient part), or
            "none".
        score: the model.
        target: the data.
        truth: the true score, where known.

    Raises:
        InputError: an unknown kind, or one that needs what is not there.
    """
    if kind not in ("auto", "grid", "features", "none"):
        raise InputError(
            f"{kind!r} is not a way to split an error; choose auto, grid, features or none",
            where="split",
        )
    if truth is None or kind == "none":
        if kind in ("grid", "features"):
            raise InputError("splitting the score error needs the true score", where="split")
        return None, "the score error was not split (split = none)"
    if target.dim == 1:
        return WholeSplit(), ""
    if kind == "grid":
        if target.dim != 2 or not score.process.isotropic:
            raise InputError("needs two dimensions and an isotropic process", where="split = grid")
        return GridSplit(score, truth, target), ""
    if kind == "features":
        split = FeatureSplit()
        return split, split.note
    end = score.process.duration
    if score.at(end).affine is not None and truth.at(end).affine is not None:
        return LinearSplit(score, truth, target), ""
    ways = "grid or features" if target.dim == 2 else "features"
    return None, f"the score error was not split; ask for it by split = {ways}"


def known_entropies(
    target: Target, score: Score, ensemble: Ensemble, *, prior: Normal, reason: str
) -> Known:
    """Entropies of the true law, model units.

    Args:
        target: the data.
        score: the model.
        ensemble: which knows S(t) where the law is known.
        prior: the law at t = T.
        reason: why the law is not known, or empty.
    """
    process = score.process
    clean = None if target.entropy is None else Estimate(target.entropy - target.log_volume, 0.0)
    if clean is None and process.t_min > 0.0:  # a mixture whose entropy has no quadrature
        clean = ensemble.entropy(0.0)
    matched = process.prior("matched", target.mean, target.covariance)
    return Known(
        start=ensemble.entropy(process.t_min),
        end=ensemble.entropy(process.duration),
        clean=clean,
        end_substitute=Estimate(matched.entropy, 0.0),
        prior_entropy=prior.entropy,
        gaussian_mismatch=gaussian_divergence(matched, prior),
        reason=reason or "the entropy of the data has no exact value",
    )


def gaussian_divergence(law: Normal, other: Normal) -> float:
    """KL(law || other) of two normal laws, nats."""
    root = np.linalg.cholesky(other.matrix)
    spread = np.linalg.solve(root, np.linalg.cholesky(law.matrix))
    shift = np.linalg.solve(root, law.mean - other.mean)
    # x - 1 - ln x of the ratio's eigenvalues has no cancellation where the two laws agree
    excess = np.linalg.eigvalsh(spread @ spread.T) - 1.0
    return 0.5 * float((excess - np.log1p(excess)).sum() + shift @ shift)
