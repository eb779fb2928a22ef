"""A score that plays a linear circuit: channels, observers, facts, and the world of it."""

from thermohw.worlds.played.channels import ENERGIES, ledger_values
from thermohw.worlds.played.density import end_density
from thermohw.worlds.played.facts import run_facts
from thermohw.worlds.played.observers import build_engine
from thermohw.worlds.played.world import PlayedWorld, lanes

__all__ = [
    "ENERGIES",
    "PlayedWorld",
    "build_engine",
    "end_density",
    "lanes",
    "ledger_values",
    "run_facts",
]
