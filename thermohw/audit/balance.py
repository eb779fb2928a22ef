"""The heat of every bath against its conditional mean: a check that no other bath can hide behind.

The first law sees only the sum of all heats. In a clocked run of uncoupled nodes each bath's heat
has a known mean given the state and the input at every tick (`thermohw.thermo.balance`); the run
sums it up beside the ledger. The difference of the two, path by path, has mean zero, whatever the
score, the converters or the tick length. The largest deviation of K baths is judged as the largest
of K independent ones would be.
"""

from __future__ import annotations

from math import sqrt

import numpy as np
from scipy.stats import norm

from thermohw.audit.evidence import Evidence
from thermohw.audit.verdict import Check, not_applicable
from thermohw.estimate import judge

__all__ = ["bath_heat"]


def bath_heat(evidence: Evidence) -> Check:
    """Mean heat of each bath, ledger against conditional mean."""
    name, n = "bath_heat", evidence.paths
    if evidence.balance is None:
        return not_applicable(name, _why_not(evidence))
    expected, gap, square = evidence.balance.T / n
    deviation = np.sqrt(np.maximum(square - gap**2, 0.0) / max(n - 1, 1))
    temperatures = evidence.setting.device.temperatures
    baths = evidence.baths
    heat = np.array([evidence.moments[f"heat.{bath}"].value for bath in baths])
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.nan_to_num((heat - expected) / deviation, nan=0.0)
    worst = int(np.abs(z).argmax())
    # As improbable for the largest of K as this z is for a single one.
    chance = -np.expm1(len(z) * np.log1p(-2.0 * norm.sf(abs(z[worst]))))
    single = float(np.sign(z[worst]) * min(norm.isf(0.5 * chance), 40.0))
    detail = (
        f"bath {baths[worst]} deviates most of {len(baths)}: heat {heat[worst]:.5f} kT, its "
        f"conditional mean tick by tick {expected[worst]:.5f} +- {deviation[worst]:.5f}, "
        f"z = {z[worst]:+.2f} ({single:+.2f} as one of {len(baths)}); rms over baths "
        f"{sqrt(float(np.mean(z**2))):.2f}"
    )
    scale = float(temperatures[worst])
    return Check(
        name,
        judge(single),
        heat[worst] / scale,
        expected[worst] / scale,
        deviation[worst] / scale,
        detail,
    )


def _why_not(evidence: Evidence) -> str:
    if not evidence.clocked:
        return "a continuously controlled source works inside the step; its heat is not conditional"
    if not evidence.setting.device.uncoupled:
        return "coupled nodes book conditional means already"
    return "the run recorded no conditional means"
