"""Cards that begin with a dot and are no structure: temperatures, start values, the simulator's.

    .temp 85                  of the circuit, degC; of several the first
    .options temp=85 tnom=25  the same, where no .temp is given; at which values are given
    .ic v(a)=1 i(L1)=1m       start values; so is ic= of a C or an L card

All others are analyses and settings of the simulator. They are named in the notes, with their
lines, and left to it. A word that is none of them is refused: it may mean anything.

A start value is the voltage of a node to ground, less what sources hold it at. A coupling capacitor
fixes the difference of two nodes only: with the start of one of them, that of the other.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from thermohw.datasheet.netlist.words import split

if TYPE_CHECKING:
    from thermohw.datasheet.netlist.cards import Circuit
    from thermohw.datasheet.netlist.flatten import Flattened
    from thermohw.datasheet.netlist.graph import Branch, Emf
    from thermohw.datasheet.netlist.lines import Line
    from thermohw.datasheet.netlist.scope import Notes, Scope
    from thermohw.datasheet.netlist.series import Chains
    from thermohw.datasheet.netlist.tables import Tables

__all__ = ["Started", "read_dots", "start_values"]

SKIPPED = (
    ".op", ".ac", ".dc", ".tran", ".noise", ".meas", ".measure", ".pz", ".four", ".fft", ".tf",
    ".sens", ".disto", ".sp", ".pss", ".hb", ".shooting", ".symbolic", ".lin", ".step", ".print",
    ".plot", ".save", ".probe", ".width", ".wave", ".net", ".nodeset", ".csparam", ".backanno",
    ".title", ".text", ".machine", ".savebias", ".loadbias", ".sndparam", ".sndprint", ".data",
    ".enddata", ".end", ".psp", ".ends", ".control", ".endc", ".mc", ".wcase", ".tfe",
    ".autoconverge", ".probe64", ".protect", ".unprotect", ".prot", ".unprot", ".graph", ".lprint",
    ".malias", ".watch", ".sampling", ".embeddedsampling", ".pce", ".result", ".savestate",
    ".loadstate", ".ferret", ".distribution", ".dout", ".inp", ".tran_op", ".acmatch",
)  # fmt: skip
_OPTIONS = (".options", ".option", ".opt", ".opts")
_START = re.compile(r"([vi])\(\s*([^()\s]+)\s*\)\s*=\s*(\{[^{}]*\}|'[^']*'|[^\s,]+)\s*,?\s*", re.I)


class Started(NamedTuple):
    """A start value of a .ic card: v or i, the name of the deck, its size."""

    line: Line
    what: str
    name: str
    value: float


def read_dots(deck: Flattened, circuit: Circuit, notes: Notes) -> list[Started]:
    """Temperatures into the circuit, the rest into the notes.

    Returns:
        Start values.

    Raises:
        InputError: a card that is not understood.
    """
    found: list[Started] = []
    given: list[tuple[Line, float]] = []
    for line, scope in deck.dots:
        word = line.text.split(None, 1)[0].lower()
        rest = line.text[len(word) :].strip()
        if word == ".temp":
            values = [scope.value(w, line, ".temp") for w in split(rest).plain]
            if not values:
                raise line.fail("'.temp' needs a temperature in degC")
            given += [(line, value) for value in values[:1]]
            if len(values) > 1:
                notes.say(line.place, f".temp: the first of {len(values)} temperatures counts")
        elif word in _OPTIONS:
            _options(line, scope, rest, circuit, notes)
        elif word == ".ic":
            found += _starts(line, scope, rest)
        elif word.partition("/")[0] in SKIPPED or (
            word == ".preprocess" and rest.lower().startswith("replaceg")
        ):
            notes.skip(word, line.place)
        else:
            raise line.fail(
                f"'{word}': this card is not understood; delete it if it is the simulator's alone"
            )
    if given:
        circuit.celsius = given[-1][1]
        if len(given) > 1:
            notes.say(given[-1][0].place, ".temp: the last of several counts")
    deck.scope.shared.temper = circuit.celsius
    return found


def _options(line: Line, scope: Scope, rest: str, circuit: Circuit, notes: Notes) -> None:
    plain, named = split(rest)
    for key, value in named.items():
        if key == "temp":
            circuit.celsius = scope.value(value, line, "temp")
        elif key == "tnom":
            circuit.nominal = scope.value(value, line, "tnom")
        elif key in ("rshunt", "cshunt", "gshunt"):
            raise line.fail(f".options {key}= adds an element at every node; write them out")
        elif key == "scale":
            raise line.fail(".options scale= is not understood; write the values out")
    others = [w.lower() for w in plain] + [k for k in named if k not in ("temp", "tnom")]
    if others:
        notes.skip(f".options {', '.join(others[:6])}", line.place)


def _starts(line: Line, scope: Scope, rest: str) -> list[Started]:
    found, place = [], 0
    while place < len(rest):
        match = _START.match(rest, place)
        if match is None:
            word = rest[place:].split()[0]
            raise line.fail(f"'{word}' is not understood; expected v(node)=value")
        what, name, value = match.groups()
        where = scope.node(name) if what.lower() == "v" else name.lower()
        if what.lower() == "v":
            where = scope.shared.ports.get(where.replace(":", "."), where)
        found.append(Started(line, what.lower(), where, scope.value(value, line)))
        place = match.end()
    return found


def start_values(
    started: list[Started], circuit: Circuit, chains: Chains, tables: Tables, notes: Notes
) -> dict[str, float]:
    """Start values of nodes (volt) and inductors (ampere) of the datasheet.

    Raises:
        InputError: a node or an inductor that the deck does not have.
    """
    graph, rest = chains.graph, _rest(circuit)
    start: dict[str, float] = {}
    floating = []
    for branch in graph.branches:
        if branch.kind == "c":
            for card in branch.cards:
                if "ic" in card.options and "0" in branch.ends:
                    # v_a - v_b + E, in the direction of the card: the branch may have been turned.
                    sign = _along(branch, card.ends, graph.root)
                    start[
                        tables.nodes[branch.ends[0] if branch.ends[1] == "0" else branch.ends[1]]
                    ] = (1.0 if branch.ends[1] == "0" else -1.0) * (
                        sign * card.options["ic"] - _volts(branch.emf, rest)
                    )
                elif "ic" in card.options:
                    floating.append((branch, card))
        elif branch.kind == "l":
            for card in branch.cards:
                if "ic" in card.options:
                    start[tables.coils[branch.name]] = card.options["ic"] * (
                        branch.parts[card.name] * branch.parts[branch.name]
                    )
    bare = [c for c in circuit.cards["c"] if c.value == 0.0 and "ic" in c.options and "0" in c.ends]
    for card in bare:
        node, sign = (card.ends[0], 1.0) if card.ends[1] == "0" else (card.ends[1], -1.0)
        started = [*started, Started(card.line, "v", node, sign * card.options["ic"])]
    for line, what, name, value in started:
        if name not in (tables.coils if what == "i" else graph.root):
            name = name.replace(":", ".")  # Xyce: v(x1:out)
        if what == "i":
            if name not in tables.coils:
                raise line.fail(f".ic: no inductor '{name}'; i() of an inductor, v() of a node")
            start[tables.coils[name]] = value
        elif name != "0" and name not in graph.root:
            raise line.fail(f".ic: no node '{name}' in the deck")
        elif graph.root.get(name, "0") not in tables.nodes or graph.root.get(name, "0") == "0":
            notes.say(
                line.place, f".ic: node '{name}' has no state of its own; its start is not used"
            )
        else:
            root = graph.root[name]
            start[tables.nodes[root]] = value - _volts(graph.offset[name], rest)
    for branch, card in floating:
        a, b = (tables.nodes[end] for end in branch.ends)
        gap = _along(branch, card.ends, graph.root) * card.options["ic"] - _volts(branch.emf, rest)
        if a in start and b in start:
            if abs(start[a] - start[b] - gap) > 1e-9 * max(1e-30, abs(start[a]), abs(start[b])):
                notes.say(card.line.place, f"'{card.name}': its ic= contradicts the start of its "
                                           "nodes, which counts")  # fmt: skip
        elif a in start:
            start[b] = start[a] - gap
        elif b in start:
            start[a] = start[b] + gap
        else:
            notes.say(card.line.place, f"'{card.name}': its ic= fixes a difference only, and none "
                                       "of its nodes has a start: not used")  # fmt: skip
    return start


def _rest(circuit: Circuit) -> dict[str, float]:
    """Volts of every source at rest."""
    return {card.name: card.value for card in circuit.cards["v"]}


def _volts(emf: Emf, rest: dict[str, float]) -> float:
    return sum(factor * rest.get(name, 0.0) for name, factor in emf.items())


def _along(branch: Branch, ends: tuple[str, str], root: dict[str, str]) -> float:
    """Whether a branch runs as its card does."""
    first, second = root.get(ends[0], ends[0]), root.get(ends[1], ends[1])
    if branch.ends[0] == first or branch.ends[1] == second:
        return 1.0
    if branch.ends[0] == second or branch.ends[1] == first:
        return -1.0
    return 1.0
