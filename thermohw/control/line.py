r"""A mixture on the line, carried through a grid without sampling: what its ticks do to its modes.

The control law of a mixture is no affine map, but on the line its law needs no more than a few
thousand points. They start at the quantiles of p_T. Every tick moves them by the stepper's own map
(`thermohw.control.loop`: here with the mixture's score in place of an affine one), puts them in
order, and adds the noise: rank i gets the normal quantile of the fractional part of i phi + o, phi
the golden section and o another for every draw (array-RQMC, L'Ecuyer, Lecot and Tuffin 2008). Where
a law is known in closed form the points are off by about a thousandth of its width.

Under the right law every mode k keeps, with responsibilities r_k(x),

    E[r_k (x - m_k)] = 0,        E[r_k ((x - m_k)^2 - v_k)] = 0,        E[r_k] = w_k,

whether modes overlap or not. What is missing is the displacement and the spread of that mode; what
they leave out (weights that moved from mode to mode) is in W1 between the points and the quantiles
of the law at t_min. All three are in units of the narrowest mode's standard deviation.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import scipy

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermohw.control.loop import Loop, Ticks
    from thermohw.target.law import MixtureLaw

__all__ = ["MOST_MODES", "MOST_STEPS", "LineBias", "line_bias"]

MOST_MODES, MOST_STEPS = 64, 2**14
"""Beyond them following the points would take minutes."""

_POINTS, _WORK = 4096, 2**22  # at most, and points times ticks times modes
_GOLDEN, _NEXT = 0.5 * (5.0**0.5 - 1.0), 2.0**0.5 - 1.0
_FEW = 64  # points below which a mode says nothing of its own


class LineBias(NamedTuple):
    """What a grid does to a mixture, in standard deviations of its narrowest mode at t_min.

    Attributes:
        mean: displacement of the mode displaced most.
        spread: change of standard deviation of the mode changed most, with its sign.
        deviation: of the narrowest mode, model units.
        distance: W1 to the law.
        width: W1 over the total standard deviation of the law.
        nats: -E ln p less that of the law itself, nats.
    """

    mean: float
    spread: float
    deviation: float
    distance: float
    width: float
    nats: float


class _Mixture:
    """A mixture on the line at a noise level."""

    def __init__(self, law: MixtureLaw, decay: float, noise: float) -> None:
        self.weights = law.weights
        self.means = decay * law.means[:, 0]
        self.variances = decay**2 * law.covariances[:, 0, 0] + noise
        with np.errstate(divide="ignore"):
            self._start = np.log(self.weights) - 0.5 * np.log(2.0 * np.pi * self.variances)

    def _levels(self, x: NDArray[Any]) -> NDArray[Any]:
        """ln of weight times density of every mode, shape (K, n)."""
        return self._start[:, None] - 0.5 * (x - self.means[:, None]) ** 2 / self.variances[:, None]

    def shares(self, x: NDArray[Any]) -> NDArray[Any]:
        """Responsibilities, shape (K, n)."""
        levels = self._levels(x)
        levels = np.exp(levels - levels.max(0))
        return levels / levels.sum(0)

    def log_density(self, x: NDArray[Any]) -> NDArray[Any]:
        """ln p, shape (n,)."""
        return np.asarray(scipy.special.logsumexp(self._levels(x), axis=0))

    def score(self, x: NDArray[Any]) -> NDArray[Any]:
        """d ln p/dx."""
        return (self.shares(x) * (self.means[:, None] - x) / self.variances[:, None]).sum(0)

    def quantiles(self, n: int) -> NDArray[Any]:
        """Of (i + 1/2)/n, by Newton's steps within a bracket that halves where they leave it."""
        from scipy.special import ndtr

        wanted, deviations = (np.arange(n) + 0.5) / n, np.sqrt(self.variances)
        edge = 9.0 * deviations
        low = np.full(n, float((self.means - edge).min()))
        high = np.full(n, float((self.means + edge).max()))
        density = self.weights / (deviations * np.sqrt(2.0 * np.pi))
        x = 0.5 * (low + high)
        for _ in range(100):
            z = (x - self.means[:, None]) / deviations[:, None]
            off = self.weights @ ndtr(z) - wanted
            low, high = np.where(off < 0.0, x, low), np.where(off < 0.0, high, x)
            rise = np.maximum(density @ np.exp(-0.5 * z * z), 1e-300)
            ahead = x - off / rise
            inside = (ahead > low) & (ahead < high)
            ahead = np.where(inside, ahead, 0.5 * (low + high))
            moved, x = np.abs(ahead - x), ahead
            if (moved <= 4e-16 * (np.abs(x) + deviations.min())).all():
                break
        return x


_KNOWN: dict[bytes, LineBias] = {}
_REMEMBERED = 64


