"""Did the run start from the law it says: moments and log density of the first states.

The start is drawn, not integrated, so nothing excuses a deviation. Means and variances of every
coordinate and covariances of every two against the start law's, over the paths whose start states
are kept, and where its density is known -E ln q_0(x_0) = S(start) over all paths. The largest
deviation is judged as the largest of as many; covariances, which are many, as one family and the
rest as another.
"""

from __future__ import annotations

from math import inf, isnan

import numpy as np

from thermohw.audit.evidence import Evidence
from thermohw.audit.pairs import pair_covariances
from thermohw.audit.verdict import Check, not_applicable
from thermohw.estimate import Estimate, called_of, judge, largest_of

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
    moving = [i for i in range(len(coordinates)) if law.covariance[i, i] > 0.0]
    pairs, called = len(moving) * (len(moving) - 1) // 2, 0.0
    families = 2 if pairs else 1
    judged = [
        (largest_of(largest_of(found.z(expected), len(rows)), families), what, found, expected)
        for what, found, expected in rows
    ]
    if pairs:
        off, called = pair_covariances(
            (x - law.mean)[:, moving],
            law.covariance[np.ix_(moving, moving)],
            called_of(families, pairs),
        )
        for i, j, gap in off:
            word = f"covariance of {coordinates[moving[i]]} and {coordinates[moving[j]]}, excess"
            judged.append((largest_of(largest_of(gap.z(), pairs), families), word, gap, 0.0))
    # What is no number deviates most of all.
    sizes = [inf if isnan(row[0]) else abs(row[0]) for row in judged]
    z, what, found, expected = judged[int(np.argmax(sizes))]
    count = len(rows) + pairs
    detail = (
        f"{what} deviates most of {count}: {found.text('.5g')}, expected {expected:.5g}, z = "
        f"{z:+.2f} as the largest; start from the {evidence.simulate['start']}"
    )
    if pairs:
        detail += f"; a correlation {called:.2g} off is called"
    power = found.power(count=len(rows))
    return Check(name, judge(z), found.value, expected, found.stderr, detail, power=power)
