"""Settings of a protocol as numbers: text with a unit, or floats already in SI."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Any

from thermohw.errors import InputError
from thermohw.units import parse

__all__ = ["per_item", "quantity"]

_FARTHEST = 1e30  # of SI, up or down: nothing a circuit has, and about what float32 can hold


def quantity(value: str | float, unit: str, where: str, *, signed: bool = False) -> float:
    """A setting in SI: a string with a unit, or a float already in SI; positive unless `signed`."""
    number = parse(value, unit, where) if isinstance(value, str) else float(value)
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
