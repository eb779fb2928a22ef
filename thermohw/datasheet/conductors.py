"""Supplies and nonlinear conductors: transistors and junctions that pass one electron at a time.

    [[supply]]      a terminal of fixed voltage; conductors and capacitors may end there, gates too
    [[transistor]]  a MOS transistor below threshold, from drain to source (n) or source to drain
                    (p); its bulk is tied to its source unless another terminal is named
    [[junction]]    between two terminals: a tunnel junction of a `resistance`, or a diode of a
                    `saturation_current` (and an `ideality`, 1 by default), anode first

Their noise is that of bidirectional Poisson jumps. Gaussian noise on a nonlinear conductor is
thermodynamically inconsistent: with the variance of shot noise it cannot obey the fluctuation
theorem (Wyatt and Coram, IEEE Trans. Electron Devices 46, 184, 1999; Delvenne and Van Brandt,
arXiv:2404.00422), so `noise = "gaussian"` is refused unless
the entry says `approximate = true` beside it; the circuit is then played by the chemical Langevin
equation of the same rates. Linear resistors and inductors do not stand beside these conductors: a
linear conductor of single electrons is a junction with a `resistance`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

from pydantic import BeforeValidator, Field

from thermohw.datasheet.fields import Ampere, Kelvin, Name, Ohm, Table, did_you_mean
from thermohw.datasheet.quantity import Quantity, read_quantity
from thermohw.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from thermohw.datasheet.schema import SheetTable

__all__ = [
    "Conductors",
    "Junction",
    "JunctionTable",
    "Supply",
    "SupplyTable",
    "Transistor",
    "TransistorTable",
    "read_conductors",
]

GROUND = "gnd"
# What else a sheet with supplies and conductors may say.
_COMPANY = ("format", "name", "description", "node", "capacitor", "supply", "transistor",
            "junction", "limits", "cost")  # fmt: skip
Potential = Annotated[
    Quantity, BeforeValidator(lambda entry: read_quantity(entry, "V", signed=True, zero=True))
]
Ratio = Annotated[Quantity, BeforeValidator(lambda entry: read_quantity(entry, ""))]
Noise = Literal["poisson", "gaussian"]


@dataclass(frozen=True)
class Supply:
    """A terminal of fixed voltage (volt, against ground)."""

    name: str
    voltage: Quantity


@dataclass(frozen=True)
class Transistor:
    """A MOS transistor below threshold with a bath of its own.

    With all voltages against the bulk, V_T = kT/q and the signs of an n-channel device,

        I = current exp((V_G - threshold)/(slope V_T)) (exp(-V_S/V_T) - exp(-V_D/V_T))

    Attributes:
        name: its name and its bath's.
        kind: "n" or "p".
        gate: a terminal: node, supply or ground. So are `drain`, `source` and `bulk`.
        drain: where the current of an n-channel device enters.
        source: where it leaves.
        current: at V_GS = threshold and large V_DS, ampere.
        threshold: volt, of V_GS (n) or V_SG (p).
        slope: the subthreshold slope factor n >= 1.
        temperature: of its bath, kelvin.
        bulk: None where it is tied to the source.
        noise: "poisson", or "gaussian" marked approximate.
        approximate: whether an inconsistent noise was asked for knowingly.
    """

    name: str
    kind: str
    gate: str
    drain: str
    source: str
    current: Quantity
    threshold: Quantity
    slope: Quantity
    temperature: Quantity
    bulk: str | None = None
    noise: str = "poisson"
    approximate: bool = False

    @property
    def between(self) -> tuple[str, str]:
        """Terminals in the direction of the forward current."""
        return (self.drain, self.source) if self.kind == "n" else (self.source, self.drain)


@dataclass(frozen=True)
class Junction:
    """A tunnel junction or a diode between two terminals, with a bath of its own.

    Attributes:
        name: its name and its bath's.
        between: two terminals; the anode first.
        temperature: of its bath, kelvin.
        resistance: of a tunnel junction, I = V/R, ohm.
        saturation_current: of a diode, I = I_s exp(V/(n V_T)) (1 - exp(-V/V_T)), ampere.
        ideality: n of a diode; 1 where absent.
        noise: "poisson", or "gaussian" marked approximate.
        approximate: whether an inconsistent noise was asked for knowingly.
    """

    name: str
    between: tuple[str, str]
    temperature: Quantity
    resistance: Quantity | None = None
    saturation_current: Quantity | None = None
    ideality: Quantity | None = None
    noise: str = "poisson"
    approximate: bool = False


class SupplyTable(Table):
    """[[supply]]."""

    name: Name
    voltage: Potential


class TransistorTable(Table):
    """[[transistor]]."""

    name: Name
    kind: Literal["n", "p"]
    gate: str
    drain: str
    source: str
    current: Ampere
    threshold: Potential
    slope: Ratio
    temperature: Kelvin
    bulk: str | None = None
    noise: Noise = "poisson"
    approximate: Annotated[bool, Field(strict=True)] = False


class JunctionTable(Table):
    """[[junction]]."""

    name: Name
    between: tuple[str, str]
    temperature: Kelvin
    resistance: Ohm | None = None
    saturation_current: Ampere | None = None
    ideality: Ratio | None = None
    noise: Noise = "poisson"
    approximate: Annotated[bool, Field(strict=True)] = False


class Conductors(NamedTuple):
    """What a circuit of nonlinear conductors has beside nodes and capacitors."""

    supplies: tuple[Supply, ...] = ()
    transistors: tuple[Transistor, ...] = ()
    junctions: tuple[Junction, ...] = ()

    @property
    def all(self) -> tuple[Transistor | Junction, ...]:
        """Every conductor, in the order of the baths."""
        return (*self.transistors, *self.junctions)


def read_conductors(tables: SheetTable, where: str) -> Conductors:
    """Supplies and conductors of a file; empty where it has none.

    Raises:
        InputError: a terminal that does not exist, a conductor from a terminal to itself, a node
            that no conductor charges, an inconsistent noise not marked approximate, or other
            elements beside which nonlinear conductors cannot stand.
    """
    found = Conductors(
        tuple(Supply(t.name, t.voltage) for t in tables.supply),
        tuple(Transistor(**_entries(Transistor, table)) for table in tables.transistor),
        tuple(Junction(**_entries(Junction, table)) for table in tables.junction),
    )
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


def _entries(kind: type, table: Table) -> dict[str, Any]:
    return {item.name: getattr(table, item.name) for item in fields(kind)}


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
