"""Datasheets: TOML files validated into frozen SI numbers with tolerance, source and evidence."""

from thermohw.datasheet.active import Amplifier, Solver, Transconductor
from thermohw.datasheet.conductors import Conductors, Junction, Supply, Transistor
from thermohw.datasheet.load import device_names, load_datasheet
from thermohw.datasheet.netlist import Netlist, parse_netlist, read_netlist
from thermohw.datasheet.quartic import Bilinear, Quartics, QuarticUnit
from thermohw.datasheet.rated import EVIDENCE, RatedValue, weakest
from thermohw.datasheet.read import read_datasheet
from thermohw.datasheet.sheet import (
    Capacitor,
    Cost,
    Datasheet,
    Inductor,
    Limits,
    Mutual,
    Node,
    Resistor,
)

__all__ = [
    "EVIDENCE",
    "Amplifier",
    "Bilinear",
    "Capacitor",
    "Conductors",
    "Cost",
    "Datasheet",
    "Inductor",
    "Junction",
    "Limits",
    "Mutual",
    "Netlist",
    "Node",
    "RatedValue",
    "QuarticUnit",
    "Quartics",
    "Resistor",
    "Solver",
    "Supply",
    "Transistor",
    "Transconductor",
    "device_names",
    "load_datasheet",
    "parse_netlist",
    "read_datasheet",
    "read_netlist",
    "weakest",
]
