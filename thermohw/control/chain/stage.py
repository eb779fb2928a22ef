"""What every stage of the chain is: a small frozen value that is ideal when nothing is set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    import torch

__all__ = ["Row", "Stage", "row"]

Row = float | tuple[float, ...]
"""One value for all nodes or sources, or one for each."""


@dataclass(frozen=True)
class Stage:
    """A stage of the chain. Units are any consistent ones: volts and seconds, or thermal."""

    def ideal(self) -> Self:
        """The stage without its imperfections."""
        return type(self)()

    @property
    def is_ideal(self) -> bool:
        """Whether it changes nothing."""
        return self == self.ideal()


def row(value: Row, like: torch.Tensor) -> float | torch.Tensor:
    """A setting as a factor of (paths, n)."""
    return value if isinstance(value, float) else like.new_tensor(value)
