"""Does the protocol fit the hardware: measured peaks against the datasheet's limits.

The largest node voltage, source voltage or current, rate of change of a node and converter overload
that any path reached are held against rail, current, slew and DAC full scale; the limit with the
largest ratio is the one that binds. Numbers that no thermal circuit could reach are shown, not
hidden: a signal of V0 per unit at k T/C noise asks for an effective temperature C V0^2/k.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from thermohw.units import K_B, engineering, parse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from thermohw.control.plan import Plan

__all__ = ["Limit", "datasheet_limits", "effective_temperature", "rounded_notes"]

_WHOLE = 1e-6  # of a tick: what a rate in decimals may miss a whole number by


class Limit(NamedTuple):
    """One requirement of a run against one entry of the datasheet, both in SI.

    Attributes:
        name: the limit's name.
        needed: what the run reached.
        allowed: what the datasheet grants; None where it does not say.
        unit: SI unit of both.
    """

    name: str
    needed: float
    allowed: float | None
    unit: str

    @property
    def ratio(self) -> float | None:
        """needed / allowed; above 1 the limit is broken."""
        return None if self.allowed is None else self.needed / self.allowed


def datasheet_limits(plan: Plan, peaks: Mapping[str, float]) -> list[Limit]:
    """Hold measured peaks against the datasheet, the binding limit first.

    Args:
        plan: the run's plan.
        peaks: thermal units: "voltage", "source", "rate" (node voltage per R_ref C_ref), "current"
            (through any element).
    """
    scale = plan.protocol.device.scale
    sheet = plan.protocol.device.datasheet
    granted = {} if sheet is None else sheet.limits.values()
    rows = [
        Limit("rail", peaks["voltage"] * scale.voltage, granted.get("rail"), "V"),
        Limit("current", peaks["current"] * scale.current, granted.get("current"), "A"),
        Limit("slew", peaks["rate"] * scale.voltage / scale.time, granted.get("slew"), "V/s"),
    ]
    if plan.drive.wiring == "emf":
        rows.append(
            Limit(
                "dac_full_scale",
                peaks["source"] * scale.voltage,
                granted.get("dac_full_scale"),
                "V",
            )
        )
    return sorted(rows, key=lambda row: -(row.ratio or 0.0))


def effective_temperature(plan: Plan) -> float:
    """Temperature at which thermal noise alone would have one model unit's variance at V0, kelvin:
    C V0^2/k.
    """
    return plan.protocol.device.scale.capacitance * plan.protocol.v0**2 / K_B


def rounded_notes(plan: Plan) -> list[str]:
    """What was asked for and is played otherwise, or cannot be had from the datasheet's parts."""
    protocol, notes = plan.protocol, []
    if protocol.clock is not None:
        asked = protocol.clock if isinstance(protocol.clock, float) else parse(protocol.clock, "Hz")
        exact, ticks = asked * plan.seconds, plan.schedule.ticks
        if abs(exact - ticks) > _WHOLE:
            notes.append(
                f"clock = {engineering(asked, 'Hz', 6)} makes {exact:.6g} ticks of this run: "
                f"{ticks} are played, a mean rate of {engineering(ticks / plan.seconds, 'Hz', 6)}"
            )
    sheet = protocol.device.datasheet
    scale = None if sheet is None else sheet.limits.values().get("dac_full_scale")
    if plan.dac is not None and scale is not None and plan.drive.wiring == "emf":
        size = protocol.device.scale.voltage
        reach = max(abs(plan.dac.low), abs(plan.dac.high)) * size
        if reach > scale:
            notes.append(
                f"the source converter's range reaches {engineering(reach, 'V')}, beyond the "
                f"datasheet's dac_full_scale of {engineering(scale, 'V')}"
            )
    return notes
