"""The main job: from a SPEC to a stored run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from thermohw.rooms import on_demand

if TYPE_CHECKING:
    from thermohw.pipeline.energy import EnergyBudget, energy
    from thermohw.pipeline.pool import pool
    from thermohw.pipeline.record import Run
    from thermohw.pipeline.run import run_spec
    from thermohw.pipeline.simulate import simulate
    from thermohw.pipeline.spec import Spec, load_spec, read_spec, spec_names

__all__ = [
    "EnergyBudget",
    "Run",
    "Spec",
    "energy",
    "load_spec",
    "pool",
    "read_spec",
    "run_spec",
    "simulate",
    "spec_names",
]

on_demand(
    __name__,
    {
        "EnergyBudget": "energy",
        "Run": "record",
        "Spec": "spec",
        "energy": "energy",
        "load_spec": "spec",
        "pool": "pool",
        "read_spec": "spec",
        "run_spec": "run",
        "simulate": "simulate",
        "spec_names": "spec",
    },
)
