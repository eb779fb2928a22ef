"""What the cards of a circuit share: the names of its parts, noise sources, notes."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import sqrt
from typing import TYPE_CHECKING

from thermohw.spice.cards import plain

if TYPE_CHECKING:
    from thermohw.datasheet import RatedValue
    from thermohw.spice.waveform import Waveform

__all__ = ["CircuitCards", "RandomNoise", "noise_card", "note", "resistor_card"]


@dataclass(frozen=True)
class RandomNoise:
    """Johnson noise drawn by the simulator: independent Gaussians held for `interval`.

    Held noise makes the variance of an RC node (2/r) tanh(r/2) = 1 - r^2/12 of kT/C, r = interval
    over RC.

    Attributes:
        seed: of the simulator's generator, a positive whole number.
        interval: R_ref C_ref.
    """

    seed: int
    interval: float


@dataclass
class CircuitCards:
    """Cards of a circuit, and the expressions by which the rest of a deck refers to it.

    Attributes:
        lines: the cards.
        readings: by coordinate (nodes, then inductors) the node whose voltage tells its effort, and
            the volts or amperes per volt.
        states: names of the nodes.
        branches: names of the inductors.
        spans: the two nodes of every inductor.
        force: X_k of every element, volt (ampere for a series resistance).
        flow: dy_k/dt of every element, ampere (volt).
        sources: element index -> the node whose voltage is the thermal value of its source.
        ports: coordinate index -> the same for the port's.
    """

    lines: list[str] = field(default_factory=list)
    readings: list[tuple[str, float]] = field(default_factory=list)
    states: list[str] = field(default_factory=list)
    branches: list[str] = field(default_factory=list)
    spans: list[tuple[str, str]] = field(default_factory=list)
    force: list[str] = field(default_factory=list)
    flow: list[str] = field(default_factory=list)
    sources: dict[int, str] = field(default_factory=dict)
    ports: dict[int, str] = field(default_factory=dict)


def resistor_card(
    name: str, a: str, b: str, value: float, temperature: float, *, silent: bool = True
) -> str:
    """R at a temperature in kelvin; silent in the simulator's own small-signal analysis where its
    noise is written as a source.
    """
    celsius = repr(round(temperature - 273.15, 9))
    return f"R_{name} {a} {b} {plain(value)} temp={celsius}{' noisy=0' if silent else ''}"


def noise_card(
    card: str,
    noise: Waveform | RandomNoise,
    element: int,
    units: tuple[float, float],
    strength: float,
) -> str:
    """The noise source of one element; `units` are the SI sizes of a unit of time and of what the
    card carries, `strength` the root of its two-sided density in the latter.
    """
    if isinstance(noise, RandomNoise):
        held = noise.interval * units[0]
        return f"{card} DC 0 TRRANDOM(2 {plain(held)} 0 {plain(strength / sqrt(held))} 0)"
    return f"{card} {noise.pwl(element, *units)}"


def note(value: RatedValue, temperature: RatedValue | None = None) -> str:
    """Tolerances, as a comment that is read back."""
    known = {"tolerance": value.tolerance,
             "temperature_tolerance": temperature.tolerance if temperature else None}  # fmt: skip
    told = " ".join(f"{key}={plain(x)}" for key, x in known.items() if x is not None)
    return f" ; {told}" if told else ""
