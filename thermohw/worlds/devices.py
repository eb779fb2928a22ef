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


__all__ = ["describe_device", "energy_unit", "rebuild_device"]


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


def energy_unit(device: Any) -> float:
    """k T_ref of a device of any kind, joule."""
    return device.scale.energy if hasattr(device, "scale") else device.energy_unit
