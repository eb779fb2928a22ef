r"""A flat deck as a graph: nodes that sources hold are one node, branches carry their emf.

A voltage source between p and q fixes v_p = v_q + e, whatever flows: all nodes that such sources
join are one node up to offsets that are sums of emfs,

    v_p = v_root + sum_j c_pj e_j,

and the root is ground wherever ground is among them (a node that a source drives is ground behind
an emf). A branch from a to b then feels v_a - v_b + E with roots a, b and E = sum (c_a - c_b) e.
Sources of 0 V and resistors of 0 ohm are wires. A branch between nodes of one root feels sources
alone: it does nothing to the rest and is left out, with a remark. Sources that close a loop are
refused.

Current sources are injections into roots, ampere per ampere.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from thermohw.datasheet.netlist.cards import Card, Circuit

if TYPE_CHECKING:
    from thermohw.datasheet.netlist.scope import Notes

__all__ = ["Branch", "Emf", "Graph", "added", "build_graph", "across"]

_MOST_BEHIND = 200  # voltage sources between two nodes

Emf = dict[str, float]
"""Volts per volt of every source."""


def added(one: Emf, other: Emf, factor: float = 1.0) -> Emf:
    """one + factor other, without zeros."""
    total = dict(one)
    for name, value in other.items():
        total[name] = total.get(name, 0.0) + factor * value
    return {name: value for name, value in total.items() if value != 0.0}


@dataclass(eq=False)
class Branch:
    """An element between two roots; its voltage is v_a - v_b + emf.

    Attributes:
        kind: r, c or l.
        cards: that it stands for.
        ends: a, b.
        value: ohm, farad or henry.
        emf: of the sources that its ends lie behind.
        series: of an inductor: the resistors that carry its current.
        parts: of an inductor: the inductors it stands for, with signs.
    """

    kind: str
    cards: list[Card]
    ends: tuple[str, str]
    value: float
    emf: Emf = field(default_factory=dict)
    series: list[Branch] = field(default_factory=list)
    parts: dict[str, float] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Of its cards."""
        return self.cards[0].name

    def other(self, end: str) -> str:
        """The end that is not `end`."""
        return self.ends[1] if self.ends[0] == end else self.ends[0]

    def turned(self) -> Branch:
        """The same seen from the other end."""
        return replace(
            self, ends=self.ends[::-1], emf={k: -v for k, v in self.emf.items()},
            parts={k: -v for k, v in self.parts.items()},
        )  # fmt: skip

    def moved(self, end: str, to: str) -> Branch:
        """The same with one end elsewhere."""
        a, b = self.ends
        return replace(self, ends=(to, b) if a == end else (a, to))


@dataclass
class Graph:
    """Branches and injections.

    Attributes:
        branches: in the order of the deck.
        root: node of the deck -> the node it is one with.
        offset: node of the deck -> its volts above the root.
        injected: current source -> ampere per ampere into every root.
        notes: of the deck.
        left: branches that may still be looked at while nodes are taken out.
    """

    branches: list[Branch]
    root: dict[str, str]
    offset: dict[str, Emf]
    injected: dict[str, Emf]
    notes: Notes
    left: int = 20_000_000

    def spend(self) -> None:
        """One look at every branch.

        Raises:
            InputError: too many of them for the number of nodes without capacitance.
        """
        self.left -= len(self.branches)
        if self.left < 0:
            raise (
                self.branches[0]
                .cards[0]
                .line.fail(
                    "too many nodes without capacitance to take out one by one; give them "
                    "theirs, or ask for parasitic ones, '*! parasitic = \"10 fF\"'"
                )
            )

    def touching(self) -> dict[str, list[Branch]]:
        """Branches at every root but ground."""
        self.spend()
        found: dict[str, list[Branch]] = defaultdict(list)
        for branch in self.branches:
            for end in branch.ends:
                if end != "0":
                    found[end].append(branch)
        return found

    def fed(self) -> set[str]:
        """Roots that current sources feed."""
        return {root for shares in self.injected.values() for root in shares}

    def swap(self, changes: list[tuple[list[Branch], list[Branch]]]) -> None:
        """Replace branches; new ones stand where the first old one of their kind did."""
        self.spend()
        gone = {id(branch) for old, _ in changes for branch in old}
        made: dict[int, list[Branch]] = {}
        for old, new in changes:
            kind = new[0].kind if new else old[0].kind
            at = next((b for b in old if b.kind == kind), old[0])
            made[id(at)] = new
        self.branches = [
            b
            for old in self.branches
            for b in (made.get(id(old), []) if id(old) in gone else [old])
        ]


