"""Page of a circuit of quartic units."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from thermohw.circuit.jump import ELEMENTARY_CHARGE
from thermohw.cli.rows import GRANULAR, Rows, cost_rows, plain_span, span, weakest_evidence
from thermohw.errors import InputError
from thermohw.units import engineering

if TYPE_CHECKING:
    from thermohw.circuit import QuarticDevice

__all__ = ["quartic_rows"]

_LISTED = 4


def quartic_rows(device: QuarticDevice) -> Rows:
    """Energies in k T, mobility, equilibrium, relaxation, noise and charge of the units."""
    scale, sheet = device.scale, device.datasheet
    assert sheet is not None
    rows = [
        (
            "device",
            f"{device.name}: {device.dim} quartic units, {len(device.elements)} resistors, "
            f"{len(sheet.landscape.bilinears)} bilinear couplings",
        ),
        ("runs", "freely or by a program of its parameters: th.drive(device, program)"),
        ("k T", f"{engineering(scale.energy, 'J')} at {engineering(scale.temperature, 'K')}"),
    ]
    rows += _energies(device)
    size = 1.0 / device.unit_charge**2  # k T over C V_s^2, with C the node's own
    farads = np.array([node.capacitance.value for node in sheet.nodes]) / scale.capacitance
    resistance = scale.resistance / device.coefficients
    density = np.sqrt(4.0 * scale.energy * device.temperatures * resistance)
    rows += [
        ("k T / (C V_s^2)", span(size * farads, "")),
        (
            "mobility of x",
            f"{span(np.diag(device.mobility), '')} per k T and {engineering(scale.time, 's')}",
        ),
        (
            "fastest relaxation",
            f"{engineering(scale.time / _fastest(device), 's')}, at twice the thermal spread",
        ),
        (
            "Johnson noise",
            f"{span(density, 'V/sqrt(Hz)')} of {span(resistance, 'ohm')}",
        ),
    ]
    rows += _rest(device)
    rows += cost_rows(sheet)
    rows.append(("weakest evidence", weakest_evidence(sheet)))
    return rows


def _energies(device: QuarticDevice) -> Rows:
    sheet, energy = device.datasheet, device.landscape
    assert sheet is not None
    rows = []
    for i, unit in enumerate(sheet.landscape.quartics[:_LISTED]):
        terms = (
            (0.5 * energy.quadratic[i, i], "x^2"),
            (energy.quartic[i], "x^4"),
            (energy.bias[i], "x"),
        )
        text = " + ".join(f"{value:.4g} {power}" for value, power in terms if value)
        charge = device.unit_charge[i] * device.scale.charge
        rows.append(
            (
                f"energy of {unit.name}",
                f"({text.replace('+ -', '- ')}) k T, x = charge / {engineering(charge, 'C')} "
                f"= {engineering(unit.volts_per_unit.value, 'V')} times C of {unit.node}",
            )
        )
    if device.dim > _LISTED:
        rows.append(("", f"and {device.dim - _LISTED} more units"))
    coupling = energy.quadratic[np.triu_indices(device.dim, 1)]
    if coupling.any():
        found = coupling[coupling != 0.0]
        rows.append(("couplings J_ij", f"{found.min():.4g} to {found.max():.4g} k T"))
    return rows


def _rest(device: QuarticDevice) -> Rows:
    """Mean, rms and electrons at rest, where equilibrium is known."""
    try:
        law = device.equilibrium()
    except InputError as error:
        return [("at rest", f"not tabulated: {error}")]
    rms = np.sqrt(np.diag(law.covariance))
    electrons = rms * device.unit_charge * device.scale.charge / ELEMENTARY_CHARGE
    rows = [
        ("at rest, mean x", span(np.where(np.abs(law.mean) < 1e-12, 0.0, law.mean), "")),
        ("at rest, rms of x about it", span(rms, "")),
        ("at rest, <x^4>", span(law.fourth, "")),
        ("charge", f"{plain_span(electrons)} electrons rms on a node"),
    ]
    if electrons.min() < GRANULAR:
        node = device.nodes[int(np.argmin(electrons))]
        text = f"{electrons.min():.3g} electrons rms on node {node}; a diffusion is a poor picture "
        rows.append(("warning", text + f"below {GRANULAR}"))
    return rows


def _fastest(device: QuarticDevice) -> float:
    curvature = device.landscape.curvature(float(device.temperatures.max()))
    return float(np.abs(np.linalg.eigvals(device.mobility @ curvature)).max())
