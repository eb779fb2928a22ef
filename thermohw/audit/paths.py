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

    from thermohw.audit.recorded import Recorded

__all__ = ["distinct_paths", "finite_values"]

_NAMED = 3  # places that are named


def finite_values(recorded: Recorded) -> Check:
    """Every number of the ledger, of the results and of the twins is finite."""
    tally = recorded.accounts.tally
    unsound, count = dict(tally.unsound), tally.numbers
    # Of the parameters twins alone: an acquired information, for one, may well be infinite.
    for name, values in _numbers("twins", recorded.parameters.get("twins", {})):
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


def distinct_paths(recorded: Recorded) -> Check:
    """No path is another's copy."""
    name = "distinct_paths"
    if recorded.paths < 2:
        return not_applicable(name, "there is one path")
    copies, paths = recorded.accounts.tally.copies()
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
