"""Laws and bounds of a stored run: a pure function of its file.

The package itself can be called, `thermohw.audit("run.h5")`, as the function `audit` it holds.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from thermohw.audit.audit import audit
from thermohw.audit.verdict import Audit, Check, Quantity

__all__ = ["Audit", "Check", "Quantity", "audit"]


class _Room(ModuleType):
    """A module that is also the one function people want from it."""

    def __call__(self, *args: Any, **options: Any) -> Audit:
        return audit(*args, **options)


sys.modules[__name__].__class__ = _Room
