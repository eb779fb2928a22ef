"""Derived numbers that a reader needs to interpret a run file, in SI or nats."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from thermohw.books import Profile, acquired, analog_filter, converter_information
from thermohw.control.realisation import describe_realisation

if TYPE_CHECKING:
    from thermohw.integrate import Engine

__all__ = ["run_facts"]


def run_facts(engine: Engine) -> dict[str, Any]:
    """Derived numbers that a reader needs to interpret the file, SI."""
    plan, scale = engine.plan, engine.plan.protocol.device.scale
    edges = next(o for o in engine.observers if isinstance(o, Profile)).edges
    facts: dict[str, Any] = {
        "units": {
            "energy": scale.energy,
            "time": scale.time,
            "voltage": scale.voltage,
            "current": scale.current,
            "volts_per_unit": plan.protocol.v0,
            "theta": plan.protocol.theta,
        },
        "baths": {"energy": scale.energy * plan.protocol.board.temperatures},
        "schedule": {
            "grid": plan.schedule.grid,
            "stepper": plan.stepper,
            "model_time": plan.schedule.model_time,
            "physical_time": plan.schedule.physical_time * scale.time,
            "profile_edges": edges,
            "duration": plan.seconds,
            "realisation": describe_realisation(plan),
            **_varied(engine),
        },
        "start": {
            "kind": engine.start.kind,
            "entropy": float("nan")
            if engine.start.entropy is None
            else float(engine.start.entropy),
            "preparation": engine.start.preparation(plan),
        },
    }
    if plan.clocked:
        facts["information"] = _information(engine)
    return facts


def _varied(engine: Engine) -> dict[str, Any]:
    """What was varied instead of the clock, tick by tick: ohm or kelvin."""
    schedule, scale = engine.plan.schedule, engine.plan.protocol.device.scale
    if schedule.relaxing is not None:
        return {"resistance": scale.resistance / schedule.conductances}
    if schedule.heating is not None:
        return {"temperature": scale.temperature * schedule.temperatures}
    return {}


def _information(engine: Engine) -> dict[str, Any]:
    """What the readings tell the controller, nats per sample.

    "bound" says that it is an upper bound: behind a converter (the smallest known before the run;
    "law" tells files apart whose bound was another one), or for a start that is not Gaussian.
    "per_reading" are the I_k of the analog noise, ahead of a converter where there is one;
    "reading_variance" is the R of the run's own filter, thermal units.
    """
    plan, start = engine.plan, engine.start
    facts: dict[str, Any]
    if plan.adc is not None:
        mean = plan.protocol.to_thermal(start.mean)
        covariance = plan.protocol.covariance_to_thermal(start.covariance)
        bound = converter_information(plan, mean, covariance)
        facts = {"acquired": bound, "bound": True, "law": "minimum of sums"}
        if plan.reading_noise > 0.0:
            ahead = analog_filter(plan, mean, covariance)
            facts["per_reading"] = np.array([one.information for one in ahead.readings])
            facts["reading_variance"] = np.asarray(plan.reading_variance, dtype=np.float64)
        return facts
    kalman = engine.controller.filter
    gaussian = kalman is None or start.gaussian
    facts = {"acquired": acquired(engine.controller), "bound": not gaussian}
    if kalman is not None:
        facts["per_reading"] = np.array([reading.information for reading in kalman.readings])
        _, start_det = np.linalg.slogdet(kalman.start_covariance)
        _, end_det = np.linalg.slogdet(kalman.final_covariance)
        if np.isfinite(start_det) and np.isfinite(end_det):  # a start that spans a volume
            facts["log_det_change"] = 0.5 * float(end_det - start_det)
    return facts
