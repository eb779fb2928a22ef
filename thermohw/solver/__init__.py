"""Op-amp circuits: run them, and solve linear systems on a board of integrators."""

from __future__ import annotations

from typing import TYPE_CHECKING

from thermohw.rooms import on_demand

if TYPE_CHECKING:
    from thermohw.solver.answer import Inverse, Solution
    from thermohw.solver.average import (
        average_covariance,
        covariance_error,
        mean_error,
        product_error,
    )
    from thermohw.solver.budget import Budget
    from thermohw.solver.evolve import Evolve, evolve
    from thermohw.solver.run import ActiveRun
    from thermohw.solver.shortfall import Shortfall
    from thermohw.solver.solve import invert, solve

__all__ = [
    "ActiveRun",
    "Budget",
    "Evolve",
    "Inverse",
    "Shortfall",
    "Solution",
    "average_covariance",
    "covariance_error",
    "evolve",
    "invert",
    "mean_error",
    "product_error",
    "solve",
]

on_demand(
    __name__,
    {
        "ActiveRun": "run",
        "Budget": "budget",
        "Evolve": "evolve",
        "Inverse": "answer",
        "Shortfall": "shortfall",
        "Solution": "answer",
        "average_covariance": "average",
        "covariance_error": "average",
        "evolve": "evolve",
        "invert": "solve",
        "mean_error": "average",
        "product_error": "average",
        "solve": "solve",
    },
)
