"""Observers: what watches a run.

An observer gets every step of every tile and keeps a carry of tensors with one row per path (or
fixed size). It never touches the paths, and its memory does not grow with the number of steps,
unless it records on purpose. A carry is plain data, so the engine can store it at a commit and
continue from it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import torch

    from thermohw.integrate.step import Step

__all__ = ["Carry", "Observer"]

Carry = dict[str, "torch.Tensor"]


class Observer(Protocol):
    """Watches the steps of one tile at a time.

    Attributes:
        name: key of its result.
        sums: whether it adds over paths and so sees the tile's own alone; else it keeps a row for
            every path that is computed.
    """

    name: str
    sums: bool

    def init(self, state: torch.Tensor) -> Carry:
        """A fresh carry for a tile that starts in `state`, shape (paths, n)."""
        ...

    def update(self, carry: Carry, step: Step) -> None:
        """Account for one step, in place."""
        ...

    def result(self, carry: Carry, state: torch.Tensor) -> Carry:
        """What is known when the tile has ended in `state`: float64 tensors by channel name."""
        ...
