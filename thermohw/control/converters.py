"""Readings and converters between the node and the controller.

Chain: node voltage -> reading noise -> ADC -> score -> DAC -> held source. A B-bit converter over
    [low, high] is mid-tread:
LSB = (high - low)/2^B, codes -2^(B-1) .. 2^(B-1) - 1 around the middle of the range, clipped, so
that the middle is a code and a quiet input stays quiet.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from thermohw.errors import InputError

if TYPE_CHECKING:
    import torch

__all__ = ["Converter"]


@dataclass(frozen=True)
class Converter:
    """A uniform quantiser.

    Attributes:
        bits: number of bits B.
        low: lower end of the range (thermal units).
        high: upper end.
    """

    bits: int
    low: float
    high: float

    def __post_init__(self) -> None:
        if not 1 <= self.bits <= 32:
            raise InputError(f"bits = {self.bits}: expected 1 to 32", where="protocol converter")
        if not self.low < self.high:
            raise InputError(f"range [{self.low}, {self.high}]: expected low < high",
                             where="protocol converter")  # fmt: skip

    @property
    def lsb(self) -> float:
        """Least significant bit, in the units of the range."""
        return (self.high - self.low) / 2**self.bits

    def __call__(self, value: torch.Tensor) -> torch.Tensor:
        """The nearest code's value, clipped to the range; any shape."""
        return self.code(value) * self.lsb + 0.5 * (self.low + self.high)

    def code(self, value: torch.Tensor) -> torch.Tensor:
        """The nearest code, -2^(B-1) .. 2^(B-1) - 1, as whole floats of the value's dtype."""
        middle, half = 0.5 * (self.low + self.high), 2 ** (self.bits - 1)
        return ((value - middle) / self.lsb).round().clamp(-half, half - 1)

    def clipped(self, value: torch.Tensor) -> torch.Tensor:
        """Which values lie outside the codes, same shape, bool."""
        middle, half = 0.5 * (self.low + self.high), 2 ** (self.bits - 1)
        code = ((value - middle) / self.lsb).round()
        return (code < -half) | (code > half - 1)
