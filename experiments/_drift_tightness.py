"""What ve_vs_vp concludes of the bound B: its gap under VE and VP; B and nll.ode.

Networks of one seed meet the same points under either process: gaps are compared in pairs, by the
mean of ln(gap VP/gap VE) over seeds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from thermohw.experiments._drift_figures import NAMES, tightness_figure
from thermohw.experiments._seeds import interval, mean_and_error

if TYPE_CHECKING:
    from thermohw.study import Results, Sheet

__all__ = ["tightness"]


def tightness(p: dict[str, Any], learned: Results, sheet: Sheet) -> None:
    """Tables, checks, findings and figure of the bound."""
    rows = []
    for data in p["data"]:
        for process in ("ve", "vp"):
            mine = learned.where(data=data, process=process)
            base = mine.column("entropy_data")
            excess = [mine.column(k) - base for k in ("nll_ode", "nll_marginal", "bound")]
            columns = [*excess, mine.column("gap"), mine.column("calibrated.gap")]
            rows.append([NAMES[data], process.upper(), *map(mean_and_error, columns)])
    sheet.table(
        "tightness",
        [
            "data",
            "process",
            "nll.ode - S0",
            "nll.marginal - S0",
            "B - S0",
            "gap",
            "gap, calibrated",
        ],
        rows,
        "Nats; mean and standard error over networks of the same size and training. gap = "
        "nll.marginal - B",
    )
    known = [r for r in learned if r["data"] != "digits"]
    least = min(r["gap"] for r in known)
    off = max(abs(r["gap"] - r["prior_mismatch"] - r["score_error"]) for r in known)
    sheet.check(
        "B <= nll.marginal and the gap identity",
        "holds" if least >= -1e-8 and off < 1e-6 else "violated",
        f"smallest gap {least:.3g}; gap - K1 - score error within {off:.1e} nats "
        f"({len(known)} networks)",
    )
    below = sum(r["margin"] < 0.0 for r in known)
    left = max(
        abs(r["nll_ode"] - r["nll_marginal"] - r["terminal"] - r["trajectory"]) for r in known
    )
    sheet.check(
        "B against nll.ode",
        "violated" if left > 1e-6 else "explained" if below else "holds",
        f"{below} of {len(known)} networks have nll.ode below B: no order is due, since the flow "
        f"leaves p_t; terminal mismatch and trajectory drift make up for it within {left:.1e}",
    )
    digits = learned.where(data="digits")
    sheet.check(
        "B on digits",
        "not-applicable",
        f"S0 of the data is unknown; {len(digits)} networks have U, nll.marginal and nll.ode only",
    )
    lines = []
    for process in ("ve", "vp"):
        mine = digits.where(process=process)
        pair = [mean_and_error(mine.column(k)) for k in ("nll_ode", "elbo", "calibrated.elbo")]
        lines.append([process.upper(), *pair])
    sheet.table(
        "digits", ["process", "nll.ode", "U", "U, calibrated"], lines, "Digits, nats (grey levels)"
    )
    _tightness_finding(p, learned, sheet)
    sheet.figure(
        "tightness",
        tightness_figure(p["data"], learned),
        "Gap of the bound, nll.marginal - B, of every network (open: calibrated), same size and "
        "training under VE and VP.",
    )


def _tightness_finding(p: dict[str, Any], learned: Results, sheet: Sheet) -> None:
    pieces = []
    for data in p["data"]:
        pair = [learned.where(data=data, process=k).column("gap") for k in ("ve", "vp")]
        logs = np.log(pair[1] / pair[0])
        middle, low, high = np.exp(interval(logs)).tolist()
        text = f"{middle:.3g}"
        if len(logs) > 1:
            text += f" ({low:.2g} to {high:.2g})"
            sheet.number(
                f"tightness.{data}",
                middle,
                unit="1",
                note=f"gap VP over gap VE, geometric mean of {len(logs)} pairs; 95 % interval "
                f"{low:.3g} to {high:.3g}",
            )
        pieces.append(f"{text} for {NAMES[data]}")
    sheet.finding(
        "Tightness, gap of VP over gap of VE with networks of equal size and training: "
        + ", ".join(pieces)
        + " (95 % interval over seeds where there are several). The gap is the score error, a "
        "property of the training, not of the process: exact scores have none under either."
    )
