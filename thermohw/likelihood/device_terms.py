"""The device evidence bound of held-out points as named terms, data units.

    nll.device_elbo             U (`likelihood.device`)
    nll.device_elbo.prior       -E ln prior(z_0)
    nll.device_elbo.energy      -(E_0 - E_N)/kT        where there is one temperature in balance
    nll.device_elbo.control     what the control changes of ln K_0/K_u          likewise
    nll.device_elbo.ticks       sum E ln K/K_u         elsewhere
    nll.device_elbo.work        work of emfs on noised pairs, kT; part of no sum
    nll.device_elbo.excess      U - S(t_min), point by point above -ln p(z_N), where p is known: a
                                relative entropy, never negative; part of no sum

and of the heat of its ticks on the noised data (`likelihood.device_heat`), kT:

    energy_likelihood.ticks     int sum_j e_j^2 ds_j of the circuit's sources, to be compared with
                                energy_likelihood.strain of the likelihoods
    energy_likelihood.residual  their difference, point by point
    energy_likelihood.quadrature    what the trapezoidal rule over the ticks may leave in it
    energy_likelihood.held      mean heat of ticks that hold their source

The data are noised to t_min; where they are laid on some of the coordinates, `nll.data.device_elbo`
is the bound less the entropy of the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from thermohw.errors import InputError
from thermohw.likelihood.bound import HEAT
from thermohw.likelihood.data_units import in_data_units
from thermohw.likelihood.device import device_elbo, readings_each, without_evidence
from thermohw.likelihood.estimate import Estimate, estimate
from thermohw.likelihood.terms import Terms
from thermohw.process import Langevin

if TYPE_CHECKING:
    import numpy as np

    from thermohw.control import Plan
    from thermohw.likelihood.device_heat import NoisedHeat
    from thermohw.likelihood.evaluate import Likelihood
    from thermohw.score import ExactScore
    from thermohw.target import Target

__all__ = ["DRAWS", "REFERENCED", "device_terms"]

DRAWS = 16
"""Readings of a tick that are averaged over, where they are noisy and no rule sums over them."""

_ROWS, _FEWEST = 2048, 64  # points times their readings, but at least so many points

_NAME = "nll.device_elbo"
REFERENCED = 128  # coordinates up to which a Gaussian takes scatter out, at the cost of n^3 a tick


def device_terms(
    plan: Plan,
    target: Target,
    points: Tensor,
    *,
    prior: str,
    generator: torch.Generator,
    beside: Likelihood | None = None,
    draws: int = DRAWS,
) -> tuple[dict[str, Estimate | None], dict[str, str], dict[str, np.ndarray], dict[str, Any]]:
    """Evaluate the bound.

    Args:
        plan: the device's run.
        target: the data, with all coordinates of the process.
        points: held-out data, shape (points, n), model units; the first of them, where readings are
            averaged over.
        prior: "schedule" or "matched".
        generator: of the noise.
        beside: likelihoods of the same score and points, or of a grid, whose heat is compared.
        draws: see `device_elbo`.

    Returns:
        Terms, notes, arrays by point and settings, as in `thermohw.likelihood.Likelihood`.
    """
    reason = without_evidence(plan)
    if reason:
        return {_NAME: None}, {_NAME: reason}, {}, {}
    given = len(points)
    # Readings in the hundreds, each with its own score, would take longer than the run.
    rows = _ROWS * (8 if target.dim == 1 else 1)
    points = points[: max(_FEWEST, rows // readings_each(plan, draws))]
    process, terms, ends = plan.protocol.process, Terms(), _noised(points, plan, generator)
    law = process.prior(prior, target.mean, target.covariance)
    moments = None if target.dim > REFERENCED else (target.mean, target.covariance)
    try:
        found = device_elbo(plan, ends, law, generator=generator, draws=draws, moments=moments)
    except InputError as error:
        return {_NAME: None}, {_NAME: str(error)}, {}, {}
    note = f"{found.method}, {found.draws} draws" if found.draws > 1 else found.method
    terms.add(_NAME, found.total, density=True, note=note)
    if isinstance(process, Langevin):
        rest = process.rest_entropy(process.t_min)
        terms.put("nll.data.device_elbo", estimate(found.total) - rest, density=True, note=note)
    values, notes = in_data_units(terms, target)
    shares = {name: share for name, share in found.terms.items() if name != "direct"}
    truth = _truth(target, plan)
    if truth is not None:
        shares["excess"] = found.total + truth.log_prob(ends, process.t_min)
    for name, share in shares.items():
        shift = target.log_volume if name == "prior" else 0.0
        values[f"{_NAME}.{name}"] = estimate(share) + shift
    arrays = {_NAME: found.total.numpy() + target.log_volume}
    how = {"method": found.method, "draws": found.draws, "points": given}
    if found.heat is not None and beside is not None:
        values |= _heat_terms(found.heat, beside)
    return values, notes, arrays, how


def _heat_terms(heat: NoisedHeat, beside: Likelihood) -> dict[str, Estimate | None]:
    """Heat of the ticks on noised data beside that of the likelihoods."""
    term = beside.terms[f"{HEAT}.strain"]
    points = beside.points.get(f"{HEAT}.strain")
    if points is not None and len(points) == len(heat.strain):
        residual = estimate(heat.strain.numpy() - points)  # the points' own scatter is shared
    else:
        assert term is not None
        residual = estimate(heat.strain) - term
    left = abs(float((heat.coarse - heat.strain).mean())) / 3.0
    return {
        f"{HEAT}.ticks": estimate(heat.strain),
        f"{HEAT}.residual": residual,
        f"{HEAT}.quadrature": Estimate(left, 0.0),
        f"{HEAT}.held": estimate(heat.held),
    }


def _truth(target: Target, plan: Plan) -> ExactScore | None:
    """The exact law of the data under the process, where it is known."""
    try:
        found = target.score(plan.protocol.process)
        found.at(plan.protocol.process.t_min)
    except InputError:
        return None
    return found


def _noised(points: Tensor, plan: Plan, generator: torch.Generator) -> Tensor:
    """Data at t_min, where runs end."""
    process = plan.protocol.process
    if process.t_min == 0.0:
        return points.double()
    decay, noise = process.transition(process.t_min)
    normals = torch.randn(points.shape, dtype=torch.float64, generator=generator)
    if process.isotropic:
        return float(decay) * points.double() + float(noise) ** 0.5 * normals
    root = torch.linalg.cholesky(torch.as_tensor(noise))
    return points.double() @ torch.as_tensor(decay).T + normals @ root.T
