"""The cards of a SPICE netlist: lines, numbers, and what each card says.

    *, ;, $          comments              +            continuation of the card above
    .param n=1k      numbers by name       .temp 27     of every resistor without temp= (degC)
    .ic v(a)=1m      start values          .control     skipped up to .endc
    R1 a b 1k temp=26.85                   C1 a 0 1p    ic= is a start value too
    K1 L1 L2 0.5                           V1 I1 ...    a constant (DC 1m) or PWL(t v t v ...)

The first line is the title and `.end` the last, as everywhere in SPICE. Cases do not count. Scale
factors are read by their first letters, f p n u m k meg g t: 1m and 1M are a thousandth, 1meg a
million, 1mil 25.4e-6. Letters behind the factor are ignored, so 10pF is 10p - and 1F is 1e-15.

Two kinds of comment mean something here. `; tolerance=0.01` behind a card is the tolerance of its
value, and lines that begin with `*!` are entries of a datasheet, [limits] and [cost], which no card
can say.

Anything else is refused with the number of its line.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field

from thermohw.errors import InputError

__all__ = ["Card", "CardFile", "number", "read_cards"]

_NUMBER = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)([a-zA-Z]*)")
_POWERS = {"t": 12, "g": 9, "k": 3, "m": -3, "u": -6, "n": -9, "p": -12, "f": -15, "a": -18}
_KINDS = "rclkvi"
_IGNORED = (".options", ".option", ".tran", ".title", ".save", ".print", ".plot")
_START = re.compile(r"v\(([^()\s]+)\)=(\S+)", re.I)
_NOTE = re.compile(r"\b(tolerance|temperature_tolerance)=(\S+)")


def number(text: str) -> float | None:
    """The value of a SPICE number, or None where it is none."""
    match = _NUMBER.fullmatch(text.strip())
    if match is None:
        return None
    digits, letters = match.group(1), match.group(2).lower()
    if letters.startswith("mil"):
        return float(digits) * 25.4e-6
    exponent = 6 if letters.startswith("meg") else _POWERS.get(letters[:1], 0)
    # As decimals: "0.5p" and "500f" are the same float.
    mantissa, _, power = digits.lower().partition("e")
    return float(f"{mantissa}e{int(power or 0) + exponent}")


@dataclass(frozen=True)
class Card:
    """One element or source.

    Attributes:
        line: number of its first line.
        kind: its letter, lower case.
        name: whole, lower case, letter included.
        ends: two nodes, or the two inductors of a K card; ground is "0".
        value: SI; 0 for a waveform.
        options: temp, noisy, ic, tolerance, temperature_tolerance, where given.
        points: of a PWL, (second, volt or ampere), else empty.
    """

    line: int
    kind: str
    name: str
    ends: tuple[str, str]
    value: float
    options: dict[str, float] = field(default_factory=dict)
    points: tuple[tuple[float, float], ...] = ()


@dataclass
class CardFile:
    """A netlist, card by card.

    Attributes:
        where: its name in errors.
        title: its first line.
        cards: by kind, in the order of the file.
        celsius: of resistors without a temperature of their own.
        start: of nodes, from .ic, volt.
        entries: datasheet lines, in TOML.
    """

    where: str
    title: str
    cards: dict[str, list[Card]] = field(default_factory=lambda: {kind: [] for kind in _KINDS})
    celsius: float = 27.0
    start: dict[str, float] = field(default_factory=dict)
    entries: str = ""
    _parameters: dict[str, float] = field(default_factory=dict)
    _names: set[str] = field(default_factory=set)

    def fail(self, line: int, message: str) -> InputError:
        """The error of a line."""
        return InputError(message, where=f"{self.where}, line {line}")

    def value(self, text: str, line: int) -> float:
        """A number, or a parameter's.

        Raises:
            InputError: it is neither.
        """
        inner = text.strip("{}'")
        found = self._parameters.get(inner.lower())
        found = number(inner) if found is None else found
        if found is None or not math.isfinite(found):
            raise self.fail(line, f"'{text}' is not a number; expected one such as 1k, 10p, 2meg")
        return found

    def add(self, line: int, text: str, notes: dict[str, float]) -> None:
        """Read one card."""
        words = re.sub(r"\s*=\s*", "=", text.replace(",", " ")).split()
        name, kind = words[0].lower(), words[0][0].lower()
        if kind == ".":
            self._dot(line, name, words[1:])
            return
        if kind not in _KINDS:
            raise self.fail(
                line, f"'{words[0]}': this kind of card is not understood; R, C, L, K, V and I are"
            )
        if name in self._names:
            raise self.fail(line, f"'{words[0]}': this name is taken twice")
        self._names.add(name)
        if len(words) < (3 if kind in "vi" else 4):
            wanted = "two inductors" if kind == "k" else "two nodes"
            raise self.fail(line, f"'{text.strip()}': {wanted} and a value are needed")
        ends = _node(words[1]), _node(words[2])
        if kind in "vi":
            self._source(line, name, ends, " ".join(words[3:]))
            return
        if ends[0] == ends[1]:
            raise self.fail(line, f"'{words[0]}': joins '{words[1]}' to itself")
        options = dict(notes)
        for word in words[4:]:
            key, equals, given = word.lower().partition("=")
            if not equals or key not in ("temp", "noisy", "ic"):
                raise self.fail(
                    line, f"'{word}' is not understood; temp=, noisy= and ic= may follow the value"
                )
            options[key] = self.value(given, line)
        value = self.value(words[3], line)
        if value <= 0.0 and kind != "k":
            active = "; a negative resistance would need an active element" if kind == "r" else ""
            raise self.fail(line, f"'{words[0]}' = {words[3]}: must be positive{active}")
        if kind == "k" and not 0.0 < abs(value) < 1.0:
            raise self.fail(line, f"'{words[0]}' = {words[3]}: couplings lie between -1 and 1")
        self.cards[kind].append(Card(line, kind, name, ends, value, options))

    def _source(self, line: int, name: str, ends: tuple[str, str], text: str) -> None:
        points: tuple[tuple[float, float], ...] = ()
        value, kind = 0.0, name[0]
        match = re.fullmatch(r"(?i)(?:dc\s+\S+\s+)?pwl\s*\(?([^()]*)\)?", text.strip())
        if match:
            values = [self.value(word, line) for word in match.group(1).split()]
            points = tuple(zip(values[::2], values[1::2], strict=False))
            rising = all(a[0] < b[0] for a, b in zip(points, points[1:], strict=False))
            if len(values) % 2 or not points or not rising:
                raise self.fail(line, f"'{name}': PWL needs pairs of a time and a value, in order")
        else:
            words = [word for word in text.split() if word.lower() != "dc"]
            if len(words) > 1:
                raise self.fail(line, f"'{name} ... {text}': a constant or a PWL is understood")
            value = self.value(words[0], line) if words else 0.0
        self.cards[kind].append(Card(line, kind, name, ends, value, {}, points))

    def _dot(self, line: int, name: str, words: list[str]) -> None:
        if name == ".param":
            for word in words:
                key, _, given = word.partition("=")
                self._parameters[key.lower()] = self.value(given, line)
        elif name == ".temp":
            self.celsius = self.value(words[0], line) if words else 27.0
        elif name == ".ic":
            for word in words:
                match = _START.fullmatch(word)
                if match is None:
                    raise self.fail(line, f"'{word}' is not understood; expected v(node)=value")
                self.start[_node(match.group(1))] = self.value(match.group(2), line)
        elif name not in _IGNORED:
            raise self.fail(line, f"'{name}': this card is not understood")


def _node(name: str) -> str:
    lower = name.lower()
    return "0" if lower == "gnd" else lower


def read_cards(text: str, where: str) -> CardFile:
    """Read a netlist card by card.

    Args:
        text: the file.
        where: named in errors.

    Raises:
        InputError: naming the line: a card of another kind, a number that is none, a name that is
            taken twice, a value that is not positive.
    """
    lines = text.splitlines()
    title = lines[0].lstrip("* ").strip() if lines else ""
    found = CardFile(where, title)
    for line, card, notes in _logical(lines[1:], found):
        found.add(line, card, notes)
    return found


def _logical(lines: list[str], file: CardFile) -> list[tuple[int, str, dict[str, float]]]:
    """Cards with the number of their first line: comments gone, continuations joined."""
    cards: list[tuple[int, str, dict[str, float]]] = []
    control = False
    for place, raw in enumerate(lines, start=2):
        if raw.startswith("*!"):
            file.entries += raw[2:].strip() + "\n"
        parts = re.split(r";|\s\$", raw, maxsplit=1)
        line = parts[0].strip()
        if not line or line.startswith("*"):
            continue
        word = line.split()[0].lower()
        if word == ".control" or control:
            control = word != ".endc"
            continue
        if word == ".end":
            break
        comment = parts[1] if len(parts) > 1 else ""
        notes = {key: file.value(given, place) for key, given in _NOTE.findall(comment)}
        if line.startswith("+"):
            if not cards:
                raise file.fail(place, "'+' continues a card, and there is none above")
            first, text, known = cards[-1]
            cards[-1] = first, f"{text} {line[1:]}", known | notes
        else:
            cards.append((place, line, notes))
    return cards
