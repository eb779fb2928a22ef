r"""The reading converter: noise of its own, an uncertain instant, then codes.

    r -> Q(r + sigma_a xi),      Q mid-tread (`thermohw.control.converters`)
    sigma_a^2 = (LSB^2/12)(4^(B - ENOB) - 1)  +  2 D sigma_t sqrt(2/pi)

A converter whose effective number of bits ENOB is below B has that much more noise than LSB^2/12.
An aperture that opens delta early or late reads a diffusing node at another place: E (v' - v)^2 = 2
D |delta|, with 2 D = 2kT/(R C^2) the node's own diffusion and E |delta| = sigma_t sqrt(2/pi). For a
sine wave of frequency f the same jitter would be the familiar -20 log10(2 pi f sigma_t) dB; a noise
node has no largest f, hence the law linear in sigma_t.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import pi, sqrt
from typing import TYPE_CHECKING

from thermohw.control.chain.stage import Stage

if TYPE_CHECKING:
    import torch

    from thermohw.control.converters import Converter

__all__ = ["ADC"]


@dataclass(frozen=True)
class ADC(Stage):
    """A reading converter.

    Attributes:
        converter: its codes; None for infinitely many.
        enob: effective number of bits; None for as many as it has.
        jitter: standard deviation of the sampling instant.
        diffusion: 2 D of a node, volt^2 per unit of time.
    """

    converter: Converter | None = None
    enob: float | None = None
    jitter: float = 0.0
    diffusion: float = 0.0

    @property
    def noise(self) -> float:
        """Standard deviation of the Gaussian noise before the codes, volts."""
        variance = self.diffusion * self.jitter * sqrt(2.0 / pi)
        if self.converter is not None and self.enob is not None:
            missing = 4.0 ** (self.converter.bits - self.enob) - 1.0
            variance += self.converter.lsb**2 / 12.0 * missing
        return sqrt(variance)

    def __call__(self, reading: torch.Tensor) -> torch.Tensor:
        """The code's value; the noise is added by the controller."""
        return reading if self.converter is None else self.converter(reading)
