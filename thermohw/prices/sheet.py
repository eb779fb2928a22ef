r"""Price sheets: which model, or which part, stands for each kind of operation.

    format = "thermohw-prices/1"

    [adc]                       # a part, as its data sheet quotes it
    value = "1.10 nJ"
    high = "2.36 nJ"
    bits = 12
    rate = "1 MHz"
    source = "AD7091, Rev A"
    evidence = "measured"

    [mac]                       # a model and its settings
    model = "chip"
    type = "int8"
    node = "7 nm"

A kind without a table is unpriced: `Prices.get` says None. What a model leaves to the run (bits,
rate, size of the weights) is asked for with the price; what the sheet sets wins. A part has the
bits and the rate it was quoted at: a run that asks for more is refused, because its data sheet says
nothing about that.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from thermohw.datasheet.fields import did_you_mean
from thermohw.datasheet.rated import read_rated
from thermohw.errors import InputError
from thermohw.intake import MOST_SPEC, finite, parse_toml, read_text
from thermohw.prices.model import CONDITIONS, PriceModel
from thermohw.prices.models import MODELS, read_model
from thermohw.prices.price import Price
from thermohw.units import engineering, parse

__all__ = ["FORMAT", "PriceEntry", "Prices", "price_sheet_names", "read_prices"]

FORMAT = "thermohw-prices/1"
_TOP = ("format", "description")
_RATED = ("value", "low", "high", "source", "evidence")


@dataclass(frozen=True)
class PriceEntry:
    """One table of a sheet.

    Attributes:
        kind: of operation.
        where: the sheet's name or path, for errors.
        model: a model with its settings, or
        quoted: the price of a part;
        bits: it was quoted at (converters);
        rate: it was quoted at, Hz (converters).
    """

    kind: str
    where: str
    model: PriceModel | None = None
    quoted: Price | None = None
    bits: float | None = None
    rate: float | None = None

    def price(self, **conditions: float | None) -> Price:
        """The price of one operation.

        Args:
            conditions: what the run says, in SI, None where it says nothing: `CONDITIONS[kind]`.

        Raises:
            InputError: a condition that the model needs and neither the run nor the sheet has; one
                beyond the model's range or beyond what the part was quoted at.
            TypeError: a condition of another kind.
        """
        known = CONDITIONS[self.kind]
        if foreign := set(conditions) - set(known):
            raise TypeError(f"no condition of {self.kind}: {', '.join(sorted(foreign))}")
        if self.model is not None:
            try:
                return self.model.price(**conditions)
            except InputError as error:
                place = f"{self.where}: {self.kind}: model '{self.model.name}'"
                raise InputError(error.problem, where=place) from None
        assert self.quoted is not None
        for key, unit in (("bits", ""), ("rate", "Hz")):
            quoted, asked = getattr(self, key), conditions.get(key)
            # A tick is a difference of times: a rate may be off in its last digits.
            if quoted is not None and asked is not None and asked > quoted * (1.0 + 1e-9):
                stated = engineering(self.quoted.value, self.quoted.unit)
                most, wanted = (
                    f"{number:g} bits" if key == "bits" else engineering(number, unit)
                    for number in (quoted, asked)
                )
                problem = f"{key}: {stated} is quoted at {most}; {wanted} asked"
                raise InputError(problem, where=f"{self.where}: {self.kind}")
        return self.quoted


@dataclass(frozen=True)
class Prices:
    """A price sheet.

    Attributes:
        name: stem of its file.
        description: one line for people.
        entries: kind -> entry; an unpriced kind is not among them.
        text: the file, verbatim.
    """

    name: str
    description: str = ""
    entries: Mapping[str, PriceEntry] = field(default_factory=dict)
    text: str = field(default="", repr=False)

    def get(self, kind: str) -> PriceEntry | None:
        """The entry of a kind; None where it is unpriced.

        Raises:
            InputError: no such kind.
        """
        if kind not in CONDITIONS:
            raise InputError(f"no kind of price '{kind}'; {did_you_mean(kind, list(CONDITIONS))}")
        return self.entries.get(kind)


def price_sheet_names() -> list[str]:
    """Names of the price sheets that ship with the package, sorted."""
    shipped = files("thermohw.prices").joinpath("sheets").iterdir()
    return sorted(entry.name[:-5] for entry in shipped if entry.name.endswith(".toml"))


def read_prices(name: str | PathLike[str]) -> Prices:
    """Read a price sheet by name or path.

    Args:
        name: of a shipped sheet ("chip-7nm"), or the path of a TOML file: whatever has a slash or
            ends in .toml.

    Raises:
        InputError: an unknown name, an unreadable file, or whatever is wrong in it: file, table,
            key, and what was expected in one line.
    """
    asked = fspath(name)
    if "/" in asked or "\\" in asked or asked.endswith(".toml"):
        if "\0" not in asked and not os.path.exists(asked):
            shipped = ", ".join(price_sheet_names())
            problem = f"no such price sheet; give a TOML file or a shipped sheet: {shipped}"
            raise InputError(problem, where=asked)
        stem, text = Path(asked).stem, read_text(asked, MOST_SPEC, "price sheet")
    else:
        if asked not in price_sheet_names():
            hint = did_you_mean(asked, price_sheet_names())
            raise InputError(f"unknown price sheet '{asked}'; {hint}")
        shipped_file = files("thermohw.prices").joinpath("sheets", f"{asked}.toml")
        stem, text = asked, shipped_file.read_text(encoding="utf-8")
    return _read(text, stem, asked)


def _read(text: str, name: str, where: str) -> Prices:
    tables = parse_toml(text, where, most=MOST_SPEC)
    if tables.get("format") != FORMAT:
        found = f"{tables['format']!r} is not a price sheet" if "format" in tables else "missing"
        raise InputError(f"format: {found}; expected '{FORMAT}'", where=where)
    description = tables.get("description", "")
    if not isinstance(description, str):
        raise InputError(f"description: expected text, got {description!r}", where=where)
    entries = {}
    for kind, table in tables.items():
        if kind in _TOP:
            continue
        if kind not in CONDITIONS:
            hint = did_you_mean(kind, [*CONDITIONS, *_TOP])
            raise InputError(f"{kind}: unknown table; {hint}", where=where)
        if not isinstance(table, dict):
            problem = f"{kind}: expected a table [{kind}] with a model or a value, got {table!r}"
            raise InputError(problem, where=where)
        entries[kind] = _entry(kind, table, where)
    return Prices(name, description, entries, text)


def _entry(kind: str, table: dict[str, Any], where: str) -> PriceEntry:
    if "model" in table and "value" in table:
        raise InputError(f"{kind}: has a model and a value; expected one of them", where=where)
    if "model" in table:
        if kind not in MODELS:
            raise InputError(f"{kind}.model: there are no models of it; give value", where=where)
        settings = {key: value for key, value in table.items() if key != "model"}
        return PriceEntry(
            kind,
            where,
            read_model(kind, table["model"], settings, where=f"{where}: {kind}"),
        )
    converter = kind in ("adc", "dac")
    known = [*_RATED, *(("bits", "rate") if converter else ())]
    for key in table:
        if key not in known:
            hint = did_you_mean(key, [*known, "model"])
            raise InputError(f"{kind}.{key}: unknown key; {hint}", where=where)
    if "value" not in table:
        raise InputError(f'{kind}: expected model = "..." or value = "..."', where=where)
    for key in ("source", "evidence", *(("rate", "bits") if converter else ())):
        if key not in table or (isinstance(table[key], str) and not table[key].strip()):
            raise InputError(f"{kind}.{key}: missing; a price of one's own needs it", where=where)
    rated = {key: table[key] for key in _RATED if key in table}
    try:
        quoted = Price.of(read_rated(rated, _unit(kind, table["value"])))
    except InputError as error:
        raise InputError(f"{kind}: {error}", where=where) from None
    if not converter:
        return PriceEntry(kind, where, quoted=quoted)
    rate = parse(table["rate"], "Hz", f"{where}: {kind}.rate")
    bits = finite(table["bits"], f"{where}: {kind}.bits")
    for key, number in (("rate", rate), ("bits", bits)):
        if number <= 0.0:
            raise InputError(f"{kind}.{key}: must be positive: {table[key]!r}", where=where)
    return PriceEntry(kind, where, quoted=quoted, bits=bits, rate=rate)


def _unit(kind: str, value: Any) -> str:
    """Watts of what is on all the time; a driver's joules are those of an update."""
    joules = isinstance(value, str) and value.rstrip().endswith("J")
    return "W" if kind == "static" or (kind == "driver" and not joules) else "J"
