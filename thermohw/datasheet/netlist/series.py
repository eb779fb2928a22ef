r"""Elements in series at nodes that nothing else touches.

    L and R (several in parallel)   one branch: an inductor with its series resistance and its bath
    L and L                         one inductor, L1 + L2 +- 2 M12; couplings to others add up
    C inside a chain                the order of elements in series means nothing to the rest, so a
                                    capacitor is put at the chain's end, beside a node with a
                                    state: it then holds a node of its own, named after it

A node that capacitors join to ground, directly or through other nodes, has a state: its row of the
capacitance matrix C_M is regular. A group of nodes that capacitors join to each other only has one
combination of voltages without a state; where that group is one capacitor of a chain, the exchange
above removes it. An inductor whose end no current can leave carries none, and a capacitor with such
an end, away from ground, no charge that moves.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from thermohw.datasheet.netlist.graph import Branch, Emf, Graph, across, added
from thermohw.datasheet.netlist.kron import eliminate_resistive, one_bath

if TYPE_CHECKING:
    from thermohw.datasheet.netlist.cards import Card

__all__ = ["Chains", "held", "reduce"]

_REMEDY = "give it its capacitance, C_{0} {0} 0 10f (or a parasitic capacitance)"


@dataclass
class Chains:
    """What became of nodes and couplings.

    Attributes:
        graph: reduced in place.
        mutual: henries between two inductors, by the names of their branches.
        meaning: new node -> combination of the old nodes' voltages that it stands for.
    """

    graph: Graph
    mutual: dict[frozenset[str], tuple[float, Card]]
    meaning: dict[str, Emf] = field(default_factory=dict)


def held(graph: Graph) -> set[str]:
    """Roots whose row of the capacitance matrix is regular: capacitors join them to ground."""
    links: dict[str, list[str]] = {}
    for branch in graph.branches:
        if branch.kind == "c":
            for a, b in (branch.ends, branch.ends[::-1]):
                links.setdefault(a, []).append(b)
    reached, frontier = {"0"}, ["0"]
    while frontier:
        for node in links.get(frontier.pop(), ()):
            if node not in reached:
                reached.add(node)
                frontier.append(node)
    return reached


def reduce(chains: Chains) -> None:
    """Take out every node without a state.

    Raises:
        InputError: one that cannot be taken out exactly, with its line and the remedy.
    """
    moved = True
    while moved:
        moved = (
            eliminate_resistive(chains.graph)
            or _at_coils(chains)
            or _open_capacitors(chains.graph)
            or _capacitors(chains)
        )
    graph, known = chains.graph, held(chains.graph)
    for node, at in graph.touching().items():
        if node not in known:
            kinds = sorted({b.kind.upper() for b in at})
            raise (
                at[0]
                .cards[0]
                .line.fail(
                    f"node '{_shown(node)}' between {', '.join(b.name for b in at[:4])} has no "
                    f"capacitor to ground, hence no state, and {' and '.join(kinds)} there "
                    f"cannot be joined exactly; {_REMEDY.format(_shown(node))}"
                )
            )


def _shown(node: str) -> str:
    return node.replace("#", "_")


Change = tuple[list[Branch], list[Branch]]
"""Branches that go, and those that come."""


def _at_coils(chains: Chains) -> bool:
    """Nodes where inductors, and no capacitors, end: those that do not touch each other at once."""
    graph = chains.graph
    fed, place = graph.fed(), {id(b): i for i, b in enumerate(graph.branches)}
    changes: list[Change] = []
    used: set[int] = set()
    for node, at in graph.touching().items():
        coils = sorted((b for b in at if b.kind == "l"), key=lambda b: place[id(b)])
        others = [b for b in at if b.kind == "r"]
        if len(coils) + len(others) < len(at) or not coils or used & {id(b) for b in at}:
            continue
        change: Change | None = None
        if len(coils) == 1 and not others:
            change = _dangling(chains, coils[0], node in fed)
        elif len(coils) == 1 and len({b.other(node) for b in others}) == 1:
            change = _series_resistance(chains, node, coils[0], others)
        elif len(coils) == 2 and not others and node not in fed and coils[0] is not coils[1]:
            change = _series_coils(chains, node, *coils)
        if change is not None:
            changes.append(change)
            used |= {id(b) for b in change[0]}
    if changes:
        graph.swap(changes)
    return bool(changes)


def _dangling(chains: Chains, coil: Branch, fed: bool) -> Change:
    line = coil.cards[0].line
    if fed:
        raise line.fail(
            f"a current source forces the current of inductor '{coil.name}'; give it a "
            "resistance in parallel, rpar=1meg"
        )
    for pair in [pair for pair in chains.mutual if coil.name in pair]:
        chains.mutual.pop(pair)
    chains.graph.notes.say(
        line.place, f"'{coil.name}' has an open end and carries no current: left out"
    )
    return [coil], []


def _series_resistance(chains: Chains, node: str, coil: Branch, others: list[Branch]) -> Change:
    """The resistor (or several in parallel) between an inductor's end and one other node."""
    graph = chains.graph
    one_bath([*others, *coil.series], node)
    if not others[0].cards[0].noisy:
        raise (
            others[0]
            .cards[0]
            .line.fail(
                f"'{others[0].name}' without noise in series with inductor '{coil.name}'; "
                f"{_REMEDY.format(_shown(node))}"
            )
        )
    far = others[0].other(node)
    turned = [b if b.ends[0] == node else b.turned() for b in others]  # node -> far
    g = sum(1.0 / b.value for b in turned)
    emf: Emf = {}
    for b in turned:
        emf = added(emf, b.emf, 1.0 / b.value / g)
    cards = [c for b in others for c in b.cards]
    resistor = Branch("r", cards, (node, far), 1.0 / g if len(turned) > 1 else others[0].value, emf)
    leaves = coil.ends[1] == node  # the inductor's current flows into the node
    for source, shares in graph.injected.items():
        if node in shares:
            # i_R = i + J: what is injected leaves through R, volts R J against the coil's current.
            amount = shares.pop(node)
            if far != "0":
                shares[far] = shares.get(far, 0.0) + amount
            graph.injected[source] = shares
            emf = added(emf, {f"i:{source}": -amount * resistor.value})
    made = coil.moved(node, far)
    made.emf = added(coil.emf, emf, 1.0 if leaves else -1.0)
    made.series = [*coil.series, resistor]
    return [coil, *others], [_opened(made)]


