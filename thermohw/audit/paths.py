"""What has to be so before anything is averaged: numbers that are numbers, paths that differ.

One value that is not finite makes every mean it enters meaningless, in silence where a mean divides
by its own infinite error; and a path that is another's copy makes every standard error too small.
Neither is chance: a single case is a violation. Two paths are copies where all their ledger
channels agree bit for bit, of which noise in every step leaves no chance.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from thermohw.audit.verdict import Check, not_applicable
from thermohw.estimate import HOLDS, VIOLATED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from thermohw.audit.evidence import Evidence

__all__ = ["PathTally", "distinct_paths", "finite_values"]

_KEYS = 2**24  # paths whose keys are kept, 128 MB
_NAMED = 3  # places that are named


class PathTally:
    """Running count over the chunks of a ledger.

    Attributes:
        unsound: channel -> how many of its values are not finite.
        numbers: how many values there were.
    """

    def __init__(self) -> None:
        self.unsound: dict[str, int] = {}
        self.numbers = 0
        self._keys: list[NDArray[np.uint64]] = []
        self._kept = 0

    def count(self, name: str, values: NDArray[Any]) -> NDArray[np.float64]:
        """Count numbers, and return them as a table, shape (rows, n)."""
        table = np.ascontiguousarray(values, np.float64)
        table = table.reshape(len(table), int(np.prod(table.shape[1:])))
        self.numbers += table.size
        wrong = table.size - int(np.count_nonzero(np.isfinite(table)))
        if wrong:
            self.unsound[name] = self.unsound.get(name, 0) + wrong
        return table

    def add(self, chunk: Mapping[str, NDArray[Any]]) -> None:
        """Count some paths: channel -> values of shape (paths,) or (paths, n)."""
        key: Any = np.uint64(0)
        for name, values in chunk.items():
            table = self.count(name, values)
            for column in table.view(np.uint64).T:  # a multiply-xor hash; overflow is meant
                key = (key ^ column) * np.uint64(0x9E3779B97F4A7C15)
                key ^= key >> np.uint64(29)
        if chunk and self._kept < _KEYS:
            self._keys.append(np.asarray(key)[: _KEYS - self._kept])
            self._kept += len(self._keys[-1])

    def copies(self) -> tuple[int, int]:
        """(paths that are copies of an earlier one, paths looked at)."""
        if not self._keys:
            return 0, 0
        keys = np.concatenate(self._keys)
        return len(keys) - len(np.unique(keys)), len(keys)


def finite_values(evidence: Evidence) -> Check:
    """Every number of the ledger, of the results and of the twins is finite."""
    tally = evidence.accounts.tally
    unsound, count = dict(tally.unsound), tally.numbers
    # Of the parameters twins alone: an acquired information, for one, may well be infinite.
    for name, values in _numbers("twins", evidence.parameters.get("twins", {})):
        wrong = values.size - int(np.count_nonzero(np.isfinite(values)))
        count += values.size
        if wrong:
            unsound[name] = wrong
    total = sum(unsound.values())
    detail = f"{total} of {count} stored numbers are not finite"
    if unsound:
        named = [f"{wrong} of {name}" for name, wrong in sorted(unsound.items())]
        detail += f": {', '.join(named[:_NAMED])}"
        detail += f" and {len(named) - _NAMED} more" * (len(named) > _NAMED)
    status = VIOLATED if total else HOLDS
    return Check("finite_values", status, float(total), 0.0, None, detail, power=1.0)


def distinct_paths(evidence: Evidence) -> Check:
    """No path is another's copy."""
    name = "distinct_paths"
    if evidence.paths < 2:
        return not_applicable(name, "there is one path")
    copies, paths = evidence.accounts.tally.copies()
    detail = f"{copies} of {paths} paths agree with an earlier one in every channel, bit for bit"
    status = VIOLATED if copies else HOLDS
    return Check(name, status, float(copies), 0.0, None, detail, power=1.0)


def _numbers(place: str, tree: Mapping[str, Any]) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """Arrays and numbers of a tree of parameters, with their names."""
    for key, value in tree.items():
        name = f"{place}/{key}"
        if isinstance(value, dict):
            yield from _numbers(name, value)
        elif isinstance(value, (float, np.ndarray, np.floating)):
            array = np.asarray(value)
            if array.dtype.kind == "f":
                yield name, array.astype(np.float64)
