"""Rooms that behave: opened one name at a time, called as the one function people want from them.

`on_demand`: a room whose `__init__` imports all its modules makes whoever wants one name wait for
torch. Such a room says where each name is defined instead, and the module is imported when the
name is first asked for. A submodule that bears the name of a public function (`thermohw.pipeline`
has `simulate` twice) never takes that function's place.

`make_callable`: `thermohw.audit` and `thermohw.report` are packages; so that
`thermohw.audit("run.h5")` audits a run whether or not the package has been imported, such a package
passes a call on to that function.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

__all__ = ["make_callable", "on_demand"]


class _Room(ModuleType):
    _function: Callable[..., Any]

    def __call__(self, *args: Any, **options: Any) -> Any:
        return self._function(*args, **options)


class _OnDemand(ModuleType):
    _where: dict[str, str]

    def __getattr__(self, name: str) -> Any:
        module = self._where.get(name)
        if module is None:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(f"{self.__name__}.{module}"), name)
        vars(self)[name] = value
        return value

    def __setattr__(self, name: str, value: Any) -> None:
        # An import hangs every submodule into its package.
        if not (isinstance(value, ModuleType) and name in self._where):
            super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        return sorted({*vars(self), *self._where})


def on_demand(room: str, names: Mapping[str, str]) -> None:
    """Open a room one name at a time.

    Args:
        room: its `__name__`.
        names: public name -> module of the room that defines it.
    """
    module = sys.modules[room]
    vars(module)["_where"] = dict(names)
    module.__class__ = _OnDemand


def make_callable(room: str, function: Callable[..., Any]) -> None:
    """Pass calls of a room, named by its `__name__`, on to one of its functions."""
    module = sys.modules[room]
    module.__class__ = _Room
    vars(module)["_function"] = function
