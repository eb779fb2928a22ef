r"""Nodes without any capacitance that resistors alone join: eliminated exactly, noise included.

Let X be such nodes, joined to each other, and T what they are joined to. Currents balance in X at
every instant, so v_X = G_XX^{-1} (J_X - G_XT v_T) with J what current sources and Johnson noise
inject, and what flows out of T is

    Y v_T,     Y = G_TT - G_TX G_XX^{-1} G_XT,        and  -G_TX G_XX^{-1} J_X  flows into T.

Y has no positive off-diagonal and rows that add up to nothing: it is again a network of resistors.
Its noise has the covariance 2 k T (G_TT - G_TX G_XX^{-1} G_XT) = 2 k T Y where all resistors have
one temperature T (Nyquist's theorem for many ports): every resistor of Y has the bath of those it
stands for. With two temperatures there is no such network, and no account of heat either: white
noise of one resistor would heat the other without bound, since nothing between them limits its
bandwidth. Such nodes are refused; a parasitic capacitance makes their exchange finite.

A source's emf behind a terminal makes it a terminal of its own.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from thermohw.datasheet.netlist.graph import Branch, Emf, Graph, across, added

__all__ = ["eliminate_resistive", "one_bath"]

_MOST = 2048  # nodes of one resistive part: its matrix is dense
_ABSENT = 1e-13  # of the largest conductance: round-off


def eliminate_resistive(graph: Graph) -> bool:
    """Take out all nodes that only resistors touch; whether there were any.

    Raises:
        InputError: resistors of different temperatures, or with and without noise, at one of them.
    """
    touching = graph.touching()
    inner = [n for n, at in touching.items() if all(b.kind == "r" for b in at)]
    left = dict.fromkeys(inner)
    changes: list[tuple[list[Branch], list[Branch]]] = []
    while left:
        first = next(iter(left))
        part, frontier = {first: 0}, [first]
        while frontier:
            for branch in touching[frontier.pop(0)]:
                for end in branch.ends:
                    if end in left and end not in part:
                        part[end] = len(part)
                        frontier.append(end)
        for node in part:
            left.pop(node)
        changes.append(_eliminate(graph, part, touching))
    if changes:
        graph.swap(changes)
    return bool(changes)


def one_bath(branches: list[Branch], node: str) -> None:
    """Refuse resistors that meet without a capacitance and are not of one bath.

    Raises:
        InputError: naming two of them.
    """
    first = branches[0].cards[0]
    for branch in branches:
        for card in branch.cards:
            if card.noisy != first.noisy or card.kelvin != first.kelvin:
                what = "noise" if card.noisy != first.noisy else "temperatures"
                raise card.line.fail(
                    f"'{card.name}' and '{first.name}' of different {what} meet at node "
                    f"'{node}', which has no capacitance: their exchange of heat has no bound; "
                    f"give it one, C_{node} {node} 0 10f (or a parasitic capacitance)"
                )


def _eliminate(
    graph: Graph, part: dict[str, int], touching: dict[str, list[Branch]]
) -> tuple[list[Branch], list[Branch]]:
    """Branches that go, and those that come."""
    branches = list({id(b): b for node in part for b in touching[node]}.values())
    if len(part) > _MOST:
        raise (
            branches[0]
            .cards[0]
            .line.fail(
                f"{len(part)} nodes without capacitance hang together; at most {_MOST} are "
                "eliminated: give some of them their capacitance"
            )
        )
    shift = _references(graph, part, branches)
    terminals: dict[tuple[str, frozenset[Any]], int] = {}
    rows = []
    for branch in branches:
        row = []
        for end in branch.ends:
            if end in part:
                row.append((True, part[end]))
                continue
            # v_a - v_b + E with the terminal's side shifted by E and by the reference inside.
            sign = 1.0 if end == branch.ends[0] else -1.0
            inside = shift[branch.other(end)]
            behind = added(inside, branch.emf, 1.0) if sign > 0 else added(inside, branch.emf, -1.0)
            key = end, frozenset(behind.items())
            row.append((False, terminals.setdefault(key, len(terminals))))
        rows.append((row, 1.0 / branch.value))
    n, m = len(part), len(terminals)
    g = np.zeros((n + m, n + m))
    for row, value in rows:
        a, b = (place if inner else n + place for inner, place in row)
        g[[a, b], [a, b]] += value
        g[a, b] -= value
        g[b, a] -= value
    if m == 0:
        names = ", ".join(b.name for b in branches[:4])
        graph.notes.say(
            branches[0].cards[0].line.place,
            f"{names}: nothing joins them to a node with a state: left out",
        )
        return branches, []
    share = -np.linalg.solve(g[:n, :n], g[:n, n:]).T  # v_X = share^T v_T
    y = g[n:, n:] - g[n:, :n] @ -share.T
    keys = list(terminals)
    _feed(graph, part, keys, share)
    found = _resistors(graph, branches, keys, y)
    if found:
        one_bath(branches, next(iter(part)))
    return branches, found


def _references(graph: Graph, part: dict[str, int], branches: list[Branch]) -> dict[str, Emf]:
    """What to add to every inner node's voltage so that no source lies between inner nodes."""
    first = next(iter(part))
    shift: dict[str, Emf] = {first: {}}
    links = [b for b in branches if b.ends[0] in part and b.ends[1] in part]
    moved = True
    while moved:
        moved = False
        for branch in links:
            a, b = branch.ends
            # v_a - v_b + E = (v_a + s_a) - (v_b + s_b)
            if a in shift and b not in shift:
                shift[b], moved = added(shift[a], branch.emf, -1.0), True
            elif b in shift and a not in shift:
                shift[a], moved = added(shift[b], branch.emf), True
    for branch in links:
        a, b = branch.ends
        if added(added(shift[a], shift[b], -1.0), branch.emf, -1.0):
            raise branch.cards[0].line.fail(
                f"{across(branch)}: a voltage source in a loop of resistors at nodes without "
                "capacitance; give one of them its capacitance"
            )
    return shift


def _feed(graph: Graph, part: dict[str, int], keys: list[Any], share: Any) -> None:
    """Injections into inner nodes reach the terminals."""
    for source, shares in graph.injected.items():
        for node in [n for n in shares if n in part]:
            amount = shares.pop(node)
            for (end, _), weight in zip(keys, share[:, part[node]], strict=True):
                if end != "0":
                    shares[end] = shares.get(end, 0.0) + amount * float(weight)
        graph.injected[source] = shares


def _resistors(graph: Graph, old: list[Branch], keys: list[Any], y: Any) -> list[Branch]:
    cards = [card for branch in old for card in branch.cards]
    found, largest = [], float(np.abs(y).max())
    for i, (a, behind_a) in enumerate(keys):
        for j in range(i + 1, len(keys)):
            b, behind_b = keys[j]
            if -y[i, j] <= _ABSENT * largest or a == b:
                continue
            emf = added(dict(behind_a), dict(behind_b), -1.0)
            branch = Branch("r", cards, (a, b), float(-1.0 / y[i, j]), emf)
            found.append(branch.turned() if a == "0" else branch)
    if not found:
        names = ", ".join(card.name for card in cards[:4])
        more = " and others" if len(cards) > 4 else ""
        graph.notes.say(
            cards[0].line.place,
            f"{names}{more}: no current of the circuit's states flows there: left out",
        )
    return found
