"""Supplies and nonlinear conductors: transistors and junctions that pass one electron at a time.

    [[supply]]      a terminal of fixed voltage; conductors and capacitors may end there, gates too
    [[transistor]]  a MOS transistor below threshold, from drain to source (n) or source to drain
                    (p); its bulk is tied to its source unless another terminal is named
    [[junction]]    between two terminals: a tunnel junction of a `resistance`, or a diode of a
                    `saturation_current` (and an `ideality`, 1 by default), anode first

Their noise is that of bidirectional Poisson jumps. Gaussian noise on a nonlinear conductor is
thermodynamically inconsistent: with the variance of shot noise it cannot obey the fluctuation
theorem (Wyatt and Coram, IEEE Trans. Electron Devices 46, 184, 1999; Delvenne and Van Brandt,
arXiv:2404.00422), so `noise = "gaussian"` is refused unless
the entry says `approximate = true` beside it; the circuit is then played by the chemical Langevin
equation of the same rates. Linear resistors and inductors do not stand beside these conductors: a
linear conductor of single electrons is a junction with a `resistance`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple

from pydantic import BeforeValidator

from thermohw.datasheet.fields import Ampere, Flag, Kelvin, Name, Ohm, Record
from thermohw.datasheet.rated import RatedValue, read_rated

__all__ = [
    "Conductors",
    "Junction",
    "Supply",
    "Transistor",
]

Potential = Annotated[
    RatedValue, BeforeValidator(lambda entry: read_rated(entry, "V", signed=True, zero=True))
]
Ratio = Annotated[RatedValue, BeforeValidator(lambda entry: read_rated(entry, ""))]
Noise = Literal["poisson", "gaussian"]


@dataclass(frozen=True)
class Supply(Record):
    """A terminal of fixed voltage (volt, against ground)."""

    name: Name
    voltage: Potential


@dataclass(frozen=True)
class Transistor(Record):
    """A MOS transistor below threshold with a bath of its own.

    With all voltages against the bulk, V_T = kT/q and the signs of an n-channel device,

        I = current exp((V_G - threshold)/(slope V_T)) (exp(-V_S/V_T) - exp(-V_D/V_T))

    Attributes:
        name: its name and its bath's.
        kind: "n" or "p".
        gate: a terminal: node, supply or ground. So are `drain`, `source` and `bulk`.
        drain: where the current of an n-channel device enters.
        source: where it leaves.
        current: at V_GS = threshold and large V_DS, ampere.
        threshold: volt, of V_GS (n) or V_SG (p).
        slope: the subthreshold slope factor n >= 1.
        temperature: of its bath, kelvin.
        bulk: None where it is tied to the source.
        noise: "poisson", or "gaussian" marked approximate.
        approximate: whether an inconsistent noise was asked for knowingly.
    """

    name: Name
    kind: Literal["n", "p"]
    gate: str
    drain: str
    source: str
    current: Ampere
    threshold: Potential
    slope: Ratio
    temperature: Kelvin
    bulk: str | None = None
    noise: Noise = "poisson"
    approximate: Flag = False

    @property
    def between(self) -> tuple[str, str]:
        """Terminals in the direction of the forward current."""
        return (self.drain, self.source) if self.kind == "n" else (self.source, self.drain)


@dataclass(frozen=True)
class Junction(Record):
    """A tunnel junction or a diode between two terminals, with a bath of its own.

    Attributes:
        name: its name and its bath's.
        between: two terminals; the anode first.
        temperature: of its bath, kelvin.
        resistance: of a tunnel junction, I = V/R, ohm.
        saturation_current: of a diode, I = I_s exp(V/(n V_T)) (1 - exp(-V/V_T)), ampere.
        ideality: n of a diode; 1 where absent.
        noise: "poisson", or "gaussian" marked approximate.
        approximate: whether an inconsistent noise was asked for knowingly.
    """

    name: Name
    between: tuple[str, str]
    temperature: Kelvin
    resistance: Ohm | None = None
    saturation_current: Ampere | None = None
    ideality: Ratio | None = None
    noise: Noise = "poisson"
    approximate: Flag = False


class Conductors(NamedTuple):
    """What a circuit of nonlinear conductors has beside nodes and capacitors."""

    supplies: tuple[Supply, ...] = ()
    transistors: tuple[Transistor, ...] = ()
    junctions: tuple[Junction, ...] = ()

    @property
    def all(self) -> tuple[Transistor | Junction, ...]:
        """Every conductor, in the order of the baths."""
        return (*self.transistors, *self.junctions)
