"""The likelihood table: every likelihood, bound and entropy estimate with what it means.

Values come from the audit where it names them, else from the terms that the run stored; what is
unknown carries its reason. All are nats per sample in the target's data units; dequantised data
also have bits per dimension.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from thermohw.audit import Quantity
from thermohw.estimate import Estimate
from thermohw.report.numerals import count, measured, plain

if TYPE_CHECKING:
    from thermohw.report.facts import Facts
    from thermohw.report.verdicts import Verdicts

__all__ = ["Term", "likelihood_groups", "point_summary"]

_GROUPS: dict[str, dict[str, str]] = {
    "How likely held-out data are (lower is better)": {
        "nll.data.ode": "of the data alone, at most: probability flow of the whole state, less "
        "what is not data",
        "nll.data.marginal": "the same of the marginal likelihood",
        "nll.data.sde_elbo": "the same of the evidence bound",
        "nll.ode": "probability flow of the score, exact density; no less than S₀",
        "nll.ode.noised": "the same of data noised to t_min, where the terms below are; no "
        "less than S(t_min)",
        "nll.marginal": "marginal likelihood of the score's own diffusion; no less than the "
        "entropy bound below",
        "nll.sde_elbo": "evidence bound: −ln p of what the reverse diffusion generates is no "
        "more; no less than S(t_min)",
        "nll.device_elbo": "evidence bound: −ln p of what the device itself generates, by its "
        "ticks and converters, is no more",
    },
    "The entropy bound and what its gap is made of": {
        "bound.lower": "lower bound (S₀ + S₁)/2 − Σ/2 on the marginal likelihood",
        "bound.gap": "marginal likelihood less the bound",
        "bound.prior_mismatch": "part of the gap: p at the end of noising is not the prior",
        "bound.score_error": "part of the gap: the score is not the true one",
        "bound.terminal_mismatch": "flow against marginal: where trajectories end",
        "bound.trajectory_drift": "flow against marginal: where trajectories pass",
        "bound.truncation": "entropy of the noise left at t_min",
    },
    "The data's entropy S₀, known or estimated": {
        "entropy.data": "known",
        "entropy.estimate_plugin": "estimate S₁ − Σ; either sign of error",
        "entropy.estimate_inversion": "estimate 2 NLL − S₁ + Σ; from above",
        "entropy.estimate_elbo": "estimate: the evidence bound; from above",
    },
    "Heat on the noised data": {
        "energy_likelihood.heat": "of continuous sources in series: 2 H₁ + 4 U − 6 NLL + drift",
        "energy_likelihood.drift": "what the process's own drift adds",
        "energy_likelihood.held": "of the run's own ticks, sources held",
        "energy_likelihood.residual": "its part b²/D: by the circuit's sources, less by the score",
    },
    "Entropies along the way": {
        "entropy.prior": "S₁, at the end of noising",
        "entropy.sigma_forward": "Σ, plug-in change along noising",
    },
}


@dataclass(frozen=True)
class Term:
    """One row of the table.

    Attributes:
        name: dotted name.
        meaning: in words.
        value: in its unit; None where unknown.
        nats: the number in words, or "unknown".
        bits: bits per dimension in words, "" without.
        note: why it is unknown, or what qualifies it.
        unit: of the number.
    """

    name: str
    meaning: str
    value: float | None
    nats: str
    bits: str
    note: str
    unit: str = "nats"


def likelihood_groups(verdicts: Verdicts, facts: Facts) -> list[tuple[str, list[Term]]]:
    """Titled groups of terms; empty where the run has no likelihood at all."""
    groups = []
    notes = facts.likelihood.get("notes", {})
    for title, names in _GROUPS.items():
        rows = []
        for name, meaning in names.items():
            term = _find(name, verdicts, facts)
            if term is None:
                continue
            bits = _find(f"{name}.bits_per_dim", verdicts, facts)
            shown = "" if bits is None or bits.value is None else measured(bits.value, bits.stderr)
            nats = measured(term.value, term.stderr)
            unit = "kT" if name.startswith("energy_likelihood.") else "nats"
            rows.append(Term(name, meaning, term.value, nats, shown, notes.get(name, ""), unit))
        if rows and any(row.value is not None or row.note for row in rows):
            groups.append((title, _merged(rows)))
    return groups


def _merged(rows: list[Term]) -> list[Term]:
    """Terms that are unknown for one and the same reason become one row."""
    known = [row for row in rows if row.value is not None]
    reasons = dict.fromkeys(row.note for row in rows if row.value is None)
    for reason in reasons:
        lost = [row for row in rows if row.value is None and row.note == reason]
        names, meanings = (
            ", ".join(parts) for parts in zip(*((r.name, r.meaning) for r in lost), strict=True)
        )
        known.append(Term(names, meanings, None, "unknown", "", reason))
    return known


def point_summary(facts: Facts) -> str:
    """Mean, median and the worst three of the held-out points, in words; "" without points.

    A handful of points may rule a mean; none is dropped or clipped, so they are named instead.
    """
    points = facts.likelihood.get("points", {})
    name = "nll.data.ode" if "nll.data.ode" in points else "nll.ode"
    if name not in points or "weight" in points:
        return ""
    nll = np.sort(np.asarray(points[name], dtype=np.float64))
    unit, step = "nats", float(getattr(facts.target, "step", 0.0))
    if step > 0.0 and facts.target is not None:
        dim = facts.target.dim
        nll, unit = (nll / dim - math.log(step)) / math.log(2.0), "bits per dimension"
    worst = ", ".join(plain(float(x), 4) for x in nll[::-1][:3])
    mean, error = Estimate.from_paths(nll)
    return (
        f"Over {count(len(nll))} held-out points the flow gives mean "
        f"{measured(mean, error)}, median {plain(float(np.median(nll)), 4)}, "
        f"worst three {worst} {unit}."
    )


def _find(name: str, verdicts: Verdicts, facts: Facts) -> Quantity | None:
    """From the audit, else from the file; unknown stored terms are kept, to give their reason."""
    found = verdicts.quantities.get(name)
    if found is not None:
        return found
    stored = facts.likelihood.get("terms", {}).get(name)
    if stored is None:
        return None
    value, stderr = stored
    return Quantity(None if math.isnan(value) else value, stderr, "nats")
