"""Did the run start from the law it says: moments and log density of the first states.

The start is drawn, not integrated, so nothing excuses a deviation. Means and variances of every
coordinate and covariances of every two against the start law's, over the paths whose start states
are kept, and where its density is known -E ln q_0(x_0) = S(start) over all paths. The largest
deviation is judged as the largest of as many; covariances, which are many, as one family and the
rest as another.

Whatever deviates is counted in one unit, so that `value` and `power` mean the same in every run: a
mean in standard deviations of the start law, a variance and a covariance in those of the law (a
covariance as a correlation), and -E ln q_0 of d coordinates times 2/d, by which it answers a
relative change of all their variances. A coordinate that the law holds still has model units. The
power is the largest of what would have been called: any of them that far off is.
"""

from __future__ import annotations

from math import inf, isfinite, isnan

import numpy as np
import torch

from thermohw.audit.pairs import pair_covariances
from thermohw.audit.recorded import Recorded
from thermohw.audit.verdict import Check, not_applicable
from thermohw.estimate import VIOLATED, Estimate, called_of, judge, largest_of

__all__ = ["start_states"]

_UNIT = {"float32": 1e-5, "float64": 1e-9}
"""Relative; states are stored after rounding, through narrow modes of a mixture's law too."""


def start_states(recorded: Recorded) -> Check:
    """Start states against the start law."""
    name, x, law = "start_law", recorded.first_start, recorded.start
    if len(x) == 0:
        return not_applicable(name, "the run kept no start states")
    coordinates = recorded.setting.device.coordinates
    spreads = np.sqrt(np.diag(law.covariance))
    # What, the number and its law as they are, and the deviation in the unit of the check.
    rows: list[tuple[str, Estimate, float, Estimate]] = []
    for i, (coordinate, spread) in enumerate(zip(coordinates, spreads.tolist(), strict=True)):
        centred = x[:, i] - law.mean[i]
        found = Estimate.from_paths(centred)
        rows.append((f"mean of {coordinate}", found, 0.0, found * (1.0 / (spread or 1.0))))
        if spread > 0.0:
            found = Estimate.from_paths((centred / spread) ** 2)
            rows.append((f"variance of {coordinate}, relative", found, 1.0, found - 1.0))
    moving, entropy = np.flatnonzero(spreads > 0.0).tolist(), recorded.start_entropy
    if "log_prob.start" in recorded.moments and entropy is not None:
        found = -recorded.moments["log_prob.start"]
        gap = (found - entropy) * (2.0 / max(len(moving), 1))
        rows.append(("-E ln q_0", found, entropy, gap))
    pairs, called = len(moving) * (len(moving) - 1) // 2, 0.0
    families = 2 if pairs else 1
    judged = [
        (largest_of(largest_of(gap.z(), len(rows)), families), what, found, expected, gap)
        for what, found, expected, gap in rows
    ]
    if pairs:
        off, called = pair_covariances(
            (x - law.mean)[:, moving],
            law.covariance[np.ix_(moving, moving)],
            called_of(families, pairs),
        )
        for i, j, excess in off:
            i, j = moving[i], moving[j]
            word = f"covariance of {coordinates[i]} and {coordinates[j]}, excess"
            gap = excess * (1.0 / float(spreads[i] * spreads[j]))
            z = largest_of(largest_of(gap.z(), pairs), families)
            judged.append((z, word, excess, 0.0, gap))
    # What is no number deviates most of all.
    sizes = [inf if isnan(row[0]) else abs(row[0]) for row in judged]
    z, what, found, expected, gap = judged[int(np.argmax(sizes))]
    count = len(rows) + pairs
    reaches = [row[3].reach(called_of(families, len(rows))) for row in rows]
    power = max(called, *(reach for reach in reaches if isfinite(reach)))
    detail = (
        f"{what} deviates most of {count}: {found.text('.5g')}, expected {expected:.5g}, z = "
        f"{z:+.2f} as the largest; start from the {recorded.simulate['start']}"
    )
    if pairs:
        seen = f"a correlation {called:.2g} off is called" if called < 1.0 else (
            "too few paths to call any correlation")  # fmt: skip
        detail += f"; {seen}"
    if (wrong := _off_density(recorded)) is not None:
        detail += f"; stored ln q_0 of a start state is {wrong:.3g} off"
        return Check(name, VIOLATED, wrong, 0.0, None, detail)
    return Check(name, judge(z), gap.value, 0.0, gap.stderr, detail, power=power)


def _off_density(recorded: Recorded) -> float | None:
    """By how much a stored ln q_0(x_0) is off what the start law says of the stored state, where
    rounding does not explain it; else None.

    A state that was rounded by a share u of its size moves ln q_0 by u |x . grad ln q_0|, of order
    u |x|^2/variance.
    """
    law, stored = recorded.start, recorded.log_prob.get("log_prob.start")
    x = recorded.first_start
    if law.log_prob is None or stored is None or not len(x):
        return None
    n = min(len(x), len(stored))
    found = law.log_prob(torch.from_numpy(np.ascontiguousarray(x[:n], dtype=np.float64))).numpy()
    spread = np.diag(law.covariance)
    if not (spread > 0.0).all():
        return None
    size = 1.0 + np.abs(found) + (x[:n] ** 2 / spread).sum(1)
    unit = _UNIT[recorded.simulate["dtype"]]
    off = np.abs(found - stored[:n]) / size
    worst = int(np.nanargmax(off))
    return None if off[worst] <= unit else float(found[worst] - stored[worst])
