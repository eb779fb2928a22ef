r"""The door for files of others: what is read is a regular file, of a size, and text.

A device file such as /dev/zero never ends, a pipe never begins, a short gzip stream unpacks to
gigabytes, three thousand brackets overflow the stack of a parser and a number of five thousand
digits the one of `int`. All of these are refused here, before anything is believed, in one line:

    read_bytes, read_text    regular files only, at most so many bytes, UTF-8
    parse_toml, parse_json   at most so many characters and so many levels of nesting
    finite, whole            a number of a table that a double can hold, a whole one in limits
    require_room             an array or a table that would take more memory than a stated limit
    unpacked                 a compressed stream, up to a limit

Limits are generous by a factor of ten and more over anything that thermohw ships or writes; beyond
them a mistake or an attack is likelier than a wish. docs/security.md lists them.
"""

from __future__ import annotations

import codecs
import json
import math
import os
import re
import stat
import tomllib
import zlib
from numbers import Integral
from pathlib import Path
from typing import Any

from thermohw.errors import InputError

__all__ = [
    "MOST_ARRAY",
    "MOST_MATRIX",
    "MOST_NETLIST",
    "MOST_SHEET",
    "MOST_SPEC",
    "MOST_TABLE",
    "MOST_WEIGHTS",
    "finite",
    "parse_json",
    "parse_toml",
    "parse_value",
    "read_bytes",
    "read_text",
    "require_file",
    "require_room",
    "size_words",
    "unpacked",
    "whole",
]

_MIB = 2**20
MOST_SPEC = 1 * _MIB
"""Bytes of a SPEC."""
MOST_SHEET = 4 * _MIB
"""Bytes of a datasheet."""
MOST_NETLIST = 64 * _MIB
"""Bytes of a netlist, whose waveforms may be long."""
MOST_TABLE = 64 * _MIB
"""Bytes of a JSON text: a study's manifest, a stored definition."""
MOST_WEIGHTS = 1024 * _MIB
"""Bytes of a weight file."""
MOST_ARRAY = 4096 * _MIB
"""Bytes of the rows of a data set, as they are in memory."""
MOST_MATRIX = 2048 * _MIB
"""Bytes of one matrix over all coordinates, 16384 of them."""

_NESTING = 64  # levels of tables and lists; ours have five
_PARTS = 64  # of a dotted key; tomllib's time grows with the square of their number
_QUOTED = re.compile(r"""["'][ \t]*\.|\.[ \t]*["']""")
_BITS = 4096  # of a whole number; seeds may be long
_PIECE = _MIB


def require_file(path: str | Path, what: str = "file") -> os.stat_result:
    """The status of a regular file, links followed.

    Args:
        path: of the file.
        what: it is called in an error.

    Raises:
        InputError: there is none, or it is a folder, a device, a pipe or a socket.
    """
    where = _shown(path)
    try:
        status = os.stat(path)
    except FileNotFoundError:
        raise InputError(f"cannot be read: no such {what}", where=where) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL, or a surrogate no system takes
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot be read: {reason}", where=where) from None
    if not stat.S_ISREG(status.st_mode):
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else "a device or a pipe"
        raise InputError(f"is {kind}, not a regular file: give a {what}", where=where)
    return status


def read_bytes(path: str | Path, most: int, what: str = "file") -> bytes:
    """The bytes of a regular file.

    Args:
        path: of the file.
        most: bytes it may have.
        what: it is called in an error.

    Raises:
        InputError: no such file, not a regular one, a larger one, or one that may not be read.
    """
    where = _shown(path)
    size = require_file(path, what).st_size
    try:
        # Not blocking, and counted while reading: what lies there may have changed since.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as file:
            data = file.read(most + 1) if size <= most else b""
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=where) from None
    if max(size, len(data)) > most:
        found = max(size, len(data))
        problem = f"has {size_words(found)}; a {what} has at most {size_words(most)}"
        raise InputError(problem, where=where)
    return data


def read_text(path: str | Path, most: int, what: str = "file") -> str:
    """The text of a regular file in UTF-8; as `read_bytes`, newlines as Python has them.

    The mark of byte order that some editors put before it (EF BB BF) is no part of it.
    """
    data = read_bytes(path, most, what).removeprefix(codecs.BOM_UTF8)
    try:
        return data.decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        problem = f"cannot be read: not UTF-8 text (byte {error.start})"
        raise InputError(problem, where=_shown(path)) from None


def parse_toml(text: str, where: str, *, most: int = MOST_SHEET) -> dict[str, Any]:
    """A TOML text as tables.

    Raises:
        InputError: not TOML, too long, or nested too deeply.
    """
    _require_length(text, most, where)
    if any(map(_endless_key, text.splitlines())):
        raise InputError(f"not valid TOML: a key of more than {_PARTS} parts", where=where)
    try:
        tables = tomllib.loads(text)
    except RecursionError:
        raise InputError(f"not valid TOML: {_deep()}", where=where) from None
    except ValueError as error:  # TOMLDecodeError, or an integer of too many digits
        raise InputError(f"not valid TOML: {_line(error)}", where=where) from None
    _require_plain(tables, where)
    return tables


