"""Names of a netlist and what they mean: parameters, functions, models, sub-circuits.

A scope is the deck or one copy of a sub-circuit. Names are looked up in it, then in the scope in
which its sub-circuit stands; a parameter is worked out when it is first asked for, so that their
order does not matter, and once.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from thermohw.datasheet.netlist.expression import FormulaError, evaluate, is_name
from thermohw.datasheet.netlist.lines import Line
from thermohw.datasheet.netlist.numbers import doubtful, number
from thermohw.datasheet.netlist.words import bare

__all__ = ["Model", "Notes", "Scope", "Shared"]

Lookup = Callable[[str], float | None]

_DEEPEST = 48  # parameters that refer to each other, functions that call each other


@dataclass
class Notes:
    """What a reader left out or understood in one of several ways, in the order of the deck."""

    lines: dict[str, None] = field(default_factory=dict)
    _skipped: dict[str, list[str]] = field(default_factory=dict)

    def say(self, place: str, message: str) -> None:
        """One remark."""
        self.lines[f"{place}: {message}"] = None

    def skip(self, kind: str, place: str) -> None:
        """A card that is the simulator's business."""
        self._skipped.setdefault(kind, []).append(place.rsplit(" ", 1)[-1])

    def all(self) -> tuple[str, ...]:
        """All of them."""
        said = []
        for kind, places in self._skipped.items():
            more = f" and {len(places) - 4} more" if len(places) > 4 else ""
            word = "lines" if len(places) > 1 else "line"
            said.append(f"{kind} ({word} {', '.join(places[:4])}{more})")
        head = [f"left to the simulator: {', '.join(said)}"] if said else []
        return (*self.lines, *head)


@dataclass(frozen=True)
class Model:
    """A .model card: its kind and parameters as text, and the scope they are meant in."""

    line: Line
    kind: str
    named: dict[str, str]
    scope: Scope


@dataclass
class Shared:
    """What all scopes of a deck have in common.

    Attributes:
        temper: the circuit's temperature, degC; None until all cards that set it are read.
        nodes: that keep their names in every copy.
        ports: of copies, as "x1.out": the node of the deck that each is.
        opened: parameters and functions that are being worked out.
        left: characters of formulas that may still be read.
    """

    temper: float | None = None
    nodes: set[str] = field(default_factory=lambda: {"0"})
    ports: dict[str, str] = field(default_factory=dict)
    opened: list[tuple[int, str]] = field(default_factory=list)
    left: int = 1_000_000


