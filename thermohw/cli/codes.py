"""How commands leave, as their help says it: 1 is kept for physics."""

from __future__ import annotations

__all__ = ["CODES", "or_one"]

CODES = (
    "Exit codes: 0 done; 2 a mistake of yours or of the machine's, or a file that cannot be used, "
    "in one line; 70 something unforeseen, in one line; 130 interrupted."
)
"""Of a command that judges nothing."""


def or_one(when: str) -> str:
    """Of a command that has something to judge."""
    return CODES.replace("0 done;", f"0 done; 1 {when};")
