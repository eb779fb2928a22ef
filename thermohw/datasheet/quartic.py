"""Nodes with a nonlinear capacitor: [[quartic]] units and [[bilinear]] couplings.

A quartic unit turns the capacitor of its node into a nonlinear one. With x = q / (C V_s), q the
charge of the node, C its nominal capacitance and V_s its `volts_per_unit`, the stored energy is

    H = sum_i (J2_i x_i^2 + J4_i x_i^4 + b_i x_i) + sum_{i<j} J_ij x_i x_j          (joule)

so that J2 = C V_s^2 / 2 alone is an ordinary capacitor and x its voltage in V_s. Dissipation and
noise come from the resistors of the circuit as always: through R to ground

    dx = -mu dH/dx dt + sqrt(2 mu k T) dW,    mu = 1 / (R C^2 V_s^2)        (1 / (J s))

A circuit is quartic as a whole: every node has one unit, and bilinear couplings stand in place of
coupling capacitors and inductors. What has no J4 must be held by its quadratic part, or the energy
has no floor; `check_bounded` says which unit falls.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import numpy as np
from pydantic import BeforeValidator

from thermohw.datasheet.fields import Joule, Name, Record, Volt, did_you_mean
from thermohw.datasheet.rated import RatedValue, read_rated
from thermohw.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = [
    "Bilinear",
    "QuarticUnit",
    "Quartics",
    "check_bounded",
    "coefficients",
    "place_units",
]

_APART = (
    "capacitor", "inductor", "amplifier", "transconductor", "solver", "supply", "transistor",
    "junction", "noise",
)  # fmt: skip

SignedJoule = Annotated[
    RatedValue, BeforeValidator(lambda entry: read_rated(entry, "J", signed=True))
]


@dataclass(frozen=True)
class QuarticUnit(Record):
    """The energy J2 x^2 + J4 x^4 + b x of a node, x = q / (C V_s); in an array, of every copy of
    the node, each with its own.

    Attributes:
        name: unique.
        node: whose capacitor it is.
        volts_per_unit: V_s, volt.
        j2: joule; None for zero. May be negative where j4 holds the unit.
        j4: joule; None for zero.
        bias: b, joule; None for zero.
    """

    name: Name
    node: str
    volts_per_unit: Volt
    j2: SignedJoule | None = None
    j4: Joule | None = None
    bias: SignedJoule | None = None


@dataclass(frozen=True)
class Bilinear(Record):
    """The energy J x_a x_b of two nodes.

    Attributes:
        name: unique.
        between: two node names.
        strength: J, joule.
    """

    name: Name
    between: tuple[str, str]
    strength: SignedJoule


class Quartics(NamedTuple):
    """What makes a circuit quartic; empty for any other.

    Attributes:
        quartics: one unit for every node, in the order of the nodes.
        bilinears: their couplings.
    """

    quartics: tuple[QuarticUnit, ...] = ()
    bilinears: tuple[Bilinear, ...] = ()


def place_units(tables: Any, nodes: Sequence[str], where: str) -> Quartics:
    """Quartic units in the order of the nodes, and their couplings.

    Args:
        tables: the checked file (`SheetTable`).
        nodes: names of all nodes, an array's written out.
        where: named in errors.

    Raises:
        InputError: a node that does not exist or has no unit, or two; coupling capacitors or
            inductors beside them; a pair coupled twice; an energy without a floor.
    """
    if not tables.quartic:
        if tables.bilinear:
            raise InputError(f"{tables.bilinear[0].name}: couples [[quartic]] units, and there "
                             "are none", where=where)  # fmt: skip
        return Quartics()
    for kind in _APART:
        if getattr(tables, kind, None):
            raise InputError(f"{kind}: not beside [[quartic]] units, which are joined by resistors "
                             "and coupled by [[bilinear]] alone", where=where)  # fmt: skip
    homes = {node: node.partition("[")[0] for node in nodes}
    units: dict[str, QuarticUnit] = {}
    for t in tables.quartic:
        copies = [node for node, home in homes.items() if t.node in (node, home)]
        if not copies:
            hint = did_you_mean(t.node, sorted({*homes.values()}))
            raise InputError(f"{t.name}.node: no node '{t.node}'; {hint}", where=where)
        if t.j2 is None and t.j4 is None:
            raise InputError(f"{t.name}: give j2, j4 or both", where=where)
        for node in copies:
            if node in units:
                raise InputError(f"{t.name}.node: '{node}' has the unit {units[node].name} already",
                                 where=where)  # fmt: skip
            units[node] = replace(t, name=t.name + node[len(t.node) :], node=node)
    bare = [node for node in nodes if node not in units]
    if bare:
        raise InputError(
            f"{bare[0]}: every node of a quartic circuit has a [[quartic]] unit; for an ordinary "
            "capacitor give it j2 = C volts_per_unit^2 / 2",
            where=where,
        )
    placed = tuple(units[node] for node in nodes)
    _check_couplings(tables.bilinear, nodes, where)
    found = Quartics(placed, tables.bilinear)
    quadratic, quartic, _ = coefficients(found)
    check_bounded(quadratic, quartic, [unit.name for unit in placed], where)
    return found


def coefficients(family: Quartics) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Hessian of the quadratic part (n, n), J4 (n,) and b (n,), all joule."""
    units, couplings = family
    index = {unit.node: i for i, unit in enumerate(units)}
    quadratic = np.diag([2.0 * _value(unit.j2) for unit in units])
    for coupling in couplings:
        a, b = (index[node] for node in coupling.between)
        quadratic[a, b] += coupling.strength.value
        quadratic[b, a] += coupling.strength.value
    quartic = np.array([_value(unit.j4) for unit in units])
    return quadratic, quartic, np.array([_value(unit.bias) for unit in units])


