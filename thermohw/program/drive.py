r"""Running a circuit on its own: no score, no controller, only baths and a program of parameters.

    for every tick:   parameters jump to their values at the middle of the tick     work, d(beta H)
                      the circuit relaxes at these values for the tick              heat
    at the end:       parameters jump to their last values                          work

Work of a parameter is the energy that its jumps add at fixed charge and flux,

    W_p = sum_jumps [H(after) - H(before)](z)  ->  int d_p H dp

so a capacitor at charge q gives dW = -(q^2 / 2 C^2) dC, and changing R or T gives none. Heat is
booked by the steppers. Both are exact on the sampled path, and the energy closes to round-off:
H(end) - H(start) = sum W - sum Q.

    medium entropy   sum_ticks Q_k / T_k                          nats, T_k the tick's
    exponent         A = sum_jumps [beta' H' - beta H](z) -> int d_t(beta H)(z_t) dt     nats

A is defined at one temperature of all baths, which may change in time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from thermohw.errors import InputError
from thermohw.integrate.noise import BLOCK, BlockNoise
from thermohw.program.board import Knobs, board_of
from thermohw.program.books import Driven, log_partition_change
from thermohw.program.grid import run_length, tick_grid
from thermohw.program.start import efforts_of, start_law
from thermohw.program.stepper import ORDERS, STEPPERS, choose, log_ratio, width
from thermohw.units import engineering

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

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
    base = board_of(device)
    knobs = None if program is None else Knobs(device, program)
    unit = device.scale.time
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
    run = _Run(device, knobs, first, last, grid, middles, unit, chosen, path_ratio, kept)
    books: list[dict[str, torch.Tensor]] = []
    for head in range(0, paths, _TILE):
        count = min(_TILE, paths - head)
        blocks = range(head // BLOCK, (head + count - 1) // BLOCK + 1)
        books.append(run.tile(law(seed, blocks, head, count), seed, blocks))
    joined = {key: torch.cat([tile[key] for tile in books]).numpy() for key in books[0]}
    change = log_partition_change(device, first, last) if kind == "equilibrium" else None
    return Driven.from_books(
        device=device,
        program=program,
        books=joined,
        grid=grid,
        kept=kept,
        stepper=chosen,
        order=ORDERS[chosen],
        seed=seed,
        start=kind,
        ends=(first, last),
        log_partition_change=change,
    )


class _Run:
    """Everything that all tiles share."""

    def __init__(
        self,
        device: LinearDevice | QuarticDevice,
        knobs: Knobs | None,
        first: Board,
        last: Board,
        grid: NDArray[Any],
        middles: NDArray[Any] | None,
        unit: float,
        stepper: str,
        path_ratio: bool,
        kept: NDArray[Any] | None,
    ) -> None:
        self.device, self.first, self.last, self.stepper = device, first, last, stepper
        self.steps = np.diff(grid) / unit
        self.path_ratio = path_ratio
        self.kept = () if kept is None else tuple(kept)
        self.sources = 0 if knobs is None else len(knobs.program.keys)
        self.one = first.temperature is not None and last.temperature is not None
        # (energies after each parameter's jump, the board of the tick), one a tick and the last.
        self.stages: list[tuple[list[Any], Board]] = []
        if knobs is None or middles is None:
            self.stages = [([], first)] * (len(self.steps) + 1)
        else:
            before = knobs.program.first
            for values in [*middles, knobs.program.last]:
                self.stages.append((knobs.jumps(before, values), knobs.board(values)))
                before = values
            self.one = self.one and all(board.temperature is not None for _, board in self.stages)

    def tile(self, z: torch.Tensor, seed: int, blocks: range) -> dict[str, torch.Tensor]:
        """Play all ticks for some paths; z: start states (paths, n)."""
        count, board = len(z), self.first
        noise = BlockNoise(seed, blocks, count, dtype=torch.float64)
        heat = torch.zeros(count, width(board), dtype=torch.float64)
        work = torch.zeros(count, self.sources, dtype=torch.float64)
        entropy, exponent, ratio = (torch.zeros(count, dtype=torch.float64) for _ in range(3))
        found = {"start": z.clone(), "energy_start": board.landscape.energy(z)}
        snapshots = [self._seen(board, z)] if self.kept else []
        for n, (jumps, following) in enumerate(self.stages):
            if following is not board:
                self._jump(z, board, following, jumps, work, exponent)
                board = following
            if n == len(self.steps):
                break
            h = float(self.steps[n])
            tick = STEPPERS[self.stepper](board, h, z, noise.normals(width(board)))
            heat += tick.heat
            entropy += (tick.heat / tick.heat.new_tensor(board.temperatures)).sum(1)
            if self.path_ratio:
                ratio += log_ratio(self.stepper, board, h, z, tick.end)
            z = tick.end
            if n % 64 == 63 and not bool(torch.isfinite(z).all()):
                break
            if n + 1 in self.kept:
                snapshots.append(self._seen(board, z))
        lost = ~torch.isfinite(z).all(1)
        if bool(lost.any()):
            raise InputError(
                f"path {int(lost.nonzero()[0])} ran away within {n + 1} ticks: the tick of "
                f"{engineering(h * self.device.scale.time, 's')} is too coarse for where it "
                "started; give more ticks"
            )
        found |= {"end": z, "energy_end": self.last.landscape.energy(z), "heat": heat, "work": work}
        found |= {"medium_entropy": entropy}
        if self.one:
            found["exponent"] = exponent
        if self.path_ratio:
            found["path_ratio"] = ratio
        if snapshots:
            found["series"] = torch.stack(snapshots, 1)
        return found

    def _seen(self, board: Board, z: torch.Tensor) -> torch.Tensor:
        """What a person reads off."""
        return torch.from_numpy(efforts_of(self.device, board, z.numpy().copy()))

    def _jump(
        self,
        z: torch.Tensor,
        board: Board,
        following: Board,
        jumps: list[Any],
        work: torch.Tensor,
        exponent: torch.Tensor,
    ) -> None:
        """Book the work of every parameter, and beta' H' - beta H."""
        energy, total = board.landscape, None
        for source, after in jumps:
            done = after.minus(energy).energy(z)
            work[:, source] += done
            total, energy = done if total is None else total + done, after
        if not self.one:
            return
        assert board.temperature is not None and following.temperature is not None
        if total is not None:
            exponent += total / following.temperature
        change = 1.0 / following.temperature - 1.0 / board.temperature
        if change != 0.0:
            exponent += change * board.landscape.energy(z)


def _hardest(corners: list[Board]) -> Board:
    """A board that no stepper gets around: one with a fourth power, if any has one."""
    return next((board for board in corners if not board.landscape.linear), corners[0])
