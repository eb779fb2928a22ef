"""Paths of a circuit with active elements on their way, step by step.

Blocks of 64 paths share a noise generator and are multiplied block by block, so that a path's
numbers do not depend, to the last bit, on how many run beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from thermohw.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.circuit import MappedSystem
    from thermohw.noise import TickNoise
    from thermohw.solver.average import Batches
    from thermohw.solver.stepper import ActiveStepper

__all__ = ["BLOCK", "ActiveTile", "Readings"]

BLOCK = 64
"""Paths that are multiplied together: the last bits of a product depend on how many there are."""

_STRIDE = 1024  # steps between two looks at whether states are numbers


@dataclass(frozen=True)
class Readings:
    """When a board is read.

    Attributes:
        quiet: readings that do not count yet.
        count: that do.
        spacing: between them, R C.
        inner: steps of the simulation in a spacing.
    """

    quiet: int
    count: int
    spacing: float
    inner: int

    def counts(self, step: int) -> bool:
        """Whether the end of a step is a reading that counts."""
        return step % self.inner == 0 and step > self.quiet * self.inner


class ActiveTile:
    """A tile; thermal units.

    Args:
        stepper: who takes the steps.
        state: at the start, shape (blocks, BLOCK, states).
        noise: of the blocks.
        paths: of the blocks, the first so many count.
        batches: empty sums of readings; None where nothing is read.
        readings: when a board is read.
        system: what is read of it.

    Attributes:
        step: steps taken.
        start: energies and efforts at the start, shapes (paths,) and (paths, n).
    """

    def __init__(
        self,
        stepper: ActiveStepper,
        state: NDArray[Any],
        noise: TickNoise,
        paths: int,
        batches: Batches | None,
        readings: Readings | None,
        system: MappedSystem | None,
    ) -> None:
        self._stepper, self._state, self._noise = stepper, state, noise
        self.paths, self.step = paths, 0
        self.batches, self._readings, self._system = batches, readings, system
        self._accounts = np.zeros((*state.shape[:2], len(stepper.names)))
        self.start = self.energy, self.efforts

    @property
    def efforts(self) -> NDArray[Any]:
        """Node voltages and inductor currents, shape (paths, n)."""
        return self._rows(self._stepper.efforts(self._state))

    @property
    def energy(self) -> NDArray[Any]:
        """Stored, shape (paths,)."""
        return self._rows(self._stepper.energy(self._state))

    @property
    def accounts(self) -> dict[str, NDArray[Any]]:
        """Energy of every account by name, shape (paths,); none where no books are kept."""
        found = self._rows(self._accounts)
        return {name: found[:, i] for i, name in enumerate(self._stepper.names)}

    def advance(self, until: int) -> None:
        """Play up to the end of so many steps.

        Raises:
            InputError: a state is not finite any more.
        """
        stepper, readings, system = self._stepper, self._readings, self._system
        for n in range(self.step + 1, until + 1):
            normals = self._noise.normals(stepper.normals, n).numpy()
            taken = stepper.step(self._state, normals.reshape(*self._state.shape[:2], -1))
            self._state = taken.state
            if taken.accounts is not None:
                self._accounts += taken.accounts
            if self.batches is not None and readings is not None and readings.counts(n):
                assert system is not None
                self.batches.add(system.read(self._rows(taken.efforts)))
            if n == until or n % _STRIDE == 0:
                self._require_finite(n)
        self.step = max(until, self.step)

    def _require_finite(self, step: int) -> None:
        if not np.isfinite(self._state).all():
            problem = f"the state is not finite after step {step}: take a shorter step"
            raise InputError(problem, where="step")

    def _rows(self, values: NDArray[Any]) -> NDArray[Any]:
        """Of the paths that were asked for, blocks side by side."""
        return values.reshape(-1, *values.shape[2:])[: self.paths]

    def checkpoint(self) -> dict[str, Any]:
        """All that is needed to continue bit-identically."""
        kept = {"step": self.step, "state": self._state, "accounts": self._accounts}
        kept |= {"start/energy": self.start[0], "start/efforts": self.start[1]}
        return kept | ({} if self.batches is None else self.batches.checkpoint())

    def restore(self, saved: dict[str, Any]) -> None:
        """Continue from a checkpoint of the same tile."""
        self.step = int(saved["step"])
        self._state, self._accounts = np.array(saved["state"]), np.array(saved["accounts"])
        self.start = saved["start/energy"], saved["start/efforts"]
        if self.batches is not None:
            self.batches.restore(saved)
