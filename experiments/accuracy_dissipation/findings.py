"""What accuracy_dissipation concludes: laws on p_t, a counter-example, a trend, the circuit.

The trend is Spearman's rank correlation of accuracy with cost over the networks of each seed, mean
over seeds with its 95 % interval; the better half are the networks up to the median accuracy. The
circuit follows a law of its own: Q/kT >= S(start) - S(end), and the samples' cross-entropy with
the exact law at t_min is at least S(end). Errors of its heat: paths, and what halving the ticks
changes.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from thermohw.estimate import Estimate
from thermohw.experiments.accuracy_dissipation import figures as draw
from thermohw.experiments.shared.estimates import estimates, interval, mean_and_error, pair
from thermohw.experiments.shared.figures import drawn
from thermohw.experiments.shared.playing import first_law
from thermohw.study import Parameters, Results, Sheet

COSTS = {  # column -> what it is
    "production": "production, plug-in, p_t",
    "heat": "heat, p_t",
    "continuous.fine": "heat, circuit, continuous",
    "clocked.fine": "heat, circuit, clocked",
}


def conclude(p: Parameters, results: Results, sheet: Sheet) -> None:
    """Everything the study shows."""
    exact, networks = results.where(kind="exact"), results.where(kind="network")
    _trend(networks, sheet)
    _laws(results, networks, sheet)
    _counterexample(exact, sheet)
    _circuit(exact, networks, sheet)
    _tables(networks, sheet)
    drawn(sheet, "trade-off", draw.trade_figure, p, exact, networks)
    drawn(sheet, "digits", draw.digits_figure, p, networks)
    drawn(sheet, "exchange", draw.exchange_figure, networks)
    drawn(sheet, "circuit", draw.circuit_figure, networks)


def _laws(results: Results, networks: Results, sheet: Sheet) -> None:
    rows = results.where(data="mixture")
    least = min(row["slack"] for row in rows)
    sheet.law(
        "Q/kT - surplus >= 2 [(S0 + S1) - 2 NLL_marg] on p_t",
        estimates(rows, "slack", ".error"),
        relation=">=",
        detail=f"smallest slack {least:.3g} kT of {len(rows)} scores (4 K1 + 4 score errors)",
    )
    sheet.law(
        "what the slack is made of (gap identity)",
        estimates(rows, "residual", ".error"),
        detail="gap = K1 + score error on one set of points",
    )
    tuned = estimates(networks, "calibrated.surplus", ".error")
    left, raw = max(abs(t.value) for t in tuned), float(np.abs(networks.column("surplus")).max())
    sheet.law(
        "U = H1 - Q/2kT for calibrated networks",
        tuned,
        detail=f"surplus up to {raw:.3g} nats as trained, {left:.2g} calibrated",
    )
    sheet.number("surplus.raw", raw, note="largest |int g^2 (E|s|^2 - E[s.s*])| of a network")
    sheet.number("surplus.calibrated", left, note="the same, calibrated on other points")
    sheet.finding(
        "Law: on the noised data every score pays Q/kT >= 2 [(S0 + S1) - 2 NLL_marg] + surplus, "
        "and a calibrated one exactly two kT for a nat of evidence, U = H1 - Q/2kT: "
        f"{len(networks)} calibrated networks obey it within {left:.2g} nats (as trained, up to "
        f"{raw:.3g} off), largest z = {max(abs(t.z()) for t in tuned):.1f}."
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
    off, lines = [], []
    for row in exact.sorted("factor"):
        c = row["factor"]
        plain = (2.0 * c * c - c) * 2.0 * growth
        off.append(Estimate(row["heat"] - plain, row["heat.error"]))
        excess = row["nll_ode"] - row["entropy_data"], row["nll_ode.error"]
        known, circuit = (
            [pair(row, name, ".error") for name in names]
            for names in (("production", "heat"), ("continuous.fine", "clocked.fine"))
        )
        lines.append([c, excess, *known, plain, *circuit])
    sheet.table(
        "factors",
        ["c", "nll.ode - S0", "Sigma", "Q p_t", "closed form", "Q continuous", "Q clocked"],
        lines,
        "The exact score times c, Gaussians in the plane: nats and kT. Closed form: (2 c^2 - c) 2 "
        "(S1 - S0)",
    )
    sheet.law("Q/kT = (2 c^2 - c) 2 (S1 - S0) on p_t", off, detail="on one set of points")
    over = [row for row in exact if row["factor"] > 1.0]
    worse = [r for r in over if r["elbo"] > one["elbo"] and r["heat"] > one["heat"]]
    row = min(over, key=lambda row: row["factor"])
    names = {
        "production": "production", "heat": "heat on p_t", "continuous.fine": "circuit, continuous",
        "clocked.fine": "circuit, clocked", "nll_ode": "nll.ode", "elbo": "U",
    }  # fmt: skip
    extra = {key: row[key] - one[key] for key in names}
    sheet.check(
        "more dissipation does not mean more accuracy",
        "holds" if len(worse) == len(over) else "violated",
        f"exact score times {row['factor']:g} against the exact one, same points and noise: "
        + ", ".join(f"{name} {extra[key]:+.3g}" for key, name in names.items()),
    )
    sheet.finding(
        f"Counter-example: the exact score times {row['factor']:g} produces "
        f"{extra['production']:+.2g} nats and dissipates {extra['heat']:+.2g} kT on p_t, and is "
        f"worse (nll.ode {extra['nll_ode']:+.2g} nats). On the circuit it costs "
        f"{extra['continuous.fine']:+.2g} kT under continuous and {extra['clocked.fine']:+.2g} kT "
        "under clocked control, where the circuit follows its own law, which the overshoot has "
        "narrowed."
    )


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


def _trend(networks: Results, sheet: Sheet) -> None:
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
                if accuracy == "elbo":
                    continue
                (half_words if half else words).append(f"{entries[-1]} with {label}")
                sheet.number(
                    f"rank.{data}.{cost}.{'half' if half else 'all'}", mean, unit="1",
                    note=f"Spearman of nll.ode with {label}, {len(ranks)} seeds, 95 % "
                    f"{low:.2f} to {high:.2f}",
                )  # fmt: skip
            rows.append(entries)
        sheet.finding(
            f"Trend, not law: rank correlation of nll.ode over the networks on {data} is "
            + "; ".join(words)
            + " (negative: the better network costs more; 95 % interval over seeds)."
            + (f" Among the better half: {'; '.join(half_words)}." if half_words else "")
        )
    sheet.table(
        "trend", ["data", "cost", "nll.ode, all", "nll.ode, better half", "U, all"], rows,
        "Spearman rank correlation of accuracy with cost over networks, mean over seeds and its "
        "95 % interval; -1: every better network costs more",
    )  # fmt: skip


def _span(mean: float, low: float, high: float) -> str:
    if not math.isfinite(low):
        return f"{mean:.2f}"
    return f"{mean:.2f} ({max(low, -1.0):.2f} to {min(high, 1.0):.2f})"


def _circuit(exact: Results, networks: Results, sheet: Sheet) -> None:
    """Heat of the exact score, both laws, and how far networks leave p_t."""
    one = exact.where(factor=1.0)[0]
    growth = 2.0 * (one["entropy_prior"] - one["entropy_data"])
    halving = one["continuous.fine"] - one["continuous.coarse"]
    sheet.number(
        "heat.exact", *pair(one, "continuous.fine", ".error"), unit="kT",
        note=f"exact score on the circuit, continuous; 2 (S1 - S0) = {growth:.5g}; halving the "
        f"ticks changes it by {halving:+.2g}",
    )  # fmt: skip
    sheet.number("heat.exact.J", one["continuous.fine"] * one["kT"], unit="J", note="the same")
    found = Estimate(one["continuous.fine"], math.hypot(one["continuous.fine.error"], halving))
    sheet.law(
        "exact score on the circuit: Q = 2 kT (S1 - S0)", found, growth,
        detail=f"{found.text('.4g')} kT, tick halving {halving:+.2g}, law {growth:.4g}",
    )  # fmt: skip
    rows = [*exact, *networks.where(data="mixture")]
    # Q/kT >= S(start) - S(end), and the cross-entropy with the exact law is at least S(end)
    spare = [
        Estimate(
            r["continuous.fine"] - r["start_entropy"] + r["surprisal"],
            math.hypot(r["continuous.fine.error"], r["surprisal.error"]),
        )
        for r in rows
    ]
    sheet.law(
        "second law on the circuit", spare, relation=">=", detail="Q/kT - S(start) - E ln p(x_end)"
    )
    first_law("first law on the circuit", [*exact, *networks], "continuous.fine", "ticks", sheet)
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


def _tables(networks: Results, sheet: Sheet) -> None:
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
            known = mean_and_error(rows.column("score_error")) if data == "mixture" else None
            lines.append([*entries, float(rows.column("continuous.fine.error").mean()), known])
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
