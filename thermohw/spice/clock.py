"""Model time along a run, at any physical time: the protocol's clock map between its ticks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.control import Plan

__all__ = ["model_times", "subdivided"]


def model_times(plan: Plan, times: NDArray[Any]) -> NDArray[Any]:
    """Model times at physical times since the start of generation.

    Args:
        plan: the run.
        times: R_ref C_ref, from 0 to the run's duration.
    """
    process, protocol = plan.protocol.process, plan.protocol
    rate = protocol.theta if process.isotropic else 1.0
    first = process.diffusion_time(process.duration)
    last = process.diffusion_time(process.t_min)
    left = np.clip(first - rate * np.asarray(times), last, first)
    return np.array([process.model_time(float(s)) for s in left])


def subdivided(edges: NDArray[Any], parts: int) -> NDArray[Any]:
    """Every piece between edges cut into equal parts."""
    shares = np.arange(parts) / parts
    inner = edges[:-1, None] + np.diff(edges)[:, None] * shares
    return np.append(inner.reshape(-1), edges[-1])
