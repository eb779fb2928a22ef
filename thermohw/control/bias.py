r"""What a grid does to the law of the samples: the bias of a finite tick, derived.

On a Gaussian law one tick of the closed loop is affine (`thermohw.control.loop`), so that mean and
covariance go through the plan's own grid exactly, from the law p_T they start with:

    m' = M m + S mu,     P' = M P M^T + Q,         m_0 = D_T mu,   P_0 = D_T C0 D_T^T + N_T.

At t_min they should be D mu and V = D C0 D^T + N. What is missing is the bias

    of the mean      |m_N - D mu|/sigma
    of the spread    |sqrt(P_N) - sqrt(V)|/sigma        matrices: of the roots

in units of sigma, the standard deviation at t_min of the narrowest mode along the direction in
question. It knows what a margin against ringing does not: far above the thermal voltage a tick
lasts many RC and a held source cancels the leak at its start alone; a wide law loses spread where a
narrow one still follows.

For one Gaussian this is exact, and a mixture on the line is followed as it is
(`thermohw.control.line`), with W1 as a third number. Of other laws two Gaussians are followed, and
the worse counts:

    whole       mean and covariance of all the data. Early in a run the score is theirs. Along each
                direction sigma is the narrowest mode's, a mixture's of independent coordinates;
                data whose modes are not known, or have full covariances, narrow along some
                directions only, have no other width than their own there
    narrowest   a mode of the smallest variance, as far from the origin as the modes sit: a
                mixture's means; else the root mean square of the data along one coordinate. It is
                followed once modes so far out have parted, noise(t) = decay(t)^2 |mu|^2: before, no
                state belongs to one of them

Modes that have parted pull back some of what the whole law lost: its bias is an upper estimate, two
to three times what a mixture's modes are displaced by in the end, while that of the narrowest mode
alone falls short by up to a third. Only data coordinates count: momenta are averaged over. The law
is that of the exact score and of ideal stages; what an altered score, a start from another law, a
converter or a delay add is no part of it.

A bias above `CAP` is another law than the data's, whatever the reason: such grids are
refused. An audit explains less where modes are as wide as the law, a tenth of the total width in
W1 and of a nat a dimension in -E ln p: `Bias.remark` says when a grid that is played will not pass.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import erf, exp, pi, sqrt
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from thermohw.control.line import MOST_MODES, MOST_STEPS, line_bias
from thermohw.control.loop import Loop, Ticks, plain_covariance
from thermohw.process import Langevin
from thermohw.target import GaussianMixture

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from thermohw.control.drive import ReverseDrive
    from thermohw.control.protocol import Protocol
    from thermohw.process import Process
    from thermohw.score import Score
    from thermohw.target import Target
    from thermohw.target.law import MixtureLaw

__all__ = ["CAP", "NATS_CAP", "WIDTH_CAP", "Bias", "bias_of", "narrow_loop"]

CAP = 0.3
"""Largest bias that a grid may have, in standard deviations of the narrowest mode."""

WIDTH_CAP, NATS_CAP = 0.1, 0.1
"""Largest bias that an audit explains beside it: of W1 over the law's total width, and of -E ln p,
nats a dimension.
"""

_NUMBERS = 2**20  # worked on at a time


@dataclass(frozen=True)
class Bias:
    """How far a grid moves the law of the samples.

    Attributes:
        mean: displacement of the mean over `deviation`.
        spread: change of the standard deviation over `deviation`; of the direction with the largest
            change, with its sign.
        deviation: standard deviation of the narrowest mode at t_min, model units.
        mode: which law it is: "narrowest" or "whole"; "every" for the worst of a mixture's modes.
        distance: W1 to the law over `deviation`, on the line; else 0.
        width: the same over the law's total standard deviation; 0 where it is not known.
        nats: -E ln p of the played law less that of the right one, nats a dimension; 0 where it is
            not known.
    """

    mean: float
    spread: float
    deviation: float
    mode: str
    distance: float = 0.0
    width: float = 0.0
    nats: float = 0.0

    @property
    def worst(self) -> float:
        """The largest of the three, in standard deviations of the narrowest mode."""
        return max(self.mean, abs(self.spread), self.distance)

    def text(self) -> str:
        """In words."""
        law = {"narrowest": "the narrowest mode", "whole": "the whole law", "every": "a mode"}
        kind = f"{'mean' if self.mean >= abs(self.spread) else 'spread'} of {law[self.mode]}"
        if self.distance == self.worst:
            kind = "W1"
        return f"{self.worst:.3g} of the narrowest mode's standard deviation ({kind})"

    @property
    def remark(self) -> str | None:
        """What an audit of many paths would not explain, in words; None where nothing."""
        over = []
        if self.width > WIDTH_CAP:
            over.append(f"W1 is {self.width:.2g} of the law's width, more than {WIDTH_CAP:g}")
        if abs(self.nats) > NATS_CAP:
            over.append(
                f"-E ln p is off by {self.nats:+.2g} nats a dimension, more than {NATS_CAP:g}"
            )
        if not over:
            return None
        return f"the ticks bias the samples by {self.text()}, and {'; '.join(over)}"


class _FollowedLaw(NamedTuple):
    """A Gaussian to follow.

    Attributes:
        mode: its name.
        covariance: C0 of all coordinates, shape (n, n), model units.
        places: means of the data as columns, shape (d, K); the one displaced most counts.
        width: variance of the modes that the bias is measured in; None for its own covariance.
        since: model time from which on it is followed.
        whole: the data have this law and no other.
    """

    mode: str
    covariance: NDArray[Any]
    places: NDArray[Any]
    width: float | None = None
    since: float = np.inf
    whole: bool = False


def bias_of(protocol: Protocol, drive: ReverseDrive, stepper: str) -> Callable[[Ticks], Bias]:
    """Grid -> its bias."""
    laws = _laws(protocol)
    line = _mixture_on_the_line(protocol)
    loops = [Loop(protocol, drive, stepper, law.covariance) for law in laws]

    def bias(ticks: Ticks) -> Bias:
        if line is not None and len(ticks) <= MOST_STEPS:
            played = line_bias(loops[0], ticks, line)
            return Bias(mode="every", **played._asdict())
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            found = [_bias(loop, ticks, law) for loop, law in zip(loops, laws, strict=True)]
        return max(found, key=lambda one: one.worst)

    return bias


def _mixture_on_the_line(protocol: Protocol) -> MixtureLaw | None:
    """The data's law where it can be followed as it is."""
    score, target = protocol.score, protocol.score.target
    if score.dim != 1 or not protocol.process.isotropic or not isinstance(target, GaussianMixture):
        return None
    return target.law if 1 < len(target.law.weights) <= MOST_MODES else None


