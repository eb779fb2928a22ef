"""What accuracy_dissipation concludes of the trend: does the better network cost more?

Spearman's rank correlation of accuracy with cost over the networks of each seed; mean over seeds
and its 95 % interval. The better half are the networks up to the median of the accuracy.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import spearmanr

from thermohw.experiments._seeds import interval

if TYPE_CHECKING:
    from thermohw.study import Results, Sheet

__all__ = ["trend"]


COSTS = {  # column -> what it is
    "production": "production, plug-in, p_t",
    "heat": "heat, p_t",
    "continuous.fine": "heat, circuit, continuous",
    "clocked.fine": "heat, circuit, clocked",
}


def _ranks(mine: Results, accuracy: str, cost: str, *, better_half: bool) -> np.ndarray:
    """Spearman's correlation over the networks of each seed."""
    found = []
    for seed in mine.distinct("network_seed"):
        rows = mine.where(network_seed=seed)
        x, y = rows.column(accuracy), rows.column(cost)
        keep = x <= np.median(x) if better_half else np.ones(len(x), dtype=bool)
        if keep.sum() > 2:
            test: Any = spearmanr(x[keep], y[keep])
            found.append(float(test.statistic))
    return np.array(found)


def trend(networks: Results, sheet: Sheet) -> None:
    """Table, numbers and a finding for each set of data."""
    rows = []
    for data in networks.distinct("data"):
        mine = networks.where(data=data)
        words, half_words = [], []
        for cost, label in COSTS.items():
            entries: list[Any] = [data, label]
            for accuracy, half in (("nll_ode", False), ("nll_ode", True), ("elbo", False)):
                ranks = _ranks(mine, accuracy, cost, better_half=half)
                if not len(ranks):
                    entries.append(None)
                    continue
                mean, low, high = interval(ranks)
                entries.append(_span(mean, low, high))
                if accuracy == "nll_ode":
                    name = "half" if half else "all"
                    sheet.number(
                        f"rank.{data}.{cost}.{name}",
                        mean,
                        unit="1",
                        note=f"Spearman of nll.ode with {label}, {len(ranks)} seeds, 95 % "
                        f"{low:.2f} to {high:.2f}",
                    )
                if accuracy == "nll_ode":
                    said = half_words if half else words
                    said.append(f"{_span(mean, low, high)} with {label}")
            rows.append(entries)
        sheet.finding(
            f"Trend, not law: rank correlation of nll.ode over the networks on {data} is "
            + "; ".join(words)
            + " (negative: the better network costs more; 95 % interval over seeds)."
            + (f" Among the better half: {'; '.join(half_words)}." if half_words else "")
        )
    sheet.table(
        "trend",
        ["data", "cost", "nll.ode, all", "nll.ode, better half", "U, all"],
        rows,
        "Spearman rank correlation of accuracy with cost over networks, mean over seeds and its "
        "95 % interval; -1: every better network costs more",
    )


def _span(mean: float, low: float, high: float) -> str:
    if not math.isfinite(low):
        return f"{mean:.2f}"
    return f"{mean:.2f} ({max(low, -1.0):.2f} to {min(high, 1.0):.2f})"
