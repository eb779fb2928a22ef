"""What is asked of a circuit with active elements, worked out: sources, steps, readings of a board.

No score and no protocol: the circuit does what its elements do under constant sources, from rest or
from its steady state. A board of integrators runs the same way once a matrix is programmed into it;
its outputs are read every so often after the start is forgotten.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, isfinite, sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from thermohw.circuit import ActiveDevice, SolverDevice, active_law
from thermohw.errors import InputError
from thermohw.intake import whole
from thermohw.solver.tile import Readings
from thermohw.units import amount, seconds

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.circuit import MappedSystem
    from thermohw.solver.prepared import PreparedEvolve
    from thermohw.solver.run import ActiveRun

__all__ = ["Evolve", "evolve", "may_slew"]

MOST_STEPS = 50_000_000
_FORGET = 10.0  # slowest motions before readings count
_SYSTEM = ("noise", "ideal", "mismatch", "volts")  # of a solve or invert table, for the board
_READING = ("settling", "every")


@dataclass(frozen=True, eq=False)
class Evolve:
    """A circuit with active elements and how long it runs, or a linear system and how long a board
    averages over it; `th.evolve`, `th.solve` and `th.invert` play it in memory.

    Args:
        device: from `load_device`: a circuit with amplifiers or transconductors; a board of
            integrators where there is `solve` or `invert`.
        duration: "50 us", or seconds; of the averaging where a board is read.
        step: of the books, and of amplifiers that slew or saturate; states of linear circuits are
            exact at any step. Default: a fifth of the fastest motion.
        sources: element name -> volts in series with it (amperes for an inductor's resistance).
        start: "rest" (every charge zero) or "steady" (the linear steady state under the sources).
        samples: at how many times states are kept, evenly spaced in steps, the end included.
        solve: "matrix" and "rhs" of A x = b; optionally "settling" before readings count (default:
            ten slowest motions), "every", the time between readings (default: R C), and "noise",
            "ideal", "mismatch", "volts" as of `SolverDevice.program` (voltages may have units).
        invert: "matrix", and the same.
    """

    device: ActiveDevice | SolverDevice
    duration: str | float
    step: str | float | None = None
    sources: Mapping[str, str | float] | None = None
    start: str = "rest"
    samples: int = 64
    solve: Mapping[str, Any] | None = None
    invert: Mapping[str, Any] | None = None

    def prepare(self, *, books: bool = True) -> PreparedEvolve:
        """Work it out.

        Args:
            books: keep the energy books; without them linear circuits take long steps.

        Raises:
            InputError: see `check`.
        """
        worked_out = self.check(books=books)
        from thermohw.solver.prepared import PreparedEvolve  # plays, and so imports torch

        return PreparedEvolve(**worked_out)

    def check(self, *, books: bool = True) -> dict[str, Any]:
        """What a `PreparedEvolve` is made of, worked out without torch.

        Args:
            books: keep the energy books; without them linear circuits take long steps.

        Raises:
            InputError: a device of another kind, an unknown source or start, a time that is not
                positive, more than 50 million steps, a system that the board cannot carry.
        """
        whole(self.samples, 0, "samples")
        if self.start not in ("rest", "steady"):
            raise InputError(f"{self.start!r}: expected 'rest' or 'steady'", where="start")
        tables = [t for t in (self.solve, self.invert) if t is not None]
        if isinstance(self.device, SolverDevice):
            if len(tables) != 1:
                raise InputError(
                    f"{self.device.name} is a board of integrators: give it one system, solve = "
                    "{matrix, rhs} or invert = {matrix}",
                    where="evolve",
                )
            if self.sources or self.start != "rest":
                problem = "a board starts from rest, and its system sets its sources"
                raise InputError(problem, where="sources" if self.sources else "start")
            return self._board(self.device, tables[0], books)
        device = self.device
        if not isinstance(device, ActiveDevice):
            name = getattr(device, "name", device)
            door = getattr(device, "runs_with", "a Protocol")
            raise InputError(f"{name} has no active elements; play it with {door}", where="device")
        if tables:
            problem = (
                f"{device.name} is no linear solver: its datasheet needs a [solver], as "
                "opamp-solver has"
            )
            raise InputError(problem, where="device")
        lasts = seconds(self.duration, "duration") / device.scale.time
        h = _usual_step(device) if self.step is None else self._step(device)
        steps, h = _steps(lasts, h)
        sources = _sources(device, self.sources)
        return {
            "device": device, "sources": sources, "h": h, "steps": steps,
            "kept": self._kept(steps), "start": self.start, "books": books,
        }  # fmt: skip

    def _board(self, board: SolverDevice, table: Mapping[str, Any], books: bool) -> dict[str, Any]:
        where = "solve" if self.solve is not None else "invert"
        known = ("matrix", *(("rhs",) if where == "solve" else ()), *_READING, *_SYSTEM)
        if unknown := sorted(set(table) - {*known}):
            problem = f"unknown key '{unknown[0]}'; it takes {', '.join(known)}"
            raise InputError(problem, where=where)
        for key in known[: 1 + (where == "solve")]:
            if key not in table:
                raise InputError(f"{key} is missing", where=where)
        given = {key: table[key] for key in _SYSTEM if table.get(key) is not None}
        given.setdefault("noise", where == "invert")
        for key in ("noise", "volts"):
            if not isinstance(given.get(key, True), bool):
                given[key] = amount(given[key], "V", f"{where}.{key}")
        if "mismatch" in given:
            whole(given["mismatch"], 0, f"{where}.mismatch")
        system = board.program(table["matrix"], table.get("rhs"), **given)
        if where == "invert" and system.noise == 0.0:
            raise InputError("an inverse is read from noise: noise = True, or volts", where="noise")
        circuit, time = system.device, board.scale.time
        every, settling = table.get("every"), table.get("settling")
        spacing = 1.0 if every is None else seconds(every, "every") / time
        slowest = system.slowest / time
        wait = _FORGET * slowest if settling is None else seconds(settling, "settling") / time
        lasts = seconds(self.duration, "duration") / time
        if every is not None and spacing > lasts * (1.0 + 1e-9):
            problem = f"{every!r}: expected no more than the duration, {self.duration}"
            raise InputError(problem, where=f"{where}.every")
        count = ceil(lasts / spacing)
        wanted = _board_step(system, spacing, books) if self.step is None else self._step(circuit)
        inner = ceil(spacing / wanted - 1e-9)
        readings = Readings(ceil(wait / spacing), count, spacing, inner)
        steps, h = _steps((readings.quiet + count) * spacing, spacing / inner)
        return {
            "device": circuit, "sources": system.sources, "h": h, "steps": steps,
            "kept": self._kept(steps), "start": "rest", "books": books, "board": board,
            "system": system, "readings": readings, "products": where == "invert",
        }  # fmt: skip

    def _step(self, device: ActiveDevice) -> float:
        assert self.step is not None
        return seconds(self.step, "step") / device.scale.time

    def _kept(self, steps: int) -> NDArray[Any]:
        spaced = np.linspace(1 if self.samples > 1 else steps, steps, min(self.samples, steps))
        return np.unique(spaced.round().astype(int))


def evolve(
    device: ActiveDevice,
    duration: str | float,
    *,
    step: str | float | None = None,
    paths: int = 64,
    seed: int = 0,
    sources: Mapping[str, str | float] | None = None,
    start: str = "rest",
    books: bool = True,
) -> ActiveRun:
    """Run a circuit with amplifiers or transconductors under constant sources.

    Args:
        device: see `Evolve`, as duration, step, sources and start.
        duration: of every path.
        step: of the books, and of amplifiers beyond their linear range.
        paths: independent runs.
        seed: of their noise.
        sources: in series with elements.
        start: "rest" or "steady".
        books: keep the energy books.

    Raises:
        InputError: see `Evolve.prepare` and `PreparedEvolve.play`.
    """
    if isinstance(device, SolverDevice):
        problem = f"{device.name} is a board of integrators: th.solve and th.invert run it"
        raise InputError(problem, where="device")
    asked = Evolve(device, duration, step=step, sources=sources, start=start)
    return asked.prepare(books=books).play(paths, seed)[0]


def _steps(lasts: float, h: float) -> tuple[int, float]:
    """Equal steps of at most about h."""
    if not 0.0 < lasts / h <= MOST_STEPS:
        raise InputError(
            f"{lasts / h:.3g} steps; expected at most {MOST_STEPS:g}: a longer step, a shorter "
            "duration, or books = False",
            where="duration",
        )
    steps = max(1, ceil(lasts / h - 1e-9))
    return steps, lasts / steps


def _usual_step(device: ActiveDevice) -> float:
    """A fifth of the fastest motion, R_ref C_ref."""
    return 0.2 / float(np.abs(active_law(device, False).rates).max())


def _board_step(system: MappedSystem, spacing: float, books: bool) -> float:
    """Exact laws take whole spacings; books, and outputs that may slew, take short steps."""
    circuit = system.device
    if not books and not circuit.amplifiers.limited:
        return spacing
    return min(spacing, _usual_step(circuit) if books or may_slew(system) else 0.02)


def may_slew(system: MappedSystem) -> bool:
    """Whether the switch-on or the noise drives amplifiers to a fifth of their slew rate."""
    circuit = system.device
    steepest = 2.0 * float(np.abs(system.sources).max())  # volts per R C at the switch-on
    rates = circuit.amplifiers.rate
    quickest = float(rates[np.isfinite(rates)].max(initial=0.0))
    noisy = 4.0 * sqrt(float(circuit.strengths.max()) * quickest)
    return steepest + noisy >= 0.2 * float(circuit.amplifiers.slew.min())


def _sources(device: ActiveDevice, asked: Mapping[str, str | float] | None) -> NDArray[Any]:
    e = np.zeros(len(device.elements))
    for name, value in (asked or {}).items():
        if name not in device.elements:
            known = ", ".join(device.elements[:8])
            raise InputError(f"no element '{name}'; known: {known}", where="sources")
        k = device.elements.index(name)
        shunt = device.directions[k, : len(device.nodes)].any()
        unit, size = ("V", device.scale.voltage) if shunt else ("A", device.scale.current)
        volts = amount(value, unit, f"sources.{name}")
        if not isfinite(volts):
            raise InputError(f"{value!r}: expected a finite number", where=f"sources.{name}")
        e[k] = volts / size
    return e
