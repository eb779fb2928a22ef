r"""One pass through a program: jump, relax, book.

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

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from thermohw.errors import InputError
from thermohw.program.start import efforts_of
from thermohw.program.stepper import STEPPERS, log_ratio, width
from thermohw.units import engineering

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.circuit import LinearDevice, QuarticDevice
    from thermohw.circuit.landscape import Landscape
    from thermohw.noise import NoiseSource
    from thermohw.program.board import Board
    from thermohw.program.knobs import Knobs

__all__ = ["Play"]


class Play:
    """A program laid out tick by tick for one circuit; every tile of paths plays the same.

    Args:
        device: the circuit.
        knobs: the program's parameters in it; None runs freely.
        first: the circuit at the first parameters.
        last: at the last.
        grid: borders of the ticks, second, shape (ticks + 1,).
        middles: parameters in every tick, SI, shape (ticks, keys); None runs freely.
        stepper: who advances it.
        path_ratio: book ln K/K~ of every tick.
        kept: borders at which a snapshot is kept; None keeps none.
    """

    def __init__(
        self,
        device: LinearDevice | QuarticDevice,
        knobs: Knobs | None,
        first: Board,
        last: Board,
        grid: NDArray[Any],
        middles: NDArray[Any] | None,
        stepper: str,
        path_ratio: bool,
        kept: NDArray[Any] | None,
    ) -> None:
        self.device, self.first, self.last, self.stepper = device, first, last, stepper
        self.steps = np.diff(grid) / device.scale.time
        self.path_ratio = path_ratio
        self.kept = () if kept is None else tuple(kept)
        self.sources = 0 if knobs is None else len(knobs.program.keys)
        self.one = first.temperature is not None and last.temperature is not None
        self._knobs, self._middles = knobs, middles
        if knobs is not None:  # straight lines that agree at their ends agree between them
            corners = [knobs.board(values) for values in knobs.program.corners()]
            self.one = self.one and all(board.temperature is not None for board in corners)

    def stages(self) -> Iterator[tuple[list[tuple[int, Landscape]], Board]]:
        """(energies after each parameter's jump, the board of the tick), one a tick and the last.

        Worked out anew for every tile: matrices of every tick at once would grow with the ticks.
        """
        knobs = self._knobs
        if knobs is None or self._middles is None:
            for _ in range(len(self.steps) + 1):
                yield [], self.first
            return
        before = knobs.program.first
        for values in itertools.chain(self._middles, [knobs.program.last]):
            yield knobs.jumps(before, values), knobs.board(values)
            before = values

    def tile(self, z: torch.Tensor, noise: NoiseSource) -> dict[str, torch.Tensor]:
        """All ticks for some paths.

        Args:
            z: start states, charges and fluxes or x, thermal units, shape (paths, n).
            noise: K standard normals a path and tick.

        Returns:
            The books by name, thermal units and nats, first axis the paths.

        Raises:
            InputError: a path that runs away.
        """
        count, board = len(z), self.first
        heat = torch.zeros(count, width(board), dtype=torch.float64)
        work = torch.zeros(count, self.sources, dtype=torch.float64)
        entropy, exponent, ratio = (torch.zeros(count, dtype=torch.float64) for _ in range(3))
        found = {"start": z.clone(), "energy_start": board.landscape.energy(z)}
        snapshots = [self._seen(board, z)] if self.kept else []
        for n, (jumps, following) in enumerate(self.stages()):
            if following is not board:
                self._jump(z, board, following, jumps, work, exponent)
                board = following
            if n == len(self.steps):
                break
            h = float(self.steps[n])
            tick = STEPPERS[self.stepper](board, h, z, noise.normals(width(board), n))
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

    def seen(self, board: Board, z: NDArray[Any]) -> NDArray[Any]:
        """What a person reads off states (..., n): see `program.start.efforts_of`."""
        return efforts_of(self.device, board, z)

    def _seen(self, board: Board, z: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(self.seen(board, z.numpy().copy()))

    def _jump(
        self,
        z: torch.Tensor,
        board: Board,
        following: Board,
        jumps: list[tuple[int, Landscape]],
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
