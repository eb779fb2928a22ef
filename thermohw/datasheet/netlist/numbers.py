"""SPICE numbers: digits, a scale factor, and letters that are a unit.

    1k  10pF  2meg  1mil  3.3uH  10kOhm  1e-3k       factors by their first letters, f p n u m k meg
                                                     g t mil; what follows them is ignored
    4k7  2R5  R47                                    the factor in the place of the point

1m and 1M are a thousandth in every SPICE, and 1F is a femto-something. Where simulators differ, a
number is refused ("2A" is 2e-18 in ngspice and 2 in LTspice, "2x" 2e6 in HSPICE and Xyce and 2 in
ngspice) or read with a remark (4k7 is 4.7k in LTspice and in ngspice from 40 on, 4k before). The
micro sign has become a u when the file was read.
"""

from __future__ import annotations

import re

__all__ = ["doubtful", "number"]

_NUMBER = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)([a-z]*)", re.I)
_INSIDE = re.compile(r"([+-]?\d*)(r|k|meg|m|u|n|p|f|g|t|l)(\d+)([a-z]*)", re.I)
_POWERS = {"t": 12, "g": 9, "k": 3, "m": -3, "u": -6, "n": -9, "p": -12, "f": -15}
_LONGEST = 400  # characters, zeros of careful writers included


def number(text: str) -> float | None:
    """The value of a SPICE number, or None where it is none."""
    text = text.strip()
    if len(text) > _LONGEST:
        return None
    match = _NUMBER.fullmatch(text)
    if match is not None:
        letters = match.group(2).lower()
        if letters[:1] in ("a", "e", "x"):  # atto or mega in one simulator, nothing in another
            return None
        return _scaled(match.group(1), letters)
    match = _INSIDE.fullmatch(text)
    if match is None or match.group(1) in ("+", "-") or text[0].lower() in "kmunpfgtl":
        return None
    whole, factor, rest, _ = match.groups()
    letters = {"r": "", "l": "m"}.get(factor.lower(), factor.lower())
    return _scaled(f"{whole or 0}.{rest}", letters)


def doubtful(text: str) -> str:
    """What simulators do not agree on about a number; "" where they do."""
    text = text.strip()
    if len(text) > _LONGEST:
        return ""
    match = _NUMBER.fullmatch(text)
    if match is not None and match.group(2)[:1] in ("a", "A"):
        digits = match.group(1)
        return (
            f"'{text}' is {digits}e-18 in ngspice and {digits} in LTspice; write {digits} or "
            f"{digits}e-18"
        )
    if match is not None and match.group(2)[:1] in ("x", "X"):
        digits = match.group(1)
        return (
            f"'{text}' is {digits}e6 in HSPICE and Xyce and {digits} in ngspice; write "
            f"{digits}meg or {digits}"
        )
    if match is None and _INSIDE.fullmatch(text) and text[0].lower() not in "kmunpfgtl":
        return (
            f"'{text}' is read as {number(text):g}; ngspice before version 40 stops at its letter"
        )
    return ""


def _scaled(digits: str, letters: str) -> float:
    if letters.startswith("mil"):
        return float(digits) * 25.4e-6
    exponent = 6 if letters.startswith("meg") else _POWERS.get(letters[:1], 0)
    # As decimals: "0.5p" and "500f" are the same float.
    mantissa, _, power = digits.lower().partition("e")
    return float(f"{mantissa}e{int(power or 0) + exponent}")
