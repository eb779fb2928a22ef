"""Likelihood terms of a setting as a tree for /parameters/likelihood.

terms/<name> is (value, standard error) in nats per sample, data units, NaN where it cannot be
known, with the reason in `notes` (JSON). `points` holds per-image values, `profile` the integrands
over model time, `test` the held-out points themselves (model units), so that an audit can compute
everything again from the file alone.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from thermohw.errors import InputError
from thermohw.likelihood import evaluate
from thermohw.likelihood.device_terms import device_terms
from thermohw.likelihood.progress import silent, terminal_bar
from thermohw.noise import Stream, block_generator

if TYPE_CHECKING:
    from torch import Tensor

    from thermohw.control import Plan
    from thermohw.likelihood import Likelihood
    from thermohw.run.setting import Setting
    from thermohw.score import Score
    from thermohw.target import Target

__all__ = ["as_tree", "evaluated", "likelihood_tree", "points_asked", "require_likelihood"]

_DRAWN = 1024  # points of a known law of one coordinate, where a quadrature needs none


def likelihood_tree(
    setting: Setting,
    *,
    plan: Plan | None = None,
    test: int,
    seed: int,
    prior: str = "schedule",
    probes: int = 0,
    tolerance: float = 1e-5,
    moments: int | None = None,
    solver: str = "adaptive",
    progress: bool = True,
) -> dict[str, Any]:
    """Evaluate the likelihood of a setting's score on held-out data.

    Args:
        setting: what is run; its target must be known.
        plan: its protocol worked out; None leaves the bound of the device as it is out.
        test: held-out points, at most as many as a data set has; in one dimension known laws are
            integrated by quadrature instead.
        seed: of the noise and the held-out draw (its own stream).
        prior: "schedule" or "matched".
        probes: Hutchinson probes; 0 for exact divergences.
        tolerance: of the flow solver.
        moments: times of the marginal integrals; None chooses.
        solver: of the flow: "adaptive", or "fixed" with as many steps as `moments`.
        progress: show a bar.
    """
    assert setting.target is not None
    data = setting.target
    require_likelihood(data, test=test, solver=solver, moments=moments)
    generator = block_generator(seed, 0, Stream.LIKELIHOOD)
    on_a_line = data.analytic and data.dim == 1
    points = None if on_a_line else data.held_out(points_asked(data, test), generator)
    found = evaluated(
        setting.score,
        data,
        points,
        generator=generator,
        prior=prior,
        probes=probes,
        tolerance=tolerance,
        moments=moments,
        solver=solver,
        progress=progress,
    )
    if plan is not None:
        own = block_generator(seed, 1, Stream.LIKELIHOOD)
        held = data.held_out(max(test, _DRAWN), own) if points is None else points
        device, notes, arrays, how = device_terms(
            plan, data, held, prior=prior, generator=own, beside=found
        )
        found = replace(
            found,
            terms=found.terms | device,
            notes=found.notes | notes,
            points=found.points | arrays,
            settings=found.settings | {"device": how},
        )
    return as_tree(found, points)


def evaluated(
    score: Score,
    target: Target,
    points: Tensor | None,
    *,
    generator: torch.Generator,
    prior: str,
    probes: int,
    tolerance: float,
    moments: int | None,
    solver: str,
    progress: bool,
) -> Likelihood:
    """Evaluate a score on a target; settings as of `likelihood_tree`.

    Args:
        score: the model.
        target: the data.
        points: held-out points, model units; None integrates by quadrature.
        generator: noise is drawn from it.
    """
    threads = torch.get_num_threads()
    found = evaluate(
        score,
        target,
        generator=generator,
        prior=prior,
        points=points,
        probes=probes,
        tolerance=tolerance,
        moments=moments,
        solver=solver,
        steps=moments if solver == "fixed" else None,
        noised=True,
        progress=terminal_bar if progress else silent,
    )
    torch.set_num_threads(threads)
    return found


def as_tree(found: Likelihood, points: Tensor | None) -> dict[str, Any]:
    """What an evaluation found, and the points that it was taken at, as a tree to store."""
    unknown = (float("nan"), float("nan"))
    return {
        "terms": {
            name: list(unknown if term is None else (term.value, term.stderr))
            for name, term in found.terms.items()
        },
        "notes": json.dumps(found.notes),
        "settings": json.dumps(_untimed(found.settings)),
        "points": dict(found.points),
        "profile": dict(found.profile),
        **({} if points is None else {"test": points.numpy()}),
    }


def require_likelihood(data: Target, *, test: int, solver: str, moments: int | None) -> None:
    """Refuse settings of a likelihood that no score could be evaluated with; 0 points are none.

    Raises:
        InputError: naming the key.
    """
    if test and solver == "fixed" and moments is None:
        raise InputError("the fixed solver needs a number of steps", where="likelihood.steps")
    if test and not (data.analytic and data.dim == 1) and points_asked(data, test) < 2:
        problem = f"{points_asked(data, test)} held-out point: expected at least 2, or test = 0"
        raise InputError(problem, where="likelihood.test")


def _untimed(settings: dict[str, Any]) -> dict[str, Any]:
    """Without the seconds: what is hashed must be the same whenever and wherever it is computed."""
    cost = {
        name: {key: value for key, value in row.items() if key != "seconds"}
        for name, row in settings["cost"].items()
    }
    return settings | {"cost": cost}


def points_asked(data: Target, asked: int) -> int:
    """As many as asked for, or as a data set has; a law that is known has any number."""
    return min(asked, getattr(data, "counts", {}).get("test", asked))
