"""From tables to elements: names are unique, ends exist, everything reaches ground.

The state of a circuit is the charge of its nodes and the flux of its inductors. A node that no
chain of resistors and inductors joins to ground keeps its charge for ever; so does a loop of
inductors without resistance its flux. Neither has an equilibrium, so both are refused here, where
their names are still known. (What rings for ever although everything is joined shows in the
matrices only, and is refused there.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from thermohw.datasheet.active import driven_nodes as held_nodes
from thermohw.datasheet.active_checks import check_active
from thermohw.datasheet.array import Elements, repeat
from thermohw.datasheet.conductor_checks import read_conductors
from thermohw.datasheet.fields import GROUND, did_you_mean
from thermohw.datasheet.schema import SheetTable
from thermohw.datasheet.sheet import Capacitor, Inductor, Resistor
from thermohw.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from thermohw.datasheet.active import Transconductor

__all__ = ["assemble"]

# Words that stand for something else in a dotted key, in `between` or in a SPEC.
RESERVED = (GROUND, "ground", "limits", "cost", "solver", "array", "name", "description", "format")


def assemble(tables: SheetTable, where: str) -> Elements:
    """All elements of a file, its array written out.

    Raises:
        InputError: a name taken twice or reserved, a node or an inductor that does not exist, an
            element from a node to itself, no resistor at all, a node without a path of resistors
            and inductors to ground, a loop of inductors without resistance.
    """
    _check_names(tables, where)
    elements = Elements(
        tables.node, tables.resistor, tables.capacitor, tables.inductor, tables.mutual
    )
    conductors = read_conductors(tables, where)
    known = [node.name for node in elements.nodes]
    known += [supply.name for supply in conductors.supplies]
    for element in (*elements.resistors, *elements.capacitors, *elements.inductors):
        for end in element.between:
            if end not in known and end != GROUND:
                hint = did_you_mean(end, [*known, GROUND])
                raise InputError(f"{element.name}.between: no node '{end}'; {hint}", where=where)
        if element.between[0] == element.between[1] and not _loop(element):
            raise InputError(
                f"{element.name}.between: joins '{element.between[0]}' to itself; "
                "expected two different nodes",
                where=where,
            )
    if any(conductors):  # their charges are counted, not relaxed by resistors
        return elements
    check_active(tables, where)
    _check_magnetics(elements, where)
    if tables.array is not None:
        elements = repeat(elements, tables.array, where)
        _check_magnetics(elements, where)
    if not elements.resistors and all(x.series_resistance is None for x in elements.inductors):
        raise InputError("resistor: at least one [[resistor]] is needed", where=where)
    grounded = _joined_to_ground(
        [*elements.resistors, *elements.inductors, *tables.transconductor],
        held_nodes(tables.amplifier),
    )
    afloat = [node.name for node in elements.nodes if node.name not in grounded]
    if afloat:
        chain = "resistors or inductors" if elements.inductors else "resistors"
        raise InputError(
            f"{afloat[0]}: no chain of {chain} joins this node to {GROUND}; add a resistor",
            where=where,
        )
    _check_loops(elements.inductors, where)
    return elements


def _loop(element: Resistor | Capacitor | Inductor) -> bool:
    """An inductor and its series resistance on themselves: its flux feels no node."""
    lossy = isinstance(element, Inductor) and element.series_resistance is not None
    return lossy and element.between == (GROUND, GROUND)


def _check_names(tables: SheetTable, where: str) -> None:
    couplings = tables.array.coupling if tables.array else ()
    seen: set[str] = set()
    magnetic = (*tables.inductor, *tables.mutual)
    active = (*tables.amplifier, *tables.transconductor)
    for table in (
        *tables.node, *tables.resistor, *tables.capacitor, *magnetic, *active, *couplings,
        *tables.supply, *tables.transistor, *tables.junction, *tables.quartic, *tables.bilinear,
        *tables.noise,
    ):  # fmt: skip
        if table.name in RESERVED:
            raise InputError(f"{table.name}: a reserved word; choose another name", where=where)
        if table.name in seen:
            raise InputError(f"{table.name}: this name is taken twice", where=where)
        seen.add(table.name)


def _check_magnetics(elements: Elements, where: str) -> None:
    known = [inductor.name for inductor in elements.inductors]
    for inductor in elements.inductors:
        if (inductor.series_resistance is None) != (inductor.temperature is None):
            raise InputError(
                f"{inductor.name}: series_resistance and temperature go together", where=where
            )
        if inductor.source and inductor.series_resistance is None:
            raise InputError(
                f"{inductor.name}.source: a controlled current needs a series_resistance to flow "
                "through",
                where=where,
            )
    joined: dict[frozenset[str], str] = {}
    for mutual in elements.mutuals:
        for end in mutual.between:
            if end not in known:
                hint = did_you_mean(end, known) if known else "there is none"
                raise InputError(f"{mutual.name}.between: no inductor '{end}'; {hint}", where=where)
        pair = frozenset(mutual.between)
        if len(pair) == 1:
            raise InputError(f"{mutual.name}.between: joins '{mutual.between[0]}' to itself; "
                             "expected two different inductors", where=where)  # fmt: skip
        if pair in joined:
            raise InputError(f"{mutual.name}.between: {joined[pair]} couples these two already",
                             where=where)  # fmt: skip
        joined[pair] = mutual.name
        if abs(mutual.k.value) >= 1.0:
            raise InputError(
                f"{mutual.name}.k: {mutual.k.value:g}; the inductance matrix is positive definite "
                "for -1 < k < 1 only",
                where=where,
            )


def _check_loops(inductors: Iterable[Inductor], where: str) -> None:
    """Refuse a closed loop of ideal inductors: nothing ever changes the flux inside it."""
    home: dict[str, str] = {}

    def root(name: str) -> str:
        while (above := home.get(name, name)) != name:
            home[name] = home.get(above, above)
            name = above
        return name

    for inductor in inductors:
        if inductor.series_resistance is None:
            a, b = (root(end) for end in inductor.between)
            if a == b:
                raise InputError(
                    f"{inductor.name}: closes a loop of inductors without resistance, whose flux "
                    "never relaxes; give one of them a series_resistance",
                    where=where,
                )
            home[a] = b


def _joined_to_ground(
    elements: Iterable[Resistor | Inductor | Transconductor], held: Iterable[str] = ()
) -> set[str]:
    links: dict[str, list[str]] = {}
    for a, b in (element.between for element in elements):
        links.setdefault(a, []).append(b)
        links.setdefault(b, []).append(a)
    reached, frontier = {GROUND, *held}, [GROUND, *held]
    while frontier:
        fresh = set(links.get(frontier.pop(), ())) - reached
        reached |= fresh
        frontier += fresh
    return reached
