"""Ticks and what is applied during them, latency included.

A reading taken at the start of tick n is turned into source values that reach the circuit a latency
l later and stay until the next ones arrive. The run is cut wherever a reading is taken or a new
value arrives, so every piece has constant input and is an exact tick of its own. Before the first
value arrives the sources rest at zero.
"""

from __future__ import annotations

from typing import NamedTuple

from thermohw.control.schedule import Schedule

__all__ = ["Piece", "make_timeline"]


class Piece(NamedTuple):
    """A stretch of physical time with constant input.

    Attributes:
        tick: the tick it lies in.
        start: physical time at its start, R_ref C_ref.
        duration: its length in the R C in force (R_ref C_ref unless the protocol varies R).
        reads: whether a reading is taken at its start.
        applies: the tick whose control is applied; -1 while the sources still rest.
        ends_tick: whether the tick ends with it.
        conductance: R_ref/R in force.
        temperature: T/T_ref in force.
    """

    tick: int
    start: float
    duration: float
    reads: bool
    applies: int
    ends_tick: bool
    conductance: float = 1.0
    temperature: float = 1.0


def make_timeline(schedule: Schedule, latency: float = 0.0) -> list[Piece]:
    """Cut a schedule into pieces of constant input.

    Args:
        schedule: the ticks.
        latency: delay from reading to source, in R_ref C_ref.

    Returns:
        The pieces in order; with no latency exactly one a tick.
    """
    times, n = schedule.physical_time, schedule.ticks
    conductance, temperature = schedule.conductances, schedule.temperatures
    if latency == 0.0:
        return [
            Piece(k, float(times[k]), float(h), True, k, True, *map(float, held))
            for k, (h, *held) in enumerate(
                zip(schedule.relaxations, conductance, temperature, strict=True)
            )
        ]
    resolution = (
        1e-9 * schedule.duration
    )  # arrivals that coincide with a reading up to rounding are one event
    pieces: list[Piece] = []
    applied = -1
    for tick in range(n):
        left, right = float(times[tick]), float(times[tick + 1])
        cuts = [left]
        while applied + 1 < n:
            arrival = float(times[applied + 1]) + latency
            if arrival >= right - resolution:
                break
            if arrival > cuts[-1] + resolution:
                pieces.append(_piece(tick, cuts[-1], arrival, left, applied, False))
                cuts.append(arrival)
            applied += 1
        pieces.append(_piece(tick, cuts[-1], right, left, applied, True))
    return [
        piece._replace(
            duration=piece.duration * float(conductance[piece.tick]),
            conductance=float(conductance[piece.tick]),
            temperature=float(temperature[piece.tick]),
        )
        for piece in pieces
    ]


def _piece(tick: int, start: float, end: float, left: float, applied: int, ends: bool) -> Piece:
    # Twelve digits: pieces that differ by rounding alone share their moments.
    return Piece(tick, start, float(f"{end - start:.12g}"), start == left, applied, ends)
