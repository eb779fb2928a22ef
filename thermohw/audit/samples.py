"""Do the generated samples follow the law they should: that of the data with the noise of t_min.

Distances and their null laws are those of `thermohw.audit.distance`: W1 against a known mixture on
the line, else sliced W2 against fresh samples of the known law, or against training rows with the
noise of t_min. `quality.ess` is how many independent samples of the right law would be as far off,
n (null/observed)^2 and at most n.

A finite step is no failure of physics: its bias is first order, a fraction of about
eps = (tick) x (stiffest rate of the control loop) of the target's width. A deviation with z > 3 is
"explained" when it is below that; it is also explained, by name, when something in the run is known
to move the law: a learned or altered score, a start that is not p_T, converters, noise and delay in
the control. A run with the exact score, exact control and the right start has no such excuse and is
violated.

A distance of clouds in many dimensions hardly sees one node too cold. Such runs are also held to

    -E ln p(x_N) = S(t_min),

the mean of the stored log densities, which weighs every mode by its own width; a width that is off
by the fraction eps moves it by about eps a mode.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import hypot, sqrt
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy.special import ndtr

from thermohw.audit.distance import Distance, line_distance, sliced_distance, sliced_square
from thermohw.audit.entropy import known_entropy
from thermohw.audit.evidence import Evidence
from thermohw.audit.verdict import Check, Quantity, not_applicable
from thermohw.errors import InputError
from thermohw.estimate import EXPLAINED, HOLDS, VIOLATED, Estimate, judge, worst

if TYPE_CHECKING:
    from collections.abc import Callable

    from thermohw.target import Target

__all__ = ["Comparison", "compare", "sample_law", "sample_quantities"]

_LINE, _CLOUD = 2**20, 4096  # samples compared on the line, and in a cloud
_WORDS = {"w1": "W1", "sliced_w2": "sliced W2"}


@dataclass(frozen=True)
class Comparison:
    """Generated samples against a reference.

    Attributes:
        distance: model units.
        scale: data units per model unit.
        reference: in words.
        copies: distance of training to as many held-out rows, data units: what a copy of the
            training data would score. None for known laws.
        rows: how many.
    """

    distance: Distance
    scale: float
    reference: str
    copies: float | None = None
    rows: int = 0

    def data(self, name: str) -> float:
        """value, floor or spread of the distance, data units."""
        return getattr(self.distance, name) * self.scale


def compare(evidence: Evidence) -> Comparison | None:
    """Compare the generated samples; None without a target or with too few samples."""
    target, x = evidence.setting.target, evidence.first
    if target is None or len(x) < 32:
        return None
    cdf = _distribution(evidence) if target.dim == 1 else None
    if cdf is not None:
        found = line_distance(x[:_LINE, 0], cdf)
        return Comparison(found, target.scale, "the law at t_min")
    generator = torch.Generator().manual_seed(0)
    x = x[:_CLOUD]
    if evidence.truth is not None:
        reference = _known_points(evidence, target, len(x), generator)
        words = "fresh samples of the law at t_min"
        return Comparison(sliced_distance(x, reference), target.scale, words)
    reference = _noised(evidence, target.sample(len(x), generator), generator)
    held_out = _noised(evidence, target.held_out(None, generator), generator)[: len(x)]
    copies = sqrt(sliced_square(reference[: len(held_out)], held_out)) * target.scale
    found = sliced_distance(x, reference)
    return Comparison(found, target.scale, "training rows", copies, len(held_out))


def _distribution(evidence: Evidence) -> Callable[[np.ndarray], np.ndarray] | None:
    """Distribution function of a one-dimensional mixture at t_min, model units."""
    law: Any = getattr(evidence.truth, "law", None)
    if law is None:
        return None
    mixture = law(evidence.setting.process.t_min)
    means, deviations = mixture.means[:, 0], np.sqrt(mixture.covariances[:, 0, 0])
    return lambda x: ndtr((x[:, None] - means) / deviations) @ mixture.weights


def _known_points(
    evidence: Evidence, target: Target, n: int, generator: torch.Generator
) -> np.ndarray:
    """Samples of the law at t_min; where it has edges there, of the data."""
    assert evidence.truth is not None
    try:
        return evidence.truth.sample(n, evidence.setting.process.t_min, generator).numpy()
    except InputError:
        return target.sample(n, generator).numpy()


def _noised(evidence: Evidence, rows: torch.Tensor, generator: torch.Generator) -> np.ndarray:
    """Rows with the noise of t_min, shape (n, d)."""
    process = evidence.setting.process
    decay, noise = (np.asarray(part) for part in process.transition(process.t_min))
    z = torch.randn(rows.shape, dtype=torch.float64, generator=generator).numpy()
    if decay.ndim == 0:
        return float(decay) * rows.numpy() + sqrt(float(noise)) * z
    values, vectors = np.linalg.eigh(noise)
    return rows.numpy() @ decay.T + z @ (vectors * np.sqrt(np.clip(values, 0.0, None))).T


def sample_law(evidence: Evidence, found: Comparison | None) -> Check:
    """Generated samples against the target's law at t_min."""
    name = "sample_law"
    if found is None:
        return not_applicable(name, "the run has no target, or too few samples to compare")
    distance = found.distance
    value, floor, spread = (found.data(part) for part in ("value", "floor", "spread"))
    status = judge(distance.z, relation="<=")
    detail = (
        f"{_WORDS[distance.name]} = {value:.4g} against {found.reference} ({floor:.4g} +- "
        f"{spread:.2g} for {distance.count} right ones, z = {distance.z:+.2f})"
    )
    if status != HOLDS:
        causes, step = _causes(evidence), evidence.step
        fine = distance.excess <= step or causes or distance.z <= 4.0
        status = EXPLAINED if fine else VIOLATED
        detail += f"; off by {100.0 * distance.excess:.2g} % of the target's width, "
        detail += f"the bias of a finite tick explains {100.0 * step:.2g} %"
        if causes:
            detail += f"; this run has {', '.join(causes)}"
    typical, remark = _typical(evidence)
    status, detail = worst(status, typical), detail + remark
    if found.copies is not None:
        detail += f"; {found.rows} training against held-out rows: {found.copies:.4g}"
    return Check(name, status, value, floor, spread, detail)


