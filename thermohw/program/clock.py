r"""Making a circuit faster: couplings and noise power times lambda.

    dz = -M grad H dt + sqrt(2 M k T) dW

With H -> lambda H and T -> lambda T every path is the old one at times divided by lambda: the same
statistics, 1/lambda of the time, lambda times the heat of the same program in joule and the same
entropy in nats (S. Whitelam, arXiv:2410.12211). Resistors stay. What is multiplied is

    quartic units   j2, j4, bias, strength
    linear circuits 1/C and 1/L, so capacitances and inductances are divided
    baths           temperature: an effective one, by noise of T (lambda - 1) on top of the bath's

Noise that is injected has to be made. A generator in series with a resistor R, white with the
one-sided density 4 k T_i R up to a bandwidth B, puts into that resistor, beside a capacitor C,

    P = 4 k T_i [B - arctan(2 pi R C B) / (2 pi R C)]       watt,      T_i = (lambda - 1) T

without end as B grows: it belongs to no bath's heat and is reported on its own, or named as not
included where no bandwidth is stated.
"""

from __future__ import annotations

from math import atan, isfinite, pi
from typing import TYPE_CHECKING, Any

from thermohw.circuit.build import build_device
from thermohw.circuit.passive import require_passive
from thermohw.datasheet import read_datasheet
from thermohw.errors import InputError
from thermohw.program.schedule import UNITS, Program
from thermohw.units import K_B

if TYPE_CHECKING:
    from thermohw.circuit.passive import PassiveDevice
    from thermohw.datasheet import RatedValue

__all__ = ["clocked", "clocked_program", "injected_power"]

_ENERGIES = ("j2", "j4", "bias", "strength", "elastance", "temperature")
_INVERSES = ("capacitance", "inductance")


def clocked(device: Any, factor: float) -> Any:
    """The device with couplings and noise power times a factor.

    Args:
        device: a linear circuit or one of quartic units, from a datasheet.
        factor: lambda, positive; above 1 it is faster.

    Raises:
        InputError: a factor that is not positive, a device without a datasheet or of another kind.
    """
    _check(factor)
    require_passive(device)
    sheet = device.datasheet
    if sheet is None:
        raise InputError("its datasheet is needed to set new values", where=device.name)
    changed: dict[str, Any] = dict(sheet.overrides)
    seen = (f"{name.partition('[')[0]}.{dot}" for name, dot in map(_split, sheet.entries()))
    for key, entry in zip(seen, sheet.entries().values(), strict=True):
        name = key.rpartition(".")[2]
        if entry is None or name not in (*_ENERGIES, *_INVERSES):
            continue
        if name in _INVERSES and not device.capacitance_couples:
            continue
        value = entry.value * factor if name in _ENERGIES else entry.value / factor
        changed[key] = _entry(entry, value)
    return build_device(read_datasheet(sheet.text, sheet.name, changed))


def clocked_program(program: Program, factor: float) -> Program:
    """The program of a clocked device: values as `clocked` scales them, times over the factor."""
    _check(factor)
    faster = program.stretched(1.0 / factor).lines
    scaled = {}
    for key, (times, values) in faster.items():
        entry = key.rpartition(".")[2]
        gain = factor if entry in _ENERGIES else 1.0 / factor if entry in _INVERSES else 1.0
        unit = "V/C" if entry == "elastance" else UNITS[entry]
        scaled[key] = [
            (f"{float(t)!r} s", f"{float(v) * gain!r} {unit}")
            for t, v in zip(times, values, strict=True)
        ]
    return Program(scaled)


def injected_power(device: PassiveDevice, factor: float, bandwidth: float) -> list[float]:
    """What a noise generator of each resistor of a clocked device puts into it, watt.

    Args:
        device: as it was before, at the temperatures of its real baths.
        factor: lambda, at least 1.
        bandwidth: B, hertz.

    Returns:
        One number a resistor, for a node of capacitance C as the datasheet has it.

    Raises:
        InputError: a factor below 1: noise would have to be taken out; a bandwidth that is not
            positive.
    """
    _check(factor)
    if not (isfinite(bandwidth) and bandwidth > 0.0):
        raise InputError(f"{bandwidth!r}: expected a positive bandwidth in hertz",
                         where="bandwidth")  # fmt: skip
    if factor < 1.0:
        raise InputError(f"{factor!r}: noise can be added, not taken out", where="factor")
    sheet, powers = device.datasheet, []
    assert sheet is not None
    farads = {node.name: node.capacitance.value for node in sheet.nodes}
    for resistor in sheet.resistors:
        c = min(farads[end] for end in resistor.between if end in farads)
        gain = factor if device.capacitance_couples else 1.0
        rate = 2.0 * pi * resistor.resistance.value * c / gain
        hot = (factor - 1.0) * resistor.temperature.value
        powers.append(4.0 * K_B * hot * (bandwidth - atan(rate * bandwidth) / rate))
    return powers


def _split(key: str) -> tuple[str, str]:
    name, _, entry = key.rpartition(".")
    return name, entry


def _check(factor: float) -> None:
    if isinstance(factor, bool) or not isinstance(factor, int | float):
        raise InputError(f"{factor!r}: expected a positive factor", where="clock")
    if not (isfinite(factor) and factor > 0.0):
        raise InputError(f"{factor!r}: expected a positive factor", where="clock")


def _entry(entry: RatedValue, value: float) -> str:
    return f"{value!r} {entry.unit}"