@dataclass(eq=False)
class Scope:
    """One level of names.

    Attributes:
        notes: of the deck.
        outer: where the definition stands; None for the deck.
        path: of the copy, "" or "x1.x2".
        nodes: ports of the sub-circuit -> nodes of the deck.
        shared: of the deck.
        many: copies in parallel, m= of all X cards above.
    """

    notes: Notes
    outer: Scope | None = None
    path: str = ""
    nodes: dict[str, str] = field(default_factory=dict)
    shared: Shared = field(default_factory=Shared)
    formulas: dict[str, tuple[str, Line, Scope]] = field(default_factory=dict)
    functions: dict[str, tuple[list[str], str]] = field(default_factory=dict)
    models: dict[str, Model] = field(default_factory=dict)
    circuits: dict[str, object] = field(default_factory=dict)
    many: float = 1.0
    _values: dict[str, float] = field(default_factory=dict)

    def find(self, table: str, name: str) -> Any:
        """A model, a function or a sub-circuit by name; None where there is none."""
        scope: Scope | None = self
        while scope is not None:
            known = getattr(scope, table)
            if name in known:
                return known[name]
            scope = scope.outer
        return None

    def node(self, name: str) -> str:
        """The node of the deck that a name means here."""
        lower = name.lower()
        if lower in ("0", "gnd"):
            return "0"
        if lower in self.nodes:
            return self.nodes[lower]
        if lower in self.shared.nodes or lower.startswith("$g_") or not self.path:
            return lower
        return f"{self.path}.{lower}"

    def value(self, text: str, line: Line, what: str = "") -> float:
        """A number, a parameter's, or a formula's.

        Raises:
            InputError: naming the line.
        """
        inner = bare(text)
        # A parameter may be called r1, which would be a number too: 0.1.
        found = self._named(inner, line) if is_name(inner) else number(inner)
        if found is None and inner == text.strip():
            found = number(inner)
        elif is_name(inner):
            return found if found is not None else self._formula(text, inner, line, what)
        if (remark := doubtful(inner)) and found is None:
            raise line.fail(remark)
        if remark:
            self.notes.say(line.place, remark)
        if found is None:
            found = self._formula(text, inner, line, what)
        if not math.isfinite(found):
            raise line.fail(f"'{text}' is not a number that a double can hold")
        return found

    def _named(self, name: str, line: Line) -> float | None:
        try:
            return self.parameter(name.lower())
        except FormulaError as error:
            raise line.fail(f"'{name}' is not a number ({error})") from None

    def _power(self, text: str, line: Line) -> None:
        if "^" in text:
            self.notes.say(
                line.place, "'^' is a power, as in ngspice; LTspice takes it for exclusive or"
            )

    def _formula(self, text: str, inner: str, line: Line, what: str) -> float:
        self._power(inner, line)
        try:
            return self._evaluated(f"{{{line.place}}}", inner, self.parameter, self)
        except FormulaError as error:
            why = str(error)
        except RecursionError:
            why = "its formulas refer to each other too deeply"
        named = f"{what} = " if what else ""
        shown = text if len(text) < 60 else f"{text[:40]} ..."
        raise line.fail(
            f"{named}'{shown}' is not a number; expected one such as 1k, 10p, 2meg ({why})"
        )

    def parameter(self, name: str) -> float | None:
        """The value of a parameter, or None where there is none of this name.

        Raises:
            FormulaError: it refers to itself, or its formula is wrong.
        """
        scope: Scope | None = self
        while scope is not None:
            if name in scope._values:
                return scope._values[name]
            if name in scope.formulas:
                return scope._work_out(name)
            scope = scope.outer
        # Temper in ngspice and HSPICE, temp in LTspice and Xyce.
        return self.shared.temper if name in ("temper", "temp") else None

    def _work_out(self, name: str) -> float:
        text, line, where = self.formulas[name]
        self._power(text, line)
        found = None if is_name(text) else number(text)
        if found is None:
            found = self._evaluated(name, text, where.parameter, where)
        self._values[name] = found
        return found

    def knows(self, name: str) -> bool:
        """Whether the deck defines a function."""
        return self.find("functions", name) is not None

    def call(self, name: str, values: list[float]) -> float:
        """The value of a function of the deck."""
        names, text = self.find("functions", name)
        if len(names) != len(values):
            raise FormulaError(f"{name}() takes {len(names)} values")
        own = dict(zip(names, values, strict=True))

        def lookup(asked: str) -> float | None:
            return own[asked] if asked in own else self.parameter(asked)

        return self._evaluated(f"{name}()", text, lookup, self)

    def _evaluated(self, name: str, text: str, lookup: Lookup, where: Scope) -> float:
        """A formula, meant in a scope; the depth and the length of all of them are counted."""
        opened = self.shared.opened
        if (id(self), name) in opened:
            raise FormulaError(f"'{name}' refers to itself")
        if len(opened) >= _DEEPEST:
            raise FormulaError(f"more than {_DEEPEST} parameters that refer to each other in a row")
        self.shared.left -= len(text)
        if self.shared.left < 0:
            raise FormulaError("the formulas of this deck take too long; simplify them")
        opened.append((id(self), name))
        try:
            return evaluate(text, lookup, where.call, where.knows)
        finally:
            opened.pop()
