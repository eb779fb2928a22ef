"""From the readings of a board to its answer, with errors, references and the bill."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from thermohw.circuit import active_law
from thermohw.solver.answer import Inverse, Solution
from thermohw.solver.budget import Budget, budget
from thermohw.solver.evolve import may_slew
from thermohw.solver.shortfall import Shortfall

if TYPE_CHECKING:
    from thermohw.solver.average import Batches
    from thermohw.solver.prepared import PreparedEvolve
    from thermohw.solver.run import ActiveRun

__all__ = ["answer_of"]


def answer_of(made: PreparedEvolve, run: ActiveRun, batches: Batches | None) -> Solution | Inverse:
    """The solution, or the inverse, that a board was read for.

    Args:
        made: what was played, a system on a board.
        run: what came of it.
        batches: its readings.
    """
    system, readings = made.system, made.readings
    assert system is not None and readings is not None and batches is not None
    missing = Shortfall(
        system, quiet=readings.quiet, readings=readings.count, spacing=readings.spacing,
        inner=readings.inner, paths=batches.sums.shape[1], slewing=may_slew(system),
    )  # fmt: skip
    shared: dict[str, Any] = {
        "condition": float(np.linalg.cond(system.matrix)),
        "slowest": system.slowest,
        "budget": _budget(made),
        "run": run,
        "system": system,
    }
    law = active_law(system.device, False)
    mean, error = batches.mean()
    if not made.products:
        return Solution(
            x=mean,
            stderr=error,
            predicted=missing.mean_error(),
            bias=missing.mean_bias(),
            runs=batches.by_path(),
            exact=np.linalg.solve(system.matrix, system.vector),
            settled=system.read_exact(law.effort_mean(system.sources)),
            times=run.times,
            trajectory=run.mean[:, system.outputs] / system.volts,
            **shared,
        )
    covariance, error = batches.covariance()
    out, scale = system.outputs, system.temperature
    return Inverse(
        inverse=covariance / scale,
        stderr=error / scale,
        predicted=missing.covariance_error() / scale,
        bias=missing.covariance_bias() / scale,
        runs=batches.covariance_by_path() / scale,
        exact=np.linalg.inv(system.matrix),
        settled=law.effort_covariance[out, out] / system.unit**2 / scale,
        mean=mean,
        **shared,
    )


def _budget(made: PreparedEvolve) -> Budget:
    """Seconds and joules of one path, heat by the steady rates."""
    system, readings, scale = made.system, made.readings, made.device.scale
    assert system is not None and readings is not None and made.board is not None
    rates = active_law(system.device, True).steady_rates(system.sources)
    power = sum(rates[name] for name in rates.names if name.startswith("heat."))
    spacing = readings.spacing * scale.time
    return budget(
        made.board,
        system.dim,
        settling=readings.quiet * spacing,
        averaging=readings.count * spacing,
        readings=readings.count,
        heat=power * scale.energy / scale.time,
    )
