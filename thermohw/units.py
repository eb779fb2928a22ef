"""Quantities with units at the border, SI floats inside.

Everything a person types is text with a unit ("10 kohm", "100 fF", "300 K"); everything inside is a
float in SI. `parse` goes in, `engineering` comes out. A number without a unit is refused: 10 ohm
and 10 kohm look alike otherwise. Prefixes are SI and case matters: m is milli, M is mega (SPICE's
"meg" is refused with that remark); k is kilo, K is kelvin.

The value is the decimal number times the unit's factor, rounded once: parse("500 fF", "F") and
parse("0.5 pF", "F") are the same float, so equal datasheets have equal hashes.

Energies are reported in joules and in units of k T, with the Boltzmann constant of the 2019 SI
(exact).
"""

from __future__ import annotations

import math
import re
from decimal import Decimal, Overflow
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from thermohw.errors import InputError

if TYPE_CHECKING:
    from pint import UnitRegistry

__all__ = [
    "ELEMENTARY_CHARGE",
    "K_B",
    "amount",
    "engineering",
    "in_kt",
    "parse",
    "seconds",
    "thermal_energy",
]

# Both of these the SI defines (BIPM, SI Brochure, 9th ed. 2019): they are exact, and a test holds
# them against scipy's table, whose import would cost a refusal a third of its time.
K_B: float = 1.380649e-23
"""Boltzmann constant, J/K."""
ELEMENTARY_CHARGE: float = 1.602176634e-19
"""Of an electron, C."""

_NUMBER = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(.*?)\s*", re.DOTALL)
# What a unit may consist of, before pint is asked: "1 F**9**9**9" would keep it busy for ever.
_UNIT = re.compile(r"[\w\s*/^().+%°√-]{0,48}")
_POWER = re.compile(r"\s*(?:\*\*|\^)\s*\(?\s*[+-]?\d?(?:\.\d{1,3})?\s*\)?(?!\s*(?:\*\*|\^|[\d.]))")
_LONG = 400  # characters of number and unit: a float written out has up to 330
_ROOT = re.compile(r"sqrt\(\s*(\w+)\s*\)|√(\w+)|rt(Hz)")
# SI unit -> what it measures, and how a person would write one.
_KINDS = {
    "ohm": ("a resistance", "10 kohm"),
    "F": ("a capacitance", "100 fF"),
    "H": ("an inductance", "10 uH"),
    "K": ("a temperature", "300 K"),
    "V": ("a voltage", "64 uV"),
    "A": ("a current", "2 uA"),
    "s": ("a time", "5 ns"),
    "Hz": ("a frequency", "2 MHz"),
    "J": ("an energy", "0.3 pJ"),
    "W": ("a power", "3 mW"),
    "m": ("a length", "7 nm"),
    "V/s": ("a slew rate", "1 V/us"),
    "V/sqrt(Hz)": ("a voltage noise density", "3 nV/sqrt(Hz)"),
    "": ("a plain ratio", "5 %"),
}
_PREFIXES = "z a f p n u m . k M G T P E Z Y".split()
_POWERS = dict(zip(_PREFIXES, range(-21, 27, 3), strict=True))
# What datasheets and SPECs are written in, and how much of which SI unit it is. pint knows these
# too, and a test holds them against it; but making its registry takes longer than loading a device.
_USUAL = {
    f"{prefix.replace('.', '')}{unit}": (unit, Decimal(1).scaleb(_POWERS[prefix]))
    for unit in ("ohm", "F", "H", "K", "V", "A", "s", "Hz", "J", "S", "W", "m")
    for prefix in "z a f p n u m . k M G T".split()
} | {
    "": ("", Decimal(1)),
    "%": ("", Decimal("0.01")),
    **{f"{p}bit/s": ("bit/s", Decimal(1).scaleb(_POWERS[p or "."])) for p in ("", "k", "M", "G")},
    **{f"V/{p}s": ("V/s", Decimal(1).scaleb(-_POWERS[p or "."])) for p in ("", "m", "u", "n")},
    **{f"{p}V/sqrt(Hz)": ("V/sqrt(Hz)", Decimal(1).scaleb(_POWERS[p or "."]))
       for p in ("", "u", "n")},
}  # fmt: skip


def thermal_energy(temperature: float) -> float:
    """The energy k T in joule of a temperature in kelvin."""
    return K_B * temperature


def in_kt(energy: float, temperature: float) -> float:
    """An energy in joule, expressed in k T of a temperature in kelvin."""
    return energy / thermal_energy(temperature)


def parse(text: Any, unit: str, where: str = "") -> float:
    """Read a quantity and return its size in an SI unit.

    Args:
        text: number and unit, e.g. "10 kohm", "64 uV", "3 nV/sqrt(Hz)"; temperatures may be in
            degC. For a dimensionless quantity (unit "") a bare number or a percentage.
        unit: the SI unit of the result and thereby the dimension demanded: "ohm", "F", "K", "V",
            "A", "s", "Hz", "J", "H", "V/s", "V/sqrt(Hz)" or "".
        where: file and key at fault, for the error.

    Raises:
        InputError: no number, no unit, an unknown unit, another dimension, or a value that is not
            finite.
    """
    try:
        return _size(text, unit)
    except ValueError as error:
        example = _KINDS.get(unit, ("", f"1 {unit}"))[1]
        raise InputError(
            f"{error}: {_show(text)}; expected something like '{example}'", where=where
        ) from None


