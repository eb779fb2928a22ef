"""What hangs together in a netlist: from cards to the tables of a datasheet.

    a capacitor from a node to ground       the node's own capacitance (several add up)
    a voltage source in series with R       the resistor's controlled source
    a resistor in series with L             the inductor's series resistance, with its own bath
    a constant current beside that          the inductor's controlled source
    any other current or voltage            not part of the circuit: listed with its waveform

"In series" means: through a point without any capacitor where nothing else ends. Every other node
needs a capacitor to ground, since without one it has no state; the error names the line.

Names: an element is called like its card, R1 -> "r1"; a prefix as in R_load is taken off. A node
that is a number gets an n, 1 -> "n1".
"""

from __future__ import annotations

import re
from typing import Any

from thermohw.datasheet.netlist_cards import Card, CardFile
from thermohw.datasheet.sheet import GROUND

__all__ = ["Recognised", "recognise"]

_RESERVED = (GROUND, "ground", "limits", "cost", "array", "name", "description", "format")


class Recognised:
    """Tables of a netlist, and how its names became the datasheet's.

    Attributes:
        tables: node, resistor, capacitor, inductor, mutual: lists of entries as in a TOML file.
        nodes: SPICE node -> name of the datasheet.
        elements: card -> name of the datasheet.
        inner: sources that belong to an element.
    """

    def __init__(self, file: CardFile) -> None:
        self.file = file
        self.tables: dict[str, list[dict[str, Any]]] = {}
        self.nodes: dict[str, str] = {"0": GROUND}
        self.elements: dict[str, str] = {}
        self.inner: set[str] = set()
        self._taken: set[str] = set(_RESERVED)
        self._caps = [card for card in file.cards["c"] if "0" in card.ends]
        self._voltages = {card.name: card for card in file.cards["v"]}
        self._resistors = {card.name: card for card in file.cards["r"]}
        self._touched: dict[str, list[tuple[str, str]]] = {}
        for kind in "rlcv":
            for card in file.cards[kind]:
                for end in card.ends:
                    self._touched.setdefault(end, []).append((kind, card.name))
        for card in self._caps:
            node = _other(card.ends, "0")
            if node not in self.nodes:
                self.nodes[node] = self._name(node)

    def _name(self, spice: str, letter: str = "n") -> str:
        base = re.sub(r"[^a-z0-9_-]+", "_", spice).strip("_") or letter
        base = base if base[0].isalpha() or base[0] == "_" else letter + base
        unique, tail = base, 2
        while unique in self._taken:
            unique, tail = f"{base}_{tail}", tail + 1
        self._taken.add(unique)
        return unique

    def called(self, card: Card) -> str:
        """The name of a card in the datasheet."""
        if card.name not in self.elements:
            bare = card.name[2:] if card.name[1:2] == "_" and len(card.name) > 2 else card.name
            self.elements[card.name] = self._name(bare, card.kind)
        return self.elements[card.name]

    def through(self, node: str, kind: str, wanted: str) -> str | None:
        """Card of the `wanted` kind behind an inner point that a `kind` element ends at."""
        if node == "0" or node in self.nodes:
            return None
        kinds = sorted(k for k, _ in self._touched[node])
        if kinds != sorted((kind, wanted)):
            return None
        return next(name for k, name in self._touched[node] if k == wanted)

    def between(self, card: Card, ends: list[str]) -> list[str]:
        """Datasheet names of an element's two nodes.

        Raises:
            InputError: one of them has no capacitor to ground.
        """
        for end in ends:
            if end not in self.nodes:
                raise self.file.fail(
                    card.line,
                    f"'{card.name}': node '{end}' has no capacitor to ground, hence no state; "
                    "add its parasitic capacitance",
                )
        return [self.nodes[end] for end in ends]

    def quantity(self, card: Card, unit: str) -> dict[str, Any]:
        """An entry of a card's value."""
        entry: dict[str, Any] = {"value": f"{card.value!r} {unit}".strip()}
        if "tolerance" in card.options:
            entry["tolerance"] = card.options["tolerance"]
        return entry | {"source": f"{self.file.where}, line {card.line}"}

    def bath(self, card: Card) -> dict[str, Any]:
        """The temperature of a resistor."""
        kelvin = round(card.options.get("temp", self.file.celsius) + 273.15, 9)
        entry: dict[str, Any] = {"value": f"{kelvin!r} K"}
        if "temperature_tolerance" in card.options:
            entry["tolerance"] = card.options["temperature_tolerance"]
        given = "temp=" if "temp" in card.options else ".temp"
        return entry | {"source": f"{self.file.where}, {given} of line {card.line}"}


