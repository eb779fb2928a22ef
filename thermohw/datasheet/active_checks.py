"""Active elements of a file, read and checked: ends, masters of nodes, the solver's cell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from thermohw.datasheet.active import Amplifier, driven_nodes
from thermohw.datasheet.fields import GROUND, did_you_mean
from thermohw.errors import InputError

if TYPE_CHECKING:
    from thermohw.datasheet.schema import SheetTable

__all__ = ["check_active"]


def check_active(tables: SheetTable, where: str) -> None:
    """Ends exist, every node has one master, an entry that needs another has it.

    Raises:
        InputError: naming the element, the entry and what was expected.
    """
    known = [GROUND, *(node.name for node in tables.node)]
    amplifiers, transconductors, solver = tables.amplifier, tables.transconductor, tables.solver
    if (amplifiers or transconductors) and tables.array is not None:
        raise InputError(
            "array: cells with amplifiers or transconductors cannot be repeated; write them out",
            where=where,
        )
    for amplifier in amplifiers:
        ends = {"minus": amplifier.minus, "plus": amplifier.plus, "output": amplifier.output}
        if amplifier.complement is not None:
            ends["complement"] = amplifier.complement
        for key, end in ends.items():
            _require_node(f"{amplifier.name}.{key}", end, known, where)
        _check_amplifier(amplifier, where)
    for element in transconductors:
        for key, pair in (("between", element.between), ("control", element.control)):
            for end in pair:
                _require_node(f"{element.name}.{key}", end, known, where)
            if pair[0] == pair[1]:
                raise InputError(
                    f"{element.name}.{key}: joins '{pair[0]}' to itself; expected two different "
                    "nodes",
                    where=where,
                )
    held = driven_nodes(amplifiers)
    for node in held:
        if node == GROUND or held.count(node) > 1:
            fault = "is ground" if node == GROUND else "is held by two amplifiers"
            raise InputError(f"amplifier output '{node}' {fault}; give it its own", where=where)
    if solver is not None:
        _check_solver(tables, where)


def _check_amplifier(amplifier: Amplifier, where: str) -> None:
    if amplifier.minus == amplifier.plus:
        raise InputError(f"{amplifier.name}: both inputs are '{amplifier.plus}'; expected two "
                         "different nodes", where=where)  # fmt: skip
    if amplifier.gain is not None and amplifier.gain.value < 1.0:
        raise InputError(
            f"{amplifier.name}.gain: {amplifier.gain.value:g}; expected an open-loop gain of at "
            "least 1",
            where=where,
        )
    for key in ("slew", "swing", "noise"):
        if getattr(amplifier, key) is not None and amplifier.gbw is None:
            raise InputError(
                f"{amplifier.name}.{key}: needs gbw, the bandwidth of the stage it limits",
                where=where,
            )


def _check_solver(tables: SheetTable, where: str) -> None:
    """One amplifier with its capacitor from minus to output, one resistor from minus to ground."""
    shape = [len(tables.amplifier), len(tables.capacitor), len(tables.resistor)]
    fits = shape == [1, 1, 1] and not tables.transconductor and not tables.inductor
    if fits:
        amplifier, capacitor, resistor = (
            tables.amplifier[0],
            tables.capacitor[0],
            tables.resistor[0],
        )
        fits = (
            {*capacitor.between} == {amplifier.minus, amplifier.output}
            and {*resistor.between} == {amplifier.minus, GROUND}
            and amplifier.plus == GROUND
        )
    if not fits:
        raise InputError(
            "solver: expected one integrator: an [[amplifier]] with plus = 'gnd', a [[capacitor]] "
            "between its minus and its output, a [[resistor]] between its minus and gnd",
            where=where,
        )


def _require_node(key: str, end: Any, known: list[str], where: str) -> None:
    if end not in known:
        raise InputError(f"{key}: no node '{end}'; {did_you_mean(end, known)}", where=where)
