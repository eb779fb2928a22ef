"""Active elements of a datasheet: amplifiers, transconductors, and the solver that repeats a cell.

    [[amplifier]]       an op-amp: it holds its `output` node (and the `complement` at minus it) at
                        a voltage which it makes from the difference of its inputs
    [[transconductor]]  a current g (v_p - v_m) from between[0] through the element to between[1],
                        control = [p, m]; g has a sign. With control = between a positive g is a
                        conductor and a negative one feeds energy in: the only way to write a
                        negative conductance, which a [[resistor]] cannot have
    [solver]            the sheet describes one integrator (one amplifier, one capacitor around it,
                        one unit resistor into it); the solver has `size` of them and joins them by
                        resistors that a matrix programs

Active elements take their energy from a supply, so they have no bath; what they deliver to the
circuit is booked element by element. Entries that an amplifier leaves out are ideal: gain without
end, bandwidth without end, no limit of slew or swing, no offset, no noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import BeforeValidator, Field

from thermohw.datasheet.fields import (
    Coefficient,
    Name,
    Record,
    Volt,
    VoltPerSecond,
    Watt,
    rated_in,
)
from thermohw.datasheet.rated import RatedValue, read_rated

__all__ = [
    "Amplifier",
    "Solver",
    "Transconductor",
    "driven_nodes",
]

Siemens = Annotated[RatedValue, BeforeValidator(lambda x: read_rated(x, "S", signed=True))]
Offset = Annotated[RatedValue, BeforeValidator(lambda x: read_rated(x, "V", signed=True))]
Hertz = Annotated[RatedValue, rated_in("Hz")]
Density = Annotated[RatedValue, rated_in("V/sqrt(Hz)")]
BitRate = Annotated[RatedValue, rated_in("bit/s")]
Bits = Annotated[int, Field(strict=True, ge=1, le=32)]


@dataclass(frozen=True)
class Amplifier(Record):
    """An op-amp with one pole; None stands for the ideal.

    Attributes:
        name: its name, and that of the work it does.
        minus: inverting input, a node or ground.
        output: the node it holds.
        plus: the other input, a node or ground.
        complement: a node held at minus the output's voltage (a differential output).
        gain: open-loop gain A0 at rest, dimensionless.
        gbw: gain-bandwidth product, hertz: the frequency at which the open-loop gain is one.
        slew: largest rate of change of the output, V/s; needs gbw.
        swing: the output stays inside plus and minus this voltage; needs gbw.
        offset: input offset, added to v_plus - v_minus, volt, either sign.
        noise: input noise density, V/sqrt(Hz), white, one-sided; needs gbw.
        quiescent: power it takes from its supply all the time, watt.
    """

    name: Name
    minus: str
    output: str
    plus: str = "gnd"
    complement: str | None = None
    gain: Coefficient | None = None
    gbw: Hertz | None = None
    slew: VoltPerSecond | None = None
    swing: Volt | None = None
    offset: Offset | None = None
    noise: Density | None = None
    quiescent: Watt | None = None


@dataclass(frozen=True)
class Transconductor(Record):
    """A current g (v_p - v_m) that leaves between[0] and arrives in between[1].

    Attributes:
        name: its name, and that of the work it does.
        between: where the current leaves and arrives; at most one of them ground.
        control: the nodes p and m whose voltage difference sets it.
        conductance: g, siemens, either sign.
    """

    name: Name
    between: tuple[str, str]
    control: tuple[str, str]
    conductance: Siemens


@dataclass(frozen=True)
class Solver(Record):
    """How many integrators a solver has, and how numbers reach and leave it.

    Attributes:
        size: integrators, the largest dimension of a linear system.
        full_scale: converters cover plus and minus this voltage.
        resistor_bits: resolution of a programmed conductance; None: any value.
        dac_bits: of the voltages that carry b; None: any value.
        adc_bits: of the readings; None: exact.
        transfer: rate of the link to the host, bit/s; None: takes no time.
        noise: rms voltage sqrt(k T_eff / C) that the noise sources give an integrator closed by one
            unit resistor; None: no noise sources.
    """

    size: Annotated[int, Field(strict=True, ge=1, le=1024)]
    full_scale: Volt
    resistor_bits: Bits | None = None
    dac_bits: Bits | None = None
    adc_bits: Bits | None = None
    transfer: BitRate | None = None
    noise: Volt | None = None


def driven_nodes(amplifiers: tuple[Amplifier, ...]) -> tuple[str, ...]:
    """Nodes that amplifiers hold, outputs and complements."""
    ends = [end for amplifier in amplifiers for end in (amplifier.output, amplifier.complement)]
    return tuple(end for end in ends if end is not None)
