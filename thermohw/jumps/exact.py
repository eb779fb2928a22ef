"""Exact stochastic simulation of electron jumps (Gillespie's direct method), many paths at a time.

In state N the next event comes after an exponential time of mean 1/Lambda, Lambda = sum of all
rates, and is event e with probability lambda_e/Lambda. Every path keeps its own clock; one step of
the loop gives each path that still runs its next event. Nothing is approximated: there is no time
step. The books of an event are those of its jump,

    heat into the conductor's bath   Q = kT ln( lambda_k+(N) / lambda_k-(N + S_k) )
                                       = q (v_a - v_b) half way through the jump

added up event by event; the number of events of each kind gives the work of every supply, the two
end states the change of energy. Memory does not grow with the number of events.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from thermohw.errors import InputError
from thermohw.noise import EventNumbers

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.circuit.jump import JumpDevice

__all__ = ["Raw", "Task", "play_exact"]


@dataclass(frozen=True, eq=False)
class Task:
    """What some neighbouring paths have to do, device units and seconds.

    Attributes:
        device: the circuit.
        start: charges, shape (paths, n), float64.
        duration: second.
        seed: the run's.
        head: index of the first path.
        grid: times at which the state is kept, shape (g,), ascending.
        stop: weights (n,) over charges and a level; a path ends when weights . N <= level.
        most: events (or steps) a path may take before the run is refused.
    """

    device: JumpDevice
    start: NDArray[Any]
    duration: float
    seed: int
    head: int
    grid: NDArray[Any]
    stop: tuple[NDArray[Any], float] | None
    most: int


@dataclass(frozen=True, eq=False)
class Raw:
    """What came out, per path: device units, counts and seconds.

    Attributes:
        end: charges, shape (paths, n).
        times: how long each path ran, shape (paths,), second.
        counts: events of each kind, forward ones first, shape (paths, 2K).
        heat: into every bath, shape (paths, K), k T_ref.
        first: int N dt, shape (paths, n).
        second: int N N^T dt, shape (paths, n, n).
        kept: states at the times of the grid, shape (paths, g, n); the last state after a stop.
        stopped: which paths met the stop, shape (paths,), bool.
        leap: mean relative change of the total rate in a step; 0 for the exact method.
    """

    end: NDArray[Any]
    times: NDArray[Any]
    counts: NDArray[Any]
    heat: NDArray[Any]
    first: NDArray[Any]
    second: NDArray[Any]
    kept: NDArray[Any]
    stopped: NDArray[Any]
    leap: float = 0.0


def play_exact(task: Task) -> Raw:
    """Play paths event by event.

    Raises:
        InputError: a path needs more events than `most`.
    """
    device = task.device
    paths, n = task.start.shape
    conductors = len(device.elements)
    slope, offset = device.exponent_form
    heat_slope, heat_offset = device.heat_form[0].T.copy(), device.heat_form[1]
    jumps = device.event_jumps
    noise = EventNumbers(task.seed, task.head, paths, kinds=2)
    state, clock = task.start.copy(), np.zeros(paths)
    counts, heat = np.zeros((paths, 2 * conductors)), np.zeros((paths, conductors))
    first, second = np.zeros((paths, n)), np.zeros((paths, n, n))
    kept, position = np.zeros((paths, len(task.grid), n)), np.zeros(paths, dtype=int)
    grid = np.append(task.grid, np.inf)
    stopped = np.zeros(paths, dtype=bool)
    active = np.arange(paths)
    if task.stop is not None:
        stopped[:] = state @ task.stop[0] <= task.stop[1]
        active = active[~stopped]
    events = 0
    while len(active):
        wait, choice = noise.numbers(events)[active].T
        wait = -np.log(wait)  # exponential, mean one
        here = state[active]
        cumulated = np.cumsum(device.rates_of(here @ slope + offset), axis=1)
        total = cumulated[:, -1]
        then = clock[active] + wait / total
        until = np.minimum(then, task.duration)
        _keep(kept, position, grid, active, here, until, last=task.duration)
        spent = (until - clock[active])[:, None]
        first[active] += spent * here
        second[active] += spent[:, :, None] * (here[:, :, None] * here[:, None, :])
        clock[active] = until
        runs = then < task.duration
        if not runs.all():
            active, here, cumulated = active[runs], here[runs], cumulated[runs]
            choice, total = choice[runs], total[runs]
        event = (cumulated <= (choice * total)[:, None]).sum(1)
        np.minimum(event, 2 * conductors - 1, out=event)  # the product may round up to the total
        counts[active, event] += 1.0
        heat[active, event % conductors] += (here * heat_slope[event]).sum(1) + heat_offset[event]
        there = here + jumps[event]
        state[active] = there
        if task.stop is not None:
            met = there @ task.stop[0] <= task.stop[1]
            stopped[active[met]] = True
            active = active[~met]
        events += 1
        if events > task.most:
            raise InputError(
                f"a path had {events:,} events after {clock[active].min():.3g} s of "
                f"{task.duration:.3g} s; shorten the duration or raise `most`",
                where=device.name,
            )
    _keep(kept, position, grid, np.arange(paths), state, np.full(paths, np.inf), last=np.inf)
    return Raw(state, clock, counts, heat, first, second, kept, stopped)


def _keep(
    kept: NDArray[Any],
    position: NDArray[Any],
    grid: NDArray[Any],
    active: NDArray[Any],
    here: NDArray[Any],
    until: NDArray[Any],
    *,
    last: float,
) -> None:
    """Note the state at every time of the grid before `until` (up to `last` inclusive)."""
    if kept.shape[1] == 0:
        return
    while True:
        upcoming = grid[position[active]]
        due = (upcoming < until) | ((upcoming == until) & (until == last) & np.isfinite(upcoming))
        if not due.any():
            return
        kept[active[due], position[active[due]]] = here[due]
        position[active[due]] += 1
