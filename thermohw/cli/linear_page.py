"""The page of a linear circuit: noise, motions, limits and how far its numbers may be trusted.

What binds first. A source reaches the volts of the rail and of its converter; a current limit I
stops it at I R of the smallest resistor with a source; a slew rate S moves it by S R C in a time
constant. The smallest of these volts, in units of sqrt(kT/C), is how far above its thermal noise a
board can be driven by one source without rest. A run says what it really used of each limit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from thermohw.circuit import LinearDevice, steady_heat, steady_production
from thermohw.circuit.jump import ELEMENTARY_CHARGE
from thermohw.circuit.noises import total_covariance
from thermohw.cli.rows import GRANULAR, Rows, cost_rows, plain_span, span, weakest_evidence
from thermohw.datasheet import EVIDENCE, Datasheet
from thermohw.units import engineering

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.datasheet.noises import Noise

__all__ = ["linear_rows", "linear_warnings"]

_LIMITS = {"rail": "V", "current": "A", "slew": "V/s", "dac_full_scale": "V"}


def linear_rows(device: LinearDevice) -> Rows:
    """Titles and texts of the page."""
    sheet = device.datasheet
    rows = [*_noise(device), *_motion(device), *_resistors(device)]
    if sheet is not None:
        rows += [(f"noise {item.name}", _source(item)) for item in sheet.noises]
        rows += _limits(device, sheet)
        rows += cost_rows(sheet)
        rows.append(("entries by evidence", _classes(sheet)))
        rows.append(("weakest evidence", weakest_evidence(sheet)))
    return rows


def linear_warnings(device: LinearDevice) -> list[str]:
    """What a designer must not overlook, one line each."""
    electrons = _electrons(device)
    warnings = []
    if electrons.min(initial=np.inf) < GRANULAR:
        node = device.nodes[int(np.argmin(electrons))]
        few = int((electrons < GRANULAR).sum())
        others = f" (and {few - 1} more nodes)" if few > 1 else ""
        warnings.append(
            f"{electrons.min():.3g} electrons rms on node {node}{others}; a diffusion is a poor "
            f"picture below {GRANULAR}"
        )
    spread = device.time_constants.max() / device.time_constants.min()
    if spread > 1e6:
        warnings.append(
            f"time constants differ by a factor of {spread:.2g}; a grid that resolves the fastest "
            "takes as many ticks to see the slowest"
        )
    return warnings


def _electrons(device: LinearDevice) -> NDArray[np.float64]:
    charge = np.sqrt(np.diag(device.stationary_covariance)[: len(device.nodes)])
    return charge * device.scale.charge / ELEMENTARY_CHARGE


def _noise(device: LinearDevice) -> Rows:
    scale, sheet, count = device.scale, device.datasheet, len(device.nodes)
    inductors = f", {len(device.fluxes)} inductors" if device.fluxes else ""
    rms = np.sqrt(np.diag(device.effort_covariance)) * device.effort_scale
    electrons = _electrons(device)
    thermal = f"{engineering(scale.energy, 'J')} at {engineering(scale.temperature, 'K')}"
    rows = [
        ("device", f"{device.name}: {count} nodes, {len(device.elements)} resistors{inductors}"),
        ("k T", thermal),
        (
            "k T / C",
            f"{engineering(scale.voltage, 'V')} rms on {engineering(scale.capacitance, 'F')}",
        ),
    ]
    if device.fluxes and sheet is not None:
        own = np.array([inductor.inductance.value for inductor in sheet.inductors])
        rows.append(
            ("k T / L", f"{span(np.sqrt(scale.energy / own), 'A')} rms in {span(own, 'H')}")
        )
    if count:
        rows.append(("steady rms of the nodes", span(rms[:count], "V")))
    if device.fluxes:
        rows.append(("steady rms of the inductors", span(rms[count:], "A")))
    if sheet is not None and sheet.noises:
        driven = np.sqrt(np.diag(total_covariance(device))) * device.effort_scale
        at = span(driven[:count], "V") if count else span(driven[count:], "A")
        rows.append(("  with noise sources", at + ", about the mean"))
    if count:
        rows.append(("charge", f"{plain_span(electrons)} electrons rms on a node, sqrt(k T C)"))
    return rows


def _motion(device: LinearDevice) -> Rows:
    scale = device.scale
    rows = [
        ("time constants", span(device.time_constants * scale.time, "s")),
        ("R C of the reference node", engineering(scale.time, "s")),
    ]
    if len(device.resonances):
        frequency = device.resonances[:, 0] / (2.0 * np.pi * scale.time)
        quality = span(device.resonances[:, 1], "")
        rows.append(("rings at", f"{span(frequency, 'Hz')}, Q {quality}"))
    heat = steady_heat(device)
    if np.abs(heat).max() > 1e-9:
        source, sink = int(heat.argmin()), int(heat.argmax())
        watt = scale.energy / scale.time
        rows.append(
            (
                "heat flow at rest",
                f"{engineering(-heat[source] * watt, 'W')} out of {device.elements[source]}, most "
                f"into {device.elements[sink]}; {steady_production(device):.4g} nats of entropy "
                "per R C",
            )
        )
    return rows


def _resistors(device: LinearDevice) -> Rows:
    scale, gamma = device.scale, device.coefficients
    kt = scale.energy * device.temperatures
    shunt = device.directions[:, : len(device.nodes)].any(1)
    resistance = scale.resistance * np.where(shunt, 1.0 / gamma, gamma)
    return [
        (
            "Johnson noise",
            f"{span(np.sqrt(4.0 * kt * resistance), 'V/sqrt(Hz)')} or "
            f"{span(np.sqrt(4.0 * kt / resistance), 'A/sqrt(Hz)')} of "
            f"{span(resistance, 'ohm')}",
        ),
        ("bath temperatures", span(device.temperatures * scale.temperature, "K")),
        ("controlled sources", f"{len(device.controlled)} of {len(device.elements)} resistors"),
    ]


def _source(noise: Noise) -> str:
    """Kind, size, band and place of a source of noise without a bath."""
    sizes = {key: getattr(noise, key) for key in ("density", "rms", "amplitude")}
    text = [noise.shape or noise.kind, *(f"{key} {size}" for key, size in sizes.items() if size)]
    if noise.bandwidth is not None:
        low = f"{noise.lowest} to " if noise.lowest is not None else "to "
        text.append(f"{low}{noise.bandwidth}")
    text.append(f"in series with {noise.series}" if noise.series else f"into {noise.into[0]}")
    return ", ".join(text)


def _limits(device: LinearDevice, sheet: Datasheet) -> Rows:
    """Every limit as volts of a source in units of sqrt(kT/C), and the smallest."""
    scale, stated = device.scale, sheet.limits.values()
    reach: dict[str, float] = {}
    if device.controlled:
        gamma = device.coefficients[list(device.controlled)]
        shunt = device.directions[list(device.controlled), : len(device.nodes)].any(1)
        if shunt.any():
            smallest = scale.resistance / float(gamma[shunt].max())
            volts = {"rail": 1.0, "dac_full_scale": 1.0, "current": smallest, "slew": scale.time}
            reach = {key: stated[key] * volts[key] for key in _LIMITS if key in stated}
    rows = []
    for key, unit in _LIMITS.items():
        text = engineering(stated[key], unit) if key in stated else "not set"
        if key in reach:
            text += f", {reach[key] / scale.voltage:.3g} sqrt(k T / C)"
            text += {"current": " over a source's resistor", "slew": " in an R C"}.get(key, "")
        rows.append((f"limit: {key}", text))
    if reach:
        first = min(reach, key=lambda key: reach[key])
        rows.append(("binds first", f"{first}, at {engineering(reach[first], 'V')} of a source"))
    return rows


def _classes(sheet: Datasheet) -> str:
    """How many entries have each class, weakest first."""
    stated = [entry.evidence for entry in sheet.entries().values() if entry is not None]
    counts = {name or "unstated": stated.count(name) for name in (None, *EVIDENCE)}
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count)
