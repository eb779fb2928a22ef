"""Stored likelihood terms and information, computed again from what the file holds.

The file has the weights or the exact target, the test points and the seed of the likelihood's own
noise stream, of the run and of its model twin, so the same numbers come out up to rounding and the
solver's error:

    |again - stored| <= 1e-6 (1 + |stored|) + solver + quadrature error

Where the random stream cannot be reproduced (another version of the generator: what it draws
differs from what is stored) stored test points are used with fresh noise, and terms are held
against each other by their standard errors instead.
"""

from __future__ import annotations

from math import hypot

import numpy as np
import torch

from thermohw.audit.known_law import known_law
from thermohw.audit.recorded import Recorded, model_tensor
from thermohw.audit.verdict import Check, not_applicable
from thermohw.books import acquired, converter_information
from thermohw.control import Controller
from thermohw.estimate import HOLDS, VIOLATED, Estimate, judge
from thermohw.intake import parse_json
from thermohw.likelihood import Likelihood, evaluate
from thermohw.likelihood.density import EndDensity
from thermohw.likelihood.device_terms import device_terms
from thermohw.noise import Stream, block_generator

__all__ = ["recomputed"]

_RELATIVE = 1e-6


def recomputed(recorded: Recorded) -> Check:
    """Likelihood terms and acquired information, stored against computed again."""
    name = "recomputed"
    rows: list[tuple[str, float, float, float]] = []  # name, stored, again, standard error
    remarks = []
    fresh = False
    twin = known_law(recorded)
    for words, found, stream in (
        ("likelihood terms", recorded, Stream.LIKELIHOOD),
        ("terms of its twin", twin, Stream.KNOWN_LAW),
    ):
        if found is None or "likelihood" not in found.parameters or found.setting.target is None:
            continue
        compared, same = _compared(found, stream)
        fresh = fresh or not same
        rows += [(f"twin.{row[0]}" if found is twin else row[0], *row[1:]) for row in compared]
        remarks.append(f"{len(compared)} {words} from {'the same' if same else 'fresh'} noise")
    density = _density(recorded)
    if density is not None:
        rows.append(density)
        remarks.append("the density of the end states")
    stored = recorded.information.get("acquired")
    told = _acquired(recorded) if stored is not None and np.isfinite(stored) else None
    if stored is not None and told is not None:
        error = _RELATIVE * (1.0 + abs(float(stored)))
        rows.append(("information.acquired", float(stored), told, error))
        remarks.append("the information acquired")
    if not rows:
        return not_applicable(name, "the run stored no likelihood terms and no finite information")
    worst = max(rows, key=lambda row: _size(*row[1:]))
    deviation = worst[2] - worst[1]
    status = HOLDS if judge(_size(*worst[1:])) == HOLDS else VIOLATED
    if fresh and status == VIOLATED:
        status = judge(_size(*worst[1:]))
    detail = (
        f"{' and '.join(remarks)}: largest deviation {deviation:+.2g} in {worst[0]} "
        f"(stored {worst[1]:.8g}, now {worst[2]:.8g})"
    )
    return Check(name, status, deviation, 0.0, worst[3], detail)


_ERRORS = ("error.solver", "error.quadrature", "error.divergence")


def _size(stored: float, again: float, error: float) -> float:
    """|z|, infinite where one side is not a number."""
    z = abs(Estimate(again, error).z(stored))
    return float("inf") if np.isnan(z) else z


def _compared(
    recorded: Recorded, stream: Stream
) -> tuple[list[tuple[str, float, float, float]], bool]:
    """Name, stored and computed value, and standard error of every term; and whether the noise is
    the same.
    """
    again, same = _likelihood(recorded, stream)
    rows: list[tuple[str, float, float, float]] = []
    solver = sum(abs(term.value) for n in _ERRORS if (term := recorded.term(n)) is not None)
    for key in recorded.parameters["likelihood"]["terms"]:
        before, after = recorded.term(key), again.terms.get(key)
        if key in _ERRORS or (before is None and after is None):
            continue
        if before is None or after is None:
            rows.append((key, float("nan"), float("nan"), 0.0))
            continue
        error = 0.25 * (_RELATIVE * (1.0 + abs(before.value)) + solver)
        if not same:
            error = hypot(error, before.stderr, after.stderr)
        rows.append((key, before.value, after.value, error))
    return rows, same


def _likelihood(recorded: Recorded, stream: Stream) -> tuple[Likelihood, bool]:
    """All terms again, and whether the noise is the same."""
    stored, target = recorded.parameters["likelihood"], recorded.setting.target
    assert target is not None
    settings = parse_json(stored["settings"])
    generator = block_generator(int(recorded.simulate["seed"]), 0, stream)
    points = model_tensor(stored["test"]) if "test" in stored else None
    drawn = None if points is None else target.held_out(len(points), generator)
    again = evaluate(
        recorded.setting.score,
        target,
        generator=generator,
        prior=settings["prior"],
        points=points,
        probes=int(settings["probes"]),
        tolerance=float(settings["tolerance"]),
        moments=int(settings["moments"]),
        solver=settings.get("solver", "adaptive"),
        steps=settings.get("steps"),
        split=settings.get("split", "auto"),
        noised="nll.ode.noised" in stored["terms"],
    )
    if "nll.device_elbo" in stored["terms"]:
        own = block_generator(int(recorded.simulate["seed"]), 1, Stream.LIKELIHOOD)
        device = settings["device"]
        held = target.held_out(int(device.get("points", 2)), own) if points is None else points
        terms, _, arrays, _ = device_terms(
            recorded.plan, target, held, prior=settings["prior"], generator=own,
            beside=again, draws=int(device.get("draws", 1)),
        )  # fmt: skip
        again.terms.update(terms)
        again.points.update(arrays)
    if points is not None and drawn is not None:
        return again, bool(torch.equal(drawn, points))
    if "weight" in stored["points"]:  # quadrature, no noise at all
        return again, True
    before, after = stored["points"]["nll.ode"], again.points["nll.ode"]
    same = len(before) == len(after) and np.allclose(before, after, rtol=_RELATIVE, atol=_RELATIVE)
    return again, bool(same)


def _density(recorded: Recorded) -> tuple[str, float, float, float] | None:
    """Mean -ln rho of the end states, stored and again, and what the flow's error allows."""
    stored, target = recorded.density, recorded.setting.target
    if not stored or target is None or float(stored["state"][0]) < 0.0:
        return None
    asked = EndDensity(**parse_json(recorded.parameters["density"]["settings"]))
    points = model_tensor(recorded.first[: asked.points])
    again = asked.evaluate(recorded.setting.score, target, points).nll.numpy()
    before = stored["nll"][: len(again)]
    solver = float(np.abs(stored["solver_error"]).mean())
    error = 0.25 * (_RELATIVE * (1.0 + abs(float(before.mean()))) + solver)
    return "density.nll", float(before.mean()), float(again.mean()), error


def _acquired(recorded: Recorded) -> float | None:
    """The information of the readings, from the plan and the start law.

    None where the file holds a bound of another law, withdrawn since: nothing reads that number.
    """
    plan, start, protocol = recorded.plan, recorded.start, recorded.setting.protocol
    mean = protocol.to_thermal(start.mean)
    covariance = protocol.covariance_to_thermal(start.covariance)
    if plan.adc is not None:
        if "law" not in recorded.information:
            return None
        return converter_information(plan, mean, covariance)
    return acquired(Controller(plan, start_mean=mean, start_covariance=covariance))
