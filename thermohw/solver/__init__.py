"""Op-amp circuits: run them, and solve linear systems on a board of integrators."""

from thermohw.solver.answer import Inverse, Solution
from thermohw.solver.average import average_covariance, covariance_error, mean_error, product_error
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
