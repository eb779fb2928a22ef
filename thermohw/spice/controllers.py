r"""Controllers as cards: what a deck asks of whatever drives its sources.

A controller drives one node u_j for every source, whose voltage in volt is the source's value in
thermal units. Either a recording is played back (`Replay`: any controller, converters, delays and
all), or the deck computes the package's own law

    u = state v + score s(x, t),    x = v in model units

by behavioural sources (`ScoreCards`), for which it needs s as expressions: of an exact mixture
(`mixture_cards`) or a small network (`network_cards`). What such an s needs that depends on time
alone comes from tables on a grid of the run, linear between its points; the grid is made finer
until a straight line is within 3e-4 of the true course in the middle of every piece.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from thermohw.errors import InputError
from thermohw.spice.cards import plain
from thermohw.spice.clock import model_times, subdivided
from thermohw.spice.waveform import Waveform, interpolated

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from thermohw.circuit import LinearDevice
    from thermohw.control import Plan, ReverseDrive
    from thermohw.score import Score

__all__ = ["ControlCards", "Replay", "ScoreCards", "unscaled"]

_STRAIGHT = 3e-4
"""Relative error of a table between its points."""

_FINEST = 8
"""Most points of a table in a tick."""


class ControlCards(ABC):
    """What a deck asks of a controller.

    Attributes:
        wiring: "emf" or "current".
        common: shared nodes that a subcircuit must be handed.
    """

    wiring: str
    common: tuple[str, ...] = ()

    def sources(self, device: LinearDevice) -> dict[int, str]:
        """Element index -> control node, of the elements that carry a source."""
        if self.wiring != "emf":
            return {}
        return {k: f"u_{j}" for j, k in enumerate(device.controlled)}

    def ports(self, device: LinearDevice) -> dict[int, str]:
        """Coordinate index -> control node, of the ports that work."""
        if self.wiring != "current":
            return {}
        return {i: f"u_{i}" for i in range(self.width(device))}

    @abstractmethod
    def width(self, device: LinearDevice) -> int:
        """Number of sources."""

    def shared(self, seconds: float) -> list[str]:
        """Cards outside the cell; `seconds` is the SI size of R_ref C_ref."""
        del seconds
        return []

    @abstractmethod
    def cards(self, readings: list[tuple[str, float]], seconds: float) -> list[str]:
        """Cards of one cell, given by coordinate a node and its effort, thermal units per volt."""


@dataclass
class Replay(ControlCards):
    """Plays recorded source values.

    Attributes:
        waveform: a channel per source, thermal units.
        wiring: "emf" or "current".
    """

    waveform: Waveform
    wiring: str

    def width(self, device: LinearDevice) -> int:
        """Number of sources: as many as were recorded."""
        return self.waveform.channels

    def cards(self, readings: list[tuple[str, float]], seconds: float) -> list[str]:
        """A PWL source a control node."""
        del readings
        return [
            f"V_u_{j} u_{j} 0 {self.waveform.pwl(j, seconds, 1.0)}"
            for j in range(self.waveform.channels)
        ]


@dataclass
class ScoreCards(ControlCards):
    """A controller that evaluates a score: x_i, then s_i, then the drive's linear map.

    Attributes:
        plan: the worked-out protocol.
        rest: the sources stay at zero so long before generation starts, R_ref C_ref.
    """

    plan: Plan
    rest: float = 0.0
    common: tuple[str, ...] = field(default=("ron",), init=False)

    def __post_init__(self) -> None:
        if self.plan.clocked:
            raise InputError(
                "a clocked controller decides at its ticks, which no behavioural source does: its "
                "recorded control is replayed", where="protocol.control")  # fmt: skip
        self.prepare()

    def prepare(self) -> None:
        """Work out what the cards will need.

        Raises:
            InputError: this kind of cards cannot say what the plan's score is.
        """

    @property
    def wiring(self) -> str:  # type: ignore[override]
        """The drive's."""
        return self.plan.drive.wiring

    def width(self, device: LinearDevice) -> int:
        """Number of sources: rows of the drive's map."""
        state = np.asarray(self.plan.drive.state)
        return len(state) if state.ndim else len(device.nodes)

    def shared(self, seconds: float) -> list[str]:
        """The switch that starts generation, and the schedule."""
        switch = f"time < {plain(self.rest * seconds)} ? 0 : 1" if self.rest else "1"
        return [f"B_ron ron 0 V = {switch}", *self.schedule(seconds)]

    def cards(self, readings: list[tuple[str, float]], seconds: float) -> list[str]:
        """Model-unit states, the score, the sources."""
        del seconds
        drive, dim = self.plan.drive, self.plan.protocol.score.dim
        units = np.full(dim, drive.theta**-0.5) if drive.units is None else drive.units
        lines = []
        for i, (node, effort) in enumerate(readings[:dim]):
            # As a current into 1 Mohm: entries of the simulator's matrix stay of the size of the
            # circuit's own, and so does its round-off.
            gain = plain(1e-6 * effort / float(units[i]))
            lines += [f"G_x_{i} 0 x_{i} {node} 0 {gain}", f"R_x_{i} x_{i} 0 1e6 noisy=0"]
        lines += self.score(dim)
        for j, terms in enumerate(_linear_map(drive, units)):
            lines.append(f"B_u_{j} u_{j} 0 V = v(ron)*({terms})")
        return lines

    @abstractmethod
    def schedule(self, seconds: float) -> list[str]:
        """Shared cards of what depends on time alone."""

    @abstractmethod
    def score(self, dim: int) -> list[str]:
        """Cards that drive s_0 .. s_(dim - 1) from x_0 .. and the schedule."""

    def table(
        self, name: str, course: Callable[[NDArray[Any]], NDArray[Any]], seconds: float
    ) -> list[str]:
        """Sources name_0, name_1, ... that follow a course over the run.

        Args:
            name: of the nodes.
            course: rows of values (M, ...) at model times (M,).
            seconds: SI size of R_ref C_ref.
        """
        times, parts = self.plan.schedule.physical_time, 1

        def rows(grid: NDArray[Any]) -> NDArray[Any]:
            return np.asarray(course(model_times(self.plan, grid))).reshape(len(grid), -1)

        values = rows(times)
        while parts < _FINEST:
            finer = subdivided(times, 2)
            exact = rows(finer)
            middle, line = exact[1::2], 0.5 * (values[1:] + values[:-1])
            size = np.abs(middle) + 0.01 * np.abs(exact).max(axis=0)
            if (np.abs(middle - line) <= _STRAIGHT * size).all():
                break
            times, values, parts = finer, exact, 2 * parts
        wave = interpolated(self.rest + times, values)
        lines = []
        for c in range(wave.channels):
            node = f"{name}_{c}"
            if np.ptp(wave.values[:, c]) == 0.0:
                lines.append(f"V_{node} {node} 0 {plain(wave.values[0, c])}")
            else:
                lines.append(f"V_{node} {node} 0 {wave.pwl(c, seconds, 1.0)}")
        return lines


def unscaled(score: Score) -> tuple[Score, float]:
    """What a score is a multiple of, and the factor."""
    factor = getattr(score, "factor", None)
    if isinstance(factor, (int, float)):
        return score.base, float(factor)  # type: ignore[attr-defined]
    return score, 1.0


def _linear_map(drive: ReverseDrive, units: NDArray[Any]) -> list[str]:
    """u_j as a sum of states and scores; x is turned back into thermal efforts by `units`."""
    s, w = (
        part * np.eye(len(units)) if isinstance(part, float) else np.asarray(part)
        for part in (drive.state, drive.score)
    )
    rows = []
    for one, other in zip(s * units, w, strict=True):
        terms = [f"{plain(c)}*v(x_{i})" for i, c in enumerate(one) if c != 0.0]
        terms += [f"{plain(c)}*v(s_{i})" for i, c in enumerate(other) if c != 0.0]
        rows.append("+".join(terms) or "0")
    return rows
