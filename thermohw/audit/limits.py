"""Does the protocol fit the hardware, and what the protocol is in numbers.

The largest voltage, source, current and rate of change that any path reached are held against the
datasheet; the limit with the largest ratio binds. Currents and rates are the systematic ones: white
Johnson noise has no finite peak. A reading or a source beyond its converter's range is clipped
there, which is said. What V0 means is shown too: the temperature at which thermal noise alone would
have a model unit's variance, C V0^2/k, and the electrons that V0 puts on the capacitor, below about
30 of which a diffusion is a poor picture.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from thermohw.audit.recorded import Recorded
from thermohw.audit.verdict import Check, Quantity, not_applicable
from thermohw.books.peaks import NAMES, Peaks
from thermohw.books.residuals import kept_ticks, source_scale
from thermohw.control import Control, datasheet_limits, effective_temperature
from thermohw.control.limits import rounded_notes
from thermohw.control.realisation import describe_realisation, hottest
from thermohw.estimate import HOLDS, VIOLATED
from thermohw.integrate import Step
from thermohw.integrate.terminals import Terminals
from thermohw.units import engineering

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.circuit import LinearDevice

__all__ = ["protocol_limits", "protocol_quantities"]

_CHARGE = 1.602176634e-19  # coulomb, exact
_GRANULAR = 30.0
# Of a voltage: what its precision and a change of units may take.
_ROUND = {"float32": 1e-5, "float64": 1e-9}


def protocol_limits(recorded: Recorded) -> Check:
    """Measured peaks against the datasheet."""
    name = "protocol_limits"
    if recorded.peaks is None:
        return not_applicable(name, "the run stored no peaks", relation="<=")
    if (reason := _impossible(recorded, recorded.peaks)) is not None:
        return Check(name, VIOLATED, recorded.peaks["voltage"], None, None, reason, "<=", 0.0)
    rows = datasheet_limits(recorded.plan, recorded.peaks)
    remark = _remarks(recorded)
    granted = [row for row in rows if row.allowed is not None]
    if not granted:
        reached = ", ".join(f"{row.name} {engineering(row.needed, row.unit)}" for row in rows)
        return not_applicable(
            name, f"the datasheet sets no limits; reached: {reached}{remark}", relation="<="
        )
    parts = [
        f"{row.name} {engineering(row.needed, row.unit)} of {engineering(row.allowed, row.unit)}"
        for row in granted
        if row.allowed is not None
    ]
    ratio = granted[0].ratio or 0.0
    broken = [row.name for row in granted if not (row.ratio or 0.0) <= 1.0]
    detail = f"{granted[0].name} binds: {', '.join(parts)}{remark}"
    if broken:
        detail = f"beyond {', '.join(broken)}; {detail}"
    return Check(name, VIOLATED if broken else HOLDS, ratio, 1.0, None, detail, "<=", 0.0)


def _impossible(recorded: Recorded, peaks: dict[str, float]) -> str | None:
    """What is wrong with peaks that the file's own paths contradict; None where nothing."""
    for name, peak in peaks.items():
        if not peak >= 0.0:
            return f"the stored peak of the {name} is {peak:.3g}: a largest size is never negative"
    scale = recorded.setting.device.scale
    sizes = {
        "voltage": (scale.voltage, "V"),
        "source": (scale.voltage, "V") if recorded.plan.drive.wiring == "emf" else
                  (scale.current, "A"),
        "current": (scale.current, "A"),
        "rate": (scale.voltage / scale.time, "V/s"),
    }  # fmt: skip
    for name, least in _reached(recorded).items():
        if not peaks[name] >= least:
            size, unit = sizes[name]
            found, known = (engineering(x * size, unit, 6) for x in (peaks[name], least))
            word = "voltage" if name == "voltage" else f"of the {name}"
            return f"the stored peak {word} is {found}, but a stored path was at {known}"
    return None


def _reached(recorded: Recorded) -> dict[str, float]:
    """What kept paths reached at least, thermal units, less what rounding may take of it.

    Start and end states are voltages, kept decisions are sources. A held tick whose state is kept
    at both ends - as the last one's is - also says what flowed in it, as `thermohw.books.peaks`
    counts it.
    """
    protocol, scale = recorded.setting.protocol, recorded.setting.device.scale
    slack = _ROUND[recorded.simulate["dtype"]]
    found: dict[str, float] = {name: 0.0 for name in NAMES}
    for states in (recorded.first, recorded.first_start):
        if not states.size or not np.isfinite(states).all():
            continue
        if protocol.device.fluxes:
            states = protocol.to_thermal(states)[:, : len(protocol.device.nodes)]
        else:
            states = states * (protocol.v0 / scale.voltage)
        found["voltage"] = max(found["voltage"], float(np.abs(states).max()) * (1.0 - slack))
    kept, plan = recorded.residuals, recorded.plan
    if "sources" not in kept or protocol.device.fluxes or not plan.timeline:
        return found
    sources = kept["sources"] / source_scale(plan)
    if not np.isfinite(sources).all():
        return found
    # A current is one of the R C in force, an emf is not.
    paces = [piece.conductance for piece in plan.timeline]
    pace = 1.0 if plan.drive.wiring == "emf" else min(paces)
    found["source"] = float(np.abs(sources).max()) * pace * (1.0 - slack)
    prompt = plan.latency == 0.0 and plan.reading_noise == 0.0 and plan.chain.lag.is_ideal
    states = kept["states"] / plan.protocol.board.effort_scale
    if not recorded.clocked or not prompt or not np.isfinite(states).all():
        return found
    peaks, ends = Peaks(plan.protocol.board), _kept_ends(recorded, states)
    for slot, tick in enumerate(kept_ticks(plan.schedule.ticks, len(states)).tolist()):
        if tick in ends:
            marks = _flowing(recorded, peaks, tick, states[slot], ends[tick], sources[slot])
            size = max(float(np.abs(x).max()) for x in (states[slot], ends[tick], sources[slot]))
            for name, mark in zip(NAMES[2:], marks[2:], strict=True):
                # What is left of voltages that nearly cancel is known to the rounding of these.
                most = size * paces[tick] * _largest_response(plan.protocol.board)
                found[name] = max(found[name], mark - slack * most)
    return found


