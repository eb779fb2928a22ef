"""The books: accounts of every run, and what watches a played one: ledger, pumping, entropy,
information, fluctuation theorems.
"""

from thermohw.books.accounts import Booked, Books
from thermohw.books.balance import HeatBalance, NetworkBalance, heat_balance
from thermohw.books.codes import CodeEntropy
from thermohw.books.entropy import nearest_neighbour_entropy
from thermohw.books.fluctuation import PathRatio
from thermohw.books.information import (
    Information,
    acquired,
    analog_filter,
    converter_bounds,
    converter_information,
    information_account,
)
from thermohw.books.kernels import Kernels, without_kernel
from thermohw.books.ledger import Ledger
from thermohw.books.peaks import Peaks
from thermohw.books.production import Production, without_ratio
from thermohw.books.profile import Profile
from thermohw.books.pumping import Pumping
from thermohw.books.residuals import Residuals
from thermohw.books.theorems import ExponentialMean
from thermohw.books.updates import Updates

__all__ = [
    "Booked",
    "Books",
    "CodeEntropy",
    "ExponentialMean",
    "HeatBalance",
    "Information",
    "Kernels",
    "Ledger",
    "NetworkBalance",
    "PathRatio",
    "Peaks",
    "Production",
    "Profile",
    "Pumping",
    "Residuals",
    "Updates",
    "acquired",
    "analog_filter",
    "converter_bounds",
    "converter_information",
    "heat_balance",
    "information_account",
    "nearest_neighbour_entropy",
    "without_kernel",
    "without_ratio",
]
