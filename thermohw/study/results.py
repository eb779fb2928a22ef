"""What all cells of a study returned, as a sequence of rows.

A row is a mapping: the cell's keys, then what `compute` returned for it. Rows stand in the order of
`cells(p)`, whatever the order in which they were finished.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, overload

import numpy as np

__all__ = ["Results", "Row"]

Row = dict[str, Any]
"""Keys of a cell and values computed from it: numbers, texts, lists, arrays."""


class Results(Sequence[Row]):
    """Rows that can be selected and read by column."""

    def __init__(self, rows: Iterable[Mapping[str, Any]]) -> None:
        self._rows = [dict(row) for row in rows]

    def where(self, **equal: Any) -> Results:
        """The rows whose entries equal these.

        Raises:
            KeyError: no row at all has such an entry, which is a slip of the pen.
        """
        self._known(*equal)
        return Results(
            row for row in self._rows if all(_same(row.get(k), v) for k, v in equal.items())
        )

    def sorted(self, *names: str) -> Results:
        """The rows in ascending order of these entries; equal ones keep their order."""
        self._known(*names)
        return Results(sorted(self._rows, key=lambda row: tuple(row[name] for name in names)))

    def distinct(self, name: str) -> list[Any]:
        """The different values of an entry, in the order of first appearance."""
        self._known(name)
        found: list[Any] = []
        for row in self._rows:
            if name in row and not any(_same(row[name], value) for value in found):
                found.append(row[name])
        return found

    def column(self, name: str) -> np.ndarray:
        """One entry of every row, shape (rows,) or (rows, ...) for arrays of one shape.

        Numbers come as float64 with NaN where a row has no such entry (or None); texts as texts
        with "" there; anything else, arrays of different shapes too, as objects with None there.

        Raises:
            KeyError: no row at all has such an entry.
        """
        self._known(name)
        values = [row.get(name) for row in self._rows]
        present = [value for value in values if value is not None]
        if all(isinstance(v, int | float | np.number | np.bool_) for v in present):
            return np.array([np.nan if v is None else float(v) for v in values], dtype=np.float64)
        if all(isinstance(v, str) for v in present):
            return np.array(["" if v is None else v for v in values], dtype=str)
        arrays = [v for v in present if isinstance(v, np.ndarray)]
        if len(arrays) == len(present) and len({a.shape for a in arrays}) == 1:
            missing = np.full(arrays[0].shape, np.nan)
            return np.stack([missing if v is None else np.asarray(v) for v in values])
        objects = np.empty(len(values), dtype=object)
        objects[:] = values
        return objects

    def _known(self, *names: str) -> None:
        for name in names:
            if self._rows and not any(name in row for row in self._rows):
                known = sorted({key for row in self._rows for key in row})
                raise KeyError(f"no row has {name!r}; known: {', '.join(known)}")

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> Results: ...
    def __getitem__(self, index: int | slice) -> Row | Results:
        return Results(self._rows[index]) if isinstance(index, slice) else self._rows[index]

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows)

    def __repr__(self) -> str:
        names = list(dict.fromkeys(key for row in self._rows for key in row))
        return f"Results({len(self)} rows of {', '.join(names)})"


def _same(left: Any, right: Any) -> bool:
    if isinstance(left, np.ndarray) or isinstance(right, np.ndarray):
        return np.array_equal(np.asarray(left), np.asarray(right))
    right = list(right) if isinstance(right, tuple) else right
    return bool(left == right)
