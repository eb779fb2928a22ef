"""Ranges of converters: what a protocol asks for, or four standard deviations of what they meet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from thermohw.control.converters import Converter
from thermohw.control.quantity import quantity
from thermohw.errors import InputError
from thermohw.process import Langevin

if TYPE_CHECKING:
    from thermohw.control.drive import ReverseDrive
    from thermohw.control.protocol import Protocol
    from thermohw.control.schedule import Schedule

__all__ = ["make_converter", "usual_ranges"]


def make_converter(
    bits: int | None,
    ends: tuple[Any, Any] | None,
    name: str,
    unit: tuple[str, float],
    usual: float,
) -> Converter | None:
    """A converter from its range in SI, or over +-`usual` (thermal units) where none is given."""
    if bits is None:
        return None
    if ends is None:
        return Converter(bits, -usual, usual)
    where = f"protocol.{name}_range"
    if len(ends) != 2:
        raise InputError(f"{ends!r}: expected [low, high]", where=where)
    low, high = (quantity(end, unit[0], where, signed=True) / unit[1] for end in ends)
    if low >= high:
        raise InputError(f"{list(ends)!r}: expected [low, high] with low < high", where=where)
    return Converter(bits, low, high)


def usual_ranges(
    protocol: Protocol, drive: ReverseDrive, schedule: Schedule
) -> tuple[float, float]:
    """Four standard deviations of the readings, and of the sources on the narrowest mode.

    Thermal units. Readings spread over at most the wider of the thermal voltage and the prior; the
    score's standard deviation is 1/sqrt(v) on a mode of variance v, largest at the last tick.
    """
    process = protocol.process
    _, noise = process.transition(process.duration)
    spread = max(1.0, float(np.max(noise)) / protocol.theta) ** 0.5
    late, known = float(schedule.model_time[-2]), protocol.score.narrowest
    if isinstance(process, Langevin):
        variance = float(np.min(np.diag(process.narrowest(known, late))))
    else:
        decay, rest = process.transition(late)
        variance = float(np.min(np.diag(np.atleast_2d(decay**2 * known + rest))))
    hot = float(schedule.temperatures.max())
    drive = drive if hot == 1.0 else drive.heated(hot, protocol.device.dim)
    gain, weight = (float(np.max(np.abs(part))) for part in (drive.state, drive.score))
    return 4.0 * spread, 4.0 * (gain * spread + weight / variance**0.5)
