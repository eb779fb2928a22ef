"""When a held loop rings apart: how one tick multiplies a deviation of the narrowest mode.

A score pulls a mode of variance v back with strength 1/v. Held for a tick it pulls too far, and
beyond a length of tick every deviation comes back larger and with the other sign. For one RC node
in units of its own time the exact tick is stable while (1 - e^-h)(2/v - 1) < 2.
"""

from __future__ import annotations

from math import exp, expm1
from typing import TYPE_CHECKING, Any

import numpy as np

from thermohw.process import Langevin

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from thermohw.control.drive import Drive
    from thermohw.control.protocol import Protocol

__all__ = ["stability_margin"]


def stability_margin(
    protocol: Protocol, drive: Drive, stepper: str
) -> Callable[[float, float, float], float]:
    """(tick length, model time at its end, T/T_ref) -> a number below 1 where the closed loop of
    the narrowest mode does not ring apart.

    On a mode of variance v the controlled drift is (m - w/v) x beside the free -a x. One tick
    multiplies a deviation by e^{-ah} + (1 - e^{-ah})(m - w/v)/a when held, by 1 - a h + h (m - w/v)
    under Euler and Heun, and (to the bound used here) by e^{-ah} (1 + h (m - w/v)) under splitting;
    the factor must stay above -1.
    """
    process, device = protocol.process, protocol.device
    narrowest = protocol.score.narrowest
    if not process.isotropic:
        return _matrix_margin(protocol, drive, stepper)
    leak = float(np.max(np.diag(device.effort_drift)))

    def margin(h: float, t: float, temperature: float) -> float:
        decay, noise = process.transition(t)
        variance = float(decay) ** 2 * narrowest + float(noise)
        kappa = drive.divergence_state / device.dim - leak
        pull = temperature * (float(drive.divergence_score) / variance - kappa) - leak
        if stepper == "exact":
            return -expm1(-leak * h) * (1.0 + pull / leak) / 2.0
        if stepper == "splitting":
            return exp(-leak * h) * (h * pull - 1.0)
        return h * (leak + pull) / 2.0

    return margin


def _matrix_margin(
    protocol: Protocol, drive: Drive, stepper: str
) -> Callable[[float, float, float], float]:
    """The same for a device's own relaxation: spectral radius of one tick's map on a mode of the
    narrowest variance.
    """
    from scipy.linalg import expm

    process, device = protocol.process, protocol.device
    own = device.effort_drift
    turned, parts = own, [np.arange(device.dim)]
    if isinstance(process, Langevin):  # model units; friction alone is turned round
        assert protocol.units is not None
        own = own / protocol.units[:, None] * protocol.units
        turned = 0.5 * (own - process.drift(0.0))
        parts = [places[0] for _, places in process.cells]

    def margin(h: float, t: float, temperature: float) -> float:
        del temperature  # its own relaxation is played at the baths' own temperatures
        covariance = process.narrowest(protocol.score.narrowest, t)
        return max(part_margin(h, t, covariance, np.ix_(part, part)) for part in parts)

    def part_margin(h: float, t: float, covariance: NDArray[Any], part: Any) -> float:
        leak, n = own[part], len(own[part])
        pull = 2.0 * turned[part] - process.diffusion(t)[part] @ np.linalg.inv(covariance[part])
        if stepper == "exact":
            free = expm(-leak * h)
            tick = free + np.linalg.solve(leak, (np.eye(n) - free)) @ pull
        elif stepper == "splitting":
            tick = expm(-leak * h) @ (np.eye(n) + h * pull)
        else:
            tick = np.eye(n) + h * (pull - leak)
        # Growth of the reverse flow itself (radius a little above 1) is no instability: only
        # ringing below -1 is.
        lowest = float(np.linalg.eigvals(tick).real.min())
        return -lowest

    return margin
