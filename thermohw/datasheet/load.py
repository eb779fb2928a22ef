"""Finding and reading datasheets.

A device is named by the stem of a file in devices/ ("rc1") or by the path of a TOML file; whatever
has a slash or ends in .toml is a path. A path that ends like a SPICE netlist (.cir, .net, .sp) is
read as one; what its reader left out or understood in one of several ways is a warning, which the
shell prints as a note.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from importlib.resources import files
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from thermohw.datasheet.fields import did_you_mean
from thermohw.datasheet.netlist import is_netlist, read_netlist
from thermohw.datasheet.read import read_datasheet
from thermohw.datasheet.sheet import Datasheet
from thermohw.errors import InputError
from thermohw.intake import MOST_SHEET, read_text

__all__ = ["device_names", "load_datasheet"]

_NOTES = 8  # of a netlist, as warnings


def device_names() -> list[str]:
    """Names of the datasheets that ship with the package, sorted."""
    shipped = files("thermohw").joinpath("devices").iterdir()
    return sorted(entry.name[:-5] for entry in shipped if entry.name.endswith(".toml"))


def load_datasheet(
    name: str | PathLike[str], overrides: Mapping[str, Any] | None = None
) -> Datasheet:
    """Load a datasheet by name or path.

    Args:
        name: a name in devices/ or the path of a TOML file or a SPICE netlist.
        overrides: entries to replace, dotted key -> value as it would stand in the file, e.g.
            {"r0.resistance": "2 Mohm"}; for an array the cell is meant.

    Raises:
        InputError: an unknown name, an unreadable file, or whatever is wrong in it: file, key,
            value and what was expected in one line.
    """
    asked = fspath(name)
    if is_netlist(asked):
        return _netlist(asked, overrides)
    if "/" in asked or "\\" in asked or asked.endswith(".toml"):
        path, stem = Path(asked), Path(asked).stem
    else:
        if asked not in device_names():
            raise InputError(f"unknown device '{asked}'; {did_you_mean(asked, device_names())}")
        path, stem = files("thermohw").joinpath("devices", f"{asked}.toml"), asked
    if not isinstance(path, Path):  # inside a zipped package
        text = path.read_text(encoding="utf-8")
    elif "\0" not in asked and not os.path.exists(path):
        raise InputError("no such datasheet; give a TOML file or a shipped device: "
                         + ", ".join(device_names()), where=asked) from None  # fmt: skip
    else:
        text = read_text(path, MOST_SHEET, "datasheet")
    return read_datasheet(text, stem, overrides, where=asked)


def _netlist(asked: str, overrides: Mapping[str, Any] | None) -> Datasheet:
    found = read_netlist(asked, overrides)
    for note in found.notes[:_NOTES]:
        warnings.warn(note if note.startswith(asked) else f"{asked}: {note}", stacklevel=3)
    if len(found.notes) > _NOTES:
        more = f"{len(found.notes) - _NOTES} more notes, in th.read_netlist(...).notes"
        warnings.warn(f"{asked}: {more}", stacklevel=3)
    return found.datasheet
