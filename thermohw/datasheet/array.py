"""Repeating a cell: a small drawing becomes a large circuit.

The cell is a set of nodes; every resistor and capacitor with an end in the cell belongs to it. For
each index of the shape, in row-major order, the cell is copied under names with the index behind:
node n0 becomes n0[0,0], n0[0,1], ... Nodes outside the cell, and ground, are shared by all copies.
A coupling puts one element between each cell and the next along an axis (along every axis when none
is named): rc[0,3|0,4] joins (0, 3) to (0, 4). Borders are open.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from thermohw.datasheet.schema import ArrayTable, CouplingTable, did_you_mean
from thermohw.datasheet.sheet import Capacitor, Node, Resistor
from thermohw.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

__all__ = ["MAX_NODES", "Elements", "repeat"]

MAX_NODES = 65536
"""Largest array; beyond it a typing error is likelier than a circuit."""

Index = tuple[int, ...]
Element = TypeVar("Element", Node, Resistor, Capacitor)


class Elements(NamedTuple):
    """What a circuit is made of."""

    nodes: tuple[Node, ...]
    resistors: tuple[Resistor, ...]
    capacitors: tuple[Capacitor, ...]


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
    indices = list(itertools.product(*map(range, array.shape)))
    nodes = [node for node in elements.nodes if node.name not in cell]
    resistors = [r for r in elements.resistors if cell.isdisjoint(r.between)]
    capacitors = [c for c in elements.capacitors if cell.isdisjoint(c.between)]
    for index in indices:
        nodes += (_copied(n, cell, index) for n in elements.nodes if n.name in cell)
        resistors += (_copied(r, cell, index) for r in elements.resistors if cell & {*r.between})
        capacitors += (_copied(c, cell, index) for c in elements.capacitors if cell & {*c.between})
    for table in array.coupling:
        _check_coupling(table, array, where)
        for here, there in _neighbours(array.shape, table.axis):
            name = f"{table.name}[{_text(here)}|{_text(there)}]"
            ends = f"{table.between[0]}[{_text(here)}]", f"{table.between[1]}[{_text(there)}]"
            if table.capacitance is not None:
                capacitors.append(Capacitor(name, ends, table.capacitance))
            elif table.resistance is not None and table.temperature is not None:
                resistors.append(
                    Resistor(name, ends, table.resistance, table.temperature, table.source)
                )
    return Elements(tuple(nodes), tuple(resistors), tuple(capacitors))


def _text(index: Index) -> str:
    return ",".join(map(str, index))


def _copied(element: Element, cell: Collection[str], index: Index) -> Element:
    """An element under the name of one cell, its ends in the cell renamed alike."""
    tail = f"[{_text(index)}]"
    if isinstance(element, Node):
        return replace(element, name=element.name + tail)
    a, b = (end + tail if end in cell else end for end in element.between)
    return replace(element, name=element.name + tail, between=(a, b))


def _check_coupling(table: CouplingTable, array: ArrayTable, where: str) -> None:
    for end in table.between:
        if end not in array.cell:
            hint = did_you_mean(end, list(array.cell))
            raise InputError(
                f"{table.name}.between: '{end}' is not in the cell; {hint}", where=where
            )
    if table.axis is not None and table.axis >= len(array.shape):
        raise InputError(
            f"{table.name}.axis: {table.axis}, but array.shape has {len(array.shape)} axes "
            "counted from 0",
            where=where,
        )
    resistive = table.resistance is not None and table.temperature is not None
    if resistive == (table.capacitance is not None) or (
        (table.resistance is None) != (table.temperature is None)
    ):
        raise InputError(
            f"{table.name}: give either resistance and temperature, or capacitance", where=where
        )


def _neighbours(shape: Index, axis: int | None) -> Iterator[tuple[Index, Index]]:
    """Pairs of cells next to each other, each pair once, row-major by the first."""
    for here in itertools.product(*map(range, shape)):
        for along in range(len(shape)) if axis is None else (axis,):
            if here[along] + 1 < shape[along]:
                yield here, (*here[:along], here[along] + 1, *here[along + 1 :])
