"""From the text of a datasheet to its records.

The text is kept verbatim, so a stored run can be read again without the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from thermohw.datasheet.assemble import assemble
from thermohw.datasheet.conductor_checks import read_conductors
from thermohw.datasheet.noises import read_noises
from thermohw.datasheet.override import apply_overrides, flatten
from thermohw.datasheet.quartic import place_units
from thermohw.datasheet.schema import read_tables
from thermohw.datasheet.sheet import Datasheet
from thermohw.intake import parse_toml

__all__ = ["read_datasheet"]


def read_datasheet(
    text: str, name: str, overrides: Mapping[str, Any] | None = None, *, where: str = ""
) -> Datasheet:
    """Read the text of a datasheet.

    Args:
        text: the TOML file.
        name: of the device, unless the file names itself.
        overrides: see `datasheet.load.load_datasheet`.
        where: named in errors; `name` by default.

    Raises:
        InputError: see `datasheet.load.load_datasheet`.
    """
    place = where or name
    raw = parse_toml(text, place)
    for kind, letter in (("capacitor", "c"), ("mutual", "k"), ("bilinear", "j")):
        tables = raw.get(kind)
        for position, table in enumerate(tables if isinstance(tables, list) else ()):
            if isinstance(table, dict):
                table.setdefault("name", f"{letter}{position}")
    flat = flatten(overrides or {})
    tables = read_tables(apply_overrides(raw, flat, place) if flat else raw, place)
    elements = assemble(tables, place)
    return Datasheet(
        name=tables.name or name,
        description=tables.description,
        nodes=elements.nodes,
        resistors=elements.resistors,
        capacitors=elements.capacitors,
        limits=tables.limits,
        cost=tables.cost,
        shape=tables.array.shape if tables.array else (),
        text=text,
        overrides=flat,
        inductors=elements.inductors,
        mutuals=elements.mutuals,
        amplifiers=tables.amplifier,
        transconductors=tables.transconductor,
        solver=tables.solver,
        conductors=read_conductors(tables, place),
        noises=read_noises(
            tables.noise,
            [node.name for node in elements.nodes],
            [resistor.name for resistor in elements.resistors],
            place,
        ),
        landscape=place_units(tables, [node.name for node in elements.nodes], place),
    )
