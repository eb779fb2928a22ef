"""Arithmetic of a digital score: joules of one multiply-accumulate.

A multiply-accumulate is two operations, so a chip of P TOPS/W spends 2/P pJ on one.

    bare   multiplier and adder alone, between two tables: M. Horowitz's at 45 nm and N. Jouppi's at
           7 nm (int8 multiply and int32 add; fp16; fp32 of which the adder at 7 nm is taken to have
           shrunk as the multiplier). In between energy goes as a power of the node: 0.59 (int8),
           0.59 (fp16), 0.56 (fp32). At the two ends the formula is the tables; that is no test.
    chip   a whole accelerator at full use, memory on the chip, control and leakage in it: 2.4 to 13
           times the bare operation.
    gpu    twice the rated power over the rated peak and the share of it that is used. A bound from
           data sheets: the board takes less than its rated power when it computes less.
    fpga   0.2 pJ, what the maker of a hybrid sampler assumed of programmable logic (2026). The
           metered figure nearest to it, one update of a probabilistic bit on an FPGA, is 10.85 pJ.

Moving weights and activations beyond the chip is the memory's price.

Sources: M. Horowitz, ISSCC 2014, doi 10.1109/ISSCC.2014.6757323 (estimates, quoted by PMC8934428
and others); N. Jouppi et al., ISCA 2021, doi 10.1109/ISCA52012.2021.00010, Table 2 (synthesis,
quoted by arXiv:2310.11453 and others); NVIDIA's A100 and H100 and Google's TPU v4 data sheets;
Extropic, extropic.ai/writing/z1t (2026-09-04).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log
from typing import ClassVar

from thermohw.prices.model import PriceModel, setting
from thermohw.prices.price import Price
from thermohw.units import engineering

__all__ = ["MacBare", "MacChip", "MacFpga", "MacGpu"]

TYPES = ("int8", "fp16", "fp32")
# Joules at 45 nm, and the same at 7 nm over it. Of fp32 at 7 nm only the multiplier (1.31 of
# 3.7 pJ) is confirmed.
_BARE = {"int8": (0.30e-12, 0.10 / 0.30), "fp16": (1.5e-12, 0.50 / 1.5),
         "fp32": (4.6e-12, 1.31 / 3.7)}  # fmt: skip
# Rated watts, and rated operations per second of each type (dense).
_PARTS = {
    "A100": (400.0, {"int8": 624e12, "fp16": 312e12}),
    "H100": (700.0, {"int8": 1978.9e12, "fp16": 989.4e12}),
    "TPU v4": (192.0, {"fp16": 275e12}),
}


def _bare(type_: str, node: float) -> float:
    """Joules of a bare multiply-accumulate at a node in metre."""
    at_45, ratio = _BARE[type_]
    return at_45 * ratio ** (log(45e-9 / node) / log(45 / 7))


@dataclass(frozen=True)
class _Logic(PriceModel):
    """Arithmetic of a type at a node.

    Attributes:
        type: of the numbers: "int8", "fp16" (bfloat16 is priced as such) or "fp32".
        node: of the process, metre.
    """

    type: str = setting("word", choices=TYPES, default="int8")
    node: float | None = setting("m")

    kind: ClassVar[str] = "mac"
    evidence: ClassVar[str] = "derived"
    range: ClassVar[str] = "int8, fp16, fp32; 7 to 45 nm"

    def _operation(self) -> tuple[float, str]:
        node = self._within("node", self._asked("node", None), 7e-9, 45e-9, "m")
        return _bare(self.type, node), f"{self.type} at {engineering(node, 'm')}"


@dataclass(frozen=True)
class MacBare(_Logic):
    """Multiplier and adder alone."""

    name: ClassVar[str] = "bare"
    law: ClassVar[str] = "E(45 nm) (E(7 nm)/E(45 nm))^(ln(45 nm/node)/ln(45/7)), x/1.5"
    source: ClassVar[str] = (
        "M. Horowitz, ISSCC 2014 (45 nm) and N. Jouppi et al., ISCA 2021, Table 2 (7 nm), quoted "
        "by PMC8934428 and arXiv:2310.11453"
    )
    band: ClassVar[tuple[float, float] | None] = (1 / 1.5, 1.5)

    def price(self) -> Price:
        """Joules of one multiply-accumulate."""
        value, words = self._operation()
        return self._made(value, value / 1.5, 1.5 * value, f"multiply and add, {words}")


@dataclass(frozen=True)
class MacChip(_Logic):
    """A whole accelerator at full use."""

    name: ClassVar[str] = "chip"
    law: ClassVar[str] = "2.4 / 6 / 13 times bare"
    source: ClassVar[str] = (
        "bare operations of Horowitz (2014) and Jouppi (2021) times what A100, H100 and TPU v4 "
        "(data sheets, 2020-2022) are rated above them"
    )
    band: ClassVar[tuple[float, float] | None] = (2.4 / 6, 13 / 6)

    def price(self) -> Price:
        """Joules of one multiply-accumulate."""
        value, words = self._operation()
        return self._made(6 * value, 2.4 * value, 13 * value, f"6 x bare multiply and add, {words}")


@dataclass(frozen=True)
class MacGpu(PriceModel):
    """A board of a data centre, at a stated share of its peak.

    Attributes:
        part: "A100" (SXM), "H100" (SXM5) or "TPU v4".
        type: "int8" or "fp16" (dense; bfloat16 has the same rating).
        utilisation: share of the peak in (0, 1]; None: 0.4, with 1 and 0.1 as the spread.
    """

    part: str = setting("word", choices=tuple(_PARTS), default="A100")
    type: str = setting("word", choices=TYPES, default="fp16")
    utilisation: float | None = setting("")

    kind: ClassVar[str] = "mac"
    name: ClassVar[str] = "gpu"
    law: ClassVar[str] = "2 TDP/(peak utilisation)"
    range: ClassVar[str] = "A100, H100 (int8, fp16), TPU v4 (bf16)"
    source: ClassVar[str] = (
        "data sheets: NVIDIA A100 SXM (2020) and H100 SXM5 (2022), Google TPU v4 (arXiv:2304.01433)"
    )
    evidence: ClassVar[str] = "derived"
    band: ClassVar[tuple[float, float] | None] = (0.99, 1.01)

    def price(self) -> Price:
        """Joules of one multiply-accumulate."""
        power, peaks = _PARTS[self.part]
        if self.type not in peaks:
            known = ", ".join(peaks)
            raise self._error(f"type: no rating of {self.part} in {self.type}; it has {known}")
        full = 2.0 * power / peaks[self.type]
        words = f"2 x {power:g} W / ({engineering(peaks[self.type], '')} op/s x "
        if self.utilisation is None:
            return self._made(full / 0.4, full, full / 0.1, words + "0.4)")
        share = self.utilisation
        if not 0.0 < share <= 1.0:
            raise self._error(f"utilisation: expected a share of the peak in (0, 1]: {share:g}")
        return self._made(full / share, None, None, f"{words}{share:g})")


@dataclass(frozen=True)
class MacFpga(PriceModel):
    """What a maker assumed of programmable logic."""

    kind: ClassVar[str] = "mac"
    name: ClassVar[str] = "fpga"
    law: ClassVar[str] = "0.2 pJ"
    range: ClassVar[str] = "an assumption; nobody has published a measured one"
    source: ClassVar[str] = (
        "Extropic, extropic.ai/writing/z1t (2026-09-04), quoted by github.com/"
        "dcharlot-physicalai-bmi/ferrotherm: assumed, not measured"
    )
    evidence: ClassVar[str] = "projected"
    band: ClassVar[tuple[float, float] | None] = None

    def price(self) -> Price:
        """Joules of one multiply-accumulate; nobody knows the spread."""
        return self._made(0.2e-12, None, None, "0.2 pJ, assumed")