def narrow_loop(protocol: Protocol, drive: ReverseDrive, stepper: str) -> Loop:
    """The closed loop of the narrowest mode."""
    covariance = plain_covariance(protocol.process, protocol.score.dim, protocol.score.narrowest)
    return Loop(protocol, drive, stepper, covariance)


def _laws(protocol: Protocol) -> list[_FollowedLaw]:
    """What is followed, see the module."""
    score, process = protocol.score, protocol.process
    mean, covariance = _moments(score)
    if isinstance(process, Langevin):  # the data alone; momenta are beside them as they are
        x = list(process.positions)
        mean, covariance = mean[x], covariance[np.ix_(x, x)]
    places, whole = mean[:, None], covariance
    if isinstance(process, Langevin):
        whole = process.joint(mean, covariance)[1]
    modes = _modes(score.target)
    if modes is not None and len(modes) == 1:
        return [_FollowedLaw("narrowest", whole, places, whole=True)]
    narrow = plain_covariance(process, score.dim, score.narrowest)
    if modes is None:
        away = np.diag(np.sqrt(np.diag(covariance) + mean**2))
    else:
        x = list(process.positions) if isinstance(process, Langevin) else slice(None)
        away = modes.T[x]
    return [
        _FollowedLaw("narrowest", narrow, away, since=_parting(process, score.narrowest, away)),
        _FollowedLaw("whole", whole, places, None if modes is None else score.narrowest),
    ]


def _modes(target: Target | None) -> NDArray[Any] | None:
    """Places of the modes, shape (K, n); None where they, or their widths along each direction, are
    not known.
    """
    if not isinstance(target, GaussianMixture):
        return None
    data = getattr(target, "base", target).law
    return target.law.means if data.diagonal or len(data.weights) == 1 else None


def _parting(process: Process, variance: float, away: NDArray[Any]) -> float:
    """Model time at which modes so far from the origin stand out of the noise; inf for never."""
    farthest = float(np.square(away).sum(0).max())
    if farthest <= variance:
        return np.inf
    return process.time_at_log_snr(-np.log(farthest))


def _moments(score: Score) -> tuple[NDArray[Any], NDArray[Any]]:
    """Mean and covariance of the data, model units; a data set's mean square is 1."""
    known: Any = score
    while known is not None:
        sources: tuple[Any, ...] = (known.target, getattr(known, "head", None))
        for source in sources:
            if getattr(source, "covariance", None) is not None:
                return np.asarray(source.mean, float), np.asarray(source.covariance, float)
        known = getattr(known, "base", None)
    return np.zeros(score.dim), np.eye(score.dim)


