r"""Whether a grid of ticks may be played, and how many ticks would do.

Bias: a grid may move the law of the samples by at most `CAP` of the narrowest mode's standard
deviation (`thermohw.control.bias`).

Stability: on a mode of variance v the score is -x/v, and holding it for h multiplies a deviation by
e^{-h} + (1 - e^{-h})(m - w/v); the loop rings apart unless (1 - e^{-h})(1 - m + w/v) < 2 at every
tick, with v at the noise level that the tick ends with, its smallest. (The law of the level it
starts with is softer by just enough never to ring: a grid that breaks the rule then smears the
mode instead, 2.5 times too wide at the limit, and in proportion to h beyond it.) Such a grid is
refused with the number of ticks that would do.
"""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from thermohw.control.bias import CAP, Bias
from thermohw.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from thermohw.control.schedule import Schedule

__all__ = ["Judgement", "require_stable"]


class Judgement(NamedTuple):
    """What a grid does.

    Attributes:
        margin: below 1 where no tick rings.
        tick: the one with the largest margin.
        found: bias of the samples' law; None where a tick rings.
    """

    margin: float
    tick: int
    found: Bias | None

    @property
    def bias(self) -> float:
        """In standard deviations of the narrowest mode; infinite where a tick rings."""
        return np.inf if self.found is None else self.found.worst

    @property
    def fine(self) -> bool:
        """Neither rings nor moves the law by more than `CAP`."""
        return self.margin < 1.0 and self.bias <= CAP


def require_stable(
    schedule: Schedule,
    judge: Callable[[Schedule], Judgement],
    rebuild: Callable[[int], Schedule],
    *,
    narrowest: float,
    most: int,
    unit: Callable[[], str | None],
) -> Bias | None:
    """Refuse a grid on which the held loop would ring apart, or that moves the law of the samples.

    Args:
        schedule: the grid to judge.
        judge: grid -> what it does.
        rebuild: ticks -> the same kind of grid with that many ticks, to find the number that is
            enough.
        narrowest: variance of the narrowest mode, for the message.
        most: ticks that no run may exceed.
        unit: says what is wrong with volts_per_unit where that is at fault, else None.

    Returns:
        The bias of a grid that is not refused.

    Raises:
        InputError: naming the first unstable tick or the bias, and the number of ticks needed.
    """
    found = judge(schedule)
    if found.fine:
        return found.found
    enough = _enough(schedule.ticks, found, lambda ticks: judge(rebuild(ticks)), most)
    advice = f"no grid of up to {most} ticks is enough"
    if enough is not None:
        advice = f"about {enough} ticks are enough"
    length = float(schedule.relaxations[found.tick])
    problem = (
        f"tick {found.tick} lasts {length:.3g} RC, too long for the narrowest mode (variance "
        f"{narrowest:.3g}): a loop held that long is unstable"
    )
    if found.found is not None:
        problem = f"its ticks bias the samples by {found.found.text()}, more than {CAP:g}"
    fault = unit()
    raise InputError(
        f"ticks = {schedule.ticks} ({schedule.grid}): {problem}; "
        f"{'too few ticks' if fault is None else fault}; {advice}",
        where="protocol.ticks",
    )


def _enough(
    ticks: int, found: Judgement, judge: Callable[[int], Judgement], most: int
) -> int | None:
    """Ticks that are enough, to a percent; None where `most` are too few."""
    few, low, enough, high = ticks, found, ticks, found
    while not high.fine:
        if enough == most:
            return None
        few, low = enough, high
        enough = min(2 * enough, most)
        high = judge(enough)
    while enough - few > max(1, enough // 100):
        middle = (few + enough) // 2
        if np.isfinite(low.bias) and low.bias > high.bias > 0.0:  # a power of the ticks, nearly
            power = log(enough / few) / log(low.bias / high.bias)
            aim = 1.004 * few * (low.bias / CAP) ** power
            aim = 0.991 * enough if aim > 0.995 * enough else aim
            middle = min(max(int(aim), few + 1), enough - 1)
        made = judge(middle)
        if made.fine:
            enough, high = middle, made
        else:
            few, low = middle, made
    return enough
