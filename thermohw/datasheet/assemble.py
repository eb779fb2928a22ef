"""From tables to elements: names are unique, ends exist, everything reaches ground.

The state of a circuit is the charge of its nodes. A node that no chain of resistors joins to ground
never relaxes and has no equilibrium, so it is refused here, where its name is still known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from thermohw.datasheet.array import Elements, repeat
from thermohw.datasheet.schema import SheetTable, did_you_mean
from thermohw.datasheet.sheet import GROUND, Capacitor, Node, Resistor
from thermohw.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["assemble"]

# Words that stand for something else in a dotted key, in `between` or in a SPEC.
RESERVED = (GROUND, "ground", "limits", "cost", "array", "name", "description", "format")


def assemble(tables: SheetTable, where: str) -> Elements:
    """Nodes, resistors and capacitors of a file, its array written out.

    Raises:
        InputError: a name taken twice or reserved, a node that does not exist, an element from a
            node to itself, a node without a resistive path to ground.
    """
    _check_names(tables, where)
    elements = Elements(
        tuple(Node(t.name, t.capacitance) for t in tables.node),
        tuple(
            Resistor(t.name, t.between, t.resistance, t.temperature, t.source)
            for t in tables.resistor
        ),
        tuple(Capacitor(t.name, t.between, t.capacitance) for t in tables.capacitor),
    )
    known = [node.name for node in elements.nodes]
    for element in (*elements.resistors, *elements.capacitors):
        for end in element.between:
            if end not in known and end != GROUND:
                hint = did_you_mean(end, [*known, GROUND])
                raise InputError(f"{element.name}.between: no node '{end}'; {hint}", where=where)
        if element.between[0] == element.between[1]:
            raise InputError(
                f"{element.name}.between: joins '{element.between[0]}' to itself; "
                "expected two different nodes",
                where=where,
            )
    if tables.array is not None:
        elements = repeat(elements, tables.array, where)
    grounded = _joined_to_ground(elements.resistors)
    afloat = [node.name for node in elements.nodes if node.name not in grounded]
    if afloat:
        raise InputError(
            f"{afloat[0]}: no chain of resistors joins this node to {GROUND}; add a resistor",
            where=where,
        )
    return elements


def _check_names(tables: SheetTable, where: str) -> None:
    couplings = tables.array.coupling if tables.array else ()
    seen: set[str] = set()
    for table in (*tables.node, *tables.resistor, *tables.capacitor, *couplings):
        if table.name in RESERVED:
            raise InputError(f"{table.name}: a reserved word; choose another name", where=where)
        if table.name in seen:
            raise InputError(f"{table.name}: this name is taken twice", where=where)
        seen.add(table.name)


def _joined_to_ground(resistors: Iterable[Resistor]) -> set[str]:
    links: dict[str, list[str]] = {}
    for a, b in (resistor.between for resistor in resistors):
        links.setdefault(a, []).append(b)
        links.setdefault(b, []).append(a)
    reached, frontier = {GROUND}, [GROUND]
    while frontier:
        fresh = set(links.get(frontier.pop(), ())) - reached
        reached |= fresh
        frontier += fresh
    return reached
