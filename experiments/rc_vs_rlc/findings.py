"""Conclusions of rc_vs_rlc: numbers, tables, checks and findings, from the stored rows alone."""

from __future__ import annotations

import math

import numpy as np

from thermohw.estimate import Estimate
from thermohw.experiments.rc_vs_rlc.compute import closed_work
from thermohw.experiments.rc_vs_rlc.figures import distances, energies, gallery, qualities
from thermohw.experiments.shared.figures import drawn
from thermohw.study import Parameters, Results, Sheet

_NAMES = {"ode": "probability flow", "marginal": "marginal", "sde_elbo": "evidence bound"}
_WIRINGS = {"emf": "source in series", "current": "injected current"}
_CONTROLS = {"continuous": "following", "clocked": "held"}


def conclude(p: Parameters, results: Results, sheet: Sheet) -> None:
    """Likelihood, samples, energy, quality factor."""
    runs = results.where(task="run")
    learned, known = runs.where(data="digits"), runs.where(data="gaussian")
    _likelihood(p, results.where(task="likelihood"), sheet)
    _samples(p, learned, sheet)
    _energy(p, learned, known, sheet)
    _quality(p, results.where(task="likelihood"), runs, sheet)


def _label(quality: float) -> str:
    return "RC" if quality == 0.0 else f"RLC, Q {quality:g}"


def _likelihood(p: Parameters, rows: Results, sheet: Sheet) -> None:
    pair = (0.0, p["quality"])
    table = []
    for row in rows.where(points=p["points"]):
        if row["quality"] in pair:
            values = [(row[name], row[f"{name}.error"]) for name in _NAMES]
            table.append([_label(row["quality"]), row["network"], *values, row["evaluations"]])
    sheet.table(
        "likelihood",
        ["circuit", "network", *_NAMES.values(), "score evaluations of the flow"],
        table,
        "Negative log-likelihood of held-out digits, nats an image, dequantised grey levels; lower "
        "is better. Of the RLC array: of the data alone, an upper bound. Every circuit meets the "
        "same images.",
    )
    first, second = (rows.where(quality=q, points=p["points"]) for q in pair)
    first, second = (r[: p["networks"]].sorted("network") for r in (first, second))
    # images are the same for every network: their scatter is not averaged by more of them
    gap = np.mean(second.column("points.ode") - first.column("points.ode"), axis=0)
    mean, error = Estimate.from_paths(gap)
    sheet.number("nll.rlc_less_rc", mean, error, note="probability flow, image by image")
    bounds = second.column("sde_elbo") - first.column("sde_elbo")
    sheet.number("elbo.rlc_less_rc", float(np.mean(bounds)), None)
    sheet.law(
        "likelihoods_comparable", Estimate(abs(mean), error), 1.0, relation="<=",
        detail=f"NLL of RLC less that of RC {mean:+.3f} +- {error:.3f} nats an image; comparable: "
        "within one nat of 64 pixels",
    )  # fmt: skip
    level = first[0]["ode"]
    sheet.finding(
        f"The same held-out digits have an NLL of {level:.1f} nats an image on the RC array; on "
        f"the RLC array it differs by {mean:+.2f} +- {error:.2f}: one denoiser serves both, since "
        "voltage and current of a cell together tell of its pixel what one noisy number tells."
    )


def _samples(p: Parameters, learned: Results, sheet: Sheet) -> None:
    rows = []
    for row in learned:
        if row["quality"] in (0.0, p["quality"]):
            rows.append([
                _label(row["quality"]), _WIRINGS[row["wiring"]], _CONTROLS[row["control"]],
                row["ticks"], (row["distance"], row["distance.spread"]), row["distance.floor"],
                (row["nearest"], row["nearest.error"]),
            ])  # fmt: skip
    sheet.table(
        "samples",
        ["circuit", "wiring", "control", "ticks", "sliced W2", "of right samples", "nearest image"],
        rows,
        "Distance of samples to training images, grey levels, and mean distance of a sample to the "
        "nearest of them. One score evaluation a tick where held, two where following.",
    )
    last = learned.where(wiring="emf", control="clocked", ticks=p["ticks"][-1])
    first, second = (last.where(quality=q)[0] for q in (0.0, p["quality"]))
    change = second["distance"] - first["distance"]
    spread = math.hypot(first["distance.spread"], second["distance.spread"])
    sheet.number("distance.rlc_less_rc", change, spread, unit="grey levels")
    sheet.finding(
        f"At {p['ticks'][-1]} score evaluations samples of the RLC array are "
        f"{second['distance']:.2f} grey levels from the training images in sliced W2, those of the "
        f"RC array {first['distance']:.2f}, samples of the right law {first['distance.floor']:.2f} "
        f"+- {first['distance.spread']:.2f}. The nearest training image is {second['nearest']:.1f} "
        f"(RLC) and {first['nearest']:.1f} (RC) grey levels away, that of a held-out image "
        f"{first['nearest.real']:.1f}."
    )
    drawn(sheet, "distances", distances, p, learned)
    drawn(sheet, "gallery", gallery, p, learned, ticks=p["ticks"][-1])


