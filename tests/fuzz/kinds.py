"""The nine kinds of input: a valid one, one or two mutations, and the commands it must survive."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fuzz.bench import Bench
from fuzz.court import Court
from fuzz.data import arrays, checkpoints, weights
from fuzz.mutate import Dice
from fuzz.stored import runs, studies
from fuzz.texts import datasheets, netlists, settings, specs

__all__ = ["KINDS"]

KINDS: dict[str, Callable[[Bench, Path, Dice, Court], int]] = {
    "spec": specs,
    "set": settings,
    "datasheet": datasheets,
    "netlist": netlists,
    "arrays": arrays,
    "weights": weights,
    "runs": runs,
    "studies": studies,
    "checkpoints": checkpoints,
}
"""Name of a kind -> one mutated input of it, judged; returns the last exit code."""
