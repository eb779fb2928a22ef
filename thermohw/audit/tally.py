"""What a ledger's chunks leave behind for the checks of `audit.paths`: values that are not finite,
and a key of every path.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = ["PathTally"]

_KEYS = 2**24  # keys that are kept, 128 MB


class PathTally:
    """Running count over the chunks of a ledger.

    Args:
        most: keys that are kept.

    Attributes:
        unsound: channel -> how many of its values are not finite.
        numbers: how many values there were.
    """

    def __init__(self, most: int = _KEYS) -> None:
        self.unsound: dict[str, int] = {}
        self.numbers = 0
        self._most = most
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
        if chunk:
            self._keys.append(np.atleast_1d(np.asarray(key, np.uint64)))
            self._kept += len(self._keys[-1])
            if self._kept > 2 * self._most:
                self.keys()

    def keys(self) -> NDArray[np.uint64]:
        """Keys of all paths, ascending; of more than `most` the smallest, a sample that has every
        copy of the paths in it.
        """
        found = np.concatenate([np.empty(0, np.uint64), *self._keys])
        if len(found) > self._most:
            found = np.partition(found, self._most)[: self._most]
        self.restore(np.sort(found))
        return self._keys[0]

    def restore(self, keys: NDArray[np.uint64]) -> None:
        """Go on from what `keys` gave."""
        self._keys, self._kept = [np.array(keys, np.uint64)], len(keys)

    def copies(self) -> tuple[int, int]:
        """(paths that are copies of an earlier one, paths looked at)."""
        keys = self.keys()
        return len(keys) - len(np.unique(keys)), len(keys)
