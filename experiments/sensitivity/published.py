"""The published table: rows, what they change on one RC node, and the numbers printed.

The table comes from a survey of circuits for score-driven noise devices (a mixture 0.3 N(-2,
0.3^2) + 0.7 N(1.5, 0.4^2), OU over five RC, 20,000 paths, numpy). How each row was made, where its
page leaves it open, was found by an independent simulation (`plain_numpy`):

    base     hold of 0.01 tau; exact readings, work = sum of held source times charge
    fine     steps of tau/500. Stratonovich work (none, gain, noise, pole) is our continuous
             control; an Ito sum (saturation, offset) is our hold of tau/500
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import pi
from typing import Any

from thermohw.circuit import LinearDevice, load_device
from thermohw.control import Protocol
from thermohw.errors import InputError
from thermohw.process import OU
from thermohw.study import Parameters

DURATION = 5.0
"""Length of the run, in RC."""


@dataclass(frozen=True)
class PublishedRow:
    """A row of the table.

    Attributes:
        name: as printed.
        group: which imperfection.
        w1, emf, current: printed W1 error, series and shunt work (kT).
        control: "clocked" or "continuous".
        ticks: hold or integrator steps.
        keys: what changes; numbers are in V0 (voltages) and tau (times), rates per tau.
    """

    name: str
    group: str
    w1: float
    emf: float
    current: float
    control: str = "clocked"
    ticks: int = 500
    keys: dict[str, Any] = field(default_factory=dict)


def _fine(name: str, group: str, w1: float, emf: float, current: float, **keys: Any) -> Any:
    return PublishedRow(name, group, w1, emf, current, "continuous", 2500, keys)


def _ito(name: str, group: str, w1: float, emf: float, current: float, **keys: Any) -> Any:
    return PublishedRow(name, group, w1, emf, current, "clocked", 2500, keys)


def _held(name: str, group: str, w1: float, emf: float, current: float, **keys: Any) -> Any:
    return PublishedRow(name, group, w1, emf, current, "clocked", 500, keys)


def _hold(h: float, w1: float, emf: float, current: float) -> PublishedRow:
    ticks = round(DURATION / h)
    return PublishedRow(f"hold {h:g} tau", "hold", w1, emf, current, "clocked", ticks)


ROWS: tuple[PublishedRow, ...] = (
    _fine("none (instant control)", "none", 0.004, 2.69, 1.91),
    _hold(0.01, 0.013, 3.45, 1.90),
    _hold(0.05, 0.065, 3.19, 1.85),
    _hold(0.1, 0.137, 2.70, 1.77),
    _hold(0.2, 0.273, 1.68, 1.60),
    _held("latency 0.01 tau", "latency", 0.037, 3.34, 1.87, latency=0.01),
    _held("latency 0.05 tau", "latency", 0.136, 2.76, 1.75, latency=0.05),
    _held("latency 0.1 tau", "latency", 0.255, 1.91, 1.56, latency=0.1),
    _held("ADC 3 bit over +-4 V0", "ADC", 0.089, 4.16, 1.83, adc_bits=3),
    _held("ADC 4 bit over +-4 V0", "ADC", 0.022, 3.65, 1.89, adc_bits=4),
    _held("ADC 5 bit over +-4 V0", "ADC", 0.013, 3.50, 1.90, adc_bits=5),
    _held("ADC 6 bit over +-4 V0", "ADC", 0.013, 3.46, 1.90, adc_bits=6),
    _held("DAC 4 bit over +-40", "DAC", 0.250, 5.90, 1.22, dac_bits=4),
    _held("DAC 6 bit over +-40", "DAC", 0.090, 3.80, 1.77, dac_bits=6),
    _held("DAC 8 bit over +-40", "DAC", 0.020, 3.48, 1.89, dac_bits=8),
    _ito("saturation at 4", "saturation", 0.123, 2.01, 1.76, amplifier_swing=4.0),
    _ito("saturation at 8", "saturation", 0.017, 3.19, 1.89, amplifier_swing=8.0),
    _ito("saturation at 16", "saturation", 0.004, 3.47, 1.91, amplifier_swing=16.0),
    _fine("control gain 0.9", "gain", 0.058, 2.48, 1.74, control_gain=0.9),
    _fine("control gain 1.1", "gain", 0.060, 2.86, 2.07, control_gain=1.1),
    _fine("noise power 0.9", "noise", 0.052, 2.73, 1.91, node_temperature=0.9),
    _fine("noise power 1.1", "noise", 0.041, 2.64, 1.90, node_temperature=1.1),
    _ito("sense offset 0.05 V0", "offset", 0.072, 3.45, 1.85, sense_offset=0.05),
    _ito("sense offset 0.1 V0", "offset", 0.141, 3.41, 1.79, sense_offset=0.1),
    PublishedRow("amplifier pole 100 per tau", "pole", 0.022, 3.31, 1.89, "continuous", 1000,
                 {"amplifier_pole": 100.0}),
    PublishedRow("amplifier pole 30 per tau", "pole", 0.069, 2.91, 1.82, "continuous", 1000,
                 {"amplifier_pole": 30.0}),
    PublishedRow("amplifier pole 10 per tau", "pole", 0.179, 1.97, 1.60, "continuous", 1000,
                 {"amplifier_pole": 10.0}),
)  # fmt: skip
BY_NAME = {row.name: row for row in ROWS}


def protocol(row: PublishedRow, wiring: str, device: LinearDevice | None = None) -> Protocol:
    """A row as a protocol on the one-node device."""
    from thermohw.experiments.shared.problems import two_humps

    device = load_device("rc1") if device is None else device
    scale, process = device.scale, OU(duration=DURATION)
    source = scale.voltage if wiring == "emf" else scale.current
    units = {
        "latency": scale.time, "sense_offset": scale.voltage, "amplifier_swing": source,
        "amplifier_pole": 1.0 / (2.0 * pi * scale.time),
    }  # fmt: skip
    keys = {name: value * units.get(name, 1) for name, value in row.keys.items()}
    if "adc_bits" in keys:
        keys["adc_range"] = (-4.0 * scale.voltage, 4.0 * scale.voltage)
    if "dac_bits" in keys:
        keys["dac_range"] = (-40.0 * source, 40.0 * source)
    return Protocol(
        device, process, two_humps().score(process), wiring=wiring, control=row.control,
        ticks=row.ticks, allow_ringing=True, **keys,
    )  # fmt: skip


def chosen(p: Parameters) -> list[PublishedRow]:
    """The rows that the parameters name, all of them where they name none."""
    unknown = sorted(set(p["rows"]) - set(BY_NAME))
    if unknown:
        raise InputError(f"{unknown[0]!r}: expected names of the table's rows", where="rows")
    return [row for row in ROWS if not p["rows"] or row.name in p["rows"]]
