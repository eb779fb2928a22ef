"""What accuracy_dissipation concludes: the laws on p_t, and the counter-example.

The rest of it: `_trade_trend` (a trend at best), `_trade_circuit` (the circuit's own law).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from thermohw.experiments import _trade_figures as draw
from thermohw.experiments._trade_circuit import circuit, tables
from thermohw.experiments._trade_trend import trend

if TYPE_CHECKING:
    from thermohw.study import Results, Sheet

__all__ = ["conclude"]


def conclude(p: dict[str, Any], results: Results, sheet: Sheet) -> None:
    """Everything the study shows."""
    exact, networks = results.where(kind="exact"), results.where(kind="network")
    trend(networks, sheet)
    _laws(results, networks, sheet)
    _counterexample(exact, sheet)
    circuit(exact, networks, sheet)
    tables(networks, sheet)
    sheet.figure(
        "trade-off",
        draw.trade_figure(p, exact, networks),
        "Three Gaussians in the plane. Left: the law, nll.marginal >= (S0 + S1 - Sigma)/2. Right: "
        "what a designer sees, heat on the circuit against nll.ode. Squares differ in width, "
        "triangles in depth, circles in training; diamonds are the exact score times c.",
    )
    sheet.figure(
        "digits",
        draw.digits_figure(p, networks),
        "Handwritten digits: accuracy against production on the noised data (left) and "
        "against heat on 64 RC nodes (right).",
    )
    sheet.figure(
        "exchange",
        draw.exchange_figure(networks),
        "Accuracy for production. Calibrated networks lie on the line, one nat of evidence for one "
        "nat of production, two kT of heat. Networks as trained need not: below the line they are "
        "too small in norm, above it too large.",
    )
    sheet.figure(
        "circuit",
        draw.circuit_figure(networks),
        "Heat measured on the circuit against heat on the noised data, one point a network. Poor "
        "networks (left in each plot) drive the circuit away from p_t and pay for it.",
    )


def _laws(results: Results, networks: Results, sheet: Sheet) -> None:
    rows = results.where(data="mixture")
    slacks = [row["slack"] / row["slack.error"] for row in rows]
    nearest = min(slacks)
    least = min(row["slack"] for row in rows)
    sheet.law(
        "Q/kT - surplus >= 2 [(S0 + S1) - 2 NLL_marg] on p_t",
        slacks,
        relation=">=",
        detail=f"smallest slack {least:.3g} kT of {len(rows)} scores, {nearest:.2f} standard "
        "errors the closest to zero (slack is 4 K1 + 4 score errors)",
    )
    zs = [abs(row["residual"]) / row["residual.error"] for row in rows]
    sheet.law(
        "what the slack is made of (gap identity)",
        zs,
        detail=f"gap = K1 + score error: largest z = {max(zs):.2f} of {len(rows)} on one set of "
        "points",
    )
    zs = [abs(r["calibrated.surplus"]) / r["calibrated.surplus.error"] for r in networks]
    left = max(abs(r["calibrated.surplus"]) for r in networks)
    raw = max(abs(r["surplus"]) for r in networks)
    sheet.law(
        "U = H1 - Q/2kT for calibrated networks",
        zs,
        detail=f"surplus up to {raw:.3g} nats as trained, {left:.2g} calibrated, largest z = "
        f"{max(zs):.2f} of {len(networks)}",
    )
    sheet.number("surplus.raw", raw, note="largest |int g^2 (E|s|^2 - E[s.s*])| of a network")
    sheet.number("surplus.calibrated", left, note="the same, calibrated on other points")
    sheet.finding(
        "Law: on the noised data every score pays Q/kT >= 2 [(S0 + S1) - 2 NLL_marg] + surplus, "
        "and a calibrated one exactly two kT for a nat of evidence, U = H1 - Q/2kT: "
        f"{len(networks)} calibrated networks obey it within {left:.2g} nats (as trained, up to "
        f"{raw:.3g} off), largest z = {max(zs):.1f}."
    )
    young = min(networks.distinct("steps"))
    early = networks.where(data="mixture", steps=young)
    # E[s.s*] = Sigma - surplus/2, in units of int (g^2/2)
    spent, surplus = early.column("production"), early.column("surplus")
    share = np.median(spent / (spent - 0.5 * surplus))
    sheet.finding(
        f"After {young} training steps E|s|^2 is {share:.2f} times E[s.s*], both integrated "
        "(median over seeds): a network too small in norm (below 1) produces less on the noised "
        "data for that reason alone."
    )


def _counterexample(exact: Results, sheet: Sheet) -> None:
    one = exact.where(factor=1.0)[0]
    growth = one["entropy_prior"] - one["entropy_data"]
    rows, lines = [], []
    for row in exact.sorted("factor"):
        c = row["factor"]
        plain = (2.0 * c * c - c) * 2.0 * growth
        z = (row["heat"] - plain) / row["heat.error"]
        rows.append(abs(z))
        lines.append(
            [
                c,
                (row["nll_ode"] - row["entropy_data"], row["nll_ode.error"]),
                (row["production"], row["production.error"]),
                (row["heat"], row["heat.error"]),
                plain,
                (row["continuous.fine"], row["continuous.fine.error"]),
                (row["clocked.fine"], row["clocked.fine.error"]),
            ]
        )
    sheet.table(
        "factors",
        ["c", "nll.ode - S0", "Sigma", "Q p_t", "closed form", "Q continuous", "Q clocked"],
        lines,
        "The exact score times c, Gaussians in the plane: nats and kT. Closed form: (2 c^2 - c) 2 "
        "(S1 - S0)",
    )
    sheet.law(
        "Q/kT = (2 c^2 - c) 2 (S1 - S0) on p_t",
        rows,
        detail=f"largest z = {max(rows):.2f} of {len(rows)} factors on one set of points",
    )
    over = [row for row in exact if row["factor"] > 1.0]
    worse = [r for r in over if r["elbo"] > one["elbo"] and r["heat"] > one["heat"]]
    row = min(over, key=lambda row: row["factor"])
    texts = [
        f"{name} {row[key] - one[key]:+.3g}"
        for name, key in (
            ("production", "production"),
            ("heat on p_t", "heat"),
            ("circuit, continuous", "continuous.fine"),
            ("circuit, clocked", "clocked.fine"),
            ("nll.ode", "nll_ode"),
            ("U", "elbo"),
        )
    ]
    sheet.check(
        "more dissipation does not mean more accuracy",
        "holds" if len(worse) == len(over) else "violated",
        f"exact score times {row['factor']:g} against the exact one, same points and noise: "
        + ", ".join(texts),
    )
    extra = {
        key: row[key] - one[key]
        for key in ("production", "heat", "nll_ode", "continuous.fine", "clocked.fine")
    }
    sheet.finding(
        f"Counter-example: the exact score times {row['factor']:g} produces "
        f"{extra['production']:+.2g} nats and dissipates {extra['heat']:+.2g} kT on p_t, and is "
        f"worse (nll.ode {extra['nll_ode']:+.2g} nats). On the circuit it costs "
        f"{extra['continuous.fine']:+.2g} kT under continuous and {extra['clocked.fine']:+.2g} kT "
        "under clocked control, where the circuit follows its own law, which the overshoot has "
        "narrowed."
    )
