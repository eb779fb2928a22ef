"""SPICE netlists as datasheets: `read_netlist("board.cir")`.

    lines, words, numbers, expression     text -> logical lines, words, numbers, formulas
    files, scope, flatten                 includes, parameters, sub-circuits -> flat cards
    cards, values, waves                  R C L K V I in SI at their temperature
    requests                              capacitances and resistances that a deck does not tell
    graph, kron, series                   what sources hold, and nodes without a state, taken out
    tables                                what is left, as the tables of a datasheet

A netlist is turned into the text of a datasheet (`Netlist.toml`), which is then read like any
other: the same checks, the same overrides, and whoever stores it needs no netlist any more. Every
entry says in its `source` which line it comes from; evidence and tolerances, which most netlists do
not know, can be filled in there.

Sources do not belong to a datasheet, whose sources are the controller's; they are kept beside it,
each with its value in time and with what it drives. `Netlist.notes` says, line by line, what was
left to the simulator or understood in one of several ways: nothing is dropped in silence.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from thermohw.datasheet.netlist.analyses import read_dots, start_values
from thermohw.datasheet.netlist.cards import Card, Circuit, read_cards
from thermohw.datasheet.netlist.files import DeckFolder
from thermohw.datasheet.netlist.flatten import flatten
from thermohw.datasheet.netlist.graph import build_graph
from thermohw.datasheet.netlist.requests import (
    add_parasitics,
    add_resistances,
    henries,
    size_of,
    stateless,
)
from thermohw.datasheet.netlist.scope import Notes
from thermohw.datasheet.netlist.series import Chains, reduce
from thermohw.datasheet.netlist.tables import Tables, write_tables
from thermohw.datasheet.netlist.waves import Wave
from thermohw.datasheet.read import read_datasheet
from thermohw.errors import InputError
from thermohw.intake import MOST_SHEET

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.datasheet.sheet import Datasheet

__all__ = ["SUFFIXES", "Netlist", "Source", "is_netlist", "parse_netlist", "read_netlist"]

SUFFIXES = (".cir", ".net", ".sp", ".spi", ".ckt")
"""Files with these endings are netlists."""

_ASKED = re.compile(r"^(parasitic|source_resistance)\s*=\s*(.+)$", re.M)


@dataclass(frozen=True, eq=False)
class Source:
    """An independent source of a netlist; SI.

    Attributes:
        name: of its card, lower case.
        kind: "V" or "I".
        between: the two nodes as written, + first.
        value: at rest, volt or ampere: its DC value, or that of its waveform at the start.
        points: of a PWL, shape (M, 2): second, volt or ampere; else None.
        inner: whether it belongs to an element (its controlled source, or that one's noise).
        wave: "dc", "sin", "pulse", "exp", "sffm", "am" or "pwl".
        acts: what it drives, node -> ampere, inductor -> volt, per unit of the source.
        shifts: node -> coulomb that it pushes there through capacitors, per volt.
    """

    name: str
    kind: str
    between: tuple[str, str]
    value: float
    points: NDArray[Any] | None
    inner: bool
    wave: str = "dc"
    acts: Mapping[str, float] = field(default_factory=dict)
    shifts: Mapping[str, float] = field(default_factory=dict)
    _form: Wave | None = None

    def at(self, seconds: Any) -> NDArray[Any]:
        """Value at times (second), shape of them; see `waves`."""
        if self._form is None:
            return np.full(np.shape(seconds), self.value)
        return self._form.at(seconds)


@dataclass(frozen=True, eq=False)
class Netlist:
    """What a netlist describes.

    Attributes:
        title: its first line.
        datasheet: the circuit.
        toml: the same as the text of a datasheet.
        sources: by name.
        start: initial values by name of a node (volt) or an inductor (ampere), where given.
        notes: what was left out or understood in one of several ways, one line each.
        places: node of the deck -> node of the device that it is (None: ground), and the sources
            that hold it apart from that, volt per volt.
        meaning: node of the device that is none of the deck -> the deck's nodes whose combination
            it is.
    """

    title: str
    datasheet: Datasheet
    toml: str
    sources: dict[str, Source]
    start: dict[str, float]
    notes: tuple[str, ...] = ()
    places: Mapping[str, tuple[str | None, Mapping[str, float]]] = field(default_factory=dict)
    meaning: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


def is_netlist(name: str | PathLike[str]) -> bool:
    """Whether a file's name says that it is a netlist."""
    return fspath(name).lower().endswith(SUFFIXES)


def read_netlist(
    path: str | PathLike[str],
    overrides: Mapping[str, Any] | None = None,
    *,
    parasitic: str | float | None = None,
    source_resistance: str | float | None = None,
) -> Netlist:
    """Read a netlist and what it includes from its own folder.

    Args:
        path: of the file.
        overrides: as of `load_datasheet`; "parasitic" and "source_resistance" are the next ones.
        parasitic: capacitance from every node without a state to ground, text with a unit or
            farad; None takes such nodes out exactly.
        source_resistance: in series with every voltage source, text with a unit or ohm; None
            leaves them ideal: they hold their nodes, which do not fluctuate.

    Raises:
        InputError: a file that cannot be read, or whatever `parse_netlist` refuses.
    """
    name = fspath(path)
    folder = DeckFolder(name)
    text = folder.main(name)
    asked = {"parasitic": parasitic, "source_resistance": source_resistance}
    return _read(text, Path(name).stem, overrides, name, asked, folder)


def parse_netlist(
    text: str,
    name: str,
    overrides: Mapping[str, Any] | None = None,
    *,
    where: str = "",
    parasitic: str | float | None = None,
    source_resistance: str | float | None = None,
) -> Netlist:
    """Read the text of a netlist, which includes nothing.

    Args:
        text: the file.
        name: of the device.
        overrides: as of `load_datasheet`.
        where: named in errors; `name` by default.
        parasitic: see `read_netlist`.
        source_resistance: see `read_netlist`.

    Raises:
        InputError: file and line: a card of another kind, a number that is none, a node without a
            state that cannot be taken out exactly; or what a datasheet refuses of any circuit (no
            way to ground, a loop of inductors, a singular matrix).
    """
    asked = {"parasitic": parasitic, "source_resistance": source_resistance}
    return _read(text, name, overrides, where or name, asked, DeckFolder(None))


def _read(
    text: str, name: str, overrides: Mapping[str, Any] | None, place: str,
    asked: dict[str, Any], folder: DeckFolder,
) -> Netlist:  # fmt: skip
    given = dict(overrides or {})
    notes = Notes()
    deck = flatten(text, place, folder, notes)
    entries = _ASKED.sub("", deck.entries)
    told = {key: value.strip().strip("\"'") for key, value in _ASKED.findall(deck.entries)}
    told |= {key: value for key, value in asked.items() if value is not None}
    told |= {key: given.pop(key) for key in asked if key in given}
    farad, ohm = (
        size_of(told, "parasitic", "F", place),
        size_of(told, "source_resistance", "ohm", place),
    )
    circuit = Circuit()
    started = read_dots(deck, circuit, notes)
    read_cards(deck.cards, circuit)
    if ohm is not None:
        add_resistances(circuit, ohm)
    graph = build_graph(circuit, notes)
    if farad is not None:
        add_parasitics(graph, farad, place)
    chains = Chains(graph, henries(circuit, notes))
    reduce(chains)
    if not any(b.kind in "cl" for b in graph.branches):
        raise stateless(circuit, graph, place)
    tables = write_tables(circuit, chains, place)
    sources = {
        card.name: _source(card, tables) for kind in "vi" for card in circuit.cards[kind]
    }  # fmt: skip
    outer = [source.name for source in sources.values() if not source.inner]
    about = deck.title
    if outer:
        more = f" and {len(outer) - 4} more" if len(outer) > 4 else ""
        about += f" (beside the circuit: {', '.join(outer[:4])}{more})"
    for source in sources.values():
        if source.wave != "dc" and source.points is None:
            notes.say(place, f"'{source.name}' ({source.wave}) is kept beside the circuit, in "
                             "sources; where constants are needed it is "
                             f"{source.value:g} {'V' if source.kind == 'V' else 'A'}")  # fmt: skip
    toml = _toml(tables, about.strip(), entries)
    size = len(toml.encode())
    if size > MOST_SHEET:
        raise InputError(
            f"its datasheet would have {size / 2**20:.1f} MiB, at most {MOST_SHEET >> 20} are "
            "read: leave a part of the circuit out",
            where=place,
        )
    sheet = read_datasheet(toml, name, given or None, where=place)
    start = start_values(started, circuit, chains, tables, notes)
    places = {
        node: (None if root == "0" else tables.nodes[root], graph.offset[node])
        for node, root in graph.root.items() if root in tables.nodes and node != "0"
    }  # fmt: skip
    meaning = {tables.nodes[n]: told for n, told in chains.meaning.items() if n in tables.nodes}
    return Netlist(deck.title, sheet, toml, sources, start, notes.all(), places, meaning)


def _source(card: Card, tables: Tables) -> Source:
    wave = card.wave
    assert wave is not None
    return Source(
        card.name, card.kind.upper(), card.ends, wave.dc, wave.points, card.name in tables.inner,
        wave.kind, tables.acts.get(card.name, {}), tables.shifts.get(card.name, {}), wave,
    )  # fmt: skip


def _toml(found: Tables, description: str, entries: str) -> str:
    lines = ['format = "thermohw-device/1"', f"description = {_inline(description)}"]
    for kind, tables in found.tables.items():
        for entry in tables:
            lines += ["", f"[[{kind}]]"]
            lines += [f"{key} = {_inline(value)}" for key, value in entry.items()]
    return "\n".join([*lines, "", entries])


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
