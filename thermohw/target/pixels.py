r"""Gaussian pixels: images of independent Gaussian noise, beside the uniform ones.

A pixel is N(mean, std^2) in model units, where the uniform pixel is uniform on [0, 1): by default
it has that pixel's moments, 1/2 and 1/12. Data units are grey levels of an 8-bit scale, data =
256 x, so that entropies of the two compare directly:

    S0 = d [ (1/2) ln(2 pi e std^2) + ln 256 ] = d 5.721662 by default,    uniform d 5.545177

the uniform law being the one of lower entropy at equal moments, by 0.176485 nats a pixel.
"""

from __future__ import annotations

import math

import numpy as np

from thermohw.errors import InputError
from thermohw.intake import whole
from thermohw.target.gaussian import GaussianMixture
from thermohw.target.law import MixtureLaw
from thermohw.target.uniform import LEVELS, MOST_SIDE

__all__ = ["GaussianPixels", "gaussian_pixels"]

_STD = 1.0 / math.sqrt(12.0)


class GaussianPixels(GaussianMixture):
    """Independent pixels N(mean, std^2) in model units; data units are grey levels of 256."""

    scale = float(LEVELS)

    def __init__(self, side: int, mean: float, std: float, centred: bool) -> None:
        dim = side * side
        centre = np.full((1, dim), 0.0 if centred else mean)
        table = {"kind": "gaussian_pixels", "side": side, "mean": mean, "std": std}
        super().__init__(
            MixtureLaw(np.ones(1), centre, np.full((1, dim), std**2)), table | {"centred": centred}
        )
        self.name = f"Gaussian {side} x {side} pixels"
        self.image_shape = (side, side)
        self.shift = np.full(dim, mean * LEVELS if centred else 0.0)
        self.entropy = dim * (0.5 * math.log(2.0 * math.pi * math.e * std**2) + math.log(LEVELS))


def gaussian_pixels(
    side: int = 1, *, mean: float = 0.5, std: float = _STD, centred: bool = False
) -> GaussianPixels:
    """Images of side x side independent Gaussian pixels.

    Args:
        side: pixels along one edge, >= 1.
        mean: of a pixel, in units of the full scale of 256 grey levels.
        std: standard deviation of a pixel, likewise; default that of a uniform pixel.
        centred: put the origin of the model units at the mean.

    Returns:
        The target; data units are grey levels, full scale 256.

    Raises:
        InputError: side is not a positive whole number, mean not finite, std not positive.
    """
    side = whole(side, 1, "target.side", most=MOST_SIDE)
    for key, value in {"mean": mean, "std": std}.items():
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or not math.isfinite(value) or (key == "std" and value <= 0.0):
            expected = "a positive number" if key == "std" else "a finite number"
            raise InputError(f"expected {expected}, got {value!r}", where=f"target.{key}")
    if not isinstance(centred, bool):
        raise InputError(f"expected true or false, got {centred!r}", where="target.centred")
    return GaussianPixels(side, float(mean), float(std), centred)