def across(branch: Branch) -> str:
    """Where a branch lies, for people."""
    return f"'{branch.name}' ({branch.cards[0].line.place})"


def build_graph(circuit: Circuit, notes: Notes) -> Graph:
    """Join what sources hold.

    Raises:
        InputError: a loop of voltage sources.
    """
    root, offset = _joined(circuit, notes)
    graph = Graph([], root, offset, {}, notes)
    coils = {end for card in circuit.cards["k"] for end in card.ends}
    for kind in "rcl":
        for card in circuit.cards[kind]:
            if card.value == 0.0:
                continue
            p, q = card.ends
            emf = added(offset[p], offset[q], -1.0)
            parts = {card.name: 1.0} if kind == "l" else {}
            branch = Branch(kind, [card], (root[p], root[q]), card.value, emf, parts=parts)
            if branch.ends[0] != branch.ends[1]:
                # Ground second: what a datasheet's signs are easiest in.
                graph.branches.append(branch.turned() if branch.ends[0] == "0" else branch)
            elif card.name in coils:
                raise card.line.fail(
                    f"'{card.name}': a source holds both ends of an inductor that is coupled to "
                    "others; give the source its resistance, rser=1"
                )
            else:
                notes.say(
                    card.line.place,
                    f"'{card.name}' lies across sources, which hold both its ends: left out",
                )
    for card in circuit.cards["i"]:
        shares: Emf = {}
        for node, sign in zip(card.ends, (-1.0, 1.0), strict=True):
            if root.setdefault(node, node) != "0":
                shares = added(shares, {root[node]: sign * card.options.get("m", 1.0)})
        offset.update({node: offset.get(node, {}) for node in card.ends})
        graph.injected[card.name] = shares
    return graph


def _joined(circuit: Circuit, notes: Notes) -> tuple[dict[str, str], dict[str, Emf]]:
    """Root and offset of every node."""
    wires = [card for card in circuit.cards["r"] if card.value == 0.0]
    for card in wires:
        notes.say(card.line.place, f"'{card.name}' of 0 ohm is a wire")
    members: dict[str, list[str]] = {"0": ["0"]}
    root, offset = {"0": "0"}, {"0": {}}
    stored = {end for card in circuit.cards["c"] if card.value > 0.0 for end in card.ends}
    for kind in "rclvi":
        for card in circuit.cards[kind]:
            for end in card.ends:
                if end not in root:
                    root[end], offset[end], members[end] = end, {}, [end]
    for card in [*circuit.cards["v"], *wires]:
        p, q = card.ends
        e: Emf = {card.name: 1.0} if card.kind == "v" else {}
        gap = added(added(offset[q], e), offset[p], -1.0)  # root of p above that of q
        one, other = root[p], root[q]
        if one == other:
            if not gap and card.kind == "r":
                continue
            raise card.line.fail(
                f"'{card.name}' closes a loop of voltage sources, whose current nothing limits; "
                "give one of them its resistance, rser=1"
            )
        if len(gap) > _MOST_BEHIND:
            raise card.line.fail(f"more than {_MOST_BEHIND} voltage sources in a row")
        # The root is ground, or else a node with a capacitor: it is called as it was.
        worth = [(o == "0", o in stored, len(members[o])) for o in (one, other)]
        gone, kept, shift = (one, other, gap) if worth[1] >= worth[0] else (
            other, one, {k: -v for k, v in gap.items()})  # fmt: skip
        for node in members.pop(gone):
            root[node], offset[node] = kept, added(offset[node], shift)
            members[kept].append(node)
    return root, offset