def _typical(evidence: Evidence) -> tuple[str, str]:
    """Status of -E ln p = S(t_min), and a remark; only where the samples ought to follow p."""
    mean = evidence.moments["log_prob.end"] if "log_prob.end" in evidence.moments else None
    known = None if mean is None else known_entropy(evidence)
    if mean is None or known is None:
        return HOLDS, ""
    gap = Estimate(-mean.value - known.value, hypot(mean.stderr, known.stderr))
    z, allowed = gap.z(0.0), evidence.step * evidence.setting.device.dim
    status = judge(z)
    remark = f"; -E ln p differs from S(t_min) by {gap.text('+.5f')} nats, z = {z:+.2f}"
    if status != HOLDS:
        fine = abs(gap.value) <= allowed or abs(z) <= 4.0
        status = EXPLAINED if fine else VIOLATED
        remark += f", of which the bias of a finite tick explains {allowed:.2g}"
    return status, remark


def _causes(evidence: Evidence) -> list[str]:
    """What is known to move the law of the samples, beside finite ticks."""
    causes = list(evidence.describe_imperfections())
    if not evidence.exact:
        causes.append("an altered score" if evidence.setting.kind == "exact" else "a learned score")
    if evidence.simulate["start"] != "marginal":
        causes.append(f"start from the {evidence.simulate['start']}")
    return causes


def sample_quantities(found: Comparison | None) -> dict[str, Quantity]:
    """quality.w1 or quality.sliced_w2 in data units, its floor, and quality.ess."""
    if found is None:
        return {}
    distance, unit = found.distance, "data unit"
    name, count = f"quality.{distance.name}", distance.count
    value, floor, spread = (found.data(part) for part in ("value", "floor", "spread"))
    table = {
        name: Quantity(value, spread, unit, f"against {found.reference}"),
        f"{name}.floor": Quantity(floor, spread, unit, f"of {count} samples of the right law"),
        "quality.ess": Quantity(
            distance.equivalent,
            None,
            "1",
            f"independent samples of the right law that would be as far off, of {count}",
        ),
    }
    if found.copies is not None:
        note = f"{found.rows} training against held-out rows: what a copy of the data would score"
        table[f"{name}.held_out"] = Quantity(found.copies, None, unit, note)
    return table
