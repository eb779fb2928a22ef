"""Element cards: what R, C, L, K, V and I say, in SI and at their temperature.

    R1 a b 1k | R=1k | model       value = given (1 + tc1 dT + tc2 dT^2) scale / m, dT = T - tnom,
                                   and times 1.01^(tce dT)
    C1 a b 1p | C=1p | model       the same, times m
    L1 a b 1u | L=1u | model       the same, over m
    K1 L1 L2 0.5 | k=0.5           of several inductors, every two of them
    V1 a b ...  I1 a b ...         see `waves`; m= of a current source multiplies it

    temp=, dtemp=     the element's own temperature (degC), or its distance from the circuit's
    noisy=0, noise=0, noiseless     a resistor without fluctuation
    ic=               volts of a capacitor, amperes of an inductor, at the start
    tol=1%            tolerance; so is "; tolerance=0.01" in a comment
    rser= lser= rpar= cpar= (C, L), rser= cpar= (V)     real elements, written beside the card

Real resistances have a bath at the temperature of their card. Ratings (pwr=, mfg=, ...) are
remarked on and not used; `ac=` of a resistor, another value for small signals, is refused. A 0 V
source and a 0 ohm resistor are wires, a 0 F capacitor is none. Anything else is refused with its
line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from thermohw.datasheet.netlist.numbers import number
from thermohw.datasheet.netlist.values import (
    BESIDE,
    VALUES,
    defaults_of,
    film_of,
    own_of,
    tolerance_of,
    value_of,
)
from thermohw.datasheet.netlist.waves import Wave, read_source
from thermohw.datasheet.netlist.words import split

if TYPE_CHECKING:
    from thermohw.datasheet.netlist.flatten import Flat
    from thermohw.datasheet.netlist.lines import Line
    from thermohw.datasheet.netlist.scope import Scope

__all__ = ["KINDS", "Card", "Circuit", "read_cards"]

KINDS = "rclkvi"
_KELVIN = 273.15
_FEMTO = re.compile(r"[\d.]+(F|[eE][+-]?\d+[fF])[A-Za-z]*")
_MILLI = re.compile(r"[\d.]+M(?!eg|EG|il|IL)\w*")
_OPEN = re.compile(r"\s(r|c|l|q|flux|resistance|capacitance|inductance|cap|ind)\s*=\s*"
                   r"([^{'\"\s=]*[(*/+?^][^=]*)(?=\s\w+\s*=|$)", re.I)  # fmt: skip
_GROUNDS = ("ground", "gnd!")


@dataclass(frozen=True)
class Card:
    """One element or source.

    Attributes:
        line: where it stands.
        kind: its letter, lower case.
        name: whole, lower case, copies included: "x1.r1".
        ends: two nodes of the deck, or the two inductors of a K card; ground is "0".
        value: SI, at its temperature.
        kelvin: its temperature.
        given: where that temperature comes from, "temp=" or ".temp".
        noisy: whether a resistor fluctuates.
        options: ic, tolerance, temperature_tolerance, where given; m of a current source
            and of an inductor.
        wave: of a source.
    """

    line: Line
    kind: str
    name: str
    ends: tuple[str, str]
    value: float
    kelvin: float = 300.15
    given: str = ".temp"
    noisy: bool = True
    options: dict[str, float] = field(default_factory=dict)
    wave: Wave | None = None


@dataclass
class Circuit:
    """Cards by kind, in the order of the deck.

    Attributes:
        celsius: of the circuit.
        nominal: at which values are given, degC.
        cards: by kind.
    """

    celsius: float = 27.0
    nominal: float = 27.0
    cards: dict[str, list[Card]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    _names: set[str] = field(default_factory=set)

    def add(self, flat: Flat) -> None:
        """Read one card.

        Raises:
            InputError: naming the line.
        """
        line, scope = flat
        text = line.text
        if text.count("'") % 2 or text.count('"') % 2 or text.count("{") != text.count("}"):
            raise line.fail(f"'{text.strip()[:80]}': a quote or a brace is not closed")
        first, _, rest = text.partition(" ")
        kind = first[0].lower()
        if kind not in KINDS:
            raise line.fail(
                f"'{first}': this kind of card is not understood; R, C, L, K, V and I are"
            )
        name = f"{scope.path}.{first}".lower() if scope.path else first.lower()
        if name in self._names:
            raise line.fail(f"'{first}': this name is taken twice; rename one")
        self._names.add(name)
        if kind in "vi":
            self._source(line, scope, name, kind)
            return
        if kind in "rcl" and (bare := _OPEN.search(text)) and number(bare[2]) is None:
            raise line.fail(
                f"'{bare[0].strip()[:60]}': simulators read a formula without braces differently; "
                f"write {bare[1]}={{{bare[2].strip()[:40]}}}"
            )
        plain, named = split(text)
        if kind == "k":
            self._mutual(line, scope, name, plain + [named[k] for k in ("k",) if k in named])
            return
        if kind == "r" and plain[-1].lower() == "noiseless":
            plain, named = plain[:-1], named | {"noisy": "0"}
        if len(plain) < 3 or (len(plain) < 4 and not {*VALUES[kind], "m"} & {*named}):
            raise line.fail(f"'{text.strip()[:80]}': two nodes and a value are needed")
        ends = _ends(line, scope, plain[1:3])
        self._element(line, scope, name, kind, ends, plain[3:], named)

    def _element(
        self, line: Line, scope: Scope, name: str, kind: str, ends: tuple[str, str],
        words: list[str], named: dict[str, str],
    ) -> None:  # fmt: skip
        text, model = value_of(line, scope, kind, words, named)
        defaults = defaults_of(model, kind)
        own = own_of(line, scope, kind, named, defaults)
        numbers = {k: scope.value(v, line, k) for k, v in own.items() if k not in ("tc", "tol")}
        for key, value in defaults.items():
            if key in ("tc1", "tc2", "tce", "tnom", "scale", "m"):
                assert model is not None
                numbers.setdefault(key, model.scope.value(value, model.line, key))
        if text is None:
            value = film_of(line, scope, kind, model, defaults, own)
        elif model is not None and text == defaults.get("value"):
            value = model.scope.value(text, model.line)
        else:
            value = scope.value(text, line)
        if "tc" in own:
            words = own["tc"].split()
            numbers |= {f"tc{i + 1}": scope.value(w, line) for i, w in enumerate(words[:2])}
        if kind == "r" and text is not None and _MILLI.fullmatch(text):
            scope.notes.say(line.place, f"'{text}' is {value:g} ohm: M is milli in every SPICE, a "
                                        "million is 1meg")  # fmt: skip
        if kind == "c" and text is not None and _FEMTO.fullmatch(text):
            scope.notes.say(line.place, f"'{text}' is {value:g} F: F is femto in every SPICE")
        many = numbers.get("m", 1.0) * scope.many
        options = {k: scope.value(v, line) for k, v in line.comment_options if k != "bath"}
        if numbers.get("m", 1.0) != 1.0 and scope.many != 1.0:
            scope.notes.say(line.place, f"'{name}': its m= and that of its copy multiply, as in "
                                        "Xyce; ngspice 39 takes the copy's")  # fmt: skip
        if kind == "l" and many != 1.0:
            options["m"] = many
        if "tol" in own:
            options.setdefault("tolerance", tolerance_of(own["tol"], line, scope))
        if "ic" in numbers:
            options["ic"] = numbers["ic"]
        given_value = value
        celsius, given = self.celsius, ".temp"
        if "temp" in numbers:
            celsius, given = numbers["temp"], "temp="
            if "dtemp" in numbers:
                scope.notes.say(line.place, f"'{name}': temp= is given, so dtemp= does not count")
        elif "dtemp" in numbers:
            celsius, given = celsius + numbers["dtemp"], "dtemp="
        away = celsius - numbers.get("tnom", self.nominal)
        value *= 1.0 + numbers.get("tc1", 0.0) * away + numbers.get("tc2", 0.0) * away**2
        if "tce" in numbers:
            value *= 1.01 ** min(max(numbers["tce"] * away, -1e4), 1e4)
        scale = numbers.get("scale", 1.0)
        if many <= 0.0:
            raise line.fail(f"'{name}': m = {many:g} must be positive")
        value *= scale * (many if kind == "c" else 1.0 / many)
        if value < 0.0 or (value == 0.0 and kind == "l") or value == float("inf"):
            active = "; a negative resistance would need an active element" if kind == "r" else ""
            raise line.fail(f"'{name}' = {value:g}: must be positive{active}")
        noisy = (
            numbers.get("noisy", numbers.get("noise", 1.0)) != 0.0
            or ("bath", "own") in line.comment_options
        )
        if "ac" in named and kind == "r" and scope.value(named["ac"], line) != given_value:
            raise line.fail(
                f"'{name}' has two values, {given_value:g} and ac={named['ac']}; a circuit has "
                "one: delete ac=, or write it as the value"
            )
        kelvin = round(celsius + _KELVIN, 9)
        if kelvin <= 0.0:
            raise line.fail(f"'{name}': a temperature of {celsius:g} degC is below absolute zero")
        card = Card(line, kind, name, ends, value, kelvin, given, noisy, options)
        # What stands beside an element is there as often as it is.
        self._place(card, {k: v * (scope.many if k == "cpar" else 1.0 / scope.many)
                           for k, v in numbers.items() if k in BESIDE}, scope)  # fmt: skip

    def _place(self, card: Card, beside: dict[str, float], scope: Scope) -> None:
        """A card and the parasitics that it states: [rser, lser, itself], with rpar and cpar."""
        a, b = card.ends
        if a == b:
            scope.notes.say(card.line.place, f"'{card.name}' joins '{a}' to itself: left out")
            return
        near = a
        for key in ("rser", "lser"):
            if beside.get(key, 0.0) != 0.0:
                inner = f"{card.name}#{key}"
                self._beside(card, key, (near, inner), beside[key])
                near = inner
        self.cards[card.kind].append(replace(card, ends=(near, b)))
        for key in ("rpar", "cpar"):
            if beside.get(key, 0.0) != 0.0:
                self._beside(card, key, (a, b), beside[key])

    def _beside(self, card: Card, key: str, ends: tuple[str, str], value: float) -> None:
        if value < 0.0:
            raise card.line.fail(f"'{card.name}': {key} = {value:g} must be positive")
        name = f"{card.name}#{key}"
        self.cards[key[0]].append(
            Card(card.line, key[0], name, ends, value, card.kelvin, card.given)
        )

    def _mutual(self, line: Line, scope: Scope, name: str, plain: list[str]) -> None:
        if len(plain) < 4:
            raise line.fail(f"'{line.text.strip()[:80]}': two inductors and a value are needed")
        prefix = f"{scope.path}." if scope.path else ""
        coils = [f"{prefix}{w}".lower().replace(":", ".") for w in plain[1:-1]]  # Xyce: x1:l1
        if scope.find("models", plain[-1].lower()) is not None or plain[-1].lower() in coils:
            raise line.fail(
                f"'{plain[-1]}': a coupling is a number; a core that saturates has none"
            )
        value = scope.value(plain[-1], line)
        if value == 0.0:
            scope.notes.say(line.place, f"'{name}' couples nothing, k = 0: left out")
            return
        if not abs(value) < 1.0:
            raise line.fail(
                f"'{plain[0]}' = {plain[-1]}: couplings lie between -1 and 1, and what leaks "
                "between two coils has energy of its own; write it, 0.999"
            )
        pairs = [(a, b) for i, a in enumerate(coils) for b in coils[i + 1 :]]
        for i, (a, b) in enumerate(pairs):
            if a == b:
                raise line.fail(f"'{plain[0]}': joins '{a}' to itself")
            own = name if len(pairs) == 1 else f"{name}#{i}"
            told = {k: scope.value(v, line) for k, v in line.comment_options}
            self.cards["k"].append(Card(line, "k", own, (a, b), value, options=told))

    def _source(self, line: Line, scope: Scope, name: str, kind: str) -> None:
        words = line.text.split(None, 3)
        if len(words) < 3:
            raise line.fail(f"'{line.text.strip()}': two nodes and a value are needed")
        ends = _ends(line, scope, words[1:3])
        wave, series = read_source(line, scope, words[3] if len(words) > 3 else "")
        options: dict[str, float] = {}
        if kind == "i":
            options["m"] = series.pop("m", 1.0) * scope.many
        elif "m" in series:
            raise line.fail(f"'{name}': m= of a voltage source says nothing; delete it")
        card = Card(line, kind, name, ends, wave.dc, self.celsius + _KELVIN, options=options,
                    wave=wave)  # fmt: skip
        if ends[0] == ends[1]:
            scope.notes.say(line.place, f"'{name}' joins '{ends[0]}' to itself: left out")
            return
        if kind == "i" and series:
            raise line.fail(f"'{name}': rser= and cpar= of a current source are not understood")
        for key in series:
            series[key] *= scope.many if key == "cpar" else 1.0 / scope.many
        self._place(replace(card, kelvin=round(card.kelvin, 9)), series, scope)


def _ends(line: Line, scope: Scope, words: list[str]) -> tuple[str, str]:
    """The two nodes of an element."""
    for word in words:
        if word.lower() in _GROUNDS and scope.node(word) != "0":
            raise line.fail(
                f"node '{word}' is ground in HSPICE and any node in ngspice: write 0, or another "
                "name"
            )
    return scope.node(words[0]), scope.node(words[1])


def read_cards(cards: list[Flat], circuit: Circuit) -> Circuit:
    """Read all element cards of a flat deck.

    Raises:
        InputError: naming the line: a card of another kind, a number that is none, a name that is
            taken twice, a value that is not positive, a parameter that is not known.
    """
    for flat in cards:
        circuit.add(flat)
    return circuit
