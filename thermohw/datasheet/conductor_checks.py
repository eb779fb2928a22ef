"""Supplies and nonlinear conductors of a file, read and checked as a whole circuit.

Every terminal exists, every conductor joins two of them and has one law, every node exchanges
charge with a supply or ground, and one kind of noise, consistent or knowingly approximate, plays
them all. The state of such a circuit is a number of electrons on every node: nodes, capacitors and
supplies are all that stands beside these conductors (`datasheet.conductors`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from thermohw.datasheet.conductors import Conductors, Junction, Transistor
from thermohw.datasheet.fields import GROUND, did_you_mean
from thermohw.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from thermohw.datasheet.schema import SheetTable

__all__ = ["read_conductors"]

# What else a sheet with supplies and conductors may say.
_COMPANY = ("format", "name", "description", "node", "capacitor", "supply", "transistor",
            "junction", "limits", "cost")  # fmt: skip


def read_conductors(tables: SheetTable, where: str) -> Conductors:
    """Supplies and conductors of a file; empty where it has none.

    Raises:
        InputError: a terminal that does not exist, a conductor from a terminal to itself, a node
            that no conductor charges, an inconsistent noise not marked approximate, or other
            elements beside which nonlinear conductors cannot stand.
    """
    found = Conductors(tables.supply, tables.transistor, tables.junction)
    if not any(found):
        return found
    if not found.all:
        raise InputError(
            f"{found.supplies[0].name}: a supply feeds a [[transistor]] or a [[junction]]; "
            "there is none",
            where=where,
        )
    _check_company(tables, where)
    terminals = [*(node.name for node in tables.node), *(s.name for s in found.supplies), GROUND]
    for conductor in found.all:
        _check_terminals(conductor, terminals, where)
        if isinstance(conductor, Junction):
            _check_law(conductor, where)
        elif conductor.slope.value < 1.0:
            raise InputError(
                f"{conductor.name}.slope: {conductor.slope.value:g}; a slope factor is at least 1",
                where=where,
            )
    _check_noise(found.all, where)
    _check_reach(tables, found, where)
    return found


def _check_company(tables: SheetTable, where: str) -> None:
    if tables.resistor:
        raise InputError(
            f"{tables.resistor[0].name}: a resistor is a linear element with Gaussian noise and "
            "does not stand beside nonlinear conductors; write a [[junction]] with a resistance",
            where=where,
        )
    for family in type(tables).model_fields:
        if family not in _COMPANY and getattr(tables, family):
            raise InputError(
                f"{family}: does not stand beside nonlinear conductors, whose state is a number of "
                "electrons on every node; these circuits have nodes, capacitors and supplies",
                where=where,
            )


def _check_terminals(conductor: Transistor | Junction, known: list[str], where: str) -> None:
    named = (
        {"between": conductor.between}
        if isinstance(conductor, Junction)
        else {key: (getattr(conductor, key),) for key in ("gate", "drain", "source", "bulk")}
    )
    for key, ends in named.items():
        for end in ends:
            if end is not None and end not in known:
                raise InputError(
                    f"{conductor.name}.{key}: no terminal '{end}'; {did_you_mean(end, known)}",
                    where=where,
                )
    a, b = conductor.between
    if a == b:
        raise InputError(
            f"{conductor.name}: joins '{a}' to itself; expected two different terminals",
            where=where,
        )


def _check_law(junction: Junction, where: str) -> None:
    if (junction.resistance is None) == (junction.saturation_current is None):
        raise InputError(
            f"{junction.name}: give either resistance (a tunnel junction) or saturation_current "
            "(a diode)",
            where=where,
        )
    if junction.ideality is not None and junction.saturation_current is None:
        raise InputError(f"{junction.name}.ideality: belongs to a saturation_current", where=where)


def _check_noise(conductors: Iterable[Transistor | Junction], where: str) -> None:
    kinds = {conductor.noise for conductor in conductors}
    for conductor in conductors:
        if conductor.noise == "gaussian" and not conductor.approximate:
            raise InputError(
                f"{conductor.name}.noise: Gaussian noise on a nonlinear conductor is "
                "thermodynamically inconsistent (arXiv:2404.00422); leave it out for "
                "Poisson jumps, or write approximate = true beside it",
                where=where,
            )
        if conductor.noise == "poisson" and conductor.approximate:
            raise InputError(
                f"{conductor.name}.approximate: Poisson jumps are exact; it belongs to "
                'noise = "gaussian"',
                where=where,
            )
        if len(kinds) > 1:
            raise InputError(
                f"{conductor.name}.noise: {conductor.noise}, but other conductors of this circuit "
                "have another; one circuit is played by one kind of noise",
                where=where,
            )


def _check_reach(tables: SheetTable, found: Conductors, where: str) -> None:
    """Every node must exchange charge with ground or a supply, directly or through others."""
    reached = {GROUND, *(supply.name for supply in found.supplies)}
    joined = [set(conductor.between) for conductor in found.all]
    while fresh := {end for ends in joined if ends & reached for end in ends - reached}:
        reached |= fresh
    for node in tables.node:
        if node.name not in reached:
            raise InputError(
                f"{node.name}: no chain of conductors joins this node to a supply or {GROUND}, so "
                "its charge never changes; add a [[transistor]] or a [[junction]]",
                where=where,
            )
