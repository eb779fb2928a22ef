r"""The amplifier that drives a source: a follower of finite gain, swing, bandwidth and slew rate.

    c -> clip( (c + b) A0/(1 + A0) )          clip to +-swing, or swing tanh(./swing)
    e' = p (c - e),  |e'| <= slew             p = 2 pi f, f its closed-loop bandwidth

f = (1 + 1/A0) times the gain-bandwidth product. Without a pole and a slew limit e is c at once. A
pole makes the source a state between ticks: it relaxes exponentially while the node follows, which
the exact tick of `thermohw.integrate.lagged` integrates jointly.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

from thermohw.control.chain.stage import Row, Stage, row

if TYPE_CHECKING:
    import torch

__all__ = ["OutputAmplifier"]


@dataclass(frozen=True)
class OutputAmplifier(Stage):
    """A follower.

    Attributes:
        offset: b, in the unit of the source.
        gain: open-loop gain A0; infinite for an ideal one.
        swing: largest output.
        smooth: saturate as tanh instead of clipping.
        pole: p, radians per unit of time; infinite for none.
        slew: largest rate of change; infinite for none.
    """

    offset: Row = 0.0
    gain: float = inf
    swing: float = inf
    smooth: bool = False
    pole: float = inf
    slew: float = inf

    @property
    def settled_is_ideal(self) -> bool:
        """Whether a settled output is the wanted value."""
        return self.offset == 0.0 and self.gain == inf and self.swing == inf

    def __call__(self, command: torch.Tensor) -> torch.Tensor:
        """The settled output, shape (paths, sources)."""
        if self.settled_is_ideal:
            return command
        out = command if self.offset == 0.0 else command + row(self.offset, command)
        if self.gain != inf:
            out = out * (self.gain / (1.0 + self.gain))
        if self.swing == inf:
            return out
        if self.smooth:
            return (out / self.swing).tanh() * self.swing
        return out.clamp(-self.swing, self.swing)