def _bias(loop: Loop, ticks: Ticks, law: _FollowedLaw) -> Bias:
    """The bias of one law."""
    x, last = loop.algebra, slice(len(ticks), len(ticks) + 1)
    first = max(0, int(np.count_nonzero(ticks.times[:-1] >= law.since)) - 1)
    decay, noise = loop.level(ticks, slice(first, first + 1))
    gain, shift, spread = _through(loop, ticks, first)
    played = x.times(x.times(gain, loop.law(decay, noise)[0]), x.turned(gain)) + spread
    moved = x.times(gain, decay[0]) + shift
    decay, noise = loop.level(ticks, last)
    wanted, missed = loop.law(decay, noise)[0], moved - decay[0]
    width = wanted
    if law.width is not None:
        width = loop.law(decay, noise, loop.plain(law.width))[0]
    played, wanted, width, missed = (loop.seen(part) for part in (played, wanted, width, missed))
    narrowest = _smallest(width)
    if loop.axes is not None:  # numbers, one for each principal direction
        size = np.sqrt(width)
        change = (np.sqrt(played) - np.sqrt(wanted)) / size
        away = (missed / size)[loop.which][:, None] * (loop.axes.T @ law.places)
        widen = float(change[int(np.argmax(np.abs(change)))])
        grown = float((played / wanted)[loop.which].mean())
    else:
        if not np.isfinite(played).all() or not np.isfinite(missed).all():
            return Bias(np.inf, np.inf, narrowest, law.mode)
        scale = _power(width, -0.5)
        roots = [_power(scale @ part @ scale, 0.5) for part in (played, wanted)]
        values = np.linalg.eigvalsh(roots[0] - roots[1])
        widen = float(values[int(np.argmax(np.abs(values)))])
        away = scale @ missed @ law.places
        grown = float(np.trace(scale @ played @ scale)) / len(scale)
    displaced = float(np.sqrt(np.square(away).sum(0)).max())
    found = Bias(_finite(displaced), _finite(widen), narrowest, law.mode)
    if not law.whole:
        return found
    nats = 0.5 * (grown - 1.0 + float(np.square(away).sum()) / len(away))
    width = _folded(displaced, widen) if len(away) == 1 else 0.0
    return replace(found, width=_finite(width), nats=_finite(nats))


def _folded(mean: float, deviation: float) -> float:
    """E|mean + deviation z|: W1 between two Gaussians on the line."""
    size = abs(deviation)
    if size == 0.0 or not np.isfinite(size):
        return abs(mean) + size
    x = mean / size
    return size * sqrt(2.0 / pi) * exp(-0.5 * x * x) + mean * erf(x / sqrt(2.0))


def _through(loop: Loop, ticks: Ticks, first: int) -> tuple[NDArray[Any], ...]:
    """(M, S, Q) from a tick to the end: x_N = M x_first + S mu + noise of covariance Q."""
    step = max(1, _NUMBERS // loop.data.size)
    whole = None
    for start in range(first, len(ticks), step):
        parts = loop.tick(ticks, slice(start, min(start + step, len(ticks))))
        shape = np.broadcast_shapes(*(part.shape for part in parts))
        parts = tuple(np.broadcast_to(part, shape) for part in parts)
        whole = _chained(loop, *parts, before=whole)
    assert whole is not None
    return whole


def _chained(
    loop: Loop, gain: NDArray[Any], shift: NDArray[Any], noise: NDArray[Any], *, before: Any
) -> tuple[NDArray[Any], ...]:
    """One map of many in order, neighbours joined pair by pair: all pairs at once."""
    x = loop.algebra

    def join(early: Any, late: Any) -> tuple[Any, ...]:
        return (
            x.times(late[0], early[0]),
            x.times(late[0], early[1]) + late[1],
            x.times(x.times(late[0], early[2]), x.turned(late[0])) + late[2],
        )

    maps = gain, shift, noise
    while len(maps[0]) > 1:
        even = len(maps[0]) // 2 * 2
        joined = join([part[0:even:2] for part in maps], [part[1:even:2] for part in maps])
        maps = tuple(
            np.concatenate([new, old[even:]]) for new, old in zip(joined, maps, strict=True)
        )
    one = tuple(part[0] for part in maps)
    return one if before is None else join(before, one)


def _power(matrix: NDArray[Any], power: float) -> NDArray[Any]:
    """A positive definite matrix to a power."""
    values, vectors = np.linalg.eigh(0.5 * (matrix + matrix.T))
    return (vectors * np.clip(values, 1e-300, None) ** power) @ vectors.T


def _smallest(width: NDArray[Any]) -> float:
    """Standard deviation along the narrowest direction."""
    values = width if width.ndim == 1 else np.linalg.eigvalsh(width)
    return float(np.sqrt(values.min()))


def _finite(value: float) -> float:
    """Numbers that ran away are infinite."""
    return value if np.isfinite(value) else float("inf")
