"""Does the protocol fit the hardware, and what the protocol is in numbers.

The largest voltage, source, current and rate of change that any path reached are held against the
datasheet; the limit with the largest ratio binds. Currents and rates are the systematic ones: white
Johnson noise has no finite peak. A reading or a source beyond its converter's range is clipped
there, which is said. What V0 means is shown too: the temperature at which thermal noise alone would
have a model unit's variance, C V0^2/k, and the electrons that V0 puts on the capacitor, below about
30 of which a diffusion is a poor picture.
"""

from __future__ import annotations

import numpy as np

from thermohw.audit.evidence import Evidence
from thermohw.audit.verdict import Check, Quantity, not_applicable
from thermohw.control import datasheet_limits, effective_temperature
from thermohw.control.limits import rounded_notes
from thermohw.control.realisation import describe_realisation, hottest
from thermohw.estimate import HOLDS, VIOLATED
from thermohw.units import engineering

__all__ = ["protocol_limits", "protocol_quantities"]

_CHARGE = 1.602176634e-19  # coulomb, exact
_GRANULAR = 30.0
_ROUND = 1e-5  # of a voltage: what float32 and a change of units may take


def protocol_limits(evidence: Evidence) -> Check:
    """Measured peaks against the datasheet."""
    name = "protocol_limits"
    if evidence.peaks is None:
        return not_applicable(name, "the run stored no peaks", relation="<=")
    if (reason := _impossible(evidence, evidence.peaks)) is not None:
        return Check(name, VIOLATED, evidence.peaks["voltage"], None, None, reason, "<=", 0.0)
    rows = datasheet_limits(evidence.plan, evidence.peaks)
    remark = _remarks(evidence)
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


def _impossible(evidence: Evidence, peaks: dict[str, float]) -> str | None:
    """What is wrong with peaks that the file's own paths contradict; None where nothing."""
    for name, peak in peaks.items():
        if not peak >= 0.0:
            return f"the stored peak of the {name} is {peak:.3g}: a largest size is never negative"
    protocol, scale = evidence.setting.protocol, evidence.setting.device.scale
    reached = 0.0
    for states in (evidence.first, evidence.first_start):
        if not states.size or not np.isfinite(states).all():
            continue
        if protocol.device.fluxes:
            states = protocol.to_thermal(states)[:, : len(protocol.device.nodes)]
        else:
            states = states * (protocol.v0 / scale.voltage)
        reached = max(reached, float(np.abs(states).max()))
    if peaks["voltage"] >= reached * (1.0 - _ROUND):
        return None
    found, least = (engineering(x * scale.voltage, "V", 6) for x in (peaks["voltage"], reached))
    return f"the stored peak voltage is {found}, but a stored path was at {least}"


def _remarks(evidence: Evidence) -> str:
    """Clipping, and signals that no thermal circuit could carry."""
    plan, peaks = evidence.plan, evidence.peaks
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
    elif temperature > 2.0 * evidence.temperature:
        remarks.append(
            f"V0 asks for an effective temperature of {temperature:.4g} K against "
            f"{evidence.temperature:g} K"
        )
    electrons = _electrons(evidence)
    if electrons < _GRANULAR:
        remarks.append(
            f"V0 is {electrons:.3g} electrons: a diffusion is a poor picture below {_GRANULAR:g}"
        )
    return "".join(f"; {remark}" for remark in remarks)


def _electrons(evidence: Evidence) -> float:
    return evidence.setting.device.scale.capacitance * evidence.setting.protocol.v0 / _CHARGE


def protocol_quantities(evidence: Evidence) -> dict[str, Quantity]:
    """Duration, ticks, volts per unit and what they imply; peaks against their limits."""
    plan = evidence.plan
    table = {
        "protocol.duration": Quantity(plan.seconds, 0.0, "s"),
        "protocol.ticks": Quantity(float(plan.schedule.ticks), 0.0, "1"),
        "protocol.volts_per_unit": Quantity(evidence.setting.protocol.v0, 0.0, "V"),
        "protocol.effective_temperature": Quantity(
            effective_temperature(plan), 0.0, "K", "C V0^2/k"
        ),
        "protocol.electrons_per_unit": Quantity(_electrons(evidence), 0.0, "1", "C V0/e"),
    }
    source = "V" if plan.drive.wiring == "emf" else "A"
    for name, converter, unit in (("adc", plan.adc, "V"), ("dac", plan.dac, source)):
        if converter is not None:
            scale = evidence.setting.device.scale
            size = scale.voltage if unit == "V" else scale.current
            table[f"protocol.{name}_range.low"] = Quantity(converter.low * size, 0.0, unit)
            table[f"protocol.{name}_range.high"] = Quantity(converter.high * size, 0.0, unit)
    if plan.schedule.heating is not None:
        note = f"highest of the run; {describe_realisation(plan)}"
        table["protocol.noise_temperature"] = Quantity(hottest(plan), 0.0, "K", note)
    if evidence.peaks is not None:
        for row in datasheet_limits(plan, evidence.peaks):
            table[f"protocol.peak.{row.name}"] = Quantity(row.needed, 0.0, row.unit)
    return table
