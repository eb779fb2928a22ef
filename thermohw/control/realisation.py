r"""How the diffusion g(t)^2 of a process is made on hardware, and what injected noise costs.

With D = k T/(R C^2) the diffusion of a node, four settings play one process (same law of paths, up
to the length of a tick, same likelihood, different joules and seconds):

    clock         R, T fixed; time is stretched             Q = kT int dQ_nats
    resistance    R(t); T fixed, time even                  the same: every resistance is at T, and
                                                            changing R does no work
    temperature   T(t); R fixed, time even                  Q = int kT(t) dQ_nats
    injected      a noise source in series with R, on top   the same Q, "at effective temperature";
                  of a bath at T_0: T(t) is effective       the bath at T_0 gets more

Nats are shared by clock and resistance always, by temperature and injected where the source follows
the noise (emf, continuous): its force is e - v = T(t) (e - v)_clock, so heat per T(t) is the same
integral. A held source and an injected current work against the leak, whose share depends on T.

Injected noise is no bath: it is a generator whose noise has a bandwidth B, and drives power through
R in proportion to it. A series emf of one-sided density S = 4 k (T - T_0) R has the variance

    sigma^2 = a S B        one-pole, corner B: a = pi/2;  staircase of B samples a second: 1/2;
                           interpolated between B samples a second: 1/3 (mean over time)

and does the work sigma^2/R - <xi v>/R a second, where <xi v>/R -> k (T - T_0)/(R C) is what reaches
the node (for B R C >> 1, whatever the shape). With sums over ticks of length h_n and n nodes,

    work.injected = n sum_n k (T_n - T_0) h_n (4 a B - 1/(R C))
    heat.calorimetric = heat at effective temperature + work.injected          into the bath at T_0

Without a bandwidth both diverge, so a protocol without one is refused. Neglected is what a
continuous source that follows the noise adds, of relative order (rate of the control loop)/(4 a B).

The reference in theory is white: runs are made at T(t). What a finite B does to the law is the
subject of the study johnson_bandwidth.
"""

from __future__ import annotations

from math import pi
from typing import TYPE_CHECKING

import numpy as np

from thermohw.errors import InputError

if TYPE_CHECKING:
    from thermohw.control.plan import Plan
    from thermohw.control.protocol import Protocol

__all__ = [
    "POWER_FACTOR",
    "describe_realisation",
    "hottest",
    "injected_work",
    "require_clock",
]

POWER_FACTOR = {"one-pole": 0.5 * pi, "staircase": 0.5, "interpolated": 1.0 / 3.0}
"""Variance of noise of one-sided density S at bandwidth B, over S B."""

_WORDS = {
    "clock": "time is stretched at fixed R and T",
    "resistance": "R(t) at fixed T, in even time",
    "temperature": "T(t) at fixed R, in even time",
    "injected": "noise injected on top of the bath, in even time",
}


def require_clock(protocol: Protocol, what: str) -> None:
    """Refuse what knows fixed R and T only.

    Args:
        protocol: the settings.
        what: what cannot be had, the sentence's subject.

    Raises:
        InputError: R or T varies.
    """
    if protocol.realisation != "clock":
        raise InputError(
            f"{what} fixed R and T: use realisation = 'clock', not {protocol.realisation!r}",
            where="protocol.realisation",
        )


def injected_work(plan: Plan) -> float | None:
    """Mean work of the injected noise in a whole run, all nodes, in k T_ref; None without any."""
    protocol = plan.protocol
    if protocol.realisation != "injected":
        return None
    shape = protocol.injected_shape or "one-pole"
    rate = 4.0 * POWER_FACTOR[shape] * protocol.injected_hertz * protocol.device.scale.time - 1.0
    schedule = plan.schedule
    excess = float(np.sum((schedule.temperatures - 1.0) * schedule.durations))
    return len(protocol.device.nodes) * excess * rate


def hottest(plan: Plan) -> float:
    """Highest temperature of the noise that a plan asks for, kelvin."""
    return float(plan.schedule.temperatures.max()) * plan.protocol.device.scale.temperature


def describe_realisation(plan: Plan) -> str:
    """How g(t) is realised, in one line with its numbers."""
    protocol, schedule = plan.protocol, plan.schedule
    scale, name = protocol.device.scale, protocol.realisation
    text = f"{name}: {_WORDS[name]}"
    if name == "resistance":
        ohms = scale.resistance / schedule.conductances
        text += f", {ohms.min():.4g} to {ohms.max():.4g} ohm"
    elif name != "clock":
        kelvin = scale.temperature * schedule.temperatures
        text += f", {kelvin.min():.4g} to {kelvin.max():.4g} K"
    if name == "injected":
        shape = protocol.injected_shape or "one-pole"
        text += f" effective, {shape} noise of {protocol.injected_hertz:.4g} Hz"
    return text
