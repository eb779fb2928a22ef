r"""A whole deck: circuit, noise, controller, meters, options and the run itself.

Meters are behavioural integrators: a current charges a capacitor, as large as the circuit's own, so
that a node's voltage in volt IS an energy in kT_ref:

    q_k   heat into bath k        X_k dy_k/dt
    w_j   work of source j        -e_k dy_k/dt, or v i_c of a port (i E_c of an inductor's branch)

Options that matter at signals of 64 uV and currents of pA: trapezoidal integration, tight absolute
tolerances, initial conditions used as they stand (uic), the largest step no longer than a piece of
noise.

An ensemble deck holds many copies of the circuit as one subcircuit; the schedule of the controller
is shared. Twenty nonlinear cells are about as many as pay in one deck: the time of a step grows
faster than their number.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from thermohw.spice.board import CircuitCards, RandomNoise
from thermohw.spice.cards import Names, plain
from thermohw.spice.controllers import ScoreCards
from thermohw.spice.elements import board_cards, require_sheet
from thermohw.spice.waveform import Waveform

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.circuit import LinearDevice
    from thermohw.datasheet import Datasheet, RatedValue
    from thermohw.spice.controllers import ControlCards

__all__ = ["CELLS", "OFFSET", "Deck", "make_deck", "make_netlist"]

OFFSET = 1.0
"""Where meters start, kT. The simulator asks of every voltage a relative error, so that a meter
near zero would cost needless steps and one far from it would be read carelessly."""

_PIVOTS = "pivrel=0.9 gmin=1e-18"
"""At the shortest steps a capacitor conducts 1e12 times what a resistor does: without the largest
pivots, round-off keeps the simulator's iteration from settling."""

CELLS = 20
"""Most copies of a nonlinear cell in one deck."""


@dataclass(frozen=True)
class Deck:
    """A deck and what it writes.

    Attributes:
        text: the file.
        outputs: the columns that the run writes behind the time: of every cell the efforts (volt,
            ampere), then works, then heats (kT_ref), then the control (thermal units).
        cells: number of copies.
        shape: how many efforts, works, heats and controls a cell has.
        duration: of the run, second.
        first: initial values of a cell's columns, which the simulator does not print.
    """

    text: str
    outputs: tuple[str, ...]
    cells: int
    shape: tuple[int, int, int, int]
    duration: float
    first: tuple[float, ...]


def make_deck(
    device: LinearDevice,
    *,
    duration: float,
    step: float,
    noise: Waveform | RandomNoise | None = None,
    control: ControlCards | None = None,
    start: NDArray[Any] | None = None,
    cells: int = 1,
    reltol: float | None = None,
    meters: bool = True,
    title: str = "",
    data: str = "out.txt",
) -> Deck:
    """Write a deck.

    Args:
        device: the circuit, built from a datasheet.
        duration: of the run, R_ref C_ref.
        step: largest step of the simulator and distance of its printed points, R_ref C_ref.
        noise: of every element; see `board_cards`.
        control: what drives the sources; None leaves them out.
        start: initial efforts, thermal units, shape (n,); default all zero.
        cells: copies of the circuit; more than one need random noise to differ.
        reltol: the simulator's relative tolerance; default 1e-7, and 1e-6 where control is computed
            by sources, whose round-off adds up.
        meters: integrate works and heats.
        title: first line.
        data: file that the run writes.
    """
    if reltol is None:
        reltol = 1e-6 if isinstance(control, ScoreCards) else 1e-7
    names = Names()
    scale = device.scale
    sources = {} if control is None else control.sources(device)
    ports = {} if control is None else control.ports(device)
    board = board_cards(device, names, noise=noise, start=start, sources=sources, ports=ports)
    body = ["* the circuit", *board.lines]
    shared: list[str] = []
    if control is not None:
        readings = [(node, unit / float(own)) for (node, unit), own in
                    zip(board.readings, device.effort_scale, strict=True)]  # fmt: skip
        shared = control.shared(scale.time)
        body += ["* the controller: thermal units", *control.cards(readings, scale.time)]
    integrators, works, heats = _meters(device, board) if meters else ([], [], [])
    body += integrators
    states, branches = board.states, board.branches
    controls = [] if control is None else [*sources.values(), *ports.values()]
    inner = [*states, *works, *heats, *controls]
    lines = [f"* {title or device.name}".replace("\n", " ")]
    lines += ["* written by thermohw: SI units; w_* and q_* are work and heat in kT of "
              f"{scale.temperature:g} K"]  # fmt: skip
    if shared:
        lines += ["* the schedule, shared", *shared]
    if cells == 1:
        lines += body
        columns = [_columns(inner, branches, len(states))]
    else:
        common = [] if control is None else control.common
        lines += [f".subckt cell {' '.join([*inner, *common])}", *body, ".ends"]
        columns = []
        for cell in range(cells):
            own = [f"{name}_c{cell}" for name in inner]
            deep = [f"l.x{cell}.{name}" for name in branches]
            columns.append(_columns(own, deep, len(states)))
            lines.append(f"X{cell} {' '.join([*own, *common])} cell")
    small = f"vntol={1e-6 * scale.voltage:.3g} abstol={1e-6 * scale.current:.3g}"
    small += f" chgtol={1e-6 * scale.charge:.3g}"
    lines.append(f".options method=trap reltol={plain(reltol)} {small} itl4=50 {_PIVOTS}")
    h, end = plain(step * scale.time), plain(duration * scale.time)
    lines.append(".control")
    if isinstance(noise, RandomNoise):
        lines.append(f"setseed {noise.seed}")
    outputs = tuple(column for cell in columns for column in cell)
    lines += ["set numdgt=12", "set wr_singlescale", "save all"]
    lines += [f"tran {h} {end} 0 {h} uic", f"wrdata {data} {' '.join(outputs)}"]
    lines += ["quit", ".endc", ".end"]
    shape = (device.dim, len(works), len(heats), len(controls))
    efforts = np.zeros(device.dim) if start is None else np.asarray(start) * device.effort_scale
    first = np.concatenate([efforts, np.full(sum(shape[1:3]), OFFSET), np.full(shape[3], np.nan)])
    text = "\n".join(lines) + "\n"
    return Deck(text, outputs, cells, shape, duration * scale.time, tuple(first))