def _series_coils(chains: Chains, node: str, one: Branch, two: Branch) -> Change:
    """Two inductors that carry one current: L1 + L2 + 2 M12 in the direction of that current.

    Couplings are kept between cards, dots at their first nodes; a sign tells whether a card runs
    along its branch. The whole goes by the name of its first card, and runs along with it.
    """
    graph, old = chains.graph, [one, two]
    graph.left -= len(chains.mutual)
    one = one if one.ends[1] == node else one.turned()
    two = two if two.ends[0] == node else two.turned()
    if one.series and two.series:
        one_bath([*one.series, *two.series], node)
    sign = {b.name: b.parts[b.name] for b in (one, two)}
    mutual = chains.mutual.pop(frozenset(sign), None)
    value = one.value + two.value
    value += 2.0 * sign[one.name] * sign[two.name] * (mutual[0] if mutual else 0.0)
    line = one.cards[0].line
    if value <= 0.0:
        raise line.fail(f"'{one.name}' and '{two.name}' in series cancel; make their k smaller")
    made = Branch("l", [*one.cards, *two.cards], (one.ends[0], two.ends[1]), value,
                  added(one.emf, two.emf), [*one.series, *two.series],
                  one.parts | two.parts)  # fmt: skip
    for pair in [p for p in chains.mutual if p & set(sign)]:
        henry, card = chains.mutual.pop(pair)
        (mine,) = pair & set(sign)
        (other,) = pair - {mine}
        key = frozenset((made.name, other))
        before = chains.mutual.get(key, (0.0, card))[0]
        chains.mutual[key] = before + henry * sign[mine] * sign[one.name], card
    graph.notes.say(
        line.place, f"'{one.name}' and '{two.name}' in series are one inductor of {value:g} H"
    )
    return old, [_opened(made)]


