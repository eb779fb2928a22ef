r"""What a device's ticks do, and what the noising process does meanwhile, as Gaussian kernels.

A run's tick n takes z_n to z_{n+1}; the process takes z_{n+1} back to z_n. Both are linear and
Gaussian, in thermal units of effort (n coordinates):

    device     z' = Phi z + sum_j Gamma_j u_j + N(0, Sigma)      u_j every source value in force
    process    z  = D z' + N(0, S),     from model time t_{n+1} to t_n

A tick of several pieces (latency) is their composition. Maps are diagonals (n,) where nothing joins
the coordinates, else matrices (n, n).

Given the end z_N of a run (data noised to t_min), the noising chain is z_n | z_N ~ N(A_n z_N, B_n),
and what lies between a state and the end is

    z_{n+1} | z_n, z_N ~ N(A_{n+1} z_N + G (z_n - A_n z_N), C),
    G = B_{n+1} D^T B_n^{-1},     C = B_{n+1} - G D B_{n+1}

Process and device are played through each other's eyes for circuits with inductors, too: the
process of such a circuit is its mirror image (`thermohw.process.langevin`), K(eps z_n | eps
z_{n+1}) of the circuit's own free motion K, and no other kernel would meet it in the limit.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from thermohw.books.kernels import Kernels

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.control import Piece, Plan

__all__ = ["DeviceTicks", "Gaussian", "NoisingBridge", "TickPiece", "as_matrix", "balance",
           "bridges", "outset", "thermal_units", "through"]  # fmt: skip

Map = Any
"""A diagonal, float64 tensor (n,), or a matrix (n, n)."""


def through(matrix: Map, x: Tensor) -> Tensor:
    """matrix x for every row of x, shape (paths, n)."""
    return x * matrix if matrix.ndim == 1 else x @ matrix.T


def as_matrix(linear: Map) -> Tensor:
    """A map as a matrix (n, n)."""
    return torch.diag(linear) if linear.ndim == 1 else linear


def _product(one: Map, other: Map) -> Map:
    if one.ndim == other.ndim == 1:
        return one * other
    return as_matrix(one) @ as_matrix(other)


def _around(matrix: Map, covariance: Map) -> Map:
    """matrix covariance matrix^T."""
    turned = matrix if matrix.ndim == 1 else matrix.T
    return _product(_product(matrix, covariance), turned)


def _inverse(covariance: Map) -> Map:
    return 1.0 / covariance if covariance.ndim == 1 else torch.linalg.inv(covariance)


class Gaussian:
    """Normal laws of one covariance.

    Args:
        covariance: (n,) of independent coordinates, or (n, n).
    """

    def __init__(self, covariance: Map) -> None:
        self.covariance = covariance
        self._root = (
            covariance.sqrt() if covariance.ndim == 1 else torch.linalg.cholesky(covariance)
        )
        diagonal = self._root if self._root.ndim == 1 else self._root.diagonal()
        self.log_det = 2.0 * float(diagonal.log().sum())

    def square(self, away: Tensor) -> Tensor:
        """away . covariance^-1 away of every row, shape (paths,)."""
        if self._root.ndim == 1:
            return (away / self._root).square().sum(1)
        return torch.linalg.solve_triangular(self._root, away.T, upper=False).square().sum(0)

    def solve(self, away: Tensor) -> Tensor:
        """covariance^-1 away of every row."""
        if self._root.ndim == 1:
            return away / self.covariance
        return torch.cholesky_solve(away.T, self._root).T

    def log_prob(self, away: Tensor) -> Tensor:
        """Log density at a distance from the mean, nats, shape (paths,)."""
        n = away.shape[1]
        return -0.5 * (self.square(away) + self.log_det + n * float(np.log(2.0 * np.pi)))

    def spread(self, normals: Tensor) -> Tensor:
        """Normals (paths, n) as deviations of this law."""
        return through(self._root, normals)

    def divergence(self, other: Gaussian, away: Tensor) -> Tensor:
        """Relative entropy KL(self || other) whose means are `away` apart, nats, (paths,)."""
        ratio = _product(_inverse(other.covariance), self.covariance)
        trace = float(ratio.sum() if ratio.ndim == 1 else ratio.trace())
        rest = trace - away.shape[1] + other.log_det - self.log_det
        return 0.5 * (other.square(away) + rest)


class TickPiece(NamedTuple):
    """A piece of a tick, in which the sources' memory, if any, runs on.

    Attributes:
        piece: which one.
        decay: Phi.
        push: (m, n) factors of what the m states of every source's memory push by.
    """

    piece: Piece
    decay: Map
    push: tuple[Map, ...]


class DeviceTicks:
    """The kernels of a plan's ticks.

    Args:
        plan: held control, or Euler steps (`thermohw.books.kernels.without_kernel`).
    """

    def __init__(self, plan: Plan) -> None:
        self.plan, self._kernels = plan, Kernels(plan)
        self._diagonal = self._kernels.order.shape[1] == 1
        self._known: dict[float, tuple[Map, tuple[Map, ...], Map]] = {}
        bounds = np.searchsorted(
            [p.tick for p in plan.timeline], np.arange(plan.schedule.ticks + 1)
        )
        self._bounds = bounds.tolist()

    def pieces(self, tick: int) -> list[TickPiece]:
        """What happens in a tick, in order."""
        timeline = self.plan.timeline[self._bounds[tick] : self._bounds[tick + 1]]
        return [TickPiece(p, *self._at(p.duration)[:2]) for p in timeline]

    def law(self, tick: int) -> Gaussian:
        """Law of the noise of a whole tick."""
        covariance: Map = None
        for p in self.plan.timeline[self._bounds[tick] : self._bounds[tick + 1]]:
            decay, _, noise = self._at(p.duration)
            own = noise * p.temperature
            covariance = own if covariance is None else _around(decay, covariance) + own
        return Gaussian(covariance)

    def decay(self, tick: int) -> Map:
        """Phi of a whole tick."""
        whole: Map = None
        for p in self.plan.timeline[self._bounds[tick] : self._bounds[tick + 1]]:
            decay = self._at(p.duration)[0]
            whole = decay if whole is None else _product(decay, whole)
        return whole

    def push(self, tick: int) -> Map:
        """What a source pushes by that is held from the first to the last of a tick."""
        whole: Map = None
        for p in self.plan.timeline[self._bounds[tick] : self._bounds[tick + 1]]:
            decay, push, _ = self._at(p.duration)
            whole = push[0] if whole is None else _product(decay, whole) + push[0]
        return whole

    def force(self, source: Tensor) -> Tensor:
        """What sources (paths, sources) push by, shape (paths, n)."""
        kernels = self._kernels
        if kernels.feeds is None:
            return source @ torch.as_tensor(kernels.entry, dtype=source.dtype)
        found = source.new_zeros(len(source), self.plan.protocol.board.dim)
        for column, feed in zip(kernels.order.T, kernels.feeds, strict=True):
            if feed is not None:
                factor = torch.as_tensor(kernels.entry[column], dtype=source.dtype)
                found[:, column] = source[:, feed] * factor
        return found

    def _at(self, h: float) -> tuple[Map, tuple[Map, ...], Map]:
        if h not in self._known:
            if len(self._known) >= 16:  # of a log-SNR grid every tick has its own
                self._known.pop(next(iter(self._known)))
            found = self._kernels.at(h)
            parts = (found.decay, *found.push, found.noise)
            decay, *push, noise = (self._whole(part) for part in parts)
            self._known[h] = decay, tuple(push), noise
        return self._known[h]

    def _whole(self, blocks: NDArray[Any]) -> Map:
        """Blocks (parts, m, m) as a map of all coordinates."""
        order, n = self._kernels.order, self.plan.protocol.board.dim
        if self._diagonal:
            found = np.empty(n)
            found[order[:, 0]] = blocks[:, 0, 0]
        else:
            found = np.zeros((n, n))
            found[order[:, :, None], order[:, None, :]] = blocks
        return torch.as_tensor(found)


class NoisingBridge(NamedTuple):
    """The noising chain around one tick, thermal units.

    Attributes:
        start: A_n of z_n given the end.
        before: B_n, its covariance.
        end: A_{n+1} of z_{n+1} given the end.
        gain: G; None at the last tick, which ends at the end.
        law: N(0, C); None likewise.
        back: D of z_n by z_{n+1}.
        noise: N(0, S).
    """

    start: Map
    before: Map
    end: Map
    gain: Map | None
    law: Gaussian | None
    back: Map
    noise: Gaussian


def bridges(plan: Plan) -> Iterator[NoisingBridge]:
    """What the process does along a plan's ticks, from the prior's side to the data's."""
    times = plan.schedule.model_time
    final, one = float(times[-1]), torch.ones_like(thermal_units(plan))
    for early, late in zip(times[:-1].tolist(), times[1:].tolist(), strict=True):
        back, noise = _transition(plan, early, late)
        start, before = _transition(plan, early, final)
        if late == final:
            yield NoisingBridge(start, before, one, None, None, back, Gaussian(noise))
            return
        end, after = _transition(plan, late, final)
        gain = _product(_product(after, back if back.ndim == 1 else back.T), _inverse(before))
        # Joseph's form: positive where a difference would cancel.
        whole = one if gain.ndim == 1 else torch.diag(one)
        law = Gaussian(_around(whole - _product(gain, back), after) + _around(gain, noise))
        yield NoisingBridge(start, before, end, gain, law, back, Gaussian(noise))


