"""Tables of the command line: devices and files, as plain text."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from thermohw.circuit import load_device, steady_heat
from thermohw.datasheet import device_names
from thermohw.store import RunReader, verify
from thermohw.units import engineering

__all__ = ["device_list", "device_page", "file_page", "verdict"]

_ELEMENTARY_CHARGE = 1.602176634e-19  # coulomb, exact
_GRANULAR = 30  # electrons per thermal charge below which a diffusion is a poor picture


def device_list() -> str:
    """Name, nodes and description of every shipped device."""
    table = Table(box=None, pad_edge=False)
    for heading in ("device", "nodes", "resistors", "description"):
        table.add_column(heading)
    for name in device_names():
        device = load_device(name)
        sheet = device.datasheet
        about = "" if sheet is None else sheet.description
        table.add_row(name, str(len(device.nodes)), str(len(device.elements)), about)
    return _text(table)


def device_page(name: str) -> str:
    """Thermal voltage, time constants, noise densities and limits of one device."""
    device = load_device(name)
    scale = device.scale
    electrons = scale.charge / _ELEMENTARY_CHARGE
    covariance = device.hessian @ device.stationary_covariance @ device.hessian
    rms = np.sqrt(np.diag(covariance)) * scale.voltage
    taus = device.time_constants * scale.time
    johnson = np.sqrt(4.0 * scale.energy * scale.resistance)
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column()
    table.add_column()
    rows = [
        ("device", f"{device.name}: {len(device.nodes)} nodes, {len(device.elements)} resistors"),
        ("k T", f"{engineering(scale.energy, 'J')} at {engineering(scale.temperature, 'K')}"),
        (
            "k T / C",
            f"{engineering(scale.voltage, 'V')} rms on {engineering(scale.capacitance, 'F')}",
        ),
        ("steady rms of the nodes", _range(rms, "V")),
        ("time constants", _range(taus, "s")),
        ("R C of the reference node", engineering(scale.time, "s")),
        (
            "Johnson noise",
            f"{engineering(float(johnson), 'V/sqrt(Hz)')} of "
            f"{engineering(scale.resistance, 'ohm')}",
        ),
        ("charge", f"{electrons:.4g} electrons per sqrt(k T C)"),
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
    sheet = device.datasheet
    if sheet is not None:
        units = {"rail": "V", "current": "A", "slew": "V/s", "dac_full_scale": "V"}
        for key, unit in units.items():
            value = sheet.limits.values().get(key)
            rows.append((f"limit: {key}", "not set" if value is None else engineering(value, unit)))
        for key in ("adc", "dac", "mac"):
            value = sheet.cost.values().get(key)
            rows.append((f"cost: {key}", "unpriced" if value is None else engineering(value, "J")))
    for row in rows:
        table.add_row(*row)
    text = _text(table)
    if electrons < _GRANULAR:
        text += f"warning: {electrons:.3g} electrons per thermal charge; a diffusion is a poor "
        text += f"picture below {_GRANULAR}\n"
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
    if np.isclose(low, high, rtol=1e-9):
        return engineering(high, unit)
    return f"{engineering(low, unit)} to {engineering(high, unit)}"


def _text(table: Table) -> str:
    console = Console(width=160, no_color=True, highlight=False)
    with console.capture() as capture:
        console.print(table)
    return "\n".join(line.rstrip() for line in capture.get().splitlines()) + "\n"
