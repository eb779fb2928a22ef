r"""Franz-Parisi potential of a law on a line: what it costs to be at a distance from the data.

x_0' is drawn from the data, x_t from its noising; then another x_0, given x_t, is held at the
squared distance q from x_0'. Yu and Huang (2025), eqs 70-79:

    V(q, t) = -E ln Z,   Z = int e^{-H(x_0|x_t)} delta(q - (x_0 - x_0')^2) dx_0
            = (1/(2 u)) sum_+- e^{-H(x_0' +- u|x_t)},          u = sqrt(q)
    H(x_0|x_t) = (x_t - decay x_0)^2/(2 noise) - ln p_0(x_0)

With x_t = decay x_0' + sqrt(noise) z and k = decay/sqrt(noise),

    V = ln(2 u) + 1/2 + k^2 u^2/2 - E ln(e^{L+} + e^{L-}),    L+- = ln p_0(x_0' +- u) +- k u z,

and its derivatives in u follow from those of ln p_0 with the weights w+- = softmax(L+-):

    V_u  = 1/u + k^2 u - E sum w L'
    V_uu = -1/u^2 + k^2 - E[sum w s'(x_0' +- u) + w+ w- (L+' - L-')^2],   L+-' = +-(s + k z)
    V_q  = V_u/(2 u),     V_qq = (V_uu - V_u/u)/(4 u^2)

Reading: a pair of a maximum and a minimum of V means that a copy held far away stays there, and the
inflection between them is the onset of that (dynamic transition). The pair is gone at small t,
where V only rises: the copy is told which data point it belongs to.

Expectations are trapezoidal sums over (x_0', z) within 8.5 deviations. The step is a fraction of
the distance to the nearest poles of the logarithms in the complex plane, pi over the slope of
L+ - L-, so that sums are exact to about 1e-9.

Reference: Z. Yu and H. Huang, Phys. Rev. E 111, 014111 (2025), https://arxiv.org/abs/2405.11932
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import scipy

from thermohw.errors import InputError
from thermohw.process import Process
from thermohw.target import MixtureLaw
from thermohw.transitions.onset import Onset
from thermohw.transitions.two_humps import transition

__all__ = ["FranzParisi", "Landmarks", "pair_time"]

_REACH = 8.5  # deviations: 2e-17 of the law lies beyond
_WIDEST = 0.25  # a step for a plain Gaussian integrand
_FACTOR = 0.25  # of the distance to the nearest pole: e^{-2 pi/.25}
_MOST = 2**23  # points of a sum
_SCAN = 160


@dataclass(frozen=True)
class Landmarks:
    """What a potential does on a range of q, ascending.

    Attributes:
        maxima: q of local maxima.
        minima: q of local minima.
        inflections: q at which the curvature in q changes sign.
    """

    maxima: tuple[float, ...]
    minima: tuple[float, ...]
    inflections: tuple[float, ...]


class FranzParisi:
    """V(q) at one time.

    Args:
        law: p_0 on a line, a mixture of Gaussians (`TwoHumps(...).law()`, a target's `law`).
        t: model time, above 0.
        process: an isotropic one. Default: OU.

    Raises:
        InputError: more than one coordinate, t <= 0 or a process with matrices.
    """

    def __init__(self, law: MixtureLaw, t: float, process: Process | None = None) -> None:
        if law.dim != 1:
            problem = f"the quadrature is over a line, but the law has {law.dim} coordinates"
            raise InputError(problem, where="transitions.law")
        decay, noise = transition(t, process)
        if not noise > 0.0:
            problem = "without noise no copy can be anywhere else: t must be above 0"
            raise InputError(problem, where="transitions.t")
        self.law, self.t = law, t
        self._means, self._widths = law.means[:, 0], np.sqrt(law.spread.reshape(-1))
        self._stiffness = decay / math.sqrt(noise)
        self._known = lru_cache(maxsize=4096)(self._work_out)

    def value(self, q: float) -> float:
        """V(q), nats, q > 0 (squared model units).

        Raises:
            InputError: q <= 0, or one so far out that the sum would have too many points.
        """
        return self._known(float(q))[0]

    def slope(self, q: float) -> float:
        """dV/dq; errors of `value`."""
        return self._known(float(q))[1]

    def curvature(self, q: float) -> float:
        """d2V/dq2; errors of `value`."""
        return self._known(float(q))[2]

    def landmarks(self, least: float = 0.01, most: float = 8.0) -> Landmarks:
        """Maxima, minima and inflections with least < q < most.

        What stands closer together than a hundredth part of the range in ln q is not told apart.
        """
        grid = np.geomspace(_range(least, most)[0], most, _SCAN)
        slopes = np.array([self.slope(q) for q in grid])
        bends = np.array([self.curvature(q) for q in grid])
        return Landmarks(
            tuple(self._roots("slope", grid, slopes, -1.0)),
            tuple(self._roots("slope", grid, slopes, 1.0)),
            tuple(sorted(q for way in (-1.0, 1.0)
                         for q in self._roots("curvature", grid, bends, way))),
        )  # fmt: skip

    def steepest_fall(self, least: float, most: float) -> float | None:
        """The lowest slope at an inflection between the ends; None where there is no such one.

        Negative: V falls somewhere, so that it has a maximum and a minimum. Inflections closer than
        a twentieth part of the range in ln q are not told apart.
        """
        grid = np.geomspace(_range(least, most)[0], most, _SCAN // 8)
        bends = np.array([self.curvature(q) for q in grid])
        found = [self.slope(q) for q in self._roots("curvature", grid, bends, 1.0)]
        return min(found, default=None)

    def _roots(self, of: str, grid: np.ndarray, values: np.ndarray, way: float) -> list[float]:
        """Where a function changes sign: upwards (way 1) or downwards (-1)."""
        signed = way * values
        where = np.flatnonzero((signed[:-1] < 0.0) & (signed[1:] >= 0.0))
        solve = scipy.optimize.brentq
        return [float(solve(getattr(self, of), grid[i], grid[i + 1], xtol=1e-10)) for i in where]

    def _work_out(self, q: float) -> tuple[float, float, float]:
        """V and its derivatives in q."""
        if not (math.isfinite(q) and q > 0.0):
            problem = f"a squared distance is above 0 here, got {q!r}"
            raise InputError(problem, where="transitions.q")
        u, k = math.sqrt(q), self._stiffness
        x, z, mass = self._points(u)
        log_right, score_right, bend_right = self._log_density(x + u)
        log_left, score_left, bend_left = self._log_density(x - u)
        push = k * z[None, :]
        right, left = log_right[:, None] + u * push, log_left[:, None] - u * push
        total = np.logaddexp(right, left)
        weight = np.exp(right - total)
        up, down = score_right[:, None] + push, -score_left[:, None] - push
        value = math.log(2.0 * u) + 0.5 + 0.5 * k**2 * q - _mean(mass, total)
        first = 1.0 / u + k**2 * u - _mean(mass, weight * up + (1.0 - weight) * down)
        bend = weight * bend_right[:, None] + (1.0 - weight) * bend_left[:, None]
        second = k**2 - 1.0 / q - _mean(mass, bend + weight * (1.0 - weight) * np.square(up - down))
        return value, first / (2.0 * u), (second - first / u) / (4.0 * q)

    def _points(self, u: float) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray]]:
        """Points x of p_0 and z, and their masses."""
        apart = float(np.ptp(self._means))
        steps, means = [], self._means
        for width in self._widths:
            slope = 2.0 * (u + apart) * width / float(self._widths.min()) ** 2
            steps.append(min(_WIDEST, _FACTOR * math.pi / slope))
        across = min(_WIDEST, _FACTOR * math.pi / (2.0 * self._stiffness * u + 1e-300))
        counts = [math.ceil(_REACH / step) for step in steps]
        over = math.ceil(_REACH / across)
        if sum(2 * n + 1 for n in counts) * (2 * over + 1) > _MOST:
            problem = f"at t = {self.t:g} and a distance {u:g} the integrand is too sharp to sum"
            raise InputError(problem, where="transitions.q")
        x, mass = [], []
        for w, m, width, n in zip(self.law.weights, means, self._widths, counts, strict=True):
            line, weights = _normal(n)
            x.append(m + width * line)
            mass.append(w * weights)
        z, weights = _normal(over)
        return np.concatenate(x), z, (np.concatenate(mass), weights)

    def _log_density(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """ln p_0, its slope and its curvature, shape (n,) each."""
        gap = (self._means - x[:, None]) / self._widths
        part = np.log(self.law.weights / self._widths) - 0.5 * np.square(gap)
        top = part.max(1, keepdims=True)
        share = np.exp(part - top)
        total = share.sum(1, keepdims=True)
        share /= total
        pull = gap / self._widths
        score = (share * pull).sum(1)
        bend = (share * (np.square(pull) - 1.0 / np.square(self._widths))).sum(1) - score**2
        log = (top + np.log(total))[:, 0] - 0.5 * math.log(2.0 * math.pi)
        return log, score, bend


def pair_time(
    law: MixtureLaw,
    between: tuple[float, float],
    process: Process | None = None,
    *,
    q: tuple[float, float] = (0.2, 8.0),
) -> Onset:
    """When the maximum and the minimum of V(q) meet and vanish.

    Args:
        law: as of `FranzParisi`.
        between: two model times, at one of which V has such a pair and at the other none.
        process: as of `FranzParisi`.
        q: the range of squared distances that is searched.

    Returns:
        The time, or None where both ends have a pair or neither has.

    Raises:
        InputError: as of `FranzParisi`, or times that are not ascending.
    """
    early, late = between
    if not 0.0 < early < late:
        problem = f"expected two ascending times above 0, got {between!r}"
        raise InputError(problem, where="transitions.between")

    def fall(t: float) -> float:
        slope = FranzParisi(law, float(t), process).steepest_fall(*q)
        return 1.0 if slope is None else slope  # no inflection: V rises throughout

    words = "the slope of V(q) at its inflection is 0"
    ends = fall(early), fall(late)
    if ends[0] * ends[1] > 0.0:
        has = "has a falling part" if ends[0] < 0.0 else "only rises"
        told = f"{words}: at t = {early:g} and at t = {late:g} alike V {has}"
        return Onset(None, told)
    return Onset(float(scipy.optimize.brentq(fall, early, late, xtol=1e-7)), words)


def _range(least: float, most: float) -> tuple[float, float]:
    """The ends of a search, checked."""
    if not 0.0 < least < most < math.inf:
        problem = f"expected two ascending squared distances above 0, got {least!r}, {most!r}"
        raise InputError(problem, where="transitions.q")
    return least, most


def _normal(count: int) -> tuple[np.ndarray, np.ndarray]:
    """2 count + 1 equidistant points and the masses of a normal law on them."""
    line = np.linspace(-_REACH, _REACH, 2 * count + 1)
    mass = np.exp(-0.5 * np.square(line))
    return line, mass / mass.sum()


def _mean(mass: tuple[np.ndarray, np.ndarray], values: np.ndarray) -> float:
    return float(mass[0] @ values @ mass[1])
