"""Mutations: of values, of tables, of lines and of bytes, each as the bytes of a draw say.

A mutation is mild - a number times 0.5 to 2, another word that is known there, an optional entry
less - or harsh: another type, a number at the end of its range, a name with a control character, a
file cut off. Mild ones are meant to be accepted and to go on into the work; harsh ones to be
refused where they are read.
"""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Sequence
from typing import Any, TypeVar

__all__ = ["CHOICES", "Dice", "alter", "alter_bytes", "alter_lines", "alter_tree", "places", "toml"]

T = TypeVar("T")
Place = tuple[Any, ...]

CHOICES: dict[str, tuple[Any, ...]] = {
    "wiring": ("emf", "current"),
    "control": ("continuous", "clocked"),
    "stepper": ("auto", "splitting", "heun", "euler", "reference"),
    "grid": ("uniform", "log-snr"),
    "realisation": ("clock", "resistance", "temperature", "injected"),
    "injected_shape": ("one-pole", "staircase", "interpolated"),
    "filter": ("none", "kalman"),
    "start": ("marginal", "prior", "state"),
    "dtype": ("float32", "float64"),
    "prior": ("schedule", "matched"),
    "kind": ("ou", "vp", "ve", "gaussian", "gaussian_mixture", "exact", "file"),
    "evidence": ("placeholder", "derived", "measured", "metered"),
    "name": ("rc1", "rc8-chain", "rlc1", "spu8", "n0", "r0", "gnd"),
    "every": (0, 1, 3, 5, 64),
    "head": ("plain", "gaussian", "levels"),
}
"""What else may stand under a key."""

STRANGE: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2, -0.0, 0.5, -3.25, math.nan, math.inf, -math.inf, 1e-300, 5e-324,
    1e300, 2**31, 2**63 - 1, 2**63, 2**64, 10**30, 10**400, -(10**30), "", " ", "x", "none", "nan",
    "1e400 V", "-1 V", "0 F", "1 parsec", "300 degC", "-300 degC", "1 V V V", "1e-400 s", "ünïcode",
    "a\tb", "\x1b[31m", "\u202e", "\ud7ff\U0010ffff", "x" * 300, "../../x", "/dev/zero", "/", ".",
    "[[[[", "{}", "%s", "1 F**9**9", [], {}, [[]], [1.0], [[1.0], [2.0]], ["a", 1], {"a": 1},
    {"kind": "mnist"}, {"value": "1 V"}, [1, [2, [3, [4]]]], [math.nan], [1e308, 1e308],
)  # fmt: skip
"""Values that stand where others are expected."""

NAMES = ("", " ", "Kind", "x", "ticks", "kind", "name", "value", "a.b", "ünï", "\x07", "x" * 300)
_QUANTITY = re.compile(r"([+-]?\d+\.?\d*(?:[eE][+-]?\d+)?) ?([A-Za-z/*^ ()\d.-]*)")
_UNITS = (
    "V",
    "mV",
    "uV",
    "ohm",
    "kohm",
    "F",
    "pF",
    "fF",
    "K",
    "s",
    "ns",
    "Hz",
    "MHz",
    "A",
    "",
    "m",
)
_DEEP = 80


class Dice:
    """Choices made by the bytes of one draw: hypothesis shrinks them towards the first of each.

    One draw, because of many hypothesis repeats parts within an input and leaves others unseen.

    Args:
        data: two bytes a choice; once they are used up, every choice is the first.
    """

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def number(self, low: int, high: int) -> int:
        """A whole number, both ends included."""
        two = self._data[self._at : self._at + 2]
        self._at += 2
        return low + int.from_bytes(two, "big") * (high - low + 1) // 2**16

    def choice(self, items: Sequence[T]) -> T:
        """One of these."""
        return items[self.number(0, len(items) - 1)]

    def often(self, percent: int) -> bool:
        """True in so many of a hundred cases."""
        return self.number(0, 99) >= 100 - percent


def places(tree: Any, at: Place = ()) -> list[Place]:
    """Every place of a nested table below its root."""
    keys = tree if isinstance(tree, dict) else range(len(tree)) if isinstance(tree, list) else ()
    return [place for key in keys for place in ((*at, key), *places(tree[key], (*at, key)))]


