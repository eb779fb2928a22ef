"""The published points that every price model is held against, and totals of published systems.

A point has the settings under which it was taken. Its model agrees where the point lies within the
model's band of the typical price, or within low to high where the model has no other band. A point
that is no test (another class of part, beyond the range, an assumption) is listed with the reason.
The points stand in published.toml.

Totals are products of counts and component prices, so that a bill can be held against what others
have printed; where a printed number does not follow from its own ingredients the note says why.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from typing import Any

from thermohw.errors import InputError
from thermohw.intake import parse_toml
from thermohw.prices.models import MODELS, model, read_model
from thermohw.prices.price import Price
from thermohw.units import parse

__all__ = [
    "PricePoint",
    "PublishedTotal",
    "dtm_step",
    "points",
    "published_totals",
    "z1_sweep",
    "z1t_ratio",
]

Z1_BITS = 269_568
"""Probabilistic bits of Z1, each updated once in a sweep (arXiv:2608.01615)."""
Z1_CLOCK = 50e6
"""Sweeps per second of Z1, Hz."""


@dataclass(frozen=True)
class PricePoint:
    """A published price.

    Attributes:
        kind: of operation.
        model: it is held against.
        name: of the part or paper, with its conditions.
        year: of publication; None where the data sheet bears none.
        source: address, and who quotes it.
        settings: of the model, as text.
        value: in `unit`.
        unit: "J" or "W".
        evidence: class of the point.
        outside: why it is no test; "" where it is one.
    """

    kind: str
    model: str
    name: str
    year: int | None
    source: str
    value: float
    unit: str
    evidence: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    outside: str = ""

    def price(self) -> Price | None:
        """What the model says; None where it refuses, beyond its range."""
        try:
            return read_model(self.kind, self.model, self.settings).price()
        except InputError:
            return None

    @property
    def ratio(self) -> float | None:
        """The published number over the model's typical one."""
        price = self.price()
        return None if price is None else self.value / price.value

    @property
    def agrees(self) -> bool | None:
        """Whether it lies within the model's band; None where the model refuses its settings or
        nobody knows a band.
        """
        price = self.price()
        if price is None:
            return None
        band = MODELS[self.kind][self.model].band
        low, high = (price.low, price.high) if band is None else [b * price.value for b in band]
        if low is None or high is None:
            return None
        # Printed numbers are rounded to three digits.
        return low * (1 - 1e-3) <= self.value <= high * (1 + 1e-3)


@lru_cache(maxsize=1)
def _points() -> tuple[PricePoint, ...]:
    name = "published.toml"
    text = files("thermohw.prices").joinpath(name).read_text(encoding="utf-8")
    made = []
    for table in parse_toml(text, name)["point"]:
        unit = MODELS[table["kind"]][table["model"]].unit
        value = parse(table["value"], unit, f"{name}: {table['name']}")
        made.append(PricePoint(**{"year": None, **table, "value": value, "unit": unit}))
    return tuple(made)


def points(kind: str | None = None, name: str | None = None) -> tuple[PricePoint, ...]:
    """The published points, those of one kind or of one model only if asked.

    Args:
        kind: of operation.
        name: of the model.
    """
    return tuple(
        point for point in _points() if kind in (None, point.kind) and name in (None, point.model)
    )


@dataclass(frozen=True)
class PublishedTotal:
    """A printed number and what its ingredients give.

    Attributes:
        system: it is of.
        formula: counts and prices.
        value: what the formula gives, in `unit`.
        published: the printed number; None where it could not be recomputed from what is published.
        unit: SI, "" of a ratio.
        source: address.
        note: on what differs.
    """

    system: str
    formula: str
    value: float | None
    published: float
    unit: str
    source: str
    note: str = ""


def z1_sweep(update: float | None = None) -> float:
    """Joules of one sweep over all probabilistic bits of Z1.

    Args:
        update: joules of one update; the model's by default.
    """
    price = model("programming", "z1", operation="update").price().value
    return Z1_BITS * (price if update is None else update)


def dtm_step(cell: float, sweeps: int = 250, side: int = 70) -> float:
    """Joules of one denoising step of a thermodynamic model: every cell of a square, every sweep.

    Args:
        cell: joules of one cell and sweep.
        sweeps: Gibbs sweeps of a step.
        side: of the square lattice.
    """
    return sweeps * side * side * cell


def z1t_ratio(gpu: float, sampler: float = 8.74e-9, logic: float = 285.78e-9) -> float:
    """How many times less a hybrid takes for a token than a graphics processor.

    Args:
        gpu: joules of the processor.
        sampler: joules of the probabilistic chip; 0 gives the ceiling of Amdahl's law.
        logic: joules of the programmable logic beside it.
    """
    return gpu / (sampler + logic)


def published_totals() -> tuple[PublishedTotal, ...]:
    """Totals of published systems beside what their ingredients give."""
    z1, dtm = "arXiv:2608.01615 (2026, quoted)", "Jelincic et al., arXiv:2510.23972 (2026, quoted)"
    z1t = "Extropic, extropic.ai/writing/z1t (2026-09-04, quoted)"
    kv = "github.com/dcharlot-physicalai-bmi/ferrotherm, src/ledger.rs (2026)"
    pcm = "M. Le Gallo et al., Nature Electronics 2023"
    gap = "printed as 1.6 nJ elsewhere in the paper: a cell of 1.3 fJ, as the maker uses otherwise"
    fp8 = "the H100's 4.09 uJ is its rating at fp8 with half of the weights zero"
    static = "counts are not published; 1.5 W x 58.8 us alone would be 88 uJ, 300 times the total"
    return (
        PublishedTotal("Z1, sweep", "269,568 x 7.09 fJ", z1_sweep(), 1.911e-9, "J", z1),
        PublishedTotal(
            "Z1, power", "269,568 x 7.09 fJ x 50 MHz", z1_sweep() * Z1_CLOCK, 95.6e-3, "W", z1
        ),
        PublishedTotal(
            "DTM, step at 2 fJ", "250 x 70^2 x 2 fJ", dtm_step(2e-15), 2.45e-9, "J", dtm
        ),
        PublishedTotal(
            "DTM, step at 1.3 fJ", "250 x 70^2 x 1.3 fJ", dtm_step(1.3e-15), 1.6e-9, "J", dtm, gap
        ),
        PublishedTotal(
            "Z1T, 10 % use", "40.9 uJ / (8.74 + 285.78) nJ", z1t_ratio(40.9e-6), 138.9, "", z1t, fp8
        ),
        PublishedTotal(
            "Z1T, sampler free", "40.9 uJ / 285.78 nJ", z1t_ratio(40.9e-6, 0.0), 143.1, "", z1t, fp8
        ),
        PublishedTotal("Z1T, logic", "not published", None, 285.78e-9, "J", z1t, static),
        PublishedTotal(
            "KV260, update",
            "0.5554 W / (1024 x 100 MHz / 2)",
            0.5554 / (1024 * 100e6 / 2),
            10.85e-12,
            "J",
            kv,
        ),
        PublishedTotal(
            "phase-change chip, power",
            "16.1 TOPS / (2.48 TOPS/W)",
            16.1e12 * (model("analog", "in-memory").price().high or 0.0),
            63.1 / 9.76,
            "W",
            pcm,
            "both of its modes take the same power",
        ),
    )
