"""The books: ledger, pumping, entropy, information, fluctuation theorems."""

from thermohw.thermo.balance import HeatBalance
from thermohw.thermo.entropy import nearest_neighbour_entropy
from thermohw.thermo.fluctuation import PathRatio, exponential_average
from thermohw.thermo.information import Information, acquired, converter_information
from thermohw.thermo.ledger import Ledger
from thermohw.thermo.peaks import Peaks
from thermohw.thermo.profile import Profile
from thermohw.thermo.pumping import Pumping

__all__ = [
    "HeatBalance",
    "Information",
    "Ledger",
    "PathRatio",
    "Peaks",
    "Profile",
    "Pumping",
    "acquired",
    "converter_information",
    "exponential_average",
    "nearest_neighbour_entropy",
]
