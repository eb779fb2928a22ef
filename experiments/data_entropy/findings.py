"""What data_entropy concludes: figures, checks, a table, numbers and findings."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np

from thermohw.experiments.data_entropy import figures as draw
from thermohw.experiments.data_entropy.compute import closed_biases
from thermohw.experiments.shared.estimates import estimates, pair
from thermohw.experiments.shared.figures import drawn
from thermohw.study import Parameters, Results, Row, Sheet

_ESTIMATES = ("E1", "E2", "E3")
_KINDS = ("raw", "calibrated")


def conclude(p: Parameters, results: Results, sheet: Sheet) -> None:
    """Biases against dimension, raw against calibrated, measured against expected."""
    scores = [
        (row[f"raw.{name}"] - value) / max(row[f"raw.{name}.stderr"], 1e-9)
        for row in results.where(family="scaled")
        for name, value in closed_biases(p["factor"]).items()
    ]
    if scores:
        name = "biases of a scaled Gaussian score follow the closed forms"
        sheet.law(name, scores, detail=f"c = {p['factor']:g}")
    learned = [row for row in results if row["family"] in p["families"]]
    if learned:
        _networks(learned, p["families"], sheet)
    rows = list(results.where(family="digits"))
    if rows:
        _digits(rows, sheet)


def _networks(rows: Sequence[Row], families: Sequence[str], sheet: Sheet) -> None:
    """Everything about networks whose data have a known entropy."""
    _tabulate(rows, sheet)
    drawn(sheet, "bias", draw.bias, rows, families)
    drawn(sheet, "expected", draw.expected, rows, families)
    sheet.law("the true score gives S0 back", estimates(rows, "truth"))
    stein = [found for kind in _KINDS for found in estimates(rows, f"{kind}.stein")]
    name = "estimate - S0 equals the bias computed from the score's error"
    sheet.law(name, stein, detail="three estimates each")
    _say(rows, sheet)


def _tabulate(rows: Sequence[Row], sheet: Sheet) -> None:
    columns = ["data", "dimensions", "score", "E1 - S0", "E2 - S0", "E3 - S0", "K1", "true score"]
    body = []
    for row in rows:
        for kind in _KINDS:
            names = (*(f"{kind}.{name}" for name in _ESTIMATES), "k1", "truth")
            body.append([row["family"], row["size"], kind, *(pair(row, name) for name in names)])
    sheet.table(
        "networks", columns, body,
        "Errors of the estimates, nats per coordinate; last, E1 of the true score at as many "
        "points, unpaired: its standard error is what sampling alone adds to any of them.",
    )  # fmt: skip
    for row in rows:
        if "knn" in row:
            note = f"{row['size']} dimensions, 20000 samples, per coordinate"
            sheet.number(f"knn.{row['family']}", row["knn"], row["knn.stderr"], note=note)


def _say(rows: Sequence[Row], sheet: Sheet) -> None:
    for name in _ESTIMATES:
        raw, tuned = (np.array([abs(row[f"{kind}.{name}"]) for row in rows]) for kind in _KINDS)
        better = int((tuned < raw).sum())
        note = "median of |estimate - S0| per coordinate over the networks"
        for kind, values in zip(_KINDS, (raw, tuned), strict=True):
            sheet.number(f"error.{name}.{kind}", float(np.median(values)), note=note)
        sheet.finding(
            f"{name}: median error {np.median(raw):.2g} nats per coordinate raw, "
            f"{np.median(tuned):.2g} calibrated; calibration helps in {better} of {len(rows)}."
        )
    signs = sum(row["raw.E1"] < 0.0 for row in rows)
    sheet.finding(
        f"E1 lies below S0 in {signs} of {len(rows)} networks and may err to both sides; E2 and E3 "
        "lie below it by noise only: no two of the three bracket the entropy."
    )
    _agree(rows, sheet)


def _agree(rows: Sequence[Row], sheet: Sheet) -> None:
    """Agreement of the estimates as a measure of their error, which it is not."""
    ratios = []
    for row, kind in product(rows, _KINDS):
        e1, e2, e3 = (row[f"{kind}.{name}"] for name in _ESTIMATES)
        ratios.append(min(abs(e1), abs(e2), abs(e3)) / max(abs(e1 - e3), 1e-9))
    ratio = float(np.median(ratios))
    sheet.number("error.over_spread", ratio, unit="1", note="smallest error over |E1 - E3|, median")
    sheet.finding(
        "That the estimates agree says little: the smallest error of the three is "
        f"{ratio:.2g} times the distance of E1 from E3, in the median."
    )
    for family in dict.fromkeys(row["family"] for row in rows):
        own = [row for row in rows if row["family"] == family]
        text = ", ".join(f"{row['raw.E3']:.2g} in {row['size']}" for row in own)
        sheet.finding(f"{family}: E3 is too large by {text} dimensions (nats per coordinate, raw).")
    sampling = [row["truth.stderr"] for row in rows]
    larger = sum(abs(row["raw.E3"]) > row["truth.stderr"] for row in rows)
    sheet.finding(
        f"Sampling adds {min(sampling):.2g} to {max(sampling):.2g} nats per coordinate to an "
        f"estimate at these numbers of points; E3's bias is larger in {larger} of {len(rows)} "
        "networks."
    )
    noise = float(np.median([abs(row["calibrated.E1"] - row["calibrated.E3"]) for row in rows]))
    sheet.number("calibration.noise", noise, note="median |E1 - E3| after calibration")
    sheet.finding(
        f"After calibration E1 and E3 differ by {noise:.2g} nats per coordinate in the median: "
        "the error of c_t itself, which E1 feels in first order and E3 does not."
    )


def _digits(rows: Sequence[Row], sheet: Sheet) -> None:
    """How far apart the estimates of an unknown entropy lie."""
    spreads = {}
    for kind in _KINDS:
        found = [[row[f"{kind}.{name}"] for name in _ESTIMATES] for row in rows]
        spreads[kind] = float(np.mean([max(values) - min(values) for values in found]))
        middle = float(np.mean([row[f"{kind}.middle"] for row in rows]))
        sheet.number(f"digits.{kind}.spread", spreads[kind], note="largest less smallest estimate")
        sheet.number(f"digits.{kind}.middle", middle, note="mean of the three, model units")
    drawn(sheet, "digits", draw.digits_spread, rows)
    sheet.finding(
        f"Digits: the estimates lie {spreads['raw']:.3g} nats per pixel apart raw and "
        f"{spreads['calibrated']:.3g} calibrated. The bias they share, half the score's "
        "error and more, shows in neither."
    )
