r"""What a small kick tells: the response of the end to a push on the way measures information.

Generation decides which hump it ends in. m_0 = tanh(mu x_0/sigma^2), the sign of x_0 for two
deltas, is what the end state says of the hump, and its mean given x_t is m_t = tanh(c x/D)
(c = decay mu, D = decay^2 sigma^2 + noise). A state that is pushed by delta at model time t
therefore changes the mean of m_0 by

    chi_kick(t) = d<m_0>/d delta = E[d m_t/dx] = (c/D) mmse(c^2/D),

and the information that x_t has of the hump changes, along noising, at

    -dI/dt = (g^2/2) (c/D) chi_kick          (OU: g^2/2 = 1)

because d(c^2/D)/dt = -g^2 c^2/D^2 under every isotropic process. So kicks on a circuit MEASURE
information; their weighted integral over all times is I(0), what x_0 itself tells (ln 2 for two
deltas). chi_kick has a maximum, but it is no critical peak: it stays finite and smooth, and does
not lie at the time of symmetry breaking.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy

from thermohw.process import OU, Process
from thermohw.transitions.one_bit import bit_information, mmse
from thermohw.transitions.two_humps import TwoHumps

__all__ = [
    "KickPeak",
    "class_information",
    "class_observable",
    "information_rate",
    "kick_peak",
    "kick_response",
]

_POINTS = 400


@dataclass(frozen=True)
class KickPeak:
    """The largest response to a kick; smooth and finite, not a critical one.

    Attributes:
        time: model time of the kick.
        response: chi_kick there, 1/model unit.
    """

    time: float
    response: float


def kick_response(humps: TwoHumps, t: float, process: Process | None = None) -> float:
    """chi_kick(t), 1/model unit: change of <m_0> for each unit that x_t is pushed.

    Args:
        humps: the data.
        t: model time of the push.
        process: an isotropic one. Default: OU.

    Raises:
        InputError: a negative time, or a process with matrices.
    """
    centre, width = humps.at(t, process)
    return centre / width * mmse(centre**2 / width) if width > 0.0 else 0.0


def class_information(humps: TwoHumps, t: float, process: Process | None = None) -> float:
    """What x_t tells of its hump, nats; arguments and errors of `kick_response`."""
    return bit_information(humps.snr(t, process))


def information_rate(humps: TwoHumps, t: float, process: Process | None = None) -> float:
    """-dI/dt along noising, nats per model time: (g^2/2)(c/D) chi_kick; see `kick_response`."""
    centre, width = humps.at(t, process)
    if not width > 0.0:
        return 0.0
    power = float((OU() if process is None else process).diffusion(t))
    return 0.5 * power * centre / width * kick_response(humps, t, process)


def class_observable(humps: TwoHumps) -> Callable[[np.ndarray], np.ndarray]:
    """m_0(x_0): the odds of the right hump less those of the left one, any shape."""
    if humps.variance == 0.0:
        return np.sign
    return lambda x: np.tanh(humps.mu / humps.variance * np.asarray(x, dtype=np.float64))


def kick_peak(humps: TwoHumps, process: Process | None = None) -> KickPeak:
    """Where a kick is answered most, over 0 < t < duration; it may be at the end of the range."""
    process = OU() if process is None else process

    def response(t: float) -> float:
        return kick_response(humps, float(t), process)

    times = np.geomspace(1e-6, 1.0, _POINTS) * process.duration
    best = int(np.argmax([response(t) for t in times]))
    bracket = times[max(best - 1, 0)], times[min(best + 1, _POINTS - 1)]
    found = scipy.optimize.minimize_scalar(lambda t: -response(t), bounds=bracket,
                                           method="bounded", options={"xatol": 1e-10})  # fmt: skip
    time = float(found.x)
    assert math.isfinite(time)
    return KickPeak(time, response(time))
