"""From a voltage to a number: joules of one conversion.

Noise sets the floor: telling a voltage with a signal-to-noise ratio SNR takes at least 8 kT SNR,
0.05 aJ 4^b at 300 K with b effective bits, b = (SINAD/dB - 1.76)/6.02. Below some ten bits what
does not grow with b is larger (comparator, logic, clock), hence A + B 4^b. What a converter is
rated at is nominal: effective bits are 0.5 to 1.5 fewer, so b = nominal bits prices too high rather
than too low.

    frontier   the lower envelope of B. Murmann's survey, 1997-2025. Only 4 of its 724 converters
               lie below, none of them by more than a factor 0.615; it is no typical price. Its 295
               converters of 100 MS/s and more all lie above 2.9 times it.
    chip       the tenth, half and nine tenths of the 307 converters since 2015: quantile
               regressions of log energy on A + B 4^b. Below the three forms lie 10, 49 and 91 %.
    chip-fast  the same of the 149 of them that convert at 100 MS/s or more: 13, 48 and 89 %.
    board      packaged parts since about 2007, all of their supply power, without reference and
               driver: constant per conversion from 10 kS/s to 2 MS/s in the data sheets.

Source: B. Murmann, ADC Performance Survey 1997-2025 (revision of 2025-06-09),
github.com/bmurmann/ADC-survey, ISSCC and VLSI papers that state SNDR, power and rate: energy is
power over Nyquist rate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from thermohw.prices.model import PriceModel, setting
from thermohw.prices.price import Price

__all__ = ["AdcBoard", "AdcChip", "AdcChipFast", "AdcFrontier"]

_SURVEY = "B. Murmann, ADC Performance Survey 1997-2025, github.com/bmurmann/ADC-survey"
_FAST = "; of 295 from 100 MS/s on the nearest is 2.9 times it"
_IDEAL = "ideal readings have no bits; protocol.adc_bits gives them some"


@dataclass(frozen=True)
class _Converter(PriceModel):
    """A converter whose energy depends on its bits, in ranges of bits and rate.

    Attributes:
        bits: effective; None: the run's.
        rate: conversions per second, Hz; None: the run's.
    """

    bits: float | None = setting("")
    rate: float | None = setting("Hz")

    kind: ClassVar[str] = "adc"
    evidence: ClassVar[str] = "derived"
    span: ClassVar[tuple[float, float]] = (4, 17)
    rates: ClassVar[tuple[float, float]] = (1e3, 100e9)

    def _conditions(self, bits: float | None, rate: float | None) -> float:
        """Effective bits, after a look at the ranges; the rate may be unknown."""
        b = self._within("bits", self._asked("bits", bits, _IDEAL), *self.span)
        if self.rate is not None or rate is not None:
            self._within("rate", self._asked("rate", rate), *self.rates, "Hz")
        return b


@dataclass(frozen=True)
class AdcFrontier(_Converter):
    """The best converters of 28 years: a floor, no typical price; nobody knows its upper end."""

    name: ClassVar[str] = "frontier"
    law: ClassVar[str] = "0.267 pJ + 0.1446 aJ 4^b"
    range: ClassVar[str] = "b 4 to 17, 1 kS/s to 100 GS/s"
    source: ClassVar[str] = f"{_SURVEY}: lower envelope, 4 of 724 converters lie below"
    band: ClassVar[tuple[float, float] | None] = (0.6, 1.5)

    def price(self, *, bits: float | None = None, rate: float | None = None) -> Price:
        """Joules of one conversion; `low` is the lowest that any of 724 converters lies."""
        b = self._conditions(bits, rate)
        value = 0.267e-12 + 0.1446e-18 * 4.0**b
        asked = self.rate if self.rate is not None else rate
        fast = "" if asked is None or asked < 100e6 else _FAST
        formula = f"0.267 pJ + 0.1446 aJ 4^{b:g}"
        return self._made(value, 0.6 * value, None, formula, self.source + fast)


@dataclass(frozen=True)
class _Quantiles(_Converter):
    """A + B 4^b at a tenth, half and nine tenths of a population, in J."""

    terms: ClassVar[tuple[tuple[float, float], ...]]

    def price(self, *, bits: float | None = None, rate: float | None = None) -> Price:
        """Joules of one conversion."""
        b = self._conditions(bits, rate)
        low, value, high = (a + c * 4.0**b for a, c in self.terms)
        a, c = self.terms[1]
        return self._made(value, low, high, f"{a * 1e12:g} pJ + {c * 1e18:g} aJ 4^{b:g}")


@dataclass(frozen=True)
class AdcChip(_Quantiles):
    """Published converters since 2015, whatever their rate."""

    name: ClassVar[str] = "chip"
    law: ClassVar[str] = "1.58 pJ + .316 aJ 4^b / 7.94 pJ + 2.51 aJ 4^b / 200 pJ + 20 aJ 4^b"
    range: ClassVar[str] = "b 4 to 17, 1 kS/s to 100 GS/s"
    source: ClassVar[str] = f"{_SURVEY}: p10, median and p90 of the 307 since 2015"
    terms: ClassVar[tuple[tuple[float, float], ...]] = (
        (1.58e-12, 0.316e-18),
        (7.94e-12, 2.51e-18),
        (200e-12, 20e-18),
    )


@dataclass(frozen=True)
class AdcChipFast(_Quantiles):
    """Published converters since 2015 that convert at 100 MS/s or more."""

    name: ClassVar[str] = "chip-fast"
    law: ClassVar[str] = "1.58 pJ + 1.58 aJ 4^b / 5.01 pJ + 10 aJ 4^b / 15.8 pJ + 398 aJ 4^b"
    range: ClassVar[str] = "b 4 to 12, 100 MS/s to 100 GS/s"
    source: ClassVar[str] = f"{_SURVEY}: p10, median and p90 of the 149 since 2015 from 100 MS/s on"
    span: ClassVar[tuple[float, float]] = (4, 12)
    rates: ClassVar[tuple[float, float]] = (100e6, 100e9)
    terms: ClassVar[tuple[tuple[float, float], ...]] = (
        (1.58e-12, 1.58e-18),
        (5.01e-12, 10e-18),
        (15.8e-12, 398e-18),
    )

    def price(self, *, bits: float | None = None, rate: float | None = None) -> Price:
        """Joules of one conversion; the rate must be known."""
        return super().price(bits=bits, rate=self._asked("rate", rate))


@dataclass(frozen=True)
class AdcBoard(_Converter):
    """Packaged SAR converters since about 2007."""

    name: ClassVar[str] = "board"
    law: ClassVar[str] = "1.5 nJ + 2 aJ 4^b, a factor 2.2 both ways"
    range: ClassVar[str] = "b 11 to 17, 1 kS/s to 25 MS/s"
    source: ClassVar[str] = "data sheets, typical, of nine parts 2007-2022 (Analog Devices, TI)"
    span: ClassVar[tuple[float, float]] = (11, 17)
    rates: ClassVar[tuple[float, float]] = (1e3, 25e6)
    band: ClassVar[tuple[float, float] | None] = (1 / 2.2, 2.2)

    def price(self, *, bits: float | None = None, rate: float | None = None) -> Price:
        """Joules of one conversion, driver and reference not included."""
        b = self._conditions(bits, rate)
        value = 1.5e-9 + 2e-18 * 4.0**b
        return self._made(value, value / 2.2, value * 2.2, f"1.5 nJ + 2 aJ 4^{b:g}")
