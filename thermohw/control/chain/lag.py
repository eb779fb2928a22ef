r"""What a source remembers: the linear system between the value that was set and the node.

    c' = -droop c                 the held value, set anew when a value arrives
    d' = (c - d)/tau_s            the converter's output, where it takes time to settle
    e' = p (d - e)                the amplifier's output, where it has a pole; |e'| <= slew

The states w = (c, d, e), those that exist, obey w' = M w with M lower triangular; the source is the
last of them. All start at rest, 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

__all__ = ["Lag"]


@dataclass(frozen=True)
class Lag:
    """Memory of the sources.

    Attributes:
        droop: rate of decay of a held value.
        rates: 1/tau_s and p, those that are finite, in the chain's order.
        slew: largest rate of change of the last state.
    """

    droop: float = 0.0
    rates: tuple[float, ...] = ()
    slew: float = inf

    @property
    def is_ideal(self) -> bool:
        """Whether a source is what it was set to, from one value to the next."""
        return self.droop == 0.0 and not self.rates and self.slew == inf

    @property
    def states(self) -> int:
        """How many numbers a source remembers; a slew limit needs its own output."""
        return 1 + len(self.rates) + (not self.rates and self.slew < inf)

    @property
    def fastest(self) -> float:
        """The largest rate."""
        return max(self.droop, *self.rates, 0.0)

    @property
    def matrix(self) -> NDArray[Any]:
        """M, shape (states, states)."""
        m = np.zeros((1 + len(self.rates),) * 2)
        m[0, 0] = -self.droop
        for i, rate in enumerate(self.rates, start=1):
            m[i, i - 1 : i + 1] = rate, -rate
        return m

    def start(self, paths: int, sources: int, like: torch.Tensor) -> torch.Tensor:
        """At rest, shape (paths, states, sources)."""
        return like.new_zeros(paths, self.states, sources)

    def advance(self, states: torch.Tensor, h: float) -> torch.Tensor:
        """The states a time h later, shape (paths, states, sources); slew-limited at the end."""
        if self.slew == inf:
            return apply(scipy.linalg.expm(self.matrix * h), states)
        before, rest = states[:, -1], states
        if self.rates:
            wanted = apply(scipy.linalg.expm(self.matrix * h), states)
        else:  # the output is a state of its own that follows at once
            held = apply(scipy.linalg.expm(self.matrix * h), rest[:, :1])
            wanted = held.repeat(1, 2, 1)
        change = (wanted[:, -1] - before).clamp(-self.slew * h, self.slew * h)
        return wanted.index_copy(
            1, states.new_tensor([self.states - 1]).long(), (before + change)[:, None]
        )


def apply(matrix: NDArray[Any], states: torch.Tensor) -> torch.Tensor:
    """A matrix on the states (paths, states, sources) of every path and source."""
    import torch

    return torch.einsum("ij,pjs->pis", states.new_tensor(matrix), states)
