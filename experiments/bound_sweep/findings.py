"""What bound_sweep concludes: figures, tables, checks and findings."""

from __future__ import annotations

from typing import Any

import numpy as np

from thermohw.estimate import VIOLATED, judge, largest_of
from thermohw.experiments.bound_sweep import correlations as of
from thermohw.experiments.bound_sweep import figures as draw
from thermohw.experiments.shared.estimates import pair
from thermohw.experiments.shared.figures import drawn
from thermohw.study import Parameters, Results, Row, Sheet

_PUBLISHED = {"pearson": 0.694, "spearman": 0.882}
_FEW = 3  # of.configurations that a correlation needs
_NETWORKS = {
    "S(0)": "known.clean", "S(t_min)": "known.start", "B": "bound.lower",
    "nll.marginal": "nll.marginal", "nll.ode": "nll.ode", "U": "nll.sde_elbo",
    "K1": "known.mismatch", "score error": "bound.score_error", "start": "known.offset",
    "path": "bound.path", "residual": "bound.residual", "solver": "error.solver",
}  # fmt: skip
_PARTS = {name: _NETWORKS[name] for name in ("K1", "score error", "start", "path", "residual")}
_BELOW = {"nll.ode − B": "bound.ode_margin", **_PARTS}


def conclude(p: Parameters, rows: Results, sheet: Sheet) -> None:
    """Everything the study shows."""
    uniform = [row for row in rows if row["data"] == "uniform" and row["process"] == "ve"]
    best = min(uniform, key=lambda row: row["nll.ode"]) if uniform else None
    drawn(sheet, "bound", draw.bound_figure, rows)
    if best is not None:
        drawn(sheet, "rates", draw.rates_figure, best, sigma=best["sigma"])
    drawn(sheet, "gap", draw.gap_figure, rows)
    drawn(sheet, "terms", draw.terms_figure, rows)
    _network_table(rows, sheet)
    _correlations(p, rows, sheet)
    _checks(rows, sheet)
    if best is not None:
        _rates(best, sheet)
    _shares(rows, sheet)
    _findings(rows, sheet)


def _network_table(rows: Results, sheet: Sheet) -> None:
    table = []
    for data, process, sigma in of.configurations(rows):
        chosen = rows.where(data=data, process=process, sigma=sigma)
        means = [_mean(chosen, column) for column in _NETWORKS.values()]
        table.append([data, process.upper(), sigma, *means])
    sheet.table(
        "networks", ["data", "process", "sigma", *_NETWORKS], table,
        caption="Means over repetitions with standard errors from the held-out images, nats a "
        "pixel, pixels on [0, 1].",
    )  # fmt: skip


def _mean(rows: Results, column: str) -> tuple[float, float] | float:
    value = float(rows.column(column).mean())
    if column.startswith(("known.", "error.")):
        return value
    stderr = rows.column(f"{column}.stderr")
    return value, float(np.sqrt(np.square(stderr).sum()) / len(stderr))


def _correlations(p: Parameters, rows: Results, sheet: Sheet) -> None:
    scopes = {"all": rows} | {data: rows.where(data=data) for data in rows.distinct("data")}
    table, more = [], ["95 %", "single repetitions"]
    for scope, chosen in scopes.items():
        if len(of.configurations(chosen)) < _FEW:
            continue
        for reading in of.READINGS:
            line: list[Any] = [scope, reading.nll, reading.gap]
            for kind, published in _PUBLISHED.items():
                how = {"kind": kind, "resamples": p["resamples"], "seed": p["seed"]}
                found = of.correlate(chosen, reading, **how)
                (low, high), alone = found.interval, found.alone
                line += [f"{found.value:.3f}", f"{low:.3f} to {high:.3f}", alone]
                if scope == "all":
                    sheet.number(
                        f"correlation.{reading.name}.{kind}", found.value, unit="1",
                        published=None if reading.gap == "score error" else published,
                        note=f"95 %: {low:.3f} to {high:.3f}; single repetitions: {alone}",
                    )  # fmt: skip
            table.append([*line, len(chosen)])
    sheet.table(
        "correlations",
        ["networks", "NLL", "gap", "Pearson", *more, "Spearman", *more, "number"],
        table,
        caption="Published: Pearson 0.694, Spearman 0.882; the definitions behind them are not "
        "public. Intervals: bootstrap over configurations. Networks of one repetition share first "
        "weights and images: where repetitions differ by more than the interval, believe them.",
    )


