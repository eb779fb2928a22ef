"""The same protocol on ticks half as long: what a finite tick does can then be measured.

Every tick is cut where half of its diffusion is done, or half of its time where the clock does not
stretch. A run on the halved plan spends the same
physical time between the same ends; what it says differently is the tick's own bias, to first order
half of it, so that 2 q(h/2) - q(h) is free of it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from thermohw.control.plan import Laws, Plan, boundary_heat, middle_times
from thermohw.control.schedule import Schedule
from thermohw.control.timeline import make_timeline

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["halved"]


def halved(plan: Plan) -> Plan:
    """A plan with twice the ticks, each tick cut in two; converters, delays and everything else as
    they are.
    """
    protocol, old = plan.protocol, plan.schedule
    if old.relaxing is None and old.heating is None:
        middles = 0.5 * (old.physical_time[:-1] + old.physical_time[1:])
        model = _woven(old.model_time, middle_times(protocol, old))
        schedule = Schedule(old.grid, model, _woven(old.physical_time, middles))
    else:  # time runs evenly with model time; what varies is held at each half's own mean
        process = protocol.process
        model = _woven(old.model_time, 0.5 * (old.model_time[:-1] + old.model_time[1:]))
        pace = old.duration / float(model[0] - model[-1])
        physical = pace * (model[0] - model)
        rate = protocol.theta if process.isotropic else 1.0
        reach = -np.diff([process.diffusion_time(float(t)) for t in model]) / rate
        varied = {"relaxing": reach} if old.relaxing is not None else {}
        if old.heating is not None:
            varied = {"heating": reach / np.diff(physical)}
        schedule = Schedule(old.grid, model, physical, **varied)
    score = protocol.score
    heat = boundary_heat(protocol, schedule, plan.stepper)
    return replace(
        plan,
        schedule=schedule,
        timeline=make_timeline(schedule, plan.latency),
        laws=Laws(plan.drive, score, model, heat),
        middle_laws=Laws(plan.drive, score, middle_times(protocol, schedule), schedule.heating),
    )


def _woven(ends: NDArray[Any], middles: NDArray[Any]) -> NDArray[Any]:
    """e_0, m_0, e_1, m_1, ..., e_N."""
    result = np.empty(len(ends) + len(middles))
    result[::2], result[1::2] = ends, middles
    return result