def outset(plan: Plan) -> tuple[Map, Gaussian]:
    """Map and noise of the prior's side of a run given its end, thermal units."""
    times = plan.schedule.model_time
    decay, noise = _transition(plan, float(times[0]), float(times[-1]))
    return decay, Gaussian(noise)


def balance(plan: Plan) -> Tensor | None:
    """Inverse of the efforts' equilibrium covariance where process and undriven tick are in
    detailed balance at one temperature, else None:

        D P = (Phi P)^T,      S = P - D P D^T
    """
    device, schedule = plan.protocol.board, plan.schedule
    warm = device.temperatures
    if schedule.heating is not None or not np.allclose(warm, warm[0], rtol=1e-12, atol=0.0):
        return None
    if not plan.clocked:  # an Euler step has another equilibrium
        return None
    power = torch.as_tensor(device.hessian * float(warm[0]))
    ticks = DeviceTicks(plan)
    for tick, bridge in enumerate(bridges(plan)):
        maps = bridge.back, ticks.decay(tick), bridge.noise.covariance
        back, there, own = map(as_matrix, maps)
        size = 1e-9 * power.abs().max()
        if (back @ power - (there @ power).T).abs().max() > size:
            return None
        if (own - (power - back @ power @ back.T)).abs().max() > size:
            return None
    return torch.linalg.inv(power)


def _transition(plan: Plan, t: float, start: float) -> tuple[Map, Map]:
    """The process's own, in thermal units."""
    decay, noise = plan.protocol.process.transition(t, start)
    units = thermal_units(plan)
    if np.ndim(decay) == 0:
        return float(decay) * torch.ones_like(units), float(noise) * units.square()
    decay, noise = torch.as_tensor(decay), torch.as_tensor(noise)
    return decay * units[:, None] / units, noise * units[:, None] * units


def thermal_units(plan: Plan) -> Tensor:
    """Thermal units of effort per model unit of every coordinate, float64, shape (n,)."""
    ones = torch.ones(1, plan.protocol.device.dim, dtype=torch.float64)
    return torch.as_tensor(plan.protocol.to_thermal(ones))[0]
