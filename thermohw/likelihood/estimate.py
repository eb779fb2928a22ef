r"""From one value per path to a number with its standard error.

Every integral of this room is kept as an array `samples`, one entry per held-out point, so that a
difference of two terms that share their noise gets the standard error of the difference, not the
sum of two large ones:

    value = mean(samples) + constant,      stderr = std(samples, ddof=1)/sqrt(n).

An exact expectation (quadrature over a known law) is an array with the single entry E: its
standard error is zero. A constant that was itself estimated brings an independent error, added in
quadrature. Units: whatever the samples have (nats here).
"""

from __future__ import annotations

import numpy as np
from torch import Tensor

from thermohw.estimate import Estimate

__all__ = ["Estimate", "estimate"]


def estimate(samples: Tensor | np.ndarray, *independent: Estimate) -> Estimate:
    """Mean of per-path samples plus independently estimated constants.

    Args:
        samples: one value per path, shape (paths,); shape (1,) means an exact expectation.
        independent: constants to add, whose errors are independent of the samples'.

    Returns:
        The sum with its standard error.
    """
    values = np.asarray(samples, dtype=np.float64)
    assert values.ndim == 1 and values.size > 0, "one value per path"
    total = Estimate.from_paths(values) if values.size > 1 else Estimate(float(values[0]), 0.0)
    for term in independent:
        total = total + term
    return total
