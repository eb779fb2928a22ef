r"""Jumps in steps of fixed length: approximate, and never played unless marked so.

Over a step h every rate is held at the state where the step begins:

    tau-leap   n_e ~ Poisson(lambda_e h)                     the state stays on the integers
    langevin   n_e = lambda_e h + sqrt(lambda_e h) xi_e      the chemical Langevin equation: the
                                                             Gaussian noise 2q(I+ + I-) of the same
                                                             conductor, Ito, Euler's method

Both err by O(h) in means (weak order one); `leap`, the mean relative change of the total rate in a
step, says how far from constant the rates were. The Langevin equation errs however small h is. A
Gaussian charge n of mean (lambda+ - lambda-) t and variance (lambda+ + lambda-) t at a fixed x =
qV/kT has

    <exp(-x n)> = exp( (lambda+ + lambda-) t [x^2/2 - x tanh(x/2)] ) > 1

where the fluctuation theorem demands 1; its equilibrium is not exp(-H/kT), and it misses tails of a
law, so the rate of rare errors, by an exponential factor. That is why it is refused unmarked.

Heat of a step is n_k+ - n_k- times the mean of the voltage across the conductor at both ends, which
closes the first law exactly (the energy is quadratic); it is not kT ln of a ratio of rates.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy.special import pdtr, pdtrik

from thermohw.errors import InputError
from thermohw.jumps.exact import Raw, Task
from thermohw.noise import EventNumbers, Stream, TickNoise

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["play_steps"]


def play_steps(task: Task, method: str, step: float) -> Raw:
    """Play paths in steps.

    Args:
        task: the paths.
        method: "tau-leap" or "langevin".
        step: second; the last one is shortened to end on the duration.

    Raises:
        InputError: more steps than `task.most`.
    """
    device = task.device
    paths, n = task.start.shape
    count = len(device.elements)
    steps = int(np.ceil(task.duration / step * (1.0 - 1e-12)))
    if task.stop is None:
        _check_number(task, steps)
    numbers = _normals(task, count) if method == "langevin" else _poissons(task, count)
    state, clock = task.start.copy(), np.zeros(paths)
    counts, heat = np.zeros((paths, 2 * count)), np.zeros((paths, count))
    first, second = np.zeros((paths, n)), np.zeros((paths, n, n))
    kept, position = np.zeros((paths, len(task.grid), n)), 0
    stopped, live = np.zeros(paths, dtype=bool), np.ones(paths, dtype=bool)
    level = device.drawn @ device.supply_voltages
    if task.stop is not None:
        stopped = state @ task.stop[0] <= task.stop[1]
        live = ~stopped
    rates = device.event_rates(state)
    change, seen = 0.0, 0
    for index in range(steps):
        begin, end = index * step, min((index + 1) * step, task.duration)
        while position < len(task.grid) and task.grid[position] < end:
            kept[:, position] = state
            position += 1
        if not live.any():
            break
        _check_number(task, index)
        moved = np.where(live[:, None], numbers(rates * (end - begin)), 0.0)
        flow = moved[:, :count] - moved[:, count:]
        there = state + flow @ device.jumps
        middle = 0.5 * (state + there)
        heat += flow * (level - device.voltages(middle) @ device.jumps.T)
        counts += moved
        spent = np.where(live, end - begin, 0.0)
        first += spent[:, None] * middle
        square = 0.5 * (state[:, :, None] * state[:, None, :] + there[:, :, None] * there[:, None])
        second += spent[:, None, None] * square
        clock += spent
        fresh = device.event_rates(there)
        relative = np.abs(fresh.sum(1) / rates.sum(1) - 1.0)[live]
        change, seen = change + float(relative.sum()), seen + len(relative)
        state, rates = there, fresh
        if not np.isfinite(rates).all():
            raise InputError(f"rates ran away in a step of {step:.3g} s; take a shorter one",
                             where=device.name)  # fmt: skip
        if task.stop is not None:
            met = live & (state @ task.stop[0] <= task.stop[1])
            stopped, live = stopped | met, live & ~met
    kept[:, position:] = state[:, None]
    leap = change / max(seen, 1)
    return Raw(state, clock, counts, heat, first, second, kept, stopped, leap)


def _check_number(task: Task, steps: int) -> None:
    if steps > task.most:
        raise InputError(
            f"{steps:,} steps are more than {task.most:,}; take longer steps or raise `most`",
            where=task.device.name,
        )


def _normals(task: Task, count: int) -> Any:
    """Event numbers of a step, Gaussian: mean and variance lambda h."""
    paths, stream = len(task.start), Stream.EVENTS
    noise = TickNoise(task.seed, task.head, paths, dtype=torch.float64, stream=stream)
    steps = itertools.count()

    def numbers(mean: NDArray[Any]) -> NDArray[Any]:
        return mean + np.sqrt(mean) * noise.normals(2 * count, next(steps)).numpy()

    return numbers


def _poissons(task: Task, count: int) -> Any:
    """Event numbers of a step, Poisson, by inversion: the smallest k with F(k) >= u."""
    noise = EventNumbers(task.seed, task.head, len(task.start), kinds=2 * count)
    steps = itertools.count()

    def numbers(mean: NDArray[Any]) -> NDArray[Any]:
        u = noise.numbers(next(steps))
        some = np.maximum(mean, 1e-300)
        k = np.ceil(pdtrik(u, some))
        below = np.maximum(k - 1.0, 0.0)
        return np.where(mean > 0.0, np.where(pdtr(below, some) >= u, below, k), 0.0)

    return numbers
