"""The model's own density of a run's first end states, computed as soon as they are there.

It belongs to the first tile, like everything that is kept of a few paths. A flow that loses its way
on a state loses no run: the file says that there is no density.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from thermohw.likelihood.density import EndDensity
from thermohw.store import Result

if TYPE_CHECKING:
    import torch

    from thermohw.integrate import Engine
    from thermohw.target import Target

__all__ = ["DENSITY", "density_results", "density_values", "end_density"]

DENSITY = "density."
"""First word of the results, and the tree of /parameters with the settings."""


def end_density(
    engine: Engine, target: Target | None, *, points: int, settings: EndDensity
) -> EndDensity | None:
    """The settings with the number of points that a run can have; None where no density is wanted:
    no log path ratios, a start law without a density, or end states whose density is known.

    Args:
        engine: of the run.
        target: the data.
        points: end states at most: paths of the run and of a lane.
        settings: as asked for.
    """
    known = engine.plan.protocol.score
    exact = known.exact or getattr(getattr(known, "base", None), "exact", False)
    watched = any(observer.name == "production" for observer in engine.observers)
    count = min(points, settings.points)
    if target is None or exact or not watched or engine.start.log_prob is None or count < 2:
        return None
    return replace(settings, points=count)


def density_results(density: EndDensity) -> tuple[Result, ...]:
    """What a file keeps of it."""
    about = {
        "nll": "-ln rho of the first end states, rho the model's own law, nats, model units",
        "solver_error": "error of each as the flow solver estimates it, nats",
    }
    return (
        *(
            Result(f"{DENSITY}{name}", (density.points,), "1", dims=("dense_path",),
                   attrs={"long_name": words})
            for name, words in about.items()
        ),
        Result(f"{DENSITY}state", (1,), "1", dims=("flag",),
               attrs={"long_name": "1: as exact as asked for, 0: less exact, -1: none"}),
    )  # fmt: skip


def density_values(
    engine: Engine, density: EndDensity, target: Target, end: torch.Tensor
) -> dict[str, np.ndarray]:
    """The same, worked out for end states (paths, n) in thermal units."""
    protocol = engine.plan.protocol
    states = protocol.board.efforts(end[: density.points].double())
    try:
        found = density.evaluate(protocol.score, target, protocol.to_model(states))
    except FloatingPointError:
        nothing = np.zeros(density.points)
        return {f"{DENSITY}nll": nothing, f"{DENSITY}solver_error": nothing,
                f"{DENSITY}state": np.array([-1.0])}  # fmt: skip
    values, errors = found.nll.numpy(), found.solver_error.numpy()
    if not (np.isfinite(values).all() and np.isfinite(errors).all()):
        return {f"{DENSITY}nll": 0.0 * np.nan_to_num(values),
                f"{DENSITY}solver_error": 0.0 * np.nan_to_num(errors),
                f"{DENSITY}state": np.array([-1.0])}  # fmt: skip
    return {f"{DENSITY}nll": values, f"{DENSITY}solver_error": errors,
            f"{DENSITY}state": np.array([float(found.converged)])}  # fmt: skip
