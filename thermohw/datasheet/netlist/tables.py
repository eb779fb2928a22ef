"""From what is left of a deck to the tables of a datasheet.

    a capacitor from a node to ground       the node's own capacitance (several add up)
    a node held by coupling capacitors      a node of 0 F: its row of C_M is regular all the same
    a resistor behind a source              carries a controlled source
    an inductor and what is in series       its series resistance, with its own bath
    a constant current beside that          its controlled source
    a resistor without noise                a transconductor that its own voltage controls
    any other source                        beside the circuit: `Netlist.sources`

Names: an element is called like its card, R1 -> "r1"; a prefix as in R_load is taken off, dots of a
copy's path become lines, x1.r1 -> "x1_r1". A node that is a number gets an n, 1 -> "n1".
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from thermohw.datasheet.fields import GROUND
from thermohw.datasheet.netlist.cards import Card, Circuit
from thermohw.datasheet.netlist.graph import Branch, Emf, Graph, added
from thermohw.datasheet.netlist.series import Chains, held

__all__ = ["Tables", "write_tables"]

_RESERVED = (GROUND, "ground", "limits", "cost", "solver", "array", "name", "description", "format")


@dataclass
class Tables:
    """Tables, and how names became the datasheet's.

    Attributes:
        tables: family -> entries as in a TOML file.
        nodes: root of the deck -> node of the datasheet.
        coils: first card of an inductor -> inductor of the datasheet.
        acts: source -> node or inductor of the datasheet -> ampere or volt per unit.
        shifts: voltage source -> node -> coulomb that it pushes through capacitors, per volt.
        inner: sources that belong to an element.
    """

    where: str
    tables: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    nodes: dict[str, str] = field(default_factory=lambda: {"0": GROUND})
    coils: dict[str, str] = field(default_factory=dict)
    acts: dict[str, Emf] = field(default_factory=dict)
    shifts: dict[str, Emf] = field(default_factory=dict)
    inner: set[str] = field(default_factory=set)
    _taken: set[str] = field(default_factory=lambda: set(_RESERVED))
    _tails: dict[str, int] = field(default_factory=dict)

    def name(self, spice: str, letter: str = "n") -> str:
        """A name of the datasheet that is not taken."""
        base = re.sub(r"[^a-z0-9_-]+", "_", spice.lower()).strip("_") or letter
        base = base if base[0].isalpha() or base[0] == "_" else letter + base
        unique = base
        while unique in self._taken:
            self._tails[base] = self._tails.get(base, 1) + 1
            unique = f"{base}_{self._tails[base]}"
        self._taken.add(unique)
        return unique

    def called(self, branch: Branch) -> str:
        """The name of an element."""
        names = [_bare(card.name) for card in branch.cards]
        word = "_".join(names) if len(names) < 4 else f"{names[0]}_to_{names[-1]}"
        return self.name(word[:60], branch.kind)

    def act(self, source: str, coordinate: str, amount: float) -> None:
        """A source drives a node or an inductor."""
        if coordinate != GROUND:
            self.acts[source] = added(self.acts.get(source, {}), {coordinate: amount})


def _bare(name: str) -> str:
    head, _, tail = name.rpartition(".")
    tail = tail[2:] if tail[1:2] == "_" and len(tail) > 2 else tail
    return f"{head}.{tail}" if head else tail


def write_tables(circuit: Circuit, chains: Chains, where: str) -> Tables:
    """All tables, in the order in which state and baths of a device follow each other."""
    graph, out = chains.graph, Tables(where)
    known = held(graph)
    roots: dict[str, None] = {}
    capacitors = [b for b in graph.branches if b.kind == "c"]
    # As capacitors to ground come, those of 0 F included; behind them what others alone hold.
    cards = circuit.cards["c"]
    ends = [[graph.root[end] for end in card.ends] for card in cards]
    ends += [list(branch.ends) for branch in capacitors]
    for pair in sorted(ends, key=lambda pair: "0" not in pair):
        roots |= dict.fromkeys(end for end in pair if end != "0" and end in known)
    for root in roots:
        out.nodes[root] = out.name(root)
    grounded: dict[str, list[Branch]] = {root: [] for root in roots}
    for branch in capacitors:
        if "0" in branch.ends:
            grounded[branch.other("0")].append(branch)
    out.tables["node"] = [_node(out, root, own) for root, own in grounded.items()]
    out.tables["resistor"] = []
    active = []
    for branch in graph.branches:
        if branch.kind == "r":
            if not branch.cards[0].noisy:
                graph.notes.say(
                    branch.cards[0].line.place,
                    f"'{branch.name}' has no noise, hence no bath: a transconductor, and the "
                    "circuit an active one, which runs with th.evolve",
                )
            (out.tables["resistor"] if branch.cards[0].noisy else active).append(
                _resistor(out, branch)
            )
    out.tables["capacitor"] = [
        {"name": out.called(b), "between": _ends(out, b),
         "capacitance": _quantity(out, b, "F")}
        for b in capacitors if "0" not in b.ends
    ]  # fmt: skip
    out.tables["inductor"] = [_inductor(out, b, circuit) for b in graph.branches if b.kind == "l"]
    out.tables["mutual"] = _mutuals(out, chains)
    out.tables["transconductor"] = active
    _sources(out, graph, circuit, capacitors)
    return out


def _ends(out: Tables, branch: Branch) -> list[str]:
    return [out.nodes[end] for end in branch.ends]


def _quantity(out: Tables, branch: Branch, unit: str, *, inverse: bool = False) -> dict[str, Any]:
    """A value, with the lines that it comes from."""
    value = 1.0 / branch.value if inverse else branch.value
    entry: dict[str, Any] = {"value": f"{value!r} {unit}".strip()}
    card = branch.cards[0]
    if len(branch.cards) == 1 and "tolerance" in card.options:
        entry["tolerance"] = card.options["tolerance"]
    return entry | _evidence(branch.cards) | {"source": _places(branch.cards)}


def _evidence(cards: list[Card]) -> dict[str, str]:
    """What somebody asked for beside the cards had to stand there."""
    return {"evidence": "placeholder"} if any(c.given == "request" for c in cards) else {}


def _places(cards: list[Card]) -> str:
    if all(card.given == "request" for card in cards):
        return "on request, no part of the deck"
    files = dict.fromkeys(card.line.file for card in cards)
    said = []
    for file in files:
        numbers = list(dict.fromkeys(str(c.line.number) for c in cards if c.line.file == file))
        more = f" and {len(numbers) - 8} more" if len(numbers) > 8 else ""
        said.append(f"{file}, line{'s' * (len(numbers) > 1)} {', '.join(numbers[:8])}{more}")
    return "; ".join(said[:4])


def _node(out: Tables, root: str, own: list[Branch]) -> dict[str, Any]:
    if not own:
        source = f"{out.where}: coupling capacitors alone hold this node"
        return {"name": out.nodes[root], "capacitance": {"value": "0 F", "source": source}}
    whole = Branch("c", [c for b in own for c in b.cards], (root, "0"), sum(b.value for b in own))
    return {"name": out.nodes[root], "capacitance": _quantity(out, whole, "F")}


def _bath(out: Tables, cards: list[Card]) -> dict[str, Any]:
    card = cards[0]
    entry: dict[str, Any] = {"value": f"{card.kelvin!r} K"}
    if "temperature_tolerance" in card.options:
        entry["tolerance"] = card.options["temperature_tolerance"]
    given = ".temp" if card.given == "request" else card.given
    return entry | {"source": f"{card.line.file}, {given} of line {card.line.number}"}


def _resistor(out: Tables, branch: Branch) -> dict[str, Any]:
    name, ends = out.called(branch), _ends(out, branch)
    for source, factor in branch.emf.items():
        for end, sign in zip(ends, (-1.0, 1.0), strict=True):
            out.act(source, end, sign * factor / branch.value)
    if branch.cards[0].noisy:
        return {"name": name, "between": ends, "resistance": _quantity(out, branch, "ohm"),
                "temperature": _bath(out, branch.cards),
                "source": bool(branch.emf)}  # fmt: skip
    value = _quantity(out, branch, "S", inverse=True)
    return {"name": name, "between": ends, "control": ends, "conductance": value}


def _inductor(out: Tables, branch: Branch, circuit: Circuit) -> dict[str, Any]:
    # Its current runs from the first node of its card to the second.
    if branch.parts[branch.name] < 0.0:
        branch = branch.turned()
    name = out.called(branch)
    out.coils[branch.name] = name
    entry: dict[str, Any] = {"name": name, "between": _ends(out, branch),
                             "inductance": _quantity(out, branch, "H")}  # fmt: skip
    for source, factor in branch.emf.items():
        out.act(source.removeprefix("i:"), name, factor)
    if not branch.series:
        return entry
    cards = [card for part in branch.series for card in part.cards]
    whole = Branch("r", cards, branch.ends, sum(part.value for part in branch.series))
    spans = [{*card.ends} for card in cards]
    beside = [
        card.name for card in circuit.cards["i"]
        if card.wave is not None and card.wave.kind == "dc" and {*card.ends} in spans
        and f"i:{card.name}" in branch.emf
    ]  # fmt: skip
    out.inner |= set(beside)
    return entry | {"series_resistance": _quantity(out, whole, "ohm"),
                    "temperature": _bath(out, cards), "source": bool(beside)}  # fmt: skip


def _mutuals(out: Tables, chains: Chains) -> list[dict[str, Any]]:
    values = {b.name: b.value for b in chains.graph.branches if b.kind == "l"}
    found = []
    for pair, (henry, card) in chains.mutual.items():
        ends = [end for end in card.ends if end in pair]
        ends += [end for end in sorted(pair) if end not in ends]
        k = henry / (values[ends[0]] * values[ends[1]]) ** 0.5
        if set(card.ends) == pair and abs(k - card.value) < 1e-12:
            k = card.value
        if not abs(k) < 1.0:
            raise card.line.fail(f"'{card.name}': couplings in series add up to k = {k:g}")
        branch = Branch("k", [card], (ends[0], ends[1]), k)
        found.append({"name": out.called(branch), "between": [out.coils[e] for e in ends],
                      "k": _quantity(out, branch, "")})  # fmt: skip
    return found


def _sources(out: Tables, graph: Graph, circuit: Circuit, capacitors: list[Branch]) -> None:
    """What sources do that is not an emf in series, and which belong to an element."""
    for branch in capacitors:
        for source, factor in branch.emf.items():
            for end, sign in zip(_ends(out, branch), (1.0, -1.0), strict=True):
                if end != GROUND:
                    shifts = out.shifts.get(source, {})
                    out.shifts[source] = added(shifts, {end: -sign * factor * branch.value})
    for source, shares in graph.injected.items():
        for root, amount in shares.items():
            if root not in out.nodes:
                card = next(card for card in circuit.cards["i"] if card.name == source)
                raise card.line.fail(
                    f"'{source}' drives node '{root}', from which no current can leave: give it "
                    f"a resistor, R_{root} {root} 0 1meg, and a capacitor"
                )
            out.act(source, out.nodes[root], amount)
    bare = {s for b in graph.branches if b.kind == "l" and not b.series for s in b.emf}
    for card in circuit.cards["v"]:
        if card.name in out.acts and card.name not in out.shifts and card.name not in bare:
            out.inner.add(card.name)
