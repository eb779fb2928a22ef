"""Replacing entries of a datasheet before it is read.

A key is dotted, element and entry: "r0.resistance", "limits.rail", "array.shape". A SPEC may write
it quoted ("r0.resistance" = "2 Mohm") or as TOML nests it (r0.resistance = "2 Mohm"); both say the
same. The entry is replaced in the parsed file and then checked like any other, so an override can
break nothing that a file could not; "none" takes it out. In an array the cell is meant, before it
is repeated. The tolerance, source and evidence of what was replaced do not carry over.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from thermohw.datasheet.fields import did_you_mean
from thermohw.datasheet.schema import TABLES
from thermohw.errors import InputError

__all__ = ["apply_overrides", "flatten"]


# A name is what an override finds its element by; couplings are elements of their own.
FIXED = ("name", "coupling")


def flatten(overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Overrides with every key dotted: {"r0": {"resistance": v}} becomes {"r0.resistance": v}."""
    flat: dict[str, Any] = {}
    for key, value in overrides.items():
        if "." not in key and isinstance(value, Mapping):
            flat |= {f"{key}.{entry}": inner for entry, inner in value.items()}
        else:
            flat[key] = value
    return flat


def apply_overrides(
    raw: Mapping[str, Any], overrides: Mapping[str, Any], where: str
) -> dict[str, Any]:
    """A copy of a parsed datasheet with entries replaced or added.

    Args:
        raw: the parsed TOML.
        overrides: dotted key -> value as it would stand in the file.
        where: named in errors.

    Raises:
        InputError: an element or an entry that the datasheet does not have, with the one meant.
    """
    changed = copy.deepcopy(dict(raw))
    owners = _owners(changed)
    for key, value in overrides.items():
        name, _, entry = key.partition(".")
        if name not in owners:
            hint = did_you_mean(name, list(owners))
            raise InputError(f"override '{key}': no element '{name}'; {hint}", where=where)
        table, target = owners[name]
        allowed = [field for field in TABLES[table] if field not in FIXED]
        if not entry:
            raise InputError(
                f"override '{key}': expected element and entry, such as '{key}.{allowed[-1]}'",
                where=where,
            )
        if entry not in allowed:
            hint = did_you_mean(entry, allowed)
            raise InputError(f"override '{key}': no entry '{entry}'; {hint}", where=where)
        if value == "none":
            target.pop(entry, None)
        else:
            target[entry] = value
    return changed


def _owners(raw: dict[str, Any]) -> dict[str, tuple[str, dict[str, Any]]]:
    """Name of each element -> its kind of table and the table itself."""
    owners: dict[str, tuple[str, dict[str, Any]]] = {}
    array = raw.get("array")
    couplings = array.get("coupling", []) if isinstance(array, dict) else []
    kinds = ("node", "resistor", "capacitor", "inductor", "mutual", "amplifier", "transconductor")
    kinds += ("supply", "transistor", "junction", "quartic", "bilinear", "noise")
    lists = {kind: raw.get(kind, []) for kind in kinds}
    for kind, tables in {**lists, "array.coupling": couplings}.items():
        for table in tables if isinstance(tables, list) else ():
            if isinstance(table, dict) and isinstance(table.get("name"), str):
                owners[table["name"]] = kind, table
    for kind in ("array", "solver", "limits", "cost"):
        if kind not in ("array", "solver") or isinstance(raw.get(kind), dict):
            table = raw.setdefault(kind, {})
            if isinstance(table, dict):
                owners[kind] = kind, table
    return owners
