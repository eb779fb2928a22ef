r"""A device as SPICE cards: what is on the board, with an emf and a noise source for every bath.

One resistor k between nodes a and b, with its controlled emf e and its Johnson noise w:

    a --R-- b_k --e-- b        current w from b_k to a, beside R

so that X_k = v(a) - v(b_k) is the force, dy_k/dt = X_k/R - w the flow, X_k dy_k/dt the heat into
the bath and -e dy_k/dt the work of the source: the books of `circuit.device`, element by element. w
is a node's voltage turned into a current, so that the flow is read without an ammeter: a current
that a simulator has to solve for drowns in round-off, C/h times that of a voltage, in the very
short steps h that it takes at corners. An inductor's branch, with its series resistance:

    a --E(port)-- L -- x --R-- y --noise-- b        the source i_e beside R, from x to y

with dy_k/dt = v(x) - v(b) and X_k = i - i_e. Two orientations follow the device's own: a grounded
resistor counts the charge that leaves its node; an inductor runs as it is drawn.

Sources: w = sqrt(2 k T / R) times white noise, ampere (for a series resistance sqrt(2 k T R), volt)
as a PWL of a chosen path, or as a seeded staircase of independent Gaussians (TRRANDOM type 2) of
variance 2 k T / (R h). A resistor's own `noisy=0` only silences the small-signal analysis: ngspice
puts no device noise into transients. The bare circuit says so (`; bath=own`), lest it be read back
as a resistor without a bath.
"""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING, Any

from thermohw.circuit import LinearDevice
from thermohw.datasheet.fields import GROUND
from thermohw.errors import InputError
from thermohw.spice.board import CircuitCards, RandomNoise, noise_card, note, resistor_card
from thermohw.spice.branches import branch_cards, current_cards
from thermohw.spice.cards import Names, plain
from thermohw.units import K_B

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.datasheet import Datasheet
    from thermohw.spice.waveform import Waveform

__all__ = ["board_cards", "require_sheet"]


_KNOWN = {
    "nodes", "resistors", "capacitors", "inductors", "mutuals", "limits", "cost", "shape",
}  # fmt: skip


def require_sheet(device: LinearDevice) -> Datasheet:
    """The device's datasheet.

    Raises:
        InputError: another kind of device, one made from bare matrices, or one with elements that
            these cards do not know.
    """
    name = getattr(device, "name", "")
    if not isinstance(device, LinearDevice):
        raise InputError(
            f"decks are written of R, C, L and K; a {type(device).__name__} has other elements and "
            "a simulation of its own",
            where=f"device {name}",
        )
    sheet = device.datasheet
    if sheet is None:
        raise InputError(
            "a netlist lists elements, and this device is bare matrices: build it from a datasheet",
            where=f"device {name}",
        )
    unknown = sorted(set(sheet.content()) - _KNOWN)
    if unknown:
        raise InputError(f"decks know R, C, L and K, not the sheet's {', '.join(unknown)}",
                         where=f"device {name}")  # fmt: skip
    lossy = [x.name for x in sheet.inductors if x.series_resistance is not None]
    written = (*(r.name for r in sheet.resistors), *lossy)
    if tuple(device.elements) != written:
        other = sorted(set(device.elements) ^ set(written)) or ["their order"]
        raise InputError(f"no card is known for {', '.join(other[:4])}", where=f"device {name}")
    return sheet


