"""Files that a netlist includes: those beside it, and no others.

A deck of a stranger may name any file of its reader's machine. What it may open is what came with
it: regular files inside the folder of the deck, by relative names, at most so many and so large
together. Absolute names, names that climb out and links that lead out are refused before anything
is opened; messages tell nothing of what lies there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from posixpath import dirname
from typing import TYPE_CHECKING

from thermohw.datasheet.netlist.lines import Line, Lines, decode, logical
from thermohw.datasheet.netlist.words import split
from thermohw.errors import InputError
from thermohw.intake import MOST_NETLIST, read_bytes

if TYPE_CHECKING:
    from thermohw.datasheet.netlist.scope import Notes

__all__ = ["MOST_FILES", "DeckFolder", "included"]

MOST_FILES = 64
"""Files that a deck may include, copies counted."""

_DEEPEST = 32
_INCLUDES = (".include", ".inc", ".incl")
_DOT = re.compile(r"[\s\"']")


class DeckFolder:
    """The folder of a deck.

    Args:
        deck: path of the main file; None for a text without a place, which includes nothing.
    """

    def __init__(self, deck: str | None) -> None:
        self.root = None if deck is None else Path(os.path.realpath(Path(deck).parent))
        self._left, self._count = MOST_NETLIST, 0
        self._known: dict[Path, str] = {}

    def main(self, path: str) -> str:
        """Text of the deck itself."""
        data = read_bytes(path, MOST_NETLIST, "netlist")
        self._left -= len(data)
        return decode(data)

    def read(self, name: str, line: Line, beside: str) -> tuple[str, str]:
        """Text of an included file, and its name for messages.

        Args:
            name: as written.
            line: that includes it.
            beside: folder of the file that includes it, relative to the deck's.

        Raises:
            InputError: a name that leads out of the folder, no such file, too many or too large.
        """
        asked = name.strip().strip("\"'").replace("\\", "/")
        if self.root is None:
            raise line.fail(f"'{asked}': a text without a file includes none; paste it instead")
        if asked.startswith(("/", "~")) or ":" in asked or ".." in asked.split("/"):
            raise line.fail(
                f"'{asked}': only files beside the deck are included, by a relative name; copy it "
                "there and write its bare name"
            )
        self._count += 1
        if self._count > MOST_FILES:
            raise line.fail(f"more than {MOST_FILES} files are included, or one includes itself")
        place = next((p for p in self._places(asked, beside) if os.path.lexists(p)), None)
        if place is None:
            raise line.fail(f"'{asked}' is not beside the deck; copy it into its folder")
        real = Path(os.path.realpath(place))
        if not real.is_relative_to(self.root):
            raise line.fail(f"'{asked}' is a link out of the deck's folder; copy the file itself")
        if real not in self._known:
            try:
                data = read_bytes(real, max(self._left, 0), "netlist with all that it includes")
            except InputError as error:
                raise line.fail(f"'{asked}': {error.problem}") from None
            self._left -= len(data)
            self._known[real] = decode(data)
        return self._known[real], real.relative_to(self.root).as_posix()

    def _places(self, asked: str, beside: str) -> list[Path]:
        """Beside the including file first, then beside the deck; as written, then lower case."""
        assert self.root is not None
        folders = [self.root / beside, self.root]
        if "\0" in asked or len(asked) > 255:
            return []
        return [folder / n for n in dict.fromkeys((asked, asked.lower())) for folder in folders]


def included(
    lines: Lines, folder: DeckFolder, beside: str, depth: int, notes: Notes
) -> Iterator[Line]:
    """Lines of a file with those of the files that it includes in their place."""
    for what, line in lines.skipped:
        notes.skip(what, line.place)
    ends = sum(line.text.lower().startswith(".endl") for line in lines.cards)
    section = False
    for line in lines.cards:
        # A quoted name may follow without a blank.
        word = _DOT.split(line.text, maxsplit=1)[0].lower() if line.text[0] == "." else ""
        if word == ".endl":
            section = False
            continue
        given = split(line.text).plain[1:] if word == ".lib" else []
        if word == ".lib" and len(given) == 1 and ends:
            section = True
            notes.say(line.place, f".lib {given[0]}: a section that nobody asks for, left out")
        if section:
            continue
        if word not in _INCLUDES and word != ".lib":
            yield line
            continue
        if depth >= _DEEPEST:
            raise line.fail(f"files include each other more than {_DEEPEST} levels deep")
        rest = line.text[len(word) :].strip()
        name, part = (rest, "") if word in _INCLUDES else _library(rest)
        if not name:
            raise line.fail(f"'{word}' needs the name of a file")
        text, place = folder.read(name, line, beside)
        found = logical(text, place, titled=False)
        if part:
            found = _part(found, part, line)
        yield from included(found, folder, dirname(place), depth + 1, notes)


def _library(rest: str) -> tuple[str, str]:
    """Name and section of a .lib card; the name may be quoted and may hold blanks."""
    if rest[:1] in "'\"" and rest[1:].find(rest[0]) >= 0:
        end = rest.index(rest[0], 1)
        return rest[1:end], rest[end + 1 :].strip(" '\"")
    words = rest.split()
    if len(words) == 2:
        return words[0], words[1].strip("'\"")
    return rest, ""


def _part(lines: Lines, part: str, asked: Line) -> Lines:
    """One section of a library."""
    cards, inside = [], False
    for line in lines.cards:
        words = split(line.text).plain
        if words and words[0].lower() == ".lib" and len(words) == 2:
            inside = words[1].lower() == part.lower()
        elif words and words[0].lower() == ".endl":
            if inside:
                return Lines("", cards, "", [])
        elif inside:
            cards.append(line)
    raise asked.fail(f"its section '{part}' is not there, or does not end with .endl")
