"""Names and numbers as SPICE writes them.

SPICE does not distinguish cases, knows no brackets in names, and reads scale factors by their first
letters: f p n u m k meg g t, so that 1M is a milli-something and 1MEG a million; mil is 25.4e-6.
Letters behind the factor (a unit) are ignored: 10pF is 10p, and 1F is a femto-something.
"""

from __future__ import annotations

import math
import re

__all__ = ["Names", "number", "plain"]

_NUMBER = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)([a-zA-Z]*)")
_FACTORS = {"t": 1e12, "g": 1e9, "meg": 1e6, "k": 1e3, "mil": 25.4e-6, "m": 1e-3, "u": 1e-6,
            "n": 1e-9, "p": 1e-12, "f": 1e-15, "a": 1e-18}  # fmt: skip


def number(text: str) -> float | None:
    """The value of a SPICE number, or None where it is none."""
    match = _NUMBER.fullmatch(text.strip())
    if match is None:
        return None
    digits, letters = match.group(1), match.group(2).lower()
    for prefix in ("meg", "mil"):
        if letters.startswith(prefix):
            return float(digits) * _FACTORS[prefix]
    factor = next((f for f in _FACTORS if len(f) == 1 and letters.startswith(f)), None)
    if factor is None:
        return float(digits)
    # As decimals: "0.5p" and "500f" are the same float.
    exponent = round(math.log10(_FACTORS[factor]))
    mantissa, _, power = digits.lower().partition("e")
    return float(f"{mantissa}e{int(power or 0) + exponent}")


def plain(value: float) -> str:
    """A number without a scale factor that reads back as the same float."""
    return repr(float(value))


class Names:
    """Gives every name of a datasheet one that SPICE can tell from all others."""

    def __init__(self) -> None:
        self._given: dict[tuple[str, str], str] = {}
        self._taken: set[str] = {"0", "gnd", "time"}

    def __call__(self, kind: str, name: str) -> str:
        """The SPICE name of `name`, which is unique within its kind ("node", "element", ...)."""
        key = (kind, name)
        if key not in self._given:
            base = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") or "x"
            unique, tail = base, 2
            while unique in self._taken:
                unique, tail = f"{base}_{tail}", tail + 1
            self._taken.add(unique)
            self._given[key] = unique
        return self._given[key]
