"""How a table of text is written: encoding, delimiter, decimals, header, units and index.

`thermohw.target.table` says what is recognised; this is told from the first rows, as the one way of
writing that makes numbers of most cells and rows of one length. What could be read in two ways is
`Unclear`.
"""

from __future__ import annotations

import codecs
import csv
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

import numpy as np

from thermohw.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = [
    "DELIMITERS", "FORTRAN", "GERMAN", "HEAD", "MISSING", "NUMBER", "THOUSANDS", "TableLayout",
    "Text", "Unclear", "layout_of", "missing", "remark", "split_cells",
]  # fmt: skip

HEAD = 200  # rows that tell how the table is written
# Digits are 0 to 9: \d alone has those of every script. Fortran writes 1.5D+03, always with a sign.
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+|[dD][+-]\d+)?", re.ASCII)
GERMAN = re.compile(r"[+-]?(\d+,?\d*|,\d+)([eE][+-]?\d+|[dD][+-]\d+)?", re.ASCII)
FORTRAN = re.compile(r"(?<=[\d.,])[dD](?=[+-]\d)", re.ASCII)
MISSING = {"", "na", "n/a", "#n/a", "nan", "null", "none", "nil", "-", "--", "?", ".", "inf",
           "-inf", "+inf", "infinity"}  # fmt: skip
DELIMITERS = {";": "';'", "\t": "tab", ",": "','", "|": "'|'", None: "blanks"}

THOUSANDS = re.compile(r"[+-]?\d{1,3}([., '\u00a0\u202f]\d{3})+([.,]\d+)?", re.ASCII)

_LINE = 2**20  # characters; a row of 16384 numbers has fewer than half of them
_COUNT = re.compile(r"\d+", re.ASCII)
# A cell that Excel could not work out, in any language: #N/A, #NV, #WERT!, #NAME?, ##### (too
# narrow); and what C on Windows prints, 1.#INF, -1.#IND.
_FAILED = re.compile(r"#(\S*[!?]|n/?[a-z]( n/?[a-z])?|#{3,})|[+-]?\d\.\d*#\w+", re.I)
_REMARK = re.compile(r"(?:(?<=[\s;,|\"])|^)#")
_FOREIGN = {
    b"PK\x03\x04": "a spreadsheet or an archive", b"\xd0\xcf\x11\xe0": "a spreadsheet",
    b"\x1f\x8b": "a compressed file", b"\x89HDF": "an HDF5 file", b"\x93NUM": "a .npy file",
    b"%PDF": "a PDF",
}  # fmt: skip


class Unclear(Exception):
    """A table that could be read in two ways, and what would make it clear."""


def missing(cell: str) -> bool:
    """Whether a cell stands for a number that is not there."""
    return cell.lower() in MISSING or _FAILED.fullmatch(cell) is not None


def remark(line: str) -> int:
    """Where a remark behind the numbers begins; the length of the line where there is none."""
    for found in _REMARK.finditer(line):
        # Up to the next delimiter it may be a cell instead.
        cell = re.split(r"[;,\t|\"]", line[found.start() :], maxsplit=1)[0].strip()
        if not _FAILED.fullmatch(cell):
            return found.start()
    return len(line)


@dataclass
class TableLayout:
    """How a table is written.

    Attributes:
        delimiter: a character; None for blanks.
        comma: decimals are written with a comma.
        before: rows above the numbers.
        width: fields of a row.
        skipped: columns of the index, 0 or 1.
        closing: every row ends with a delimiter.
        names: of all columns.
        notes: what was recognised and left out.
    """

    delimiter: str | None
    comma: bool
    before: int = 0
    width: int = 0
    skipped: int = 0
    closing: bool = False
    names: list[str] | None = None
    notes: list[str] = field(default_factory=list)

    def title(self, column: int) -> str:
        """A column in words; counted from 1."""
        name = self.names[column] if self.names and column < len(self.names) else ""
        return f"column {column + 1}" + (f" '{name[:40]}'" if name else "")

    def fields(self, line: str) -> list[str]:
        """The cells of a row."""
        cells = split_cells(line, self.delimiter)
        return cells[:-1] if self.closing and len(cells) == self.width + 1 else cells

    def likeness(self, cell: str) -> float:
        """How much like a number a cell is: 1 for one, a little less with thousands separators."""
        return 1.0 if self.number(cell) else 0.9 * (THOUSANDS.fullmatch(cell) is not None)

    def number(self, cell: str) -> bool:
        """Whether a cell is a number."""
        return bool((GERMAN if self.comma else NUMBER).fullmatch(cell))


