"""Circuits of nonlinear conductors: electrons one at a time, and the exact heat of every event."""

from __future__ import annotations

from typing import TYPE_CHECKING

from thermohw.rooms import on_demand

if TYPE_CHECKING:
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

on_demand(
    __name__,
    {
        "FluctuationTheorem": "theorems",
        "JumpRun": "record",
        "Jumps": "run",
        "MasterEquation": "master",
        "entropy_production": "theorems",
        "fluctuation_theorem": "theorems",
        "master_equation": "master",
        "simulate_jumps": "run",
    },
)
