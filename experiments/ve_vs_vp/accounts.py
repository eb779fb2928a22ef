"""What ve_vs_vp concludes of other accounts: without the drift, plug-in and physical, the bound.

In xbar = x/m_t there is no drift. int (g^2/2) E|s|^2 and the score error stay, entropies shift by
d ln m_t. The physical account needs the true score for its production. Of the bound B: its gap
under VE and VP; networks of one seed meet the same points under either, so that gaps are compared
in pairs, by the mean of ln(gap VP/gap VE) over seeds.
"""

from __future__ import annotations

import math

import numpy as np

from thermohw.experiments.shared.estimates import interval, mean_and_error
from thermohw.experiments.shared.figures import drawn
from thermohw.experiments.ve_vs_vp import figures as draw
from thermohw.experiments.ve_vs_vp.figures import NAMES
from thermohw.study import Parameters, Results, Sheet

GRID_SUMS = 1e-9  # quadratures are exact to 1e-12 of rates below a thousand
_NETWORK_SUMS = 1e-6  # of a network, which is asked in single precision
ACCOUNTS = {
    "intrinsic": "Si", "exchange": "Se", "emf.heat": "Q emf", "emf.production": "production",
    "clocked.heat": "Q clocked", "current.heat": "Q current", "current.pumping": "pumping",
}  # fmt: skip


def coordinates(p: Parameters, exact: Results, learned: Results, sheet: Sheet) -> None:
    """x/m_t: likelihood and score error stay, entropies shift by d ln m."""
    off = [
        abs(step - r["log_volume"] - r["norm"])
        for r in exact
        for step in (r["production"], r["entropy_prior"] - r["entropy_data"])
    ]
    sheet.law(
        "without drift in x/m_t: entropies shift by d ln m_t", off, within=GRID_SUMS,
        detail=f"exact scores: int (g^2/2) E|s|^2 = S1 - S0 - d ln(m_T/m_0) in {len(exact)} runs, "
        "entropies by quadrature",
    )  # fmt: skip
    moved = [r for r in learned if "undrifted.production" in r]
    # One clean point more: x and x/m_t differ at t_min by 1 - m, and the flow's solver has its own.
    same, shares = [], []
    for row in moved:
        rules = row["quadrature"] + row["undrifted.quadrature"]
        names = ("norm", "score_error")
        same.append(max(abs(row[k] - row[f"undrifted.{k}"]) for k in names))
        # the rules' error is known of the trace; that of squares of a rough score is larger
        shares.append(same[-1] / (10.0 * (rules + abs(row["log_decay"])) + 1e-6))
    change = max((abs(r["nll_ode"] - r["undrifted.nll_ode"]) for r in moved), default=math.nan)
    gap = max(same, default=math.nan)
    sheet.law(
        "the same network without its drift", max(shares, default=math.nan), within=1.0,
        detail=f"{len(moved)} VP networks played as VE of equal log SNR: int (g^2/2) E|s|^2 and "
        f"score error differ by {gap:.1e} nats, beside what the time rules leave; nll.ode "
        f"by {change:.1e}",
    )  # fmt: skip
    drawn(sheet, "rates", draw.rates_figure, p, exact)