def make_netlist(
    device: LinearDevice,
    *,
    noise: Waveform | RandomNoise | None = None,
    start: NDArray[Any] | None = None,
) -> str:
    """The bare circuit without meters and run: R, C, L, K and noise sources.

    What `read_netlist` reads back as the same device: a resistor that carries a controlled source
    has 0 V in series, a series resistance that does 0 A beside it.
    """
    board = board_cards(device, Names(), noise=noise, start=start, meters=False)
    sheet = require_sheet(device)
    title = sheet.description.replace("\n", " ") or device.name
    lines = [f"* {title}", *_entries(sheet), *board.lines]
    return "\n".join([*lines, ".end"]) + "\n"


def _entries(sheet: Datasheet) -> list[str]:
    """Limits and costs as datasheet lines in comments."""
    lines = []
    for table in ("limits", "cost"):
        owner = getattr(sheet, table)
        given = {f.name: getattr(owner, f.name) for f in fields(owner)}
        entries = [f"*! {key} = {_entry(value)}" for key, value in given.items() if value]
        lines += [f"*! [{table}]", *entries] if entries else []
    return lines


def _entry(value: RatedValue) -> str:
    parts = [f'value = "{plain(value.value)} {value.unit}"']
    if value.tolerance is not None:
        parts.append(f"tolerance = {plain(value.tolerance)}")
    if value.source:
        parts.append(f"source = {json.dumps(value.source, ensure_ascii=False)}")
    if value.evidence is not None:
        parts.append(f'evidence = "{value.evidence}"')
    return "{ " + ", ".join(parts) + " }"


def _columns(nodes: list[str], branches: list[str], states: int) -> list[str]:
    """What a cell writes; `branches` are inductors, whose own current is the one without noise.

    A behavioural source or an ammeter that reads it loses its digits in the very short steps which
    the simulator takes now and then.
    """
    voltages = [f"v({node})" for node in nodes]
    return [*voltages[:states], *(f"{name}#branch" for name in branches), *voltages[states:]]


def _meters(device: LinearDevice, board: CircuitCards) -> tuple[list[str], list[str], list[str]]:
    """Integrators: cards, work nodes, heat nodes."""
    scale = device.scale
    lines, works, heats = ["* meters: 1 V is 1 kT_ref"], [], []

    def meter(name: str, power: str) -> None:
        lines.append(f"C_{name} {name} 0 {plain(scale.capacitance)} ic={plain(OFFSET)}")
        unit = scale.energy / scale.capacitance
        lines.append(f"B_{name} 0 {name} I = ({power})/{plain(unit)}")

    for k, control in board.sources.items():
        series = k >= len(device.elements) - sum(
            x.series_resistance is not None
            for x in device.datasheet.inductors  # type: ignore[union-attr]
        )
        unit = scale.current if series else scale.voltage
        works.append(f"w_{k}")
        meter(works[-1], f"-v({control})*{plain(unit)}*{board.flow[k]}")
    for place, control in board.ports.items():
        unit = scale.current if place < len(device.nodes) else scale.voltage
        works.append(f"w_{place}")
        node, effort = board.readings[place]
        meter(works[-1], f"v({control})*{plain(unit)}*v({node})*{plain(effort)}")
    for k in range(len(device.elements)):
        heats.append(f"q_{k}")
        meter(heats[-1], f"{board.force[k]}*{board.flow[k]}")
    return lines, works, heats
