"""What a sensitivity table changes: rows of a few protocol keys each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import pi
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from thermohw.control import Protocol

__all__ = ["Row", "standard_rows"]

_SOURCE = ("amplifier_swing", "amplifier_offset", "amplifier_slew", "dac_range")


@dataclass(frozen=True)
class Row:
    """One change.

    Attributes:
        name: in words.
        changes: protocol key -> value. Sizes of sources (swing, offset, slew, DAC range) given as
            floats are volts; under current wiring they are divided by the reference resistance, so
            that one row means the same drift in both.
    """

    name: str
    changes: Mapping[str, Any]

    def for_wiring(self, wiring: str, protocol: Protocol) -> dict[str, Any]:
        """The keys for one wiring."""
        scale = protocol.device.scale
        factor = 1.0 if wiring == "emf" else scale.current / scale.voltage

        def sized(value: Any) -> Any:
            if isinstance(value, list | tuple):
                return tuple(sized(entry) for entry in value)
            return value * factor if isinstance(value, int | float) else value

        return {k: sized(v) if k in _SOURCE else v for k, v in self.changes.items()}


def standard_rows(protocol: Protocol) -> list[Row]:
    """The usual suspects, sized by the protocol's own V0 and time constant.

    What does not fit its control is left out: converters, latency and hold belong to clocked
    control. Stages that are imperfect already get a row each in which they are ideal.
    """
    volt, tau = protocol.v0, protocol.device.scale.time
    drive = protocol.device.scale.voltage
    rows = [Row(f"{name} ideal", _ideal(protocol, name)) for name in protocol.imperfect]
    if protocol.control == "clocked":
        ticks = protocol.ticks
        if ticks is not None:
            rows += [Row(f"ticks {ticks // k}", {"ticks": ticks // k}) for k in (2, 4)]
        rows += [Row(f"latency {s:g} tau", {"latency": s * tau}) for s in (0.01, 0.05)]
        rows += [
            Row(f"ADC {b} bit over +-4 V0", {"adc_bits": b, "adc_range": (-4 * volt, 4 * volt)})
            for b in (4, 6, 8)
        ]
        rows += [Row(f"DAC {b} bit", {"dac_bits": b, "dac_range": None}) for b in (6, 8)]
        noise = 0.05 * volt
        rows += [Row("reading noise 0.05 V0", {"reading_noise": noise})]
    rows += [Row(f"sense offset {s:g} V0", {"sense_offset": s * volt}) for s in (0.05, 0.1)]
    rows += [Row("sense gain 1.02", {"sense_gain": 1.02})]
    rows += [Row(f"control gain {g:g}", {"control_gain": g}) for g in (0.9, 1.1)]
    rows += [Row(f"swing {s:g} sqrt(kT/C)", {"amplifier_swing": s * drive}) for s in (8, 16)]
    rows += [
        Row(f"amplifier pole {p:g} per tau", {"amplifier_pole": p / (2.0 * pi * tau)})
        for p in (100, 30)
    ]
    for key in ("resistance", "capacitance", "temperature"):
        rows += [Row(f"node {key} {f:g}", {f"node_{key}": f}) for f in (0.9, 1.1)]
    return rows


def _ideal(protocol: Protocol, stage: str) -> dict[str, Any]:
    """The keys that make a stage ideal."""
    from thermohw.control.chain import STAGES

    better = protocol.ideal(stage)
    return {key: getattr(better, key) for key in STAGES[stage]}
