"""Did the run start from the law it says: means, variances and log density of the first states.

The start is drawn, not integrated, so nothing excuses a deviation. Means and variances of every
coordinate against the start law's, over the paths whose start states are kept, and where its
density is known -E ln q_0(x_0) = S(start) over all paths. The largest deviation is judged as the
largest of as many.
"""

from __future__ import annotations

from math import inf, isnan

import numpy as np

from thermohw.audit.evidence import Evidence
from thermohw.audit.verdict import Check, not_applicable
from thermohw.estimate import Estimate, judge, largest_of

__all__ = ["start_states"]


def start_states(evidence: Evidence) -> Check:
    """Start states against the start law."""
    name, x, law = "start_law", evidence.first_start, evidence.start
    if len(x) == 0:
        return not_applicable(name, "the run kept no start states")
    coordinates = evidence.setting.device.coordinates
    rows: list[tuple[str, Estimate, float]] = []
    for i, coordinate in enumerate(coordinates):
        centred = x[:, i] - law.mean[i]
        variance = float(law.covariance[i, i])
        rows.append((f"mean of {coordinate}", Estimate.from_paths(centred), 0.0))
        if variance > 0.0:
            relative = Estimate.from_paths(centred**2 / variance)
            rows.append((f"variance of {coordinate}, relative", relative, 1.0))
    entropy = evidence.start_entropy
    if "log_prob.start" in evidence.moments and entropy is not None:
        rows.append(("-E ln q_0", -evidence.moments["log_prob.start"], entropy))
    sizes = [abs(found.z(expected)) for _, found, expected in rows]
    # What is no number deviates most of all.
    what, found, expected = rows[int(np.argmax([inf if isnan(size) else size for size in sizes]))]
    z, count = largest_of(found.z(expected), len(rows)), len(rows)
    detail = (
        f"{what} deviates most of {count}: {found.text('.5g')}, expected {expected:.5g}, z = "
        f"{z:+.2f} as the largest; start from the {evidence.simulate['start']}"
    )
    power = found.power(count=count)
    return Check(name, judge(z), found.value, expected, found.stderr, detail, power=power)
