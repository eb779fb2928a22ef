"""A study's functions by name: looked up when they are called.

    STUDY = Study(..., compute=later("thermohw.experiments.NAME.compute:compute"), ...)

What computes and what draws imports torch and matplotlib. A list of studies, and a setting that is
refused, need neither.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

__all__ = ["later"]


def later(name: str) -> Callable[..., Any]:
    """The function "module:function", imported by its first call.

    The name must stand in the study's source as a literal: the digest of a study's code covers the
    modules that are named so, as it does those that are imported.
    """
    module, _, function = name.partition(":")
    assert function, f"{name!r} is not of the form module:function"

    def call(*args: Any, **options: Any) -> Any:
        return getattr(importlib.import_module(module), function)(*args, **options)

    return call
