"""Numbers as a reader wants them: as many digits as their error allows, real minus signs, units.

    measured(0.017577, 0.0055)    0.0176 ± 0.0055      two digits of the standard error
    measured(1.5104, 0.0)         1.5104               exact: five significant digits
    joules(7.28e-23, 2.3e-23)     (7.3 ± 2.3) × 10⁻²³ J
    quantity(3e-6, "s")           3 µs

Energies are written in powers of ten: few people read zepto- and yoctojoule. Everything is plain
text, so that the same strings serve a page, a figure and an alternative text.
"""

from __future__ import annotations

import math
from decimal import Decimal

from thermohw.units import engineering

__all__ = ["count", "joules", "measured", "plain", "power", "quantity", "rounded", "time_unit"]

_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_DIGITS = 5  # significant digits of a number without error
_MOST = 6  # and of one whose error is tiny: more would be noise to a reader
_TIMES = {0: "s", -3: "ms", -6: "µs", -9: "ns", -12: "ps", -15: "fs"}


def plain(value: float, digits: int = _DIGITS) -> str:
    """A number to some significant digits, in powers of ten where it is very large or small."""
    if math.isnan(value):
        return "unknown"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == 0.0:
        return "0"
    exponent = _exponent(value, digits)
    if not -4 <= exponent < 7:
        mantissa = _trim(f"{value / 10.0**exponent:.{digits - 1}f}")
        if mantissa == "1":
            return power(exponent)
        return _minus(f"{mantissa} × {power(exponent)}")
    return _minus(_trim(f"{value:.{max(digits - 1 - exponent, 0)}f}"))


def measured(value: float | None, stderr: float | None = None, unit: str = "") -> str:
    """A value with its standard error, rounded to two digits of the error."""
    tail = f" {unit}" if unit else ""
    if value is None or math.isnan(value):
        return "unknown"
    if not _usable(value, stderr):
        return plain(value) + tail
    assert stderr is not None
    shift = _exponent(max(abs(value), stderr), 2)
    if -4 <= shift < 7:
        number, error = _pair(value, stderr)
        return f"{number} ± {error}{tail}"
    number, error = _pair(value / 10.0**shift, stderr / 10.0**shift)
    return f"({number} ± {error}) × {power(shift)}{tail}"


def joules(value: float | None, stderr: float | None = None) -> str:
    """An energy in joule, always as a power of ten, with its standard error if there is one."""
    if value is None or math.isnan(value):
        return "unknown"
    if value == 0.0 or math.isinf(value):
        return f"{plain(value)} J"
    if not _usable(value, stderr):
        exponent = _exponent(value, 3)
        return _minus(f"{value / 10.0**exponent:.2f} × {power(exponent)} J")
    assert stderr is not None
    shift = _exponent(max(abs(value), stderr), 2)
    number, error = _pair(value / 10.0**shift, stderr / 10.0**shift)
    return f"({number} ± {error}) × {power(shift)} J"


def rounded(value: float, stderr: float | None) -> tuple[str, str]:
    """An energy in joule and its error, apart, to the digits that the error allows.

    The error is "" where there is none.
    """
    if not _usable(value, stderr) or value == 0.0:
        return joules(value), ""
    assert stderr is not None
    shift = _exponent(value, 2)
    number, _ = _pair(value / 10.0**shift, min(stderr, abs(value)) / 10.0**shift)
    return f"{number} × {power(shift)} J", f"{_two(stderr)} J"


def quantity(value: float, unit: str, digits: int = 3) -> str:
    """A quantity with an SI prefix: 6.4358e-05, "V" -> "64.4 µV"."""
    head, _, tail = engineering(value, unit, digits).partition(" ")
    tail = "µ" + tail[1:] if tail.startswith("u") else tail
    return _minus(f"{head} {tail}".strip()).replace("ohm", "Ω")


def count(number: int) -> str:
    """A whole number with thin spaces between thousands."""
    return f"{number:,}".replace(",", "\u2009")


def power(exponent: int) -> str:
    """Ten to a power: 10⁻²¹."""
    return "10" + str(exponent).translate(_SUPERSCRIPT)


def time_unit(seconds: float) -> tuple[float, str]:
    """The unit in which a duration is a number of one to three digits: (its size in s, name)."""
    step = 3 * math.floor(math.log10(seconds * (1.0 + 1e-9)) / 3.0) if seconds > 0.0 else 0
    step = min(max(step, -15), 0)
    return 10.0**step, _TIMES[step]


def _two(value: float) -> str:
    """Two significant digits as a power of ten."""
    exponent = _exponent(value, 2)
    return f"{value / 10.0**exponent:.1f} × {power(exponent)}"


def _usable(value: float, stderr: float | None) -> bool:
    """Whether an error says anything about how many digits to print."""
    finite = stderr is not None and math.isfinite(stderr) and math.isfinite(value)
    return bool(finite and stderr and stderr > abs(value) * 10.0 ** (-_MOST))


def _pair(value: float, stderr: float) -> tuple[str, str]:
    places = max(1 - _exponent(stderr, 2), 0)
    return _minus(f"{value:.{places}f}"), f"{stderr:.{places}f}"


def _exponent(value: float, digits: int) -> int:
    """Power of ten of a number after rounding, so that 9.996 to three digits counts as 10.0."""
    return Decimal(f"{value:.{digits - 1}e}").adjusted() if value else 0


def _trim(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text


def _minus(text: str) -> str:
    stripped = text.lstrip("-")
    zero = not any(c in "123456789" for c in stripped.split(" ×")[0])
    return stripped if zero and text != stripped else text.replace("-", "−")
