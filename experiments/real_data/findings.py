"""What real_data concludes of the data, of a known law like them, and of proxies of the truth."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from thermohw.estimate import Estimate
from thermohw.experiments.real_data import figures as draw
from thermohw.experiments.shared.estimates import mean_pair, pair
from thermohw.experiments.shared.figures import drawn
from thermohw.study import Parameters, Results, Row, Sheet

_S1 = "S1 is replaced by the Gaussian's of equal covariance"
COMPUTABLE = [  # row, stored name, what it needs or says
    ("nll.ode", "raw.nll.ode", "the network alone; S0 or more"),
    ("nll.marginal (divergence)", "raw.nll.marginal", "noised data; may fall below S0"),
    ("nll.marginal (denoising)", "raw.nll.marginal_denoising", "the same, no divergences"),
    ("U = nll.sde_elbo", "raw.nll.sde_elbo", "noised data; bounds the SDE model's likelihood"),
    ("Sigma, forward", "raw.entropy.sigma_forward", "noised data"),
    ("S1, at most", "raw.entropy.prior", "moments only; the Gaussian of equal covariance"),
    ("K1, at least", "raw.bound.prior_mismatch_gaussian", "moments only; that of the Gaussian"),
    ("2 (U - nll.marginal)", "raw.bound.calibration_surplus", "0 for a calibrated score"),
    ("S0 by plug-in, E1", "raw.entropy.estimate_plugin", f"{_S1}; bias of either sign"),
    ("S0 by inversion, E2", "raw.entropy.estimate_inversion", f"{_S1}; bias 2 K1 or more"),
    ("S0 by U, E3", "raw.entropy.estimate_elbo", "bias K1 or more"),
    ("nll.ode, calibrated", "calibrated.nll.ode", "factors c_t from validation data"),
    ("nll.marginal, calibrated", "calibrated.nll.marginal", "likewise"),
    ("E1, calibrated", "calibrated.entropy.estimate_plugin", "likewise; not below S0 on average"),
    ("E2, calibrated", "calibrated.entropy.estimate_inversion", "likewise"),
    ("E3, calibrated", "calibrated.entropy.estimate_elbo", "likewise"),
]
UNKNOWN = [
    ("S0", "raw.why.entropy.data", "the density of the data"),
    ("B, the bound", "raw.why.bound.lower", "S0"),
    ("gap, nll.marginal - B", "raw.why.bound.gap", "S0"),
    ("K1", "raw.why.bound.prior_mismatch", "S1 of the true law"),
    ("score error", "raw.why.bound.score_error", "the true score"),
    ("truncation, S(t_min) - S0", "raw.why.bound.truncation", "the density of the data"),
    ("nll.ode - B", "raw.why.bound.ode_margin", "S0"),
]
PROXIED = [("B by proxy", "bound"), ("gap by proxy", "gap"), ("score error by proxy", "error")]
_IDENTITY = (
    "entropy.cross_prior", "entropy.prior", "entropy.estimate_plugin", "entropy.estimate_inversion",
    "nll.sde_elbo", "nll.marginal",
)  # fmt: skip
_FEWEST = 100  # points to judge a law by


def conclude(p: Parameters, results: Results, sheet: Sheet) -> None:
    """Everything the study shows."""
    networks = results.where(kind="network", law="data")
    best = networks[int(np.nanargmin(networks.column("validation")))]
    repeats = results.where(kind="repeat") if p["repeats"] else None
    proxy = results.where(kind="proxy", law="data")[0]
    _terms(networks, repeats, proxy, best, sheet)
    _best(networks, best, sheet)
    mirror = [row for row in results if row["law"] == "surrogate"]
    _identities([row for row in results if "raw.nll.ode" in row], sheet)
    _calibration(networks, sheet)
    sheet.check(
        "the bound on the data", "not-applicable", f"B needs S0, and {best['raw.why.bound.lower']}"
    )
    drawn(sheet, "estimates", draw.estimates, results, best)
    if mirror:
        mirrors = results.where(kind="network", law="surrogate")
        judge = results.where(kind="proxy", law="surrogate")[0]
        _surrogate(mirrors, sheet)
        drawn(sheet, "proxy", draw.proxies, proxy, judge, len(mirrors))
    _proxy(results.where(kind="proxy"), len(networks), sheet)
    drawn(sheet, "calibration", draw.factors, results)


def _bits(value: float, row: Row) -> float:
    """Bits per dimension of a density of dequantised data; NaN for continuous data."""
    if not row["step"]:
        return math.nan
    return (value / row["dim"] - math.log(row["step"])) / math.log(2.0)


def _terms(networks: Results, repeats: Results | None, proxy: Row, best: Row, sheet: Sheet) -> None:
    """Which term can be computed, and how far each source of error moves it."""
    rows: list[list[Any]] = []
    for label, name, words in COMPUTABLE:
        again = None
        if repeats is not None and not name.startswith("cal"):
            again = _spread(repeats.column(name))
        value, across = pair(best, name), _spread(networks.column(name))
        rows.append([label, "yes", value, across, again, words])
        sheet.number(name, *value, note=f"{label}; over trainings {across:.3g}")
    train = best["train"]
    for label, name in PROXIED:
        values = np.array([proxy[f"{n}.{name}"] for n in range(len(networks))])
        value = pair(proxy, f"{train}.{name}")
        rows.append([label, "by proxy", value, _spread(values), None, "a network in place of s*"])
    rows += [
        [label, "no" if reason in best else "yes", None, None, None, f"needs {words}"]
        for label, reason, words in UNKNOWN
    ]
    columns = ["term", "computable", "value", "over trainings", "over noise and probes", "remark"]
    sheet.table(
        "terms", columns, rows,
        f"{best['name']}: nats per sample in data units, with the standard error over held-out "
        "points, for the training with the best validation bound; beside it the standard "
        "deviation over trainings (same points, same noise), and over fresh noise and Hutchinson "
        "probes (same network, same points).",
    )  # fmt: skip


def _best(networks: Results, best: Row, sheet: Sheet) -> None:
    """Network by network, and the best in bits."""
    names = ["raw.nll.ode", "raw.nll.marginal", "raw.nll.sde_elbo"]
    names += ["raw.entropy.estimate_plugin", "calibrated.entropy.estimate_plugin"]
    rows = [
        [row["train"], row["validation"], _bits(row["raw.nll.ode"], row)]
        + [pair(row, name) for name in names]
        for row in networks
    ]
    columns = ["training", "validation bound", "nll.ode, bits/dim", "nll.ode", "nll.marginal"]
    sheet.table("networks", [*columns, "U", "E1", "E1 calibrated"], rows, "Every network, nats.")
    value, stderr = pair(best, "raw.nll.ode")
    unit = best["dim"] * math.log(2.0)
    sheet.number(
        "nll.ode.bits_per_dim", _bits(value, best), stderr / unit, "bits", note="best validation"
    )
    words = f" ({_bits(value, best):.3f} bits a dimension)" if best["step"] else ""
    values = networks.column("raw.nll.ode")
    few = stderr > _spread(values)
    why = "the error is that of the number of points" if few else "more than the points explain"
    sheet.finding(
        f"On held-out {best['name']} the probability flow gives {value:.2f} +- {stderr:.2f} "
        f"nats{words}; {len(values)} trainings differ by {_spread(values):.2f}: {why}."
    )


def _identities(rows: list[Row], sheet: Sheet) -> None:
    """E1 + U = 2 M - (H1 - S1) and E2 - U = H1 - S1, whatever the network."""
    worst = 0.0
    for row in rows:
        for kind in ("raw", "calibrated"):
            if f"{kind}.nll.ode" not in row:
                continue
            term = {name: row[f"{kind}.{name}"] for name in _IDENTITY}
            k1 = term["entropy.cross_prior"] - term["entropy.prior"]
            e1, e2 = term["entropy.estimate_plugin"], term["entropy.estimate_inversion"]
            u, m = term["nll.sde_elbo"], term["nll.marginal"]
            worst = max(worst, abs(e1 + u - 2.0 * m + k1), abs(e2 - u - k1))
    sheet.number("identity.worst", worst, note="E1 + U = 2 M - K1 and E2 = U + K1")
    share = worst / max(abs(row["raw.nll.ode"]) for row in rows)
    said = f"largest deviation {worst:.2g} nats, {share:.1g} of a likelihood"
    # what the audit allows stored terms against each other
    sheet.law("the estimates are one another", share, within=1e-9, detail=said)


def _calibration(networks: Results, sheet: Sheet) -> None:
    """Does calibration on validation data make E1, E2, E3 agree on other data?"""
    raw, found = (
        Estimate(*mean_pair(networks, f"{kind}.bound.calibration_surplus"))
        for kind in ("raw", "calibrated")
    )
    for kind, value in (("raw", raw), ("calibrated", found)):
        name = f"{kind}.bound.calibration_surplus.mean"
        sheet.number(name, value, note="E2 - E1 up to K1, mean of trainings")
    before, after = raw.text("+.2f"), found.text("+.2f")
    sheet.law(
        "calibrated estimates agree", found, detail=f"E2 - E1 was {before}, is {after} nats",
        cause="c_t of the validation points is not that of these",
    )  # fmt: skip
    sheet.finding(
        "The three estimates of S0 are one: E2 - E3 is K1, E2 - E1 is twice U - nll.marginal, "
        f"{before} nats raw and {after} calibrated on validation data; "
        "agreement shows calibration, not truth."
    )


def _spread(values: np.ndarray) -> float:
    """Standard deviation over repetitions; NaN of fewer than two."""
    return float(values.std(ddof=1)) if len(values) > 1 else math.nan


def _surrogate(known: Results, sheet: Sheet) -> None:
    """Where the truth is known: how far every stand-in for S0 is off."""
    s0 = pair(known[0], "raw.entropy.data")
    rows, off = [], {}
    for label, _, name, _ in draw.ROWS:
        off[name] = mean_pair(known, name)
        rows.append([label, off[name], _spread(known.column(name))])
        sheet.number(name, *off[name], note=f"{label} minus S0, mean of trainings")
    sheet.table(
        "surrogate", ["estimate", "minus S0", "over trainings"], rows,
        f"{known[0]['name']}, S0 = {s0[0]:.2f} +- {s0[1]:.2f} nats, as many training rows: mean of "
        "the trainings less S0, up to K1, with the standard error over held-out points.",
    )  # fmt: skip
    sheet.number("surrogate.s0", *s0, note="known law fitted to the data")
    u, e1, ode, bound = (
        Estimate(*off[f"known.raw.{n}"]) for n in ("elbo", "plugin", "ode", "bound")
    )
    elbo = Estimate(*mean_pair(known, "raw.nll.sde_elbo")) - Estimate(*s0) - u.value
    for name, found, words in (
        (
            "the gap of the surrogate is its terms",
            Estimate(*mean_pair(known, "raw.bound.residual")),
            "nll.marginal - B - K1 - error",
        ),
        ("U - S0 of the surrogate is twice its score error", elbo, "U - S0 - 2 score errors"),
    ):
        detail, points = f"{words} = {found.text('+.3f')} nats", int(known[0]["points"])
        if points < _FEWEST:  # surprises are skewed: their error is not known from so few
            detail += f" of {points} points; {_FEWEST} are needed"
            sheet.check(name, "not-applicable", detail)
        else:
            sheet.law(name, found, detail=detail)
    sheet.finding(
        f"How wide is S0? On a known law like the data, learned from as few rows, U lies "
        f"{u.text('+.2f')}, nll.ode {ode.text('+.2f')}, raw E1 {e1.text('+.2f')} and B "
        f"{bound.text('+.2f')} nats from S0: a bias that nothing computable on the data shows."
    )


def _proxy(proxies: Results, trainings: int, sheet: Sheet) -> None:
    """What a larger network in the place of the true score says, and what it should have said."""
    rows: list[list[Any]] = []
    for row in proxies:
        for n in range(trainings):
            names = ("bound", "gap", "error", "residual")
            bound, gap, error, residual = (pair(row, f"{n}.{name}") for name in names)
            true: list[Any] = [None, None, None]
            if f"{n}.true.error" in row:
                bias = row[f"{n}.true.bound_bias"]
                true = [bound[0] - bias, gap[0] + bias, row[f"{n}.true.error"]]
            rows.append([row["law"], n, bound, true[0], gap, true[1], error, true[2], residual])
    columns = ["law", "training", "B by proxy", "B true", "gap by proxy", "gap true"]
    sheet.table(
        "proxy", [*columns, "error by proxy", "error true", "residual"], rows,
        "A larger network, trained longer and calibrated, in the place of the true score; nats. "
        "The residual is what it leaves of the gap, and is zero for the true score.",
    )  # fmt: skip
    for row in proxies:
        residual = [pair(row, f"{n}.residual") for n in range(trainings)]
        left = Estimate(*(float(np.mean(column)) for column in zip(*residual, strict=True)))
        sheet.number(f"proxy.{row['law']}.residual", left, note="mean of trainings")
        sheet.law(
            f"the proxy's residual on the {row['law']}", left, detail=f"{left.text('+.3f')} nats",
            cause="the proxy is not the true score, and this is by how much",
        )  # fmt: skip
        if "0.true.error" not in row:
            continue
        names = ("error", "true.error", "true.proxy_error", "true.overlap", "true.bound_bias")
        mean = {
            name: float(np.mean([row[f"{n}.{name}"] for n in range(trainings)])) for name in names
        }
        size = 2.0 * math.sqrt(mean["true.error"] * mean["true.proxy_error"])
        alike = mean["true.overlap"] / size
        for name, value in mean.items():
            sheet.number(f"proxy.surrogate.{name}", value, row[f"0.{name}.stderr"])
        sheet.number("proxy.surrogate.alike", alike, unit="1", note="cosine of the two errors")
        sheet.finding(
            f"A proxy flatters: on the known law it sees {mean['error']:.2f} of "
            f"{mean['true.error']:.2f} nats of score error, because networks that learn from the "
            f"same rows err alike (cosine {alike:.2f}), and its bound is "
            f"{mean['true.bound_bias']:+.2f} nats off. The residual, all that shows it without the "
            f"truth, is {left.text('+.2f')} there; zero would not prove it true."
        )
