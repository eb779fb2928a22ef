"""What would help: the bill of a sample again, with one thing changed.

Half the ticks, a bit less in a converter, half the R C, half the source voltages, half the width of
the network; the heat is taken as it is. A change that acts on lines whose prices are flat (a
datasheet's number holds for the bits, rate and circuit it was stated for) or missing is told as not
known: no price that is unknown counts as one that does not change.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from thermohw.bill import Bill, Help, Operations, Tariff
from thermohw.errors import InputError
from thermohw.score.network.counts import Counts, trunk_counts

if TYPE_CHECKING:
    from thermohw.score.network.trunk import Trunk

__all__ = ["helps_of"]

_FELT = 5e-4  # of the bill: less of it cannot be seen in a share that is printed
_PER_TICK = ("adc", "dac", "score", "memory", "noise")
_FLAT = {  # what a change acts on, but flat prices do not follow
    "adc_bits": ("adc",),
    "dac_bits": ("dac",),
    "rate": ("adc", "dac", "driver"),
    "voltage": ("driver",),
}


def helps_of(
    do: Operations,
    trunk: Trunk | None,
    bill: Bill,
    tariff: Tariff,
    again: Callable[[Operations], Bill | None],
) -> list[Help]:
    """The same bill under changes of one thing.

    Args:
        do: the operations of one sample.
        trunk: of the network; None without one.
        bill: as it is.
        tariff: what its prices follow.
        again: the bill of other operations; None beyond what a price holds for.
    """
    whole_bill = _priced(bill)

    def help_of(change: str, other: Operations, what: str, note: str = "") -> Help:
        value = again(other)
        if value is None:
            return Help(change, None, "beyond what a price holds for")
        if not whole_bill:
            return Help(change, None, "nothing is priced")
        mute = _mute(what, bill, tariff)
        if mute:
            return Help(change, None, mute)
        return Help(change, 1.0 - _priced(value) / whole_bill, note)

    found = []
    if do.clocked and do.ticks > 1:
        words = "the heat taken as it is"
        found.append(help_of("half as many ticks", do.coarser(), "ticks", words))
    for bits, what in (("adc_bits", "ADC"), ("dac_bits", "DAC")):
        count = getattr(do, bits)
        if do.clocked and count is not None and count > 1:
            less: Any = {bits: count - 1}
            found.append(help_of(f"a bit less in the {what}", replace(do, **less), bits))
    found.append(help_of("half the R C", do.faster(), "rate", "twice the rate"))
    if do.voltage is not None:
        half = replace(do, voltage=0.5 * do.voltage)
        words = "the heat taken as it is"
        found.append(help_of("half the source voltages (V0)", half, "voltage", words))
    narrow = None if trunk is None else _narrower(trunk)
    if narrow is not None and do.counts is not None:
        found.append(help_of("half the width of the network", replace(do, counts=narrow), "width"))
    return found


def _mute(what: str, bill: Bill, tariff: Tariff) -> str:
    """Why the bill cannot tell what a change saves; "" where it can.

    A flat price that is felt in the total leaves it open, and so do lines that are all unpriced: no
    price that is missing counts as one that does not change.
    """
    counted = {"width": ("score", "memory", "programming"), "ticks": _PER_TICK}.get(what)
    if counted is not None:
        unknown = not any(bill[f"cost.{part}"].value for part in counted)
        return f"not known: {', '.join(counted[:2])} and the like are unpriced" if unknown else ""
    parts = _FLAT.get(what, ())
    known = [part for part in parts if bill[f"cost.{part}"].value is not None]
    if parts and not known:
        return f"not known: {', '.join(parts)} unpriced"
    least = _FELT * abs(_priced(bill))
    flat = [part for part in known if not tariff.follows(part)]
    felt = [part for part in flat if abs(bill[f"cost.{part}"].value or 0.0) > least]
    if felt or (flat and flat == known and what != "rate"):
        words = ", ".join(felt or flat)
        return f"not known: flat prices do not follow it ({words}); a model of a price sheet does"
    return ""


def _priced(bill: Bill) -> float:
    """What is priced of it, joule."""
    return sum(line.value or 0.0 for line in (bill.heat, *bill.lines))


def _narrower(trunk: Trunk) -> Counts | None:
    """The counts of a network of half the width."""
    numbers = trunk.to_dict()
    for key in ("width", "channels"):
        if isinstance(numbers.get(key), int) and numbers[key] > 1:
            kind = {k: v for k, v in numbers.items() if k != "kind"} | {key: numbers[key] // 2}
            try:
                shape: Any = type(trunk)
                return trunk_counts(shape(inputs=trunk.inputs, outputs=trunk.outputs, **kind))
            except (InputError, TypeError, ValueError):
                return None
    return None