def check_bounded(
    quadratic: NDArray[Any], quartic: NDArray[Any], names: Sequence[str], where: str
) -> None:
    """Refuse an energy without a floor.

    Where J4 > 0 the fourth power wins over every quadratic form. Among the units with J4 = 0 the
    quadratic form itself must be positive definite: its smallest eigenvalue is named.

    Args:
        quadratic: Hessian of the quadratic part, shape (n, n).
        quartic: J4, shape (n,).
        names: of the units.
        where: named in the error.

    Raises:
        InputError: a negative J4, or units with J4 = 0 that nothing holds.
    """
    if (quartic < 0.0).any():
        worst = int(np.argmin(quartic))
        raise InputError(f"{names[worst]}.j4: negative: the energy has no floor", where=where)
    soft = np.flatnonzero(quartic == 0.0)
    if not len(soft):
        return
    values, vectors = np.linalg.eigh(quadratic[np.ix_(soft, soft)])
    if values[0] <= 1e-12 * np.abs(values).max():
        falling = [names[int(i)] for i, v in zip(soft, vectors[:, 0], strict=True) if abs(v) > 1e-6]
        ratio = values[0] / max(np.abs(values).max(), np.finfo(float).tiny)
        raise InputError(
            f"the energy has no floor along {', '.join(falling[:4])}: j4 = 0 there and the "
            f"smallest eigenvalue of the quadratic part is {ratio:.3g} of its largest; give a j4, "
            "a larger j2 or weaker couplings",
            where=where,
        )


def _check_couplings(couplings: Sequence[Bilinear], nodes: Sequence[str], where: str) -> None:
    known, joined = set(nodes), {}
    for coupling in couplings:
        for end in coupling.between:
            if end not in known:
                hint = did_you_mean(end, list(nodes))
                raise InputError(f"{coupling.name}.between: no node '{end}'; {hint}", where=where)
        pair = frozenset(coupling.between)
        if len(pair) == 1:
            raise InputError(f"{coupling.name}.between: couples '{coupling.between[0]}' to itself; "
                             "use j2 of its unit", where=where)  # fmt: skip
        if pair in joined:
            raise InputError(f"{coupling.name}.between: {joined[pair]} couples these two already",
                             where=where)  # fmt: skip
        joined[pair] = coupling.name


def _value(entry: RatedValue | None) -> float:
    return 0.0 if entry is None else entry.value
