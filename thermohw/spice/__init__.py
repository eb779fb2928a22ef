"""Circuits for and from a circuit simulator that nobody here wrote."""

from thermohw.spice.check import PathCheck, check_free, check_path, path_deck
from thermohw.spice.controllers import MixtureCards, Replay
from thermohw.spice.deck import Deck, make_deck, make_netlist
from thermohw.spice.elements import RandomNoise
from thermohw.spice.netlist import Netlist, Source, read_netlist
from thermohw.spice.paths import Path, chosen_path, closed_loop
from thermohw.spice.response import Response, linear_response
from thermohw.spice.runner import SpiceRun, find_ngspice, run_deck
from thermohw.spice.statistics import Ensemble, run_ensemble
from thermohw.spice.waveform import Waveform, interpolated, staircase

__all__ = [
    "Deck",
    "Ensemble",
    "MixtureCards",
    "Netlist",
    "Path",
    "PathCheck",
    "RandomNoise",
    "Replay",
    "Response",
    "Source",
    "SpiceRun",
    "Waveform",
    "check_free",
    "check_path",
    "chosen_path",
    "closed_loop",
    "find_ngspice",
    "interpolated",
    "linear_response",
    "make_deck",
    "make_netlist",
    "path_deck",
    "read_netlist",
    "run_deck",
    "run_ensemble",
    "staircase",
]