def line_bias(loop: Loop, ticks: Ticks, law: MixtureLaw) -> LineBias:
    """Carry a mixture through a grid; infinite where its points run away.

    What was asked before is remembered: a protocol is worked out at every call, and its answer
    depends on the numbers below alone.

    Args:
        loop: the closed loop of the node, whatever its data.
        ticks: the grid.
        law: the mixture, one coordinate, model units.
    """
    parts = (loop.friction, loop.lean, loop.noise, loop.free.drift, loop.free.noise,
             loop.whole.drift, loop.whole.noise, law.weights, law.means, law.spread,
             ticks.length, ticks.heat, ticks.ends, ticks.times, ticks.middles,
             ticks.levels(slice(0, len(ticks) + 1)),
             ticks.levels(slice(0, len(ticks)), middle=True))  # fmt: skip
    digest = sha256(loop.stepper.encode())
    for part in parts:
        row = np.ascontiguousarray(part, dtype=np.float64)
        digest.update(repr(row.shape).encode() + row.tobytes())
    key = digest.digest()
    if key not in _KNOWN:
        if len(_KNOWN) >= _REMEMBERED:
            _KNOWN.pop(next(iter(_KNOWN)))
        _KNOWN[key] = _line_bias(loop, ticks, law)
    return _KNOWN[key]


def _line_bias(loop: Loop, ticks: Ticks, law: MixtureLaw) -> LineBias:
    n = int(np.clip(_WORK // (len(ticks) * len(law.weights)), 256, _POINTS))
    levels = ticks.levels(slice(0, len(ticks) + 1))
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        x = _through(loop, ticks, law, _Mixture(law, *levels[0]).quantiles(n))
    end = _Mixture(law, *levels[-1])
    deviation = float(np.sqrt(end.variances.min()))
    if not np.isfinite(x).all():
        return LineBias(np.inf, np.inf, deviation, np.inf, np.inf, np.inf)
    shares = end.shares(x)
    told = (shares.sum(1) >= _FEW) & (end.weights * n >= _FEW)
    if not told.any():  # every point left the modes there are, or there are too many of them
        told = end.weights == end.weights.max()
    shares, away = shares[told], x - end.means[told, None]
    size = np.fmax(shares.sum(1), 1e-300)
    moved = (shares * away).sum(1) / size
    spread = np.sqrt((shares * away**2).sum(1) / size) - np.sqrt(end.variances[told])
    wanted = end.quantiles(n)
    distance = float(np.abs(np.sort(x) - wanted).mean())
    return LineBias(
        mean=float(np.abs(moved).max()) / deviation,
        spread=float(spread[np.argmax(np.abs(spread))]) / deviation,
        deviation=deviation,
        distance=distance / deviation,
        width=distance / float(wanted.std()),
        nats=float((end.log_density(wanted) - end.log_density(x)).mean()),
    )


def _through(loop: Loop, ticks: Ticks, law: MixtureLaw, x: NDArray[Any]) -> NDArray[Any]:
    """The points after the last tick, in no order."""
    held, lean, power = (float(part[0]) for part in (loop.friction, loop.lean, loop.noise))
    stepper = loop.stepper
    inner = stepper == "splitting"
    level = ticks.levels(slice(0, len(ticks) + (not inner)), middle=inner)
    heat = ticks.heat if stepper in ("exact", "splitting", "euler") else ticks.ends
    free = loop.free.at(0.5 * ticks.length if inner else ticks.length)
    decay, noise = (part[:, 0] for part in free)
    reach = loop.whole.sums(free[0], ticks.length)[:, 0]
    ranks = np.modf((np.arange(len(x)) + 0.5) * _GOLDEN)[0]
    draws = 0

    def source(n: int) -> Any:
        """u of the law at boundary (or middle) n."""
        here, warm = _Mixture(law, *level[n]), float(heat[min(n, len(heat) - 1)])
        return lambda x: (held + warm * lean) * x + warm * power * here.score(x)

    def kicked(x: NDArray[Any], variance: float) -> tuple[NDArray[Any], NDArray[Any]]:
        """Points in order, and the noise of each."""
        nonlocal draws
        draws += 1
        z = scipy.special.ndtri(np.modf(ranks + draws * _NEXT)[0])
        return np.sort(x), z * np.sqrt(variance)

    for n, (h, warm) in enumerate(zip(ticks.length, ticks.heat, strict=True)):
        act = source(n)
        if stepper == "exact":
            x, z = kicked(decay[n] * x + reach[n] * act(x), warm * noise[n])
            x = x + z
        elif stepper == "euler":
            x, z = kicked(x + h * (act(x) - held * x), h * warm * power)
            x = x + z
        elif stepper == "splitting":
            x, z = kicked(decay[n] * x, warm * noise[n])
            x = x + z
            x = x + h * act(x + 0.5 * h * act(x))
            x, z = kicked(decay[n] * x, warm * noise[n])
            x = x + z
        else:  # heun: the noise belongs to the point before it moves
            x, z = kicked(x, h * warm * power)
            late, first = source(n + 1), act(x) - held * x
            ahead = x + h * first + z
            x = x + 0.5 * h * (first + late(ahead) - held * ahead) + z
    return x
