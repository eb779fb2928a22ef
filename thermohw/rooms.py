"""Rooms that can be called as the one function people want from them.

`thermohw.audit` and `thermohw.report` are packages; so that `thermohw.audit("run.h5")` audits a run
whether or not the package has been imported, such a package passes a call on to that function.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

__all__ = ["make_callable"]


class _Room(ModuleType):
    _function: Callable[..., Any]

    def __call__(self, *args: Any, **options: Any) -> Any:
        return self._function(*args, **options)


def make_callable(room: str, function: Callable[..., Any]) -> None:
    """Pass calls of a room, named by its `__name__`, on to one of its functions."""
    module = sys.modules[room]
    module.__class__ = _Room
    vars(module)["_function"] = function
