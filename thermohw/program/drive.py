r"""Running a circuit on its own: no score, no controller, only baths and a program of parameters.

What is done tick by tick, and what is booked: `thermohw.program.play`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from thermohw.circuit.passive import require_passive
from thermohw.errors import InputError
from thermohw.intake import whole
from thermohw.integrate.free import PreparedFree, prepare_free
from thermohw.integrate.tile import BLOCK
from thermohw.noise import TickNoise
from thermohw.program.books import Driven, log_partition_change
from thermohw.program.grid import run_length, tick_grid
from thermohw.program.knobs import Knobs
from thermohw.program.play import Play
from thermohw.program.start import start_law
from thermohw.program.stepper import ORDERS, choose
from thermohw.units import seconds

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from thermohw.circuit.passive import PassiveDevice
    from thermohw.program.schedule import Program

__all__ = ["GROUP", "Drive", "PreparedDrive", "drive"]

GROUP = 4 * BLOCK
"""Paths that are played together."""


@dataclass(frozen=True, eq=False)
class Drive:
    """A circuit and the program that leads it; `th.drive` plays it in memory.

    Args:
        device: a linear circuit or one of quartic units.
        program: schedules of its parameters; None lets it run freely.
        duration: of a free run, with unit; a program brings its own.
        ticks: how many in total, shared among the program's straight pieces by their lengths (at
            least one each); None takes 0.05 of the fastest relaxation time, at least 200.
        start: "equilibrium" (of the first parameters, one temperature), "steady" (of a linear
            circuit), "zero", or states (n,) or (paths, n): node voltages (V) and inductor currents
            (A) of a linear circuit, x of quartic units. "auto" is the first of these that exists.
        stepper: "exact", "midpoint", "heun" or "euler"; None takes the best, see
            `thermohw.program.stepper`.
        path_ratio: keep ln P[path]/P[reversed path] of the kernel in use; "exact" and "euler".
    """

    device: PassiveDevice
    program: Program | None = None
    duration: str | None = None
    ticks: int | None = None
    start: str | ArrayLike = "auto"
    stepper: str | None = None
    path_ratio: bool = False

    def prepare(
        self, paths: int, *, frames: int = 0, every: int = 0
    ) -> PreparedDrive | PreparedFree:
        """Work it out for so many paths, with so many snapshots beside the start, evenly spaced, or
        with one every so many ticks and at the end. A circuit with noise sources of its own is left
        alone.

        Raises:
            InputError: a parameter the device lacks, a start that does not exist, a tick too coarse
                for the stepper, more than a million ticks, a device of another kind.
        """
        device, program = require_passive(self.device), self.program
        if device.datasheet is not None and device.datasheet.noises:
            return self._left_alone(device.datasheet.noises[0].name, frames, every)
        knobs = None if program is None else Knobs(device, program)
        corners = [device] if knobs is None else [knobs.at(v) for v in knobs.program.corners()]
        stepper = choose(self.stepper, corners[0] if len(corners) == 1 else _hardest(corners))
        length = run_length(program, self.duration)
        grid, middles = tick_grid(program, corners, length, self.ticks, stepper)
        if self.path_ratio and stepper not in ("exact", "euler"):
            raise InputError(f"path_ratio: the kernel of '{stepper}' is not a Gaussian of one "
                             "state; use stepper='euler'")  # fmt: skip
        first = device if knobs is None else knobs.at(knobs.program.first)
        last = device if knobs is None else knobs.at(knobs.program.last)
        law, kind = start_law(first, self.start, paths)
        ticks, kept = len(grid) - 1, None
        if frames:
            kept = np.unique(np.linspace(0, ticks, frames + 1).astype(int))
        elif every:
            kept = np.unique(np.append(np.arange(0, ticks + 1, every), ticks))
        play = Play(knobs, first, last, grid, middles, stepper, self.path_ratio, kept)
        names = () if program is None else program.keys
        return PreparedDrive(play, law, kind, grid, kept, (first, last), names)

    def _left_alone(self, noise: str, frames: int, every: int) -> PreparedFree:
        """A free run with the noise sources of the datasheet; they leave programs to others."""
        if self.program is not None or self.path_ratio or self.stepper is not None or frames:
            asked = "a program" if self.program is not None else "path_ratio, stepper or frames"
            raise InputError(
                f"noise source {noise}: {asked} has the noise of resistors only; leave the circuit "
                "alone with its sources, or give a bath a higher temperature",
                where=self.device.name,
            )
        if self.duration is None:
            raise InputError("a circuit left alone needs a duration", where="duration")
        starts = ["auto", "steady", "zero"]
        starts += ["equilibrium"] if self.device.temperature is not None else []
        if not isinstance(self.start, str) or self.start not in starts:
            problem = (
                f"{self.start!r}: beside noise sources it is 'steady' (of the baths alone) or "
            )
            raise InputError(problem + "'zero'", where="start")
        step = None
        if self.ticks is not None:
            step = seconds(self.duration, "duration") / whole(self.ticks, 1, "ticks")
        start = "zero" if self.start == "zero" else "equilibrium"
        return prepare_free(self.device, self.duration, step=step, start=start, every=every)


@dataclass(frozen=True, eq=False)
class PreparedDrive:
    """A drive worked out.

    Attributes:
        play: tick by tick.
        law: draws start states: (seed, first path, how many) -> (paths, n).
        started: "equilibrium", "steady", "zero" or "given".
        grid: borders of the ticks, second, shape (ticks + 1,).
        kept: borders that have a snapshot; None without.
        ends: the circuit at the first and at the last parameters.
        names: of what does work: the program's parameters.
    """

    play: Play
    law: Callable[[int, int, int], torch.Tensor]
    started: str
    grid: NDArray[Any]
    kept: NDArray[Any] | None
    ends: tuple[PassiveDevice, PassiveDevice]
    names: tuple[str, ...] = ()

    @property
    def stepper(self) -> str:
        """Who advances the circuit."""
        return self.play.stepper

    @property
    def one(self) -> bool:
        """Whether all baths have one temperature at a time, so that exponents are kept."""
        return self.play.one

    def tile(self, seed: int, first: int, paths: int) -> dict[str, NDArray[Any]]:
        """What `Play.tile` gives for paths first .. first + paths - 1."""
        noise = TickNoise(seed, first, paths, dtype=torch.float64)
        found = self.play.tile(self.law(seed, first, paths), noise)
        return {name: values.numpy() for name, values in found.items()}

    @property
    def log_partition_change(self) -> float | None:
        """ln Z(end)/Z(start), nats; None where it is not known or the start is no equilibrium."""
        if self.started != "equilibrium":
            return None
        return log_partition_change(*self.ends)


def drive(
    device: PassiveDevice,
    program: Program | None = None,
    *,
    duration: str | None = None,
    paths: int = 10_000,
    ticks: int | None = None,
    seed: int = 0,
    start: str | ArrayLike = "auto",
    stepper: str | None = None,
    path_ratio: bool = False,
    frames: int = 0,
) -> Driven:
    """Run a circuit through a program, or freely, and keep every path's books.

    Args:
        device: a linear circuit or one of quartic units.
        program: schedules of its parameters; None lets it run freely.
        duration: see `Drive`, as ticks, start, stepper and path_ratio.
        paths: how many independent copies.
        ticks: how many in total.
        seed: of noise and start states; a path depends on the seed and its number alone.
        start: law of the start states, or the states.
        stepper: who advances the circuit.
        path_ratio: keep ln P[path]/P[reversed path].
        frames: snapshots to keep beside start and end, evenly spaced in ticks.

    Raises:
        InputError: see `Drive.prepare`.
    """
    if isinstance(paths, bool) or not isinstance(paths, int) or paths < 1:
        raise InputError(f"paths: {paths!r}; expected a positive integer")
    for name, value in (("seed", seed), ("frames", frames)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise InputError(f"{name}: {value!r}; expected an integer, 0 or more")
    asked = Drive(device, program, duration, ticks, start, stepper, path_ratio)
    made = asked.prepare(paths, frames=frames)
    if isinstance(made, PreparedFree):
        problem = (
            f"noise source {made.names[0]}: free_run plays this circuit, or th.Drive in a file"
        )
        raise InputError(problem, where=device.name)
    played = [
        made.tile(seed, head, count)
        for head in range(0, paths, GROUP)
        for count in (min(GROUP, paths - head),)
    ]
    return Driven.from_tiles(
        device=device,
        program=program,
        found={key: np.concatenate([tile[key] for tile in played]) for key in played[0]},
        grid=made.grid,
        kept=made.kept,
        stepper=made.play.stepper,
        order=ORDERS[made.play.stepper],
        seed=seed,
        start=made.started,
        ends=made.ends,
        log_partition_change=made.log_partition_change,
    )


def _hardest(corners: list[PassiveDevice]) -> PassiveDevice:
    """The one that no stepper gets around: one with a fourth power, if any has one."""
    return next((device for device in corners if not device.landscape.linear), corners[0])
