"""A moment at which something sets in, or the reason why it never does."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Onset"]


@dataclass(frozen=True)
class Onset:
    """When a transition happens.

    Attributes:
        time: model time; None where there is no transition.
        criterion: what was asked of the law, and what it answered, in words.
    """

    time: float | None
    criterion: str

    def __bool__(self) -> bool:
        return self.time is not None
