"""What the electronics around the circuit cost, joule per sample.

    adc       ticks x nodes conversions x price of one
    dac       ticks x sources conversions x price of one
    score     ticks evaluations x multiply-accumulates of the network x price of one
    erasure   Landauer's k T per nat that the controller acquired: the least that forgetting costs;
              where what it acquired is only bounded (a converter, a start that is not Gaussian)
              that least cost is at most k T per nat of the bound

Prices come from the datasheet; a part that has none, or whose operations cannot be counted (an
exact formula, an analog controller), is unknown, never zero, and so is then the total. Exact
readings would fill an infinite memory: their erasure has no cost to be named and is left out of the
total, which says so. None of this is heat of the circuit's own baths.
"""

from __future__ import annotations

from math import isfinite

from thermohw.audit.information import learned
from thermohw.audit.recorded import Recorded
from thermohw.audit.verdict import Quantity
from thermohw.score import Score
from thermohw.score.network import NetworkScore

__all__ = ["cost_quantities", "multiply_accumulates"]


def cost_quantities(recorded: Recorded) -> dict[str, Quantity]:
    """cost.adc, cost.dac, cost.score, cost.erasure and cost.total, each also as cost.X.J."""
    sheet = recorded.setting.device.datasheet
    prices = {} if sheet is None else sheet.cost.values()
    parts = {
        "adc": _conversions(recorded, prices.get("adc"), "readings"),
        "dac": _conversions(recorded, prices.get("dac"), "sources"),
        "score": _score(recorded, prices.get("mac")),
        "erasure": _erasure(recorded),
    }
    table = {f"cost.{name}": part for name, part in parts.items()}
    endless = recorded.clocked and parts["erasure"].value is None
    summed = {name: part for name, part in parts.items() if name != "erasure" or not endless}
    unknown = [name for name, part in summed.items() if part.value is None]
    if unknown:
        note = f"unknown, as {', '.join(unknown)} {'is' if len(unknown) == 1 else 'are'}"
        table["cost.total"] = Quantity(None, None, "J", note)
    else:
        total = sum(part.value or 0.0 for part in summed.values())
        table["cost.total"] = Quantity(total, 0.0, "J", "without erasure" if endless else "")
    # The plain names came first and stay; with .J each is named as every other energy is.
    return {f"{name}{unit}": part for name, part in table.items() for unit in ("", ".J")}


def _conversions(recorded: Recorded, price: float | None, what: str) -> Quantity:
    if not recorded.clocked:
        return Quantity(
            None,
            None,
            "J",
            "an analog controller converts nothing and has no price in the datasheet",
        )
    device = recorded.setting.device
    count = recorded.plan.schedule.ticks * (device.dim if what == "readings" else len(device.nodes))
    if price is None:
        return Quantity(None, None, "J", f"unpriced: {count} {what}")
    return Quantity(count * price, 0.0, "J", f"{count} {what}")


def _score(recorded: Recorded, price: float | None) -> Quantity:
    if not recorded.clocked:
        return Quantity(None, None, "J", "an analog score has no price in the datasheet")
    macs = multiply_accumulates(recorded.setting.score)
    if macs is None:
        return Quantity(None, None, "J", "an exact formula has no counted arithmetic")
    count = macs * recorded.plan.schedule.ticks
    if price is None:
        return Quantity(None, None, "J", f"unpriced: {count} multiply-accumulates")
    return Quantity(
        count * price,
        0.0,
        "J",
        f"{count} multiply-accumulates of the network's weights, moving them not included",
    )


def multiply_accumulates(score: Score) -> int | None:
    """Multiply-accumulates of one evaluation of a score at one state.

    The network's own count, whatever its trunk: entries of dense weights, and those of convolutions
    times the pixels they run over. What acts on the time alone (gains, shifts) is worked out once a
    tick for all states and is not counted, nor is multiplying by a constant. None for exact scores.

    Args:
        score: a network score, or one made from it (scaled, calibrated).
    """
    while not isinstance(score, NetworkScore):
        made_from = getattr(score, "base", None)
        if not isinstance(made_from, Score):
            return None
        score = made_from
    return score.head.trunk.multiply_accumulates


def _erasure(recorded: Recorded) -> Quantity:
    """Landauer's least cost of forgetting what was read."""
    if not recorded.clocked:
        return Quantity(
            None, None, "J", "continuous control takes no readings that would have to be erased"
        )
    told = learned(recorded)
    if not isfinite(told.most):
        return Quantity(None, None, "J", "exact readings would fill an infinite memory")
    bound, source = ("at least", "acquired") if told.exact else ("at most", f"({told.source})")
    note = f"{bound} k T for each of {told.most:.4g} nats {source}"
    return Quantity(recorded.kt * told.most, 0.0, "J", note)
