"""A program: how a circuit's own parameters change while it runs.

A schedule is a list of (time, value) pairs, both with units; between them the value is a straight
line, after the last it stays. Two pairs at one time are a jump. A key is an element of the
datasheet and one of its entries:

    n0.capacitance, c0.capacitance   F     of a node, of a coupling capacitor
    n0.elastance                     1/F   of a node: 1/C, its stiffness
    l0.inductance                    H
    r0.resistance, l0.series_resistance   ohm
    r0.temperature                   K     of a bath; above that of the room it is an effective one
    u0.j2, u0.j4, u0.bias            J     of a quartic unit
    j0.strength                      J     of a bilinear coupling

In an array the name of the cell, "n0", means all its copies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from thermohw.datasheet.fields import did_you_mean
from thermohw.errors import InputError
from thermohw.units import engineering, parse

__all__ = ["UNITS", "Program"]

UNITS = {
    "capacitance": "F",
    "elastance": "1/F",
    "inductance": "H",
    "resistance": "ohm",
    "series_resistance": "ohm",
    "temperature": "K",
    "j2": "J",
    "j4": "J",
    "bias": "J",
    "strength": "J",
}
"""Entries that a program can change, and the unit of their values."""

_SIGNED = ("j2", "bias", "strength")
_FREE = ("j4",)  # may be zero


@dataclass(frozen=True)
class Program:
    """Schedules of parameters.

    Args:
        schedules: key -> list of (time, value), e.g. {"r0.temperature": [("0 s", "300 K"),
            ("5 us", "600 K")]}.

    Raises:
        InputError: an unknown entry, a time that goes back or a schedule that does not start at
            zero, a negative resistance, capacitance, inductance, temperature or j4, no schedule.
    """

    schedules: Mapping[str, Sequence[tuple[str, str]]]

    def __post_init__(self) -> None:
        if not isinstance(self.schedules, Mapping) or not self.schedules:
            raise InputError("expected {key: [(time, value), ...]} with at least one key",
                             where="program")  # fmt: skip
        lines = {key: _line(key, pairs) for key, pairs in self.schedules.items()}
        object.__setattr__(self, "_lines", lines)
        if self.duration <= 0.0:
            raise InputError("every schedule ends at time zero: give it a later time",
                             where="program")  # fmt: skip

    @classmethod
    def ramp(cls, duration: str, **ends: tuple[str, str]) -> Program:
        """Straight lines from start to end; dots in keys are written as two underscores.

        Example: Program.ramp("5 us", n0__capacitance=("1 pF", "250 fF")).
        """
        pairs = {
            key.replace("__", "."): [("0 s", first), (duration, last)]
            for key, (first, last) in ends.items()
        }
        return cls(pairs)

    @property
    def lines(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Key -> (times in second, values in SI)."""
        return self._lines  # type: ignore[attr-defined]

    @property
    def keys(self) -> tuple[str, ...]:
        """The parameters it changes, in the order given."""
        return tuple(self.lines)

    @property
    def duration(self) -> float:
        """The last time of any schedule, second."""
        return max(float(times[-1]) for times, _ in self.lines.values())

    @property
    def knots(self) -> np.ndarray:
        """All times at which a schedule bends or jumps, from 0 to the duration, second."""
        times = np.unique(np.concatenate([times for times, _ in self.lines.values()]))
        # Times that differ by round-off ("0.3 us" and 300 * "1 ns") are one.
        apart = np.diff(times, prepend=-np.inf) > 1e-12 * self.duration
        return times[apart]

    def at(self, time: float) -> np.ndarray:
        """Values of all parameters at a time inside the program, SI, in the order of `keys`."""
        return np.array([np.interp(time, times, values) for times, values in self.lines.values()])

    @property
    def first(self) -> np.ndarray:
        """Values at the start, before any jump there."""
        return np.array([values[0] for _, values in self.lines.values()])

    @property
    def last(self) -> np.ndarray:
        """Values at the end, after any jump there."""
        return np.array([values[-1] for _, values in self.lines.values()])

    def corners(self) -> np.ndarray:
        """Values on both sides of every knot, shape (rows, keys): all extremes are among them."""
        rows = [self.first, self.last]
        gap = 1e-9 * self.duration
        for knot in self.knots:
            rows += [self.at(max(knot - gap, 0.0)), self.at(min(knot + gap, self.duration))]
        return np.array(rows)

    def reversed(self) -> Program:
        """The same film backwards."""
        end = self.duration
        return self._from(
            {
                key: ((end - times)[::-1], values[::-1])
                for key, (times, values) in self._whole().items()
            }
        )

    def stretched(self, factor: float) -> Program:
        """The same values at `factor` times the times: slower above 1, faster below."""
        if not (np.isfinite(factor) and factor > 0.0):
            raise InputError(f"{factor!r}: expected a positive factor", where="stretched")
        return self._from({key: (factor * t, values) for key, (t, values) in self.lines.items()})

    def _whole(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Lines that all reach the end."""
        end, whole = self.duration, {}
        for key, (times, values) in self.lines.items():
            if times[-1] < end:
                times, values = np.append(times, end), np.append(values, values[-1])
            whole[key] = times, values
        return whole

    @staticmethod
    def _from(lines: dict[str, tuple[np.ndarray, np.ndarray]]) -> Program:
        return Program(
            {
                key: [
                    (engineering(float(t), "s", 17), _text(float(v), UNITS[key.rpartition(".")[2]]))
                    for t, v in zip(times, values, strict=True)
                ]
                for key, (times, values) in lines.items()
            }
        )


def _text(value: float, unit: str) -> str:
    return f"{value!r} {unit}" if unit != "1/F" else f"{value!r} V/C"


def _line(key: Any, pairs: Any) -> tuple[np.ndarray, np.ndarray]:
    where = f"program.{key}"
    owner, dot, entry = str(key).rpartition(".")
    if not dot or not owner:
        raise InputError("expected element and entry, such as 'r0.temperature'", where=where)
    if entry not in UNITS:
        raise InputError(f"no parameter '{entry}'; {did_you_mean(entry, list(UNITS))}", where=where)
    try:
        rows = [(time, value) for time, value in pairs]
    except (TypeError, ValueError):
        rows = []
    if not rows:
        raise InputError("expected a list of (time, value) pairs", where=where)
    times = np.array([parse(time, "s", where) for time, _ in rows])
    values = np.array([parse(value, UNITS[entry], where) for _, value in rows])
    if times[0] != 0.0:
        raise InputError(f"starts at {rows[0][0]!r}; the first time is '0 s'", where=where)
    back = np.flatnonzero(np.diff(times) < 0.0)
    if len(back):
        i = int(back[0])
        raise InputError(f"time goes back from {rows[i][0]!r} to {rows[i + 1][0]!r}", where=where)
    floor = entry not in _SIGNED
    bad = (values < 0.0) | ((values == 0.0) & (entry not in _FREE)) if floor else values != values
    if bad.any():
        least = rows[int(np.argmax(bad))][1]
        wanted = "must not be negative" if entry in _FREE else "must be positive"
        raise InputError(f"{wanted}: {least!r}", where=where)
    return times, values
