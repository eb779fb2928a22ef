"""The bridge: how a score is played on a circuit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from thermohw.rooms import on_demand

if TYPE_CHECKING:
    from thermohw.control.controller import Control, Controller
    from thermohw.control.converters import Converter
    from thermohw.control.drive import ReverseDrive
    from thermohw.control.halving import halved
    from thermohw.control.kalman import KalmanFilter
    from thermohw.control.limits import Limit, datasheet_limits, effective_temperature
    from thermohw.control.plan import Plan, make_plan
    from thermohw.control.protocol import Protocol
    from thermohw.control.reverse_drive import make_drive
    from thermohw.control.schedule import Schedule, make_schedule
    from thermohw.control.timeline import Piece, make_timeline

__all__ = [
    "Control",
    "Controller",
    "Converter",
    "ReverseDrive",
    "KalmanFilter",
    "Limit",
    "Piece",
    "Plan",
    "Protocol",
    "Schedule",
    "datasheet_limits",
    "effective_temperature",
    "halved",
    "make_drive",
    "make_plan",
    "make_schedule",
    "make_timeline",
]

on_demand(
    __name__,
    {
        "Control": "controller",
        "Controller": "controller",
        "Converter": "converters",
        "KalmanFilter": "kalman",
        "Limit": "limits",
        "Piece": "timeline",
        "Plan": "plan",
        "Protocol": "protocol",
        "ReverseDrive": "drive",
        "Schedule": "schedule",
        "datasheet_limits": "limits",
        "effective_temperature": "limits",
        "halved": "halving",
        "make_drive": "reverse_drive",
        "make_plan": "plan",
        "make_schedule": "schedule",
        "make_timeline": "timeline",
    },
)
