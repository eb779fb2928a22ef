r"""A device as SPICE cards: what is on the board, with an emf and a noise source for every bath.

One resistor k between nodes a and b, with its ammeter, its controlled emf e and its Johnson noise:

    a --V(0)-- a_k --R-- b_k --e-- b        current w from b_k to a_k, beside R

so that dy_k/dt = (v_a - v_b - e)/R - w is what the ammeter reads, X_k = v(a_k) - v(b_k) the force,
X_k dy_k/dt the heat into the bath and -e dy_k/dt the work of the source: the books of
`circuit.device`, element by element. An inductor's branch, with its series resistance:

    a --E(port)-- L -- x --R-- y --noise-- b        the source i_e beside R, from x to y

with dy_k/dt = v(x) - v(b) and X_k = i - i_e. Two orientations follow the device's own: a grounded
resistor counts the charge that leaves its node; an inductor runs as it is drawn.

Sources: w = sqrt(2 k T / R) times white noise, ampere (for a series resistance sqrt(2 k T R), volt)
as a PWL of a chosen path, or as a seeded staircase of independent Gaussians (TRRANDOM type 2) of
variance 2 k T / (R h). A resistor's own `noisy=0` only silences the small-signal analysis: ngspice
puts no device noise into transients.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import sqrt
from typing import TYPE_CHECKING, Any

from thermohw.datasheet.sheet import GROUND
from thermohw.errors import InputError
from thermohw.spice.cards import Names, plain
from thermohw.units import K_B

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.circuit import LinearDevice
    from thermohw.datasheet import Datasheet, Inductor
    from thermohw.spice.waveform import Waveform

__all__ = ["Board", "RandomNoise", "board_cards", "require_sheet"]


@dataclass(frozen=True)
class RandomNoise:
    """Johnson noise drawn by the simulator: independent Gaussians held for `interval`.

    Held noise makes the variance of an RC node (2/r) tanh(r/2) = 1 - r^2/12 of kT/C, r = interval
    over RC.

    Attributes:
        seed: of the simulator's generator, a positive whole number.
        interval: R_ref C_ref.
    """

    seed: int
    interval: float


@dataclass
class Board:
    """Cards of a circuit, and the expressions by which the rest of a deck refers to it.

    Attributes:
        lines: the cards.
        efforts: by coordinate (nodes, then inductors): v(node) in volt, i(ammeter) in ampere.
        force: X_k of every element, volt (ampere for a series resistance).
        flow: dy_k/dt of every element, ampere (volt).
        sources: element index -> the node whose voltage is the thermal value of its source.
        ports: coordinate index -> the same for the port's.
    """

    lines: list[str] = field(default_factory=list)
    efforts: list[str] = field(default_factory=list)
    force: list[str] = field(default_factory=list)
    flow: list[str] = field(default_factory=list)
    sources: dict[int, str] = field(default_factory=dict)
    ports: dict[int, str] = field(default_factory=dict)


def require_sheet(device: LinearDevice) -> Datasheet:
    """The device's datasheet.

    Raises:
        InputError: a device made from bare matrices.
    """
    if device.datasheet is None:
        raise InputError(
            "a netlist lists elements, and this device is bare matrices: build it from a datasheet",
            where=f"device {device.name}",
        )
    return device.datasheet


def board_cards(
    device: LinearDevice,
    names: Names,
    *,
    noise: Waveform | RandomNoise | None = None,
    start: NDArray[Any] | None = None,
    sources: dict[int, str] | None = None,
    ports: dict[int, str] | None = None,
    meters: bool = True,
) -> Board:
    """Cards of every element of a device, SI.

    Args:
        device: built from a datasheet.
        names: gives SPICE names.
        noise: a channel per element, thermal units of flow; or random; or none.
        start: initial efforts (node voltages, inductor currents), thermal units, shape (n,).
        sources: control nodes of the elements' own sources.
        ports: control nodes of injected currents (nodes) and emfs (inductor branches).
        meters: an ammeter in every resistor; otherwise 0 V or 0 A in the place of every controlled
            source and nowhere else.

    Raises:
        InputError: a device without a datasheet.
    """
    sheet, scale = require_sheet(device), device.scale
    board = Board(sources=dict(sources or {}), ports=dict(ports or {}))
    spot = {GROUND: "0"} | {name: names("node", name) for name in device.nodes}
    first = {name: 0.0 for name in (GROUND, *device.coordinates)}
    if start is not None:
        values = start * device.effort_scale
        first |= dict(zip(device.coordinates, (float(v) for v in values), strict=True))
    out = board.lines
    for node in sheet.nodes:
        name = spot[node.name]
        ic = plain(first[node.name])
        out.append(f"C_{name} {name} 0 {plain(node.capacitance.value)} ic={ic}")
        board.efforts.append(f"v({name})")
    for capacitor in sheet.capacitors:
        a, b = capacitor.between
        name = names("element", capacitor.name)
        value, ic = plain(capacitor.capacitance.value), plain(first[a] - first[b])
        out.append(f"C_{name} {spot[a]} {spot[b]} {value} ic={ic}")
    row = {name: k for k, name in enumerate(device.elements)}
    for resistor in sheet.resistors:
        k = row[resistor.name]
        name = names("element", resistor.name)
        plus, minus = _ends(device, k)
        metered = meters or k in device.controlled
        hot, back = f"{name}_a" if metered else spot[plus], spot[minus]
        cold = f"{name}_b" if k in board.sources else back
        value, temperature = resistor.resistance.value, resistor.temperature.value
        if metered:
            out.append(f"V_{name} {spot[plus]} {hot} 0")
        out.append(_resistor(name, hot, cold, value, temperature))
        strength = sqrt(2.0 * K_B * temperature / value)
        out += _noise(f"I_{name} {cold} {hot}", noise, k, scale.time, scale.current, strength)
        if k in board.sources:
            volts = f"v({board.sources[k]})*{plain(scale.voltage)}"
            out.append(f"B_{name} {cold} {back} V = {volts}")
        board.force.append(f"(v({hot})-v({cold}))")
        board.flow.append(f"i(V_{name})")
    for position, inductor in enumerate(sheet.inductors):
        out += _branch(device, names, inductor, spot, board, noise=noise, row=row, meters=meters,
                       place=len(sheet.nodes) + position, first=first)  # fmt: skip
    for mutual in sheet.mutuals:
        one, other = (f"L_{names('element', end)}" for end in mutual.between)
        out.append(f"K_{names('element', mutual.name)} {one} {other} {plain(mutual.k.value)}")
    for place, control in board.ports.items():
        if place < len(device.nodes):
            node = spot[device.nodes[place]]
            amperes = f"v({control})*{plain(scale.current)}"
            out.append(f"B_port{place} 0 {node} I = {amperes}")
    return board


def _branch(
    device: LinearDevice,
    names: Names,
    inductor: Inductor,
    spot: dict[str, str],
    board: Board,
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
    out.append(f"L_{name} {begin} {end} {plain(inductor.inductance.value)} ic={ic}")
    # The inductor's own branch: an ammeter beside it would lose digits at short steps.
    board.efforts.append(f"i(L_{name})")
    if series is None:
        return out
    assert inductor.temperature is not None
    k, value, temperature = row[inductor.name], series.value, inductor.temperature.value
    far = b if noise is None else f"{name}_y"
    out.append(_resistor(name, end, far, value, temperature))
    strength = sqrt(2.0 * K_B * temperature * value)
    # dy/dt = v(x) - v(b) = R (i - i_e) - w, so the noise lifts the branch's far end by w.
    out += _noise(f"V_n_{name} {b} {far}", noise, k, scale.time, scale.voltage, strength)
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


def _resistor(name: str, a: str, b: str, value: float, temperature: float) -> str:
    celsius = repr(round(temperature - 273.15, 9))
    return f"R_{name} {a} {b} {plain(value)} temp={celsius} noisy=0"


def _ends(device: LinearDevice, k: int) -> tuple[str, str]:
    """The node that element k's charge leaves, and the one it enters."""
    direction = device.directions[k, : len(device.nodes)]
    plus = device.nodes[int(direction.argmax())]
    minus = device.nodes[int(direction.argmin())] if direction.min() < 0.0 else GROUND
    return plus, minus


def _noise(
    card: str,
    noise: Waveform | RandomNoise | None,
    element: int,
    seconds: float,
    unit: float,
    strength: float,
) -> list[str]:
    """The noise source of one element; `strength` is the root of its two-sided density, SI."""
    if noise is None:
        return []
    if isinstance(noise, RandomNoise):
        held = noise.interval * seconds
        return [f"{card} DC 0 TRRANDOM(2 {plain(held)} 0 {plain(strength / sqrt(held))} 0)"]
    return [f"{card} {noise.pwl(element, seconds, unit)}"]
