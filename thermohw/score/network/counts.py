"""What one evaluation of a score takes: multiply-accumulates, and weights that have to be moved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from thermohw.intake import whole
from thermohw.score import Score
from thermohw.score.network.score import NetworkScore

if TYPE_CHECKING:
    from thermohw.score.network.trunk import Trunk

__all__ = ["Counts", "counts_of", "is_formula", "multiply_accumulates", "trunk_counts",
           "trunk_of"]  # fmt: skip


@dataclass(frozen=True)
class Counts:
    """Of one evaluation at one state.

    Attributes:
        macs: multiply-accumulates of the weights, whatever the trunk: entries of dense weights, and
            those of convolutions times the pixels they run over. What acts on the time alone
            (gains, shifts) is worked out once a tick for all states and is not counted, nor is
            multiplying by a constant.
        weights: numbers that take part in them, read once an evaluation; None where nobody has
            counted them.
    """

    macs: int
    weights: int | None


def counts_of(score: Score) -> Counts | None:
    """The counts of a network score, or of one made from it (scaled, calibrated); of a score of
    one's own where it says so by attributes `multiply_accumulates` and `weights`. None for exact
    formulas and whatever else nobody has counted.

    Raises:
        InputError: an attribute of a score of one's own that is no positive whole number.
    """
    trunk = trunk_of(score)
    if trunk is not None:
        return trunk_counts(trunk)
    own: Any = getattr(score, "multiply_accumulates", None)
    if own is None:
        return None
    weights: Any = getattr(score, "weights", None)
    return Counts(
        whole(own, 1, "score.multiply_accumulates"),
        None if weights is None else whole(weights, 1, "score.weights"),
    )


def trunk_counts(trunk: Trunk) -> Counts:
    """The counts of a network's shape, trained or not."""
    weights = 0
    for name, shape in trunk.shapes.items():
        if name.startswith("weight"):
            size = 1
            for side in shape:
                size *= side
            weights += size
    return Counts(trunk.multiply_accumulates, weights)


def trunk_of(score: Score) -> Trunk | None:
    """The trunk of a network score, or of the one that a score was made from."""
    while not isinstance(score, NetworkScore):
        made_from = getattr(score, "base", None)
        if not isinstance(made_from, Score):
            return None
        score = made_from
    return score.head.trunk


def is_formula(score: Score) -> bool:
    """An exact score, or one made from it: arithmetic that nobody would carry out so."""
    while not score.exact:
        made_from = getattr(score, "base", None)
        if not isinstance(made_from, Score):
            return False
        score = made_from
    return True


def multiply_accumulates(score: Score) -> int | None:
    """The macs of `counts_of`; None where nobody has counted them."""
    found = counts_of(score)
    return None if found is None else found.macs
