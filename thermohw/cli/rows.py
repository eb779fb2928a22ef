"""What pages of devices have in common: ranges, prices, charges and evidence in words."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np

from thermohw.datasheet import EVIDENCE, Datasheet
from thermohw.units import engineering

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["GRANULAR", "Rows", "cost_rows", "plain_span", "span", "weakest_evidence"]

Rows = list[tuple[str, str]]
GRANULAR = 30
"""Electrons rms on a node below which a diffusion is a poor picture."""


def span(values: NDArray[Any], unit: str) -> str:
    """The smallest and the largest of some values in SI; one number where they agree."""
    low, high = float(values.min()), float(values.max())
    if np.isclose(low, high, rtol=1e-9, atol=0.0):
        return engineering(high, unit)
    return f"{engineering(low, unit)} to {engineering(high, unit)}"


def plain_span(values: NDArray[Any], digits: int = 4) -> str:
    """The same of numbers without a unit."""
    low, high = float(values.min()), float(values.max())
    same = np.isclose(low, high, rtol=1e-9, atol=0.0)
    return f"{high:.{digits}g}" if same else f"{low:.{digits}g} to {high:.{digits}g}"


def cost_rows(sheet: Datasheet) -> Rows:
    """The price of every operation."""
    prices = {item.name: getattr(sheet.cost, item.name) for item in fields(sheet.cost)}
    return [
        (f"cost: {key}", "unpriced" if price is None else str(price))
        for key, price in prices.items()
    ]


def weakest_evidence(sheet: Datasheet) -> str:
    """The weakest class among the entries that are there, and how many entries have it."""
    stated = [entry.evidence for entry in sheet.entries().values() if entry is not None]
    ranks = [-1 if name is None else EVIDENCE.index(name) for name in stated]
    worst = min(ranks)
    name = "unstated" if worst < 0 else EVIDENCE[worst]
    return f"{name}, {ranks.count(worst)} of {len(ranks)} entries"
