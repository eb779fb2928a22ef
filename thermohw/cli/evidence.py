"""How far the entries of a datasheet may be trusted, in a line."""

from __future__ import annotations

from thermohw.datasheet import EVIDENCE, Datasheet

__all__ = ["weakest_evidence"]


def weakest_evidence(sheet: Datasheet) -> str:
    """The weakest class among the entries that are there, and how many entries have it."""
    stated = [entry.evidence for entry in sheet.entries().values() if entry is not None]
    ranks = [-1 if name is None else EVIDENCE.index(name) for name in stated]
    worst = min(ranks)
    name = "unstated" if worst < 0 else EVIDENCE[worst]
    return f"{name}, {ranks.count(worst)} of {len(ranks)} entries"
