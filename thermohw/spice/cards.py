"""Names and numbers as SPICE writes them: one case, no brackets, no scale factors."""

from __future__ import annotations

import re

__all__ = ["Names", "plain"]


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
