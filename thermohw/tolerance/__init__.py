"""Mismatch, sensitivity tables and yield of a run."""

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
