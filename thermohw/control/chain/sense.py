r"""Sensing: what the controller's front end makes of a node voltage.

    r = g v + b + sigma_r xi,        xi standard normal, fresh at every reading

A gain and an offset that nobody knows shift and stretch the law that the controller believes in:
with a linear control law u = -k v of one node of rate a, an offset b moves the mean of the
steady state by -k b/(a + k).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from thermohw.control.chain.stage import Row, Stage, row

if TYPE_CHECKING:
    import torch

__all__ = ["Sense"]


@dataclass(frozen=True)
class Sense(Stage):
    """Gain, offset and noise of a reading.

    Attributes:
        offset: b, volts.
        gain: g.
        noise: sigma_r, volts.
    """

    offset: Row = 0.0
    gain: Row = 1.0
    noise: float = 0.0

    @property
    def exact(self) -> bool:
        """Whether, but for its noise, a reading is the voltage."""
        return self.offset == 0.0 and self.gain == 1.0

    def __call__(self, voltage: torch.Tensor) -> torch.Tensor:
        """g v + b, shape (paths, n); the noise is added by the controller."""
        return voltage if self.exact else voltage * row(self.gain, voltage) + row(
            self.offset, voltage
        )  # fmt: skip

    def undo(self, reading: torch.Tensor) -> torch.Tensor:
        """(r - b)/g: what an observer who knows the front end makes of a reading."""
        if self.exact:
            return reading
        return (reading - row(self.offset, reading)) / row(self.gain, reading)
