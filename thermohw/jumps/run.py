"""Playing a circuit of nonlinear conductors: starts, blocks, methods and books."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from thermohw.books import Books
from thermohw.circuit.jump import JumpDevice
from thermohw.errors import InputError
from thermohw.intake import whole
from thermohw.jumps.approximate import play_steps
from thermohw.jumps.asked import work_out
from thermohw.jumps.exact import Raw, Task, play_exact
from thermohw.jumps.master import MasterEquation, master_equation, node_weights
from thermohw.jumps.record import JumpRun
from thermohw.noise import Draws
from thermohw.units import amount

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["GROUP", "Jumps", "PreparedJumps", "simulate_jumps"]

GROUP = 4096
"""Paths that are played together."""


@dataclass(frozen=True, eq=False)
class Jumps:
    """A circuit of nonlinear conductors and how long it is watched; `th.simulate_jumps` plays it in
    memory.

    Args:
        device: `load_device` of a datasheet with supplies and transistors or junctions.
        duration: of every path, e.g. "2 us", or seconds.
        start: "uncharged", "stationary" (the law of its master equation), the voltages of the nodes
            (a mapping name -> "20 mV" or volts; the nearest charge is taken, nodes not named are at
            0 V), charges of shape (n,) or (paths, n), or a `MasterEquation`, whose stationary law
            is sampled.
        samples: at how many equidistant times, the duration included, states are kept.
        stop: weights of the nodes' voltages and a level: a path ends when the weighted sum is not
            above the level, e.g. ({"a": 1.0, "b": -1.0}, "0 V") when the bit a > b is lost.
        method: "exact", or one of the approximations "tau-leap" and "langevin", which need `step`
            and approximate=True. A datasheet that asks for Gaussian noise (marked approximate) is
            played by "langevin".
        step: of an approximate method, e.g. "1 ns", or seconds.
        approximate: say that an approximation is wanted.
        most: events (or steps) that a path may have.
    """

    device: JumpDevice
    duration: str | float
    start: Any = "uncharged"
    samples: int = 0
    stop: tuple[Mapping[str, float], str | float] | None = None
    method: str = "exact"
    step: str | float | None = None
    approximate: bool = False
    most: int = 2_000_000

    def prepare(self, paths: int, seed: int) -> PreparedJumps:
        """Work it out for so many paths.

        Raises:
            InputError: a device of another kind, an unknown method or start, or an approximation
                that was not asked for.
        """
        fixed = work_out(
            self.device, self.duration, samples=self.samples, stop=self.stop, method=self.method,
            step=self.step, approximate=self.approximate,
        )  # fmt: skip
        paths, seed = whole(paths, 1, "paths"), whole(seed, 0, "seed")
        law = self.start if isinstance(self.start, MasterEquation) else None
        if isinstance(self.start, str) and self.start == "stationary":
            law = master_equation(self.device)
        begin = _start(self.device, self.start if law is None else law, paths, seed)
        return PreparedJumps(self.device, begin=begin, law=law, seed=seed, most=self.most, **fixed)


@dataclass(frozen=True, eq=False)
class PreparedJumps:
    """Jumps worked out.

    Attributes:
        device: what is played.
        method: "exact", "tau-leap" or "langevin".
        duration: second.
        step: of an approximate method, second; 0 for the exact one.
        grid: times at which states are kept, second, shape (g,).
        stop: weights over charges and a level; None without.
        begin: charges at the start, shape (paths, n).
        law: whose stationary law the starts were drawn from; None for others.
        seed: of the run.
        most: events that a path may have.
    """

    device: JumpDevice
    method: str
    duration: float
    step: float
    grid: NDArray[Any]
    stop: tuple[NDArray[Any], float] | None
    begin: NDArray[Any]
    law: MasterEquation | None
    seed: int
    most: int

    def tile(self, first: int, paths: int) -> tuple[NDArray[Any], Raw]:
        """Start charges of paths first .. first + paths - 1, and what came of them."""
        rows = self.begin[first : first + paths]
        task = Task(
            self.device, rows, self.duration, self.seed, first, self.grid, self.stop, self.most
        )
        exact = self.method == "exact"
        return rows, play_exact(task) if exact else play_steps(task, self.method, self.step)

    def record(self, parts: list[tuple[NDArray[Any], Raw]]) -> JumpRun:
        """Tiles as one record."""
        device = self.device
        start = np.concatenate([rows for rows, _ in parts])
        raws = [raw for _, raw in parts]

        def joined(name: str) -> NDArray[Any]:
            return np.concatenate([getattr(raw, name) for raw in raws])

        end, counts, times = joined("end"), joined("counts"), joined("times")
        count, volt, joule = len(device.elements), device.voltage_unit, device.energy_unit
        # A path that meets the stop at once has no duration: its averages are its start.
        safe = np.where(times > 0.0, times, 1.0)[:, None]
        mean = np.where(times[:, None] > 0.0, joined("first") / safe, start)
        square = joined("second") / safe[:, :, None]
        square = np.where(times[:, None, None] > 0.0, square, start[:, :, None] * start[:, None, :])
        rest = device.rest_voltages
        volts = device.voltages(mean)
        cross = (volts - rest)[:, :, None] * rest
        squares = device.hessian @ square @ device.hessian + cross + cross.transpose(0, 2, 1)
        squares = squares + np.outer(rest, rest)
        heat, work = (
            joined("heat"),
            device.supply_work(counts[:, :count] - counts[:, count:], start, end),
        )
        accounts = {f"heat.{name}": heat[:, k] * joule for k, name in enumerate(device.elements)}
        accounts |= {f"work.{name}": work[:, k] * joule for k, name in enumerate(device.supplies)}
        accounts |= {"energy.start": device.energy(start) * joule}
        accounts |= {"energy.end": device.energy(end) * joule}
        return JumpRun(
            device=device,
            method=self.method,
            duration=self.duration,
            times=times,
            start=start,
            end=end,
            counts=counts,
            books=Books(accounts, joule, device.temperatures),
            mean_voltages=volts * volt,
            mean_squares=squares * volt**2,
            grid=self.grid,
            voltages=device.voltages(joined("kept")) * volt,
            stopped=joined("stopped"),
            step=self.step,
            leap=float(np.mean([raw.leap for raw in raws])),
            law=self.law,
        )


def simulate_jumps(
    device: JumpDevice,
    duration: str | float,
    *,
    paths: int,
    seed: int = 0,
    start: Any = "uncharged",
    samples: int = 0,
    stop: tuple[Mapping[str, float], str | float] | None = None,
    method: str = "exact",
    step: str | float | None = None,
    approximate: bool = False,
    most: int = 2_000_000,
) -> JumpRun:
    """Play paths of a circuit of nonlinear conductors, with the energy books of each.

    Args:
        device: see `Jumps`, as the rest but paths and seed.
        duration: of every path.
        paths: how many.
        seed: of the run; equal seeds give equal paths, however many there are.
        start: where paths start.
        samples: at how many times states are kept.
        stop: where a path ends early.
        method: "exact", or an approximation.
        step: of an approximation.
        approximate: say that one is wanted.
        most: events (or steps) that a path may have.

    Raises:
        InputError: see `Jumps.prepare`; a path with more than `most` events.
    """
    asked = Jumps(device, duration, start, samples, stop, method, step, approximate, most)
    made = asked.prepare(paths, seed)
    parts = [made.tile(low, min(GROUP, paths - low)) for low in range(0, paths, GROUP)]
    return made.record(parts)


def _start(device: JumpDevice, start: Any, paths: int, seed: int) -> NDArray[Any]:
    """Charges of every path, float64, shape (paths, n)."""
    n = device.dim
    if isinstance(start, MasterEquation):
        if start.device is not device:
            raise InputError("this master equation is of another device", where="start")
        return start.place(Draws(seed, 0, paths).uniforms(1)[:, 0].numpy())
    if isinstance(start, Mapping):
        volts = np.zeros(n)
        for name, entry in start.items():
            place = node_weights(device, {name: 1.0}, "start").argmax()
            volts[place] = amount(entry, "V", "start")
        nearest = np.rint(device.charges(volts / device.voltage_unit))
        return np.broadcast_to(nearest, (paths, n)).copy()
    if isinstance(start, Sequence | np.ndarray) and not isinstance(start, str):
        charges = np.asarray(start, dtype=float)
        if charges.shape not in ((n,), (paths, n)) or (charges != np.rint(charges)).any():
            raise InputError(
                f"expected whole numbers of charges, shape ({n},) or ({paths}, {n})", where="start"
            )
        return np.broadcast_to(charges, (paths, n)).copy()
    if start != "uncharged":
        raise InputError(
            f"{start!r}: expected 'uncharged', 'stationary', voltages by node, charges, or a "
            "master equation",
            where="start",
        )
    return np.zeros((paths, n))
