"""The one error a user causes.

Everything that is wrong with what a person gave us - a datasheet, a SPEC, a data file, an output
path - is an `InputError` whose text is one line: where, which key, which value, what was expected.
The command line prints that line and leaves with status 2; a programming mistake inside thermohw
leaves with 70 (THERMOHW_TRACEBACK=1 shows where).
"""

from __future__ import annotations

__all__ = ["InputError", "StoreError"]


class InputError(ValueError):
    """Something the user supplied cannot be used.

    Attributes:
        where: the file, key or option at fault ("" when the message says it all).
        problem: what is wrong and what was expected.
    """

    def __init__(self, problem: str, *, where: str = "") -> None:
        self.where = where
        self.problem = problem
        super().__init__(f"{where}: {problem}" if where else problem)


class StoreError(InputError):
    """A run file cannot be created, read, trusted or resumed."""
