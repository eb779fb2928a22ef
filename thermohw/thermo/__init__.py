"""The books: ledger, pumping, entropy, information, fluctuation theorems."""

from thermohw.thermo.balance import HeatBalance, NetworkBalance, heat_balance
from thermohw.thermo.codes import CodeEntropy
from thermohw.thermo.entropy import nearest_neighbour_entropy
from thermohw.thermo.fluctuation import PathRatio, exponential_average
from thermohw.thermo.information import (
    Information,
    acquired,
    converter_bounds,
    converter_information,
)
from thermohw.thermo.kernels import Kernels, without_kernel
from thermohw.thermo.ledger import Ledger
from thermohw.thermo.peaks import Peaks
from thermohw.thermo.profile import Profile
from thermohw.thermo.pumping import Pumping
from thermohw.thermo.residuals import Residuals
from thermohw.thermo.updates import Updates

__all__ = [
    "CodeEntropy",
    "HeatBalance",
    "Information",
    "Kernels",
    "Ledger",
    "NetworkBalance",
    "PathRatio",
    "Peaks",
    "Profile",
    "Pumping",
    "Residuals",
    "Updates",
    "acquired",
    "converter_bounds",
    "converter_information",
    "exponential_average",
    "heat_balance",
    "nearest_neighbour_entropy",
    "without_kernel",
]
