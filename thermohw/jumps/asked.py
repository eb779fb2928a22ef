"""What is asked of a circuit of nonlinear conductors, in numbers: how long, by which method.

The starts of the paths, which need random numbers, are left to those who play.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from thermohw.circuit.jump import JumpDevice
from thermohw.errors import InputError
from thermohw.intake import whole
from thermohw.jumps.master import node_weights
from thermohw.units import amount, seconds

__all__ = ["METHODS", "work_out"]

METHODS = ("exact", "tau-leap", "langevin")


def work_out(
    device: JumpDevice,
    duration: str | float,
    *,
    samples: int = 0,
    stop: tuple[Mapping[str, float], str | float] | None = None,
    method: str = "exact",
    step: str | float | None = None,
    approximate: bool = False,
) -> dict[str, Any]:
    """What a `PreparedJumps` needs to know beside its starts.

    Args:
        device: see `Jumps`, as the rest.
        duration: of every path.
        samples: at how many times states are kept.
        stop: where a path ends early.
        method: "exact", or an approximation.
        step: of an approximation.
        approximate: say that one is wanted.

    Returns:
        method; duration and step in seconds; grid in seconds, shape (samples,); stop as weights
        over charges and a level.

    Raises:
        InputError: a device of another kind, an unknown method, a time that is none, or an
            approximation that was not asked for.
    """
    if not isinstance(device, JumpDevice):
        kind = getattr(device, "name", type(device).__name__)
        raise InputError(
            f"{kind} has no nonlinear conductors; simulate_jumps plays circuits with "
            "[[transistor]] or [[junction]]"
        )
    if method not in METHODS:
        raise InputError(f"{method!r}: expected one of {', '.join(METHODS)}", where="method")
    if device.approximate and method == "exact":
        method, approximate = "langevin", True
    span = seconds(duration, "duration")
    length = _step(method, step, approximate)
    samples = whole(samples, 0, "samples")
    grid = span * np.arange(1, samples + 1) / max(samples, 1)
    rule = None if stop is None else _stop(device, stop)
    return {"method": method, "duration": span, "step": length, "grid": grid, "stop": rule}


def _step(method: str, step: str | float | None, approximate: bool) -> float:
    if method == "exact":
        if step is not None:
            raise InputError("the exact method has no step", where="step")
        return 0.0
    if not approximate:
        why = (
            "Gaussian noise on nonlinear conductors is thermodynamically inconsistent "
            "(arXiv:2404.00422)"
            if method == "langevin"
            else "rates held over a step are not those of the circuit"
        )
        raise InputError(f"{why}; say approximate=True, or leave the method exact", where=method)
    if step is None:
        raise InputError("give the length of a step, e.g. '1 ns'", where="step")
    return seconds(step, "step")


def _stop(device: JumpDevice, stop: tuple[Mapping[str, float], Any]) -> tuple[Any, float]:
    """Weights over charges and the level they are compared with."""
    weights, level = node_weights(device, stop[0], "stop"), stop[1]
    volts = amount(level, "V", "stop")
    if not np.isfinite(volts):
        raise InputError(f"{level!r}: expected a voltage", where="stop")
    offset = float(weights @ device.rest_voltages)
    # A level that is a possible voltage of the nodes must be met by it: half a rounding is allowed.
    slack = 1e-9 * float(np.abs(weights @ device.hessian).max())
    return device.hessian @ weights, volts / device.voltage_unit - offset + slack