def board_cards(
    device: LinearDevice,
    names: Names,
    *,
    noise: Waveform | RandomNoise | None = None,
    start: NDArray[Any] | None = None,
    sources: dict[int, str] | None = None,
    ports: dict[int, str] | None = None,
    meters: bool = True,
) -> CircuitCards:
    """Cards of every element of a device, SI.

    Args:
        device: built from a datasheet.
        names: gives SPICE names.
        noise: a channel per element, thermal units of flow; or random; or none.
        start: initial efforts (node voltages, inductor currents), thermal units, shape (n,).
        sources: control nodes of the elements' own sources.
        ports: control nodes of injected currents (nodes) and emfs (inductor branches).
        meters: noise on nodes of its own, where powers can read it; otherwise plain noise sources,
            0 V or 0 A in the place of every controlled source, and tolerances as comments.

    Raises:
        InputError: a device without a datasheet.
    """
    sheet, scale = require_sheet(device), device.scale
    board = CircuitCards(sources=dict(sources or {}), ports=dict(ports or {}))
    spot = {GROUND: "0"} | {name: names("node", name) for name in device.nodes}
    first = {name: 0.0 for name in (GROUND, *device.coordinates)}
    if start is not None:
        values = start * device.effort_scale
        first |= dict(zip(device.coordinates, (float(v) for v in values), strict=True))
    out = board.lines
    for node in sheet.nodes:
        name = spot[node.name]
        ic = plain(first[node.name])
        told = "" if meters else note(node.capacitance)
        out.append(f"C_{name} {name} 0 {plain(node.capacitance.value)} ic={ic}{told}")
        board.readings.append((name, 1.0))
        board.states.append(name)
    for capacitor in sheet.capacitors:
        a, b = capacitor.between
        name = names("element", capacitor.name)
        value, ic = plain(capacitor.capacitance.value), plain(first[a] - first[b])
        told = "" if meters else note(capacitor.capacitance)
        out.append(f"C_{name} {spot[a]} {spot[b]} {value} ic={ic}{told}")
    row = {name: k for k, name in enumerate(device.elements)}
    for resistor in sheet.resistors:
        k = row[resistor.name]
        name = names("element", resistor.name)
        plus, minus = _ends(device, k)
        split = not meters and k in device.controlled
        hot, back = f"{name}_a" if split else spot[plus], spot[minus]
        cold = f"{name}_b" if k in board.sources else back
        value, temperature = resistor.resistance.value, resistor.temperature.value
        if split:
            out.append(f"V_{name} {spot[plus]} {hot} 0")
        told = "" if meters else note(resistor.resistance, resistor.temperature)
        told += " ; bath=own" if noise is not None and not meters else ""
        silent = meters or noise is not None
        out.append(resistor_card(name, hot, cold, value, temperature, silent=silent) + told)
        strength = sqrt(2.0 * K_B * temperature / value)
        across = f"(v({hot})-v({cold}))"
        board.force.append(across)
        board.flow.append(f"({across}/{plain(value)})")
        if noise is not None and meters:
            white = f"nz_{name}"
            own = noise_card(f"V_{white} {white} 0", noise, k, (scale.time, 1.0),
                         strength / scale.current)  # fmt: skip
            out += [own, f"G_{name} {cold} {hot} {white} 0 {plain(scale.current)}"]
            board.flow[-1] = f"({across}/{plain(value)}-v({white})*{plain(scale.current)})"
        elif noise is not None:
            units = scale.time, scale.current
            out.append(noise_card(f"I_{name} {cold} {hot}", noise, k, units, strength))
        if k in board.sources:
            volts = f"v({board.sources[k]})*{plain(scale.voltage)}"
            out.append(f"B_{name} {cold} {back} V = {volts}")
    for position, inductor in enumerate(sheet.inductors):
        out += branch_cards(
            device, names, inductor, spot, board, noise=noise, row=row, meters=meters,
            place=len(sheet.nodes) + position, first=first,
        )  # fmt: skip
    if meters:
        out += current_cards(device, board, first)
    for mutual in sheet.mutuals:
        one, other = (f"L_{names('element', end)}" for end in mutual.between)
        told = "" if meters else note(mutual.k)
        out.append(f"K_{names('element', mutual.name)} {one} {other} {plain(mutual.k.value)}{told}")
    for place, control in board.ports.items():
        if place < len(device.nodes):
            node = spot[device.nodes[place]]
            amperes = f"v({control})*{plain(scale.current)}"
            out.append(f"B_port{place} 0 {node} I = {amperes}")
    return board


def _ends(device: LinearDevice, k: int) -> tuple[str, str]:
    """The node that element k's charge leaves, and the one it enters."""
    direction = device.directions[k, : len(device.nodes)]
    plus = device.nodes[int(direction.argmax())]
    minus = device.nodes[int(direction.argmin())] if direction.min() < 0.0 else GROUND
    return plus, minus