def _checks(rows: Results, sheet: Sheet) -> None:
    for name, column in (
        ("B <= nll.marginal", "bound.gap"),
        ("S0 <= nll.ode", "excess.ode"),
        ("S0 + K1 <= U, that is K1 <= gap", "excess.elbo"),
    ):
        sheet.law(name, of.z_scores(rows, column), relation=">=")
    residual = of.z_scores(rows, "bound.residual")
    sheet.law("nll.marginal = B + K1 + score error", residual)
    controls = np.concatenate([of.z_scores(rows, f"true.{name}") for name in ("norm", "trace")])
    sheet.law("sampled integrals of the true score", controls)
    margin, *parts = (rows.column(column) for column in _BELOW.values())
    adds_up = float(np.abs(np.sum(parts, axis=0) - margin).max())
    largest = largest_of(float(np.abs(residual).max()), len(residual))
    fine = adds_up < 1e-9 and judge(largest) != VIOLATED
    below = Results(row for row in rows if of.is_below(row))
    sheet.check(
        "B <= nll.ode",
        "violated" if not fine else "explained" if below else "holds",
        f"no theorem: {len(below)} of {len(rows)} networks lie below, by up to "
        f"{max(0.0, -float(margin.min())):.4f} nats a pixel; K1 + score error + start + path + "
        f"residual add up to nll.ode − B within {adds_up:.0e}, and no residual is significant",
    )
    table = []
    for row in below:
        terms = [pair(row, c) if f"{c}.stderr" in row else row[c] for c in _BELOW.values()]
        table.append([row["data"], row["process"].upper(), row["sigma"], row["repeat"], *terms])
    sheet.table(
        "below", ["data", "process", "sigma", "repeat", *_BELOW], table,
        caption="Networks whose nll.ode lies below B by more than two standard errors, and what "
        "the difference is made of; nats a pixel.",
    )  # fmt: skip


def _rates(best: Row, sheet: Sheet) -> None:
    weight, intrinsic = best["profile.weight"], best["profile.intrinsic"]
    total, calibration = float(weight @ intrinsic), best["profile.calibration"]
    ratio = float(weight @ best["profile.exchange"]) / total
    note = "exchange over intrinsic, integrated over time"
    sheet.number("rates.ratio", ratio, unit="1", published=-2.0, note=note)
    sheet.number("rates.production", total, unit="nats a pixel", note="integral of intrinsic")
    sheet.check(
        "exchange = -2 intrinsic",
        "explained",
        f"{ratio:.4f} integrated, as calibration c_t between {calibration.min():.3f} and "
        f"{calibration.max():.3f} has it: a property of the network",
    )


def _shares(rows: Results, sheet: Sheet) -> None:
    """How much of the gap is the prior's, and what the pairing is worth."""
    for data, process in dict.fromkeys((row["data"], row["process"]) for row in rows):
        chosen = rows.where(data=data, process=process)
        share = chosen.column("known.mismatch").sum() / chosen.column("bound.gap").sum()
        note = "share of the prior's mismatch K1 in the gap nll.marginal − B, all networks together"
        sheet.number(f"gap.k1_share.{data}.{process}", float(share), unit="1", note=note)
    for name, column, factor in (
        ("sampling.bound.paired", "bound.lower", 1.0),
        ("sampling.bound.unpaired", "true.norm", 0.5),
        ("sampling.marginal.paired", "nll.marginal", 1.0),
        ("sampling.marginal.unpaired", "true.trace", 1.0),
    ):
        for data in rows.distinct("data"):
            stderr = rows.where(data=data).column(f"{column}.stderr")
            mean = factor * float(np.sqrt(np.square(stderr).mean()))
            note = "standard error with and without the true score at the same noised images"
            sheet.number(f"{name}.{data}", mean, unit="nats a pixel", note=note)


def _findings(rows: Results, sheet: Sheet) -> None:
    count, below = len(rows), sum(of.is_below(row) for row in rows)
    least = float(rows.column("bound.gap").min())
    lowest = largest_of(float(of.z_scores(rows, "bound.gap").min()), count)
    sheet.finding(
        f"B exceeds nll.marginal in none of {count} networks (smallest gap {least:.4f} nats a "
        f"pixel) and nll.ode in {below}."
        if judge(lowest, relation=">=") != VIOLATED
        else "The bound is violated: see the checks."
    )
    shares = {
        name.removeprefix("gap.k1_share.").replace(".", " "): number["value"]
        for name, number in sheet.numbers.items()
        if name.startswith("gap.k1_share.")
    }
    sheet.finding(
        "Of the gap nll.marginal − B the prior's mismatch alone makes "
        + ", ".join(f"{100 * share:.0f} % ({name})" for name, share in shares.items())
        + ": not the network's doing."
    )
    margin, error = of.quantity(rows, "nll.ode - B"), of.quantity(rows, "score error")
    sheet.finding(
        f"nll.ode − B lies between {margin.min():.4f} and {margin.max():.4f} nats a pixel, the "
        f"true score error between {error.min():.4f} and {error.max():.4f}."
    )
    names = ("ode_raw", "ode_excess", "mixed_excess", "ode_error")
    readings = {reading.name: reading for reading in of.READINGS}
    said = []
    for name in names if len(rows) > _FEW else ():
        reading = readings[name]
        found = of.correlate(rows, reading, kind="pearson", resamples=0, seed=0)
        said.append(
            f"{reading.nll} with {reading.gap} {found.value:.2f} (repetitions {found.alone})"
        )
    if said:
        sheet.finding(f"Pearson's r, published as 0.694: {'; '.join(said)}.")
