"""The heat of every bath against its conditional mean: a check that no other bath can hide behind.

The first law sees only the sum of all heats. In a clocked run each bath's heat has a known mean
given the state and the input at every tick (`thermohw.books.balance`); the run sums it up beside
the ledger. The difference of the two, path by path, has mean zero, whatever the score, the
converters or the tick length. So has that of sum_k Q_k/T_k, which is judged beside the baths of a
circuit that has several: it is what the second law counts, and known far better than the sum of
their errors. The largest deviation of all is judged
as the largest of as many independent ones would be, and the power is that of such a comparison:
what the bath that is named would have had to be off by.
"""

from __future__ import annotations

from math import sqrt

import numpy as np

from thermohw.audit.recorded import Recorded
from thermohw.audit.verdict import Check, not_applicable
from thermohw.books.balance import watched_ticks
from thermohw.estimate import Estimate, judge, largest_of

__all__ = ["bath_heat"]


def bath_heat(recorded: Recorded) -> Check:
    """Mean heat of each bath, ledger against conditional mean."""
    name = "bath_heat"
    if recorded.balance is None:
        return not_applicable(name, _why_not(recorded))
    scales, heats, gaps = _rows(recorded)
    names = [f"bath {bath}" for bath in recorded.baths] + ["sum of Q_k/T_k"]
    count = len(gaps)
    z = np.array([0.0 if gap.value == gap.stderr == 0.0 else gap.z() for gap in gaps])
    worst = int(np.argmax(np.where(np.isnan(z), np.inf, np.abs(z))))
    single = largest_of(float(z[worst]), count)
    powers = np.array([gap.power(count=count) for gap in gaps])
    heat, gap, scale = float(heats[worst]), gaps[worst], float(scales[worst])
    detail = (
        f"{names[worst]} deviates most of {count}: heat {heat:.5f} kT, its conditional mean tick "
        f"by tick {heat - gap.value:.5f} +- {gap.stderr:.5f}, z = {z[worst]:+.2f} ({single:+.2f} "
        f"as one of {count}); rms {sqrt(float(np.mean(z**2))):.2f}"
        f"{_moved(recorded.baths, heats, powers)}"
    )
    plan = recorded.plan
    watched = len(watched_ticks(plan.protocol.board, plan.schedule.ticks))
    if watched < plan.schedule.ticks:
        detail += f"; in {watched} of {plan.schedule.ticks} ticks"
    return Check(
        name,
        judge(single),
        heat / scale,
        (heat - gap.value) / scale,
        gap.stderr / scale,
        detail,
        power=float(powers[worst]) / scale,
    )


def _rows(recorded: Recorded) -> tuple[np.ndarray, np.ndarray, list[Estimate]]:
    """Unit, mean heat and heat less its conditional mean of every bath and, of several, of
    sum_k Q_k/T_k.

    The means are those of the stored ledger; only errors come from the sums kept during the run.
    """
    assert recorded.balance is not None
    n, sums = recorded.paths, np.asarray(recorded.balance, dtype=np.float64)
    temperatures = recorded.setting.device.temperatures
    heats = np.array([recorded.moments[f"heat.{bath}"].value for bath in recorded.baths])
    scales = temperatures
    if len(sums) > len(heats) > 1:
        heats = np.append(heats, (heats / temperatures).sum())
        scales = np.append(temperatures, 1.0)
    gaps = []
    for heat, (expected, gap, square, *cubes) in zip(heats, sums, strict=False):
        mean = gap / n
        centred = max(square - n * mean**2, 0.0)
        cube = cubes[0] - 3.0 * mean * square + 2.0 * n * mean**3 if cubes else 0.0
        gaps.append(Estimate.from_sums(n, float(heat - expected / n), centred, float(cube)))
    return scales, heats, gaps


def _moved(baths: tuple[str, ...], heats: np.ndarray, powers: np.ndarray) -> str:
    """What share of the largest heat could have been booked to another bath unseen.

    It is missing in one and too much in the other; the more sensitive of the two tells.
    """
    if len(baths) < 2:
        return ""
    large = int(np.abs(heats[: len(baths)]).argmax())
    others = np.delete(powers[: len(baths)], large)
    share = float(np.minimum(others, powers[large]).max() / abs(heats[large]))
    return f"; {100.0 * share:.2g} % of the heat of {baths[large]} in any other bath would be seen"


def _why_not(recorded: Recorded) -> str:
    if not recorded.clocked:
        return (
            "a continuously controlled source works inside the step: the mean of a step's heat "
            "given its start is known up to O(h) only, and one run does not measure that error"
        )
    if not recorded.plan.chain.lag.is_ideal:
        return "sources with a memory do not rest between decisions"
    return "the run recorded no conditional means"