def accounts(p: Parameters, exact: Results, learned: Results, sheet: Sheet) -> None:
    """Plug-in and physical integrals, equal for exact scores and how far apart for networks."""
    rows = []
    for data in [*p["data"], "digits"]:
        for process in ("ve", "vp"):
            groups = [("network", learned.where(data=data, process=process))]
            if data != "digits":
                groups.insert(0, ("exact", exact.where(data=data, process=process)))
            for kind, mine in groups:
                means = [float(np.mean([row.get(k, math.nan) for row in mine])) for k in ACCOUNTS]
                rows.append([NAMES[data], process.upper(), kind, *means])
    sheet.table(
        "accounts", ["data", "process", "score", *ACCOUNTS.values()], rows,
        "Integrated over generation on p_t: plug-in (model) Si and Se in nats; physical by wiring, "
        "heat in kT, production (emf) and pumping (current) in nats. Production needs the true "
        "score",
    )  # fmt: skip
    twins = [abs(r["emf.heat"] + r["exchange"]) for r in exact]
    doubles = [
        abs(r["emf.heat"] - 2.0 * (r["entropy_prior"] - r["entropy_data"]))
        for r in exact
        if r["process"] == "ve"
    ]
    name = "exact scores: Q = -Se, and 2 (S1 - S0) for VE"
    sheet.law(name, [*twins, *doubles], within=GRID_SUMS, detail=f"kT, {len(exact)} runs")
    apart = [abs(r["emf.heat"] + r["exchange"]) for r in learned]
    row = learned[int(np.argmax(apart))]
    sheet.finding(
        f"Plug-in and physical accounts part by up to {max(apart):.4g} kT for networks "
        f"({NAMES[row['data']]}, {row['process'].upper()}: -Se = {-row['exchange']:.4g} nats, heat "
        f"of the emf wiring {row['emf.heat']:.4g} kT); for exact ones by {max(twins):.0e}."
    )
    drawn(sheet, "accounts", draw.accounts_figure, p, learned)


def tightness(p: Parameters, learned: Results, sheet: Sheet) -> None:
    """Tables, checks, findings and figure of the bound."""
    rows = []
    for data in p["data"]:
        for process in ("ve", "vp"):
            mine = learned.where(data=data, process=process)
            base = mine.column("entropy_data")
            excess = [mine.column(k) - base for k in ("nll_ode", "nll_marginal", "bound")]
            columns = [*excess, mine.column("gap"), mine.column("calibrated.gap")]
            rows.append([NAMES[data], process.upper(), *map(mean_and_error, columns)])
    heads = ["nll.ode - S0", "nll.marginal - S0", "B - S0", "gap", "gap, calibrated"]
    sheet.table(
        "tightness", ["data", "process", *heads], rows,
        "Nats; mean and standard error over networks of the same size and training. gap = "
        "nll.marginal - B",
    )  # fmt: skip
    known = [r for r in learned if r["data"] != "digits"]
    gaps = [r["gap"] for r in known]
    said = f"{len(known)} networks, nats"
    sheet.law("B <= nll.marginal", gaps, relation=">=", within=GRID_SUMS, detail=said)
    off = [r["gap"] - r["prior_mismatch"] - r["score_error"] for r in known]
    sheet.law("gap = K1 + score error", off, within=_NETWORK_SUMS, detail=said)
    below = sum(r["margin"] < 0.0 for r in known)
    left = max(
        abs(r["nll_ode"] - r["nll_marginal"] - r["terminal"] - r["trajectory"]) for r in known
    )
    sheet.check(
        "B against nll.ode",
        "violated" if left > _NETWORK_SUMS else "explained" if below else "holds",
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
    drawn(sheet, "tightness", draw.tightness_figure, p["data"], learned)


def _tightness_finding(p: Parameters, learned: Results, sheet: Sheet) -> None:
    pieces = []
    for data in p["data"]:
        pair = [learned.where(data=data, process=k).column("gap") for k in ("ve", "vp")]
        logs = np.log(pair[1] / pair[0])
        middle, low, high = np.exp(interval(logs)).tolist()
        text = f"{middle:.3g}"
        if len(logs) > 1:
            text += f" ({low:.2g} to {high:.2g})"
            note = f"gap VP over gap VE, geometric mean of {len(logs)} pairs; 95 % interval "
            note += f"{low:.3g} to {high:.3g}"
            sheet.number(f"tightness.{data}", middle, unit="1", note=note)
        pieces.append(f"{text} for {NAMES[data]}")
    sheet.finding(
        "Tightness, gap of VP over gap of VE with networks of equal size and training: "
        + ", ".join(pieces)
        + " (95 % interval over seeds where there are several). The gap is the score error, a "
        "property of the training, not of the process: exact scores have none under either."
    )
