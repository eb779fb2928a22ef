"""Repeating a cell: a small drawing becomes a large circuit.

The cell is a set of nodes; every element with an end in the cell belongs to it, and so does a
mutual inductance of an inductor of the cell. For each index of the shape, in row-major order, the
cell is copied under names with the index behind: node n0 becomes n0[0,0], n0[0,1], ... Nodes
outside the cell, and ground, are shared by all copies. A coupling puts one element between each
cell and the next along an axis (along every axis when none is named): rc[0,3|0,4] joins (0, 3) to
(0, 4). It is a resistor, a capacitor or an inductor between two nodes, or a mutual inductance
between two inductors. Borders are open, unless `ring = true` joins the last cell along an axis to
the first: rc[0,4|0,0].
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from thermohw.datasheet.fields import did_you_mean
from thermohw.datasheet.schema import ArrayTable, CouplingTable
from thermohw.datasheet.sheet import Capacitor, Inductor, Mutual, Node, Resistor
from thermohw.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

__all__ = ["MAX_NODES", "Elements", "repeat"]

MAX_NODES = 65536
"""Largest array; beyond it a typing error is likelier than a circuit."""

Index = tuple[int, ...]
Element = TypeVar("Element", Node, Resistor, Capacitor, Inductor, Mutual)


class Elements(NamedTuple):
    """What a circuit is made of."""

    nodes: tuple[Node, ...]
    resistors: tuple[Resistor, ...]
    capacitors: tuple[Capacitor, ...]
    inductors: tuple[Inductor, ...] = ()
    mutuals: tuple[Mutual, ...] = ()


def repeat(elements: Elements, array: ArrayTable, where: str) -> Elements:
    """Copy the cell over the array and couple the copies.

    Raises:
        InputError: a cell or a coupling that names other nodes, or too many nodes.
    """
    known = [node.name for node in elements.nodes]
    for name in array.cell:
        if name not in known:
            raise InputError(
                f"array.cell: no node '{name}'; {did_you_mean(name, known)}", where=where
            )
    if prod(array.shape) * len(array.cell) > MAX_NODES:
        raise InputError(
            f"array.shape: {list(array.shape)} makes more than {MAX_NODES} nodes", where=where
        )
    cell = set(array.cell)
    # What a mutual inductance joins are inductors, so its cell is made of their names.
    wound = {inductor.name for inductor in elements.inductors if cell & {*inductor.between}}
    indices = list(itertools.product(*map(range, array.shape)))
    nodes = [node for node in elements.nodes if node.name not in cell]
    resistors = [r for r in elements.resistors if cell.isdisjoint(r.between)]
    capacitors = [c for c in elements.capacitors if cell.isdisjoint(c.between)]
    inductors = [x for x in elements.inductors if x.name not in wound]
    mutuals = [m for m in elements.mutuals if wound.isdisjoint(m.between)]
    for index in indices:
        nodes += (_copied(n, cell, index) for n in elements.nodes if n.name in cell)
        resistors += (_copied(r, cell, index) for r in elements.resistors if cell & {*r.between})
        capacitors += (_copied(c, cell, index) for c in elements.capacitors if cell & {*c.between})
        inductors += (_copied(x, cell, index) for x in elements.inductors if x.name in wound)
        mutuals += (_copied(m, wound, index) for m in elements.mutuals if wound & {*m.between})
    for table in array.coupling:
        _check_coupling(table, array, wound, where)
        for here, there in _neighbours(array.shape, table.axis, ring=table.ring):
            name = f"{table.name}[{_text(here)}|{_text(there)}]"
            ends = f"{table.between[0]}[{_text(here)}]", f"{table.between[1]}[{_text(there)}]"
            if table.capacitance is not None:
                capacitors.append(Capacitor(name, ends, table.capacitance))
            elif table.k is not None:
                mutuals.append(Mutual(name, ends, table.k))
            elif table.inductance is not None:
                series = table.series_resistance, table.temperature, table.source
                inductors.append(Inductor(name, ends, table.inductance, *series))
            elif table.resistance is not None and table.temperature is not None:
                resistors.append(
                    Resistor(name, ends, table.resistance, table.temperature, table.source)
                )
    magnetic = tuple(inductors), tuple(mutuals)
    return Elements(tuple(nodes), tuple(resistors), tuple(capacitors), *magnetic)


def _text(index: Index) -> str:
    return ",".join(map(str, index))


def _copied(element: Element, cell: Collection[str], index: Index) -> Element:
    """An element under the name of one cell, its ends in the cell renamed alike."""
    tail = f"[{_text(index)}]"
    if isinstance(element, Node):
        return replace(element, name=element.name + tail)
    a, b = (end + tail if end in cell else end for end in element.between)
    return replace(element, name=element.name + tail, between=(a, b))


def _check_coupling(
    table: CouplingTable, array: ArrayTable, wound: Collection[str], where: str
) -> None:
    kinds = (table.resistance, table.capacitance, table.inductance, table.k)
    inside = list(array.cell) if any(kinds[:3]) or table.k is None else sorted(wound)
    for end in table.between:
        if end not in inside:
            hint = did_you_mean(end, inside)
            raise InputError(
                f"{table.name}.between: '{end}' is not in the cell; {hint}", where=where
            )
    if table.axis is not None and table.axis >= len(array.shape):
        raise InputError(
            f"{table.name}.axis: {table.axis}, but array.shape has {len(array.shape)} axes "
            "counted from 0",
            where=where,
        )
    axes = range(len(array.shape)) if table.axis is None else (table.axis,)
    short = [axis for axis in axes if array.shape[axis] < 3]
    if table.ring and short:
        raise InputError(
            f"{table.name}.ring: axis {short[0]} has {array.shape[short[0]]} cells, and a ring has "
            "at least 3; name the axis that closes with axis = N",
            where=where,
        )
    lossy = table.resistance is not None or table.series_resistance is not None
    alone = table.series_resistance is not None and table.inductance is None
    hot = table.temperature is not None
    if sum(kind is not None for kind in kinds) != 1 or lossy != hot or alone:
        raise InputError(
            f"{table.name}: give either resistance and temperature, or capacitance, or inductance "
            "(series_resistance and temperature with it if it has losses), or k",
            where=where,
        )


def _neighbours(shape: Index, axis: int | None, *, ring: bool) -> Iterator[tuple[Index, Index]]:
    """Pairs of cells next to each other, each pair once, row-major by the first."""
    for here in itertools.product(*map(range, shape)):
        for along in range(len(shape)) if axis is None else (axis,):
            following = here[along] + 1
            if following < shape[along] or ring:
                yield here, (*here[:along], following % shape[along], *here[along + 1 :])
