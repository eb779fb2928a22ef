"""Pages of devices with active elements: a board of integrators, an active circuit."""

from __future__ import annotations

from typing import Any

import numpy as np

from thermohw.circuit import ActiveDevice, SolverDevice
from thermohw.circuit.active_law import active_law
from thermohw.cli.rows import Rows, span, weakest_evidence
from thermohw.datasheet import Datasheet
from thermohw.units import K_B, engineering

__all__ = ["active_rows", "solver_rows"]


def solver_rows(device: SolverDevice) -> Rows:
    """What a board can solve, how fast, and what its parts leave wrong."""
    sheet, scale = device.datasheet, device.scale
    solver = sheet.solver
    assert solver is not None
    n, noise = device.size, solver.noise
    amplifier = sheet.amplifiers[0]
    rows = [
        ("device", f"{device.name}: a linear solver of {n} op-amp integrators"),
        (
            "solves",
            f"A x = b, A symmetric and positive definite, up to {n} x {n}: th.solve; its "
            "inverse from the noise: th.invert",
        ),
        (
            "R C",
            f"{engineering(scale.time, 's')} = {engineering(scale.resistance, 'ohm')} x "
            f"{engineering(scale.capacitance, 'F')}; "
            "a mode of eigenvalue l takes R C max|A|/l",
        ),
        (
            "k T / C",
            f"{engineering(scale.voltage, 'V')} rms at {engineering(scale.temperature, 'K')}",
        ),
    ]
    if noise is not None:
        hot = noise.value**2 * scale.capacitance / K_B
        rows.append(
            (
                "noise sources",
                f"{engineering(noise.value, 'V')} rms on a unit integrator, "
                f"an effective {engineering(hot, 'K')}",
            )
        )
    rows += _amplifier_rows(device.datasheet)
    if amplifier.gbw is not None:
        lag = 1.0 / (2.0 * np.pi * amplifier.gbw.value)
        rows.append(
            (
                "amplifier's pole",
                f"{engineering(lag, 's')} at unity gain, {lag / scale.time:.3g} of R C",
            )
        )
    for key, bits in (
        ("resistor", solver.resistor_bits),
        ("dac", solver.dac_bits),
        ("adc", solver.adc_bits),
    ):
        if bits is None:
            rows.append((f"{key} resolution", "exact"))
            continue
        step = (
            "of the largest entry"
            if key == "resistor"
            else engineering(2.0 * solver.full_scale.value / 2**bits, "V")
        )
        size = f"{2.0**-bits:.3g} {step}" if key == "resistor" else f"steps of {step}"
        rows.append((f"{key} resolution", f"{bits} bits, {size}"))
    if solver.transfer is not None:
        bits = (solver.resistor_bits or 0) * n * n + (solver.dac_bits or 0) * n
        time = engineering(bits / solver.transfer.value, "s")
        rows.append(
            (
                "transfer",
                f"{engineering(solver.transfer.value, 'bit/s')}, {time} for a "
                f"matrix of {n} x {n} and its vector",
            )
        )
    if amplifier.quiescent is not None:
        rows.append(
            ("supply", f"{engineering(n * amplifier.quiescent.value, 'W')} at rest, all amplifiers")
        )
    rows.append(("weakest evidence", weakest_evidence(sheet)))
    return rows


def active_rows(device: ActiveDevice) -> Rows:
    """Noise, motions and active elements of a circuit."""
    scale, law = device.scale, active_law(device)
    rms = np.sqrt(np.diag(law.effort_covariance)) * device.effort_scale
    rates = law.steady_rates()
    rows = [
        (
            "device",
            f"{device.name}: {len(device.nodes)} nodes, {len(device.elements)} resistors, "
            f"{len(device.transconductors)} transconductors, "
            f"{len(device.amplifiers.names)} amplifiers",
        ),
        ("runs with", "th.evolve; no protocol plays a circuit with active elements"),
        (
            "k T / C",
            f"{engineering(scale.voltage, 'V')} rms on "
            f"{engineering(scale.capacitance, 'F')} at "
            f"{engineering(scale.temperature, 'K')}",
        ),
    ]
    rows += [
        (f"steady rms of {name}", engineering(float(size), "V" if i < len(device.nodes) else "A"))
        for i, (name, size) in enumerate(zip(device.coordinates, rms, strict=True))
    ]
    rows.append(("time constants", span(1.0 / np.real(law.rates) * scale.time, "s")))
    power = scale.energy / scale.time
    for name in (*device.transconductors, *device.amplifiers.names):
        size = engineering(rates[f"work.{name}"] * power, "W")
        rows.append((f"power of {name}", f"{size} into the circuit at rest"))
    if device.datasheet is not None:
        rows += _amplifier_rows(device.datasheet)
        rows.append(("weakest evidence", weakest_evidence(device.datasheet)))
    return rows


def _amplifier_rows(sheet: Datasheet) -> Rows:
    units = {
        "gain": "",
        "gbw": "Hz",
        "slew": "V/s",
        "swing": "V",
        "offset": "V",
        "noise": "V/sqrt(Hz)",
        "quiescent": "W",
    }
    rows: Rows = []
    for amplifier in sheet.amplifiers:
        values: dict[str, Any] = {key: getattr(amplifier, key) for key in units}
        stated = [f"{key} {engineering(v.value, units[key])}" for key, v in values.items() if v]
        rows.append((f"amplifier {amplifier.name}", ", ".join(stated) or "ideal"))
    return rows