def alter(value: Any, key: str, dice: Dice, *, mild: bool) -> Any:
    """Another value for this one."""
    if not mild:
        return _deep(dice) if dice.often(4) else dice.choice(STRANGE)
    if key in CHOICES and not isinstance(value, dict) and dice.often(80):
        return dice.choice(CHOICES[key])
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return dice.choice([value + 1, max(value - 1, 0), value // 2, 2 * value])
    if isinstance(value, float):
        return value * dice.choice([1.1, 0.9, 0.5, 2.0])
    if isinstance(value, str) and (found := _QUANTITY.fullmatch(value)):
        number, unit = float(found[1]) * dice.choice([1.1, 0.9, 0.5, 2.0]), found[2]
        unit = dice.choice(_UNITS) if dice.often(10) else unit
        return dice.choice([f"{number!r} {unit}", f"{number:.3e} {unit}", f" {number!r}  {unit}"])
    if isinstance(value, list) and value:
        where = dice.number(0, len(value) - 1)
        rest = alter(value[where], key, dice, mild=True)
        return [*value[:where], rest, *value[where + 1 :]]
    return value


def alter_tree(tree: Any, dice: Dice, *, mild: bool, top: bool = True) -> Any:
    """A nested table with one entry altered, dropped, renamed, doubled or swapped.

    Args:
        tree: nested mappings and lists; it is copied.
        dice: draws.
        mild: see the module.
        top: whether entries of the outermost table may be taken.
    """
    tree = copy.deepcopy(tree)
    there = [place for place in places(tree) if top or len(place) > 1]
    if not there:
        return dice.choice(STRANGE)
    place = dice.choice(there)
    node, key = _at(tree, place[:-1]), place[-1]
    word = next((str(part) for part in reversed(place) if isinstance(part, str)), "")
    verbs = (
        ["alter"] * 8 + ["drop"] if mild else ["alter"] * 5 + ["drop", "rename", "twice", "swap"]
    )
    verb = dice.choice(verbs)
    if verb == "drop":
        del node[key]
    elif verb == "swap":
        other = dice.choice(there)
        mine, theirs = copy.deepcopy(node[key]), copy.deepcopy(_at(tree, other))
        _set(tree, place, theirs)
        if other[: len(place)] != place:
            _set(tree, other, mine)
    elif verb in ("rename", "twice") and isinstance(node, dict):
        name = dice.choice([*NAMES, f"{key}s", str(key).upper()])
        node[name] = node.pop(key) if verb == "rename" else copy.deepcopy(node[key])
    elif verb in ("rename", "twice"):
        node.insert(key, copy.deepcopy(node[key]))
    else:
        node[key] = alter(node[key], word, dice, mild=mild)
    return tree


def alter_lines(text: str, dice: Dice) -> str:
    """A text with a line dropped, doubled, swapped, cut or written over."""
    lines = text.splitlines(keepends=True)
    verb = dice.choice(["drop", "twice", "swap", "cut", "insert", "deep", "ends"])
    at = dice.number(0, len(lines) - 1)
    if verb == "drop":
        del lines[at]
    elif verb == "twice":
        lines.insert(at, lines[at])
    elif verb == "swap":
        to = dice.number(0, len(lines) - 1)
        lines[at], lines[to] = lines[to], lines[at]
    elif verb == "cut":
        return text[: dice.number(0, len(text))]
    elif verb == "insert":
        where = dice.number(0, len(text))
        words = [
            "\0",
            "\x1b",
            "=",
            '"',
            "[",
            "]",
            "#",
            "\n",
            "\u202e",
            "é",
            "\ufeff",
            "'''",
            "*",
            "+",
        ]
        return text[:where] + dice.choice(words) + text[where:]
    elif verb == "deep":
        lines.insert(at, f"deep = {'[' * dice.choice([70, 3000])}\n")
    else:
        return "\r\n".join(text.splitlines())
    return "".join(lines)


def alter_bytes(data: bytes, dice: Dice) -> bytes:
    """A file cut off, too long, empty, in another encoding or with a byte changed."""
    verb = dice.choice(["cut", "flip", "longer", "empty", "utf-16", "zeros", "latin"])
    at = dice.number(0, max(len(data) - 1, 0))
    if verb == "cut":
        return data[:at]
    if verb == "flip":
        return data[:at] + bytes([data[at] ^ 1 << dice.number(0, 7)]) + data[at + 1 :]
    if verb == "longer":
        return data + data[: dice.choice([1, 8, len(data)])]
    if verb == "zeros":
        return data[:at] + bytes(len(data) - at)
    if verb == "latin":
        return data[:at] + b"\xe4\xff" + data[at:]
    return b"" if verb == "empty" else data.decode("latin-1").encode("utf-16")


def toml(tables: dict[str, Any]) -> str:
    """Nested tables as TOML; what TOML has no word for (None) is left out."""
    lines = []
    for key, value in tables.items():
        if isinstance(value, list) and value and all(isinstance(v, dict) for v in value):
            for entry in value:
                lines += [f"[[{_key(key)}]]", *_entries(entry)]
        elif isinstance(value, dict):
            lines += [f"[{_key(key)}]", *_entries(value)]
        elif value is not None:
            lines.insert(0, f"{_key(key)} = {_value(value)}")
    return "\n".join(lines) + "\n"


def _entries(table: dict[str, Any]) -> list[str]:
    return [f"{_key(k)} = {_value(v)}" for k, v in table.items() if v is not None]


def _key(key: str) -> str:
    return key if re.fullmatch("[A-Za-z0-9_-]+", key) else _value(key)


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(_entries(value)) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_value(v) for v in value if v is not None) + "]"
    if isinstance(value, str):
        return '"' + "".join(_character(c) for c in value) + '"'
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int) else repr(value)


def _character(letter: str) -> str:
    if letter in '"\\' or not letter.isprintable():
        return f"\\U{ord(letter):08x}"
    return letter


def _deep(dice: Dice) -> Any:
    value: Any = 1
    for _ in range(dice.choice([_DEEP, 20])):
        value = [value]
    return value


def _at(tree: Any, place: Place) -> Any:
    for key in place:
        tree = tree[key]
    return tree


def _set(tree: Any, place: Place, value: Any) -> None:
    _at(tree, place[:-1])[place[-1]] = value
