r"""Noise that is not a resistor's: [[noise]] sources of a datasheet.

A source injects a current into a node (`at`, back from ground, or `between` two nodes: into the
first, out of the second), or stands in series with a resistor (`series`, volts). It has no bath and
no temperature: what it does to the circuit is work. With S(f) the one-sided density and sigma the
rms value, by `kind`

    white      S(f) flat up to `bandwidth`, in a `shape`
                   one-pole        S / (1 + (f/B)^2), B the corner;       sigma^2 = (pi/2) S B
                   staircase       held for 1/B;                          sigma^2 = S B / 2
                   interpolated    straight lines between samples 1/B
                                   apart of sigma^2 = S B / 2             mean over time S B / 3
               `density` = sqrt(S(0)), or `rms` = sigma (of the samples)
    flicker    S(f) = density^2 (corner/f)^exponent between `lowest` and `bandwidth`; `corner` is
               the frequency at which `density` is stated; exponent from 0.8 to 1.2
    telegraph  jumps between 0 and `amplitude`: for `capture` on average at 0, for `emission` on
               average at `amplitude`
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from thermohw.datasheet.fields import GROUND, Name, Table, did_you_mean, rated_in
from thermohw.datasheet.rated import RatedValue, read_rated
from thermohw.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["SHAPES", "Noise", "NoiseTable", "read_noises"]

SHAPES = ("one-pole", "staircase", "interpolated")

Hertz = Annotated[RatedValue, rated_in("Hz")]
Second = Annotated[RatedValue, rated_in("s")]


def _either(*units: str) -> BeforeValidator:
    """Reads an entry in one of several units: amperes or volts, by where the source stands."""

    def read(entry: Any) -> RatedValue:
        for unit in units[:-1]:
            try:
                return read_rated(entry, unit)
            except InputError as error:
                if "does not measure" not in str(error):
                    raise
        return read_rated(entry, units[-1])

    return BeforeValidator(read)


Size = Annotated[RatedValue, _either("A", "V")]
Density = Annotated[RatedValue, _either("A/sqrt(Hz)", "V/sqrt(Hz)")]

_TAKES = {
    "white": ({"bandwidth"}, {"density", "rms", "shape"}),
    "flicker": ({"density", "corner", "lowest", "bandwidth"}, {"exponent"}),
    "telegraph": ({"amplitude", "capture", "emission"}, set()),
}


class NoiseTable(Table):
    """[[noise]]."""

    name: Name
    kind: Literal["white", "flicker", "telegraph"]
    at: str | None = None
    between: tuple[str, str] | None = None
    series: str | None = None
    density: Density | None = None
    rms: Size | None = None
    bandwidth: Hertz | None = None
    shape: Literal["one-pole", "staircase", "interpolated"] | None = None
    exponent: Annotated[float, Field(ge=0.8, le=1.2)] | None = None
    corner: Hertz | None = None
    lowest: Hertz | None = None
    amplitude: Size | None = None
    capture: Second | None = None
    emission: Second | None = None

    @model_validator(mode="after")
    def _complete(self) -> NoiseTable:
        placed = [key for key in ("at", "between", "series") if getattr(self, key) is not None]
        if len(placed) != 1:
            raise ValueError("give one of at, between and series")
        needed, further = _TAKES[self.kind]
        given = {
            key
            for key in type(self).model_fields
            if key not in ("name", "kind", "at", "between", "series")
            and getattr(self, key) is not None
        }
        if missing := sorted(needed - given):
            raise ValueError(f"{missing[0]}: {self.kind} noise needs it")
        if surplus := sorted(given - needed - further):
            raise ValueError(f"{surplus[0]}: {self.kind} noise has none")
        if self.kind == "white" and (self.density is None) == (self.rms is None):
            raise ValueError("give either density or rms")
        if self.kind == "flicker":
            assert self.lowest is not None and self.bandwidth is not None
            if not self.lowest.value < self.bandwidth.value:
                raise ValueError("lowest: expected below bandwidth")
        letter = "V" if self.series is not None else "A"
        for key in ("density", "rms", "amplitude"):
            size = getattr(self, key)
            if size is not None and size.unit[0] != letter:
                where = "in series" if letter == "V" else "at a node"
                raise ValueError(f"{key}: noise {where} is in {letter}, not {size.unit}")
        return self


@dataclass(frozen=True)
class Noise:
    """A noise source, see the module.

    Attributes:
        name: its own; its work is booked as work.<name>.
        kind: "white", "flicker" or "telegraph".
        into: (node, node or ground) that its current goes into and comes out of; () in series.
        series: resistor that it stands in series with; "" at a node.
        shape: of white noise, else "".
        density: sqrt of the one-sided density, A/sqrt(Hz) or V/sqrt(Hz).
        rms: A or V.
        bandwidth: corner, sample rate or upper end, Hz.
        exponent: of flicker noise.
        corner: where its density is stated, Hz.
        lowest: lower end of its spectrum, Hz.
        amplitude: of telegraph noise, A or V.
        capture: mean time at 0, second.
        emission: mean time at `amplitude`, second.
    """

    name: str
    kind: str
    into: tuple[str, ...] = ()
    series: str = ""
    shape: str = ""
    density: RatedValue | None = None
    rms: RatedValue | None = None
    bandwidth: RatedValue | None = None
    exponent: float | None = None
    corner: RatedValue | None = None
    lowest: RatedValue | None = None
    amplitude: RatedValue | None = None
    capture: RatedValue | None = None
    emission: RatedValue | None = None


def read_noises(
    tables: Iterable[NoiseTable], nodes: Iterable[str], resistors: Iterable[str], where: str
) -> tuple[Noise, ...]:
    """The noise sources of a sheet, their places checked.

    Raises:
        InputError: a node or a resistor that does not exist, or a source from a node to itself.
    """
    known, own, noises = [*nodes], [*resistors], []
    for table in tables:
        into: tuple[str, ...] = ()
        if table.series is not None:
            if table.series not in own:
                hint = did_you_mean(table.series, own)
                raise InputError(f"{table.name}.series: no resistor '{table.series}'; {hint}",
                                 where=where)  # fmt: skip
        else:
            key = "at" if table.at is not None else "between"
            ends = table.between if table.at is None else (table.at, GROUND)
            assert ends is not None
            into = ends
            for end in into:
                if end not in known and (end != GROUND or table.at == GROUND):
                    hint = did_you_mean(end, known)
                    raise InputError(f"{table.name}.{key}: no node '{end}'; {hint}", where=where)
            if ends[0] == ends[1]:
                raise InputError(f"{table.name}.{key}: from '{ends[0]}' to itself; expected two "
                                 "different nodes", where=where)  # fmt: skip
        noises.append(
            Noise(
                name=table.name,
                kind=table.kind,
                into=into,
                series=table.series or "",
                shape=(table.shape or "one-pole") if table.kind == "white" else "",
                density=table.density,
                rms=table.rms,
                bandwidth=table.bandwidth,
                exponent=(table.exponent or 1.0) if table.kind == "flicker" else None,
                corner=table.corner,
                lowest=table.lowest,
                amplitude=table.amplitude,
                capture=table.capture,
                emission=table.emission,
            )
        )
    return tuple(noises)
