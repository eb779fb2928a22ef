"""The record of a program that was played: books, exponents and states of every path."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from thermohw.books import Booked, Books
from thermohw.books.ledger import ledger_accounts
from thermohw.errors import InputError
from thermohw.units import engineering

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.circuit.passive import PassiveDevice
    from thermohw.program.schedule import Program

__all__ = ["Driven", "log_partition_change"]


@dataclass(frozen=True, eq=False)
class Driven(Booked):
    """A run of `drive`.

    Attributes:
        device: the circuit.
        program: what it was driven by; None for a free run.
        books: accounts of every path; the sources of work are the keys of the P parameters (zero
            for R and T), the energies those at the first and at the last parameters.
        exponent: A = int d_t(H/T) dt, nats, shape (paths,); None where baths differ in temperature.
        path_ratio: ln P[path | start] / P[reversed path | end], nats, shape (paths,); None unless
            asked for.
        start: node voltages (V) and inductor currents (A), or x of quartic units, shape (paths, n).
        end: the same at the end.
        times: of the snapshots, s, shape (frames + 1,); None without.
        series: the snapshots at the parameters of their tick, shape (paths, frames + 1, n); None
            without.
        duration: s.
        ticks: how many.
        stepper: who advanced the circuit.
        order: its convergence in words.
        seed: of the noise.
        started: "equilibrium", "steady", "zero" or "given".
        log_partition_change: ln Z(end)/Z(start), nats; None where it is not known or the run did
            not start from equilibrium.
    """

    device: PassiveDevice = field(repr=False)
    program: Program | None = field(repr=False)
    books: Books = field(repr=False)
    exponent: NDArray[Any] | None = field(repr=False)
    path_ratio: NDArray[Any] | None = field(repr=False)
    start: NDArray[Any] = field(repr=False)
    end: NDArray[Any] = field(repr=False)
    times: NDArray[Any] | None = field(repr=False)
    series: NDArray[Any] | None = field(repr=False)
    duration: float
    ticks: int
    stepper: str
    order: str
    seed: int
    started: str
    log_partition_change: float | None
    ends: tuple[PassiveDevice, PassiveDevice] = field(repr=False)

    def __str__(self) -> str:
        what = "freely" if self.program is None else f"by {', '.join(self.sources)}"
        return (
            f"{self.device.name}: {self.paths} paths, {engineering(self.duration, 's')} in "
            f"{self.ticks} ticks, driven {what}\n"
            f"  started from {self.started}; stepper {self.stepper} ({self.order}); "
            f"seed {self.seed}\n{self.books}"
        )

    @classmethod
    def from_tiles(
        cls,
        *,
        device: PassiveDevice,
        program: Program | None,
        found: dict[str, NDArray[Any]],
        grid: NDArray[Any],
        kept: NDArray[Any] | None,
        **facts: Any,
    ) -> Driven:
        """What `Play.tile` gave, thermal units to SI."""
        unit, (first, last) = device.scale.energy, facts["ends"]
        keys = () if program is None else program.keys
        accounts = ledger_accounts(found, device.elements, keys, unit)
        return cls(
            device=device,
            program=program,
            books=Books(accounts, unit),
            exponent=found.get("exponent"),
            path_ratio=found.get("path_ratio"),
            start=first.read(found["start"]),
            end=last.read(found["end"]),
            times=None if kept is None else grid[kept],
            series=found.get("series"),
            duration=float(grid[-1]),
            ticks=len(grid) - 1,
            started=facts.pop("start"),
            **facts,
        )


def log_partition_change(first: PassiveDevice, last: PassiveDevice) -> float | None:
    """ln Z(last)/Z(first), nats; None where the last parameters have no known equilibrium.

    Charges and fluxes are the coordinates of integration, so that a capacitor that halves at fixed
    temperature has Z smaller by sqrt(2).
    """
    try:
        return last.equilibrium().log_partition - first.equilibrium().log_partition
    except InputError:
        return None
