"""Figures and pages, as pure functions of stored runs.

    report("run.h5")              run.html, one self-contained page; of a folder: index.html
    hero("run.h5", "run.png")     one picture, 1600 pixels wide

The package itself can be called, `thermohw.report("run.h5")`, as the function `report` it holds.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from thermohw.report.hero import hero
from thermohw.report.write import report

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["hero", "report"]


class _Room(ModuleType):
    """A module that is also the one function people want from it."""

    def __call__(self, *args: Any, **options: Any) -> Path:
        return report(*args, **options)


sys.modules[__name__].__class__ = _Room