class Text:
    """The lines of a file that are no comments and not blank."""

    def __init__(self, file: Path) -> None:
        self.file, self.encoding = file, "utf-8"
        self.encoding = _encoding(file, self)
        self.hidden: set[int] = set()  # comments that read like rows of numbers
        self.delimiter: str | None = None  # of a line "sep=;"
        first = next(self._lines(), (0, ""))[1]
        told = re.fullmatch(r'"?sep=(.|\\t)"?', first.strip(), re.IGNORECASE)
        if told:
            self.delimiter = told[1].replace("\\t", "\t")
        self._told = bool(told)

    def rows(self) -> Iterator[tuple[int, str]]:
        """(line number from 1, line) of everything that is not blank and no comment."""
        lines = self._lines()
        if self._told:
            next(lines)
        return lines

    def _lines(self) -> Iterator[tuple[int, str]]:
        with self.file.open(encoding=self.encoding, errors="replace") as stream:
            for number, line in enumerate(iter(lambda: stream.readline(_LINE), ""), 1):
                if len(line) == _LINE:
                    self.refuse(f"line {number}: a line of {_LINE} characters and more")
                bare = line.lstrip("\ufeff") if number == 1 else line  # some write the mark twice
                line, bare = bare, bare.strip()
                if not bare:
                    continue
                if bare.startswith(("%", "//")) or (bare[0] == "#" and remark(bare) == 0):
                    cells = re.split(r"[;,\t| ]+", bare.lstrip("#%/ "))
                    if len(cells) > 1 and all(map(NUMBER.fullmatch, cells)):
                        self.hidden.add(number)
                    continue
                yield number, line.rstrip("\r\n").replace("\u2212", "-").replace("\u00a0", " ")

    def refuse(self, problem: str) -> NoReturn:
        """Raise an InputError that names the file."""
        raise InputError(problem, where=str(self.file))


def _encoding(file: Path, text: Text) -> str:
    """UTF-8, UTF-16 with its mark, else cp1252: there the marks of a header differ, no digit."""
    with file.open("rb") as stream:
        head = stream.read(4)
        for magic, what in _FOREIGN.items():
            if head.startswith(magic):
                text.refuse(f"is {what}, not a table of text: export its numbers as CSV")
        if head.count(b"\0") > 1 or (b"\0" in head and head[:1] not in b"\xfe\xff"):
            text.refuse("has zero bytes, as UTF-16 without its mark has: save it as UTF-8")
        if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return "utf-16"
        stream.seek(0)
        decoder = codecs.getincrementaldecoder("utf-8")()
        try:
            for chunk in iter(lambda: stream.read(2**20), b""):
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return "cp1252"
    return "utf-8-sig"


def split_cells(line: str, delimiter: str | None) -> list[str]:
    """The cells of a row, without blanks, quotes and a remark behind them."""
    if "#" in line:
        line = line[: remark(line)].rstrip()
    if delimiter is None:
        cells = line.replace('"', " ").split()
    else:
        cells = [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter), [])]
    return cells


def layout_of(text: Text) -> TableLayout:
    """How a table is written, from its first rows."""
    head = [row for row, _ in zip(text.rows(), range(HEAD), strict=False)]
    if not head:
        text.refuse("cannot be read (it is empty): expected rows of numbers")
    layout = _delimited(text, [line for _, line in head])
    rows = [layout.fields(line) for _, line in head]
    header = _header(layout, rows)
    body = rows[layout.before :]
    if not body:
        text.refuse("has a header and no rows of numbers")
    if header is not None:
        _index(layout, header, body)
    return layout


