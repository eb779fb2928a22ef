r"""Statistics of bound_sweep: correlations with intervals, and z-scores of the theorem's claims.

A correlation is taken over all networks. Its interval is the percentile bootstrap over
configurations (data, process, sigma), all repetitions of a configuration together, because
repetitions resemble each other; and the coefficients of the single repetitions are given beside
it. What "NLL" and "gap" meant in the published 0.694 and 0.882 cannot be recovered, so every
reading is worked out:

    nll       nll.ode or nll.marginal, raw (pixels on [0, 1]) or less S0
    gap       nll - B of the same likelihood; nll.marginal - B; the true score error

Raw likelihoods of Gaussian and of uniform images differ by their entropies, which depend on the
chosen width alone; subtracting S0 removes that.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from thermohw.study import Results, Row

_CLEAR = 2.0  # standard errors
_COLUMNS = {
    "nll.ode": "nll.ode", "nll.marginal": "nll.marginal", "nll.ode - S0": "excess.ode",
    "nll.marginal - S0": "excess.marginal", "B": "bound.lower", "nll.ode - B": "bound.ode_margin",
    "nll.marginal - B": "bound.gap", "score error": "bound.score_error",
}  # fmt: skip


@dataclass(frozen=True)
class Reading:
    """Two columns to be correlated; names as `quantity` knows them.

    Attributes:
        name: for tables and numbers.
        nll: abscissa.
        gap: ordinate.
    """

    name: str
    nll: str
    gap: str


READINGS = (
    Reading("ode_raw", "nll.ode", "nll.ode - B"),
    Reading("marginal_raw", "nll.marginal", "nll.marginal - B"),
    Reading("mixed_raw", "nll.ode", "nll.marginal - B"),
    Reading("ode_excess", "nll.ode - S0", "nll.ode - B"),
    Reading("marginal_excess", "nll.marginal - S0", "nll.marginal - B"),
    Reading("mixed_excess", "nll.ode - S0", "nll.marginal - B"),
    Reading("ode_error", "nll.ode - S0", "score error"),
    Reading("marginal_error", "nll.marginal - S0", "score error"),
    Reading("margin_error", "nll.ode - B", "score error"),
)


def quantity(rows: Results, name: str) -> np.ndarray:
    """A column in nats a pixel, shape (rows,).

    S0 is the clean data's entropy for nll.ode and S(t_min) for nll.marginal: what each would be
    for the true score, but for K1 and the start.
    """
    return rows.column(_COLUMNS[name])


@dataclass(frozen=True)
class Correlation:
    """A coefficient over all networks.

    Attributes:
        value: the coefficient.
        interval: 2.5 and 97.5 % points of the bootstrap.
        repeats: the coefficient of every repetition by itself.
    """

    value: float
    interval: tuple[float, float]
    repeats: tuple[float, ...]

    @property
    def alone(self) -> str:
        """The repetitions in words."""
        return ", ".join(f"{value:.2f}" for value in self.repeats)


def configurations(rows: Results) -> dict[tuple[str, str, float], list[int]]:
    """(data, process, sigma) -> places of its repetitions."""
    found: dict[tuple[str, str, float], list[int]] = {}
    for place, row in enumerate(rows):
        found.setdefault((row["data"], row["process"], row["sigma"]), []).append(place)
    return found


def correlate(
    rows: Results, reading: Reading, *, kind: str, resamples: int, seed: int
) -> Correlation:
    """The "pearson" or "spearman" coefficient of a reading over networks, its bootstrap seeded; NaN
    where fewer than three networks, or no spread, leave nothing to correlate.
    """
    x, y = quantity(rows, reading.nll), quantity(rows, reading.gap)
    repeat, generator = rows.column("repeat"), np.random.default_rng(seed)
    members, drawn = list(configurations(rows).values()), []
    for _ in range(resamples):
        chosen = generator.integers(len(members), size=len(members))
        index = np.concatenate([members[n] for n in chosen])
        drawn.append(_coefficient(x[index], y[index], kind))
    drawn = np.array(drawn)
    drawn = drawn[np.isfinite(drawn)]
    low, high = np.percentile(drawn, [2.5, 97.5]) if drawn.size else (math.nan, math.nan)
    single = tuple(_coefficient(x[repeat == r], y[repeat == r], kind) for r in np.unique(repeat))
    return Correlation(_coefficient(x, y, kind), (float(low), float(high)), single)


def _coefficient(x: np.ndarray, y: np.ndarray, kind: str) -> float:
    assert kind in ("pearson", "spearman")
    if kind == "spearman":
        x, y = rankdata(x), rankdata(y)
    if len(x) < 3 or np.ptp(x) == 0.0 or np.ptp(y) == 0.0:
        return math.nan
    return float(np.corrcoef(x, y)[0, 1])


def z_scores(rows: Results, name: str) -> np.ndarray:
    """A term over its standard error, shape (rows,); 0 where both are zero."""
    value, stderr = rows.column(name), rows.column(f"{name}.stderr")
    rounding = 1e-9  # of an integral over some hundred nats
    return value / np.maximum(stderr, rounding)


def is_below(row: Row) -> bool:
    """nll.ode lies below B by more than two standard errors."""
    return row["bound.ode_margin"] < -_CLEAR * row["bound.ode_margin.stderr"]
