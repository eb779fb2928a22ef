"""Circuits driven by a program of their own parameters."""

from thermohw.program.books import Driven
from thermohw.program.drive import Drive, drive
from thermohw.program.schedule import Program
from thermohw.program.theorems import Crooks, Jarzynski, crooks, jarzynski

__all__ = ["Crooks", "Drive", "Driven", "Jarzynski", "Program", "crooks", "drive", "jarzynski"]
