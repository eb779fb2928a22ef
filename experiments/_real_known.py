"""Study real_data: what the known law says of estimates of S0, and of proxies of the true score."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from thermohw.estimate import Estimate
from thermohw.experiments import _real_figures as draw

if TYPE_CHECKING:
    from thermohw.study import Results, Sheet

__all__ = ["pair", "proxy", "spread", "surrogate"]

_FEWEST = 100  # points to judge a law by


def spread(values: np.ndarray) -> float:
    """Standard deviation over repetitions; NaN of fewer than two."""
    return float(values.std(ddof=1)) if len(values) > 1 else math.nan


def pair(row: dict[str, Any], name: str) -> tuple[float, float]:
    """A stored value with its standard error."""
    return float(row[name]), float(row[f"{name}.stderr"])


def surrogate(known: Results, sheet: Sheet) -> None:
    """Where the truth is known: how far every stand-in for S0 is off."""
    s0 = pair(known[0], "raw.entropy.data")
    rows, off = [], {}
    for label, _, name, _ in draw.ROWS:
        values = known.column(name)
        off[name] = float(values.mean()), float(known.column(f"{name}.stderr").mean())
        rows.append([label, off[name], spread(values)])
        sheet.number(name, *off[name], note=f"{label} minus S0, mean of trainings")
    sheet.table(
        "surrogate",
        ["estimate", "minus S0", "over trainings"],
        rows,
        f"{known[0]['name']}, S0 = {s0[0]:.2f} +- {s0[1]:.2f} nats, as many training rows: mean of "
        "the trainings less S0, up to K1, with the standard error over held-out points.",
    )
    sheet.number("surrogate.s0", *s0, note="known law fitted to the data")
    residual = known.column("raw.bound.residual")
    error = float(known.column("raw.bound.residual.stderr").mean())
    enough = int(known[0]["points"])
    _zero(
        sheet,
        "the gap of the surrogate is its terms",
        (float(residual.mean()), error),
        words="nll.marginal - B - K1 - error",
        points=enough,
    )
    elbo = float(known.column("raw.nll.sde_elbo").mean()) - s0[0]
    error = math.hypot(float(known.column("raw.nll.sde_elbo.stderr").mean()), s0[1])
    u, e1, ode, bound = (off[f"known.raw.{n}"] for n in ("elbo", "plugin", "ode", "bound"))
    _zero(
        sheet,
        "U - S0 of the surrogate is twice its score error",
        (elbo - u[0], error),
        words="U - S0 - 2 score errors",
        points=enough,
    )
    sheet.finding(
        f"How wide is S0? On a known law like the data, learned from as few rows, U lies "
        f"{u[0]:+.2f} +- {u[1]:.2f}, nll.ode {ode[0]:+.2f} +- {ode[1]:.2f}, raw E1 {e1[0]:+.2f} +- "
        f"{e1[1]:.2f} and B {bound[0]:+.2f} +- {bound[1]:.2f} nats from S0: a bias that nothing "
        "computable on the data shows."
    )


def _zero(
    sheet: Sheet, name: str, measured: tuple[float, float], *, words: str, points: int
) -> None:
    """A law: something is zero within its standard error."""
    value, stderr = measured
    z = value / stderr
    detail = f"{words} = {value:+.3f} +- {stderr:.3f} nats, z = {z:+.1f}"
    if points < _FEWEST:  # surprises are skewed: their error is not known from so few
        sheet.check(name, "not-applicable", f"{detail} of {points} points; {_FEWEST} are needed")
        return
    sheet.law(name, Estimate(value, stderr), detail=detail)


def proxy(proxies: Results, trainings: int, sheet: Sheet) -> None:
    """What a larger network in the place of the true score says, and what it should have said."""
    rows: list[list[Any]] = []
    for row in proxies:
        for n in range(trainings):
            bound, gap, error, residual = (
                pair(row, f"{n}.{name}") for name in ("bound", "gap", "error", "residual")
            )
            true: list[Any] = [None, None, None]
            if f"{n}.true.error" in row:
                bias = row[f"{n}.true.bound_bias"]
                true = [bound[0] - bias, gap[0] + bias, row[f"{n}.true.error"]]
            rows.append([row["law"], n, bound, true[0], gap, true[1], error, true[2], residual])
    columns = ["law", "training", "B by proxy", "B true", "gap by proxy", "gap true"]
    sheet.table(
        "proxy",
        [*columns, "error by proxy", "error true", "residual"],
        rows,
        "A larger network, trained longer and calibrated, in the place of the true score; nats. "
        "The residual is what it leaves of the gap, and is zero for the true score.",
    )
    for row in proxies:
        value, stderr = (float(np.mean([pair(row, f"{n}.residual")[i] for n in range(trainings)]))
                         for i in (0, 1))  # fmt: skip
        sheet.number(f"proxy.{row['law']}.residual", value, stderr, note="mean of trainings")
        z = value / stderr
        sheet.law(
            f"the proxy's residual on the {row['law']}",
            Estimate(value, stderr),
            detail=f"{value:+.3f} +- {stderr:.3f} nats, z = {z:+.1f}",
            cause="the proxy is not the true score, and this is by how much",
        )
        if "0.true.error" not in row:
            continue
        mean = {
            name: float(np.mean([row[f"{n}.{name}"] for n in range(trainings)]))
            for name in (
                "error",
                "true.error",
                "true.proxy_error",
                "true.overlap",
                "true.bound_bias",
            )
        }
        size = 2.0 * math.sqrt(mean["true.error"] * mean["true.proxy_error"])
        alike = mean["true.overlap"] / size
        left = value, stderr
        for name, value in mean.items():
            sheet.number(f"proxy.surrogate.{name}", value, pair(row, f"0.{name}")[1])
        sheet.number("proxy.surrogate.alike", alike, unit="1", note="cosine of the two errors")
        sheet.finding(
            f"A proxy flatters: on the known law it sees {mean['error']:.2f} of "
            f"{mean['true.error']:.2f} nats of score error, because networks that learn from the "
            f"same rows err alike (cosine {alike:.2f}), and its bound is "
            f"{mean['true.bound_bias']:+.2f} nats off. The residual, all that shows it without the "
            f"truth, is {left[0]:+.2f} +- {left[1]:.2f} there; zero would not prove it true."
        )