def _opened(coil: Branch) -> Branch:
    """A closed loop feels no node: it may as well hang on ground.

    Raises:
        InputError: a loop of inductors without resistance.
    """
    if coil.ends[0] != coil.ends[1]:
        return coil
    if not coil.series:
        raise coil.cards[0].line.fail(
            f"'{coil.name}' closes a loop of inductors without resistance; give it one, rser=1m"
        )
    return replace(coil, ends=("0", "0"))


def _open_capacitors(graph: Graph) -> bool:
    """Coupling capacitors with an end that nothing else touches."""
    fed, touching = graph.fed(), graph.touching()
    loose = {
        id(at[0]): at[0] for node, at in touching.items()
        if len(at) == 1 and at[0].kind == "c" and node not in fed and "0" not in at[0].ends
        and len(touching[at[0].other(node)]) > 1
    }  # fmt: skip
    for branch in loose.values():
        graph.notes.say(
            branch.cards[0].line.place,
            f"'{branch.name}' has an open end and carries no current: left out",
        )
    if loose:
        graph.swap([([branch], []) for branch in loose.values()])
    return bool(loose)


def _capacitors(chains: Chains) -> bool:
    """Put capacitors that float inside chains at the chains' ends."""
    graph, known = chains.graph, held(chains.graph)
    touching, fed = graph.touching(), graph.fed()
    changes: list[Change] = []
    used: set[int] = set()
    for branch in graph.branches:
        if branch.kind != "c" or known & set(branch.ends):
            continue
        for begin in branch.ends:
            chain = _chain(branch, begin, touching, known, fed)
            whole = [branch, *(chain or ())]
            if chain is not None and not used & {id(b) for b in whole}:
                changes += _exchange(chains, branch, begin, chain)
                used |= {id(b) for b in whole}
                break
    if changes:
        graph.swap(changes)
    return bool(changes)


def _chain(
    capacitor: Branch, begin: str, touching: dict[str, list[Branch]], known: set[str],
    fed: set[str],
) -> list[Branch] | None:  # fmt: skip
    """Branches from an end of a capacitor to the next node with a state, if they are in series."""
    chain, node, last = [], begin, capacitor
    while node not in known:
        at = [b for b in touching[node] if b is not last]
        if len(at) != 1 or node in fed or (at[0].kind == "c") or at[0] in chain:
            return None
        chain.append(at[0])
        last, node = at[0], at[0].other(node)
    return chain


def _exchange(chains: Chains, capacitor: Branch, begin: str, chain: list[Branch]) -> list[Change]:
    """y -C- begin -e1- m1 ... -ek- w becomes y -e1- ... -ek- m -C- w."""
    graph = chains.graph
    start, nodes = capacitor.other(begin), [begin]
    for branch in chain:
        nodes.append(branch.other(nodes[-1]))
    new = f"{capacitor.name}#"
    places = [start, *nodes[:-2], new] if len(chain) > 1 else [start, new]
    moved = []
    for i, branch in enumerate(chain):
        forward = branch.ends[0] == nodes[i]
        ends = (places[i], places[i + 1]) if forward else (places[i + 1], places[i])
        moved.append(([branch], [replace(branch, ends=ends)]))
    forward = capacitor.ends[0] == start
    ends = (new, nodes[-1]) if forward else (nodes[-1], new)
    meaning = {start: 1.0, begin: -1.0}
    if nodes[-1] != "0":
        meaning[nodes[-1]] = meaning.get(nodes[-1], 0.0) + 1.0
    chains.meaning[new] = {k: v for k, v in meaning.items() if v and k != "0"}
    graph.notes.say(
        capacitor.cards[0].line.place,
        f"{across(capacitor)} floats in a chain of elements: put at its end, where node "
        f"'{_shown(new).rstrip('_')}' is its voltage",
    )
    return [*moved, ([capacitor], [replace(capacitor, ends=ends)])]
