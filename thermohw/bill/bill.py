"""The bill of one sample: every line with its count, price, formula, source and evidence.

    heat           what the circuit's sources put into the baths
    cost.adc       readings x price of a conversion
    cost.dac       settings x price of a conversion
    cost.driver    driven nodes x watts x seconds (or updates x joules)
    cost.score     evaluations x multiply-accumulates x price of one; or in analog
    cost.memory    evaluations x bits of the weights x price of moving a bit
    cost.noise     numbers x price of one; the resistors' own noise is free, a true zero
    cost.static    watts of everything that is on x seconds
    cost.programming   weights written x price of one, shared by the samples drawn between two
    cost.erasure   k T per nat acquired (given by who knows it)

    cost.total     converters, arithmetic and erasure: the audit's total since it has one
    cost.sample    everything above
    cost.priced    what is priced of it: the least that it can be, where something is not

A line that does not apply (an analog controller converts nothing that anybody priced) and one whose
price or count nobody knows are None, with the reason, and so is every total that they belong to: no
None ever counts as zero. What is known of such a total is cost.priced, which names what is missing.

A total's low and high are the sums of the lines' own: prices of one technology are high or low
together, so that spreads are added, not squared. Its evidence is the weakest of its lines'.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from thermohw.datasheet.rated import EVIDENCE
from thermohw.errors import InputError
from thermohw.prices import Price, Prices
from thermohw.units import engineering

if TYPE_CHECKING:
    from thermohw.bill.operations import Operations
    from thermohw.datasheet import Datasheet

__all__ = ["PARTS", "Bill", "BillLine", "Help", "Tariff", "make_bill"]

PARTS = ("adc", "dac", "driver", "score", "memory", "noise", "static", "programming", "erasure")
"""Lines of the electronics, in their order; cost.<part>."""

_ELECTRONICS = ("adc", "dac", "score", "erasure")
_WEIGHT_BITS = 8
_MOST = 1e100  # joule: beyond it a price is a slip, and sums would end
_UNSEEN = 1e-6  # of a total: a line of this share whose spread nobody states does not widen it


@dataclass(frozen=True)
class BillLine:
    """One line of a bill, joule per sample.

    Attributes:
        name: dotted.
        value: None where it is unknown.
        low: None where the spread is unknown.
        high: None where the spread is unknown.
        formula: how the value came about, in words and numbers.
        source: of the price.
        evidence: class of the price.
        note: what was counted, or why there is no value.
        count: operations, None where they are not known.
        stderr: standard error, of a heat that was measured.
        applies: whether there is anything to pay for at all.
    """

    name: str
    value: float | None
    low: float | None
    high: float | None
    formula: str
    source: str
    evidence: str | None
    note: str
    count: float | None = None
    stderr: float = 0.0
    applies: bool = True


@dataclass(frozen=True)
class Help:
    """What a change would save.

    Attributes:
        change: in words, "half as many ticks".
        saves: share of what is priced; None where the change cannot be priced: beyond what a price
            holds for, or on lines whose prices are flat or missing and so do not follow it.
        note: why, or what it does not change.
    """

    change: str
    saves: float | None
    note: str = ""


class Tariff:
    """What operations cost: a price sheet, before a datasheet's own prices, before nothing.

    Args:
        sheet: of the device; None for a circuit without one.
        prices: a price sheet in place of it, kind by kind.
    """

    def __init__(self, sheet: Datasheet | None, prices: Prices | None = None) -> None:
        self._sheet, self._prices = sheet, prices

    def find(self, kind: str, **conditions: float | None) -> Price | None:
        """The price of an operation; None where nobody has priced it.

        Raises:
            InputError: conditions beyond what its model or quotation holds for.
        """
        entry = None if self._prices is None else self._prices.get(kind)
        if entry is not None:
            return entry.price(**conditions)
        rated = None if self._sheet is None else getattr(self._sheet.cost, kind, None)
        return None if rated is None else Price.of(rated)

    def states(self, kind: str) -> bool:
        """Whether it is the price sheet that prices a kind."""
        return self._prices is not None and self._prices.get(kind) is not None

    def follows(self, kind: str) -> bool:
        """Whether the price of a kind is a model's, which follows bits, rate and circuit; what a
        datasheet or a part states is flat.
        """
        entry = None if self._prices is None else self._prices.get(kind)
        return entry is not None and entry.model is not None


@dataclass(frozen=True)
class Bill:
    """Every line of one sample, and the totals.

    Attributes:
        heat: of the circuit.
        lines: of the electronics, in the order of PARTS.
    """

    heat: BillLine
    lines: tuple[BillLine, ...]

    def __getitem__(self, name: str) -> BillLine:
        """A line or total by its dotted name."""
        if name == self.heat.name:
            return self.heat
        if name == "cost.total":
            return self.electronics
        if name == "cost.sample":
            return self.sample
        if name == "cost.priced":
            return self.priced
        return next(line for line in self.lines if line.name == name)

    @property
    def totals(self) -> tuple[BillLine, BillLine, BillLine]:
        """cost.total, cost.sample, cost.priced."""
        return self.electronics, self.sample, self.priced

    @property
    def electronics(self) -> BillLine:
        """Converters, arithmetic and erasure, as audits have always added them up."""
        return self._total("cost.total", [self[f"cost.{part}"] for part in _ELECTRONICS])

    @property
    def sample(self) -> BillLine:
        """Everything."""
        return self._total("cost.sample", [self.heat, *self.lines])

    @property
    def priced(self) -> BillLine:
        """What is known of everything; its note says what is not."""
        known = [line for line in (self.heat, *self.lines) if line.value is not None]
        missing = [
            line.name.removeprefix("cost.")
            for line in (self.heat, *self.lines)
            if line.value is None and line.applies
        ]
        if not known:
            return BillLine("cost.priced", None, None, None, "", "", None, "nothing is priced")
        found = _total("cost.priced", known)
        note = f"without {', '.join(missing)}, which {_are(missing)} unknown" if missing else ""
        return replace(found, note="; ".join(filter(None, (note, found.note))))

    @staticmethod
    def _total(name: str, lines: Sequence[BillLine]) -> BillLine:
        """Of the lines that apply; an erasure that does not (an infinite memory) is told of."""
        found = _total(name, [line for line in lines if line.applies])
        left_out = any(line.name == "cost.erasure" and not line.applies for line in lines)
        if found.value is None or not left_out:
            return found
        note = "; ".join(filter(None, ("without erasure", found.note)))
        return replace(found, note=note)


def make_bill(
    operations: Operations,
    tariff: Tariff,
    *,
    heat: BillLine,
    erasure: BillLine,
    samples: int | None = None,
) -> Bill:
    """Price what a protocol does.

    Args:
        operations: of one sample.
        tariff: what each costs.
        heat: the circuit's line.
        erasure: what forgetting costs at least.
        samples: that are drawn between two programmings; None where nobody said.

    Raises:
        InputError: bits, a rate or a node beyond what a price holds for.
    """
    made = _Maker(operations, tariff)
    lines = [
        made.adc(), made.dac(), made.driver(), made.score(), made.memory(), made.noise(),
        made.static(), made.programming(samples), erasure,
    ]  # fmt: skip
    return Bill(heat, tuple(lines))


@dataclass(frozen=True)
class _Maker:
    do: Operations
    tariff: Tariff

    def adc(self) -> BillLine:
        return self._converted("adc", self.do.readings, self.do.adc_bits, "readings")

    def dac(self) -> BillLine:
        return self._converted("dac", self.do.settings, self.do.dac_bits, "sources")

    def _converted(self, kind: str, count: int, bits: int | None, what: str) -> BillLine:
        if not self.do.clocked:
            reason = "an analog controller converts nothing and has no price in the datasheet"
            return _unknown(kind, reason)
        price = self._price(kind, bits=bits, rate=self.do.rate)
        return _priced(kind, count, f"{count} {what}", price)

    def driver(self) -> BillLine:
        do = self.do
        price = self._price(
            "driver", bandwidth=do.bandwidth, capacitance=do.capacitance, resistance=do.resistance,
            voltage=do.voltage, swing=None,
        )  # fmt: skip
        if price is not None and price.unit == "J":
            if not do.clocked:
                return _unknown("driver", "an analog controller makes no updates to be priced")
            return _priced("driver", do.settings, f"{do.settings} updates", price)
        words = f"{do.sources} driven nodes for {_seconds(do.seconds)}"
        return _priced("driver", do.sources * do.seconds, words, price)

    def score(self) -> BillLine:
        do, kind = self.do, "score"
        if not do.clocked:
            if self._price("analog") is not None:
                return _unknown(
                    kind, "an analog score that never stops makes no counted operations"
                )
            return _unknown(kind, "an analog score has no price in the datasheet")
        if do.counts is None:
            return _unknown(kind, _uncounted(do.exact))
        count = do.counts.macs * do.ticks
        analog = self._analog()
        if analog is not None:
            words = f"{2 * count} operations in analog: {count} multiply-accumulates"
            return _priced(kind, 2 * count, words, analog)
        words = f"{count} multiply-accumulates"
        price = self._price("mac")
        moved = "" if price is None else " of the network's weights, moving them not included"
        return _priced(kind, count, words + moved, price)

    def memory(self) -> BillLine:
        do, kind = self.do, "memory"
        if not do.clocked:
            return _unknown(kind, "an analog score moves no weights, and has no price")
        if do.counts is None:
            return _unknown(kind, _uncounted(do.exact))
        if self._analog() is not None:
            return replace(_unknown(kind, "weights of an analog score stay put"), applies=False)
        if do.counts.weights is None:
            return _unknown(kind, _uncounted(do.exact))
        bits = do.counts.weights * _WEIGHT_BITS
        price = self._price(kind, bits=bits)
        words = (
            f"{do.ticks} times {do.counts.weights} weights of {_WEIGHT_BITS} bits, every sample "
            "by itself"
        )
        return _priced(kind, do.ticks * bits, words, price)

    def noise(self) -> BillLine:
        if not self.do.numbers:
            source = "fluctuation and dissipation: the baths give it, no supply does"
            note = "the resistors' own"
            return BillLine(
                "cost.noise", 0.0, 0.0, 0.0, "0", source, "derived", note, 0, applies=False
            )
        words = f"{self.do.numbers} numbers"
        price = self._price("noise")
        if price is not None and price.value == 0.0:  # thermal: not what is injected
            return _priced("noise", self.do.numbers, f"{words}; thermal noise is free", None)
        return _priced("noise", self.do.numbers, words, price)

    def static(self) -> BillLine:
        words = f"{_seconds(self.do.seconds)} a sample"
        return _priced("static", self.do.seconds, words, self._price("static"))

    def programming(self, samples: int | None) -> BillLine:
        do, kind = self.do, "programming"
        if do.counts is None or do.counts.weights is None:
            if do.exact:
                return _unknown(kind, "an exact formula has no weights to be written")
            return _unknown(kind, _uncounted(do.exact))
        price = self._price(kind)
        if price is not None and samples is None:
            return _unknown(kind, "between how many samples it is done again is not known")
        words = f"{do.counts.weights} weights, written once for {samples} samples"
        return _priced(kind, do.counts.weights / (samples or 1), words, price)

    def _analog(self) -> Price | None:
        """Of an analog score, where it is one: where no digital arithmetic is priced, or only by
        the datasheet that the sheet stands before.
        """
        first = self.tariff.states("analog") and not self.tariff.states("mac")
        return self._price("analog") if first or self._price("mac") is None else None

    def _price(self, kind: str, **conditions: float | None) -> Price | None:
        return self.tariff.find(kind, **conditions)


def _uncounted(exact: bool) -> str:
    if exact:
        return "an exact formula has no counted arithmetic"
    return (
        "nobody has counted the arithmetic of this score: give it an attribute "
        "multiply_accumulates (of one evaluation), and weights"
    )


def _unknown(kind: str, reason: str) -> BillLine:
    return BillLine(f"cost.{kind}", None, None, None, "", "", None, reason)


def _priced(kind: str, count: float, words: str, price: Price | None) -> BillLine:
    """So many times the price; None where there is none."""
    if price is None:
        return BillLine(f"cost.{kind}", None, None, None, "", "", None, f"unpriced: {words}", count)
    low, high = (None if end is None else count * end for end in (price.low, price.high))
    if count * max(price.value, price.high or 0.0) > _MOST:
        raise InputError(f"{words} at {price} are more joules than can be added up", where=kind)
    formula = f"{words} x {price.formula}"
    return BillLine(
        f"cost.{kind}", count * price.value, low, high, formula, price.source, price.evidence,
        words, count,
    )  # fmt: skip


def _total(name: str, lines: Sequence[BillLine]) -> BillLine:
    """The sum of lines, None where one of them is."""
    unknown = [line.name.removeprefix("cost.") for line in lines if line.value is None]
    known = [line for line in lines if line.value is not None]
    evidence = _weakest(line.evidence for line in known)
    error = sum(line.stderr**2 for line in known) ** 0.5
    value = sum(line.value or 0.0 for line in known)
    if unknown:
        note = f"unknown, as {', '.join(unknown)} {_are(unknown)}"
        return BillLine(name, None, None, None, "", "", None, note)
    ends: list[float | None] = []
    for end in ("low", "high"):
        parts = [_end(line, end, value) for line in known]
        stated = [part for part in parts if part is not None]
        ends.append(float(sum(stated)) if len(stated) == len(parts) else None)
    open_ended = [
        line.name.removeprefix("cost.") for line in known if None in (line.low, line.high)
    ]
    note = f"spread of {', '.join(open_ended)} not stated" if open_ended else ""
    return BillLine(
        name, value, ends[0], ends[1], "sum of the lines", "", evidence, note, stderr=error
    )


def _end(line: BillLine, end: str, total: float) -> float | None:
    """An end of a line's spread; its value where it has none and cannot be seen in the total."""
    found: float | None = getattr(line, end)
    if found is None and abs(line.value or 0.0) < _UNSEEN * abs(total):
        return line.value
    return found


def _are(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"


def _weakest(classes: Iterable[str | None]) -> str | None:
    """The weakest evidence; None where one states none."""
    ranks = [-1 if name is None else EVIDENCE.index(name) for name in classes]
    return EVIDENCE[min(ranks)] if ranks and min(ranks) >= 0 else None


def _seconds(value: float) -> str:
    return engineering(value, "s")
