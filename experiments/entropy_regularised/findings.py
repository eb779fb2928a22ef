"""What entropy_regularised concludes: figures, tables, numbers, checks and findings."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from thermohw.estimate import Estimate
from thermohw.experiments.entropy_regularised import figures as draw
from thermohw.experiments.entropy_regularised.changes import Change, Trainings, change
from thermohw.experiments.entropy_regularised.figures import NAMES
from thermohw.experiments.shared.estimates import estimates, pair
from thermohw.experiments.shared.figures import drawn
from thermohw.experiments.shared.playing import first_law
from thermohw.study import Parameters, Results, Sheet

_FEWEST = 3  # seeds for a verdict: an interval from two rests on a single difference


def conclude(p: Parameters, results: Results, sheet: Sheet) -> None:
    """Everything the study shows."""
    played = [data for data in p["data"] if "spread" in Trainings.of(results, data)[0]]
    if played:
        drawn(sheet, "trade", draw.trade_figure, p, results, played)
    drawn(sheet, "shrinkage", draw.shrinkage_figure, p, results)
    drawn(sheet, "beyond", draw.beyond_figure, p, results)
    if played:
        drawn(sheet, "heat", draw.heat_figure, p, results, played)
        drawn(sheet, "ticks", draw.ticks_figure, p, results, played)
    weights = [w for w in p["weights"] if w > 0.0]
    largest = max(weights)
    for data in p["data"]:
        rows = Trainings.of(results, data)
        _tables(p, results, rows, data, sheet)
        _shrinks(rows, largest, data, sheet)
    for data in played:
        _heat(results, data, largest, sheet)
        _steps(p, results, data, largest, sheet)
    for data in p["data"]:
        _beyond(Trainings.of(results, data), weights, data, sheet)
    _checks(results, sheet)


def _pair(found: Change) -> tuple[float, float]:
    return found.mean, found.half


def _tables(p: Parameters, results: Results, rows: Trainings, data: str, sheet: Sheet) -> None:
    base = Trainings.of(results, data, "shrunk")
    made, again = [], []
    for w in p["weights"]:
        calibration = change(rows.factor(w) / rows.factor(0.0))
        would = rows.shrunk(w)
        loss = change(would["elbo"] - rows.at(0.0, "elbo")).mean
        line: list[Any] = [w, _pair(calibration), _pair(rows.paired(w, "elbo")), loss]
        line += [_pair(rows.paired(w, name)) for name in ("nll_ode", "nll_marginal")]
        line += [_pair(change(rows.at(w, "heat.continuous"))), change(would["heat"]).mean]
        if "spread" in rows[0]:
            line.append(_pair(change(rows.at(w, "device.fine"))))
            line.append(change(base.at(w, "device.fine")).mean if w else None)
            line.append(float(np.exp(np.log(rows.needed(p, w)).mean())))
        made.append(line)
        names = ("elbo", "nll_ode", "nll_marginal", "heat.continuous")
        again.append([w, *(_pair(rows.paired(w, f"calibrated.{name}")) for name in names)])
    head = ["λ", "calibration / λ = 0", "U", "U, shrunk", "flow NLL", "marginal NLL"]
    head += ["heat on p_t", "heat on p_t, shrunk"]
    if "spread" in rows[0]:
        head += ["heat, circuit", "heat, circuit, shrunk", "ticks needed"]
    seeds = len(rows.distinct("repeat"))
    sheet.table(
        f"trained.{data}", head, made,
        f"{NAMES[data]}, as trained, {seeds} seeds: likelihoods less those of lambda = 0 (nats), "
        "heat (kT per sample), half widths of 95 % intervals; shrunk: the network of lambda = 0 "
        "over 1 + lambda.",
    )  # fmt: skip
    sheet.table(
        f"calibrated.{data}", ["λ", "U", "flow NLL", "marginal NLL", "heat on p_t"], again,
        f"{NAMES[data]}, calibrated: everything less lambda = 0 (nats, kT), seed by seed.",
    )  # fmt: skip


def _shrinks(rows: Trainings, weight: float, data: str, sheet: Sheet) -> None:
    """Whether the calibration factor and the evidence follow the formula."""
    ratio = change(rows.factor(weight) / rows.factor(0.0))
    loss, would = rows.paired(weight, "elbo"), rows.shrunk(weight)
    beyond = change(rows.at(weight, "elbo") - would["elbo"])
    predicted = float((would["elbo"] - rows.at(0.0, "elbo")).mean())
    note = f"lambda = {weight:g}"
    sheet.number(
        f"{data}.factor", ratio.mean, ratio.half / 2.0, "1", note=f"1 + lambda = {1 + weight:g}"
    )
    sheet.number(f"{data}.elbo_loss", loss.mean, loss.half / 2.0, note=note)
    sheet.number(f"{data}.elbo_loss_shrunk", predicted, note=note)
    share = (ratio.mean - 1.0) / weight
    follow = "shrink as predicted"
    if abs(share - 1.0) > 0.15:
        follow = f"shrink {share:.2f} times as much as predicted"
        if share < 0.5 and data != "mixture" and "head" not in rows[0]["architecture"]:
            follow += " - their head builds the score from a posterior over grey levels -"
    verdict = {0: "not told apart from", 1: "more than", -1: "less than"}[beyond.sign]
    if not beyond.known:
        verdict = "beside"
    sheet.finding(
        f"{NAMES[data].capitalize()}: trained with λ = {weight:g} the networks {follow} "
        f"(calibration factor times {ratio.mean:.3f}; predicted {1 + weight:g}); the evidence "
        f"bound changes by {loss} nats, {verdict} the {predicted:+.3g} nats of shrinking λ = 0."
    )


def _beyond(rows: Trainings, weights: list[float], data: str, sheet: Sheet) -> None:
    """Whether calibrated networks gain by the penalty."""
    said, seeds = [], len(rows.distinct("repeat"))
    for name, what in (("elbo", "evidence bound"), ("nll_ode", "flow NLL")):
        found = {w: rows.paired(w, f"calibrated.{name}", len(weights)) for w in weights}
        worst, best = (
            pick(weights, key=lambda w, found=found: found[w].mean) for pick in (max, min)
        )
        note = f"best lambda, {best:g}; chosen after the fact"
        sheet.number(f"{data}.beyond.{name}", found[best].mean, found[best].half / 2.0, note=note)
        gains, losses = ([w for w in weights if side * found[w].sign > 0] for side in (-1, 1))
        if seeds < _FEWEST:
            text = f"too few for a verdict on the {what} (worst {found[worst]} nats at {worst:g})"
        elif gains:
            w = min(gains, key=lambda w, found=found: found[w].mean)
            text = f"the {what} gains {found[w]} nats at λ = {w:g}"
            text += f", and loses {found[worst]} nats at {worst:g}" if losses else ""
        elif losses:
            text = f"the {what} is only worse, by {found[worst]} nats at λ = {worst:g}"
        else:
            text = (
                f"no λ changes the {what} beyond the scatter of trainings (best {found[best]} "
                f"nats at {best:g}, worst {found[worst]} at {worst:g})"
            )
        said.append(text)
    sheet.finding(
        f"{NAMES[data].capitalize()}, beyond shrinking (calibrated, seeds: {seeds}, 5 % shared by "
        f"{len(weights)} weights): {'; '.join(said)}."
    )


def _checks(results: Results, sheet: Sheet) -> None:
    found = [
        Estimate(*pair(row, name, ".error"))
        for row in results
        for name in ("residual", "calibrated.residual")
        if name in row
    ]
    if found:
        said = "nll.marginal - B - K1 - error, the same points for all"
        sheet.law("the gap is K1 plus the score error", found, detail=said)
    exact = [row for row in results if row["kind"] == "exact"]
    if exact:
        whole = next(row for row in exact if row["weight"] == 0.0)
        zs = []
        for row in exact:
            share = (row["weight"] / (1.0 + row["weight"])) ** 2
            if share:
                lost, error = 2.0 * row["score_error"], 2.0 * row["score_error.error"]
                off = lost - share * whole["norm"]
                zs.append(off / math.hypot(error, share * whole["norm.error"]))
            left = row["elbo"] - row["entropy_data"] - row["prior_mismatch"]
            zs.append((left - share * whole["norm"]) / row["elbo.error"])
        sheet.law(
            "the shrunken exact score loses (lambda/(1 + lambda))^2 A",
            zs,
            detail="twice the score error and U - S0 - K1",
        )
    second = [row for row in results if "second_law" in row]
    if second:
        sheet.law(
            "second law", estimates(second, "second_law", ".error"), relation=">=",
            detail="heat/kT + cross-entropy of the samples - S(start) of continuous runs",
        )  # fmt: skip
    played = [row for row in results if "first_law" in row]
    if played:
        first_law("first law", played, "device.fine", "continuous", sheet)


def _heat(results: Results, data: str, weight: float, sheet: Sheet) -> None:
    """What becomes of the heat: on the noised law, and on the circuit."""
    rows = Trainings.of(results, data)
    model, circuit = (
        change(rows.at(weight, k) / rows.at(0.0, k) - 1.0)
        for k in ("heat.continuous", "device.fine")
    )
    base = Trainings.of(results, data, "shrunk")
    shrinking = change(base.at(weight, "device.fine") / rows.at(0.0, "device.fine") - 1.0)
    for name, found in (("model", model), ("circuit", circuit)):
        sheet.number(f"{data}.heat_{name}", found.mean, found.half / 2.0, unit="1")
    way = {1: "rises", 0: "does not change measurably", -1: "falls"}[circuit.sign]
    way = way if circuit.known else "changes, in one seed"
    why = ": the weaker pull leaves the circuit's own law wider than the noised one, and a wider "
    why = f"{why}law is driven harder" if circuit.sign > 0 else ""
    sheet.finding(
        f"{NAMES[data].capitalize()}, λ = {weight:g}: on the noised law the heat changes by "
        f"{_percent(model)}, on the circuit that plays it, it "
        f"{way} ({_percent(circuit)}; merely shrunk {_percent(shrinking)}){why}."
    )


def _steps(p: Parameters, results: Results, data: str, weight: float, sheet: Sheet) -> None:
    """Ticks needed, and how good the samples of the finest grid are."""
    rows, base = Trainings.of(results, data), Trainings.of(results, data, "shrunk")
    sources = {
        "at λ = 0": rows.needed(p, 0.0),
        f"at λ = {weight:g}": rows.needed(p, weight),
        "merely shrunk": base.needed(p, weight),
        "calibrated at λ = 0": rows.needed(p, 0.0, "calibrated"),
        f"calibrated at λ = {weight:g}": rows.needed(p, weight, "calibrated"),
    }
    lowest = rows[0]["ticks"][0]
    said = []
    for name, values in sources.items():
        mean = float(np.exp(np.log(values).mean()))
        said.append(f"{mean:.0f} {name}" if mean > 1.001 * lowest else f"≤ {lowest} {name}")
        key = f"{data}.ticks.{name.replace('λ', 'lambda')}"
        sheet.number(key, mean, unit="1", note="geometric mean over seeds")
    moved = np.log(sources[f"at λ = {weight:g}"] / sources["at λ = 0"])
    tuned = sources[f"calibrated at λ = {weight:g}"] / sources["calibrated at λ = 0"]
    far = change(rows.at(weight, "raw.distance") - rows.at(0.0, "raw.distance"))
    sheet.finding(
        f"{NAMES[data].capitalize()}: λ = {weight:g} multiplies the ticks that sampling needs by "
        f"{_times(moved)}, calibrated by {_times(np.log(tuned))} ({', '.join(said)}; margin "
        f"{rows.margin(p):.2g} of energy distance); on the finest grid its samples are {far} "
        "farther from the data."
    )


def _times(logarithms: np.ndarray) -> str:
    """A factor and its interval."""
    found = change(logarithms)
    if not found.known:
        return f"{math.exp(found.mean):.2f} (one seed)"
    low, high = (math.exp(found.mean + side * found.half) for side in (-1.0, 1.0))
    return f"{math.exp(found.mean):.2f} ({low:.2f} to {high:.2f})"


def _percent(found: Change) -> str:
    half = f" ± {100 * found.half:.1f}" if math.isfinite(found.half) else ""
    return f"{100 * found.mean:+.1f}{half} %"
