"""The hardware: linear noise circuits, their energy, baths and exact propagation."""

from thermohw.circuit.device import LinearDevice
from thermohw.circuit.heat import heat_rate, steady_heat, steady_production
from thermohw.circuit.langevin import langevin, mirror, model_units
from thermohw.circuit.network import build_device, load_device
from thermohw.circuit.nodes import NodeMoments, node_moments
from thermohw.circuit.relaxation import relaxation
from thermohw.circuit.scale import Scale
from thermohw.circuit.tick import TickMoments, tick_moments

__all__ = [
    "LinearDevice",
    "NodeMoments",
    "Scale",
    "TickMoments",
    "build_device",
    "heat_rate",
    "langevin",
    "load_device",
    "mirror",
    "model_units",
    "node_moments",
    "relaxation",
    "steady_heat",
    "steady_production",
    "tick_moments",
]
