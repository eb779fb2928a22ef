r"""Tables of numbers as people have them: rows of text, read right or refused, never in between.

What programs write around the numbers is recognised and said in a note; what is no number, or could
be two different numbers, is refused with its row, its line in the file and its column.

    encoding     UTF-8 with or without a byte order mark, UTF-16 with one, else cp1252
    delimiter    of ; tab , | and blanks the one that cuts every row into as many numbers; Excel's
                 line "sep=;" names it
    decimals     a point; a comma where commas are not the delimiter, in all numbers or in none
    header       a first row that is no row of numbers. One that counts the columns, 0,1,2, above
                 rows of other numbers is pandas' for columns without names
    units        a row of words below the header
    index        a first column without a name (pandas, R): left out if it counts or names the rows
    comments     lines that begin with # % or //, and what follows a blank and # behind the numbers
    end          rows of nothing but delimiters below the last number (Excel)

Refused are missing values (an empty cell, NA, nan, what Excel could not work out, ...), words,
thousands separators, rows of another length (with the delimiter that would fit, where one does),
and a column that counts the rows, from whatever number: samples do not know their own. A column
that grows evenly, like a clock, is remarked on; so is a comment that reads like a row of numbers.
"""

from __future__ import annotations

import csv
import re
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from thermohw.target.table_layout import (
    DELIMITERS,
    FORTRAN,
    GERMAN,
    HEAD,
    NUMBER,
    THOUSANDS,
    TableLayout,
    Text,
    Unclear,
    layout_of,
    missing,
    remark,
    split_cells,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["DataTable", "counting", "read_table"]


@dataclass(frozen=True)
class DataTable:
    """Rows of a table.

    Attributes:
        values: shape (rows, columns), float64.
        columns: their names, where the file has a header.
    """

    values: np.ndarray
    columns: tuple[str, ...] | None


def read_table(file: Path) -> DataTable:
    """Read a text of numbers, one row a line; see the module for what is recognised.

    Raises:
        InputError: a cell that is no number or could be two, rows of different length, a column
            that counts the rows, nothing to read; naming row, line and column.
    """
    text = Text(file)
    try:
        layout = layout_of(text)
        values = _numbers(text, layout)
    except Unclear as error:
        text.refuse(str(error))
    except csv.Error as error:
        text.refuse(f"cannot be read ({error}): expected rows of numbers")
    column = counting(values)
    if column is not None:
        name = layout.title(column + layout.skipped)
        text.refuse(f"{name} counts the rows: it is no part of a sample; delete it")
    clock = _clock(values)
    if clock is not None:
        name = layout.title(clock + layout.skipped)
        layout.notes.append(f"{name} grows evenly from row to row, like a clock: delete it unless "
                            "it is part of a sample")  # fmt: skip
    if text.hidden:
        count, first = len(text.hidden), min(text.hidden)
        lines = f"line {first} is a comment" if count == 1 else f"{count} lines are comments, the"
        lines += "" if count == 1 else f" first line {first},"
        layout.notes.append(f"{lines} and would be numbers otherwise: left out")
    for note in layout.notes:
        warnings.warn(f"{file}: {note}", stacklevel=2)
    return DataTable(
        values, None if layout.names is None else tuple(layout.names[layout.skipped :])
    )


def _numbers(text: Text, layout: TableLayout) -> np.ndarray:
    """All rows, by numpy's own reader; where that stumbles, cell by cell for the message."""
    if layout.names is not None and len(layout.names) != layout.width:
        fields = f"{len(layout.names)} names above rows of {layout.width} numbers"
        text.refuse(f"the header has {fields}: name every column{_would_fit(text, layout)}")
    usual = layout.comma
    for comma in dict.fromkeys((layout.comma, layout.comma or layout.delimiter != ",")):
        layout.comma, given = comma, [0]
        columns = range(layout.skipped, layout.width)
        told = _Decimals()
        try:
            values = np.loadtxt(
                _plain(text, layout, given, told), delimiter=layout.delimiter, comments=None,
                quotechar='"', ndmin=2, usecols=columns,
            )  # fmt: skip
        except ValueError:
            continue
        if len(values) == given[0] and np.isfinite(values).all():
            if told.seen and not told.clear:
                raise Unclear(
                    f"every comma has three digits behind it, such as {told.seen}: thousands or "
                    "decimals? write 1234 or 1.234"
                )
            return values
    layout.comma = usual or _commas(text, layout)
    _complain(text, layout)


@dataclass
class _Decimals:
    """Whether commas were seen to be decimal ones: a thousands separator has three digits behind
    it, no zero alone before it.
    """

    seen: str = ""
    clear: bool = False

    def look(self, line: str) -> None:
        """Look at one row, until it is clear."""
        for cell in () if self.clear else re.findall(r"[\d,]*,[\d,]*", line):
            self.seen = self.seen or cell
            self.clear = re.fullmatch(r"[1-9]\d{0,2}(,\d{3})+", cell) is None


def _plain(text: Text, layout: TableLayout, given: list[int], told: _Decimals) -> Iterator[str]:
    """Rows for numpy's reader, counted; a decimal comma as a point.

    Raises:
        ValueError: a row that must be looked at cell by cell.
    """
    empty = False
    for i, (_, line) in enumerate(text.rows()):
        if i < layout.before:
            continue
        if not line.strip(' "' + (layout.delimiter or "")):
            empty = True
            continue
        if empty or "_" in line:  # which Python takes for a digit's neighbour
            raise ValueError("an empty row among others")
        if "#" in line:
            line = line[: remark(line)].rstrip()
        if "D" in line or "d" in line:
            line = FORTRAN.sub("e", line)
        if layout.comma:
            if "." in line:
                raise ValueError("a point beside decimal commas")
            told.look(line)
            if layout.delimiter == ",":
                line = ",".join(cell.replace(",", ".") for cell in layout.fields(line))
            else:
                line = line.replace(",", ".")
        given[0] += 1
        # Numpy with `usecols` does not count fields.
        if len(_split(line, layout)) != layout.width + layout.closing and (
            len(layout.fields(line)) != layout.width
        ):
            raise ValueError("a row of another length")
        yield line


def _split(line: str, layout: TableLayout) -> list[str]:
    """A quick cut, right where there are no quotes and no remarks."""
    return line.split(layout.delimiter)


def _complain(text: Text, layout: TableLayout) -> NoReturn:
    """Name the first cell that is wrong."""
    row, above = 0, True
    begin = _begin(text, layout)
    hint = f"; rows of numbers begin at line {begin}: delete what stands above" if begin else ""
    pending: tuple[int, int] | None = None
    for i, (number, line) in enumerate(text.rows()):
        if i < layout.before:
            continue
        row += 1
        cells, place = layout.fields(line), f"row {row} (line {number})"
        if not any(cells):
            pending = pending or (row, number)
            continue
        if pending is not None:
            text.refuse(
                f"row {pending[0]} (line {pending[1]}) is empty and numbers follow: remove it, or "
                "fill it"
            )
        if len(cells) != layout.width:
            text.refuse(
                f"{place} has {len(cells)} fields where others have {layout.width}"
                f"{hint if above and hint else _would_fit(text, layout)}"
            )
        for column in range(layout.skipped, layout.width):
            problem = _wrong(cells[column], layout)
            if problem and set(cells[column]) & set(";\t|"):
                problem += _would_fit(text, layout)
            if problem:
                told = hint if above and hint else ""
                text.refuse(f"{place}, {layout.title(column)}: {problem}{told}")
        above = False
    text.refuse("has no rows of numbers that can be read")


def _begin(text: Text, layout: TableLayout) -> int | None:
    """The line of the first row of numbers, where other rows stand above it (and the header)."""
    for i, (number, line) in enumerate(text.rows()):
        cells = layout.fields(line)
        if len(cells) == layout.width and all(map(layout.number, cells[layout.skipped :])):
            return number if i > layout.before else None
    return None


def _commas(text: Text, layout: TableLayout) -> bool:
    """Whether the numbers of a table have decimal commas, by their majority."""
    if layout.delimiter == ",":
        return False
    seen = [line.count(",") - line.count(".") for _, line in text.rows()]
    return sum(seen) > 0


def _wrong(cell: str, layout: TableLayout) -> str | None:
    """What is wrong with a cell and how to mend it; None for a number."""
    if layout.number(cell):
        value = float(FORTRAN.sub("e", cell.replace(",", ".")))
        return None if np.isfinite(value) else f"'{cell[:40]}' is beyond what a double holds"
    shown = f"'{cell[:40]}'"
    if missing(cell):
        what = "is empty" if not cell else f"{shown} is no number"
        return f"{what}: remove the row or fill it"
    if THOUSANDS.fullmatch(cell):
        return (
            f"{shown} has a thousands separator, or a decimal sign that others lack: write 1234.5"
        )
    if (NUMBER if layout.comma else GERMAN).fullmatch(cell):
        other, usual = ("point", "commas") if layout.comma else ("comma", "points")
        return f"{shown} has a decimal {other} where others have {usual}: write all alike"
    if cell.endswith("%"):
        return f"{shown} is a percentage: write the number alone"
    return f"{shown} is no number: delete the column, or the row"


def _would_fit(text: Text, layout: TableLayout) -> str:
    """The delimiter that cuts all rows alike, where it is not the one in use."""
    lines = [line for (_, line), _ in zip(text.rows(), range(HEAD), strict=False)]
    for delimiter, name in DELIMITERS.items():
        widths = {len(split_cells(line, delimiter)) for line in lines}
        if delimiter != layout.delimiter and len(widths) == 1 and widths != {1}:
            return f"; {name} would cut every row into {widths.pop()}"
    return f"; the delimiter in use is {DELIMITERS.get(layout.delimiter, layout.delimiter)}"


def counting(values: np.ndarray) -> int | None:
    """A column of whole numbers, each one more (or less) than that above; None where none is."""
    if len(values) < 3:
        return None
    steps: Any = np.arange(len(values), dtype=np.float64)[:, None]
    first = values[0]
    for sign in (1.0, -1.0):
        whole = first == np.floor(first)
        found = np.flatnonzero(whole & (values == first + sign * steps).all(0))
        if len(found):
            return int(found[0])
    return None


def _clock(values: np.ndarray) -> int | None:
    """A column on a straight line down the file, to a hundredth of its step: printed numbers are
    rounded. No 20 independent numbers do that by chance.
    """
    if len(values) < 20:
        return None
    step = (values[-1] - values[0]) / (len(values) - 1)
    away = np.abs(values - values[0] - np.arange(len(values))[:, None] * step).max(0)
    found = np.flatnonzero((step != 0.0) & (away <= 0.01 * np.abs(step)))
    return int(found[0]) if len(found) else None
