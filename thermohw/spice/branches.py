"""Inductors as cards, each with its port, its series resistance and that one's sources."""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING

from thermohw.spice.board import CircuitCards, RandomNoise, noise_card, note, resistor_card
from thermohw.spice.cards import Names, plain
from thermohw.units import K_B

if TYPE_CHECKING:
    from thermohw.circuit import LinearDevice
    from thermohw.datasheet import Inductor
    from thermohw.spice.waveform import Waveform

__all__ = ["branch_cards", "current_cards"]


def branch_cards(
    device: LinearDevice,
    names: Names,
    inductor: Inductor,
    spot: dict[str, str],
    board: CircuitCards,
    *,
    noise: Waveform | RandomNoise | None,
    row: dict[str, int],
    place: int,
    first: dict[str, float],
    meters: bool,
) -> list[str]:
    """An inductor with its ammeter, its port, its series resistance and that one's sources."""
    scale, name = device.scale, names("element", inductor.name)
    a, b = (spot[end] for end in inductor.between)
    begin, out = a, []
    if place in board.ports:
        after = f"{name}_e"
        # The emf drives current from a to b: it lifts the inductor's near end.
        out.append(
            f"B_port{place} {after} {begin} V = v({board.ports[place]})*{plain(scale.voltage)}"
        )
        begin = after
    series = inductor.series_resistance
    end = b if series is None else f"{name}_x"
    ic = plain(first[inductor.name])
    told = "" if meters else note(inductor.inductance)
    out.append(f"L_{name} {begin} {end} {plain(inductor.inductance.value)} ic={ic}{told}")
    board.branches.append(f"l_{name}")
    board.spans.append((begin, end))
    board.readings.append((f"i_{name}", scale.current))
    if series is None:
        return out
    assert inductor.temperature is not None
    k, value, temperature = row[inductor.name], series.value, inductor.temperature.value
    far = b if noise is None else f"{name}_y"
    told = "" if meters else note(series, inductor.temperature)
    told += " ; bath=own" if noise is not None and not meters else ""
    silent = meters or noise is not None
    out.append(resistor_card(name, end, far, value, temperature, silent=silent) + told)
    strength = sqrt(2.0 * K_B * temperature * value)
    # dy/dt = v(x) - v(b) = R (i - i_e) - w, so the noise lifts the branch's far end by w.
    if noise is not None:
        units = scale.time, scale.voltage
        out.append(noise_card(f"V_n_{name} {b} {far}", noise, k, units, strength))
    if k in board.sources:
        amperes = f"v({board.sources[k]})*{plain(scale.current)}"
        out.append(f"B_{name} {end} {far} I = {amperes}")
    elif not meters and k in device.controlled:
        out.append(f"I_e_{name} {end} {far} 0")
    # X = i - i_e is what the resistance itself carries. Read as a voltage: a source that reads an
    # inductor's current converges badly in short steps.
    board.force.append(f"((v({end})-v({far}))/{plain(value)})")
    board.flow.append(f"v({end})" if b == "0" else f"(v({end})-v({b}))")
    return out


def current_cards(device: LinearDevice, board: CircuitCards, first: dict[str, float]) -> list[str]:
    """Inductor currents as voltages, thermal units: i = L^-1 int v dt, integrated on C_ref.

    What control and books read: a behavioural source that reads an inductor's own current does not
    converge in the short steps behind a corner.
    """
    scale, nodes, lines = device.scale, len(device.nodes), []
    for j, name in enumerate(device.fluxes):
        node = f"i_{board.branches[j][2:]}"
        lines.append(f"C_{node} {node} 0 {plain(scale.capacitance)} "
                     f"ic={plain(first[name] / scale.current)}")  # fmt: skip
        for k, (begin, end) in enumerate(board.spans):
            gain = float(device.hessian[nodes + j, nodes + k])
            if gain != 0.0:
                rate = plain(gain * scale.capacitance / (scale.voltage * scale.time))
                lines.append(f"G_{node}_{k} 0 {node} {begin} {end} {rate}")
    return lines
