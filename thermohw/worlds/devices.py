"""A circuit in a file: its datasheet verbatim, with the overrides that were set."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from thermohw.circuit import build_device
from thermohw.datasheet import read_datasheet
from thermohw.errors import InputError
from thermohw.intake import parse_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


__all__ = ["by_reading", "describe_device", "rebuild_device"]


def describe_device(device: Any) -> dict[str, Any]:
    """A tree of texts for /parameters/datasheet.

    Raises:
        InputError: the device was not loaded from a datasheet.
    """
    sheet = device.datasheet
    if sheet is None:
        raise InputError("only devices loaded from a datasheet can be stored", where="store")
    return {
        "text": sheet.text,
        "name": sheet.name,
        "overrides": json.dumps(sheet.overrides, sort_keys=True),
        "content_hash": sheet.content_hash,
    }


def rebuild_device(stored: Mapping[str, Any]) -> Any:
    """The inverse of `describe_device`."""
    overrides = parse_json(stored["overrides"], "overrides") or None
    return build_device(read_datasheet(stored["text"], stored["name"], overrides))


def by_reading(device: Any, values: NDArray[Any]) -> list[tuple[str, NDArray[Any]]]:
    """Columns of readings, shape (..., n), by name."""
    first, found = 0, []
    for name, _, _, labels in device.readings:
        found.append((name, values[..., first : first + len(labels)]))
        first += len(labels)
    return found
