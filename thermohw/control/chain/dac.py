r"""The source converter: codes that are not quite where they should be, and an output that settles.

    c -> Q(c) + LSB inl(code),        then  d' = (c - d)/tau_s

The curve is fixed for a converter: with x = 2 code/(2^B - 1) - 1 in [-1, 1] and B bits,

    inl(code) = inl (1 - x^2) + (sum of independent steps of deviation dnl, tied down at both ends)

so that `inl` is the peak of a bow and `dnl` the deviation of the step between neighbouring codes,
both in LSB. The seed says which converter it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from thermohw.control.chain.stage import Stage

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from thermohw.control.converters import Converter

__all__ = ["DAC", "code_curve"]


@lru_cache(maxsize=64)
def code_curve(bits: int, inl: float, dnl: float, seed: int) -> NDArray[Any]:
    """Deviation of every code's value in LSB, shape (2^bits,), zero at both ends."""
    count = 2**bits
    x = np.linspace(-1.0, 1.0, count)
    steps = np.random.default_rng(np.random.SeedSequence(seed)).standard_normal(count - 1)
    walk = np.concatenate([[0.0], dnl * np.cumsum(steps)])
    return inl * (1.0 - x**2) + walk - walk[-1] * 0.5 * (1.0 + x)


@dataclass(frozen=True)
class DAC(Stage):
    """A source converter.

    Attributes:
        converter: its codes; None for infinitely many.
        inl: peak of the bow, LSB.
        dnl: deviation of a step, LSB.
        seed: which converter.
        settling: time constant of its output; 0 settles at once.
    """

    converter: Converter | None = None
    inl: float = 0.0
    dnl: float = 0.0
    seed: int = 0
    settling: float = 0.0

    def __call__(self, command: torch.Tensor) -> torch.Tensor:
        """The settled output for a wanted value, any shape."""
        if self.converter is None:
            return command
        value = self.converter(command)
        if self.inl == 0.0 and self.dnl == 0.0:
            return value
        codes = self.converter.code(value) + 2 ** (self.converter.bits - 1)
        curve = code_curve(self.converter.bits, self.inl, self.dnl, self.seed)
        return value + value.new_tensor(curve * self.converter.lsb)[codes.long()]