def amount(value: str | float, unit: str, where: str = "") -> float:
    """A size in SI: text with a unit, or a float already in SI.

    Raises:
        InputError: see `parse`; neither text nor a number.
    """
    try:
        return parse(value, unit, where) if isinstance(value, str) else float(value)
    except TypeError:
        problem = f"{value!r}: expected a number with a unit, or a number in {unit}"
        raise InputError(problem, where=where) from None


def seconds(value: str | float, where: str) -> float:
    """A positive time, "50 us" or seconds.

    Raises:
        InputError: not a positive finite time.
    """
    time = amount(value, "s", where)
    if not (math.isfinite(time) and time > 0.0):
        raise InputError(f"{value!r}: expected a positive time such as '50 us'", where=where)
    return time


def engineering(value: float, unit: str, digits: int = 4) -> str:
    """A value in SI as text with an SI prefix from z to Y, 6.4358e-5 and "V" giving "64.36 uV"; to
    0.001 z so too, beyond either end in powers of ten.

    Args:
        value: size in `unit`.
        unit: a unit that takes a prefix ("V", "J", "ohm", "Hz", "V/sqrt(Hz)"); "" and "kT" take
            none.
        digits: significant digits; 17 lose nothing.
    """
    if unit in ("", "kT", "nat", "nats") or not math.isfinite(value) or value == 0.0:
        return f"{value:.{digits}g} {unit}".rstrip()
    # The exponent is taken from the rounded number, so that 999.96 becomes 1 k and not 1e+03.
    exponent = Decimal(f"{value:.{digits - 1}e}").adjusted()
    step = -7 if -24 <= exponent < -21 else exponent // 3  # few people read yocto and beyond
    if not -7 <= step <= 8:
        return f"{value:.{digits}g} {unit}"
    prefix = _PREFIXES[step + 7].replace(".", "")
    mantissa = Decimal(f"{value:.{digits - 1}e}").scaleb(-3 * step).normalize()
    return f"{mantissa:f} {prefix}{unit}"


def _size(text: Any, unit: str) -> float:
    """The size of a quantity in `unit`; a ValueError says in words why there is none."""
    if isinstance(text, int) and text.bit_length() > 1024:
        raise ValueError("value is not finite")
    if isinstance(text, int | float) and not isinstance(text, bool):
        text = repr(text)
    match = _NUMBER.fullmatch(text[: _LONG + 1]) if isinstance(text, str) else None
    if match is None:
        raise ValueError("not a finite number with a unit")
    number, name = match.groups()
    if len(match.string) > _LONG:
        raise ValueError("more text than a quantity has")
    if re.search(r"[eE][+-]?\d{5}", number):
        raise ValueError("value is not finite")
    if unit and not name:
        raise ValueError("value without unit")
    try:
        if unit == "K" and name in ("degC", "°C"):
            value = float(Decimal(number) + Decimal("273.15"))
        else:
            value = float(Decimal(number) * _factor(name, unit))
    except Overflow:
        value = math.inf
    if not math.isfinite(value):
        raise ValueError("value is not finite")
    return value


def _show(text: Any) -> str:
    if isinstance(text, int) and text.bit_length() > 1024:
        return "a number of more than 300 digits"
    shown = repr(text)
    return shown if len(shown) <= 60 else shown[:57] + "..."


@lru_cache(maxsize=512)
def _factor(name: str, unit: str) -> Decimal:
    """How many `unit` one `name` is; a ValueError says in words why there is no such number."""
    own, size = _USUAL.get(name, (None, None))
    if size is not None and own == unit:
        return size
    if size is not None and unit in _KINDS:
        raise ValueError(_measures_not(name, unit))
    powers = _POWER.findall(name)
    if not _UNIT.fullmatch(name) or "__" in name or re.search(r"\d{5}", name):
        raise ValueError(f"unknown unit '{_short(name)}'")
    # Unless powers of powers are written, six of one digit cannot make a number long.
    rest, nested = _POWER.sub("", name), re.findall(r"\)\s*(?:\*\*|\^)", name)
    if len(powers) > 6 or len(nested) > 1 or "^" in rest or "**" in rest:
        raise ValueError(f"unknown unit '{_short(name)}' (one power a unit, of one digit)")
    registry = _registry()
    try:
        given = registry.parse_units(_ROOT.sub(_power, name))
        one, zero = (registry.Quantity(size, given).to_root_units() for size in (1.0, 0.0))
    except Exception:  # a dozen kinds of exception answer bad text, the tokenizer's own included
        hint = " (SI prefixes: 'Mohm', not 'meg')" if name.lower().startswith("meg") else ""
        raise ValueError(f"unknown unit '{name}'{hint}") from None
    wanted = registry.Quantity(1.0, _ROOT.sub(_power, unit)).to_root_units()
    # Root units keep radians apart from cycles, which the dimension does not: 1 rad/s is no hertz.
    if one.units != wanted.units:
        raise ValueError(_measures_not(name, unit))
    if zero.magnitude != 0.0:
        raise ValueError(f"unit '{name}' does not start at zero (give kelvin or degC)")
    # Prefixes are powers of ten that binary products blur in the sixteenth digit.
    return Decimal(f"{one.magnitude / wanted.magnitude:.15g}")


def _measures_not(name: str, unit: str) -> str:
    return f"unit '{name}' does not measure {_KINDS.get(unit, (unit,))[0]}"


def _short(name: str) -> str:
    return name if len(name) <= 40 else name[:37] + "..."


def _power(match: re.Match[str]) -> str:
    return f"{match.group(1) or match.group(2) or match.group(3)}**0.5"


@lru_cache(maxsize=1)
def _registry() -> UnitRegistry:
    from pint import UnitRegistry  # a third of a second, paid by the first unusual unit only

    return UnitRegistry()
