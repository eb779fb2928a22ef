"""What accuracy_dissipation concludes of the circuit, which follows its own law; and all networks.

Second law: Q/kT >= S(start) - S(end), and the samples' cross-entropy with the exact law at t_min is
at least S(end). Errors of the heat: paths, and what halving the ticks changes.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from thermohw.estimate import Estimate
from thermohw.experiments._seeds import mean_and_error

if TYPE_CHECKING:
    from thermohw.study import Results, Sheet

__all__ = ["circuit", "tables"]


def circuit(exact: Results, networks: Results, sheet: Sheet) -> None:
    """Heat of the exact score, both laws, and how far networks leave p_t."""
    one = exact.where(factor=1.0)[0]
    growth = 2.0 * (one["entropy_prior"] - one["entropy_data"])
    halving = one["continuous.fine"] - one["continuous.coarse"]
    error = math.hypot(one["continuous.fine.error"], halving)
    sheet.number(
        "heat.exact", one["continuous.fine"], one["continuous.fine.error"], unit="kT",
        note=f"exact score on the circuit, continuous; 2 (S1 - S0) = {growth:.5g}; halving the "
        f"ticks changes it by {halving:+.2g}",
    )  # fmt: skip
    sheet.number("heat.exact.J", one["continuous.fine"] * one["kT"], unit="J", note="the same")
    z = abs(one["continuous.fine"] - growth) / error
    sheet.law(
        "exact score on the circuit: Q = 2 kT (S1 - S0)",
        Estimate(one["continuous.fine"], error),
        growth,
        detail=f"{one['continuous.fine']:.4g} +- {one['continuous.fine.error']:.2g} kT, tick "
        f"halving {halving:+.2g}, law {growth:.4g}; z = {z:.2f}",
    )
    rows = [*exact, *networks.where(data="mixture")]
    # Q/kT >= S(start) - S(end), and the cross-entropy with the exact law is at least S(end)
    spare = [
        (r["continuous.fine"] - r["start_entropy"] + r["surprisal"])
        / math.hypot(r["continuous.fine.error"], r["surprisal.error"])
        for r in rows
    ]
    sheet.law(
        "second law on the circuit",
        spare,
        relation=">=",
        detail=f"Q/kT - S(start) - E ln p(x_end): smallest is {min(spare):.3g} standard errors "
        f"({len(rows)} scores)",
    )
    residual = max(row["first_law"] for row in [*exact, *networks])
    sheet.check(
        "first law on the circuit",
        "holds" if residual < 1e-3 else "violated",
        f"mean |E - W + Q| at most {residual:.1e} kT (states in single precision)",
    )
    for data in networks.distinct("data"):
        mine = networks.where(data=data)
        apart = mine.column("continuous.fine") - mine.column("heat")
        best = mine[int(np.argmin(mine.column("nll_ode")))]
        grid = np.abs(mine.column("continuous.fine") - mine.column("continuous.coarse"))
        sheet.finding(
            f"On {data} the circuit's own heat differs from that on the noised data by "
            f"{apart.min():+.3g} to {apart.max():+.3g} kT over the networks, "
            f"{best['continuous.fine'] - best['heat']:+.3g} for the most accurate one "
            f"({best['continuous.fine']:.4g} +- {best['continuous.fine.error']:.2g} kT, "
            f"{best['continuous.fine'] * best['kT']:.3g} J; halving its ticks changes it by "
            f"{best['continuous.fine'] - best['continuous.coarse']:+.2g}, others by up to "
            f"{grid.max():.2g}): a poor network leaves p_t and may heat more, not less. Clocked "
            f"control costs {best['clocked.fine'] / best['continuous.fine']:.3g} times as much."
        )


def tables(networks: Results, sheet: Sheet) -> None:
    """Every network, mean over seeds."""
    for data in networks.distinct("data"):
        mine, lines = networks.where(data=data), []
        for width, depth, steps in sorted({(r["width"], r["depth"], r["steps"]) for r in mine}):
            rows = mine.where(width=width, depth=depth, steps=steps)
            entries: list[Any] = [width, depth, steps]
            for name in ("nll_ode", "elbo", "production", "surplus", "heat"):
                entries.append(mean_and_error(rows.column(name)))
            for control in ("continuous", "clocked"):
                fine, coarse = (rows.column(f"{control}.{k}") for k in ("fine", "coarse"))
                entries += [mean_and_error(fine), float((fine - coarse).mean())]
            entries.append(float(rows.column("continuous.fine.error").mean()))
            entries.append(
                mean_and_error(rows.column("score_error")) if data == "mixture" else None
            )
            lines.append(entries)
        sheet.table(
            f"networks-{data}",
            [
                "width", "depth", "steps", "nll.ode", "U", "Sigma", "surplus", "Q p_t",
                "Q continuous", "halving", "Q clocked", "halving", "sampling error",
                "score error",
            ],
            lines,
            "Mean and standard error over seeds; nats, heat in kT. Halving: change when "
            "ticks are halved; sampling error: of Q continuous, one network",
        )  # fmt: skip
