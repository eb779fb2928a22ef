"""The shape of a datasheet file, and one line for whatever does not fit it.

Pydantic checks the tables against the records of every family and the models below: a key that no
table has is refused with the key that was probably meant, every quantity is read with its unit,
every name can be part of a dotted key. What concerns several tables at once (names that exist,
cells that repeat) is checked in `assemble`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field, ValidationError

from thermohw.datasheet.active import Amplifier, Solver, Transconductor
from thermohw.datasheet.conductors import Junction, Supply, Transistor
from thermohw.datasheet.fields import (
    SURPLUS,
    Coefficient,
    Farad,
    Flag,
    Henry,
    Kelvin,
    Name,
    Ohm,
    Record,
    Table,
    did_you_mean,
    entries,
)
from thermohw.datasheet.noises import NoiseTable
from thermohw.datasheet.quartic import Bilinear, QuarticUnit
from thermohw.datasheet.sheet import Capacitor, Cost, Inductor, Limits, Mutual, Node, Resistor
from thermohw.errors import InputError

__all__ = [
    "FORMAT",
    "TABLES",
    "ArrayTable",
    "CouplingTable",
    "SheetTable",
    "read_tables",
]

FORMAT = "thermohw-device/1"


def _one_or_more(entry: Any) -> Any:
    return (entry,) if isinstance(entry, str) else entry


class CouplingTable(Table):
    """[[array.coupling]]: one element between neighbouring cells."""

    name: Name
    between: tuple[str, str]
    axis: Annotated[int, Field(strict=True, ge=0)] | None = None
    ring: Flag = False
    resistance: Ohm | None = None
    temperature: Kelvin | None = None
    source: Flag = False
    capacitance: Farad | None = None
    inductance: Henry | None = None
    series_resistance: Ohm | None = None
    k: Coefficient | None = None


class ArrayTable(Table):
    """[array]."""

    cell: Annotated[tuple[str, ...], BeforeValidator(_one_or_more), Field(min_length=1)]
    shape: Annotated[
        tuple[Annotated[int, Field(strict=True, ge=1)], ...],
        Field(min_length=1, max_length=3),
    ]
    coupling: tuple[CouplingTable, ...] = ()


class SheetTable(Table):
    """A whole file."""

    format: Literal["thermohw-device/1"]
    name: Name | None = None
    description: str = ""
    node: tuple[Node, ...] = ()
    resistor: tuple[Resistor, ...] = ()
    capacitor: tuple[Capacitor, ...] = ()
    inductor: tuple[Inductor, ...] = ()
    mutual: tuple[Mutual, ...] = ()
    amplifier: tuple[Amplifier, ...] = ()
    transconductor: tuple[Transconductor, ...] = ()
    solver: Solver | None = None
    supply: tuple[Supply, ...] = ()
    transistor: tuple[Transistor, ...] = ()
    junction: tuple[Junction, ...] = ()
    quartic: tuple[QuarticUnit, ...] = ()
    bilinear: tuple[Bilinear, ...] = ()
    noise: tuple[NoiseTable, ...] = ()
    array: ArrayTable | None = None
    limits: Limits = Limits()
    cost: Cost = Cost()


TABLES = {"": entries(SheetTable), "array.coupling": entries(CouplingTable)}
"""Name of every table -> its entries and whether each is required; the whole file has no name."""

for _name, _field in SheetTable.model_fields.items():
    for _kind in (_field.annotation, *get_args(_field.annotation)):
        if isinstance(_kind, type) and issubclass(_kind, Table | Record):
            TABLES[_name] = entries(_kind)


def read_tables(raw: dict[str, Any], where: str) -> SheetTable:
    """Check the parsed TOML of a datasheet against the models.

    Raises:
        InputError: naming the file, the dotted key, the value and what was expected.
    """
    if not raw.get("node") and not raw.get("inductor"):
        raise InputError("node: at least one [[node]] is needed", where=where)
    try:
        tables = SheetTable.model_validate(raw)
        _check_bare(tables, raw, where)
        return tables
    except ValidationError as error:
        # A misspelt key shows up twice, as one missing and one too many; the latter explains more.
        faults = error.errors(include_url=False)
        fault = min(faults, key=lambda fault: fault["type"] not in SURPLUS)
        key, table = _locate(raw, fault["loc"])
        raise InputError(f"{key}: {_explain(fault, table)}", where=where) from None


def _check_bare(tables: SheetTable, raw: dict[str, Any], where: str) -> None:
    """A node of 0 F is held by a coupling capacitor, or by nothing."""
    couplings = tables.array.coupling if tables.array else ()
    shared = [*tables.capacitor, *(c for c in couplings if c.capacitance is not None)]
    held = {end for item in shared for end in item.between}
    for node, entry in zip(tables.node, raw.get("node", ()), strict=True):
        if node.capacitance.value == 0.0 and (node.name not in held or tables.quartic):
            told = entry["capacitance"]
            told = told["value"] if isinstance(told, dict) else told
            raise InputError(f"{node.name}.capacitance: must be positive: {told!r}", where=where)


def _locate(raw: Any, loc: tuple[int | str, ...]) -> tuple[str, str]:
    """The dotted key a person would use for a place in the file, and the table it is in."""
    if len(loc) >= 4 and loc[:2] == ("array", "coupling"):
        table, entries, index, rest = "array.coupling", raw["array"]["coupling"], loc[2], loc[3:]
    elif len(loc) >= 2 and isinstance(loc[1], int):
        table, entries, index, rest = str(loc[0]), raw[loc[0]], loc[1], loc[2:]
    else:
        table = str(loc[0]) if len(loc) >= 2 and loc[0] in TABLES else ""
        return ".".join(str(part) for part in loc), table
    entry = entries[index]
    name = entry.get("name") if isinstance(entry, dict) else None
    owner = name if isinstance(name, str) and rest[:1] != ("name",) else f"{table}[{index}]"
    return ".".join([owner, *(str(part) for part in rest)]), table


def _explain(fault: Any, table: str) -> str:
    kind, value = fault["type"], fault.get("input")
    match kind:
        case _ if kind in SURPLUS:
            return f"unknown key; {did_you_mean(str(fault['loc'][-1]), [*TABLES[table]])}"
        case "missing" if isinstance(fault["loc"][-1], int):
            return f"two {'inductor' if table == 'mutual' else 'node'} names are needed"
        case "missing":
            return "missing" + (f"; expected '{FORMAT}'" if fault["loc"] == ("format",) else "")
        case "tuple_type" if isinstance(value, dict):
            return "one of a list; write double brackets, [[...]]"
        case "value_error":  # ours, from reading a quantity
            return str(fault["ctx"]["error"])
        case "string_pattern_mismatch":
            return f"{value!r}: a name has letters, digits, _ and - and starts with a letter or _"
        case "literal_error" if fault["loc"] != ("format",):
            return f"{value!r}: expected {fault['ctx']['expected']}"
        case "literal_error":
            return f"{value!r} is not a device datasheet; expected '{FORMAT}'"
    return f"{str(fault['msg'])[:1].lower()}{str(fault['msg'])[1:]}: {repr(value)[:60]}"
