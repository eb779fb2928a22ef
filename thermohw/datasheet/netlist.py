"""SPICE netlists as datasheets: `read_netlist("board.cir")`.

A netlist is turned into the text of a datasheet (`Netlist.toml`), which is then read like any
other: the same checks, the same overrides, and whoever stores it needs no netlist any more. Every
entry says in its `source` which line it comes from; evidence and tolerances, which most netlists do
not know, can be filled in there.

Sources that are no part of an element - waveforms, a bias - do not belong to a datasheet, whose
sources are the controller's; they are kept beside it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from thermohw.datasheet.netlist_cards import read_cards
from thermohw.datasheet.netlist_tables import Recognised, recognise
from thermohw.intake import MOST_NETLIST, read_text

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.datasheet.sheet import Datasheet

__all__ = ["SUFFIXES", "Netlist", "Source", "is_netlist", "parse_netlist", "read_netlist"]

SUFFIXES = (".cir", ".net", ".sp", ".spi", ".ckt")
"""Files with these endings are netlists."""


@dataclass(frozen=True, eq=False)
class Source:
    """An independent source of a netlist; SI.

    Attributes:
        name: of its card, lower case.
        kind: "V" or "I".
        between: the two nodes as written, + first.
        value: constant, volt or ampere (0 for a waveform).
        points: of a PWL, shape (M, 2): second, volt or ampere; else None.
        inner: whether it belongs to an element (its controlled source, or that one's noise).
    """

    name: str
    kind: str
    between: tuple[str, str]
    value: float
    points: NDArray[Any] | None
    inner: bool

    def at(self, seconds: Any) -> NDArray[Any]:
        """Value at times (second), linear between points and constant beyond them."""
        times = np.asarray(seconds, dtype=float)
        if self.points is None:
            return np.full(times.shape, self.value)
        return np.interp(times, self.points[:, 0], self.points[:, 1])


@dataclass(frozen=True, eq=False)
class Netlist:
    """What a netlist describes.

    Attributes:
        title: its first line.
        datasheet: the circuit.
        toml: the same as the text of a datasheet.
        sources: by name.
        start: initial values by name of a node (volt) or an inductor (ampere), where given.
    """

    title: str
    datasheet: Datasheet
    toml: str
    sources: dict[str, Source]
    start: dict[str, float]


def is_netlist(name: str | PathLike[str]) -> bool:
    """Whether a file's name says that it is a netlist."""
    return fspath(name).lower().endswith(SUFFIXES)


def read_netlist(path: str | PathLike[str], overrides: Mapping[str, Any] | None = None) -> Netlist:
    """Read a netlist of R, C, L, K, V, I and PWL cards.

    Args:
        path: of the file.
        overrides: as of `load_datasheet`.

    Raises:
        InputError: a file that cannot be read, or whatever `parse_netlist` refuses.
    """
    name = fspath(path)
    text = read_text(name, MOST_NETLIST, "netlist")
    return parse_netlist(text, Path(name).stem, overrides, where=name)


def parse_netlist(
    text: str, name: str, overrides: Mapping[str, Any] | None = None, *, where: str = ""
) -> Netlist:
    """Read the text of a netlist.

    Args:
        text: the file.
        name: of the device.
        overrides: as of `load_datasheet`.
        where: named in errors; `name` by default.

    Raises:
        InputError: file and line: a card of another kind, a number that is none, a node without a
            state; or what a datasheet refuses of any circuit (no way to ground, a loop of
            inductors, a singular matrix).
    """
    from thermohw.datasheet.load import read_datasheet

    place = where or name
    file = read_cards(text, place)
    found = recognise(file)
    sources = {
        card.name: Source(
            card.name, kind.upper(), card.ends, card.value,
            np.array(card.points) if card.points else None, card.name in found.inner,
        )
        for kind in "vi" for card in file.cards[kind]
    }  # fmt: skip
    outer = [source.name for source in sources.values() if not source.inner]
    about = file.title
    if outer:
        more = f" and {len(outer) - 4} more" if len(outer) > 4 else ""
        about += f" (beside the circuit: {', '.join(outer[:4])}{more})"
    toml = _toml(found, about.strip())
    sheet = read_datasheet(toml, name, overrides, where=place)
    return Netlist(file.title, sheet, toml, sources, _start(found))


def _start(found: Recognised) -> dict[str, float]:
    start = {}
    for card in found._caps:
        if "ic" in card.options:
            sign = 1.0 if card.ends[1] == "0" else -1.0
            node = card.ends[0] if sign > 0.0 else card.ends[1]
            start[found.nodes[node]] = sign * card.options["ic"]
    start |= {found.nodes[n]: v for n, v in found.file.start.items() if n in found.nodes}
    inductors = found.file.cards["l"]
    return start | {found.called(c): c.options["ic"] for c in inductors if "ic" in c.options}


def _toml(found: Recognised, description: str) -> str:
    lines = ['format = "thermohw-device/1"', f"description = {_inline(description)}"]
    for kind, entries in found.tables.items():
        for entry in entries:
            lines += ["", f"[[{kind}]]"]
            lines += [f"{key} = {_inline(value)}" for key, value in entry.items()]
    return "\n".join([*lines, "", found.file.entries])


def _inline(value: Any) -> str:
    """A value as TOML."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_inline(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_inline, value)) + "]"
    if isinstance(value, str):
        return json.dumps("".join(c if c.isprintable() else " " for c in value), ensure_ascii=False)
    return repr(value)
