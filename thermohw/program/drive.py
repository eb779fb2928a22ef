r"""Running a circuit on its own: no score, no controller, only baths and a program of parameters.

What is done tick by tick, and what is booked: `thermohw.program.play`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from thermohw.errors import InputError
from thermohw.noise import BLOCK, BlockNoise
from thermohw.program.board import board_of
from thermohw.program.books import Driven, log_partition_change
from thermohw.program.grid import run_length, tick_grid
from thermohw.program.knobs import Knobs
from thermohw.program.play import Play
from thermohw.program.start import start_law
from thermohw.program.stepper import ORDERS, choose

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from thermohw.circuit import LinearDevice, QuarticDevice
    from thermohw.program.board import Board
    from thermohw.program.schedule import Program

__all__ = ["drive"]

_TILE = 4 * BLOCK


def drive(
    device: LinearDevice | QuarticDevice,
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
        duration: of a free run, with unit; a program brings its own.
        paths: how many independent copies.
        ticks: how many in total, shared among the program's straight pieces by their lengths (at
            least one each); None takes 0.05 of the fastest relaxation time, at least 200.
        seed: of noise and start states; a path depends on the seed and its number alone.
        start: "equilibrium" (of the first parameters, one temperature), "steady" (of a linear
            circuit), "zero", or states (n,) or (paths, n): node voltages (V) and inductor currents
            (A) of a linear circuit, x of quartic units. "auto" is the first of these that exists.
        stepper: "exact", "midpoint", "heun" or "euler"; None takes the best, see
            `thermohw.program.stepper`.
        path_ratio: keep ln P[path]/P[reversed path] of the kernel in use; "exact" and "euler".
        frames: snapshots to keep beside start and end, evenly spaced in ticks.

    Raises:
        InputError: a parameter the device lacks, a start that does not exist, a tick too coarse for
            the stepper, more than a million ticks, a device of another kind.
    """
    if isinstance(paths, bool) or not isinstance(paths, int) or paths < 1:
        raise InputError(f"paths: {paths!r}; expected a positive integer")
    for name, value in (("seed", seed), ("frames", frames)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise InputError(f"{name}: {value!r}; expected an integer, 0 or more")
    base = board_of(device)
    if device.datasheet is not None and device.datasheet.noises:
        raise InputError(
            f"noise source {device.datasheet.noises[0].name}: a program plays the noise of "
            "resistors only; free_run plays this one, or give a bath a higher temperature",
            where=device.name,
        )
    knobs = None if program is None else Knobs(device, program)
    corners = [base] if knobs is None else [knobs.board(v) for v in knobs.program.corners()]
    chosen = choose(stepper, corners[0] if len(corners) == 1 else _hardest(corners))
    length = run_length(program, duration)
    grid, middles = tick_grid(device, program, corners, length, ticks, chosen)
    if path_ratio and chosen not in ("exact", "euler"):
        raise InputError(f"path_ratio: the kernel of '{chosen}' is not a Gaussian of one state; "
                         "use stepper='euler'")  # fmt: skip
    first = base if knobs is None else knobs.board(knobs.program.first)
    last = base if knobs is None else knobs.board(knobs.program.last)
    law, kind = start_law(device, first, start, paths)
    kept = np.unique(np.linspace(0, len(grid) - 1, frames + 1).astype(int)) if frames else None
    play = Play(device, knobs, first, last, grid, middles, chosen, path_ratio, kept)
    played: list[dict[str, torch.Tensor]] = []
    for head in range(0, paths, _TILE):
        count = min(_TILE, paths - head)
        blocks = range(head // BLOCK, (head + count - 1) // BLOCK + 1)
        noise = BlockNoise(seed, blocks, count, dtype=torch.float64)
        played.append(play.tile(law(seed, blocks, head, count), noise))
    joined = {key: torch.cat([tile[key] for tile in played]).numpy() for key in played[0]}
    change = log_partition_change(device, first, last) if kind == "equilibrium" else None
    return Driven.from_tiles(
        device=device,
        program=program,
        found=joined,
        grid=grid,
        kept=kept,
        stepper=chosen,
        order=ORDERS[chosen],
        seed=seed,
        start=kind,
        ends=(first, last),
        log_partition_change=change,
    )


def _hardest(corners: list[Board]) -> Board:
    """A board that no stepper gets around: one with a fourth power, if any has one."""
    return next((board for board in corners if not board.landscape.linear), corners[0])
