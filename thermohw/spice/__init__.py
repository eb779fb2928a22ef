"""Circuits for and from a circuit simulator that nobody here wrote."""

from thermohw.spice.board import RandomNoise
from thermohw.spice.check import PathCheck, check_free, check_path, path_deck
from thermohw.spice.controllers import Replay
from thermohw.spice.deck import Deck, make_deck, make_netlist
from thermohw.spice.equilibrium import EquilibriumCheck, check_equilibrium
from thermohw.spice.loop import closed_loop
from thermohw.spice.mixture_cards import MixtureCards
from thermohw.spice.network_cards import NetworkCards
from thermohw.spice.paths import RunPath, chosen_path
from thermohw.spice.response import Response, linear_response
from thermohw.spice.runner import SpiceRun, find_ngspice, run_deck
from thermohw.spice.statistics import CellResults, run_ensemble
from thermohw.spice.waveform import Waveform, interpolated, staircase

__all__ = [
    "Deck",
    "CellResults",
    "EquilibriumCheck",
    "MixtureCards",
    "NetworkCards",
    "RunPath",
    "PathCheck",
    "RandomNoise",
    "Replay",
    "Response",
    "SpiceRun",
    "Waveform",
    "check_equilibrium",
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
    "run_deck",
    "run_ensemble",
    "staircase",
]
