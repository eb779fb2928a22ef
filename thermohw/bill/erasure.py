"""Landauer's least cost of forgetting what the readings told."""

from __future__ import annotations

from math import inf, isfinite
from typing import TYPE_CHECKING, NamedTuple

from thermohw.bill.bill import BillLine
from thermohw.books.information import BY_NOISE, analog_filter, converter_bounds
from thermohw.errors import InputError
from thermohw.integrate import start_law

if TYPE_CHECKING:
    from thermohw.control import Plan
    from thermohw.target import Target

__all__ = ["Told", "erasure_line", "foretold"]


class Told(NamedTuple):
    """What readings tell a controller, nats per sample.

    Attributes:
        most: an upper bound; infinite for exact readings.
        exact: it is the transfer entropy and no mere bound.
        source: what a bound follows from.
    """

    most: float
    exact: bool
    source: str


def erasure_line(plan: Plan, told: Told | None) -> BillLine:
    """k T for every nat; None where that is infinite (and then it is no part of a total) or where
    nothing is read.

    Args:
        plan: of the run.
        told: what its readings tell; None where that is not known.
    """
    name = "cost.erasure"
    if plan.protocol.control != "clocked":
        reason = "continuous control takes no readings that would have to be erased"
        return BillLine(name, None, None, None, "", "", None, reason)
    if told is None:
        return BillLine(name, None, None, None, "", "", None, "what readings tell is not known")
    if not isfinite(told.most):
        reason = "exact readings would fill an infinite memory"
        return BillLine(name, None, None, None, "", "", None, reason, applies=False)
    bound, source = ("at least", "acquired") if told.exact else ("at most", f"({told.source})")
    note = f"{bound} k T for each of {told.most:.4g} nats {source}"
    value = plan.protocol.device.scale.energy * told.most
    landauer = "R. Landauer, IBM J. Res. Dev. 5, 183 (1961)"
    least = value if told.exact else 0.0  # of a bound nothing is known but its end
    return BillLine(name, value, least, value, note, landauer, "derived", note, told.most)


def foretold(plan: Plan, target: Target | None, start: str | None, prior: str) -> Told | None:
    """What a run's readings are going to tell, from its start law and filter alone.

    Args:
        plan: of the run.
        target: the data.
        start: kind of start, as of `th.simulate`.
        prior: likewise.
    """
    if plan.adc is None and plan.reading_noise == 0.0:
        return Told(inf, False, "")
    known = plan.protocol.score.exact
    kind = start or ("marginal" if known else "prior")
    try:
        law = start_law(plan, kind, target=target, prior=prior)
    except InputError:
        return None
    protocol = plan.protocol
    mean = protocol.to_thermal(law.mean)
    covariance = protocol.covariance_to_thermal(law.covariance)
    if plan.adc is not None:
        bounds = converter_bounds(plan, mean, covariance)
        source = min(bounds, key=bounds.__getitem__)
        return Told(bounds[source], False, source)
    kalman = analog_filter(plan, mean, covariance)
    nats = float(sum(reading.information for reading in kalman.readings))
    return Told(nats, law.gaussian, "" if law.gaussian else BY_NOISE)
