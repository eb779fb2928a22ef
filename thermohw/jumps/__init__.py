"""Circuits of nonlinear conductors: electrons one at a time, and the exact heat of every event."""

from thermohw.jumps.master import MasterEquation, master_equation
from thermohw.jumps.record import JumpRun
from thermohw.jumps.run import Jumps, simulate_jumps
from thermohw.jumps.theorems import (
    FluctuationTheorem,
    entropy_production,
    fluctuation_theorem,
)

__all__ = [
    "FluctuationTheorem",
    "JumpRun",
    "Jumps",
    "MasterEquation",
    "entropy_production",
    "fluctuation_theorem",
    "master_equation",
    "simulate_jumps",
]
