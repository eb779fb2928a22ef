"""Time: steppers and the engine."""

from thermohw.integrate.cells import Cells
from thermohw.integrate.choice import make_stepper
from thermohw.integrate.continuous import Euler, Heun, Splitting
from thermohw.integrate.engine import Engine, make_engine
from thermohw.integrate.held_network import HeldNetwork
from thermohw.integrate.held_nodes import HeldNodes
from thermohw.integrate.observer import Carry, Observer
from thermohw.integrate.recorder import Recorder, saved_ticks
from thermohw.integrate.rotation import Rotating
from thermohw.integrate.start import StartLaw, start_law
from thermohw.integrate.step import Act, Step, Stepper
from thermohw.integrate.tile import Tile, tiles
from thermohw.integrate.tile_run import TileRun
from thermohw.integrate.twins import play_twins

__all__ = [
    "Act",
    "Carry",
    "Cells",
    "Engine",
    "Euler",
    "HeldNetwork",
    "HeldNodes",
    "Heun",
    "Observer",
    "Recorder",
    "Rotating",
    "Splitting",
    "StartLaw",
    "Step",
    "Stepper",
    "Tile",
    "TileRun",
    "make_engine",
    "make_stepper",
    "play_twins",
    "saved_ticks",
    "start_law",
    "tiles",
]