def _kept_ends(recorded: Recorded, states: NDArray[np.float64]) -> dict[int, NDArray[np.float64]]:
    """Efforts at the end of ticks whose start is kept, of the same paths, thermal units."""
    ticks = recorded.plan.schedule.ticks
    kept = kept_ticks(ticks, len(states)).tolist()
    ends = {tick: states[slot + 1] for slot, tick in enumerate(kept[:-1])
            if kept[slot + 1] == tick + 1}  # fmt: skip
    last = recorded.first[: states.shape[1]]
    if len(last) == states.shape[1] and np.isfinite(last).all():
        scale = recorded.setting.device.scale
        ends[ticks - 1] = last * (recorded.setting.protocol.v0 / scale.voltage)
    return ends


def _flowing(
    recorded: Recorded, peaks: Peaks, tick: int, start: NDArray[np.float64],
    end: NDArray[np.float64], source: NDArray[np.float64],
) -> list[float]:  # fmt: skip
    """The marks of one held tick: voltage, source, current, rate."""
    board, plan = recorded.plan.protocol.board, recorded.plan
    control = Control(tick, torch.from_numpy(source))
    terminals = Terminals(board, plan.drive.wiring, dtype=torch.float64)
    emf, current = terminals.emf(control), terminals.current(control)
    force = terminals.across(torch.from_numpy(0.5 * (start + end)))
    if emf is not None:
        force = force - emf
    first, last = (torch.from_numpy(np.linalg.solve(board.hessian, x.T).T) for x in (start, end))
    carry = peaks.init(first)
    peaks.update(carry, Step(plan.timeline[tick], first, last, control, None, force, force,
                             emf=emf, current=current))  # fmt: skip
    return carry["peaks"].tolist()


def _largest_response(board: LinearDevice) -> float:
    """Current or rate that a voltage makes at most, thermal units."""
    flow = np.abs(board.coefficients).max() * max(np.abs(board.directions).sum(1).max(), 1.0)
    into = np.abs(board.hessian @ board.directions.T).sum(1).max()
    ports = np.abs(board.hessian @ board.port_matrix).sum(1).max()
    return float(max(flow, 2.0 * flow * into + ports, 1.0))


def _remarks(recorded: Recorded) -> str:
    """Clipping, and signals that no thermal circuit could carry."""
    plan, peaks = recorded.plan, recorded.peaks
    remarks = rounded_notes(plan)
    for converter, peak, words in (
        (plan.adc, "voltage", "readings"),
        (plan.dac, "source", "sources"),
    ):
        if converter is None or peaks is None:
            continue
        # A source leaves its converter clipped already: at the end of the range means clipped or
        # just not.
        if peaks[peak] >= max(abs(converter.low), abs(converter.high)) - 1.01 * converter.lsb:
            remarks.append(f"{words} reach the end of their converter's range")
    temperature = effective_temperature(plan)
    if plan.schedule.heating is not None:
        remarks.append(describe_realisation(plan))
    elif temperature > 2.0 * recorded.temperature:
        remarks.append(
            f"V0 asks for an effective temperature of {temperature:.4g} K against "
            f"{recorded.temperature:g} K"
        )
    electrons = _electrons(recorded)
    if electrons < _GRANULAR:
        remarks.append(
            f"V0 is {electrons:.3g} electrons: a diffusion is a poor picture below {_GRANULAR:g}"
        )
    return "".join(f"; {remark}" for remark in remarks)


def _electrons(recorded: Recorded) -> float:
    return recorded.setting.device.scale.capacitance * recorded.setting.protocol.v0 / _CHARGE


def protocol_quantities(recorded: Recorded) -> dict[str, Quantity]:
    """Duration, ticks, volts per unit and what they imply; peaks against their limits."""
    plan = recorded.plan
    table = {
        "protocol.duration": Quantity(plan.seconds, 0.0, "s"),
        "protocol.ticks": Quantity(float(plan.schedule.ticks), 0.0, "1"),
        "protocol.volts_per_unit": Quantity(recorded.setting.protocol.v0, 0.0, "V"),
        "protocol.effective_temperature": Quantity(
            effective_temperature(plan), 0.0, "K", "C V0^2/k"
        ),
        "protocol.electrons_per_unit": Quantity(_electrons(recorded), 0.0, "1", "C V0/e"),
    }
    source = "V" if plan.drive.wiring == "emf" else "A"
    for name, converter, unit in (("adc", plan.adc, "V"), ("dac", plan.dac, source)):
        if converter is not None:
            scale = recorded.setting.device.scale
            size = scale.voltage if unit == "V" else scale.current
            table[f"protocol.{name}_range.low"] = Quantity(converter.low * size, 0.0, unit)
            table[f"protocol.{name}_range.high"] = Quantity(converter.high * size, 0.0, unit)
    if plan.schedule.heating is not None:
        note = f"highest of the run; {describe_realisation(plan)}"
        table["protocol.noise_temperature"] = Quantity(hottest(plan), 0.0, "K", note)
    if recorded.peaks is not None:
        for row in datasheet_limits(plan, recorded.peaks):
            table[f"protocol.peak.{row.name}"] = Quantity(row.needed, 0.0, row.unit)
    return table
