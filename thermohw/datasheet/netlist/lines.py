"""The text of a netlist as logical lines: comments gone, continuations joined, places kept.

    *, #, ;, $, //      comments, the last three behind a card too
    +                   continues the card above; comments may stand between
    *!                  an entry of a datasheet, in the deck itself
    ; tolerance=0.01    behind a card: the tolerance of its value
    ; bath=own          behind a resistor with noisy=0: its noise is written as a source beside it
    \\\\                  at the end of a line: the next one continues it
    .control .endc      a script of the simulator, skipped; so are .data, .aliases, .machine
    .end                what stands below it is no part of the deck
    .alter              what stands below it is another deck (HSPICE)

Files come from Windows and from Linux: UTF-8 with or without a byte-order mark, UTF-16 with one,
and cp1252 where the bytes are no UTF-8, which is how LTspice writes its micro sign. Tabs and
blanks that do not break are blanks, the sign of the ohm is a word. A file of
64 MiB may be one long waveform; cards are counted before they are read.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

from thermohw.errors import InputError

__all__ = ["MOST_CARDS", "MOST_LENGTH", "Line", "Lines", "decode", "logical"]

MOST_CARDS = 100_000
"""Cards of a deck, its included files and the copies of its sub-circuits together."""
MOST_LENGTH = 65_536
"""Characters of a card that is no waveform."""

# The micro sign, the Greek letter, and a micro sign of UTF-8 that was once taken for cp1252.
_MICRO = ("\u00c2\u00b5", "\u00b5", "\u03bc")
_SIGNS = {**dict.fromkeys(map(ord, "\t\v\f\u00a0"), " "),
          **dict.fromkeys(map(ord, "\u2126\u03a9"), "ohm")}  # fmt: skip
_BLOCKS = {".control": ".endc", ".data": ".enddata", ".aliases": ".endaliases",
           ".machine": ".endmachine"}  # fmt: skip
_COMMENT = re.compile(r";|(?:^|[\s,)}])\$(?!G_\w)|(?:^|\s)//", re.I)  # $G_VCC: a node of PSpice
_TOLD = re.compile(r"\b(tolerance|temperature_tolerance|bath)=(\S+)")
_WAVE = re.compile(r"\s*[vi]\S*\s", re.I)


@dataclass(frozen=True)
class Line:
    """One card.

    Attributes:
        file: its file, as named in messages.
        number: of its first line.
        text: the whole card on one line.
        comment_options: tolerances that its comment tells, as text.
    """

    file: str
    number: int
    text: str
    comment_options: tuple[tuple[str, str], ...] = ()

    @property
    def place(self) -> str:
        """Where it stands, for people."""
        return f"{self.file}, line {self.number}"

    def fail(self, message: str) -> InputError:
        """The error of this line."""
        return InputError(message, where=self.place)


@dataclass
class Lines:
    """A file.

    Attributes:
        title: its first line; "" in a file that was included.
        cards: in order.
        entries: datasheet lines, in TOML.
        skipped: first words and lines of .control and other blocks that no card stands in.
    """

    title: str
    cards: list[Line]
    entries: str
    skipped: list[tuple[str, Line]]


def decode(data: bytes) -> str:
    """Bytes as text; newlines as Python has them."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        text = data.decode("utf-16", errors="replace")
    else:
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            # Five of 256 bytes mean nothing in cp1252; they stand in comments, if anywhere.
            text = data.decode("cp1252", errors="replace")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def logical(text: str, file: str, *, titled: bool) -> Lines:
    """Cards with the number of their first line.

    Args:
        text: of the file.
        file: named in errors.
        titled: whether the first line is a title.

    Raises:
        InputError: a continuation of nothing, too many cards, a card without an end.
    """
    if "\0" in text:
        raise InputError("has zero bytes, as UTF-16 without its mark has: save it as UTF-8",
                         where=file)  # fmt: skip
    breaks = text.count("\n")
    if breaks - text.count("\n+") - text.count("\n*") > 2 * MOST_CARDS:
        raise InputError(
            f"has {breaks} lines; a netlist has at most {MOST_CARDS} cards", where=file
        )
    raw = text.split("\n")
    found = Lines("", [], "", [])
    if titled:
        found.title = _title(raw[0])
        text = text[len(raw[0]) :]
    for sign in _MICRO:
        if sign in text:
            raw = [raw[0] if titled else raw[0].replace(sign, "u"),
                   *(line.replace(sign, "u") for line in raw[1:])]  # fmt: skip
    parts: list[str] = []
    told: list[tuple[str, str]] = []
    first, begun, script, more = 0, False, "", False
    start = 1 if titled else 0

    def close() -> None:
        if not begun:
            return
        card = " ".join(parts)
        line = Line(file, first, card, tuple(told))
        if len(card) > MOST_LENGTH and not _WAVE.match(card):
            raise line.fail(f"a card of {len(card)} characters; at most {MOST_LENGTH} are read")
        found.cards.append(line)
        if len(found.cards) > MOST_CARDS:
            raise line.fail(f"a netlist has at most {MOST_CARDS} cards")

    for number, whole in enumerate(raw[start:], start=start + 1):
        if whole.startswith("*!"):
            if not titled:
                raise Line(file, number, whole).fail(
                    "'*!' lines of a file that is included are not read: write them into the deck"
                )
            found.entries += whole[2:].strip() + "\n"
            continue
        line, comment = _without_comment(whole.translate(_SIGNS))
        if not line:
            continue
        if line[0] == "." or script:
            word = line.split(None, 1)[0].lower()
            if word in _BLOCKS and not script:
                found.skipped.append((word, Line(file, number, line)))
                script = _BLOCKS[word]
            if script:
                script = "" if word == script else script
                continue
            if word == ".alter":
                found.skipped.append((".alter and all below it", Line(file, number, line)))
            if word == ".end" and (
                below := sum(bool(_without_comment(x)[0]) for x in raw[number:])
            ):
                what = f".end and {below} line{'s' * (below > 1)} below it, no part of the deck"
                found.skipped.append((what, Line(file, number, line)))
            if word in (".end", ".alter"):
                break
        going, more = more, line.endswith("\\\\")
        line = line.removesuffix("\\\\")
        if going:
            parts.append(line)
        elif line[0] == "+":
            if not begun:
                raise Line(file, number, line).fail("'+' continues a card, and there is none above")
            parts.append(line[1:])
        else:
            close()
            parts, told, first, begun = [line], [], number, True
        if "=" in comment:
            told += _TOLD.findall(comment)
    close()
    if script and found.skipped[-1][0] in _BLOCKS:
        word, line = found.skipped.pop()
        found.skipped.append((f"{word} without {script}, with all below it,", line))
    return found


def _title(line: str) -> str:
    words = line.lstrip("* ").strip()
    return words[6:].strip() if words.lower().startswith(".title") else words


def _without_comment(line: str) -> tuple[str, str]:
    stripped = line.strip()
    if not stripped or stripped[0] in "*#":
        return "", ""
    if ";" not in stripped and "$" not in stripped and "//" not in stripped:
        return stripped, ""
    found = _COMMENT.search(stripped)
    if found is None:
        return stripped, ""
    # A bracket or a comma in front of "$" belongs to the card.
    keep = found.start() + (found.group()[0] in ",)}")
    return stripped[:keep].strip(), stripped[found.end() :]
