"""Tables of the command line: devices and files, as plain text.

The list of devices needs datasheets, the page of one its circuit, that of a file HDF5: each imports
its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from thermohw.datasheet import device_names, load_datasheet
from thermohw.errors import shown

__all__ = ["device_list", "device_page", "file_page", "verdict"]


def device_list() -> str:
    """Name, nodes and description of every shipped device."""
    table = Table(box=None, pad_edge=False)
    for heading in ("device", "nodes", "resistors", "description"):
        table.add_column(heading)
    for name in device_names():
        sheet = load_datasheet(name)
        table.add_row(name, str(len(sheet.nodes)), str(len(sheet.baths)), shown(sheet.description))
    return _text(table)


def device_page(name: str) -> str:
    """Thermal voltage and current, time constants, rings, noise densities and limits of one
    device.
    """
    sheet = load_datasheet(name)  # what is wrong with it is told before a circuit is loaded
    from thermohw.circuit import (
        ActiveDevice,
        JumpDevice,
        QuarticDevice,
        SolverDevice,
        build_device,
    )
    from thermohw.cli.jump_page import jump_rows
    from thermohw.cli.linear_page import linear_rows, linear_warnings
    from thermohw.cli.quartic_page import quartic_rows
    from thermohw.cli.solver_page import active_rows, solver_rows

    # Devices that are no passive linear circuits, and what their page says.
    others = {
        SolverDevice: solver_rows,
        ActiveDevice: active_rows,
        JumpDevice: jump_rows,
        QuarticDevice: quartic_rows,
    }
    device: Any = build_device(sheet)
    for kind, rows_of in others.items():
        if isinstance(device, kind):
            return _page(rows_of(device))
    warnings = [f"warning: {line}\n" for line in linear_warnings(device)]
    return _page(linear_rows(device)) + "".join(warnings)


def file_page(path: str | Path) -> str:
    """Tree, provenance and progress of a run file."""
    from thermohw.store import RunReader

    with RunReader.open(path, partial=True) as run:
        state = (
            "complete"
            if run.finished
            else f"unfinished: continue with --resume, {run.paths} paths readable"
        )
        head = [
            f"{shown(str(path))}: {state}",
            f"committed {run.committed} of {run.layout.units} units, {run.layout.paths} paths, "
            f"{run.layout.frames} frames",
            f"spec sha256 {shown(run.spec_hash[:16])}",
            *(f"{shown(key)}: {shown(str(value))}" for key, value in run.provenance.items()),
        ]
        table = Table(box=None, pad_edge=False)
        for heading in ("dataset", "shape", "type", "unit", "bytes"):
            table.add_column(
                heading, justify="right" if heading == "bytes" else "left", no_wrap=True
            )
        for entry in run.tree():
            shape = " x ".join(map(str, entry.shape)) or "-"
            words = map(shown, (entry.name, shape, entry.dtype, entry.unit, f"{entry.nbytes:,}"))
            table.add_row(*words)
    return "\n".join(head) + "\n\n" + _text(table)


def verdict(path: str | Path) -> tuple[str, bool]:
    """What `verify` found, as text, and whether the file is sound."""
    from thermohw.store import RunReader, verify

    findings = verify(path)
    with RunReader.open(path, partial=True) as run:
        checked = run.has_checksums
    if not findings and checked:
        return "verified: every number equals its checksum, all values are finite", True
    if not findings:
        return (
            "verified: hashes, committed counter and shapes are sound, all values finite "
            "(no checksums: format 1.0 has none for series, ledger and results; audit checks them "
            "against the first law)"
        ), True
    return "\n".join(f"problem: {shown(str(finding))}" for finding in findings), False


def _page(rows: list[tuple[str, str]]) -> str:
    """Names and values in two columns."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column()
    table.add_column()
    for row in rows:
        table.add_row(*map(shown, row))
    return _text(table)


def _text(table: Table) -> str:
    # What a file or a datasheet says is no markup of ours: "[red]" and ":smile:" stay as they are.
    console = Console(width=160, no_color=True, highlight=False, markup=False, emoji=False)
    with console.capture() as capture:
        console.print(table)
    return "\n".join(line.rstrip() for line in capture.get().splitlines()) + "\n"
