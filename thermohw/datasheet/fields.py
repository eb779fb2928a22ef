"""The kinds of entries that tables of a datasheet, and of a SPEC, are made of.

A family of elements has its own module (`datasheet/<family>.py`): its frozen records, which are
the tables of a file as well, and its checks. They all build on the annotated types here; `schema`
joins the tables to the shape of a whole file.
"""

from __future__ import annotations

from dataclasses import MISSING, fields
from difflib import get_close_matches
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from thermohw.datasheet.rated import RatedValue, read_rated

__all__ = [
    "GROUND",
    "SURPLUS",
    "Amount",
    "Amounts",
    "Ampere",
    "Coefficient",
    "Count",
    "Factor",
    "Factors",
    "Farad",
    "Flag",
    "Henry",
    "Joule",
    "Kelvin",
    "Name",
    "Natural",
    "NotNegative",
    "Ohm",
    "Record",
    "Table",
    "Volt",
    "VoltPerSecond",
    "Watt",
    "did_you_mean",
    "entries",
    "rated_in",
]

GROUND = "gnd"
"""The reference node: no state, no capacitance of its own."""
SURPLUS = ("extra_forbidden", "unexpected_keyword_argument")
"""What pydantic calls an unknown key, of a table and of a record."""


def rated_in(unit: str) -> BeforeValidator:
    """Reads an entry whose value has this SI unit and is positive."""
    return BeforeValidator(lambda entry: read_rated(entry, unit))


def _with_unit(entry: Any) -> Any:
    if isinstance(entry, int | float) and not isinstance(entry, bool) and entry != 0:
        raise ValueError(f"value without unit: {entry!r}; expected text such as '10 uV' or '5 ns'")
    return entry


Farad = Annotated[RatedValue, rated_in("F")]
Ohm = Annotated[RatedValue, rated_in("ohm")]
Henry = Annotated[RatedValue, rated_in("H")]
Coefficient = Annotated[
    RatedValue, BeforeValidator(lambda entry: read_rated(entry, "", signed=True))
]
Kelvin = Annotated[RatedValue, rated_in("K")]
Volt = Annotated[RatedValue, rated_in("V")]
Ampere = Annotated[RatedValue, rated_in("A")]
VoltPerSecond = Annotated[RatedValue, rated_in("V/s")]
Joule = Annotated[RatedValue, rated_in("J")]
Watt = Annotated[RatedValue, rated_in("W")]
# Dots separate the parts of a key and brackets hold the index of a cell, so a name has neither.
Name = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_-]*$")]


Flag = Annotated[bool, Field(strict=True)]
Count = Annotated[int, Field(strict=True, ge=1)]
Natural = Annotated[int, Field(strict=True, ge=0)]
NotNegative = Annotated[float, Field(ge=0)]
Factor = Annotated[float, Field(gt=0)]
Factors = Factor | list[Factor]
Amount = Annotated[str | float, BeforeValidator(_with_unit)]
Amounts = Amount | list[Amount]
_CONFIG = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class Table(BaseModel):
    """A table: unknown keys are refused, what was read stays as it is."""

    model_config = _CONFIG


class Record:
    """A dataclass that is read as a `Table` is where it stands in a file; made in Python, it takes
    what it is given.
    """

    __pydantic_config__ = _CONFIG


def entries(kind: type) -> dict[str, bool]:
    """Entries of a `Table` or `Record`, and whether each is required."""
    if issubclass(kind, BaseModel):
        return {name: entry.is_required() for name, entry in kind.model_fields.items()}
    return {entry.name: entry.default is MISSING for entry in fields(kind)}  # type: ignore[arg-type]


def did_you_mean(word: str, known: list[str]) -> str:
    """A remark on the closest known word, or the list of them."""
    close = get_close_matches(word, known, n=1)
    return f"did you mean '{close[0]}'?" if close else f"known: {', '.join(known)}"
