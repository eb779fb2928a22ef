"""The hardware: linear noise circuits, their energy, baths and exact propagation."""

from thermohw.circuit.active import ActiveDevice
from thermohw.circuit.active_law import ActiveLaw, active_law
from thermohw.circuit.build import build_device, load_device
from thermohw.circuit.device import LinearDevice, require_linear
from thermohw.circuit.heat import heat_rate, steady_heat, steady_production
from thermohw.circuit.jump import JumpDevice
from thermohw.circuit.jump_linear import gyration, linearised, principal_axes
from thermohw.circuit.jump_signal import SmallSignal, rest_points, small_signal, stable_points
from thermohw.circuit.langevin import langevin, mirror, model_units
from thermohw.circuit.nodes import NodeMoments, node_moments
from thermohw.circuit.quartic import QuarticDevice
from thermohw.circuit.relaxation import relaxation
from thermohw.circuit.scale import Scale
from thermohw.circuit.solver import SolverDevice
from thermohw.circuit.solver_system import MappedSystem
from thermohw.circuit.tick import TickMoments, tick_moments

__all__ = [
    "ActiveDevice",
    "ActiveLaw",
    "JumpDevice",
    "LinearDevice",
    "NodeMoments",
    "QuarticDevice",
    "MappedSystem",
    "Scale",
    "SmallSignal",
    "SolverDevice",
    "TickMoments",
    "active_law",
    "build_device",
    "gyration",
    "heat_rate",
    "langevin",
    "linearised",
    "load_device",
    "mirror",
    "model_units",
    "node_moments",
    "principal_axes",
    "relaxation",
    "require_linear",
    "rest_points",
    "small_signal",
    "stable_points",
    "steady_heat",
    "steady_production",
    "tick_moments",
]
