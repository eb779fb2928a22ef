"""Pages of circuits whose conductors pass electrons one at a time."""

from __future__ import annotations

import numpy as np

from thermohw.circuit.jump import ELEMENTARY_CHARGE, JumpDevice
from thermohw.circuit.jump_signal import SmallSignal, mean_rates, rest_points
from thermohw.cli.rows import GRANULAR, Rows, plain_span, span, weakest_evidence
from thermohw.datasheet import Transistor
from thermohw.units import engineering

__all__ = ["jump_rows"]


def jump_rows(device: JumpDevice) -> Rows:
    """Supplies, conductors, electrons, time constants and stable states."""
    sheet = device.datasheet
    assert sheet is not None
    volt = device.voltage_unit
    conductors = sheet.conductors
    capacitance = np.diag(device.capacitance)
    rms = np.sqrt(np.diag(device.hessian)) * volt
    electrons = np.sqrt(np.diag(np.linalg.inv(device.hessian)))
    few = f"; below {GRANULAR}: counted one by one here, Gaussian noise would be poor"
    few *= bool(electrons.min() < GRANULAR)
    rows: Rows = [
        (
            "device",
            f"{device.name}: {device.dim} nodes, {len(device.supplies)} supplies, "
            f"{len(conductors.transistors)} transistors, {len(conductors.junctions)} junctions",
        ),
        (
            "noise",
            "Gaussian, marked approximate: inconsistent with the fluctuation theorem"
            if device.approximate
            else "bidirectional Poisson jumps of single electrons, exact heat of every event",
        ),
        ("runs with", "th.simulate_jumps, th.master_equation; no protocol plays it"),
        (
            "k T",
            f"{engineering(device.energy_unit, 'J')} at {engineering(device.temperature, 'K')}, "
            f"kT/q {engineering(volt, 'V')}",
        ),
        ("k T / C", f"{span(rms, 'V')} rms on {span(capacitance, 'F')}, unbiased"),
        ("one electron", f"{span(np.diag(device.hessian) * volt, 'V')} on a node, q/C"),
        ("charge", f"{plain_span(electrons, 3)} electrons rms on a node, sqrt(k T C){few}"),
    ]
    rows += [
        (f"supply {name}", f"{engineering(value * volt, 'V')}, {value:+.3g} kT/q")
        for name, value in zip(device.supplies, device.supply_voltages, strict=True)
    ]
    points = rest_points(device)
    stable = [point for point in points if point.stable]
    rows += [(item.name, _law(item)) for item in conductors.all]
    if len(stable) > 1:
        rows += [_switched(device, stable)]
    for number, point in enumerate(stable):
        title = "rest point" if len(stable) == 1 else f"stable state {number + 1}"
        rows.append((title, _point(device, point)))
        rows.append(("  time constants", span(point.time_constants, "s")))
        rows.append(("  noise", _noise(device, point)))
        heat = float((point.current * _bias(device, point)).sum())
        rows.append(("  heat at rest", f"{engineering(heat, 'W')}, mean currents alone"))
    unstable = len(points) - len(stable)
    if unstable:
        word = "point" if unstable == 1 else "points"
        saddle = next(point for point in points if not point.stable)
        rows.append((f"unstable rest {word}", f"{unstable}, {_point(device, saddle)}"))
    rows.append(("weakest evidence", weakest_evidence(sheet)))
    return rows


def _law(item: object) -> str:
    if isinstance(item, Transistor):
        return (
            f"{item.kind}-channel, gate {item.gate}, drain {item.drain}, source {item.source}: "
            f"{item.current} at {item.threshold}, slope {item.slope.value:g}, {item.temperature}"
        )
    resistance = getattr(item, "resistance", None)
    between = " to ".join(getattr(item, "between", ()))
    if resistance is not None:
        return f"tunnel junction {between}: {resistance}, {getattr(item, 'temperature', '')}"
    current = getattr(item, "saturation_current", None)
    return f"diode {between}: {current}, {getattr(item, 'temperature', '')}"


def _bias(device: JumpDevice, point: SmallSignal) -> np.ndarray:
    """Voltage across every conductor, volt."""
    fixed = device.drawn @ device.supply_voltages * device.voltage_unit
    return fixed - device.jumps @ point.voltages


def _switched(device: JumpDevice, stable: list[SmallSignal]) -> tuple[str, str]:
    """Saturation currents of a conductor that one stable state turns on and another off."""
    forward = np.array(
        [mean_rates(device, point.voltages / device.voltage_unit)[0] for point in stable]
    )
    ratio = forward.max(0) / forward.min(0)
    which = int(ratio.argmax())
    on, off = forward[:, which].max(), forward[:, which].min()
    return (
        "on and off",
        f"{engineering(on * ELEMENTARY_CHARGE, 'A')} and "
        f"{engineering(off * ELEMENTARY_CHARGE, 'A')} ({device.elements[which]}), "
        f"{on:.3g} and {off:.3g} electrons a second",
    )


def _point(device: JumpDevice, point: SmallSignal) -> str:
    # What Newton's method leaves of a zero is no voltage.
    volts = np.where(np.abs(point.voltages) < 1e-9 * device.voltage_unit, 0.0, point.voltages)
    pairs = zip(device.nodes, volts, strict=True)
    return ", ".join(f"{name} {engineering(float(value), 'V')}" for name, value in pairs)


def _noise(device: JumpDevice, point: SmallSignal) -> str:
    density = np.sqrt(np.diag(point.noise))
    text = f"{span(density, 'A/sqrt(Hz)')} into a node"
    own = np.diag(point.conductance)
    if (own > 0.0).all():
        text += f", conductance {span(own, 'S')}"
        text += f", effective temperature {span(point.effective_temperatures, 'K')}"
    return text
