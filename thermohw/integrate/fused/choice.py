"""Which runs the compiled tick plays, and why not the others."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any

import numpy as np

from thermohw.integrate.held_nodes import HeldNodes
from thermohw.noise import kernels
from thermohw.score.mixture import MixtureScore

if TYPE_CHECKING:
    from thermohw.integrate.tile_run import Setup

__all__ = ["not_compilable", "not_compiled"]

_WATCHERS = frozenset(
    {"ledger", "peaks", "profile", "balance", "codes", "residuals", "filter", "pumping",
     "information", "recorder"}
)  # fmt: skip
_ALWAYS = frozenset({"ledger", "peaks", "profile", "residuals"})
_BITS = 24  # of codes that are whole numbers in single precision
_MODES = 256  # of a mixture, at most: every one has scratch memory of its own


def not_compiled(engine: Setup) -> str:
    """Why the compiled tick does not play a run, in words; empty where it does."""
    return not_compilable(engine) or ("" if kernels() else "numba does not work here")


def not_compilable(engine: Setup) -> str:
    """The same wherever numba works: what a run keeps must not depend on the machine."""
    plan, device = engine.plan, engine.plan.protocol.board
    if not isinstance(engine.stepper, HeldNodes):
        return "its circuit is coupled, its control continuous, or its sources remember"
    score = plan.protocol.score
    base = getattr(score, "base", None) if hasattr(score, "factor") else score
    if not isinstance(base, MixtureScore):
        return "its score is no exact one of a Gaussian or a mixture"
    if len(base.target.law.weights) > _MODES:
        return f"its mixture has more than {_MODES} modes"
    if plan.protocol.filter == "tweedie":
        return "its score is asked at the level of its readings"
    if engine.stepper.flux and plan.drive.wiring == "emf":
        return "its int v dt is asked for"
    if list(device.controlled) != list(range(len(device.elements))) and plan.drive.wiring == "emf":
        return "not every node has a source"
    if plan.schedule.heating is not None:
        return "its temperature varies"
    if plan.adc is not None and plan.adc.bits > _BITS:
        return f"its reading converter has more than {_BITS} bits"
    if plan.chain.dac.inl != 0.0 or plan.chain.dac.dnl != 0.0:
        return "its source converter has a curve"
    if plan.chain.amplifier.smooth and plan.chain.amplifier.swing < inf:
        return "its amplifier saturates smoothly"
    kalman = engine.controller.filter
    if kalman is not None and any(_mixes(reading.gain) for reading in kalman.readings):
        return "its filter mixes nodes"
    for response in (plan.drive.state, plan.drive.score, plan.drive.divergence_score):
        if not isinstance(response, float) and _mixes(response):
            return "its control mixes nodes"
    watchers = {observer.name for observer in engine.observers}
    if "information" in watchers and plan.adc is not None:
        return "its readings are accounted ahead of their converter, by a filter of their own"
    if "information" in watchers and float(np.ptp(device.temperatures)) > 0.0:
        return "its readings are accounted over several temperatures"
    if watchers - _WATCHERS:
        return f"'{sorted(watchers - _WATCHERS)[0]}' watches it"
    if not watchers >= _ALWAYS:
        return "it keeps a part of the default accounts only"
    return ""


def _mixes(matrix: Any) -> bool:
    return matrix.ndim == 2 and bool(np.any(matrix - np.diag(np.diagonal(matrix))))
