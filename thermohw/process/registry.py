"""From plain data back to a process: the inverse of `Process.to_dict`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

import numpy as np

from thermohw.errors import InputError
from thermohw.intake import finite
from thermohw.process.base import Process
from thermohw.process.langevin import Langevin
from thermohw.process.ou import OU
from thermohw.process.relaxation import Relaxation
from thermohw.process.ve import VE
from thermohw.process.vp import VP

__all__ = ["PROCESSES", "process_from_dict"]

PROCESSES: dict[str, type[OU] | type[VP] | type[VE] | type[Relaxation]] = {
    cls.kind: cls for cls in (OU, VP, VE, Relaxation, Langevin)
}
_ARRAYS = ("A", "B2", "positions", "momentum")


def process_from_dict(mapping: Mapping[str, Any]) -> Process:
    """Build a process from its kind and parameters.

    Args:
        mapping: "kind" and that process's fields; a "duration" of 1 is accepted for vp and ve,
            whose clock is fixed.

    Returns:
        The process; `process_from_dict(p.to_dict()) == p` to the last bit.

    Raises:
        InputError: unknown kind, unknown or missing key, or a value out of range.
    """
    given = dict(mapping)
    kind = given.pop("kind", None)
    if not isinstance(kind, str) or kind not in PROCESSES:
        raise InputError(
            f"{kind!r} is not a process; choose {', '.join(PROCESSES)}", where="process.kind"
        )
    cls = PROCESSES[kind]
    known = {field.name: field for field in fields(cls)}
    if "duration" not in known and given.pop("duration", 1.0) != 1.0:
        raise InputError(
            f"a {kind} process always runs over model time 0 to 1", where="process.duration"
        )
    for name, value in given.items():
        if name not in known:
            raise InputError(
                f"unknown key for {kind}; it takes {', '.join(known)}", where=f"process.{name}"
            )
        read = _numbers if name in _ARRAYS else finite
        given[name] = read(value, f"process.{name}")
    for name, field in known.items():
        if field.default is MISSING and name not in given:
            raise InputError(f"a {kind} process needs {name}", where=f"process.{name}")
    return cls(**given)


def _numbers(value: Any, where: str) -> Any:
    """An array of numbers, as it was given."""
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        problem = f"expected an array of numbers ({' '.join(str(error).split())[:80]})"
        raise InputError(problem, where=where) from None
    if not np.isfinite(array).all():
        raise InputError("expected finite numbers", where=where)
    return value
