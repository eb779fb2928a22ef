"""Phase transitions of generation: ensembles, fixed points, critical times, exponents."""

from thermohw.transitions.drift import CRITERIA, FrozenDrift, negative_conductance, source_of
from thermohw.transitions.ensemble import Noiseless, NoiselessState, Patterns, Smooth
from thermohw.transitions.exponents import CriticalRatio, Exponents, PowerLaw, exponents, power_law
from thermohw.transitions.fixed_points import (
    CriticalTime,
    FixedPoint,
    critical_time,
    critical_times,
    follow,
    newton,
    ordered,
)
from thermohw.transitions.mean_field import CurieWeiss, IsingChain, Sphere, two_deltas

__all__ = [
    "CRITERIA",
    "CriticalTime",
    "CurieWeiss",
    "Exponents",
    "FixedPoint",
    "FrozenDrift",
    "IsingChain",
    "CriticalRatio",
    "Noiseless",
    "NoiselessState",
    "Patterns",
    "PowerLaw",
    "Smooth",
    "Sphere",
    "critical_time",
    "critical_times",
    "exponents",
    "follow",
    "negative_conductance",
    "newton",
    "ordered",
    "power_law",
    "source_of",
    "two_deltas",
]
