"""When a held loop rings apart: how one tick multiplies a deviation of the narrowest mode.

A score pulls a mode of variance v back with strength 1/v. Held for a tick it pulls too far, and
beyond a length of tick every deviation comes back larger and with the other sign. For one RC node
in units of its own time the exact tick is stable while (1 - e^-h)(2/v - 1) < 2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.control.loop import Loop, Ticks

__all__ = ["stability_margins"]


def stability_margins(loop: Loop, ticks: Ticks) -> NDArray[np.float64]:
    """Numbers below 1 where the closed loop of the narrowest mode does not ring apart, (N,).

    On a mode of variance v, at the noise level that the tick ends with, the controlled drift is
    (m - w/v) x beside the free -a x. One tick multiplies a deviation by e^{-ah} + (1 - e^{-ah})
    (m - w/v)/a when held, by 1 + h (m - w/v - a) under Euler and Heun, and (to the bound used here)
    by e^{-ah} (1 + h (m - w/v)) under splitting; no eigenvalue may fall below -1. Growth of the
    reverse flow itself (a little above 1) is no instability.

    Args:
        loop: on data of the narrowest mode's variance.
        ticks: the grid.
    """
    step = max(1, 2**20 // loop.data.size)
    parts = [slice(i, min(i + step, len(ticks))) for i in range(0, len(ticks), step)]
    return np.concatenate([_margins(loop, ticks, part) for part in parts])


def _margins(loop: Loop, ticks: Ticks, part: slice) -> NDArray[np.float64]:
    x, span, heat = loop.algebra, ticks.length[part], ticks.heat[part]
    late = slice(part.start + 1, part.stop + 1)
    gain, _ = loop.sources(*loop.level(ticks, late), heat)
    h = loop.lift(span)
    if loop.stepper == "exact":
        decay, _ = loop.whole.at(span)
        held = loop.beside(loop.whole.sums(decay, span))
        factor = loop.beside(decay) + x.times(held, gain)
    elif loop.stepper == "splitting":
        factor = x.times(loop.beside(loop.whole.at(span)[0]), x.one + h * gain)
    else:
        factor = x.one + h * (gain - loop.own)
    if loop.own.ndim == 2:
        factor = np.linalg.eigvals(factor).real
    return -factor.reshape(len(span), -1).min(1)
