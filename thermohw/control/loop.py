r"""One tick of the closed loop on a Gaussian law, exactly: x' = M x + S alpha mu + noise.

In model units and R C in force a circuit and its sources do

    dx = -A x dt + u dt + noise,     noise power T B2,     u = (G + T K) x + T B2 s(x),

T = T/T_ref, with G the share of A that the sources turn round or cancel (all of it without
inductors) and K = kappa for an isotropic process (1 for ou and vp at theta = 1, 0 for ve), G else.
The data N(mu, C0) have at model time t the law N(D mu, C), C = D C0 D^T + N, and an affine score,

    s(x) = -C^-1 (x - D mu),     so     u = L x + P D mu,     P = T B2 C^-1,     L = G + T K - P.

Every stepper (`thermohw.integrate`) then makes an affine map of one tick, with the same noise xi:

    exact      held:  M = e^{-Ah} + E L,  S = E P D,  E = int_0^h e^{-As} ds, noise of the circuit
    euler      M = 1 + h (L - G),  S = h P D,  noise h T B2
    heun       with F = L - G at both ends: M = 1 + h/2 (F + F' (1 + h F)),
               S = h/2 (c + c' + h F' c), c = P D; noise times (1 + h/2 F')
    splitting  half a free step, the source alone by the midpoint rule, 1 + h L + (h L)^2/2 and
               (h + h^2 L/2) P D, half a free step; L and P of the middle of the tick

the last three for the circuit without its rotation and between two half turns R; euler and heun
decide at the true ends of the tick, before the first and after the second turn. "reference" is
heun. Law and temperature are those that the stepper uses: the tick's start, both ends, its middle.

Where A, B2 and C0 have common axes everything is a number an axis, equal axes once (`axes`); an
array of equal cells with inductors is one small matrix a principal direction of the data; else
matrices as large as the circuit. The drift is diagonalised once, not exponentiated every tick.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from thermohw.process import Langevin
from thermohw.process.linear import linear_transition

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from thermohw.control.drive import ReverseDrive
    from thermohw.control.protocol import Protocol
    from thermohw.control.schedule import Schedule
    from thermohw.process import Process

__all__ = ["Algebra", "Loop", "Motion", "Ticks", "plain_covariance"]

_SOUND = 1e5  # condition of the eigenvectors beyond which a drift counts as defective


class Algebra(NamedTuple):
    """What products mean: of numbers an axis, or of matrices in the last two places."""

    times: Callable[[Any, Any], Any]
    inverse: Callable[[Any], Any]
    turned: Callable[[Any], Any]
    one: Any


_NUMBERS = Algebra(np.multiply, np.reciprocal, lambda x: x, 1.0)


def _matrices(n: int) -> Algebra:
    return Algebra(np.matmul, np.linalg.inv, lambda x: np.swapaxes(x, -1, -2), np.eye(n))


class Motion:
    """dx = -A x dt + noise of power B2 over many times at once.

    Args:
        drift: A, shape (k,) for numbers, or (n, n).
        noise: B2, same shape.
    """

    def __init__(self, drift: NDArray[Any], noise: NDArray[Any]) -> None:
        self.drift, self.noise = drift, noise
        self.sound = drift.ndim == 1
        if not self.sound:
            self._values, self._vectors = np.linalg.eig(drift)
            self.sound = bool(np.linalg.cond(self._vectors) < _SOUND)
        if self.sound and drift.ndim == 2:
            self._back = np.linalg.inv(self._vectors)
            self._power = self._back @ noise @ self._back.T

    def at(self, h: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """(e^{-A h}, covariance after h) for times (N,): shape (N, k) or (N, n, n)."""
        if self.drift.ndim == 1:
            span = h[:, None]
            return np.exp(-self.drift * span), self.noise * _grown(2.0 * self.drift, span)
        if not self.sound:  # critical damping and the like
            known = {t: linear_transition(self.drift, self.noise, t) for t in set(h.tolist())}
            decays, noises = zip(*(known[t] for t in h.tolist()), strict=True)
            return np.array(decays), np.array(noises)
        decay = (self._vectors * np.exp(-self._values * h[:, None])[:, None, :]) @ self._back
        pairs = self._values[:, None] + self._values
        spread = self._vectors @ (self._power * _grown(pairs, h[:, None, None]))
        return np.real(decay), np.real(spread @ self._vectors.T)

    def sums(self, decay: NDArray[Any], h: NDArray[Any]) -> NDArray[Any]:
        """int_0^h e^{-A s} ds, from e^{-A h}, where A has an inverse."""
        if self.drift.ndim == 1:
            return _grown(self.drift, h[:, None])
        return np.linalg.inv(self.drift) @ (np.eye(len(self.drift)) - decay)


def _grown(rate: NDArray[Any], h: NDArray[Any]) -> NDArray[Any]:
    """(1 - e^{-rate h})/rate, h where the rate is 0."""
    still = np.abs(rate) < 1e-300
    return np.where(still, h, -np.expm1(-rate * h) / np.where(still, 1.0, rate))


class Ticks:
    """A schedule as arrays, with the noise levels of an isotropic process worked out once.

    Args:
        process: the forward process.
        schedule: the ticks.
        ends: T/T_ref of the laws at the boundaries, shape (N + 1,); None where it does not vary.
        middles: model times of the ticks' middles, shape (N,), where a stepper asks for them.

    Attributes:
        length: of every tick in R C in force, shape (N,).
        heat: T/T_ref of every tick, shape (N,).
        ends: T/T_ref of the laws at the boundaries, shape (N + 1,).
        times: model times of the boundaries, shape (N + 1,).
        middles: and of the middles, shape (N,); those of the boundaries where no stepper asks.
    """

    def __init__(
        self,
        process: Process,
        schedule: Schedule,
        *,
        ends: NDArray[Any] | None = None,
        middles: NDArray[Any] | None = None,
    ) -> None:
        self.process, self.length = process, schedule.relaxations
        self.heat, self.times = schedule.temperatures, schedule.model_time
        self.ends = np.ones(schedule.ticks + 1) if ends is None else ends
        self.middles = self.times if middles is None else middles
        self._levels = self._table(self.times)
        self._inner = self._levels if self.middles is self.times else self._table(self.middles)

    def __len__(self) -> int:
        return len(self.length)

    def _table(self, times: NDArray[Any]) -> NDArray[Any] | None:
        if not self.process.isotropic:
            return None
        levels = (level for t in times.tolist() for level in self.process.transition(t))
        return np.fromiter(levels, np.float64, 2 * len(times)).reshape(-1, 2)

    def levels(self, part: slice, *, middle: bool = False) -> NDArray[Any]:
        """(decay, noise) of an isotropic process at boundaries, shape (ticks, 2)."""
        table = self._inner if middle else self._levels
        assert table is not None
        return table[part]


class Loop:
    """The closed loop of a protocol on data of one covariance.

    Args:
        protocol: the settings.
        drive: its linear map from states and score to sources.
        stepper: name of the stepper in force.
        covariance: C0 of all coordinates of the process, shape (n, n), model units.

    Attributes:
        data: C0 in the loop's own form: (k,), (n, n) or (k, n, n).
        axes: orthonormal directions of the data as columns, (d, d); None in the circuit's own.
        which: entry of `data` that each direction belongs to, shape (d,); None likewise.
        places: coordinates that carry the data, within a matrix of the loop; None for numbers.
    """

    def __init__(
        self, protocol: Protocol, drive: ReverseDrive, stepper: str, covariance: NDArray[Any]
    ) -> None:
        process, device = protocol.process, protocol.device
        self.process, self.stepper, self._dim = process, stepper, device.dim
        own, mirrored = device.effort_drift, None
        if process.isotropic:
            noise = protocol.theta * device.effort_diffusion
            kappa = (drive.divergence_state - float(np.trace(own))) / device.dim
            friction, lean = own, kappa * np.eye(device.dim)
        else:
            noise = process.diffusion(0.0)
            if isinstance(process, Langevin):  # model units; friction alone is turned round
                assert protocol.units is not None
                own = own / protocol.units[:, None] * protocol.units
            mirrored = -process.drift(0.0)
            friction = 0.5 * (own + mirrored) if isinstance(process, Langevin) else own
            lean = friction
        parts = [own, friction, lean, noise, mirrored]
        self.axes = self.which = self.places = None
        if isinstance(process, Langevin):
            self.places = list(process.positions)
            if process.alike:
                parts = self._one_cell(process, parts, covariance)
        else:
            self.axes = _common_axes(own, noise, covariance)
        if self.axes is not None and self.places is None:
            parts = self._numbers(parts, covariance)
        elif self.axes is None:
            self.data = covariance
        self.own, self.friction, self.lean, self.noise, self.mirrored = parts
        self.algebra = _NUMBERS if self.own.ndim == 1 else _matrices(len(self.own))
        self.whole = Motion(self.own, self.noise)
        self.free = Motion(self.friction, self.noise) if self.places else self.whole
        self.forward = None if process.isotropic else Motion(self.mirrored, self.noise)
        self.turning = None
        if self.places is not None and stepper != "exact":
            self.turning = Motion(self.own - self.friction, np.zeros_like(self.own))

    def _one_cell(self, process: Langevin, parts: list[Any], covariance: NDArray[Any]) -> list[Any]:
        """Equal cells: one of them for every distinct principal variance of the data."""
        cell, copies = process.cells[0]
        x = list(process.positions)
        values, self.axes = np.linalg.eigh(covariance[np.ix_(x, x)])
        values, self.which = _distinct(values[:, None])
        self.data = cell.joint(np.zeros((len(values), 1)), values[:, :, None])[1]
        self._cell = cell
        self.places = list(cell.positions)
        block = np.ix_(copies[0], copies[0])
        return [part[block] for part in parts]

    def _numbers(self, parts: list[Any], covariance: NDArray[Any]) -> list[Any]:
        """Every matrix as a number an axis, equal axes once."""
        assert self.axes is not None
        known = [covariance, *(part for part in parts if part is not None)]
        rows = [np.sum(self.axes * (part @ self.axes), axis=0) for part in known]
        table, self.which = _distinct(np.stack(rows, 1))
        self.data, *rest = table.T
        return rest if len(rest) == len(parts) else [*rest, None]

    def plain(self, variance: float) -> NDArray[Any]:
        """C0 of data of one variance in the loop's own form."""
        if self.data.ndim == 1:
            return np.full_like(self.data, variance)
        process = self._cell if self.data.ndim == 3 else self.process
        return plain_covariance(process, self._dim, variance)

    def seen(self, part: NDArray[Any]) -> NDArray[Any]:
        """What the data's coordinates see of a covariance or a map: a number an axis, or (d, d)."""
        part = np.broadcast_to(part, self.data.shape)
        if self.places is not None:
            part = part[..., self.places, :][..., self.places]
        return part[:, 0, 0] if part.ndim == 3 else part

    def lift(self, numbers: NDArray[Any]) -> NDArray[Any]:
        """Numbers of every tick (N,) beside the loop's arrays (N, ...)."""
        return numbers.reshape(-1, *(1,) * self.data.ndim)

    def beside(self, arrays: NDArray[Any]) -> NDArray[Any]:
        """(N, n, n) arrays beside (N, k, n, n)."""
        return arrays[:, None] if self.data.ndim == 3 else arrays

    def level(
        self, ticks: Ticks, part: slice, *, middle: bool = False
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """(D, N) of the forward process at boundaries or middles."""
        if self.forward is None:
            decay, noise = ticks.levels(part, middle=middle).T
            return self.lift(decay) * self.algebra.one, self.lift(noise) * self.algebra.one
        times = (ticks.middles if middle else ticks.times)[part]
        decay, noise = self.forward.at(times)
        return self.beside(decay), self.beside(noise)

    def law(self, decay: NDArray[Any], noise: NDArray[Any], data: Any = None) -> NDArray[Any]:
        """C = D C0 D^T + N."""
        x = self.algebra
        data = self.data if data is None else data
        return x.times(x.times(decay, data), x.turned(decay)) + noise

    def sources(
        self, decay: NDArray[Any], noise: NDArray[Any], heat: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """(L, P D) of u = L x + P D mu at noise levels, see the module."""
        x, warm = self.algebra, self.lift(heat)
        pull = x.times(warm * self.noise, x.inverse(self.law(decay, noise)))
        return self.friction + warm * self.lean - pull, x.times(pull, decay)

    def tick(self, ticks: Ticks, part: slice) -> tuple[NDArray[Any], ...]:
        """(M, S, Q) of consecutive ticks, see the module."""
        x, span, heat = self.algebra, ticks.length[part], ticks.heat[part]
        if self.stepper == "exact":
            return self._exact(ticks, part, span, heat)
        turn = x.one
        if self.turning is not None:
            turn = self.beside(self.turning.at(0.5 * span)[0])
        made = {"euler": self._euler, "splitting": self._splitting}.get(self.stepper, self._heun)
        gain, shift, noise = made(ticks, part, span, heat, turn)
        if self.turning is None:
            return gain, shift, noise
        noise = x.times(x.times(turn, noise), x.turned(turn))
        return x.times(turn, gain), x.times(turn, shift), noise

    def _exact(self, ticks: Ticks, part: slice, span: Any, heat: Any) -> tuple[Any, ...]:
        x, (gain, shift) = self.algebra, self.sources(*self.level(ticks, part), heat)
        decay, noise = self.whole.at(span)
        held = self.beside(self.whole.sums(decay, span))
        return (
            self.beside(decay) + x.times(held, gain),
            x.times(held, shift),
            self.lift(heat) * self.beside(noise),
        )

    def _euler(self, ticks: Ticks, part: slice, span: Any, heat: Any, turn: Any) -> tuple[Any, ...]:
        x, h = self.algebra, self.lift(span)
        gain, shift = self.sources(*self.level(ticks, part), heat)
        first = x.times(x.one - h * self.friction, turn) + h * gain
        return first, h * shift, h * self.lift(heat) * self.noise

    def _heun(self, ticks: Ticks, part: slice, span: Any, heat: Any, turn: Any) -> tuple[Any, ...]:
        x, h = self.algebra, self.lift(span)
        ends = slice(part.start, part.stop + 1)
        gain, shift = self.sources(*self.level(ticks, ends), ticks.ends[ends])
        first = x.times(x.one - h * self.friction, turn) + h * gain[:-1]
        second = x.times(gain[1:], turn) - self.friction
        early = x.times(x.one - 0.5 * h * self.friction, turn) + 0.5 * h * gain[:-1]
        kick = x.one + 0.5 * h * second
        return (
            early + 0.5 * h * x.times(second, first),
            0.5 * h * (shift[:-1] + shift[1:] + h * x.times(second, shift[:-1])),
            h * self.lift(heat) * x.times(x.times(kick, self.noise), x.turned(kick)),
        )

    def _splitting(
        self, ticks: Ticks, part: slice, span: Any, heat: Any, turn: Any
    ) -> tuple[Any, ...]:
        x, h = self.algebra, self.lift(span)
        gain, shift = self.sources(*self.level(ticks, part, middle=True), heat)
        decay, noise = (self.beside(made) for made in self.free.at(0.5 * span))
        noise = self.lift(heat) * noise
        push = x.one + h * gain + 0.5 * h**2 * x.times(gain, gain)
        late = x.times(decay, push)
        moved = h * shift + 0.5 * h**2 * x.times(gain, shift)
        spread = x.times(x.times(late, noise), x.turned(late)) + noise
        return x.times(x.times(late, decay), turn), x.times(decay, moved), spread


def plain_covariance(process: Process, dim: int, variance: float) -> NDArray[Any]:
    """C0 of data of one variance, momenta beside them as they are, (n, n), model units."""
    if not isinstance(process, Langevin):
        return variance * np.eye(dim)
    d = len(process.positions)
    return process.joint(np.zeros(d), variance * np.eye(d))[1]


def _common_axes(*matrices: NDArray[Any]) -> NDArray[Any] | None:
    """Orthonormal columns that make all of them diagonal; None where there are none."""
    if not any(np.count_nonzero(m) > np.count_nonzero(np.diagonal(m)) for m in matrices):
        return np.eye(len(matrices[0]))
    sizes = [float(np.abs(m).max()) or 1.0 for m in matrices]
    pairs = list(zip(matrices, sizes, strict=True))
    if not all(np.allclose(m, m.T, rtol=0.0, atol=1e-12 * s) for m, s in pairs):
        return None
    # Axes of a generic sum are axes of every matrix of a commuting family.
    shares = [1.0 / (s * (1.0 + 0.618 * i)) for i, s in enumerate(sizes)]
    mixed = np.einsum("i,ijk->jk", shares, np.stack(matrices))
    axes = np.linalg.eigh(mixed)[1]
    for m, size in pairs:
        turned = axes.T @ m @ axes
        if np.abs(turned - np.diag(np.diagonal(turned))).max() > 1e-9 * size:
            return None
    return axes


def _distinct(rows: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Rows that differ by more than rounding, and which of them each row is."""
    if len(rows) == 1:
        return rows, np.zeros(1, dtype=np.intp)
    size = np.abs(rows).max(0)
    rounded = np.round(rows / np.where(size > 0.0, size, 1.0), 11)
    _, first, which = np.unique(rounded, axis=0, return_index=True, return_inverse=True)
    return rows[first], which.reshape(-1)
