r"""Reading a netlist back into a datasheet: R, C, L, K, V, I and PWL cards.

    *, ;, $          comments              +            continuation of the card above
    .param n=1k      numbers by name       .temp 27     of every resistor without temp= (degC)
    .control .endc   skipped               .end         the rest is not read
    R1 a b 1k temp=26.85                   C1 a 0 1p    ic= is kept as a start value
    K1 L1 L2 0.5                           V1 I1 ...    DC value or PWL(...)

The first line is the title, as everywhere in SPICE. What a circuit of this package is made of is
found by what hangs together:

    a capacitor from a node to ground       the node's own capacitance (several add up)
    a voltage source in series with R       the resistor's controlled source
    a resistor in series with L             the inductor's series resistance, with its own bath
    a constant current beside that          the inductor's controlled source
    any other source                        listed, with its waveform

"In series" means: through a node without any capacitor where nothing else ends. Any other card is
refused with the number of its line, and so is a node that is neither: it has no state.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np

from thermohw.datasheet.quantity import Quantity
from thermohw.datasheet.sheet import (
    GROUND,
    Capacitor,
    Datasheet,
    Inductor,
    Mutual,
    Node,
    Resistor,
)
from thermohw.errors import InputError
from thermohw.spice.cards import number
from thermohw.spice.waveform import Waveform

__all__ = ["Netlist", "Source", "read_netlist"]

_ZERO = 273.15


@dataclass(frozen=True, eq=False)
class Source:
    """An independent source of a netlist; SI.

    Attributes:
        name: of its card.
        kind: "V" or "I".
        between: the two nodes as written, + first.
        value: constant, volt or ampere (0 for a waveform).
        waveform: PWL in second and volt or ampere, or None.
    """

    name: str
    kind: str
    between: tuple[str, str]
    value: float
    waveform: Waveform | None


@dataclass(frozen=True, eq=False)
class Netlist:
    """What a netlist describes.

    Attributes:
        title: its first line.
        datasheet: the circuit; `thermohw.circuit.build_device` makes the device.
        sources: by name.
        start: initial values by name of a node (volt) or an inductor (ampere), where given.
    """

    title: str
    datasheet: Datasheet
    sources: dict[str, Source] = field(default_factory=dict)
    start: dict[str, float] = field(default_factory=dict)


@dataclass
class _Card:
    line: int
    name: str
    ends: tuple[str, str]
    value: float
    options: dict[str, float]


class _Reader:
    def __init__(self, where: str) -> None:
        self.where = where
        self.parameters: dict[str, float] = {}
        self.celsius = 27.0
        self.cards: dict[str, list[_Card]] = {kind: [] for kind in "rclk"}
        self.sources: dict[str, tuple[int, Source]] = {}
        self.names: set[str] = set()

    def fail(self, line: int, message: str) -> InputError:
        return InputError(message, where=f"{self.where}, line {line}")

    def value(self, text: str, line: int) -> float:
        inner = text.strip("{}'")
        found = self.parameters.get(inner.lower())
        found = number(inner) if found is None else found
        if found is None or not np.isfinite(found):
            raise self.fail(line, f"'{text}' is not a number; expected one such as 1k, 10p, 2meg")
        return found

    def card(self, line: int, text: str) -> None:
        words = re.sub(r"\s*=\s*", "=", text.replace(",", " ")).split()
        name, kind = words[0].lower(), words[0][0].lower()
        if kind == ".":
            self.dot(line, name, words[1:])
            return
        if kind not in "rclkvi":
            raise self.fail(
                line, f"'{words[0]}': this kind of card is not understood; R, C, L, K, V and I are"
            )
        if name in self.names:
            raise self.fail(line, f"'{words[0]}': this name is taken twice")
        self.names.add(name)
        if len(words) < 4 and not (kind in "vi" and len(words) == 3):
            raise self.fail(line, f"'{text.strip()}': two nodes and a value are needed")
        ends = words[1].lower(), words[2].lower()
        if kind in "vi":
            self.sources[name] = line, self.source(line, name, ends, " ".join(words[3:]))
            return
        if kind != "k":
            ends = _ground(ends[0]), _ground(ends[1])
            if ends[0] == ends[1]:
                raise self.fail(line, f"'{words[0]}': joins '{words[1]}' to itself")
        options = {}
        for word in words[4:]:
            key, equals, given = word.partition("=")
            if not equals or key.lower() not in ("temp", "noisy", "ic"):
                raise self.fail(
                    line, f"'{word}' is not understood; temp=, noisy= and ic= may follow the value"
                )
            options[key.lower()] = self.value(given, line)
        value = self.value(words[3], line)
        if value <= 0.0 and kind != "k":
            raise self.fail(line, f"'{words[0]}' = {words[3]}: must be positive")
        self.cards[kind].append(_Card(line, name, ends, value, options))

    def source(self, line: int, name: str, ends: tuple[str, str], text: str) -> Source:
        match = re.fullmatch(r"(?i)(?:dc\s+\S+\s+)?pwl\s*\(?([^()]*)\)?", text.strip())
        nodes = _ground(ends[0]), _ground(ends[1])
        if match:
            values = [self.value(word, line) for word in match.group(1).split()]
            points = np.array(values[: len(values) // 2 * 2]).reshape(-1, 2)
            if len(values) % 2 or not len(points) or (np.diff(points[:, 0]) <= 0.0).any():
                raise self.fail(line, f"'{name}': PWL needs pairs of a time and a value, in order")
            return Source(name, name[0].upper(), nodes, 0.0, Waveform(points[:, 0], points[:, 1:]))
        words = [word for word in text.split() if word.lower() != "dc"]
        if len(words) > 1:
            raise self.fail(line, f"'{name} ... {text}': a constant or a PWL is understood")
        value = self.value(words[0], line) if words else 0.0
        return Source(name, name[0].upper(), nodes, value, None)

    def dot(self, line: int, name: str, words: list[str]) -> None:
        if name == ".param":
            for word in words:
                key, _, given = word.partition("=")
                self.parameters[key.lower()] = self.value(given, line)
        elif name == ".temp":
            self.celsius = self.value(words[0], line) if words else 27.0
        elif name not in (".options", ".option", ".tran", ".title", ".save", ".ic"):
            raise self.fail(line, f"'{name}': this card is not understood")


def _ground(node: str) -> str:
    return GROUND if node in ("0", "gnd") else node


def read_netlist(text: str, *, name: str = "netlist", where: str = "") -> Netlist:
    """Read a netlist.

    Args:
        text: the file.
        name: of the device.
        where: named in errors; `name` by default.

    Raises:
        InputError: naming the line: a card of another kind, a number that is none, a node without
            a state, or what `thermohw.datasheet` refuses of any circuit.
    """
    place = where or name
    reader = _Reader(place)
    lines = text.splitlines()
    for line, card in _logical(lines[1:]):
        reader.card(line, card)
    elements = _elements(reader)
    sheet = Datasheet(name=name, description=lines[0].lstrip("* ").strip() if lines else "",
                      text=text, **elements)  # type: ignore[arg-type]  # fmt: skip
    start = {}
    capacitors, inductors = reader.cards["c"], reader.cards["l"]
    for card in capacitors:
        if "ic" in card.options and GROUND in card.ends:
            sign = 1.0 if card.ends[1] == GROUND else -1.0
            start[card.ends[0] if sign > 0 else card.ends[1]] = sign * card.options["ic"]
    start |= {c.name: c.options["ic"] for c in inductors if "ic" in c.options}
    sources = {key: source for key, (_, source) in reader.sources.items()}
    return Netlist(sheet.description, sheet, sources, start)


def _logical(lines: list[str]) -> list[tuple[int, str]]:
    """Cards with the number of their first line: comments gone, continuations joined."""
    cards: list[tuple[int, str]] = []
    control = False
    for place, raw in enumerate(lines, start=2):
        line = re.split(r";|\s\$", raw, maxsplit=1)[0].strip()
        if not line or line.startswith("*"):
            continue
        word = line.split()[0].lower()
        if word == ".control" or control:
            control = word != ".endc"
        elif word == ".end":
            break
        elif line.startswith("+") and cards:
            first, text = cards[-1]
            cards[-1] = first, f"{text} {line[1:]}"
        else:
            cards.append((place, line))
    return cards


def _elements(reader: _Reader) -> dict[str, tuple]:
    """Elements of a datasheet, in the order of their cards."""
    capacitance: dict[str, float] = {}
    touched: dict[str, list[tuple[str, str]]] = {}
    couplings = []
    for card in reader.cards["c"]:
        if GROUND in card.ends:
            node = card.ends[0] if card.ends[1] == GROUND else card.ends[1]
            capacitance[node] = capacitance.get(node, 0.0) + card.value
        else:
            couplings.append(Capacitor(card.name, card.ends, Quantity(card.value, "F")))
    states = set(capacitance)
    for kind in "rlc":
        for card in reader.cards[kind]:
            for end in card.ends:
                touched.setdefault(end, []).append((kind, card.name))
    for name, (_, source) in reader.sources.items():
        if source.kind == "V":
            for end in source.between:
                touched.setdefault(end, []).append(("v", name))
    used: set[str] = set()

    def through(node: str, kind: str, wanted: str) -> str | None:
        """Name of the `wanted` element behind an inner node that a `kind` element ends at."""
        if node == GROUND or node in states:
            return None
        kinds = sorted(k for k, _ in touched[node])
        if kinds != sorted((kind, wanted)):
            return None
        return next(name for k, name in touched[node] if k == wanted)

    def far(ends: tuple[str, str], node: str) -> str:
        return ends[1] if ends[0] == node else ends[0]

    resistors = {card.name: card for card in reader.cards["r"]}
    voltages = {name: source for name, (_, source) in reader.sources.items() if source.kind == "V"}
    kelvin = {c.name: c.options.get("temp", reader.celsius) + _ZERO for c in reader.cards["r"]}
    inductors = []
    for card in reader.cards["l"]:
        ends, series = list(card.ends), None
        for place, node in enumerate(card.ends):
            other = through(node, "l", "v")
            if other is not None:
                ends[place] = far(voltages[other].between, node)
                used.add(other)
        for place, node in enumerate(list(ends)):
            other = through(node, "l", "r")
            if other is None:
                continue
            if series is not None:
                raise reader.fail(card.line, f"'{card.name}': two resistors in series with it")
            series = resistors[other]
            ends[place] = far(series.ends, node)
            beyond = through(ends[place], "r", "v")
            if beyond is not None:  # its noise
                ends[place] = far(voltages[beyond].between, ends[place])
                used.add(beyond)
            used.add(other)
        carries = series is not None and any(
            source.kind == "I" and source.waveform is None and {*source.between} == {*series.ends}
            for _, source in reader.sources.values()
        )
        bath = None if series is None else Quantity(kelvin[series.name], "K")
        loss = None if series is None else Quantity(series.value, "ohm")
        inductors.append(Inductor(card.name, (ends[0], ends[1]), Quantity(card.value, "H"), loss,
                                  bath, carries))  # fmt: skip
    lossless = []
    for card in reader.cards["r"]:
        if card.name in used:
            continue
        ends, carries = list(card.ends), False
        for place, node in enumerate(card.ends):
            other = through(node, "r", "v")
            if other is not None:
                ends[place] = far(voltages[other].between, node)
                carries = True
                used.add(other)
        lossless.append(Resistor(card.name, (ends[0], ends[1]), Quantity(card.value, "ohm"),
                                 Quantity(kelvin[card.name], "K"), carries))  # fmt: skip
    for name, (line, source) in reader.sources.items():
        if source.kind == "V" and name not in used:
            raise reader.fail(line, f"'{name}': a voltage source must be in series with one "
                              "resistor or inductor")  # fmt: skip
    every = [*reader.cards["r"], *reader.cards["c"], *reader.cards["l"]]
    for element in [*lossless, *inductors, *couplings]:
        for end in element.between:
            if end != GROUND and end not in states:
                line = next(c.line for c in every if c.name == element.name)
                raise reader.fail(line, f"node '{end}' has no capacitor to ground, hence no state; "
                                  "add its parasitic capacitance")  # fmt: skip
    mutuals = tuple(Mutual(c.name, c.ends, Quantity(c.value, "")) for c in reader.cards["k"])
    known = {x.name for x in inductors}
    for card in reader.cards["k"]:
        for end in card.ends:
            if end not in known:
                raise reader.fail(card.line, f"'{card.name}': no inductor '{end}'")
    nodes = tuple(Node(node, Quantity(value, "F")) for node, value in capacitance.items())
    return {"nodes": nodes, "resistors": tuple(lossless), "capacitors": tuple(couplings),
            "inductors": tuple(inductors), "mutuals": mutuals}  # fmt: skip