def _delimited(text: Text, lines: list[str]) -> TableLayout:
    """The delimiter and the decimals that make numbers of most cells, and rows of one length."""
    tried: list[tuple[float, int, TableLayout]] = []
    quoted = any('"' in line for line in lines[1:])  # "1,5","2,5"
    candidates: list[str | None] = [text.delimiter] if text.delimiter else list(DELIMITERS)
    for delimiter in candidates:
        for comma in (False, True) if delimiter != "," or quoted else (False,):
            layout = TableLayout(delimiter, comma)
            cut = [split_cells(line, delimiter) for line in lines]
            body = cut[1:] or cut
            widths = [len(cells) for cells in body]
            layout.width = max(set(widths), key=widths.count)
            if layout.width > 1 and all(
                cells[-1] == "" for cells in cut if len(cells) == layout.width
            ):
                layout.closing, layout.width = True, layout.width - 1
            cells = [layout.fields(line) for line in lines][1 if len(lines) > 1 else 0 :]
            shares = [
                sum(map(layout.likeness, row)) / layout.width if len(row) == layout.width else 0.0
                for row in cells
            ]
            fit = float(np.mean(shares))
            # A header has a name for every column; R leaves out that of the first.
            names = len(cut[0]) - layout.closing
            fit *= 1.0 if names == layout.width else 0.98 if names == layout.width - 1 else 0.9
            # As well as another: more columns, then a point, then the order of the table.
            tried.append((fit, layout.width * (2 - comma), layout))
    best = max(range(len(tried)), key=lambda i: (round(tried[i][0], 3), tried[i][1], -i))
    found = tried[best][2]
    cells = [found.fields(line) for line in lines]
    pairs = found.delimiter == "," and all(
        len(row) == 2 and all(map(_COUNT.fullmatch, row)) for row in cells
    )
    alone = found.comma and found.width == 1 and ("," in lines[0] or found.number(lines[0].strip()))
    if pairs or alone:
        raise Unclear(
            "rows such as 1,5 may be two integers or one number with a decimal comma: name the "
            "columns, or write 1.5"
        )
    return found


def _header(layout: TableLayout, rows: list[list[str]]) -> list[str] | None:
    """Names of the columns; says how many rows are above the numbers."""
    first = rows[0]
    words = [cell for cell in first if not layout.number(cell) and not missing(cell)]
    counts = first[1:] if first and first[0] == "" else first
    counted = counts == [str(i) for i in range(len(counts))] and len(rows) > 1
    if counted and not words:  # pandas' names of columns without names, or a row of integers?
        others = [cell for row in rows[1:] for cell in row[len(first) - len(counts) :]]
        whole = [bool(_COUNT.fullmatch(cell)) for cell in others]
        if any(whole) and first[0] != "":
            raise Unclear("its first row counts the columns: name them, or write 0.0 for a number")
    if not words and not counted:
        return None
    numbers = [cell for cell in first if layout.number(cell)]
    if words and not all(map(_COUNT.fullmatch, numbers)):
        return None  # a row of numbers with one that is none, which `_complain` names
    if words and numbers:
        layout.notes.append(f"its first row, {', '.join(first)[:60]}, is read as names")
    layout.names, layout.before = list(first), 1
    if counted:
        layout.notes.append("its first row counts the columns: read as their names")
    if len(rows) > 1 and len(rows[1]) == len(first):
        below = [cell for cell in rows[1] if not missing(cell)]
        if len(below) == len(rows[1]) and not any(map(layout.number, below)):
            following = rows[2] if len(rows) > 2 else []
            if any(map(layout.number, following)):
                layout.before = 2
                layout.notes.append(f"its second row, {', '.join(below)[:60]}, is read as units")
    return first


def _index(layout: TableLayout, header: list[str], body: list[list[str]]) -> None:
    """A first column without a name: pandas' index, or the names that R gives to rows."""
    short = len(header) == layout.width - 1
    blank = len(header) == layout.width and (header[0] == "" or header[0].startswith("Unnamed: 0"))
    if not (short or blank) or layout.width < 2:
        return
    cells = [row[0] for row in body if row]
    counts = all(_COUNT.fullmatch(cell) for cell in cells)
    if not counts and all(layout.number(cell) for cell in cells):
        if short:
            return  # `_numbers` finds a header that is too short
        raise Unclear("column 1 has no name: name it, or delete it if it is an index")
    if short:
        assert layout.names is not None
        layout.names = ["", *layout.names]
    layout.skipped = 1
    layout.notes.append("its first column has no name and counts or names the rows: left out")
