"""The words of a card: SPICE separates by blanks, commas and brackets; formulas stay whole.

R1 a b {2 * rv} tc = 1m,2m        ->  R1  a  b  {2 * rv}  and  tc: 1m 2m
.param a=1 b = 'a + 1' f(x)={x}   ->  assignments, wherever blanks stand
"""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["Words", "assignments", "bare", "split"]

_WORD = re.compile(r"\{[^{}]*\}|'[^']*'|\"[^\"]*\"|=|[^\s,(){}='\"]+")
_VALUE = re.compile(r"[-+.\d{']")
_KEY = re.compile(r"(?<![\w.])([A-Za-z_][\w.]*(?:\([\w\s,]*\))?)\s*=(?!=)\s*")


class Words(NamedTuple):
    """Plain words in order, and what `key=value` says, keys in lower case, as written otherwise."""

    plain: list[str]
    named: dict[str, str]


def split(text: str) -> Words:
    """Words of a card; a key that is given twice counts the last time, as in SPICE."""
    found = _WORD.findall(text)
    plain: list[str] = []
    named: dict[str, str] = {}
    place = 0
    while place < len(found):
        word = found[place]
        if place + 1 < len(found) and found[place + 1] == "=" and word != "=":
            named[word.lower()] = found[place + 2] if place + 2 < len(found) else ""
            place += 3
            # The one key with two values.
            following = found[place : place + 2]
            if word.lower() == "tc" and following[:1] and "=" not in following and (
                _VALUE.match(following[0])
            ):  # fmt: skip
                named["tc"] += f" {following[0]}"
                place += 1
        else:
            plain.append(word)
            place += 1
    return Words(plain, named)


def bare(text: str) -> str:
    """A value without its braces or quotes."""
    text = text.strip()
    if len(text) >= 2 and text[0] + text[-1] in ("{}", "''", '""'):
        return text[1:-1].strip()
    return text


def assignments(text: str) -> list[tuple[str, str]]:
    """`name=formula` pairs; a formula reaches to the next name that stands before a "="."""
    masked, depth, quote = list(text), 0, ""
    for place, c in enumerate(text):
        if quote or depth:
            masked[place] = "\0"
        if c in "'\"" and (not quote or quote == c):
            quote = "" if quote else c
        elif not quote and c in "{}":
            depth = max(depth + (1 if c == "{" else -1), 0)
    keys = list(_KEY.finditer("".join(masked)))
    if not keys:
        return []
    ends = [key.start() for key in keys[1:]] + [len(text)]
    return [
        (key.group(1).lower(), bare(text[key.end() : end].strip().rstrip(",")))
        for key, end in zip(keys, ends, strict=True)
    ]
