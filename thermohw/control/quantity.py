"""Settings of a protocol as numbers: text with a unit, or floats already in SI."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Any

from thermohw.circuit.scale import FARTHEST
from thermohw.errors import InputError
from thermohw.units import amount

__all__ = ["in_thermal_range", "per_item", "quantity"]

_FARTHEST = 1e30  # of SI, up or down: nothing a circuit has, and about what float32 can hold


def quantity(value: str | float, unit: str, where: str, *, signed: bool = False) -> float:
    """A setting in SI: a string with a unit, or a float already in SI; positive unless `signed`."""
    number = amount(value, unit, where)
    if not isfinite(number) or (number <= 0 and not signed):
        raise InputError(f"{value!r}: expected a positive quantity in {unit}", where=where)
    if number and not 1.0 / _FARTHEST <= abs(number) <= _FARTHEST:
        problem = f"{value!r}: expected {1.0 / _FARTHEST:g} to {_FARTHEST:g} {unit}".rstrip()
        raise InputError(problem, where=where)
    return number


def per_item(
    value: Any, unit: str, where: str, *, count: int, signed: bool = False
) -> float | tuple[float, ...]:
    """One setting for all of `count` nodes (or sources, or elements), or a list with one for each.

    Raises:
        InputError: a list of another length, or an entry that is refused.
    """
    if isinstance(value, str) or not isinstance(value, Sequence):
        return quantity(value, unit, where, signed=signed)
    if len(value) != count:
        raise InputError(f"a list of {len(value)}: expected {count}, one each", where=where)
    return tuple(quantity(entry, unit, where, signed=signed) for entry in value)


def in_thermal_range(size: float, name: str, value: Any) -> float:
    """A setting in thermal units, refused where doubles lose it beside 1, or 1 beside it."""
    if size == 0.0 or 1.0 / FARTHEST <= abs(size) <= FARTHEST:
        return size
    raise InputError(
        f"{value!r} is {abs(size):.3g} of its thermal unit: doubles, which round at 2e-16, can "
        f"follow {1.0 / FARTHEST:g} to {FARTHEST:g} of it; leave it out for none",
        where=f"protocol.{name}",
    )
