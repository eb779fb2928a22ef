"""Circuits driven by a program of their own parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from thermohw.rooms import on_demand

if TYPE_CHECKING:
    from thermohw.program.books import Driven
    from thermohw.program.drive import Drive, drive
    from thermohw.program.schedule import Program
    from thermohw.program.theorems import Crooks, Jarzynski, crooks, jarzynski

__all__ = ["Crooks", "Drive", "Driven", "Jarzynski", "Program", "crooks", "drive", "jarzynski"]

on_demand(
    __name__,
    {
        "Crooks": "theorems",
        "Drive": "drive",
        "Driven": "books",
        "Jarzynski": "theorems",
        "Program": "schedule",
        "crooks": "theorems",
        "drive": "drive",
        "jarzynski": "theorems",
    },
)
