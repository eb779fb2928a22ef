"""What a datasheet says, as frozen records of SI numbers.

A sheet lists nodes (each with its capacitance to ground), resistors (each with its own bath, named
after it) and coupling capacitors, together with the limits and the costs of what drives them. An
array has already been written out: its elements carry the index of their cell, "r0[0,3]".

Two sheets with the same numbers have the same `content_hash`, however they were written: it is
the SHA-256 of the canonical JSON of `content()`, which leaves out names of files, prose, sources
and evidence.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any

from thermohw.datasheet.quantity import Quantity

__all__ = ["GROUND", "Capacitor", "Cost", "Datasheet", "Limits", "Node", "Resistor"]

GROUND = "gnd"
"""The reference node: no state, no capacitance of its own."""


@dataclass(frozen=True)
class Node:
    """A circuit node; `capacitance` goes from it to ground."""

    name: str
    capacitance: Quantity


@dataclass(frozen=True)
class Resistor:
    """A resistor between two nodes with a bath of its own.

    Attributes:
        name: its name and its bath's.
        between: two node names, at most one of them ground.
        resistance: ohm.
        temperature: of its bath, kelvin.
        source: whether it carries a controlled voltage source in series.
    """

    name: str
    between: tuple[str, str]
    resistance: Quantity
    temperature: Quantity
    source: bool = False


@dataclass(frozen=True)
class Capacitor:
    """A capacitor between two nodes."""

    name: str
    between: tuple[str, str]
    capacitance: Quantity


@dataclass(frozen=True)
class _Optional:
    """Entries that a sheet may leave out."""

    def values(self) -> dict[str, float]:
        """The entries that are there, name -> SI float; what is absent is not in it."""
        entries = {item.name: getattr(self, item.name) for item in fields(self)}
        return {name: entry.value for name, entry in entries.items() if entry is not None}


@dataclass(frozen=True)
class Limits(_Optional):
    """What the electronics can do; None where the sheet sets no limit.

    Attributes:
        rail: largest magnitude of a node or source voltage, volt.
        current: largest magnitude of a source's current, ampere.
        slew: largest rate of change of a source's voltage, volt per second.
        dac_full_scale: largest magnitude that the converter puts out, volt.
    """

    rail: Quantity | None = None
    current: Quantity | None = None
    slew: Quantity | None = None
    dac_full_scale: Quantity | None = None


@dataclass(frozen=True)
class Cost(_Optional):
    """What operations cost, joule each; None where unpriced, which is not zero.

    Attributes:
        adc: one conversion of a node voltage to a number.
        dac: one conversion of a number to a source voltage or current.
        mac: one multiply-accumulate of the score's arithmetic.
    """

    adc: Quantity | None = None
    dac: Quantity | None = None
    mac: Quantity | None = None


@dataclass(frozen=True)
class Datasheet:
    """A validated datasheet.

    Attributes:
        name: of the device, the file's stem unless the file says otherwise.
        description: one line for people.
        nodes: in the order of the state vector.
        resistors: in the order of the baths.
        capacitors: coupling capacitors (the nodes' own are with the nodes).
        limits: of the electronics.
        cost: of operations.
        shape: of the array, () without one.
        text: the file, verbatim.
        overrides: entries replaced on loading, dotted key -> what replaced them.
    """

    name: str
    description: str
    nodes: tuple[Node, ...]
    resistors: tuple[Resistor, ...]
    capacitors: tuple[Capacitor, ...] = ()
    limits: Limits = Limits()
    cost: Cost = Cost()
    shape: tuple[int, ...] = ()
    text: str = field(default="", repr=False)
    overrides: dict[str, Any] = field(default_factory=dict)

    def content(self) -> dict[str, Any]:
        """Everything that a computation can depend on, as plain JSON types in SI."""
        return {
            "nodes": [_plain(node) for node in self.nodes],
            "resistors": [_plain(resistor) for resistor in self.resistors],
            "capacitors": [_plain(capacitor) for capacitor in self.capacitors],
            "limits": _plain(self.limits),
            "cost": _plain(self.cost),
            "shape": list(self.shape),
        }

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of the canonical content, 64 hexadecimal digits."""
        canonical = json.dumps(self.content(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    def quantities(self) -> dict[str, Quantity | None]:
        """Every entry by its dotted key, e.g. "r0.resistance", "limits.rail"; None where absent."""
        owners = {item.name: item for item in (*self.nodes, *self.resistors, *self.capacitors)}
        owners |= {"limits": self.limits, "cost": self.cost}
        return {
            f"{name}.{f.name}": value
            for name, owner in owners.items()
            for f in fields(owner)
            if (value := getattr(owner, f.name)) is None or isinstance(value, Quantity)
        }


def _plain(record: Any) -> dict[str, Any]:
    """A record as JSON types: a quantity becomes [value, tolerance], its prose is left out."""
    plain = {}
    for item in fields(record):
        value = getattr(record, item.name)
        if isinstance(value, Quantity):
            value = [value.value, value.tolerance]
        plain[item.name] = list(value) if isinstance(value, tuple) else value
    return plain
