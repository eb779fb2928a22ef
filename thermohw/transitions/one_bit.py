r"""One bit seen in Gaussian noise: what is told of it, and what is left in doubt.

    y = sqrt(snr) b + z,    b = +-1 with equal odds,  z ~ N(0, 1)

The log odds of b = 1 are 2 sqrt(snr) y; given b they are normal, of mean 2 snr b and variance
4 snr: their mean M = 2 snr says everything. E[b|y] = tanh(sqrt(snr) y), and

    mmse(snr)  = E[1 - tanh^2] = e^{-snr/2} int phi(y) sech(a) dy,           a = sqrt(snr) y
    doubt(snr) = H(b|y)        = e^{-snr/2} int phi(y) cosh(a) h(a) dy,      h entropy of one answer
    I(snr)     = ln 2 - doubt,       dI/dsnr = mmse/2   (Guo, Shamai and Verdu 2005)

Both integrands are positive, so that nothing cancels where next to nothing is in doubt. Their
poles lie at |Im y| = pi/(2 sqrt(snr)); the trapezoidal rule with a sixth of that for a step, at
most 0.2, is exact to round-off.

Everything about two classes that are equally likely, share a covariance and are Gaussian at a
model time t follows from snr(t), a quarter of their squared Mahalanobis distance.

Reference: D. Guo, S. Shamai and S. Verdu, IEEE Trans. Inf. Theory 51, 1261 (2005).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from thermohw.errors import InputError

__all__ = ["bit_doubt", "bit_information", "mmse"]

_FAR = 9.5  # deviations: e^{-y^2/2} is 3e-20
_SURE = 45.0  # sech of it is 6e-20
_STEP, _OF_POLE = 0.2, 0.25


def mmse(snr: float) -> float:
    """Mean squared error of the best guess of b = +-1: from 1 (snr 0) to 0 (infinite snr).

    Args:
        snr: 0 to infinity.

    Raises:
        InputError: a negative snr, or none.
    """
    return _folded(snr, lambda a: 1.0 / np.cosh(a))


def bit_doubt(snr: float) -> float:
    """Entropy of b given y, nats, from ln 2 to 0; arguments and errors of `mmse`."""
    return _folded(snr, _doubt)


def bit_information(snr: float) -> float:
    """What y tells of b, nats, from 0 to ln 2; arguments and errors of `mmse`."""
    return math.log(2.0) - bit_doubt(snr)


def _doubt(a: np.ndarray) -> np.ndarray:
    """cosh(a) times the entropy of an answer with odds e^{2a}."""
    size = np.abs(a)
    entropy = np.log1p(np.exp(-2.0 * size)) + 2.0 * size / (1.0 + np.exp(2.0 * size))
    return np.cosh(size) * entropy


def _folded(snr: float, shape: Callable[[np.ndarray], np.ndarray]) -> float:
    """e^{-snr/2} E[shape(sqrt(snr) y)] for normal y."""
    if not snr >= 0.0:
        problem = f"a signal-to-noise ratio is 0 or more, got {snr!r}"
        raise InputError(problem, where="transitions.snr")
    if math.isinf(snr):
        return 0.0
    slope = math.sqrt(snr)
    reach = min(_FAR, _SURE / slope) if slope > 0.0 else _FAR
    count = math.ceil(reach / min(_STEP, _OF_POLE / slope if slope > 0.0 else _STEP))
    y = np.linspace(-reach, reach, 2 * count + 1)
    weight = np.exp(-0.5 * np.square(y)) * (reach / count) / math.sqrt(2.0 * math.pi)
    return math.exp(-0.5 * snr) * float(weight @ shape(slope * y))
