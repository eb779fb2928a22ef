"""The hardware: linear noise circuits, their energy, baths and exact propagation."""

from thermohw.circuit.active import ActiveDevice
from thermohw.circuit.active_law import ActiveLaw, active_law
from thermohw.circuit.device import LinearDevice
from thermohw.circuit.heat import heat_rate, steady_heat, steady_production
from thermohw.circuit.langevin import langevin, mirror, model_units
from thermohw.circuit.network import build_device, load_device
from thermohw.circuit.nodes import NodeMoments, node_moments
from thermohw.circuit.quartic import QuarticDevice
from thermohw.circuit.relaxation import relaxation
from thermohw.circuit.scale import Scale
from thermohw.circuit.solver import Program, SolverDevice
from thermohw.circuit.tick import TickMoments, tick_moments

__all__ = [
    "ActiveDevice",
    "ActiveLaw",
    "LinearDevice",
    "NodeMoments",
    "QuarticDevice",
    "Program",
    "Scale",
    "SolverDevice",
    "TickMoments",
    "active_law",
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
