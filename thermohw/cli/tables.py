"""Tables of the command line: devices and files, as plain text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from thermohw.circuit import (
    ActiveDevice,
    JumpDevice,
    LinearDevice,
    SolverDevice,
    load_device,
    steady_heat,
)
from thermohw.cli.evidence import weakest_evidence
from thermohw.cli.jump_page import jump_rows
from thermohw.cli.solver_page import active_rows, solver_rows
from thermohw.datasheet import device_names, load_datasheet
from thermohw.store import RunReader, verify
from thermohw.units import engineering

__all__ = ["device_list", "device_page", "file_page", "verdict"]

_ELEMENTARY_CHARGE = 1.602176634e-19  # coulomb, exact
_GRANULAR = 30  # electrons rms on a node below which a diffusion is a poor picture
# Devices that are no passive linear circuits, and what their page says.
_OTHER_KINDS: dict[type, Callable[[Any], list[tuple[str, str]]]] = {
    SolverDevice: solver_rows,
    ActiveDevice: active_rows,
    JumpDevice: jump_rows,
}


def device_list() -> str:
    """Name, nodes and description of every shipped device."""
    table = Table(box=None, pad_edge=False)
    for heading in ("device", "nodes", "resistors", "description"):
        table.add_column(heading)
    for name in device_names():
        sheet = load_datasheet(name)
        table.add_row(name, str(len(sheet.nodes)), str(len(sheet.baths)), sheet.description)
    return _text(table)


def device_page(name: str) -> str:
    """Thermal voltage and current, time constants, rings, noise densities and limits of one
    device.
    """
    device: Any = load_device(name)
    for kind, rows_of in _OTHER_KINDS.items():
        if isinstance(device, kind):
            return _page(rows_of(device))
    scale, sheet = device.scale, device.datasheet
    count = len(device.nodes)
    kt = scale.energy * device.temperatures
    gamma, volts = device.coefficients, device.directions[:, :count].any(1)
    resistance = scale.resistance * np.where(volts, 1.0 / gamma, gamma)
    rms = np.sqrt(np.diag(device.effort_covariance)) * device.effort_scale
    electrons = np.sqrt(np.diag(device.stationary_covariance)[:count])
    electrons = electrons * scale.charge / _ELEMENTARY_CHARGE
    inductors = f", {len(device.fluxes)} inductors" if device.fluxes else ""
    rows = [
        (
            "device",
            f"{device.name}: {count} nodes, {len(device.elements)} resistors{inductors}",
        ),
        ("k T", f"{engineering(scale.energy, 'J')} at {engineering(scale.temperature, 'K')}"),
        (
            "k T / C",
            f"{engineering(scale.voltage, 'V')} rms on {engineering(scale.capacitance, 'F')}",
        ),
    ]
    if device.fluxes and sheet is not None:
        own = np.array([inductor.inductance.value for inductor in sheet.inductors])
        rows.append(
            ("k T / L", f"{_range(np.sqrt(scale.energy / own), 'A')} rms in {_range(own, 'H')}")
        )
    rows.append(("steady rms of the nodes", _range(rms[:count], "V")))
    if device.fluxes:
        rows.append(("steady rms of the inductors", _range(rms[count:], "A")))
    rows += [
        ("time constants", _range(device.time_constants * scale.time, "s")),
        ("R C of the reference node", engineering(scale.time, "s")),
    ]
    if len(device.resonances):
        frequency = device.resonances[:, 0] / (2.0 * np.pi * scale.time)
        rows.append(
            ("rings at", f"{_range(frequency, 'Hz')}, Q {_range(device.resonances[:, 1], '')}")
        )
    rows += [
        (
            "Johnson noise",
            f"{_range(np.sqrt(4.0 * kt * resistance), 'V/sqrt(Hz)')} or "
            f"{_range(np.sqrt(4.0 * kt / resistance), 'A/sqrt(Hz)')} of "
            f"{_range(resistance, 'ohm')}",
        ),
        ("charge", f"{_plain(electrons)} electrons rms on a node, sqrt(k T C)"),
        ("controlled sources", f"{len(device.controlled)} of {len(device.elements)} resistors"),
    ]
    heat = steady_heat(device)
    if np.abs(heat).max() > 1e-9:
        rows.append(
            (
                "heat through the hottest bath",
                f"{engineering(-heat.min() * scale.energy / scale.time, 'W')} at rest",
            )
        )
    if sheet is not None:
        units = {"rail": "V", "current": "A", "slew": "V/s", "dac_full_scale": "V"}
        for key, unit in units.items():
            value = sheet.limits.values().get(key)
            rows.append((f"limit: {key}", "not set" if value is None else engineering(value, unit)))
        for key in ("adc", "dac", "mac"):
            value = sheet.cost.values().get(key)
            rows.append((f"cost: {key}", "unpriced" if value is None else engineering(value, "J")))
        rows.append(("weakest evidence", weakest_evidence(sheet)))
    text = _page(rows)
    if electrons.min() < _GRANULAR:
        text += f"warning: {electrons.min():.3g} electrons rms on {_quietest(device, electrons)}; "
        text += f"a diffusion is a poor picture below {_GRANULAR}\n"
    return text


def file_page(path: str | Path) -> str:
    """Tree, provenance and progress of a run file."""
    with RunReader.open(path, partial=True) as run:
        state = (
            "complete"
            if run.finished
            else f"unfinished: continue with --resume, {run.paths} paths readable"
        )
        head = [
            f"{path}: {state}",
            f"committed {run.committed} of {run.layout.units} units, {run.layout.paths} paths, "
            f"{run.layout.frames} frames",
            f"spec sha256 {run.spec_hash[:16]}",
            *(f"{key}: {value}" for key, value in run.provenance.items()),
        ]
        table = Table(box=None, pad_edge=False)
        for heading in ("dataset", "shape", "type", "unit", "bytes"):
            table.add_column(
                heading, justify="right" if heading == "bytes" else "left", no_wrap=True
            )
        for entry in run.tree():
            shape = " x ".join(map(str, entry.shape)) or "-"
            table.add_row(entry.name, shape, entry.dtype, entry.unit, f"{entry.nbytes:,}")
    return "\n".join(head) + "\n\n" + _text(table)


def verdict(path: str | Path) -> tuple[str, bool]:
    """What `verify` found, as text, and whether the file is sound."""
    findings = verify(path)
    if not findings:
        return (
            "verified: hashes, committed counter and shapes are sound, all values finite "
            "(series and ledger carry no checksum: audit checks them against the first law)"
        ), True
    return "\n".join(f"problem: {finding}" for finding in findings), False


def _range(values: np.ndarray, unit: str) -> str:
    low, high = float(values.min()), float(values.max())
    if np.isclose(low, high, rtol=1e-9, atol=0.0):
        return engineering(high, unit)
    return f"{engineering(low, unit)} to {engineering(high, unit)}"


def _plain(values: np.ndarray) -> str:
    low, high = float(values.min()), float(values.max())
    return (
        f"{high:.4g}" if np.isclose(low, high, rtol=1e-9, atol=0.0) else f"{low:.4g} to {high:.4g}"
    )


def _quietest(device: LinearDevice, electrons: np.ndarray) -> str:
    return f"node {device.nodes[int(np.argmin(electrons))]}"


def _page(rows: list[tuple[str, str]]) -> str:
    """Names and values in two columns."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column()
    table.add_column()
    for row in rows:
        table.add_row(*row)
    return _text(table)


def _text(table: Table) -> str:
    console = Console(width=160, no_color=True, highlight=False)
    with console.capture() as capture:
        console.print(table)
    return "\n".join(line.rstrip() for line in capture.get().splitlines()) + "\n"
