"""What a datasheet says, as frozen records of SI numbers.

A sheet lists nodes (each with its capacitance to ground), resistors (each with its own bath, named
after it), coupling capacitors, inductors (one with a series resistance has a bath too, named after
it) and mutual inductances, together with the limits and the costs of what drives them. An array has
already been written out: its elements carry the index of their cell, "r0[0,3]".

Two sheets with the same numbers have the same `content_hash`, however they were written: it is
the SHA-256 of the canonical JSON of `content()`, which leaves out names of files, prose, sources,
evidence and the spread of prices.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Annotated, Any

from pydantic import BeforeValidator

from thermohw.datasheet.active import Amplifier, Solver, Transconductor
from thermohw.datasheet.conductors import Conductors
from thermohw.datasheet.fields import (
    Ampere,
    Coefficient,
    Farad,
    Flag,
    Henry,
    Joule,
    Kelvin,
    Name,
    Ohm,
    Record,
    Volt,
    VoltPerSecond,
    Watt,
)
from thermohw.datasheet.noises import Noise
from thermohw.datasheet.quartic import Quartics
from thermohw.datasheet.rated import RatedValue, read_rated

__all__ = [
    "Capacitor",
    "Cost",
    "Datasheet",
    "Inductor",
    "Limits",
    "Mutual",
    "Node",
    "Resistor",
]


@dataclass(frozen=True)
class Node(Record):
    """A circuit node; `capacitance` goes from it to ground, 0 F where coupling capacitors alone
    hold it.
    """

    name: Name
    capacitance: Annotated[
        RatedValue, BeforeValidator(lambda entry: read_rated(entry, "F", zero=True))
    ]


@dataclass(frozen=True)
class Resistor(Record):
    """A resistor between two nodes with a bath of its own.

    Attributes:
        name: its name and its bath's.
        between: two node names, at most one of them ground.
        resistance: ohm.
        temperature: of its bath, kelvin.
        source: whether it carries a controlled voltage source in series.
    """

    name: Name
    between: tuple[str, str]
    resistance: Ohm
    temperature: Kelvin
    source: Flag = False


@dataclass(frozen=True)
class Capacitor(Record):
    """A capacitor between two nodes."""

    name: Name
    between: tuple[str, str]
    capacitance: Farad


@dataclass(frozen=True)
class Inductor(Record):
    """An inductor between two nodes; its current flows from the first through it to the second.

    Attributes:
        name: its name, its flux's, and that of the bath of its series resistance.
        between: two node names, at most one of them ground.
        inductance: henry.
        series_resistance: ohm, of the same branch; None for an ideal inductor.
        temperature: of the series resistance's bath, kelvin; None without one.
        source: whether a controlled current source stands in parallel with the series resistance.
    """

    name: Name
    between: tuple[str, str]
    inductance: Henry
    series_resistance: Ohm | None = None
    temperature: Kelvin | None = None
    source: Flag = False


@dataclass(frozen=True)
class Mutual(Record):
    """Two inductors that share flux: M = k sqrt(L1 L2), dots at the first node of each.

    Attributes:
        name: unique.
        between: two inductor names.
        k: coefficient of coupling, -1 < k < 1.
    """

    name: Name
    between: tuple[str, str]
    k: Coefficient


@dataclass(frozen=True)
class _Optional(Record):
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

    rail: Volt | None = None
    current: Ampere | None = None
    slew: VoltPerSecond | None = None
    dac_full_scale: Volt | None = None


@dataclass(frozen=True)
class Cost(_Optional):
    """What operations cost; None where unpriced, which is not zero.

    Attributes:
        adc: one conversion of a node voltage to a number, joule.
        dac: one conversion of a number to a source voltage or current, joule.
        mac: one multiply-accumulate of the score's arithmetic, joule.
        memory: one bit of the score's weights moved to its arithmetic, joule.
        driver: of one driven node, watt, as long as a run lasts.
        static: of everything that is on all the time, watt.
        noise: one Gaussian number that is drawn and injected, joule.
        programming: one parameter written, joule.
    """

    adc: Joule | None = None
    dac: Joule | None = None
    mac: Joule | None = None
    memory: Joule | None = None
    driver: Watt | None = None
    static: Watt | None = None
    noise: Joule | None = None
    programming: Joule | None = None

    def content(self) -> dict[str, Any]:
        """The prices as JSON types. Kinds that came later are left out where they are unpriced, so
        that a sheet without them has the hash it had before there were any.
        """
        first = ("adc", "dac", "mac")
        return {k: v for k, v in _plain(self).items() if v is not None or k in first}


@dataclass(frozen=True)
class Datasheet:
    """A validated datasheet.

    Attributes:
        name: of the device, the file's stem unless the file says otherwise.
        description: one line for people.
        nodes: in the order of the state vector.
        resistors: in the order of the baths; those of inductors follow.
        capacitors: coupling capacitors (the nodes' own are with the nodes).
        limits: of the electronics.
        cost: of operations.
        shape: of the array, () without one.
        text: the file, verbatim.
        overrides: entries replaced on loading, dotted key -> what replaced them.
        inductors: their fluxes follow the nodes' charges in the state vector.
        mutuals: couplings between inductors.
        amplifiers: op-amps, see `datasheet.active`.
        transconductors: controlled current sources, see `datasheet.active`.
        solver: how the one integrator of this sheet is repeated and programmed; None for a circuit.
        conductors: supplies, transistors and junctions, see `datasheet.conductors`.
        noises: sources of noise that is not a resistor's, see `datasheet.noises`.
        landscape: quartic units and bilinear couplings, see `datasheet.quartic`.
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
    inductors: tuple[Inductor, ...] = ()
    mutuals: tuple[Mutual, ...] = ()
    amplifiers: tuple[Amplifier, ...] = ()
    transconductors: tuple[Transconductor, ...] = ()
    solver: Solver | None = None
    conductors: Conductors = Conductors()
    landscape: Quartics = Quartics()
    noises: tuple[Noise, ...] = ()

    def content(self) -> dict[str, Any]:
        """Everything that a computation can depend on, as plain JSON types in SI.

        Kinds of elements that a circuit lacks are left out, so that a circuit without inductors has
        the hash it had before there were any.
        """
        content = {
            "nodes": [_plain(node) for node in self.nodes],
            "resistors": [_plain(resistor) for resistor in self.resistors],
            "capacitors": [_plain(capacitor) for capacitor in self.capacitors],
            "limits": _plain(self.limits),
            "cost": self.cost.content(),
            "shape": list(self.shape),
        }
        magnetic = {"inductors": self.inductors, "mutuals": self.mutuals}
        magnetic |= {"amplifiers": self.amplifiers, "transconductors": self.transconductors}
        magnetic |= {} if self.solver is None else {"solver": (self.solver,)}
        magnetic |= {"noises": self.noises}
        magnetic |= self.conductors._asdict() | self.landscape._asdict()
        return content | {kind: [*map(_plain, items)] for kind, items in magnetic.items() if items}

    @property
    def baths(self) -> dict[str, RatedValue]:
        """Temperature of every bath by its name, in the order of the circuit's elements."""
        named = {resistor.name: resistor.temperature for resistor in self.resistors}
        lossy = {item.name: item.temperature for item in self.inductors}
        named |= {item.name: item.temperature for item in self.conductors.all}
        return named | {name: bath for name, bath in lossy.items() if bath is not None}

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of the canonical content, 64 hexadecimal digits."""
        canonical = json.dumps(self.content(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    def entries(self) -> dict[str, RatedValue | None]:
        """Every entry by its dotted key, e.g. "r0.resistance", "limits.rail"; None where absent.

        What an ideal inductor does not have is not an entry that is absent.
        """
        elements = (*self.nodes, *self.resistors, *self.capacitors, *self.inductors, *self.mutuals)
        owners: dict[str, Any] = {item.name: item for item in elements}
        owners |= {item.name: item for item in (*self.amplifiers, *self.transconductors)}
        owners |= {} if self.solver is None else {"solver": self.solver}
        owners |= {i.name: i for kind in (*self.conductors, *self.landscape) for i in kind}
        owners |= {item.name: item for item in self.noises}
        owners |= {"limits": self.limits, "cost": self.cost}
        return {
            f"{name}.{f.name}": value
            for name, owner in owners.items()
            for f in fields(owner)
            if isinstance(value := getattr(owner, f.name), RatedValue)
            or (value is None and isinstance(owner, _Optional))
        }


def _plain(record: Any) -> dict[str, Any]:
    """A record as JSON types: a quantity becomes [value, tolerance], its prose is left out."""
    plain = {}
    for item in fields(record):
        value = getattr(record, item.name)
        if isinstance(value, RatedValue):
            value = [value.value, value.tolerance]
        plain[item.name] = list(value) if isinstance(value, tuple) else value
    return plain
