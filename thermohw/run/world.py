"""A kind of run, as those see it who play, store and judge runs of every kind.

A world is one circuit with everything that says how it is played: a score and its protocol, a
program of parameters, a law of electron jumps, a board of amplifiers. It opens tiles of paths, and
a tile plays itself from saved frame to saved frame. Nothing above asks a world what it is.

A protocol that tries to please everyone would be worse than five dialects: what is not here is a
world's own affair.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from numpy.typing import NDArray

    from thermohw.integrate import Tile
    from thermohw.store import Layout

__all__ = ["Playing", "World"]


class Playing(Protocol):
    """A tile of paths on its way."""

    def advance(self, frames: int | None) -> None:
        """Play until so many saved frames of the layout have been seen; all of them, or None: to
        the end.
        """
        ...

    def drain(self) -> dict[str, NDArray[Any]]:
        """Series of the frames seen since the last call, SI, shape (frames, paths[, axis])."""
        ...

    def checkpoint(self) -> dict[str, Any]:
        """All that is needed to continue bit-identically: arrays by name."""
        ...

    def restore(self, saved: dict[str, Any]) -> None:
        """Continue from a checkpoint of the same tile."""
        ...

    def results(self) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]]]:
        """At the end: every channel of the ledger, SI, shape (paths[, axis]), and what the tile
        adds to every result of the layout.
        """
        ...


class World(Protocol):
    """One kind of run, set up.

    Attributes:
        kind: its name, kept in /parameters/kind.
        group: paths of a unit of work in a file: a whole number of lanes.
        lane: paths that one thread plays at a time.
        ticks: steps of a path: what progress is counted in.
        largest: results of which the largest of all tiles counts, not the sum.
    """

    kind: str
    group: int
    lane: int
    ticks: int
    largest: Collection[str]

    def layout(self, paths: int) -> Layout:
        """What a file of so many paths holds."""
        ...

    def open(self, tile: Tile, progress: Callable[[int], object]) -> Playing:
        """Paths of a tile at the start; `progress` is told of steps taken, summed over paths."""
        ...
