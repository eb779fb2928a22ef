"""Datasheets: TOML files validated into frozen SI numbers with tolerance, source and evidence."""

from thermohw.datasheet.active import Amplifier, Solver, Transconductor
from thermohw.datasheet.load import device_names, load_datasheet, read_datasheet
from thermohw.datasheet.quantity import EVIDENCE, Quantity, weakest
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
    "Capacitor",
    "Cost",
    "Datasheet",
    "Inductor",
    "Limits",
    "Mutual",
    "Node",
    "Quantity",
    "Resistor",
    "Solver",
    "Transconductor",
    "device_names",
    "load_datasheet",
    "read_datasheet",
    "weakest",
]
