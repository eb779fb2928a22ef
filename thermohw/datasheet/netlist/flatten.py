"""A deck without its structure: files included, branches of .if chosen, sub-circuits written out.

    .include file, .inc, .lib file [section]    what stands there, see `files`
    .param a={2*b} b=1  .func f(x)={x*x}        formulas in any order
    .step param a list 1 2                      a, where no .param defines it, has its first value
    .subckt name a b [params:] r=1k ... .ends   a definition; they nest
    X1 n1 n2 name r=2k                          a copy: its elements are x1.r1, its nodes x1.out
    X1 n1 n2 name m=3                           three in parallel: all its elements have m=3
    .if (a > 1) .elseif .else .endif            one branch
    .global vdd                                 the same node in every copy

What is left are element cards, each with the scope in which its formulas are meant. Copies are
counted, and so are levels: a hundred thousand cards, 32 levels.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from thermohw.datasheet.netlist.files import DeckFolder, included
from thermohw.datasheet.netlist.lines import MOST_CARDS, Line, logical
from thermohw.datasheet.netlist.numbers import number
from thermohw.datasheet.netlist.scope import Model, Notes, Scope
from thermohw.datasheet.netlist.waves import KINDS as WAVES
from thermohw.datasheet.netlist.words import assignments, bare, split
from thermohw.errors import InputError

__all__ = ["Flat", "Flattened", "flatten"]

_DEEPEST = 32
_PARAMS = (".param", ".parameter", ".parameters", ".global_param")  # the last of Xyce
_QUCS = re.compile(r"#\s*Qucs\b")


class Flat(NamedTuple):
    """A card and the scope its formulas are meant in."""

    line: Line
    scope: Scope


@dataclass
class _Block:
    """A definition: its lines and the definitions inside."""

    name: str = ""
    ports: list[str] = field(default_factory=list)
    defaults: list[tuple[str, str]] = field(default_factory=list)
    line: Line | None = None
    body: list[Line] = field(default_factory=list)
    inner: list[_Block] = field(default_factory=list)


@dataclass
class Flattened:
    """A deck, flat: its cards, and those that begin with a dot and are not structure."""

    title: str
    entries: str
    cards: list[Flat]
    dots: list[Flat]
    scope: Scope


def flatten(text: str, where: str, folder: DeckFolder, notes: Notes) -> Flattened:
    """Read a deck and all that it includes.

    Args:
        text: of the main file.
        where: its name in errors.
        folder: what it may include.
        notes: takes remarks.

    Raises:
        InputError: naming the line.
    """
    lines = logical(text, where, titled=True)
    if _QUCS.match(lines.title):
        raise InputError("a netlist of Qucs itself: save it as a SPICE netlist", where=where)
    if _like_a_card(lines.title):
        notes.say(where, "line 1 is the title, as everywhere in SPICE, though it reads like a card")
    whole = list(included(lines, folder, "", 0, notes))
    block = _blocks(whole)
    found = Flattened(lines.title, lines.entries, [], [], Scope(notes))
    _Writer(found).write(block, found.scope, 0)
    return found


def _like_a_card(title: str) -> bool:
    """Whether a title would be a card on any other line."""
    words = split(title).plain
    if title.startswith("."):
        return title.split()[0].lower() in (*_PARAMS, ".include", ".inc", ".lib",
                                                       ".subckt", ".model", ".temp")  # fmt: skip
    value = words[3] if len(words) > 3 else ""
    said = value[:1] in ("{", "'") or value.lower() in ("dc", "ac", *WAVES)
    return title[0:1].lower() in tuple("rclkvi") and (said or number(value) is not None)


def _blocks(lines: list[Line]) -> _Block:
    """Definitions taken out of the lines, as a tree."""
    stack = [_Block()]
    for line in lines:
        word = line.text.split(None, 1)[0].lower() if line.text[0] == "." else ""
        if word == ".subckt":
            plain, named = split(line.text)
            names = [w for w in plain[1:] if w.lower() not in ("params:", "params")]
            if not names:
                raise line.fail("'.subckt' needs a name and its nodes")
            if len(stack) > _DEEPEST:
                raise line.fail(f"sub-circuits inside each other more than {_DEEPEST} levels deep")
            block = _Block(names[0].lower(), [n.lower() for n in names[1:]],
                           list(named.items()), line)  # fmt: skip
            stack[-1].inner.append(block)
            stack.append(block)
        elif word in (".ends", ".eom"):
            if len(stack) == 1:
                raise line.fail("'.ends' ends a sub-circuit, and none is open")
            stack.pop()
        else:
            stack[-1].body.append(line)
    opened = stack[-1].line
    if opened is not None:
        raise opened.fail(f"'.subckt {stack[-1].name}' has no .ends")
    return stack[0]


class _Writer:
    """Writes blocks out."""

    def __init__(self, found: Flattened) -> None:
        self.found, self.count = found, 0

    def write(self, block: _Block, scope: Scope, depth: int) -> None:
        scope.circuits |= {inner.name: inner for inner in block.inner}
        lines = _chosen(block.body, scope)
        copies = []
        for line in lines:
            self.count += 1
            if self.count > MOST_CARDS:
                raise line.fail(f"more than {MOST_CARDS} cards, copies of sub-circuits counted")
            kind = line.text[0].lower()
            if kind == "x":
                copies.append(line)
            elif kind == ".":
                self.dot(line, scope)
            else:
                self.found.cards.append(Flat(line, scope))
        # Shared nodes are known only now.
        for line in copies:
            self.copy(line, scope, depth)

    def dot(self, line: Line, scope: Scope) -> None:
        word = line.text.split(None, 1)[0].lower()
        if word == ".global":
            names = [w.lower() for w in split(line.text).plain[1:]]
            scope.shared.nodes |= set(names)
        elif word == ".model":
            plain, named = split(line.text)
            if len(plain) < 3:
                raise line.fail("'.model' needs a name and a kind")
            scope.models[plain[1].lower()] = Model(line, plain[2].lower(), named, scope)
            if plain[2].lower() not in ("r", "res", "c", "cap", "l", "ind"):
                scope.notes.skip(f".model of kind {plain[2][:20]}", line.place)
        elif word not in (*_PARAMS, ".func"):
            self.found.dots.append(Flat(line, scope))

    def copy(self, line: Line, scope: Scope, depth: int) -> None:
        plain, named = split(line.text)
        words = [w for w in plain if w.lower() not in ("params:", "params")]
        if len(words) > 2 and words[-2] == "/":  # of HSPICE, CDL and PSpice
            del words[-2]
        if depth >= _DEEPEST:
            raise line.fail(
                f"'{line.text.split()[0]}': sub-circuits inside each other more than "
                f"{_DEEPEST} levels deep, or one that holds itself"
            )
        if len(words) < 2:
            raise line.fail(f"'{line.text[:80]}': nodes and the name of a sub-circuit are needed")
        circuit = scope.find("circuits", words[-1].lower())
        if not isinstance(circuit, _Block):
            raise line.fail(
                f"'{words[0]}': no sub-circuit '{words[-1]}' in the deck "
                "or in what it includes; only R, C, L, K, V and I inside one are understood"
            )
        nodes = words[1:-1]
        if len(nodes) != len(circuit.ports):
            raise line.fail(
                f"'{words[0]}' joins {len(nodes)} nodes to '{circuit.name}', which has "
                f"{len(circuit.ports)}"
            )
        name = words[0].lower()
        inner = Scope(
            scope.notes, scope, f"{scope.path}.{name}" if scope.path else name,
            {port: scope.node(node) for port, node in zip(circuit.ports, nodes, strict=True)},
            scope.shared,
        )  # fmt: skip
        scope.shared.ports |= {f"{inner.path}.{p}": node for p, node in inner.nodes.items()}
        inner.outer = _home(circuit, scope)
        assert circuit.line is not None
        inner.formulas |= {k: (bare(v), circuit.line, inner) for k, v in circuit.defaults}
        known = {key for key, _ in circuit.defaults} | _parameters(circuit.body)
        for key, text in named.items():
            if key not in known and key != "m":
                scope.notes.say(
                    line.place, f"'{words[0]}': '{circuit.name}' has no parameter '{key}'"
                )
            inner.formulas[key] = (bare(text), line, scope)
        inner.many = scope.many
        if "m" in named:
            many = scope.value(named["m"], line)
            if "m" in known and many != 1.0:
                raise line.fail(
                    f"'{words[0]}': m= counts its copies in Xyce and is a parameter of "
                    f"'{circuit.name}' in ngspice; rename that one"
                )
            if not many > 0.0:
                raise line.fail(f"'{words[0]}': m = {many:g} must be positive")
            inner.many *= many
            if many != 1.0:
                told = f"{many:g} copies in parallel are one circuit, each inner node the average"
                if scope.many != 1.0:
                    told += f"; {scope.many:g} times as many, as in Xyce; ngspice 39 takes one m="
                scope.notes.say(line.place, f"'{words[0]}': {told}")
        self.write(circuit, inner, depth + 1)


def _home(circuit: _Block, scope: Scope) -> Scope:
    """The scope in which a definition stands: its names are looked up there."""
    while circuit.name not in scope.circuits and scope.outer is not None:
        scope = scope.outer
    return scope


def _parameters(body: list[Line]) -> set[str]:
    lines = [line.text for line in body if line.text.lower().startswith((".param", ".global_p"))]
    return {key for text in lines for key, _ in assignments(text.partition(" ")[2])}


def _chosen(body: list[Line], scope: Scope) -> list[Line]:
    """The lines that count: parameters noted, one branch of every .if taken."""
    for line in _outside(body):
        _define(line, scope)
    lines: list[Line] = []
    state: list[tuple[bool, bool]] = []  # of every open .if: taken now, taken already
    for line in body:
        word = line.text.split(None, 1)[0].lower().partition("(")[0] if line.text[0] == "." else ""
        if word in (".if", ".elseif"):
            if word == ".elseif" and not state:
                raise line.fail("'.elseif' without .if")
            taken, done = state.pop() if word == ".elseif" else (False, False)
            outside = all(now for now, _ in state)
            condition = line.text[len(word) :].strip()
            taken = outside and not done and bool(scope.value(condition, line))
            state.append((taken, done or taken))
        elif word in (".else", ".endif"):
            if not state:
                raise line.fail(f"'{word}' without .if")
            _, done = state.pop()
            if word == ".else":
                state.append((not done, True))
        elif all(now for now, _ in state):
            if state:
                _define(line, scope)
            lines.append(line)
    if state:
        raise body[-1].fail("'.if' without .endif above")
    for line in lines:
        _step(line, scope)
    return lines


def _outside(body: list[Line]) -> Iterator[Line]:
    depth = 0
    for line in body:
        word = line.text.lower()
        depth += word.startswith(".if")
        if depth == 0:
            yield line
        depth -= word.startswith(".endif")


def _define(line: Line, scope: Scope) -> None:
    word, _, rest = line.text.partition(" ")
    word = word.lower()
    if word == ".func":
        name, bracket, tail = rest.partition("(")
        names, _, formula = tail.partition(")")
        if not bracket or not formula.strip():
            raise line.fail("'.func' needs a form such as f(x) = {2*x}")
        own = [n.strip().lower() for n in names.split(",") if n.strip()]
        scope.functions[name.strip().lower()] = own, bare(formula.strip().removeprefix("="))
    elif word in _PARAMS:
        pairs = assignments(rest)
        if not pairs:
            raise line.fail(f"'{word}' needs name=value")
        for key, text in pairs:
            name, bracket, names = key.partition("(")
            if bracket:
                own = [n.strip() for n in names.rstrip(")").split(",") if n.strip()]
                scope.functions[name] = own, text
            elif key == "temp":
                raise line.fail(
                    "'.param temp' is the temperature in LTspice and a plain name in ngspice; "
                    "write .temp"
                )
            # A copy's own value of a parameter goes before the definition's.
            elif key not in scope.formulas or scope.formulas[key][2] is scope:
                scope.formulas[key] = (text, line, scope)


def _step(line: Line, scope: Scope) -> None:
    """The first value of a parameter that only .step defines."""
    words = split(line.text).plain
    if not words or words[0].lower() != ".step":
        return
    rest = [w for w in words[1:] if w.lower() not in ("param", "lin", "dec", "oct")]
    name, given = (rest[0].lower(), rest[1:]) if rest else ("", [])
    first = next((w for w in given if w.lower() != "list"), None)
    if first is not None and name not in scope.formulas and line.text.lower().find("param") >= 0:
        scope.formulas[name] = (bare(first), line, scope)
        scope.notes.say(line.place, f".step: '{name}' has its first value, {first}")