def _energy(p: Parameters, learned: Results, known: Results, sheet: Sheet) -> None:
    rows, beyond = [], []
    fine = p["fine"]
    for coarse in known.where(ticks=fine[0]):
        names = ("quality", "wiring", "control")
        steps = [known.where(ticks=n, **{k: coarse[k] for k in names})[0] for n in fine]
        finest = steps[-1]
        value, error = finest["work"], finest["work.error"]
        drift = value - steps[-2]["work"] if len(steps) > 1 else math.nan
        wanted = round(closed_work(finest), 6) + 0.0
        if math.isfinite(drift):
            # first order in the step: what is left is at most the last change
            beyond.append(Estimate(abs(value - wanted) - abs(drift) - 1e-9, error))
        rows.append([
            _label(finest["quality"]), _WIRINGS[finest["wiring"]], _CONTROLS[finest["control"]],
            (value, error), drift if math.isfinite(drift) else None, wanted,
        ])  # fmt: skip
    sheet.table(
        "energy_gaussian",
        ["circuit", "wiring", "control", "work, kT", "change by halving ticks", "closed form, kT"],
        rows,
        "Work of the sources for a Gaussian of the digits' mean and covariance, exact score, "
        "beside 2 dE, 2 dE - 2 dS and 2 dE - 4 dS.",
    )
    table = [
        [_label(r["quality"]), _WIRINGS[r["wiring"]], _CONTROLS[r["control"]], r["ticks"],
         *((r[name], r[f"{name}.error"]) for name in ("work", "heat", "energy"))]
        for r in learned
    ]  # fmt: skip
    sheet.table(
        "energy_digits",
        ["circuit", "wiring", "control", "ticks", "work, kT", "heat, kT", "energy gained, kT"],
        table,
        "The same for digits and their networks, per image.",
    )
    if len(fine) > 1:
        sheet.law(
            "closed_forms", beyond, relation="<=",
            detail="deviations beyond the last change by halving",
        )  # fmt: skip
    pairs = []
    for wiring, control in (("emf", "continuous"), ("emf", "clocked"), ("current", "continuous")):
        kind = {"wiring": wiring, "control": control, "ticks": p["ticks"][-1]}
        one, other = (learned.where(quality=q, **kind)[0] for q in (0.0, p["quality"]))
        pairs.append(f"{_WIRINGS[wiring]}, {_CONTROLS[control]}: {one['work']:.0f} and "
                     f"{other['work']:.0f} +- {other['work.error']:.0f} kT")  # fmt: skip
    sheet.finding(
        "With these steps an image costs the sources nearly the same on both arrays (RC and RLC - "
        + "; ".join(pairs)
        + "). In the limit of fine steps it is twice the free energy gained, whatever the circuit; "
        "holding a source between ticks loses its correlation with the noise of the tick and adds "
        "2 (S_start - S_end); an injected current pays for stored energy alone."
    )
    drawn(sheet, "energies", energies, p, learned, known)


def _quality(p: Parameters, nll: Results, runs: Results, sheet: Sheet) -> None:
    values = sorted({r["quality"] for r in runs} - {0.0})
    if len(values) < 2:
        return
    table = []
    for q in (0.0, *values):
        row = nll.where(quality=q, network=0, points=p["points_more"])[0]
        kind = {"quality": q, "wiring": "emf"}
        held = runs.where(data="digits", control="clocked", ticks=p["ticks"][-1], **kind)[0]
        free = runs.where(data="digits", control="continuous", ticks=p["ticks"][-1], **kind)[0]
        table.append([
            _label(q), row["duration"], (row["ode"], row["ode.error"]),
            (held["distance"], held["distance.spread"]), (free["work"], free["work.error"]),
            (held["work"], held["work.error"]),
        ])  # fmt: skip
    sheet.table(
        "quality",
        ["circuit", "duration, RC", "NLL, nats", "sliced W2", "work following", "work held"],
        table,
        f"Quality factor: equal range of snr, {p['ticks'][-1]} ticks, {p['points_more']} images.",
    )
    drawn(sheet, "qualities", qualities, p, nll, runs, values, ticks=p["ticks"][-1])
    spans = [row[1] for row in table[1:]]
    sheet.finding(
        f"This range of snr takes an RC array {table[0][1]:.2f} RC and an RLC array "
        f"{min(spans):.2f} to {max(spans):.2f} RC (Q {values[0]:g} to {values[-1]:g}): the "
        "amplitude of an underdamped cell rings down in two RC, that of an RC node in one."
    )