def parse_value(text: str, where: str, *, most: int = MOST_SHEET) -> Any:
    """What stands behind the = of a command line: one TOML value, or a word without its quotes.

    Raises:
        InputError: a value with more behind it, which nobody would read.
    """
    try:
        tables = parse_toml(f"value = {text}", where, most=most)
    except InputError:
        return text.strip()
    if {*tables} != {"value"}:
        more = next(key for key in tables if key != "value")
        problem = f"{text[:80]!r}: expected one value; {more[:40]!r} begins another entry"
        raise InputError(problem, where=where)
    return tables["value"]


def parse_json(text: str | bytes, where: str = "", *, most: int = MOST_TABLE) -> Any:
    """A JSON text as Python values.

    Raises:
        InputError: not JSON, too long, or nested too deeply.
    """
    if not isinstance(text, str | bytes):
        raise InputError(f"expected JSON text, found {type(text).__name__}", where=where)
    _require_length(text, most, where)
    try:
        value = json.loads(text)
    except RecursionError:
        raise InputError(f"not JSON: {_deep()}", where=where) from None
    except ValueError as error:  # JSONDecodeError, not UTF-8, an integer of too many digits
        raise InputError(f"not JSON: {_line(error)}", where=where) from None
    _require_plain(value, where)
    return value


def finite(value: Any, where: str) -> float:
    """A number that a table holds, as a float.

    Raises:
        InputError: no number, a truth value, none that a double can hold.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"expected a number, got {value!r}", where=where)
    try:
        number = float(value)
    except OverflowError:  # a whole number of more than 308 digits
        number = math.inf
    if not math.isfinite(number):
        raise InputError(f"expected a finite number, got {str(value)[:40]}", where=where)
    return number


def whole(value: Any, least: int, where: str, *, most: int | None = None) -> int:
    """A whole number within limits; a truth value is none.

    Raises:
        InputError: no whole number, or one below `least` or above `most`.
    """
    if isinstance(value, Integral) and not isinstance(value, bool):
        number = int(value)
        if number >= least and (most is None or number <= most):
            return number
    limits = f">= {least}" if most is None else f"from {least} to {most}"
    raise InputError(f"expected a whole number {limits}, got {value!r}", where=where)


def require_room(size: float, what: str, where: str = "", *, most: int = MOST_ARRAY) -> None:
    """Refuse what would take more than `most` bytes of memory.

    Args:
        size: bytes it would take.
        what: takes them, e.g. "a covariance of 10^6 x 10^6".
        where: named in the error.
        most: bytes allowed.

    Raises:
        InputError: saying what would be needed.
    """
    if not size <= most:  # also where it is not a number
        problem = f"{what} would need {size_words(size)}; at most {size_words(most)} are allowed"
        raise InputError(problem, where=where)


def unpacked(data: bytes, most: int, where: str) -> bytes:
    """What a gzip stream holds, concatenated streams included; refused as soon as it is too long.

    Raises:
        InputError: more than `most` bytes.
        zlib.error, EOFError: a damaged stream.
    """
    pieces: list[bytes] = []
    total, rest = 0, data
    while rest.strip(b"\0"):
        stream = zlib.decompressobj(wbits=31)
        while not stream.eof:
            piece = stream.decompress(rest, _PIECE)
            rest = stream.unconsumed_tail
            total += len(piece)
            require_room(total, "its unpacked content", where, most=most)
            pieces.append(piece)
            if not piece and not rest and not stream.eof:
                raise EOFError("the compressed stream ends too early")
        rest = stream.unused_data
    return b"".join(pieces)


def size_words(size: float) -> str:
    """A number of bytes for people: "12 bytes", "3.4 MiB", "9.1e+04 GiB"."""
    if size < 1024:
        return f"{int(size)} bytes"
    step = min(int(math.log2(min(size, 2.0**1000)) // 10), 3)
    return f"{size / 1024.0**step:.3g} {('', 'KiB', 'MiB', 'GiB')[step]}"


def _require_length(text: str | bytes, most: int, where: str) -> None:
    if len(text) > most:
        problem = f"has {size_words(len(text))}; at most {size_words(most)} are read"
        raise InputError(problem, where=where)


def _require_plain(value: Any, where: str) -> None:
    """Refuse nesting that our own recursions would follow, and numbers no message can show."""
    level, depth = [value], 0
    while level:
        if depth > _NESTING:
            raise InputError(_deep(), where=where)
        if any(isinstance(i, int) and i.bit_length() > _BITS for i in level):
            raise InputError(f"a whole number of more than {_BITS} bits", where=where)
        inner = [i for i in level if isinstance(i, dict | list)]
        level = [v for i in inner for v in (i.values() if isinstance(i, dict) else i)]
        depth += 1


def _endless_key(line: str) -> bool:
    """Whether a line of a TOML text has a dotted key of too many parts."""
    if line.count(".") <= _PARTS:
        return False
    if not {'"', "'", "#"} & {*line}:
        return any(re.split("[,{]", side)[-1].count(".") > _PARTS for side in line.split("="))
    return len(_QUOTED.findall(line)) > _PARTS


def _deep() -> str:
    return f"nested more than {_NESTING} levels deep"


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def _shown(path: str | Path) -> str:
    return ascii(str(path))[1:-1] if not str(path).isprintable() else str(path)
