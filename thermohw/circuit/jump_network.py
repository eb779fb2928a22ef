"""From a datasheet to jumps: terminals, charges and rates of nonlinear conductors.

Everything is expressed over the n nodes and S supplies; ground is zero. With V_T = kT_k/q, the
direction of a forward event (charge from a to b) and all voltages against the bulk B,

    MOS, n   a = drain, b = source   l = ln(I0/q) - V_th/(n V_T),  w.v =  V_GB/(n V_T) - V_SB/V_T
    MOS, p   a = source, b = drain   l = the same,                 w.v = -V_GB/(n V_T) + V_SB/V_T
    diode    a = anode, b = cathode  l = ln(I_s/q),                w.v = (v_a - v_b)/(n V_T)
    tunnel   a, b                    ln(V_T/qR)

A bulk tied to the source makes V_GB = V_GS and V_SB = 0, the usual
I = I0 exp((V_GS - V_th)/(n V_T)) (1 - exp(-V_DS/V_T)).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from thermohw.circuit.jump import ELEMENTARY_CHARGE, JumpDevice
from thermohw.datasheet import Transistor
from thermohw.errors import InputError
from thermohw.units import K_B, engineering

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.datasheet import Datasheet, Junction

__all__ = ["build_jumps"]


def build_jumps(datasheet: Datasheet) -> JumpDevice:
    """The circuit of a datasheet with supplies and nonlinear conductors.

    Raises:
        InputError: a singular capacitance matrix, a capacitor between two supplies, or a transistor
            that the supplies can drive above its threshold.
    """
    for transistor in datasheet.conductors.transistors:
        _check_threshold(transistor, datasheet)
    nodes = tuple(node.name for node in datasheet.nodes)
    supplies, conductors = datasheet.conductors.supplies, datasheet.conductors.all
    place = {name: i for i, name in enumerate((*nodes, *(s.name for s in supplies)))}
    n, size = len(nodes), len(place)
    hot = sorted(c.temperature.value for c in conductors)
    temperature = hot[(len(hot) - 1) // 2]
    volt = K_B * temperature / ELEMENTARY_CHARGE  # the unit of voltage

    def terminal(name: str | None) -> NDArray[Any]:
        """The voltage of a terminal as a linear form over nodes and supplies."""
        row = np.zeros(size)
        if name in place:  # ground has no entry
            row[place[name]] = 1.0
        return row

    maxwell = np.diag([node.capacitance.value for node in datasheet.nodes] + [0.0] * len(supplies))
    for capacitor in datasheet.capacitors:
        ends = [place[end] for end in capacitor.between if end in place]
        if all(end >= n for end in ends):
            raise InputError(
                f"{capacitor.name}.between: a capacitor between supplies does nothing",
                where=datasheet.name,
            )
        row = terminal(capacitor.between[0]) - terminal(capacitor.between[1])
        maxwell += capacitor.capacitance.value * np.outer(row, row)
    own = maxwell[:n, :n]
    if np.linalg.cond(own) > 1e12:
        raise InputError("the capacitance matrix is singular: give every node its own capacitance",
                         where=datasheet.name)  # fmt: skip
    unit = ELEMENTARY_CHARGE / volt  # q^2/(k T_ref), farad
    hessian = np.linalg.inv(own / unit)
    moved = np.array([terminal(c.between[0]) - terminal(c.between[1]) for c in conductors])
    log_rates, control = zip(
        *(_law(c, terminal, temperature, volt) for c in conductors), strict=True
    )
    return JumpDevice(
        name=datasheet.name,
        nodes=nodes,
        supplies=tuple(supply.name for supply in supplies),
        elements=tuple(conductor.name for conductor in conductors),
        temperature=temperature,
        hessian=0.5 * (hessian + hessian.T),
        supply_capacitance=-maxwell[:n, n:] / unit,
        supply_voltages=np.array([supply.voltage.value for supply in supplies]) / volt,
        jumps=-moved[:, :n],
        drawn=moved[:, n:],
        temperatures=np.array([c.temperature.value for c in conductors]) / temperature,
        log_rates=np.array(log_rates),
        control=np.array(control),
        tunnelling=np.array([_tunnels(c) for c in conductors]),
        approximate=any(c.approximate for c in conductors),
        datasheet=datasheet,
    )


def _check_threshold(transistor: Transistor, datasheet: Datasheet) -> None:
    """Refuse a gate-source voltage at which the exponential law has long ceased to hold.

    Nodes count as anywhere between the lowest and the highest supply.
    """
    fixed = {supply.name: supply.voltage.value for supply in datasheet.conductors.supplies}
    low, high = min([0.0, *fixed.values()]), max([0.0, *fixed.values()])
    nodes = {node.name for node in datasheet.nodes}
    gate, source = (
        (low, high) if end in nodes else (fixed.get(end, 0.0),) * 2
        for end in (transistor.gate, transistor.source)
    )
    most = gate[1] - source[0] if transistor.kind == "n" else source[1] - gate[0]
    if most > transistor.threshold.value:
        sides = "V_GS" if transistor.kind == "n" else "V_SG"
        raise InputError(
            f"{transistor.name}: the supplies drive {sides} up to {engineering(most, 'V')}, above "
            f"its threshold of {engineering(transistor.threshold.value, 'V')}; its exponential law "
            "is that of a transistor below threshold: lower the supplies",
            where=datasheet.name,
        )


def _tunnels(conductor: Transistor | Junction) -> bool:
    return not isinstance(conductor, Transistor) and conductor.resistance is not None


def _law(
    conductor: Transistor | Junction, terminal: Any, reference: float, volt: float
) -> tuple[float, NDArray[Any]]:
    """l_k (ln of 1/s) and w_k over nodes and supplies, q/(k T_ref)."""
    ratio = conductor.temperature.value / reference  # V_T in the unit of voltage
    if isinstance(conductor, Transistor):
        bulk = terminal(conductor.source if conductor.bulk is None else conductor.bulk)
        gate = terminal(conductor.gate) - bulk
        source = terminal(conductor.source) - bulk
        sign, slope = (1.0 if conductor.kind == "n" else -1.0), conductor.slope.value
        level = np.log(conductor.current.value / ELEMENTARY_CHARGE)
        level -= conductor.threshold.value / (slope * ratio * volt)
        return level, sign * (gate / slope - source) / ratio
    across = terminal(conductor.between[0]) - terminal(conductor.between[1])
    if conductor.resistance is not None:
        attempts = ratio * volt / (ELEMENTARY_CHARGE * conductor.resistance.value)
        return np.log(attempts), 0.0 * across
    assert conductor.saturation_current is not None
    ideality = 1.0 if conductor.ideality is None else conductor.ideality.value
    level = np.log(conductor.saturation_current.value / ELEMENTARY_CHARGE)
    return level, across / (ideality * ratio)
