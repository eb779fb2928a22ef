"""The books of a run: energy, heat and work of every path, in joule."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from thermohw.errors import InputError
from thermohw.estimate import Estimate
from thermohw.program.start import efforts_of, equilibrium_of
from thermohw.units import engineering

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.circuit import LinearDevice, QuarticDevice
    from thermohw.program.board import Board
    from thermohw.program.schedule import Program

__all__ = ["Driven", "log_partition_change"]


@dataclass(frozen=True, eq=False)
class Driven:
    """A run of `drive`.

    Attributes:
        device: the circuit.
        program: what it was driven by; None for a free run.
        baths: names of the K baths.
        sources: keys of the P parameters.
        heat: into every bath, J, shape (paths, K).
        work: of every parameter on the circuit, J, shape (paths, P); zero for R and T.
        energy_start: J, shape (paths,), at the first parameters.
        energy_end: J, shape (paths,), at the last parameters.
        medium_entropy: sum of heat over temperature, nats, shape (paths,).
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
        energy_unit: k T_ref, J.
        log_partition_change: ln Z(end)/Z(start), nats; None where it is not known or the run did
            not start from equilibrium.
    """

    device: LinearDevice | QuarticDevice = field(repr=False)
    program: Program | None = field(repr=False)
    baths: tuple[str, ...]
    sources: tuple[str, ...]
    heat: NDArray[Any] = field(repr=False)
    work: NDArray[Any] = field(repr=False)
    energy_start: NDArray[Any] = field(repr=False)
    energy_end: NDArray[Any] = field(repr=False)
    medium_entropy: NDArray[Any] = field(repr=False)
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
    energy_unit: float
    log_partition_change: float | None
    ends: tuple[Board, Board] = field(repr=False)

    @property
    def paths(self) -> int:
        """How many."""
        return len(self.energy_start)

    @property
    def residual(self) -> NDArray[Any]:
        """Energy change - work + heat, J, shape (paths,): round-off."""
        return self.energy_end - self.energy_start - self.work.sum(1) + self.heat.sum(1)

    def kt(self, joule: NDArray[Any]) -> NDArray[Any]:
        """Joules as multiples of k T_ref."""
        return joule / self.energy_unit

    def __str__(self) -> str:
        what = "freely" if self.program is None else f"by {', '.join(self.sources)}"
        lines = [
            f"{self.device.name}: {self.paths} paths, {engineering(self.duration, 's')} in "
            f"{self.ticks} ticks, driven {what}",
            f"  started from {self.started}; stepper {self.stepper} ({self.order}); "
            f"seed {self.seed}",
            _line("energy change", self.energy_end - self.energy_start, self.energy_unit),
        ]
        lines += [
            _line(f"work of {key}", self.work[:, i], self.energy_unit)
            for i, key in enumerate(self.sources)
            if self.work[:, i].any()
        ]
        lines += [
            _line(f"heat into {bath}", self.heat[:, k], self.energy_unit)
            for k, bath in enumerate(self.baths[:8])
        ]
        if len(self.baths) > 8:
            lines.append(f"  and {len(self.baths) - 8} more baths")
        mean, error = Estimate.from_paths(self.medium_entropy)
        lines.append(f"  {'medium entropy':<28}{mean:12.5g} +- {error:.2g} nats")
        worst = float(np.abs(self.residual).max() / self.energy_unit)
        lines.append(f"  {'first law, worst path':<28}{worst:12.1e} kT")
        return "\n".join(lines)

    @classmethod
    def from_books(
        cls,
        *,
        device: LinearDevice | QuarticDevice,
        program: Program | None,
        books: dict[str, NDArray[Any]],
        grid: NDArray[Any],
        kept: NDArray[Any] | None,
        **facts: Any,
    ) -> Driven:
        """Thermal units to SI."""
        unit, (first, last) = device.scale.energy, facts["ends"]
        return cls(
            device=device,
            program=program,
            baths=device.elements,
            sources=() if program is None else program.keys,
            heat=books["heat"] * unit,
            work=books["work"] * unit,
            energy_start=books["energy_start"] * unit,
            energy_end=books["energy_end"] * unit,
            medium_entropy=books["medium_entropy"],
            exponent=books.get("exponent"),
            path_ratio=books.get("path_ratio"),
            start=efforts_of(device, first, books["start"]),
            end=efforts_of(device, last, books["end"]),
            times=None if kept is None else grid[kept],
            series=books.get("series"),
            duration=float(grid[-1]),
            ticks=len(grid) - 1,
            started=facts.pop("start"),
            energy_unit=unit,
            **facts,
        )


def log_partition_change(
    device: LinearDevice | QuarticDevice, first: Board, last: Board
) -> float | None:
    """ln Z(last)/Z(first), nats; None where the last parameters have no known equilibrium.

    Charges and fluxes are the coordinates of integration, so that a capacitor that halves at fixed
    temperature has Z smaller by sqrt(2).
    """
    try:
        ends = [equilibrium_of(device, board).log_partition for board in (first, last)]
    except InputError:
        return None
    return ends[1] - ends[0]


def _line(name: str, joule: NDArray[Any], unit: float) -> str:
    mean, error = Estimate.from_paths(joule)
    return f"  {name:<28}{mean / unit:12.5g} +- {error / unit:.2g} kT = {engineering(mean, 'J')}"
