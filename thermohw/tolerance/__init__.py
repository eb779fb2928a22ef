"""Mismatch, sensitivity tables and yield of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from thermohw.rooms import on_demand

if TYPE_CHECKING:
    from thermohw.tolerance.interval import Fraction, clopper_pearson, wilson
    from thermohw.tolerance.measure import Metric, Outcome, measure
    from thermohw.tolerance.montecarlo import SampledBoard, Yield, monte_carlo, yield_
    from thermohw.tolerance.require import Requirement
    from thermohw.tolerance.rows import Row, standard_rows
    from thermohw.tolerance.sensitivity import Sensitivity, SensitivityRow, sensitivity
    from thermohw.tolerance.spread import CORNERS, Spread, board_generator

__all__ = [
    "CORNERS",
    "SampledBoard",
    "Fraction",
    "Metric",
    "Outcome",
    "Requirement",
    "Row",
    "Sensitivity",
    "SensitivityRow",
    "Spread",
    "Yield",
    "board_generator",
    "clopper_pearson",
    "measure",
    "monte_carlo",
    "sensitivity",
    "standard_rows",
    "wilson",
    "yield_",
]

on_demand(
    __name__,
    {
        "CORNERS": "spread",
        "Fraction": "interval",
        "Metric": "measure",
        "Outcome": "measure",
        "Requirement": "require",
        "Row": "rows",
        "SampledBoard": "montecarlo",
        "Sensitivity": "sensitivity",
        "SensitivityRow": "sensitivity",
        "Spread": "spread",
        "Yield": "montecarlo",
        "board_generator": "spread",
        "clopper_pearson": "interval",
        "measure": "measure",
        "monte_carlo": "montecarlo",
        "sensitivity": "sensitivity",
        "standard_rows": "rows",
        "wilson": "interval",
        "yield_": "montecarlo",
    },
)
