r"""Are these points in a target's model units? Grey levels in their place are a common slip.

With m and C the target's mean and covariance

    size^2 = mean |x - m|^2 / tr C

has expectation 1. By Markov's inequality a law of these moments gives size > 6 with probability
below 1/36 whatever its tails and however few the points; grey levels in place of model units give
50 and more. Too small a size (below 1/3) can be chance only in few points: with n tr(C)^2/tr(C^2)
>= 200 independent numbers the mean of squares would have to lie eight of its Gaussian standard
errors low.
"""

from __future__ import annotations

import math

import numpy as np

from thermohw.errors import InputError
from thermohw.target.base import Target

__all__ = ["refuse_units"]

_LARGE, _SMALL, _ENOUGH = 6.0, 1.0 / 3.0, 200.0


def refuse_units(x: np.ndarray, target: Target, what: str = "held-out points") -> None:
    """Refuse points whose spread is not that of the target in model units.

    Args:
        x: shape (n, dim), finite.
        target: the data.
        what: the points' name in the message.

    Raises:
        InputError: with the measured and the expected mean and deviation.
    """
    total = float(np.trace(target.covariance))
    size = math.sqrt(float(np.square(x - target.mean).sum(1).mean()) / total)
    numbers = len(x) * total**2 / float(np.square(target.covariance).sum())
    if size <= _LARGE and (size >= _SMALL or numbers < _ENOUGH):
        return
    expected = math.sqrt(total / target.dim)
    raise InputError(
        f"{what} are not in the model units of {target.name}: their mean is "
        f"{x.mean():.4g} and their deviation {x.std():.4g}, expected are {target.mean.mean():.4g} "
        f"and {expected:.4g} ({size:.3g} times the expected distance from the mean); "
        "convert data by target.to_model",
        where="points",
    )
