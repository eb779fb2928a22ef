"""Moving bits: joules of one bit read from where the weights are kept.

    sram   64-bit reads of a memory of size S: E = E_8 (S/8 KB)^a, E_8 = 10 pJ and a = 0.475 at
           45 nm, 7.5 pJ and 0.129 at 7 nm; in between E_8 goes as a power of the node and a
           linearly with its logarithm. Without a size it is that of all weights, 8 KB at least.
    hbm, gddr, lpddr, ddr   dynamic memory beside the chip, interface included: low, typical, high.

Refresh and what idle memory takes are in none of them. 1 KB is 1024 bytes.

Sources: M. Horowitz, ISSCC 2014, doi 10.1109/ISSCC.2014.6757323; N. Jouppi et al., ISCA 2021, doi
10.1109/ISCA52012.2021.00010, Table 2; M. O'Connor et al., MICRO 2017, doi 10.1145/3123939.3124545;
SK hynix, IEDM 2023; H. Ha, thesis, Stanford 2018 (all of them quoted by later public texts).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log
from typing import ClassVar

from thermohw.prices.model import PriceModel, setting
from thermohw.prices.price import Price
from thermohw.units import engineering

__all__ = ["MemoryDdr", "MemoryGddr", "MemoryHbm", "MemoryLpddr", "MemorySram"]

_KB = 1024.0


@dataclass(frozen=True)
class MemorySram(PriceModel):
    """Static memory on the chip.

    Attributes:
        size: of the memory that is read, bytes; None: that of all weights, 8 KB at least.
        node: of the process, metre.
    """

    size: float | None = setting("B")
    node: float | None = setting("m")

    kind: ClassVar[str] = "memory"
    name: ClassVar[str] = "sram"
    law: ClassVar[str] = "E_8 (S/8 KB)^a / 64, x/1.5"
    range: ClassVar[str] = "8 KB to 1 MB; 7 to 45 nm"
    source: ClassVar[str] = (
        "M. Horowitz, ISSCC 2014 (45 nm) and N. Jouppi et al., ISCA 2021, Table 2 (7 nm), quoted "
        "by PMC8934428 and others"
    )
    evidence: ClassVar[str] = "derived"
    band: ClassVar[tuple[float, float] | None] = (1 / 1.5, 1.5)

    def price(self, *, bits: float | None = None) -> Price:
        """Joules of one bit.

        Args:
            bits: of all weights; None where there are none to be counted.
        """
        node = self._within("node", self._asked("node", None), 7e-9, 45e-9, "m")
        kept = None if bits is None else max(bits / 8.0, 8 * _KB)
        size = self._asked("size", kept, "no weights are counted")
        if not 8 * _KB <= size <= 1024 * _KB:
            held = f"size: {size / _KB:.4g} KB is beyond the model, which holds from 8 KB to 1024"
            hint = "; set size to that of one bank" if self.size is None else ""
            raise self._error(f"{held} KB{hint}")
        share = log(node / 7e-9) / log(45 / 7)  # 0 at 7 nm, 1 at 45 nm
        access = 7.5e-12 * (10 / 7.5) ** share * (size / (8 * _KB)) ** (0.129 + 0.346 * share)
        words = f"64 bits from {size / _KB:.4g} KB at {engineering(node, 'm')}"
        value = access / 64.0
        return self._made(
            value, value / 1.5, value * 1.5, f"{engineering(access, 'J')} for {words}"
        )


@dataclass(frozen=True)
class _Dynamic(PriceModel):
    """Dynamic memory beside the chip."""

    kind: ClassVar[str] = "memory"
    range: ClassVar[str] = "reads and writes at full use; no refresh, no idling"
    terms: ClassVar[tuple[float, float, float]]

    def price(self, *, bits: float | None = None) -> Price:
        """Joules of one bit, however many there are."""
        del bits
        low, value, high = self.terms
        return self._made(value, low, high, f"{engineering(value, 'J')} a bit")


@dataclass(frozen=True)
class MemoryHbm(_Dynamic):
    """Stacks of memory on the package (HBM2 to HBM3E)."""

    name: ClassVar[str] = "hbm"
    law: ClassVar[str] = "3.4 / 3.9 / 7 pJ a bit"
    source: ClassVar[str] = (
        "M. O'Connor et al., MICRO 2017; N. Jouppi et al., ISCA 2021; SK hynix, IEDM 2023 (quoted)"
    )
    evidence: ClassVar[str] = "simulated"
    terms: ClassVar[tuple[float, float, float]] = (3.4e-12, 3.9e-12, 450e-12 / 64)


@dataclass(frozen=True)
class MemoryGddr(_Dynamic):
    """Graphics memory (GDDR5, GDDR6)."""

    name: ClassVar[str] = "gddr"
    law: ClassVar[str] = "5.5 / 7.5 / 14 pJ a bit"
    source: ClassVar[str] = (
        "N. Jouppi et al., ISCA 2021; M. O'Connor et al., MICRO 2017, fig. 1 (quoted)"
    )
    evidence: ClassVar[str] = "derived"
    terms: ClassVar[tuple[float, float, float]] = (350e-12 / 64, 480e-12 / 64, 14e-12)


@dataclass(frozen=True)
class MemoryLpddr(_Dynamic):
    """Memory of mobile devices (LPDDR4, LPDDR5); the typical value rests on public notes alone."""

    name: ClassVar[str] = "lpddr"
    law: ClassVar[str] = "4 / 8 / 14 pJ a bit"
    source: ClassVar[str] = (
        "H. Ha, thesis, Stanford 2018 (LPDDR4, quoted); LPDDR5X from public notes alone"
    )
    evidence: ClassVar[str] = "projected"
    terms: ClassVar[tuple[float, float, float]] = (4e-12, 8e-12, 14e-12)


@dataclass(frozen=True)
class MemoryDdr(_Dynamic):
    """Memory on modules (DDR3, DDR4)."""

    name: ClassVar[str] = "ddr"
    law: ClassVar[str] = "9 / 20 / 41 pJ a bit"
    source: ClassVar[str] = "M. Horowitz, ISSCC 2014; N. Jouppi et al., ISCA 2021 (quoted)"
    evidence: ClassVar[str] = "derived"
    terms: ClassVar[tuple[float, float, float]] = (9e-12, 20e-12, 41e-12)
