r"""Densities as people ask for them: of the data alone, in data units, in bits per dimension.

Inside, everything is in model units, nats per sample. What is stored is in the target's data units,

    nll, S, B  ->  + dim ln(scale);       differences and Sigma are the same in both,

and for dequantised data also to bits per dimension, (nll - dim ln(step))/(dim ln 2).

Under a Langevin process densities are those of the whole state, positions and momenta. What is in
it beside the data has a known law, independent of them, so the chain rule of relative entropy gives

    nll.data.*  =  nll.* - (-E ln of that law),        an upper bound of the data's own NLL at t_min

comparable to the nll.* of a process of the data alone with the same noise at t_min. It is exact
where the model keeps the rest independent, as the exact score does. Per point it is evaluated at
states that read exactly the data (`Langevin.lay`).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from thermohw.likelihood.estimate import Estimate, estimate
from thermohw.target import Target, UniformPixels

if TYPE_CHECKING:
    from torch import Tensor

    from thermohw.likelihood.terms import Terms

__all__ = ["alone", "data_terms", "in_data_units"]


def data_terms(terms: Terms, flow: Tensor, rest: float) -> None:
    """The densities of the whole state less that of what is not data, nats, model units."""
    note = "of the data alone, at most: that of the whole state less what is not data"
    for name, value in list(terms.values.items()):
        if not name.startswith("nll.") or value is None:
            continue
        known = estimate(flow.numpy()) if name == "nll.ode" else value - rest
        terms.put(name.replace("nll.", "nll.data.", 1), known, density=True, note=note)


def alone(target: Target, name: str) -> Target:
    """What a term is a density of: the target, or the data in it."""
    return getattr(target, "base", target) if name.startswith("nll.data.") else target


def _quantum(target: Target) -> float:
    """Spacing of the grey levels that were dequantised, data units; 0 for continuous data."""
    return 1.0 if isinstance(target, UniformPixels) else float(getattr(target, "step", 0.0))


def in_data_units(
    terms: Terms, target: Target
) -> tuple[dict[str, Estimate | None], dict[str, str]]:
    """Shift the densities; add bits per dimension of the likelihoods of dequantised data."""
    values: dict[str, Estimate | None] = {}
    notes = dict(terms.notes)
    for name, value in terms.values.items():
        if value is not None and name in terms.densities:
            value = value + alone(target, name).log_volume
        values[name] = value
        data = alone(target, name)
        step = _quantum(data)
        if step > 0.0 and value is not None and name.startswith("nll."):
            discrete = value - data.dim * math.log(step)
            values[f"{name}.bits_per_dim"] = discrete * (1.0 / (data.dim * math.log(2.0)))
    return values, notes
