"""Element cards: what R, C, L, K, V and I say, in SI and at their temperature.

    R1 a b 1k | R=1k | model       value = given (1 + tc1 dT + tc2 dT^2) scale / m, dT = T - tnom,
                                   and times 1.01^(tce dT)
    C1 a b 1p | C=1p | model       the same, times m
    L1 a b 1u | L=1u | model       the same, over m
    K1 L1 L2 0.5                   of several inductors, every two of them
    V1 a b ...  I1 a b ...         see `waves`

    temp=, dtemp=     the element's own temperature (degC), or its distance from the circuit's
    noisy=0, noise=0  a resistor without fluctuation
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

from thermohw.datasheet.netlist.waves import Wave, read_source
from thermohw.datasheet.netlist.words import split

if TYPE_CHECKING:
    from thermohw.datasheet.netlist.flatten import Flat
    from thermohw.datasheet.netlist.lines import Line
    from thermohw.datasheet.netlist.scope import Model, Scope

__all__ = ["KINDS", "Card", "Circuit", "read_cards"]

KINDS = "rclkvi"
_KELVIN = 273.15
_FEMTO = re.compile(r"[\d.]+F")
_MODELS = {"r": ("r", "res"), "c": ("c", "cap"), "l": ("l", "ind")}
_VALUES = {
    "r": ("r", "resistance"),
    "c": ("c", "capacitance", "cap"),
    "l": ("l", "inductance", "ind"),
}
_RATINGS = ("pwr", "mfg", "pn", "irms", "ipk", "vmax", "type", "v")
_BESIDE = ("rser", "lser", "rpar", "cpar")
_PLAIN = (
    "temp",
    "dtemp",
    "m",
    "scale",
    "ic",
    "noisy",
    "noise",
    "tol",
    "tc",
    "tc1",
    "tc2",
    "tce",
    "w",
)


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
        options: ic, tolerance, temperature_tolerance, where given.
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
        plain, named = split(text)
        if kind == "k":
            self._mutual(line, scope, name, plain)
            return
        if len(plain) < 3 or (len(plain) < 4 and not {*_VALUES[kind], "m"} & {*named}):
            raise line.fail(f"'{text.strip()[:80]}': two nodes and a value are needed")
        ends = scope.node(plain[1]), scope.node(plain[2])
        self._element(line, scope, name, kind, ends, plain[3:], named)

    def _element(
        self, line: Line, scope: Scope, name: str, kind: str, ends: tuple[str, str],
        words: list[str], named: dict[str, str],
    ) -> None:  # fmt: skip
        text, model = self._value_of(line, scope, kind, words, named)
        defaults = _defaults(model, kind)
        own = _own(line, scope, kind, named, defaults)
        numbers = {k: scope.value(v, line, k) for k, v in own.items() if k not in ("tc", "tol")}
        for key, value in defaults.items():
            if key in ("tc1", "tc2", "tce", "tnom", "scale", "m"):
                assert model is not None
                numbers.setdefault(key, model.scope.value(value, model.line, key))
        if text is None:
            value = _sheet(line, scope, kind, model, defaults, own)
        elif model is not None and text == defaults.get("value"):
            value = model.scope.value(text, model.line)
        else:
            value = scope.value(text, line)
        if "tc" in own:
            words = own["tc"].split()
            numbers |= {f"tc{i + 1}": scope.value(w, line) for i, w in enumerate(words[:2])}
        if kind == "c" and text is not None and _FEMTO.fullmatch(text):
            scope.notes.say(line.place, f"'{text}' is {value:g} F: F is femto in every SPICE")
        options = {k: scope.value(v, line) for k, v in line.told if k != "bath"}
        if "tol" in own:
            options.setdefault("tolerance", _tolerance(own["tol"], line, scope))
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
        many, scale = numbers.get("m", 1.0), numbers.get("scale", 1.0)
        if many <= 0.0:
            raise line.fail(f"'{name}': m = {many:g} must be positive")
        value *= scale * (many if kind == "c" else 1.0 / many)
        if value < 0.0 or (value == 0.0 and kind == "l") or value == float("inf"):
            active = "; a negative resistance would need an active element" if kind == "r" else ""
            raise line.fail(f"'{name}' = {value:g}: must be positive{active}")
        noisy = (
            numbers.get("noisy", numbers.get("noise", 1.0)) != 0.0 or ("bath", "own") in line.told
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
        self._place(card, {k: v for k, v in numbers.items() if k in _BESIDE}, scope)

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

    def _value_of(
        self, line: Line, scope: Scope, kind: str, words: list[str], named: dict[str, str]
    ) -> tuple[str | None, Model | None]:
        """The text of the value (None where a model gives it) and the model, if there is one."""
        text, model = next((named[k] for k in _VALUES[kind] if k in named), None), None
        left = list(words)
        for word in list(left):
            known = scope.find("models", word.lower())
            if known is not None and scope.parameter(word.lower()) is None:
                model = known
                left.remove(word)
                break
        if left:
            text = left.pop(0)
        if left:
            raise line.fail(f"'{left[0]}' is not understood; {_known(kind)} may follow the value")
        if model is not None and model.kind not in _MODELS[kind]:  # type: ignore[attr-defined]
            raise line.fail(f"a model of kind '{model.kind}' is not understood here")  # type: ignore[attr-defined]
        return (text or (_defaults(model, kind).get("value") if model else None)), model  # type: ignore[return-value, arg-type]

    def _mutual(self, line: Line, scope: Scope, name: str, plain: list[str]) -> None:
        if len(plain) < 4:
            raise line.fail(f"'{line.text.strip()[:80]}': two inductors and a value are needed")
        prefix = f"{scope.path}." if scope.path else ""
        coils, value = [f"{prefix}{w}".lower() for w in plain[1:-1]], scope.value(plain[-1], line)
        if value == 0.0:
            scope.notes.say(line.place, f"'{name}' couples nothing, k = 0: left out")
            return
        if not abs(value) < 1.0:
            raise line.fail(f"'{plain[0]}' = {plain[-1]}: couplings lie between -1 and 1")
        pairs = [(a, b) for i, a in enumerate(coils) for b in coils[i + 1 :]]
        for i, (a, b) in enumerate(pairs):
            if a == b:
                raise line.fail(f"'{plain[0]}': joins '{a}' to itself")
            own = name if len(pairs) == 1 else f"{name}#{i}"
            told = {k: scope.value(v, line) for k, v in line.told}
            self.cards["k"].append(Card(line, "k", own, (a, b), value, options=told))

    def _source(self, line: Line, scope: Scope, name: str, kind: str) -> None:
        words = line.text.split(None, 3)
        if len(words) < 3:
            raise line.fail(f"'{line.text.strip()}': two nodes and a value are needed")
        ends = scope.node(words[1]), scope.node(words[2])
        wave, series = read_source(line, scope, words[3] if len(words) > 3 else "")
        card = Card(line, kind, name, ends, wave.dc, self.celsius + _KELVIN, wave=wave)
        if ends[0] == ends[1]:
            scope.notes.say(line.place, f"'{name}' joins '{ends[0]}' to itself: left out")
            return
        if kind == "i" and series:
            raise line.fail(f"'{name}': rser= and cpar= of a current source are not understood")
        self._place(replace(card, kelvin=round(card.kelvin, 9)), series, scope)


def read_cards(cards: list[Flat], circuit: Circuit) -> Circuit:
    """Read all element cards of a flat deck.

    Raises:
        InputError: naming the line: a card of another kind, a number that is none, a name that is
            taken twice, a value that is not positive, a parameter that is not known.
    """
    for flat in cards:
        circuit.add(flat)
    return circuit


def _known(kind: str) -> str:
    words = {"r": "temp=, noisy=, tc1=", "c": "temp=, ic=, tc1=", "l": "temp=, ic=, rser="}
    return f"{words[kind]} and the like"


def _defaults(model: object | None, kind: str) -> dict[str, str]:
    """What a model says, its value under "value"."""
    if model is None:
        return {}
    named: dict[str, str] = dict(model.named)  # type: ignore[attr-defined]
    line: Line = model.line  # type: ignore[attr-defined]
    found = {}
    for key, value in named.items():
        if key in _VALUES[kind] or (kind == "r" and key == "res"):
            found["value"] = value
        elif key in (
            "tc1",
            "tc2",
            "tce",
            "tnom",
            "scale",
            "m",
            "rsh",
            "narrow",
            "short",
            "defw",
            "cj",
            "cjsw",
        ):
            found[key] = value
        elif key in ("kf", "af"):
            raise line.fail(
                f"{key}= of a model is flicker noise; write a [[noise]] entry in a datasheet"
            )
        elif key not in ("level", "version"):
            raise line.fail(f"'{key}=' of a model is not understood; its value, tc1, tc2, tnom are")
    return found


def _own(
    line: Line, scope: Scope, kind: str, named: dict[str, str], defaults: dict[str, str]
) -> dict[str, str]:
    """Parameters of a card that count; remarks on those that do not, refusal of unknown ones."""
    found, unused = {}, []
    for key, value in named.items():
        if key in _VALUES[kind] and not (key == "l" and kind == "r"):
            continue
        if key in _PLAIN or (key in _BESIDE and kind in "cl"):
            found[key] = value
        elif key == "l" and defaults:
            found[key] = value
        elif key == "ac" and kind == "r":
            continue
        elif key in _RATINGS:
            unused.append(f"{key}=")
        else:
            raise line.fail(
                f"'{key}={value}' is not understood; {_known(kind)} may follow the value"
            )
    if unused:
        said = "ratings"
        scope.notes.say(
            line.place, f"'{line.text.split()[0]}': {', '.join(unused)} ({said}) not used"
        )
    return found


def _sheet(
    line: Line, scope: Scope, kind: str, model: Model | None, defaults: dict[str, str],
    own: dict[str, str],
) -> float:  # fmt: skip
    """The value of a film: rsh (l - 2 short)/(w - 2 narrow), cj area + cjsw circumference with
    both sides less their narrow and short, as ngspice has them.
    """
    needed = {"r": "rsh", "c": "cj"}.get(kind, "")
    if model is None or needed not in defaults or "l" not in own:
        raise line.fail("a value is needed, of the card or of its model")

    def film(key: str) -> float:
        return model.scope.value(defaults[key], model.line) if key in defaults else 0.0

    edge = 2.0 if kind == "r" else 1.0
    length = scope.value(own["l"], line) - edge * film("short")
    width = scope.value(own["w"], line) if "w" in own else film("defw")
    width -= edge * film("narrow")
    if length <= 0.0 or width <= 0.0:
        raise line.fail("its length and width must be larger than what its model takes off")
    if kind == "r":
        return film("rsh") * length / width
    return film("cj") * length * width + 2.0 * film("cjsw") * (length + width)


def _tolerance(text: str, line: Line, scope: Scope) -> float:
    percent = text.strip().endswith("%")
    value = scope.value(text.strip().removesuffix("%"), line)
    return 0.01 * value if percent else value