def recognise(file: CardFile) -> Recognised:
    """Tell elements, their own sources and all others apart.

    Raises:
        InputError: naming the line: a node without a capacitor to ground, a voltage source that
            is in series with nothing, two resistors in series with an inductor, a K card whose
            inductor does not exist.
    """
    found = Recognised(file)
    tables = found.tables
    tables["node"] = _nodes(found)
    # In the order in which the state and the baths of a device follow each other.
    series: dict[str, tuple[Card, list[str]]] = {}
    used: set[str] = set()
    for card in file.cards["l"]:
        series[card.name] = _branch(found, card, used)
    tables["resistor"] = []
    for card in file.cards["r"]:
        if card.name in used:
            continue
        ends, source = list(card.ends), False
        for place, node in enumerate(card.ends):
            other = found.through(node, "r", "v")
            if other is not None:
                ends[place], source = _other(found._voltages[other].ends, node), True
                found.inner.add(other)
        tables["resistor"].append(
            {"name": found.called(card), "between": found.between(card, ends),
             "resistance": found.quantity(card, "ohm"), "temperature": found.bath(card),
             "source": source}
        )  # fmt: skip
    tables["capacitor"] = [
        {"name": found.called(card), "between": found.between(card, list(card.ends)),
         "capacitance": found.quantity(card, "F")}
        for card in file.cards["c"] if "0" not in card.ends
    ]  # fmt: skip
    tables["inductor"] = [_inductor(found, c, *series[c.name]) for c in file.cards["l"]]
    tables["mutual"] = [_mutual(found, card) for card in file.cards["k"]]
    for card in file.cards["v"]:
        if card.name not in found.inner:
            raise file.fail(card.line, f"'{card.name}': a voltage source must be in series with "
                            "one resistor or inductor")  # fmt: skip
    return found


def _other(ends: tuple[str, str], node: str) -> str:
    return ends[1] if ends[0] == node else ends[0]


def _nodes(found: Recognised) -> list[dict[str, Any]]:
    parts: dict[str, list[Card]] = {}
    for card in found._caps:
        parts.setdefault(_other(card.ends, "0"), []).append(card)
    entries = []
    for node, cards in parts.items():
        entry = found.quantity(cards[0], "F")
        if len(cards) > 1:
            lines = ", ".join(str(card.line) for card in cards)
            total = sum(card.value for card in cards)
            entry = {"value": f"{total!r} F", "source": f"{found.file.where}, lines {lines}"}
        entries.append({"name": found.nodes[node], "capacitance": entry})
    return entries


def _branch(found: Recognised, card: Card, used: set[str]) -> tuple[Any, list[str]]:
    """The resistor in series with an inductor (or None), and the ends of the whole branch."""
    ends, series = list(card.ends), None
    for place, node in enumerate(card.ends):
        other = found.through(node, "l", "v")
        if other is not None:
            ends[place] = _other(found._voltages[other].ends, node)
            found.inner.add(other)
    for place, node in enumerate(list(ends)):
        other = found.through(node, "l", "r") or found.through(node, "v", "r")
        if other is None:
            continue
        if series is not None:
            raise found.file.fail(card.line, f"'{card.name}': two resistors in series with it")
        series = found._resistors[other]
        used.add(other)
        ends[place] = _other(series.ends, node)
        beyond = found.through(ends[place], "r", "v")
        if beyond is not None and beyond not in found.inner:  # its noise
            ends[place] = _other(found._voltages[beyond].ends, ends[place])
            found.inner.add(beyond)
    return series, ends


def _inductor(found: Recognised, card: Card, series: Card | None, ends: list[str]) -> dict:
    entry: dict[str, Any] = {"name": found.called(card), "between": found.between(card, ends),
                             "inductance": found.quantity(card, "H")}  # fmt: skip
    if series is None:
        return entry
    beside = [
        source for source in found.file.cards["i"]
        if not source.points and {*source.ends} == {*series.ends}
    ]  # fmt: skip
    found.inner |= {source.name for source in beside}
    return entry | {"series_resistance": found.quantity(series, "ohm"),
                    "temperature": found.bath(series), "source": bool(beside)}  # fmt: skip


def _mutual(found: Recognised, card: Card) -> dict[str, Any]:
    known = {inductor.name: inductor for inductor in found.file.cards["l"]}
    for end in card.ends:
        if end not in known:
            raise found.file.fail(card.line, f"'{card.name}': no inductor '{end}'")
    return {"name": found.called(card), "between": [found.called(known[e]) for e in card.ends],
            "k": found.quantity(card, "")}  # fmt: skip
