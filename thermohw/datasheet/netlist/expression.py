"""Arithmetic of .param and of values in braces or quotes, without `eval`.

    or        a || b, a | b          compare    <  <=  >  >=  ==  =  !=
    and       a && b, a & b          sum        +  -
    not       !a                     product    *  /  %
    choice    c ? a : b              power      ^  **, from the right;  -2^2 = -4

Numbers carry SPICE's scale factors. Functions: abs, sqrt, exp, ln, log (natural, as in LTspice and
ngspice), log10, pow, pwr, pwrs, min, max, limit of three, table, if, ternary_fcn, int, nint, round,
floor, ceil, sgn, sign of one and of two, uramp, u, buf, inv, hypot, and the circular and hyperbolic
ones; constants pi, e and temper. Random ones (gauss, agauss, limit of two, ...) are refused: a
datasheet states a tolerance instead.

A stranger's formula costs what it is long: nesting and length are limited, every operation is one
of doubles, and each parameter is worked out once.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from thermohw.datasheet.netlist.numbers import doubtful, number

__all__ = ["FormulaError", "evaluate", "is_name"]

_LONGEST, _DEEPEST = 4096, 48
_TOKEN = re.compile(
    r"\s*(?:((?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?[a-z]*\d*[a-z]*)|([a-z_][\w.#]*)"
    r"|(\*\*|<=|>=|==|!=|&&|\|\||[-+*/%^()<>?:,!=&|]))",
    re.I,
)
_NAME = re.compile(r"[A-Za-z_][\w.#]*")
_RANDOM = ("gauss", "agauss", "unif", "aunif", "limit", "rand", "random", "flat", "mc")


class FormulaError(ValueError):
    """What is wrong with a formula, in words."""


def _sign(x: float) -> float:
    return math.copysign(1.0, x) if x else 0.0


def _signed(a: float, *b: float) -> float:
    """Sign of a; of two, as Fortran and HSPICE have it, the size of a with the sign of b."""
    if len(b) > 1:
        raise FormulaError("sign() takes one or two values")
    return abs(a) * _sign(b[0]) if b else _sign(a)


def _table(x: float, points: tuple[float, ...]) -> float:
    """Linear between pairs of a place and a value, constant beyond."""
    at, value = points[::2], points[1::2]
    if len(at) != len(value) or not at or any(b <= a for a, b in pairwise(at)):
        raise FormulaError("table(x, a, b, ...) takes pairs, the first of each growing")
    place = min(max(x, at[0]), at[-1])
    i = max(sum(a <= place for a in at[:-1]) - 1, 0)
    if len(at) == 1:
        return value[0]
    return value[i] + (value[i + 1] - value[i]) * (place - at[i]) / (at[i + 1] - at[i])


_FUNCTIONS: dict[str, tuple[int, Callable[..., float]]] = {
    "abs": (1, lambda a: abs(a)), "sqrt": (1, math.sqrt), "exp": (1, math.exp), "ln": (1, math.log),
    "log": (1, math.log), "log10": (1, math.log10), "pow": (2, lambda a, b: _power(a, b)),
    "pwr": (2, lambda a, b: abs(a) ** b), "min": (0, lambda *a: min(a)),
    "max": (0, lambda *a: max(a)),
    "if": (3, lambda c, a, b: a if c else b), "ternary_fcn": (3, lambda c, a, b: a if c else b),
    "int": (1, lambda a: float(math.trunc(a))), "nint": (1, lambda a: float(math.floor(a + 0.5))),
    "floor": (1, lambda a: float(math.floor(a))), "ceil": (1, lambda a: float(math.ceil(a))),
    "sqr": (1, lambda a: a * a), "sgn": (1, _sign), "sign": (0, lambda a, *b: _signed(a, *b)),
    "round": (1, lambda a: math.copysign(math.floor(abs(a) + 0.5), a)),
    "pwrs": (2, lambda a, b: math.copysign(abs(a) ** b, a)),
    "limit": (3, lambda *a: sorted(a)[1]), "table": (0, lambda x, *a: _table(x, a)),
    "buf": (1, lambda a: float(a > 0.5)), "inv": (1, lambda a: float(a <= 0.5)),
    "uramp": (1, lambda a: max(a, 0.0)),
    "u": (1, lambda a: float(a > 0.0)), "hypot": (2, math.hypot), "sin": (1, math.sin),
    "cos": (1, math.cos), "tan": (1, math.tan), "asin": (1, math.asin), "acos": (1, math.acos),
    "atan": (1, math.atan), "arctan": (1, math.atan), "atan2": (2, math.atan2),
    "sinh": (1, math.sinh), "cosh": (1, math.cosh), "tanh": (1, math.tanh),
    "asinh": (1, math.asinh), "acosh": (1, math.acosh), "atanh": (1, math.atanh),
}  # fmt: skip
_BINARY: tuple[dict[str, Callable[[float, float], float]], ...] = (
    dict.fromkeys(("||", "|"), lambda a, b: float(bool(a) or bool(b))),
    dict.fromkeys(("&&", "&"), lambda a, b: float(bool(a) and bool(b))),
    {"==": lambda a, b: float(a == b), "=": lambda a, b: float(a == b),
     "!=": lambda a, b: float(a != b),
     "<": lambda a, b: float(a < b), ">": lambda a, b: float(a > b),
     "<=": lambda a, b: float(a <= b), ">=": lambda a, b: float(a >= b)},
    {"+": lambda a, b: a + b, "-": lambda a, b: a - b},
    {"*": lambda a, b: a * b, "/": lambda a, b: a / b, "%": math.fmod},
)  # fmt: skip


def _power(a: float, b: float) -> float:
    value = a**b
    if isinstance(value, complex):
        raise FormulaError(f"{a:g} to the power of {b:g} is no real number")
    return value


def is_name(text: str) -> bool:
    """Whether a text is one bare name."""
    return _NAME.fullmatch(text) is not None


def evaluate(
    text: str,
    lookup: Callable[[str], float | None],
    functions: Callable[[str, list[float]], float] | None = None,
    known: Callable[[str], bool] = lambda _: False,
) -> float:
    """The value of a formula.

    Args:
        text: without braces or quotes.
        lookup: value of a name (lower case); None where there is none.
        functions: value of a function that the deck defines.
        known: whether it defines a function.

    Raises:
        FormulaError: with what is wrong.
    """
    try:
        value = _Parser(text, lookup, functions, known).whole()
    except OverflowError:
        raise FormulaError("its value leaves the range of a double") from None
    except ZeroDivisionError:
        raise FormulaError("it divides by zero") from None
    except ValueError as error:
        if isinstance(error, FormulaError):
            raise
        raise FormulaError("a function has no value there") from None
    if not math.isfinite(value):
        raise FormulaError("its value is no finite number")
    return float(value)


class _Parser:
    """Recursive descent over one formula."""

    def __init__(self, text: str, lookup: Any, functions: Any, known: Any) -> None:
        if len(text) > _LONGEST:
            raise FormulaError(f"a formula of {len(text)} characters; at most {_LONGEST} are read")
        self.lookup, self.functions, self.known = lookup, functions, known
        self.depth, self.at = 0, 0
        self.tokens: list[str] = []
        place, text = 0, text.strip()
        while place < len(text):
            match = _TOKEN.match(text, place)
            if match is None:
                raise FormulaError(f"'{text[place : place + 12].strip()}' is not understood in it")
            self.tokens.append(match.group().strip())
            place = match.end()

    def whole(self) -> float:
        value = self.choice()
        if self.at < len(self.tokens):
            raise FormulaError(f"'{self.tokens[self.at]}' is not expected in it")
        return value

    def take(self, *wanted: str) -> str:
        if self.at < len(self.tokens) and self.tokens[self.at] in wanted:
            self.at += 1
            return self.tokens[self.at - 1]
        return ""

    def need(self, wanted: str) -> None:
        if not self.take(wanted):
            raise FormulaError(f"'{wanted}' is missing in it")

    def choice(self) -> float:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise FormulaError(f"nested more than {_DEEPEST} levels deep")
        value = self.binary(0)
        if self.take("?"):
            yes = self.choice()
            self.need(":")
            no = self.choice()
            value = yes if value else no
        self.depth -= 1
        return value

    def binary(self, level: int) -> float:
        if level == len(_BINARY):
            return self.unary()
        value = self.binary(level + 1)
        while sign := self.take(*_BINARY[level]):
            value = _BINARY[level][sign](value, self.binary(level + 1))
        return value

    def unary(self) -> float:
        signs = []
        while sign := self.take("-", "+", "!"):
            signs.append(sign)
        value = self.power()
        for sign in reversed(signs):
            value = -value if sign == "-" else float(not value) if sign == "!" else value
        return value

    def power(self) -> float:
        bases = [self.atom()]
        signs = [1.0]
        while self.take("^", "**"):
            signs.append(-1.0 if self.take("-") else 1.0)
            bases.append(self.atom())
        value = signs[-1] * bases[-1]
        for base, sign in zip(reversed(bases[:-1]), reversed(signs[:-1]), strict=True):
            value = sign * _power(base, value)
        return value

    def atom(self) -> float:
        if self.at >= len(self.tokens):
            raise FormulaError("it ends too early")
        token = self.tokens[self.at]
        self.at += 1
        if token == "(":
            value = self.choice()
            self.need(")")
            return value
        if token[0].isdigit() or token[0] == ".":
            value = number(token)
            if value is None:
                raise FormulaError(doubtful(token) or f"'{token}' is not a number")
            return value
        if not _NAME.fullmatch(token):
            raise FormulaError(f"'{token}' is not expected in it")
        return self.call(token.lower()) if self.take("(") else self.named(token.lower())

    def named(self, name: str) -> float:
        value = self.lookup(name)
        if value is None:
            value = {"pi": math.pi, "e": math.e}.get(name)
        if value is None:
            raise FormulaError(f"there is no parameter '{name}'; define it with .param {name}=...")
        return value

    def call(self, name: str) -> float:
        if name not in _FUNCTIONS and name not in _RANDOM and not self.known(name):
            raise FormulaError(f"there is no function '{name}'; define it with .func")
        values = []
        if not self.take(")"):
            values.append(self.choice())
            while self.take(","):
                values.append(self.choice())
            self.need(")")
        own = self.functions(name, values) if self.known(name) else None
        if own is not None:
            return own
        if name in _RANDOM and (name != "limit" or len(values) < 3):
            raise FormulaError(
                f"{name}() is random, and a board is not: give the nominal value, and its "
                "tolerance in a comment, '; tolerance=0.01'"
            )
        count, function = _FUNCTIONS[name]
        if not values or (count and len(values) != count):
            raise FormulaError(f"{name}() takes {count or 'one or more'} values")
        return float(function(*values))
