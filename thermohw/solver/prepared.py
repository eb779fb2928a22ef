"""A run of a circuit with active elements, worked out: step, sources, readings; played in memory.

Thermal units inside; tiles are on their way (`tile`), accounts and runs are SI.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from thermohw.books import Books
from thermohw.circuit import active_law
from thermohw.intake import whole
from thermohw.noise import Draws, Stream, TickNoise
from thermohw.solver.average import Batches
from thermohw.solver.run import ActiveRun
from thermohw.solver.stepper import ActiveStepper
from thermohw.solver.tile import BLOCK, ActiveTile, Readings

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.circuit import ActiveDevice, MappedSystem, SolverDevice

__all__ = ["PreparedEvolve"]


@dataclass(frozen=True, eq=False)
class PreparedEvolve:
    """An `Evolve` worked out; thermal units.

    Attributes:
        device: the circuit, that of the board where there is one.
        sources: e (K,), in series with the elements.
        h: a step.
        steps: how many.
        kept: steps at whose ends states are kept, shape (frames,).
        start: "rest" or "steady".
        books: whether energy books are kept.
        board: of integrators; None for a circuit, as system and readings.
        system: on the board.
        readings: of the board.
        products: keep second moments of the readings.
    """

    device: ActiveDevice
    sources: NDArray[Any]
    h: float
    steps: int
    kept: NDArray[Any]
    start: str
    books: bool
    board: SolverDevice | None = None
    system: MappedSystem | None = None
    readings: Readings | None = None
    products: bool = False

    @property
    def stepper(self) -> ActiveStepper:
        """Who takes the steps."""
        return ActiveStepper(self.device, self.h, self.sources, books=self.books)

    @property
    def sources_of_work(self) -> tuple[str, ...]:
        """Names of what does work: sources of elements, active elements, noise sources."""
        works = (name for name in self.stepper.names if name.startswith("work."))
        return tuple(name.removeprefix("work.") for name in works)

    @property
    def spread(self) -> NDArray[Any]:
        """A factor L of the steady covariance L L^T, shape (dim, dim)."""
        covariance = active_law(self.device, self.books).covariance
        # A little more than the covariance: round-off must not make it indefinite.
        return np.linalg.cholesky(covariance + 1e-14 * np.diag(np.diag(covariance)))

    @property
    def seconds(self) -> float:
        """How long it runs."""
        return self.steps * self.h * self.device.scale.time

    @property
    def times(self) -> NDArray[Any]:
        """Of the kept states, second, shape (frames,)."""
        return self.kept * self.h * self.device.scale.time

    @property
    def static(self) -> float:
        """Joules from the amplifiers' supplies at rest, beside what they deliver."""
        return float(self.device.amplifiers.quiescent.sum()) * self.seconds

    def linear(self) -> PreparedEvolve:
        """The same without limits of slew and swing."""
        return replace(self, device=self.device.linear())

    def batches(self, paths: int) -> Batches | None:
        """Empty sums of readings; None where nothing is read."""
        if self.readings is None or self.system is None:
            return None
        slowest = self.system.slowest / self.device.scale.time
        return Batches(paths, self.system.dim, self.readings.count, spacing=self.readings.spacing,
                       slowest=slowest, products=self.products)  # fmt: skip

    def tile(self, seed: int, first: int, paths: int) -> ActiveTile:
        """Paths first .. first + paths - 1 at the start; `first` begins a block."""
        blocks = -(-paths // BLOCK)
        stepper = self.stepper
        law = stepper.law
        state = np.zeros((blocks, BLOCK, law.states))
        if self.start == "steady":
            normals = Draws(seed, first, blocks * BLOCK).normals(law.states).numpy()
            state = law.mean(self.sources) + normals.reshape(state.shape) @ self.spread.T
        rows, stream = blocks * BLOCK, Stream.BOARDS
        noise = TickNoise(seed, first, rows, dtype=torch.float64, stream=stream)
        return ActiveTile(
            stepper, state, noise, paths, self.batches(paths), self.readings, self.system
        )

    def accounts(self, tile: ActiveTile) -> dict[str, NDArray[Any]]:
        """Accounts of a tile that is through, joule."""
        found = {**tile.accounts, "energy.start": tile.start[0], "energy.end": tile.energy}
        return {name: values * self.device.scale.energy for name, values in found.items()}

    def play(self, paths: int, seed: int) -> tuple[ActiveRun, Batches | None]:
        """All paths at once, and what was read of them.

        Raises:
            InputError: no path, a negative seed, a state that is not finite any more.
        """
        paths, seed = whole(paths, 1, "paths"), whole(seed, 0, "seed")
        tile, unit = self.tile(seed, 0, paths), self.device.effort_scale
        frames = [tile.efforts]
        moments = [(frames[0].mean(0), frames[0].var(0))]
        for step in self.kept:
            tile.advance(int(step))
            moments.append((tile.efforts.mean(0), tile.efforts.var(0)))
        tile.advance(self.steps)
        mean, variance = (np.array(x) for x in zip(*moments, strict=True))
        books, kt = None, self.device.scale.energy
        if self.books:
            accounts = self.accounts(tile)
            books = Books(accounts, kt, self.device.temperatures)
        run = ActiveRun(
            device=self.device,
            duration=self.seconds,
            step=self.h * self.device.scale.time,
            times=np.concatenate([[0.0], self.times]),
            mean=mean * unit,
            variance=variance * unit**2,
            end=tile.efforts * unit,
            static=self.static,
            books=books,
        )
        return run, tile.batches
