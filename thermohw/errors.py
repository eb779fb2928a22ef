"""The one error a user causes.

Everything that is wrong with what a person gave us - a datasheet, a SPEC, a data file, an output
path - is an `InputError` whose text is one line: where, which key, which value, what was expected.
The command line prints that line and leaves with status 2; a programming mistake inside thermohw
leaves with 70 (THERMOHW_TRACEBACK=1 shows where).
"""

from __future__ import annotations

import errno

__all__ = ["InputError", "StoreError", "out_of_memory", "overtaxed", "plain", "shown"]

_LONG = 900  # characters: what was supplied may be of any length


class InputError(ValueError):
    """Something the user supplied cannot be used.

    Its texts are one line that any terminal may show: what was supplied stands in them, and may
    hold line breaks, escape sequences or characters that turn the direction of reading.

    Attributes:
        where: the file, key or option at fault ("" when the message says it all).
        problem: what is wrong and what was expected.
    """

    def __init__(self, problem: str, *, where: str = "") -> None:
        self.where, self.problem = shown(where), shown(problem)
        super().__init__(f"{self.where}: {self.problem}" if where else self.problem)


class StoreError(InputError):
    """A run file cannot be created, read, trusted or resumed."""


def out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, in the words of Python, of the system or of torch."""
    words = ("can't allocate memory", "not enough memory", "out of memory")
    torch_says = isinstance(error, RuntimeError) and any(word in str(error) for word in words)
    system_says = isinstance(error, OSError) and error.errno == errno.ENOMEM
    return isinstance(error, MemoryError) or torch_says or system_says


def overtaxed(error: BaseException) -> bool:
    """Whether the machine has no memory or no file descriptors left: no fault of any file."""
    no_files = isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE)
    return out_of_memory(error) or no_files


def shown(text: str) -> str:
    """A text on one line, with escapes for what should not reach a terminal, and not too long."""
    if not text.isprintable():
        text = plain(" ".join(text.split()))
    return text if len(text) <= _LONG else f"{text[: _LONG // 2]} ... {text[-_LONG // 2 :]}"


def plain(text: str) -> str:
    """A page as it is, with escapes for what should not reach a terminal; only its lines break."""
    if text.replace("\n", "").isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)
