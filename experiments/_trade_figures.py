"""Figures, tables and checks of the study accuracy_dissipation."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import norm as normal_law
from scipy.stats import spearmanr
from scipy.stats import t as student

from thermohw.study.figures import PALETTE, panels, shades, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from thermohw.study import Results, Sheet
    from thermohw.study.sheet import Status

__all__ = ["conclude"]

COSTS = {  # column -> what it is
    "production": "production, plug-in, p_t",
    "heat": "heat, p_t",
    "continuous.fine": "heat, circuit, continuous",
    "clocked.fine": "heat, circuit, clocked",
}
MARKS = {"width": "s", "depth": "^", "steps": "o"}


def conclude(p: dict[str, Any], results: Results, sheet: Sheet) -> None:
    """Everything the study shows."""
    exact, networks = results.where(kind="exact"), results.where(kind="network")
    known = networks.where(data="mixture")
    _trend(networks, sheet)
    _laws(results, known, networks, sheet)
    _counterexample(exact, sheet)
    _circuit(exact, networks, sheet)
    _tables(exact, networks, sheet)
    _draw_trade(p, exact, networks, sheet)
    _draw_exchange(p, networks, sheet)
    _draw_circuit(p, exact, networks, sheet)


def status(z: float) -> Status:
    """What a z says."""
    return "holds" if z <= 3.0 else "explained" if z <= 4.0 else "violated"


def family(zs: list[float]) -> float:
    """The z of one number that is as unlikely as the largest of these (sum of their tails)."""
    largest = max(zs)
    tail = len(zs) * float(normal_law.sf(largest))
    return float(normal_law.isf(tail)) if 0.0 < tail < 0.5 else 0.0 if tail else largest


def interval(values: np.ndarray) -> tuple[float, float, float]:
    """Mean and 95 % interval over seeds (infinite for one)."""
    n = len(values)
    reach = math.inf
    if n > 1:
        reach = float(student.ppf(0.975, n - 1) * values.std(ddof=1) / math.sqrt(n))
    return float(values.mean()), float(values.mean()) - reach, float(values.mean()) + reach


# --------------------------------------------------------------------------------- the trend


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


# ---------------------------------------------------------------------------------- the laws


def _laws(results: Results, known: Results, networks: Results, sheet: Sheet) -> None:
    rows = results.where(data="mixture")
    zs = [-row["slack"] / row["slack.error"] for row in rows]
    nearest = -max(zs)
    least = min(row["slack"] for row in rows)
    sheet.check(
        "Q/kT - surplus >= 2 [(S0 + S1) - 2 NLL_marg] on p_t",
        status(family(zs)),
        f"smallest slack {least:.3g} kT of {len(rows)} scores, {nearest:.2f} standard errors the "
        "closest to zero (slack is 4 K1 + 4 score errors)",
    )
    zs = [abs(row["residual"]) / row["residual.error"] for row in rows]
    worst = family(zs)
    sheet.check(
        "what the slack is made of (gap identity)",
        status(worst),
        f"gap = K1 + score error: largest z = {max(zs):.2f} of {len(rows)} on one set of points",
    )
    zs = [abs(r["calibrated.surplus"]) / r["calibrated.surplus.error"] for r in networks]
    worst = family(zs)
    left = max(abs(r["calibrated.surplus"]) for r in networks)
    raw = max(abs(r["surplus"]) for r in networks)
    sheet.check(
        "U = H1 - Q/2kT for calibrated networks",
        status(worst),
        f"surplus up to {raw:.3g} nats as trained, {left:.2g} calibrated, largest z = "
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
    worst = family(rows)
    sheet.check(
        "Q/kT = (2 c^2 - c) 2 (S1 - S0) on p_t",
        status(worst),
        f"largest z = {max(rows):.2f} of {len(rows)} factors on one set of points",
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


# -------------------------------------------------------------------------------- the circuit


def _circuit(exact: Results, networks: Results, sheet: Sheet) -> None:
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
    sheet.check(
        "exact score on the circuit: Q = 2 kT (S1 - S0)",
        status(z),
        f"{one['continuous.fine']:.4g} +- {one['continuous.fine.error']:.2g} kT, tick halving "
        f"{halving:+.2g}, law {growth:.4g}; z = {z:.2f}",
    )
    rows = [*exact, *networks.where(data="mixture")]
    # Q/kT >= S(start) - S(end), and the cross-entropy with the exact law is at least S(end)
    spare = [
        (r["continuous.fine"] - r["start_entropy"] + r["surprisal"])
        / math.hypot(r["continuous.fine.error"], r["surprisal.error"])
        for r in rows
    ]
    worst = family([-z for z in spare])
    sheet.check(
        "second law on the circuit",
        status(worst),
        f"Q/kT - S(start) - E ln p(x_end): smallest is {min(spare):.3g} standard errors "
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


def _tables(exact: Results, networks: Results, sheet: Sheet) -> None:
    for data in networks.distinct("data"):
        mine, lines = networks.where(data=data), []
        for width, depth, steps in sorted({(r["width"], r["depth"], r["steps"]) for r in mine}):
            rows = mine.where(width=width, depth=depth, steps=steps)
            entries: list[Any] = [width, depth, steps]
            for name in ("nll_ode", "elbo", "production", "surplus", "heat"):
                entries.append(_over_seeds(rows.column(name)))
            for control in ("continuous", "clocked"):
                fine, coarse = (rows.column(f"{control}.{k}") for k in ("fine", "coarse"))
                entries += [_over_seeds(fine), float((fine - coarse).mean())]
            entries.append(float(rows.column("continuous.fine.error").mean()))
            entries.append(_over_seeds(rows.column("score_error")) if data == "mixture" else None)
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


def _over_seeds(values: np.ndarray) -> tuple[float, float]:
    spread = values.std(ddof=1) / math.sqrt(len(values)) if len(values) > 1 else math.nan
    return float(values.mean()), float(spread)


# -------------------------------------------------------------------------------- the figures


def _scatter(axes: Axes, p: dict[str, Any], mine: Results, x: str, y: str, shift: float) -> None:
    """Networks: shape by what differs from the base, colour by training time."""
    times = sorted(mine.distinct("steps"))
    colours = dict(zip(times, shades(len(times)), strict=True))
    prefix = "digits_" if mine[0]["data"] == "digits" else ""
    base = {k: p[f"{prefix}{k}"] for k in MARKS}
    for name, mark in MARKS.items():
        for row in mine:
            others = [k for k in MARKS if k != name]
            if any(row[k] != base[k] for k in others) or (
                name != "steps" and row[name] == base[name]
            ):
                continue
            axes.plot(
                row[x],
                row[y] - shift,
                mark,
                color=colours[row["steps"]],
                ms=4.5,
                mew=0.0,
                alpha=0.9,
            )
    for time in times:
        axes.plot([], [], "o", color=colours[time], ms=4.5, mew=0.0, label=f"{time} steps")


def _marks(axes: Axes, exact: Results, x: str, y: str, shift: float) -> None:
    rows = exact.sorted("factor")
    xs, ys = rows.column(x), rows.column(y) - shift
    axes.plot(xs, ys, "D-", color=PALETTE["heat"], ms=3.6, lw=0.8, label="exact score times c")
    for row, a, b in zip(rows, xs, ys, strict=True):
        axes.annotate(
            f"{row['factor']:g}", (a, b), (-4, -9), textcoords="offset points",
            color=PALETTE["heat"],
            fontsize=7.0,
        )  # fmt: skip


def _draw_trade(p: dict[str, Any], exact: Results, networks: Results, sheet: Sheet) -> None:
    one = exact.where(factor=1.0)[0]
    s0, s1 = one["entropy_data"], one["entropy_prior"]
    mine = networks.where(data="mixture")
    figure, (left, right) = panels(2, height=290)
    _scatter(left, p, mine, "production", "nll_marginal", s0)
    _marks(left, exact, "production", "nll_marginal", s0)
    low, high = left.get_xlim()
    line = np.array([low, high])
    bound = 0.5 * (s0 + s1 - line) - s0
    bottom, top = left.get_ylim()
    left.fill_between(line, bound, min(bottom, bound.min()), color=PALETTE["line"], lw=0, zorder=0)
    left.plot(line, bound, color=PALETTE["ink"], lw=1.0)
    left.set_xlim(low, high)
    left.set_ylim(min(bottom, float(bound.min())), top)
    left.set(xlabel="production, plug-in, on p_t (nats)", ylabel="nll.marginal - S0 (nats)")
    left.set_title("law: nothing below the line")
    _scatter(right, p, mine, "continuous.fine", "nll_ode", s0)
    _marks(right, exact.where(factor=1.0), "continuous.fine", "nll_ode", s0)
    others = [row for row in exact if row["factor"] != 1.0]
    for row in others:
        right.plot(row["continuous.fine"], row["nll_ode"] - s0, "D", color=PALETTE["heat"], ms=3.6)
        right.annotate(
            f"{row['factor']:g}", (row["continuous.fine"], row["nll_ode"] - s0), (5, -1),
            textcoords="offset points", color=PALETTE["heat"], fontsize=7.0,
        )  # fmt: skip
    right.set(xlabel="heat on the circuit, continuous (kT)", ylabel="nll.ode - S0 (nats)")
    right.set_title("trend at best: circuit and likelihood")
    right.set_yscale("symlog", linthresh=0.1, linscale=0.5)
    tidy(left)
    right.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    sheet.figure(
        "trade-off",
        figure,
        "Three Gaussians in the plane. Left: the law, nll.marginal >= (S0 + S1 - Sigma)/2. Right: "
        "what a designer sees, heat on the circuit against nll.ode. Squares differ in width, "
        "triangles in depth, circles in training; diamonds are the exact score times c.",
    )
    mine = networks.where(data="digits")
    figure, (left, right) = panels(2, sharey=True)
    for axes, x in ((left, "production"), (right, "continuous.fine")):
        _scatter(axes, p, mine, x, "nll_ode", 0.0)
        axes.set_xlabel(
            "production, plug-in, on p_t (nats)" if x == "production"
            else "heat on the circuit, continuous (kT)"
        )  # fmt: skip
        tidy(axes)
    left.set_ylabel("nll.ode (nats)")
    right.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    sheet.figure(
        "digits",
        figure,
        "Handwritten digits: accuracy against production on the noised data (left) and "
        "against heat on 64 RC nodes (right).",
    )


def _draw_exchange(p: dict[str, Any], networks: Results, sheet: Sheet) -> None:
    figure, grid = panels(2)
    for axes, data in zip(grid, ("mixture", "digits"), strict=True):
        mine = networks.where(data=data)
        for prefix, fill, label in (("", True, "as trained"), ("calibrated.", False, "calibrated")):
            x, y = (mine.column(f"{prefix}{k}") for k in ("production", "elbo"))
            colour = PALETTE["heat" if fill else "generated"]
            axes.plot(x, y, "o", color=colour, mfc=colour if fill else "none", ms=4.0, label=label)
        level = float(mine.column("cross_prior").mean())
        line = np.array(axes.get_xlim())
        axes.plot(line, level - line, color=PALETTE["ink"], lw=1.0, label="U = H1 - Sigma")
        axes.set(xlabel="production, plug-in, on p_t (nats)", title=data)
        tidy(axes)
    grid[0].set_ylabel("evidence bound U (nats)")
    grid[0].legend(loc="best")
    sheet.figure(
        "exchange",
        figure,
        "Accuracy for production. Calibrated networks lie on the line, one nat of evidence for one "
        "nat of production, two kT of heat. Networks as trained need not: below the line they are "
        "too small in norm, above it too large.",
    )


def _draw_circuit(p: dict[str, Any], exact: Results, networks: Results, sheet: Sheet) -> None:
    figure, grid = panels(2)
    for axes, data in zip(grid, ("mixture", "digits"), strict=True):
        mine = networks.where(data=data)
        for control, colour in (("continuous", "generated"), ("clocked", "heat")):
            x, y = mine.column("heat"), mine.column(f"{control}.fine")
            error = mine.column(f"{control}.fine.error")
            axes.errorbar(
                x, y, error, fmt="o", ms=3.6, lw=0.8, color=PALETTE[colour], label=control
            )
        line = np.array(
            [min(0.0, float(mine.column("heat").min())), float(mine.column("heat").max())]
        )
        axes.plot(line, line, color=PALETTE["ink"], lw=1.0, label="equal")
        axes.set(xlabel="heat on p_t, continuous (kT)", title=data)
        tidy(axes)
    grid[0].set_ylabel("heat on the circuit (kT)")
    grid[0].legend(loc="best")
    sheet.figure(
        "circuit",
        figure,
        "Heat measured on the circuit against heat on the noised data, one point a network. Poor "
        "networks (left in each plot) drive the circuit away from p_t and pay for it.",
    )
