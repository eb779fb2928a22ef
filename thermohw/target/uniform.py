r"""Uniform pixels: dequantised 8-bit images of pure noise, whose every entropy is known.

A grey level n = 0..255 plus uniform noise on [0, 1) is uniform on [0, 256): data units are grey
levels, S0 = d ln 256 nats exactly (and 0 in model units, where a pixel is uniform on [0, 1)).

    data = 256 x,     mean 1/2 and variance 1/12 a pixel in model units

`centred = true` moves the origin to the mean, x in [-1/2, 1/2): the published set-up is uncentred,
and there KL(p_T || prior) is dominated by the mean.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from thermohw.errors import InputError
from thermohw.intake import whole
from thermohw.target.base import Target

if TYPE_CHECKING:
    from torch import Tensor

    from thermohw.noise import Random

__all__ = ["UniformPixels", "uniform_pixels"]

LEVELS = 256
MOST_SIDE = 1024  # a million coordinates


class UniformPixels(Target):
    """Independent pixels, each uniform on [low, low + 1) in model units.

    Attributes:
        low: lower edge of a pixel in model units, 0 or -1/2.
    """

    kind = "uniform_pixels"
    scale = float(LEVELS)

    def __init__(self, side: int, centred: bool) -> None:
        self.side, self.centred = side, centred
        self.low = -0.5 if centred else 0.0
        self.dim = side * side
        self.name = f"uniform {side} x {side} pixels"
        self.image_shape = (side, side)
        self.shift = np.full(self.dim, -self.low * LEVELS)
        self.entropy = self.dim * math.log(LEVELS)
        self.mean = np.full(self.dim, self.low + 0.5)
        self.covariance = np.eye(self.dim) / 12.0
        self.narrowest = 1.0 / 12.0

    def sample(self, n: int, generator: Random) -> Tensor:
        """Draw n images, shape (n, dim), float64, model units."""
        from thermohw.noise import uniform

        return uniform(n, self.dim, generator).add_(self.low)

    def to_dict(self) -> dict[str, Any]:
        """Kind and parameters."""
        return {"kind": self.kind, "side": self.side, "centred": self.centred}


def uniform_pixels(side: int = 1, *, centred: bool = False) -> UniformPixels:
    """Dequantised 8-bit uniform images of side x side pixels.

    Args:
        side: pixels along one edge, >= 1.
        centred: put the origin of the model units at the mean.

    Returns:
        The target; data units are grey levels 0..256.

    Raises:
        InputError: side is not a positive whole number.
    """
    side = whole(side, 1, "target.side", most=MOST_SIDE)
    if not isinstance(centred, bool):
        raise InputError(f"expected true or false, got {centred!r}", where="target.centred")
    return UniformPixels(side, centred)
