"""The kinds of entries that tables of a datasheet are made of.

A family of elements has its own module (`datasheet/<family>.py`): its frozen records, which are
the tables of a file as well, and its checks. They all build on the annotated types here; `schema`
joins the tables to the shape of a whole file.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from thermohw.datasheet.rated import RatedValue, read_rated

__all__ = [
    "GROUND",
    "Ampere",
    "Coefficient",
    "Farad",
    "Flag",
    "Henry",
    "Joule",
    "Kelvin",
    "Name",
    "Ohm",
    "Record",
    "Table",
    "Volt",
    "VoltPerSecond",
    "did_you_mean",
    "rated_in",
]

GROUND = "gnd"
"""The reference node: no state, no capacitance of its own."""


def rated_in(unit: str) -> BeforeValidator:
    """Reads an entry whose value has this SI unit and is positive."""
    return BeforeValidator(lambda entry: read_rated(entry, unit))


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
# Dots separate the parts of a key and brackets hold the index of a cell, so a name has neither.
Name = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_-]*$")]


Flag = Annotated[bool, Field(strict=True)]
_CONFIG = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class Table(BaseModel):
    """A table: unknown keys are refused, what was read stays as it is."""

    model_config = _CONFIG


class Record:
    """A dataclass that is read as a `Table` is where it stands in a file; made in Python, it takes
    what it is given.
    """

    __pydantic_config__ = _CONFIG


def did_you_mean(word: str, known: list[str]) -> str:
    """A remark on the closest known word, or the list of them."""
    close = get_close_matches(word, known, n=1)
    return f"did you mean '{close[0]}'?" if close else f"known: {', '.join(known)}"
