"""What price models have in common: settings with units, ranges, and one line for what is beyond.

A model is a frozen record. Its fields are its settings (the node of a process, a supply, bits), in
SI; what is left None is asked of the run when the price is: `price(bits=..., rate=...)`. A setting
wins over what the run says. Every model of a kind takes all the conditions of that kind and uses
those that its formula or its range of validity has.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar

from thermohw.errors import InputError
from thermohw.prices.price import Price
from thermohw.units import engineering

__all__ = ["CONDITIONS", "PriceModel", "setting"]

CONDITIONS: dict[str, tuple[str, ...]] = {
    "adc": ("bits", "rate"),
    "dac": ("bits", "rate"),
    "mac": (),
    "memory": ("bits",),
    "driver": ("bandwidth", "capacitance", "resistance", "voltage", "swing"),
    "noise": (),
    "analog": (),
    "static": (),
    "programming": (),
}
"""Kind of price -> what a run may say about the operation.

Converters: bits (None: ideal), conversions per second of one of them (Hz). Memory: bits of all
weights. Driver, of one driven node: bandwidth (Hz), capacitance (F), resistance (ohm), the source's
largest voltage (V), its mean change per update (V).
"""


def setting(unit: str, *, choices: tuple[str, ...] = (), default: Any = None) -> Any:
    """A field of a model that a price sheet may set.

    Args:
        unit: SI unit; "" for a plain number, "B" for a size of memory, "word" for one of `choices`.
        choices: words it may be.
        default: in SI; None is asked of the run, or required.
    """
    return field(default=default, metadata={"unit": unit, "choices": choices})


@dataclass(frozen=True)
class PriceModel(ABC):
    """A named formula for the price of an operation.

    Attributes:
        kind: of operation, a key of CONDITIONS.
        name: of the model among those of its kind.
        unit: of its price, J per operation or W.
        law: the formula in symbols.
        range: where it holds, in words.
        source: of the formula and its constants, with years.
        evidence: class of the formula.
        band: published values over typical price that count as agreement; None: low to high of
            the price itself.
    """

    kind: ClassVar[str]
    name: ClassVar[str]
    unit: ClassVar[str] = "J"
    law: ClassVar[str]
    range: ClassVar[str]
    source: ClassVar[str]
    evidence: ClassVar[str]
    band: ClassVar[tuple[float, float] | None] = None

    @abstractmethod
    def price(self, **conditions: float | None) -> Price:
        """The price under the conditions of a run, those of the kind in CONDITIONS.

        Raises:
            InputError: a condition or setting that is missing or beyond the range.
        """

    def _error(self, problem: str) -> InputError:
        return InputError(problem, where=f"{self.kind} '{self.name}'")

    def _asked(self, key: str, told: float | None, why: str = "") -> float:
        """A setting, or what the run says where it is not set.

        Raises:
            InputError: neither is there.
        """
        own = getattr(self, key)
        value = told if own is None else own
        if value is None:
            reason = f" ({why})" if why else ""
            raise self._error(f"{key}: not known{reason}; set {key} in [{self.kind}]")
        return float(value)

    def _within(self, key: str, value: float, least: float, most: float, unit: str = "") -> float:
        """A value inside the range of validity.

        Raises:
            InputError: outside.
        """
        slack = 1e-9 * abs(value)  # a rate comes from a difference of times
        if not least - slack <= value <= most + slack:
            shown = [engineering(number, unit) for number in (value, least, most)]
            problem = f"{key}: {shown[0]} is beyond the model, which holds from {shown[1]} to"
            raise self._error(f"{problem} {shown[2]}")
        return value

    def _made(
        self, value: float, low: float | None, high: float | None, formula: str, source: str = ""
    ) -> Price:
        return Price(value, low, high, self.unit, formula, source or self.source, self.evidence)
