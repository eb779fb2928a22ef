"""What is asked for beside the cards, and what is said where nothing has a state.

    *! parasitic = "10 fF"              every node without a state gets this capacitance to ground
    *! source_resistance = "50 ohm"     every ideal voltage source gets this resistance in series

Both had to stand there because a deck does not tell them, and are marked as placeholders.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from thermohw.datasheet.netlist.cards import Card, Circuit
from thermohw.datasheet.netlist.graph import Branch, Graph
from thermohw.datasheet.netlist.lines import Line
from thermohw.datasheet.netlist.series import held
from thermohw.errors import InputError
from thermohw.intake import finite
from thermohw.units import parse

if TYPE_CHECKING:
    from thermohw.datasheet.netlist.scope import Notes

__all__ = ["add_parasitics", "add_resistances", "henries", "size_of", "stateless"]


def size_of(told: dict[str, Any], key: str, unit: str, place: str) -> float | None:
    """What was asked for beside the cards, SI; None where nothing was."""
    value = told.get(key)
    if value is None or value == "none":
        return None
    where = f"{place}: {key}"
    size = parse(value, unit, where) if isinstance(value, str) else finite(value, where)
    if not size > 0.0:
        raise InputError(f"{value!r}: expected a positive value such as '1 {unit}'", where=where)
    return size


def add_resistances(circuit: Circuit, ohm: float) -> None:
    """A resistor in series with every voltage source that has none."""
    cards = circuit.cards["v"]
    for place, card in enumerate(cards):
        a, b = card.ends
        if "#" not in a:
            inner = f"{card.name}#out"
            cards[place] = replace(card, ends=(inner, b))
            circuit.cards["r"].append(
                Card(
                    card.line,
                    "r",
                    f"{card.name}#source",
                    (a, inner),
                    ohm,
                    card.kelvin,
                    given="request",
                )  # fmt: skip
            )


def add_parasitics(graph: Graph, farad: float, place: str) -> None:
    """A capacitor to ground from every node without a state."""
    known = held(graph)
    ends = [end for branch in graph.branches for end in branch.ends]
    for node in dict.fromkeys(ends):
        if node not in known:
            card = Card(Line(place, 1, ""), "c", f"c_parasitic_{node}", (node, "0"), farad,
                        given="request")  # fmt: skip
            graph.branches.append(Branch("c", [card], (node, "0"), farad))


def henries(circuit: Circuit, notes: Notes) -> dict[frozenset[str], tuple[float, Card]]:
    """M of every K card."""
    known = {card.name: card.value for card in circuit.cards["l"]}
    many = {card.name for card in circuit.cards["l"] if "m" in card.options}
    found: dict[frozenset[str], tuple[float, Card]] = {}
    for card in circuit.cards["k"]:
        for end in card.ends:
            if end not in known:
                raise card.line.fail(f"'{card.name}': no inductor '{end}'")
        if many & {*card.ends}:
            notes.say(
                card.line.place,
                f"'{card.name}' couples inductors with m=: k is that of what they are together; "
                "ngspice 39 takes M of one",
            )
        pair = frozenset(card.ends)
        if pair in found:
            other = found[pair][1]
            raise card.line.fail(f"'{card.name}': '{other.name}' couples these two already")
        found[pair] = card.value * (known[card.ends[0]] * known[card.ends[1]]) ** 0.5, card
    return found


def stateless(circuit: Circuit, graph: Graph, place: str) -> InputError:
    """The error of a deck in which nothing has a state, with its remedy."""
    cards = [card for kind in "rlcvi" for card in circuit.cards[kind]]
    if not cards:
        return InputError("no circuit: no R, C or L card in it", where=place)
    if not any(circuit.cards[kind] for kind in "rcl"):
        return cards[0].line.fail("sources alone: no R, C or L card in it, nothing to simulate")
    loose = any(end not in graph.root or graph.root[end] != "0"
                for kind in "rl" for card in circuit.cards[kind] for end in card.ends
                if end != "0")  # fmt: skip
    if loose:
        return cards[0].line.fail(
            "no node of this deck has a state, resistors alone join them: add the capacitance of "
            "one, C1 a 0 10f, or ask for parasitic ones, '*! parasitic = \"10 fF\"'"
        )
    return cards[0].line.fail(
        "no node of this deck has a state, sources hold them all: give a source its resistance, "
        "rser=50, or ask for one, '*! source_resistance = \"50 ohm\"', and a node its capacitance"
    )
